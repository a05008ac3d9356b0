//! What the server refuses: the rules of names and labels, of pods, namespaces, quotas, and those of
//! our own kinds that CEL states in the real one.

use serde_json::{Value, json};

use crate::{
    answer::Failure,
    resource::{Key, Resource},
    state::State,
};

/// The longest name of an object.
const NAME_MAX: usize = 253;
/// The longest label value, and the longest name part of its key.
const LABEL_MAX: usize = 63;

impl State {
    /// Whether an object may be created in its namespace.
    pub(crate) fn admit(&self, key: &Key) -> Result<(), Failure> {
        let namespace = self.objects.get(&Key::namespace(&key.namespace));
        if namespace.is_some_and(|it| it["metadata"]["deletionTimestamp"].is_string()) {
            return Err(Failure::terminating(key));
        }
        let Some(limit) = self.pod_quotas.get(&key.namespace).filter(|_| key.resource.is_pods()) else {
            return Ok(());
        };
        let pods = self.range(&Resource::new("", "pods"), Some(&key.namespace));
        let used = pods.filter(|(_, pod)| !is_over(pod)).count();
        if used < *limit {
            return Ok(());
        }
        let why =
            format!("exceeded quota: pods, requested: pods=1, used: pods={used}, limited: pods={limit}");
        Err(Failure::forbidden(key, &why))
    }
}

/// Whether all containers of a pod have ended for good.
pub(crate) fn is_over(pod: &Value) -> bool {
    matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
}

/// Whether a new object is well-formed.
pub(crate) fn check_new(key: &Key, object: &Value) -> Result<(), Failure> {
    let is_name_char = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || matches!(it, '-' | '.');
    let name = key.name.as_str();
    let is_edge = |it: Option<char>| it.is_some_and(|it| it.is_ascii_lowercase() || it.is_ascii_digit());
    let is_fine = name.len() <= NAME_MAX
        && name.chars().all(is_name_char)
        && is_edge(name.chars().next())
        && is_edge(name.chars().next_back());
    if !is_fine {
        let why = format!(
            "{name:?}: a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.'"
        );
        return Err(Failure::invalid(key, "metadata.name", &why));
    }
    check_labels(key, object)
}

fn check_labels(key: &Key, object: &Value) -> Result<(), Failure> {
    for (label, value) in object["metadata"]["labels"].as_object().into_iter().flatten() {
        let value = value.as_str().unwrap_or_default();
        let is_char = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.');
        let is_edge = |it: Option<char>| it.is_none_or(|it| it.is_ascii_alphanumeric());
        let name = label.rsplit('/').next().unwrap_or_default();
        let is_fine = [name, value].iter().all(|it| {
            let mut chars = it.chars();
            it.len() <= LABEL_MAX
                && it.chars().all(is_char)
                && is_edge(chars.next())
                && is_edge(chars.next_back())
        });
        if name.is_empty() || !is_fine {
            let why = format!(
                "{label:?}={value:?}: must be no more than 63 alphanumeric characters, '-', '_' or '.'"
            );
            return Err(Failure::invalid(key, "metadata.labels", &why));
        }
    }
    Ok(())
}

/// Whether an object may become another.
pub(crate) fn check_change(key: &Key, before: &Value, after: &Value) -> Result<(), Failure> {
    check_labels(key, after)?;
    check_finalizers(key, &before["metadata"], &after["metadata"])?;
    match key.resource.plural.as_str() {
        "pods" if frozen(before) != frozen(after) => {
            let why =
                "pod updates may not change fields other than images, tolerations and activeDeadlineSeconds";
            Err(Failure::invalid(key, "spec", why))
        }
        "gamerooms" => check_room(key, &before["status"], &after["status"]),
        "controllerrevisions" if before["data"] != after["data"] => {
            Err(Failure::invalid(key, "data", "field is immutable"))
        }
        _ => Ok(()),
    }
}

fn check_finalizers(key: &Key, before: &Value, after: &Value) -> Result<(), Failure> {
    let list = |it: &Value| it["finalizers"].as_array().cloned().unwrap_or_default();
    let had = list(before);
    if before["deletionTimestamp"].is_string() && list(after).iter().any(|it| !had.contains(it)) {
        let why = "no new finalizers can be added if the object is being deleted";
        return Err(Failure::invalid(key, "metadata.finalizers", why));
    }
    Ok(())
}

/// The part of a pod's spec that never changes.
fn frozen(pod: &Value) -> Value {
    let mut spec = pod["spec"].clone();
    for containers in ["containers", "initContainers"] {
        for container in spec.get_mut(containers).and_then(Value::as_array_mut).into_iter().flatten() {
            container["image"] = json!("");
        }
    }
    if let Some(spec) = spec.as_object_mut() {
        spec.retain(|key, _| !matches!(key.as_str(), "tolerations" | "activeDeadlineSeconds"));
    }
    spec
}

fn check_room(key: &Key, before: &Value, after: &Value) -> Result<(), Failure> {
    if before["epoch"].as_i64().is_some_and(|old| after["epoch"].as_i64().is_none_or(|new| new < old)) {
        return Err(Failure::invalid(
            key,
            "status",
            "status.epoch never falls: a later tenancy owns the room",
        ));
    }
    let was_over = matches!(before["phase"].as_str(), Some("Finished" | "Failed"));
    if was_over && before["phase"] != after["phase"] {
        return Err(Failure::invalid(key, "status", "a match that is over stays over"));
    }
    Ok(())
}
