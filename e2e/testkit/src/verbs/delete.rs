//! Delete: at once, gracefully, or when the finalizers are gone.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::{
    answer::{Done, Failure, Reply},
    call::Call,
    clock::stamp,
    resource::Key,
    rules::is_over,
    state::State,
};

/// Keeps an owner until all that it owns is gone.
pub(crate) const FOREGROUND: &str = "foregroundDeletion";

/// How an object is to be deleted.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeleteOptions {
    pub(crate) uid: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) grace: Option<i64>,
    pub(crate) propagation: Option<String>,
}

impl DeleteOptions {
    pub(super) fn parse(body: &Value) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Self {
            uid: text(&body["preconditions"]["uid"]),
            version: text(&body["preconditions"]["resourceVersion"]),
            grace: body["gracePeriodSeconds"].as_i64(),
            propagation: text(&body["propagationPolicy"]),
        }
    }

    /// At once, and only this incarnation.
    pub(crate) fn now(uid: &str) -> Self {
        Self { uid: Some(uid.to_owned()), grace: Some(0), ..Self::default() }
    }
}

impl State {
    pub(super) fn delete(&mut self, key: &Key, call: &Call) -> Reply {
        let object = self.get(key).ok_or_else(|| Failure::not_found(key))?;
        self.delete_object(key, &object, &DeleteOptions::parse(&call.body))
    }

    pub(crate) fn delete_object(&mut self, key: &Key, object: &Arc<Value>, options: &DeleteOptions) -> Reply {
        let metadata = &object["metadata"];
        let is_other =
            |asked: &Option<String>, field: &str| asked.as_ref().is_some_and(|it| metadata[field] != **it);
        if is_other(&options.uid, "uid") {
            return Err(Failure::precondition(key, "UID", &json!(options.uid), &metadata["uid"]));
        }
        if is_other(&options.version, "resourceVersion") {
            let found = &metadata["resourceVersion"];
            return Err(Failure::precondition(key, "ResourceVersion", &json!(options.version), found));
        }
        let uid = metadata["uid"].as_str().unwrap_or_default().to_owned();
        let mut doomed = Value::clone(object);
        match options.propagation.as_deref() {
            Some("Orphan") => self.orphan(&uid),
            Some("Foreground") if !self.owners.dependants(&uid).is_empty() => add_finalizer(&mut doomed),
            _ => {}
        }
        self.mark(&mut doomed, grace(key, object, options));
        if key.resource.is_namespaces() {
            doomed["status"]["phase"] = json!("Terminating");
        }
        let left = self.put(key, doomed);
        if options.propagation.as_deref() == Some("Foreground") {
            for dependant in self.owners.dependants(&uid) {
                self.delete_quietly(&dependant);
            }
        }
        if key.resource.is_namespaces() {
            self.empty_namespace(&key.name);
        }
        let is_left = self.objects.contains_key(key);
        Ok(Done::ok(if is_left { left } else { Arc::new(deleted(key, &uid)) }))
    }

    /// Marks an object as being deleted. A second deletion may only shorten the grace of the first.
    fn mark(&self, object: &mut Value, grace: i64) {
        let metadata = &mut object["metadata"];
        let before = metadata["deletionGracePeriodSeconds"].as_i64().unwrap_or(0);
        if metadata["deletionTimestamp"].is_string() && before <= grace {
            return;
        }
        let end = self.clock.now() + SignedDuration::from_secs(grace);
        metadata["deletionTimestamp"] = json!(stamp(end));
        metadata["deletionGracePeriodSeconds"] = json!(grace);
    }
}

/// Only a pod that has a node and still runs has something to be graceful about.
fn grace(key: &Key, object: &Value, options: &DeleteOptions) -> i64 {
    let is_unbound = object["spec"]["nodeName"].as_str().is_none_or(str::is_empty);
    if !key.resource.is_pods() || is_unbound || is_over(object) {
        return 0;
    }
    let default = object["spec"]["terminationGracePeriodSeconds"].as_i64().unwrap_or(30);
    options.grace.unwrap_or(default).max(0)
}

fn add_finalizer(object: &mut Value) {
    let metadata = &mut object["metadata"];
    match metadata["finalizers"].as_array_mut() {
        Some(finalizers) if finalizers.contains(&json!(FOREGROUND)) => {}
        Some(finalizers) => finalizers.push(json!(FOREGROUND)),
        None => metadata["finalizers"] = json!([FOREGROUND]),
    }
}

fn deleted(key: &Key, uid: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Status",
        "metadata": {},
        "status": "Success",
        "details": { "name": key.name, "group": key.resource.group, "kind": key.resource.plural, "uid": uid },
    })
}
