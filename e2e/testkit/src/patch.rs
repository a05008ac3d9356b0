//! Patches: merge, JSON patch, and server-side apply as far as maps go.

use serde_json::{Map, Value};

use crate::{
    answer::Failure,
    call::{Call, PatchType},
    resource::Key,
    state::State,
};

/// The object as a merge or JSON patch would have it.
pub(crate) fn patched(key: &Key, call: &Call, current: &Value) -> Result<Value, Failure> {
    let mut object = current.clone();
    if call.patch == Some(PatchType::Json) {
        let steps: json_patch::Patch = serde_json::from_value(call.body.clone())
            .map_err(|it| Failure::bad_request(format!("unreadable patch: {it}")))?;
        json_patch::patch(&mut object, &steps).map_err(|it| Failure::patch_rejected(key, &it.to_string()))?;
    } else {
        json_patch::merge(&mut object, &call.body);
    }
    if !object["metadata"].is_object() {
        return Err(Failure::patch_rejected(key, "the object has no metadata any more"));
    }
    Ok(object)
}

impl State {
    /// The object as an apply would have it: what the manager wants, without what it wanted before
    /// and wants no more. Lists are replaced as a whole. `current` is empty if there is no object.
    pub(crate) fn applied(&self, key: &Key, call: &Call, current: &Value) -> Result<Value, Failure> {
        let manager = call.query.text("fieldManager");
        if manager.is_empty() {
            return Err(Failure::bad_request(
                "PatchOptions.meta.k8s.io is invalid: fieldManager: Required value: is required for apply patch",
            ));
        }
        let wanted = wish(&call.body, call.target.subresource.as_deref());
        let uid = current["metadata"]["uid"].as_str().unwrap_or_default();
        let mut others = Vec::new();
        let mut before = &Value::Null;
        for ((its_uid, its_manager, subresource), value) in &self.applied {
            if its_uid != uid || uid.is_empty() {
                continue;
            }
            if its_manager == manager && subresource == call.target.subresource.as_deref().unwrap_or_default()
            {
                before = value;
            } else if its_manager != manager {
                others.push((its_manager, value));
            }
        }
        if !call.query.is_true("force") {
            for (other, value) in &others {
                if let Some(field) = disputed(&wanted, value, current, "") {
                    let why = format!("Apply failed with 1 conflict: conflict with {other:?}: {field}");
                    return Err(Failure::conflict(key, &why));
                }
            }
        }
        let others: Vec<&Value> = others.into_iter().map(|(_, value)| value).collect();
        let mut object = current.clone();
        prune(&mut object, before, &wanted, &others);
        json_patch::merge(&mut object, &wanted);
        Ok(object)
    }

    /// Remembers what a manager has applied.
    pub(crate) fn note_apply(&mut self, uid: &str, call: &Call) {
        let subresource = call.target.subresource.as_deref();
        let manager = call.query.text("fieldManager").to_owned();
        let wanted = wish(&call.body, subresource);
        self.applied.insert((uid.to_owned(), manager, subresource.unwrap_or_default().to_owned()), wanted);
    }
}

/// What an apply asks for; a null in it asks for nothing. The guards on version and uid stay.
fn wish(body: &Value, subresource: Option<&str>) -> Value {
    let mut wanted = without_nulls(body);
    if let Some(map) = wanted.as_object_mut() {
        match subresource {
            Some("status") => {
                map.retain(|key, _| matches!(key.as_str(), "status" | "metadata" | "kind" | "apiVersion"));
            }
            _ => drop(map.remove("status")),
        }
    }
    wanted
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key.clone(), without_nulls(value))).collect())
        }
        other => other.clone(),
    }
}

/// Removes the fields that were wanted before and are not now, unless somebody else wants them.
fn prune(object: &mut Value, before: &Value, wanted: &Value, others: &[&Value]) {
    let (Some(object), Some(before)) = (object.as_object_mut(), before.as_object()) else { return };
    for (key, old) in before {
        let others: Vec<&Value> = others.iter().filter_map(|it| it.get(key)).collect();
        let Some(found) = object.get_mut(key) else { continue };
        match (old, wanted.get(key)) {
            (Value::Object(_), new) => {
                prune(found, old, new.unwrap_or(&Value::Null), &others);
                if new.is_none() && found.as_object().is_some_and(Map::is_empty) {
                    object.remove(key);
                }
            }
            (_, None) if others.is_empty() && !is_guard(key) => drop(object.remove(key)),
            _ => {}
        }
    }
}

/// Fields that name the object and its version; nobody owns them.
fn is_guard(field: &str) -> bool {
    matches!(field, "apiVersion" | "kind" | "name" | "namespace" | "uid" | "resourceVersion")
}

/// The first field that `other` has applied, that still has its value, and that is wanted otherwise.
fn disputed(wanted: &Value, other: &Value, current: &Value, path: &str) -> Option<String> {
    let other = other.as_object()?;
    other.iter().filter(|(key, _)| !is_guard(key)).find_map(|(key, theirs)| {
        let (ours, path) = (wanted.get(key)?, format!("{path}.{key}"));
        match (ours, theirs) {
            (Value::Object(_), Value::Object(_)) => disputed(ours, theirs, &current[key], &path),
            _ => (ours != theirs && current[key] == *theirs).then_some(path),
        }
    })
}
