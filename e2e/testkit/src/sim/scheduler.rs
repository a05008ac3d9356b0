//! The scheduler: which nodes a pod may have, and which of them it gets.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::{Value, json};

use super::{
    core::{Core, pod_uid},
    process::set_condition,
};
use crate::{
    resource::{Key, Resource},
    selector::{expressions_match, label_selector_matches},
};

/// The topology that affinities are about; others are not known here.
const HOSTNAME: &str = "kubernetes.io/hostname";

/// A pod that takes room on a node.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    node: String,
    namespace: String,
    labels: Value,
    ports: Vec<(String, i64)>,
}

impl Placed {
    pub(super) fn new(node: &str, pod: &Value) -> Self {
        Self {
            node: node.to_owned(),
            namespace: pod["metadata"]["namespace"].as_str().unwrap_or_default().to_owned(),
            labels: pod["metadata"]["labels"].clone(),
            ports: host_ports(pod),
        }
    }
}

/// What is on one node.
#[derive(Default)]
struct Load<'a> {
    pods: Vec<&'a Placed>,
    ports: BTreeSet<&'a (String, i64)>,
}

impl Core {
    pub(super) fn schedule(&mut self, key: &Key) {
        let Some(pod) = self.api.state().get(key) else { return self.forget(key) };
        if pod["spec"]["nodeName"].is_string() {
            return self.forget(key);
        }
        let nodes: Vec<Arc<Value>> = {
            let state = self.api.state();
            state.range(&Resource::new("", "nodes"), None).map(|(_, it)| Arc::clone(it)).collect()
        };
        match self.choose(&nodes, &pod) {
            Ok(node) => {
                self.forget(key);
                self.placed.insert(pod_uid(&pod), Placed::new(&node, &pod));
                self.bind(key, &node);
            }
            Err(message) => {
                if !self.unplaced.contains(key) {
                    self.unplaced.push(key.clone());
                }
                self.refuse(key, &message);
            }
        }
    }

    pub(super) fn reschedule(&mut self) {
        self.will_reschedule = false;
        for key in self.unplaced.clone() {
            self.schedule(&key);
        }
    }

    fn forget(&mut self, key: &Key) {
        self.unplaced.retain(|it| it != key);
    }

    fn bind(&self, key: &Key, node: &str) {
        let now = self.api.now();
        self.api.edit_key(key, |pod| {
            pod["spec"]["nodeName"] = json!(node);
            let mut conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
            set_condition(&mut conditions, "PodScheduled", true, None, now);
            pod["status"]["conditions"] = json!(conditions);
        });
    }

    fn refuse(&self, key: &Key, message: &str) {
        let now = self.api.now();
        self.api.edit_key(key, |pod| {
            let mut conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
            set_condition(&mut conditions, "PodScheduled", false, Some("Unschedulable"), now);
            for condition in conditions.iter_mut().filter(|it| it["type"] == "PodScheduled") {
                condition["message"] = json!(message);
            }
            pod["status"]["conditions"] = json!(conditions);
        });
    }

    /// The best node, or why there is none, in the real scheduler's words.
    fn choose(&self, nodes: &[Arc<Value>], pod: &Value) -> Result<String, String> {
        if nodes.is_empty() {
            return Err("no nodes available to schedule pods".into());
        }
        let mut loads: BTreeMap<&str, Load<'_>> = BTreeMap::new();
        for placed in self.placed.values() {
            let load = loads.entry(&placed.node).or_default();
            load.pods.push(placed);
            load.ports.extend(&placed.ports);
        }
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        let mut best: Option<(i64, &str)> = None;
        for node in nodes {
            let name = node["metadata"]["name"].as_str().unwrap_or_default();
            let load = loads.remove(name).unwrap_or_default();
            if let Some(reason) = obstacle(node, pod, &load) {
                *reasons.entry(reason).or_default() += 1;
                continue;
            }
            let score = score(node, pod, &load);
            if best.is_none_or(|(highest, _)| highest < score) {
                best = Some((score, name));
            }
        }
        if let Some((_, name)) = best {
            return Ok(name.to_owned());
        }
        let mut reasons: Vec<String> =
            reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        reasons.sort();
        Err(format!("0/{} nodes are available: {}.", nodes.len(), reasons.join(", ")))
    }
}

