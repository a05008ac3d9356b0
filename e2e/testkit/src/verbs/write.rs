//! Create, update and patch.

use std::sync::Arc;

use rand::RngExt as _;
use serde_json::{Value, json};

use crate::{
    answer::{Done, Failure, Reply},
    call::{Call, PatchType},
    log::Verb,
    patch::patched,
    resource::Key,
    rules::{check_change, check_new},
    state::State,
};

/// Metadata that nobody but the server writes.
const IMMUTABLE: [&str; 5] = ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp"];

impl State {
    pub(super) fn create(&mut self, call: &Call) -> Reply {
        let mut key = call.key();
        let object = call.body.clone();
        if !object["metadata"].is_object() {
            return Err(Failure::bad_request("the object provided has no metadata"));
        }
        let metadata = &object["metadata"];
        if metadata["resourceVersion"].as_str().is_some_and(|it| !it.is_empty()) {
            return Err(Failure::bad_request("resourceVersion should not be set on objects to be created"));
        }
        key.name = match (metadata["name"].as_str(), metadata["generateName"].as_str()) {
            (Some(name), _) if !name.is_empty() => name.to_owned(),
            (_, Some(prefix)) if !prefix.is_empty() => self.generate_name(prefix),
            _ => {
                return Err(Failure::invalid(
                    &key,
                    "metadata.name",
                    "Required value: name or generateName is required",
                ));
            }
        };
        let namespace = metadata["namespace"].as_str().unwrap_or(&key.namespace);
        if namespace != key.namespace {
            return Err(Failure::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        if self.objects.contains_key(&key) {
            return Err(Failure::already_exists(&key));
        }
        if call.query.text("dryRun") == "All" {
            self.admit(&key)?;
            check_new(&key, &object)?;
            return Ok(Done::created(object));
        }
        self.insert_new(&key, object).map(Done::created)
    }

    /// Stores an object that is not there yet.
    fn insert_new(&mut self, key: &Key, mut object: Value) -> Result<Arc<Value>, Failure> {
        self.admit(key)?;
        check_new(key, &object)?;
        let metadata = &mut object["metadata"];
        metadata["name"] = json!(key.name);
        if !key.namespace.is_empty() {
            metadata["namespace"] = json!(key.namespace);
        }
        for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "generation", "managedFields"] {
            metadata[field] = Value::Null;
        }
        metadata["uid"] = json!(self.new_uid());
        metadata["creationTimestamp"] = json!(self.clock.stamp());
        let resource = &key.resource;
        if resource.is_pods() {
            object["status"] = json!({ "phase": "Pending" });
            for (field, default) in
                [("restartPolicy", json!("Always")), ("terminationGracePeriodSeconds", json!(30))]
            {
                if object["spec"][field].is_null() {
                    object["spec"][field] = default;
                }
            }
        } else if resource.is_namespaces() {
            object["spec"] = json!({ "finalizers": ["kubernetes"] });
            object["status"] = json!({ "phase": "Active" });
        } else if resource.has_status() && resource.plural != "nodes" {
            // A kubelet registers itself with its status; everything else begins without.
            object["status"] = Value::Null;
        }
        Ok(self.put(key, object))
    }

    fn generate_name(&mut self, prefix: &str) -> String {
        // Without vowels and without what looks like something else, as the real server does.
        const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        let suffix: String =
            (0..5).map(|_| char::from(ALPHABET[self.rng.random_range(0..ALPHABET.len())])).collect();
        format!("{prefix}{suffix}")
    }

    pub(super) fn replace(&mut self, key: &Key, call: &Call) -> Reply {
        let current = self.get(key).ok_or_else(|| Failure::not_found(key))?;
        if !call.body["metadata"].is_object() {
            return Err(Failure::bad_request("the object provided has no metadata"));
        }
        let named = &call.body["metadata"]["name"];
        if *named != key.name {
            let why = "the name of the object does not match the name on the URL";
            return Err(Failure::bad_request(why));
        }
        let version = &call.body["metadata"]["resourceVersion"];
        if version.as_str().is_none_or(str::is_empty) && key.resource.needs_version() {
            return Err(Failure::invalid(
                key,
                "metadata.resourceVersion",
                "0x0: must be specified for an update",
            ));
        }
        self.update(key, &current, call.body.clone(), call.target.subresource.as_deref()).map(Done::ok)
    }

    pub(super) fn patch(&mut self, caller: usize, key: &Key, call: &Call) -> Reply {
        let subresource = call.target.subresource.as_deref();
        let is_apply = call.patch == Some(PatchType::Apply);
        let Some(current) = self.get(key) else {
            let may_create = is_apply && subresource.is_none();
            return if may_create { self.apply_new(caller, key, call) } else { Err(Failure::not_found(key)) };
        };
        let wanted =
            if is_apply { self.applied(key, call, &current)? } else { patched(key, call, &current)? };
        let stored = self.update(key, &current, wanted, subresource)?;
        if is_apply {
            self.note_apply(stored["metadata"]["uid"].as_str().unwrap_or_default(), call);
        }
        Ok(Done::ok(stored))
    }

    /// An apply makes the object that is missing, and needs the right to.
    fn apply_new(&mut self, caller: usize, key: &Key, call: &Call) -> Reply {
        let metadata = &call.body["metadata"];
        let expects = |field: &str| metadata[field].as_str().is_some_and(|it| !it.is_empty());
        if expects("uid") || expects("resourceVersion") {
            return Err(Failure::conflict(key, "the object was expected to exist and does not"));
        }
        self.authorize(caller, Verb::Create, call)?;
        let mut object = self.applied(key, call, &json!({ "metadata": {} }))?;
        object["metadata"]["name"] = json!(key.name);
        let stored = self.insert_new(key, object)?;
        self.note_apply(stored["metadata"]["uid"].as_str().unwrap_or_default(), call);
        Ok(Done::created(stored))
    }

    /// Makes an object what it is wanted to be, as far as the endpoint may change it. A version or
    /// uid in what is wanted guards the write.
    pub(super) fn update(
        &mut self,
        key: &Key,
        current: &Value,
        mut wanted: Value,
        subresource: Option<&str>,
    ) -> Result<Arc<Value>, Failure> {
        let guard = |field: &str| {
            wanted["metadata"].get(field).filter(|it| it.as_str().is_some_and(|it| !it.is_empty()))
        };
        let is_other = |field: &str| guard(field).is_some_and(|it| *it != current["metadata"][field]);
        if is_other("uid") {
            let (asked, found) = (&wanted["metadata"]["uid"], &current["metadata"]["uid"]);
            return Err(Failure::precondition(key, "UID", asked, found));
        }
        if is_other("resourceVersion") {
            return Err(Failure::stale(key));
        }
        if subresource == Some("status") {
            let mut object = current.clone();
            object["status"] = wanted["status"].take();
            wanted = object;
        } else {
            if key.resource.has_status() {
                wanted["status"] = current["status"].clone();
            }
            for field in IMMUTABLE {
                wanted["metadata"][field] = current["metadata"][field].clone();
            }
            let grace = "deletionGracePeriodSeconds";
            wanted["metadata"][grace] = current["metadata"][grace].clone();
            wanted["metadata"]["managedFields"] = Value::Null;
            for field in ["apiVersion", "kind"] {
                if wanted[field].is_null() {
                    wanted[field] = current[field].clone();
                }
            }
        }
        check_change(key, current, &wanted)?;
        Ok(self.put(key, wanted))
    }
}
