//! What kinds of objects there are, as far as the server treats them differently.

use std::fmt;

use serde_json::Value;

/// A kind of objects as it stands in a path; versions of a group share their objects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Resource {
    pub(crate) group: String,
    pub(crate) plural: String,
}

/// An object's address. The namespace of a cluster-scoped object is empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) resource: Resource,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// Resources whose status is written apart from the rest.
const WITH_STATUS: [&str; 8] = [
    "gamefleets",
    "gamerooms",
    "pods",
    "nodes",
    "namespaces",
    "poddisruptionbudgets",
    "deployments",
    "services",
];

/// Kinds that have no namespace.
const CLUSTER_SCOPED: [&str; 3] = ["Node", "Namespace", "PersistentVolume"];

impl Resource {
    pub(crate) fn new(group: &str, plural: &str) -> Self {
        Self { group: group.into(), plural: plural.into() }
    }

    /// Of an object that says its own `apiVersion` and `kind`.
    pub(crate) fn of(object: &Value) -> Option<Self> {
        let version = object["apiVersion"].as_str()?;
        let group = version.split_once('/').map_or("", |(group, _)| group);
        Some(Self::new(group, &plural(object["kind"].as_str()?)))
    }

    pub(crate) fn has_status(&self) -> bool {
        WITH_STATUS.contains(&self.plural.as_str())
    }

    pub(crate) fn has_scale(&self) -> bool {
        matches!(self.plural.as_str(), "gamefleets" | "deployments" | "replicasets" | "statefulsets")
    }

    /// Whether a PUT must name the version that it replaces.
    pub(crate) fn needs_version(&self) -> bool {
        !matches!(self.group.as_str(), "" | "apps" | "events.k8s.io")
    }

    pub(crate) fn is_pods(&self) -> bool {
        self.group.is_empty() && self.plural == "pods"
    }

    pub(crate) fn is_namespaces(&self) -> bool {
        self.group.is_empty() && self.plural == "namespaces"
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.group.as_str() {
            "" => f.write_str(&self.plural),
            group => write!(f, "{}.{group}", self.plural),
        }
    }
}

impl Key {
    pub(crate) fn new(resource: Resource, namespace: &str, name: &str) -> Self {
        Self { resource, namespace: namespace.into(), name: name.into() }
    }

    pub(crate) fn pod(namespace: &str, name: &str) -> Self {
        Self::new(Resource::new("", "pods"), namespace, name)
    }

    pub(crate) fn node(name: &str) -> Self {
        Self::new(Resource::new("", "nodes"), "", name)
    }

    pub(crate) fn namespace(name: &str) -> Self {
        Self::new(Resource::new("", "namespaces"), "", name)
    }

    /// Of an object that says its own kind and name.
    pub(crate) fn of(object: &Value) -> Option<Self> {
        let resource = Resource::of(object)?;
        let is_cluster_scoped = CLUSTER_SCOPED.contains(&object["kind"].as_str()?);
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or("default");
        let namespace = if is_cluster_scoped { "" } else { namespace };
        Some(Self::new(resource, namespace, object["metadata"]["name"].as_str()?))
    }
}

fn plural(kind: &str) -> String {
    let kind = kind.to_lowercase();
    match kind.as_str() {
        "endpoints" => kind,
        _ if kind.ends_with('y') => format!("{}ies", &kind[..kind.len() - 1]),
        _ if kind.ends_with('s') || kind.ends_with('x') => format!("{kind}es"),
        _ => format!("{kind}s"),
    }
}
