//! Nodes: they come, are cut off, lose power, come back; and the node controller, which watches them.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    core::{Action, Core, pod_uid},
    kubelet::{internal_ip, key_of, node_object},
    process::{Process, Stage, set_condition},
};
use crate::{
    clock::stamp,
    resource::{Key, Resource},
    verbs::delete::DeleteOptions,
};

/// A machine.
#[derive(Clone, Debug)]
pub(super) struct Node {
    number: usize,
    addresses: usize,
    pub(super) is_cut: bool,
    /// Counts the cuts, so that what was planned in one does not happen in the next.
    cuts: u64,
}

impl Node {
    /// What a kubelet makes of a pod that it sees for the first time: one that is said to run does.
    pub(super) fn adopt(&mut self, node: &str, pod: &Arc<Value>, now: Timestamp) -> Process {
        self.addresses += 1;
        let fresh = format!("10.{}.{}.{}", self.number, self.addresses / 250, self.addresses % 250 + 1);
        let status = &pod["status"];
        let runs = status["phase"] == "Running";
        let conditions = status["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
        let is_ready = runs && conditions.iter().any(|it| it["type"] == "Ready" && it["status"] == "True");
        Process {
            node: node.to_owned(),
            host_ip: internal_ip(self.number),
            pod_ip: status["podIP"].as_str().map_or(fresh, str::to_owned),
            pod: Arc::clone(pod),
            stage: if runs { Stage::Running { since: now } } else { Stage::Starting },
            taken: runs.then_some(now),
            is_ready,
            hangs: false,
            is_stopping: false,
        }
    }
}

impl Core {
    pub(super) fn add_node(&mut self) -> String {
        let number = self.nodes.len() + 1;
        let name = format!("node-{number}");
        let since = stamp(self.api.now());
        let options = &self.options;
        self.api.insert(node_object(&name, number, options.pods_per_node, options.external_ips, &since));
        let node = Node { number, addresses: 0, is_cut: false, cuts: 0 };
        self.nodes.insert(name.clone(), node);
        self.plan_reschedule();
        name
    }

    pub(super) fn is_cut(&self, node: &str) -> bool {
        self.nodes.get(node).is_some_and(|it| it.is_cut)
    }

    fn node_mut(&mut self, name: &str) -> &mut Node {
        self.nodes.get_mut(name).unwrap_or_else(|| panic!("the cluster has no {name}"))
    }

    pub(super) fn cut(&mut self, name: &str) {
        let node = self.node_mut(name);
        if node.is_cut {
            return;
        }
        node.is_cut = true;
        node.cuts += 1;
        let silent = Action::Silent { node: name.to_owned(), cut: node.cuts };
        self.plan_in(self.options.not_ready_after, silent);
    }

    pub(super) fn power_off(&mut self, name: &str) {
        self.cut(name);
        let here = self.processes.iter().filter(|(_, it)| it.node == name && !it.has_ended());
        let here: Vec<String> = here.map(|(uid, _)| uid.clone()).collect();
        for uid in here {
            self.end(&uid, 137);
        }
    }

    pub(super) fn join(&mut self, name: &str) {
        self.node_mut(name).is_cut = false;
        self.set_ready(name, "True", "KubeletReady");
        let here = self.processes.iter().filter(|(_, it)| it.node == name).map(|(uid, _)| uid.clone());
        for uid in here.collect::<Vec<_>>() {
            let pod = self.processes.get(&uid).map(|it| key_of(&it.pod));
            let pod = pod.and_then(|it| self.api.state().get(&it)).filter(|it| pod_uid(it) == uid);
            match pod {
                Some(pod) => {
                    self.plan_report(&uid);
                    self.sync_pod(name, &pod);
                }
                // Its pod went while nobody could tell.
                None => drop(self.processes.remove(&uid)),
            }
        }
        for (key, pod) in self.pods_on(name) {
            self.see_pod(&key, &pod);
        }
    }

    pub(super) fn declare_silent(&mut self, name: &str, cut: u64) {
        if !self.is_in_cut(name, cut) {
            return;
        }
        self.set_ready(name, "Unknown", "NodeStatusUnknown");
        let now = self.api.now();
        for (key, _) in self.pods_on(name) {
            self.api.edit_key(&key, |pod| {
                if let Some(conditions) = pod["status"]["conditions"].as_array_mut() {
                    set_condition(conditions, "Ready", false, Some("NodeNotReady"), now);
                }
            });
        }
        self.plan_in(self.options.evict_after, Action::Evict { node: name.to_owned(), cut });
    }

    pub(super) fn evict(&mut self, name: &str, cut: u64) {
        if self.is_in_cut(name, cut) {
            for (key, _) in self.pods_on(name) {
                self.api.delete_key(&key, &DeleteOptions::default());
            }
        }
    }

    /// Removes the pods of a node whose object is gone.
    pub(super) fn bury(&mut self, name: &str) {
        if self.api.state().get(&Key::node(name)).is_none() {
            for (key, pod) in self.pods_on(name) {
                self.api.delete_key(&key, &DeleteOptions::now(&pod_uid(&pod)));
            }
        }
    }

    fn is_in_cut(&self, name: &str, cut: u64) -> bool {
        self.nodes.get(name).is_some_and(|it| it.is_cut && it.cuts == cut)
    }

    fn pods_on(&self, name: &str) -> Vec<(Key, Arc<Value>)> {
        let state = self.api.state();
        let pods = state.range(&Resource::new("", "pods"), None);
        let here = pods.filter(|(_, pod)| pod["spec"]["nodeName"] == name);
        here.map(|(key, pod)| (key.clone(), Arc::clone(pod))).collect()
    }

    fn set_ready(&self, name: &str, status: &str, reason: &str) {
        let now = stamp(self.api.now());
        self.api.edit_key(&Key::node(name), |node| {
            let conditions = node["status"]["conditions"].as_array_mut().into_iter().flatten();
            for ready in conditions.filter(|it| it["type"] == "Ready" && it["status"] != status) {
                *ready =
                    json!({ "type": "Ready", "status": status, "reason": reason, "lastTransitionTime": now });
            }
        });
    }

    pub(super) fn set_unschedulable(&self, name: &str, unschedulable: bool) {
        let value = if unschedulable { json!(true) } else { Value::Null };
        let is_there = self.api.edit_key(&Key::node(name), |node| node["spec"]["unschedulable"] = value);
        assert!(is_there, "the cluster has no {name}");
    }
}
