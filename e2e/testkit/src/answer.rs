//! What the server answers, its errors above all: `Status` objects as the real one words them.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::resource::{Key, Resource};

/// A successful answer.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    pub(crate) code: u16,
    pub(crate) body: Arc<Value>,
}

/// An answer that says no.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) code: u16,
    reason: &'static str,
    message: String,
    details: Value,
}

pub(crate) type Reply = Result<Done, Failure>;

impl Done {
    pub(crate) fn ok(body: impl Into<Arc<Value>>) -> Self {
        Self { code: 200, body: body.into() }
    }

    pub(crate) fn created(body: impl Into<Arc<Value>>) -> Self {
        Self { code: 201, body: body.into() }
    }
}

impl Failure {
    fn new(code: u16, reason: &'static str, message: String) -> Self {
        Self { code, reason, message, details: json!({}) }
    }

    fn about(mut self, key: &Key) -> Self {
        let Resource { group, plural } = &key.resource;
        self.details = json!({ "name": key.name, "group": group, "kind": plural });
        self
    }

    fn caused_by(mut self, reason: &str, message: &str, field: &str) -> Self {
        self.details["causes"] = json!([{ "reason": reason, "message": message, "field": field }]);
        self
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message.into())
    }

    pub(crate) fn no_such_path(path: &str) -> Self {
        Self::new(404, "NotFound", format!("the server could not find the requested resource: {path}"))
    }

    pub(crate) fn not_found(key: &Key) -> Self {
        Self::new(404, "NotFound", format!("{} {:?} not found", key.resource, key.name)).about(key)
    }

    pub(crate) fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(405, "MethodNotAllowed", message.into())
    }

    pub(crate) fn already_exists(key: &Key) -> Self {
        Self::new(409, "AlreadyExists", format!("{} {:?} already exists", key.resource, key.name)).about(key)
    }

    pub(crate) fn conflict(key: &Key, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} {:?}: {why}", key.resource, key.name);
        Self::new(409, "Conflict", message).about(key)
    }

    pub(crate) fn stale(key: &Key) -> Self {
        let why =
            "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(key, why)
    }

    pub(crate) fn precondition(key: &Key, what: &str, asked: &Value, found: &Value) -> Self {
        let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
        let (asked, found) = (text(asked), text(found));
        let why =
            format!("Precondition failed: {what} in precondition: {asked}, {what} in object meta: {found}");
        Self::conflict(key, &why)
    }

    pub(crate) fn forbidden(key: &Key, why: &str) -> Self {
        let message = format!("{} {:?} is forbidden: {why}", key.resource, key.name);
        Self::new(403, "Forbidden", message).about(key)
    }

    pub(crate) fn terminating(key: &Key) -> Self {
        let namespace = &key.namespace;
        let why =
            format!("unable to create new content in namespace {namespace} because it is being terminated");
        let cause = format!("namespace {namespace} is being terminated");
        Self::forbidden(key, &why).caused_by("NamespaceTerminating", &cause, "metadata.namespace")
    }

    pub(crate) fn unauthorized(key: &Key, user: &str, verb: &str, resource: &str) -> Self {
        let scope = match key.namespace.as_str() {
            "" => "at the cluster scope".to_owned(),
            namespace => format!("in the namespace {namespace:?}"),
        };
        let group = &key.resource.group;
        let why = format!("User {user:?} cannot {verb} resource {resource:?} in API group {group:?} {scope}");
        Self::forbidden(key, &why)
    }

    pub(crate) fn invalid(key: &Key, field: &str, why: &str) -> Self {
        let message = format!("{} {:?} is invalid: {field}: Invalid value: {why}", key.resource, key.name);
        Self::new(422, "Invalid", message).about(key).caused_by("FieldValueInvalid", why, field)
    }

    pub(crate) fn patch_rejected(key: &Key, why: &str) -> Self {
        let message = format!("the server rejected our request due to an error in our request: {why}");
        Self::new(422, "Invalid", message).about(key)
    }

    pub(crate) fn expired() -> Self {
        Self::new(410, "Expired", "too old resource version".into())
    }

    pub(crate) fn eviction_refused(key: &Key, budget: &str, why: &str) -> Self {
        let message = "Cannot evict pod as it would violate the pod's disruption budget.".to_owned();
        let cause = format!("The disruption budget {budget} {why}");
        let mut this = Self::new(429, "TooManyRequests", message).about(key);
        this = this.caused_by("DisruptionBudget", &cause, "");
        this
    }

    pub(crate) fn too_many() -> Self {
        let message = "the server has received too many requests and has asked us to try again later";
        let mut this = Self::new(429, "TooManyRequests", message.into());
        this.details["retryAfterSeconds"] = json!(1);
        this
    }

    pub(crate) fn internal() -> Self {
        Self::new(500, "InternalError", "Internal error occurred: injected".into())
    }

    pub(crate) fn unavailable() -> Self {
        Self::new(503, "ServiceUnavailable", "the server is currently unable to handle the request".into())
    }

    pub(crate) fn timeout() -> Self {
        let message = "the server was unable to return a response in the time allotted";
        Self::new(504, "Timeout", message.into())
    }

    /// The `Status` object of this failure.
    pub(crate) fn status(&self) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "Status",
            "metadata": {},
            "status": "Failure",
            "reason": self.reason,
            "code": self.code,
            "message": self.message,
            "details": self.details,
        })
    }
}
