//! What was asked of the server: for assertions on writes and rights, and for failing tests to print.

use std::{fmt, time::Duration};

use crate::faults::Fault;

/// A verb as RBAC knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the words are Kubernetes'")]
pub enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
}

impl Verb {
    /// The word in a Role.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }

    /// Whether it may change something.
    pub fn is_write(self) -> bool {
        matches!(self, Self::Create | Self::Update | Self::Patch | Self::Delete)
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When it was carried out or failed, in virtual time since the server's start.
    pub at: Duration,
    /// The name of the client that sent it.
    pub client: String,
    /// What was asked.
    pub verb: Verb,
    /// The API group; empty for core.
    pub group: String,
    /// The resource's plural, with `/subresource` if there is one: as in a Role.
    pub resource: String,
    /// Empty for cluster-scoped objects and for all namespaces.
    pub namespace: String,
    /// Empty for collections.
    pub name: String,
    /// The status code of the answer that was made; 0: never reached the server.
    pub code: u16,
    /// Whether any object changed.
    pub changed: bool,
    /// What was done to the request or its answer.
    pub fault: Option<Fault>,
}

impl Entry {
    /// The group, resource and verb that a Role must name for this request.
    pub fn right(&self) -> (String, String, String) {
        (self.group.clone(), self.resource.clone(), self.verb.to_string())
    }

    /// An apply that made its object, for which a Role must allow `create` too.
    pub(crate) fn is_creating_apply(&self) -> bool {
        self.verb == Verb::Patch && self.code == 201
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, client, verb, group: _, resource, namespace, name, code, changed, fault } = self;
        write!(f, "{:9.3}s {client:12} {verb:6} {resource:22} {namespace}/{name} {code}", at.as_secs_f64())?;
        if *changed {
            f.write_str(" changed")?;
        }
        fault.map_or(Ok(()), |it| write!(f, " [{it:?}]"))
    }
}
