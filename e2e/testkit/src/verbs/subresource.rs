//! Scale, eviction, binding.

use serde_json::{Value, json};

use crate::{
    answer::{Done, Failure, Reply},
    call::Call,
    log::Verb,
    patch::patched,
    resource::{Key, Resource},
    rules::is_over,
    selector::label_selector_matches,
    state::State,
};

use super::delete::DeleteOptions;

impl State {
    pub(super) fn scale(&mut self, key: &Key, call: &Call) -> Reply {
        let current = self.get(key).ok_or_else(|| Failure::not_found(key))?;
        let scale = scale_of(&current);
        let wanted = match call.verb {
            Verb::Get => return Ok(Done::ok(scale)),
            Verb::Update => call.body.clone(),
            _ => patched(key, call, &scale)?,
        };
        let Some(replicas) = wanted["spec"]["replicas"].as_i64().filter(|it| 0 <= *it) else {
            return Err(Failure::invalid(key, "spec.replicas", "must be greater than or equal to 0"));
        };
        let mut object = Value::clone(&current);
        object["metadata"]["resourceVersion"] = wanted["metadata"]["resourceVersion"].clone();
        object["metadata"]["uid"] = wanted["metadata"]["uid"].clone();
        object["spec"]["replicas"] = json!(replicas);
        let stored = self.update(key, &current, object, None)?;
        Ok(Done::ok(scale_of(&stored)))
    }

    pub(super) fn evict(&mut self, key: &Key, call: &Call) -> Reply {
        let pod = self.get(key).ok_or_else(|| Failure::not_found(key))?;
        // Where nothing runs yet or any more, no budget is asked.
        if !is_over(&pod) && pod["status"]["phase"] != "Pending" {
            self.ask_budgets(key, &pod)?;
        }
        let options = DeleteOptions::parse(&call.body["deleteOptions"]);
        self.delete_object(key, &pod, &options)?;
        Ok(Done::created(
            json!({ "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Success", "code": 201 }),
        ))
    }

    fn ask_budgets(&self, key: &Key, pod: &Value) -> Result<(), Failure> {
        let budgets = self.range(&Resource::new("policy", "poddisruptionbudgets"), Some(&key.namespace));
        let selects = |budget: &Value, pod: &Value| {
            label_selector_matches(&budget["spec"]["selector"], &pod["metadata"]["labels"])
        };
        for (name, budget) in budgets.filter(|(_, budget)| selects(budget, pod)) {
            let pods = self.range(&key.resource, Some(&key.namespace));
            let covered: Vec<&Value> =
                pods.map(|(_, it)| it.as_ref()).filter(|it| selects(budget, it)).collect();
            let healthy = covered.iter().filter(|it| is_healthy(it)).count();
            let healthy = i64::try_from(healthy).unwrap_or(i64::MAX);
            let needed = desired_healthy(&budget["spec"], covered.len());
            // An unhealthy pod may go as long as enough others are healthy.
            let left = healthy - i64::from(is_healthy(pod));
            if left < needed {
                let why = format!("needs {needed} healthy pods and has {healthy} currently");
                return Err(Failure::eviction_refused(key, &name.name, &why));
            }
        }
        Ok(())
    }

    pub(super) fn bind(&mut self, key: &Key, call: &Call) -> Reply {
        let pod = self.get(key).ok_or_else(|| Failure::not_found(key))?;
        if pod["spec"]["nodeName"].is_string() {
            return Err(Failure::conflict(key, "the pod is already assigned to a node"));
        }
        let mut pod = Value::clone(&pod);
        pod["spec"]["nodeName"] = call.body["target"]["name"].clone();
        self.put(key, pod);
        Ok(Done::created(
            json!({ "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Success", "code": 201 }),
        ))
    }
}

fn scale_of(object: &Value) -> Value {
    let metadata = &object["metadata"];
    json!({
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
            "creationTimestamp": metadata["creationTimestamp"],
        },
        "spec": { "replicas": object["spec"]["replicas"].as_i64().unwrap_or(0) },
        "status": {
            "replicas": object["status"]["replicas"].as_i64().unwrap_or(0),
            "selector": object["status"]["selector"].as_str().unwrap_or_default(),
        },
    })
}

fn is_healthy(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_deleting = pod["metadata"]["deletionTimestamp"].is_string();
    !is_deleting && conditions.iter().any(|it| it["type"] == "Ready" && it["status"] == "True")
}

/// How many healthy pods a budget asks for, of so many that it covers.
fn desired_healthy(budget: &Value, covered: usize) -> i64 {
    let covered = i64::try_from(covered).unwrap_or(i64::MAX);
    let count = |value: &Value| {
        value.as_i64().or_else(|| {
            let percent: i64 = value.as_str()?.trim_end_matches('%').parse().ok()?;
            // Both kinds of percentages are rounded up.
            Some((covered * percent + 99) / 100)
        })
    };
    match (count(&budget["minAvailable"]), count(&budget["maxUnavailable"])) {
        (Some(least), _) => least,
        (None, Some(most)) => (covered - most).max(0),
        (None, None) => covered - 1,
    }
}
