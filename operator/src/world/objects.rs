//! The cached kinds, and the small ones among them.

use gamekeeper_crds::{GameFleet, GameRoom, labels};
use k8s_openapi::{
    api::{apps::v1::ControllerRevision, policy::v1::PodDisruptionBudget},
    apimachinery::pkg::util::intstr::IntOrString,
};
use kube::ResourceExt as _;

use crate::{
    cache::Cached,
    name::ObjectName,
    server::{Node, ServerPod},
};

/// A revision of a fleet's servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    pub name: ObjectName,
    pub uid: String,
    pub resource_version: String,
    pub fleet: String,
    /// The uid of the fleet that owns it.
    pub owner: Option<String>,
    pub hash: String,
    /// Later revisions have higher numbers.
    pub number: i64,
}

impl Revision {
    /// Reads what we need.
    pub fn parse(revision: &ControllerRevision) -> Option<Self> {
        Some(Self {
            name: ObjectName::of(revision),
            uid: revision.uid()?,
            resource_version: revision.resource_version()?,
            fleet: revision.labels().get(labels::FLEET)?.clone(),
            owner: revision
                .owner_references()
                .iter()
                .find(|it| it.controller == Some(true))
                .map(|it| it.uid.clone()),
            hash: revision.labels().get(labels::REVISION)?.clone(),
            number: revision.revision,
        })
    }
}

/// What holds evictions back until matches are over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    pub name: ObjectName,
    pub uid: String,
    pub resource_version: String,
    pub min_available: Option<i32>,
    /// The fleet that its selector names.
    pub selects: Option<String>,
}

impl Budget {
    /// Reads what we need.
    pub fn parse(budget: &PodDisruptionBudget) -> Option<Self> {
        let spec = budget.spec.as_ref();
        let selector = spec.and_then(|it| it.selector.as_ref()?.match_labels.as_ref());
        Some(Self {
            name: ObjectName::of(budget),
            uid: budget.uid()?,
            resource_version: budget.resource_version()?,
            min_available: match spec.and_then(|it| it.min_available.as_ref()) {
                Some(IntOrString::Int(count)) => Some(*count),
                Some(IntOrString::String(_)) | None => None,
            },
            selects: selector.and_then(|it| it.get(labels::FLEET)).cloned(),
        })
    }
}

macro_rules! cached_objects {
    ($($kind:ty),*) => {$(
        impl Cached for $kind {
            fn key(&self) -> ObjectName {
                ObjectName::of(self)
            }
            fn uid(&self) -> &str {
                self.metadata.uid.as_deref().unwrap_or_default()
            }
            fn resource_version(&self) -> &str {
                self.metadata.resource_version.as_deref().unwrap_or_default()
            }
        }
    )*};
}
cached_objects!(GameFleet, GameRoom);

macro_rules! cached_excerpts {
    ($($kind:ty),*) => {$(
        impl Cached for $kind {
            fn key(&self) -> ObjectName {
                self.name.clone()
            }
            fn uid(&self) -> &str {
                &self.uid
            }
            fn resource_version(&self) -> &str {
                &self.resource_version
            }
        }
    )*};
}
cached_excerpts!(Revision, Budget);

impl Cached for ServerPod {
    fn key(&self) -> ObjectName {
        ObjectName::new(&self.namespace, &self.name)
    }
    fn uid(&self) -> &str {
        &self.uid
    }
    fn resource_version(&self) -> &str {
        &self.resource_version
    }
}

impl Cached for Node {
    fn key(&self) -> ObjectName {
        ObjectName::new("", &self.name)
    }
    fn uid(&self) -> &str {
        &self.uid
    }
    fn resource_version(&self) -> &str {
        &self.resource_version
    }
}