/// Why a pod cannot have a node.
fn obstacle(node: &Value, pod: &Value, load: &Load<'_>) -> Option<&'static str> {
    let conditions = node["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let room = node["status"]["allocatable"]["pods"].as_str().and_then(|it| it.parse().ok());
    let labels = &node["metadata"]["labels"];
    let selector = pod["spec"]["nodeSelector"].as_object().into_iter().flatten();
    let required = &pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    let terms = required["nodeSelectorTerms"].as_array();
    let is_wanted = selector.into_iter().all(|(key, value)| labels[key.as_str()] == *value)
        && terms.is_none_or(|it| it.iter().any(|it| node_term_matches(it, node)));
    if node["spec"]["unschedulable"] == true {
        Some("node(s) were unschedulable")
    } else if !conditions.iter().any(|it| it["type"] == "Ready" && it["status"] == "True") {
        Some("node(s) had untolerated taint {node.kubernetes.io/unreachable: }")
    } else if !is_wanted {
        Some("node(s) didn't match Pod's node affinity/selector")
    } else if room.is_some_and(|room: usize| room <= load.pods.len()) {
        Some("Too many pods")
    } else if host_ports(pod).iter().any(|it| load.ports.contains(it)) {
        Some("node(s) didn't have free ports for the requested pod ports")
    } else if required_terms(pod, "podAntiAffinity").any(|it| 0 < matching(it, pod, load)) {
        Some("node(s) didn't match pod anti-affinity rules")
    } else {
        None
    }
}

/// How much a pod would like a node: by its own preferences first, then the emptier the better.
fn score(node: &Value, pod: &Value, load: &Load<'_>) -> i64 {
    let affinity = &pod["spec"]["affinity"];
    let preferred = |kind: &str| {
        let terms = affinity[kind]["preferredDuringSchedulingIgnoredDuringExecution"].as_array();
        terms.map(Vec::as_slice).unwrap_or_default()
    };
    let weight = |it: &Value| it["weight"].as_i64().unwrap_or(1);
    let pods = |kind: &str| -> i64 {
        preferred(kind).iter().map(|it| weight(it) * matching(&it["podAffinityTerm"], pod, load)).sum()
    };
    let wanted = preferred("nodeAffinity").iter().filter(|it| node_term_matches(&it["preference"], node));
    let spread = pod["spec"]["topologySpreadConstraints"].as_array().into_iter().flatten();
    let spread: i64 = spread.map(|it| matching(it, pod, load)).sum();
    let wish = pods("podAffinity") - pods("podAntiAffinity") + wanted.map(weight).sum::<i64>() - spread;
    let load = i64::try_from(load.pods.len()).unwrap_or(i64::MAX);
    wish.saturating_mul(10_000) - load
}

fn required_terms<'a>(pod: &'a Value, kind: &str) -> impl Iterator<Item = &'a Value> {
    let terms = &pod["spec"]["affinity"][kind]["requiredDuringSchedulingIgnoredDuringExecution"];
    terms.as_array().into_iter().flatten()
}

/// How many pods on the node a term is about.
fn matching(term: &Value, pod: &Value, load: &Load<'_>) -> i64 {
    if term["topologyKey"] != HOSTNAME {
        return 0;
    }
    let namespace = pod["metadata"]["namespace"].as_str().unwrap_or_default();
    let selected = load
        .pods
        .iter()
        .filter(|it| it.namespace == namespace && label_selector_matches(&term["labelSelector"], &it.labels));
    i64::try_from(selected.count()).unwrap_or(i64::MAX)
}

fn node_term_matches(term: &Value, node: &Value) -> bool {
    let fields = json!({ "metadata.name": node["metadata"]["name"] });
    expressions_match(&term["matchExpressions"], &node["metadata"]["labels"])
        && expressions_match(&term["matchFields"], &fields)
}

/// The ports of its node that a pod takes, with their protocols.
pub(super) fn host_ports(pod: &Value) -> Vec<(String, i64)> {
    let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
    let ports = containers.flat_map(|it| it["ports"].as_array().into_iter().flatten());
    let field = if pod["spec"]["hostNetwork"] == true { "containerPort" } else { "hostPort" };
    let ports = ports.filter_map(|it| {
        let protocol = it["protocol"].as_str().unwrap_or("TCP").to_owned();
        it[field].as_i64().filter(|port| 0 < *port).map(|port| (protocol, port))
    });
    ports.collect()
}
