//! A request, parsed once: what is asked, of which objects, with which options.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{
    Method,
    header::{ACCEPT, CONTENT_TYPE},
    request::Parts,
};
use serde_json::Value;

use crate::{
    answer::Failure,
    log::Verb,
    resource::{Key, Resource},
};

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) verb: Verb,
    pub(crate) target: Target,
    pub(crate) query: Query,
    pub(crate) patch: Option<PatchType>,
    pub(crate) body: Value,
    /// The client wants `PartialObjectMetadata`.
    pub(crate) only_metadata: bool,
}

/// What a path names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) plural: String,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<String>,
}

/// How a PATCH is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PatchType {
    Merge,
    Json,
    Apply,
}

/// The decoded query.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(BTreeMap<String, String>);

impl Call {
    pub(crate) fn parse(parts: &Parts, body: &Bytes) -> Result<Self, Failure> {
        let target =
            Target::parse(parts.uri.path()).ok_or_else(|| Failure::no_such_path(parts.uri.path()))?;
        let query = Query::parse(parts.uri.query().unwrap_or_default());
        let verb = verb(&parts.method, &target, &query).ok_or_else(Failure::method_not_allowed)?;
        let header = |name| parts.headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default();
        let patch = (verb == Verb::Patch).then(|| PatchType::parse(header(CONTENT_TYPE))).transpose()?;
        let unreadable = |it| Failure::bad_request(format!("the object provided is unreadable: {it}"));
        let body = if body.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(body) };
        let body = body.map_err(unreadable)?;
        let only_metadata = header(ACCEPT).contains("as=PartialObjectMetadata");
        Ok(Self { verb, target, query, patch, body, only_metadata })
    }

    /// The object in question; of a collection, one without a name.
    pub(crate) fn key(&self) -> Key {
        let Target { group, plural, namespace, name, .. } = &self.target;
        let (namespace, name) = (namespace.as_deref(), name.as_deref());
        Key::new(Resource::new(group, plural), namespace.unwrap_or_default(), name.unwrap_or_default())
    }

    /// `pods`, `pods/status`: as a Role names it.
    pub(crate) fn resource_path(&self) -> String {
        let Target { plural, subresource, .. } = &self.target;
        subresource.as_ref().map_or_else(|| plural.clone(), |it| format!("{plural}/{it}"))
    }

    /// Whether the client would take an answer from a cache.
    pub(crate) fn allows_stale(&self) -> bool {
        matches!(self.verb, Verb::Get | Verb::List) && self.query.get("resourceVersion") == Some("0")
    }

    /// Whether it goes on from a version that the client has seen.
    pub(crate) fn may_expire(&self) -> bool {
        match self.verb {
            Verb::List => self.query.get("continue").is_some(),
            Verb::Watch => self.query.version() != 0,
            _ => false,
        }
    }
}

impl Target {
    fn parse(path: &str) -> Option<Self> {
        let mut parts = path.trim_matches('/').split('/').map(decode);
        let (group, version) = match parts.next()?.as_str() {
            "api" => (String::new(), parts.next()?),
            "apis" => (parts.next()?, parts.next()?),
            _ => return None,
        };
        let mut target = Self { group, version, ..Self::default() };
        let mut rest: Vec<String> = parts.collect();
        let is_inside = rest.first().is_some_and(|it| it == "namespaces")
            && 2 < rest.len()
            && !matches!(rest[2].as_str(), "status" | "finalize");
        if is_inside {
            target.namespace = Some(rest[1].clone());
            rest.drain(..2);
        }
        let mut rest = rest.into_iter();
        target.plural = rest.next().filter(|it| !it.is_empty())?;
        target.name = rest.next();
        target.subresource = rest.next();
        rest.next().is_none().then_some(target)
    }
}

fn verb(method: &Method, target: &Target, query: &Query) -> Option<Verb> {
    let is_named = target.name.is_some();
    match *method {
        Method::GET if is_named => Some(Verb::Get),
        Method::GET if query.is_true("watch") => Some(Verb::Watch),
        Method::GET => Some(Verb::List),
        Method::POST if !is_named || target.subresource.is_some() => Some(Verb::Create),
        Method::PUT if is_named => Some(Verb::Update),
        Method::PATCH if is_named => Some(Verb::Patch),
        Method::DELETE if is_named => Some(Verb::Delete),
        _ => None,
    }
}

impl PatchType {
    /// A strategic merge differs from a plain one in lists only; those are replaced here.
    fn parse(content_type: &str) -> Result<Self, Failure> {
        match content_type.split(';').next().unwrap_or_default() {
            "application/merge-patch+json" | "application/strategic-merge-patch+json" => Ok(Self::Merge),
            "application/json-patch+json" => Ok(Self::Json),
            "application/apply-patch+yaml" => Ok(Self::Apply),
            other => Err(Failure::bad_request(format!("unsupported media type {other:?}"))),
        }
    }
}

impl Query {
    fn parse(query: &str) -> Self {
        let pairs = query.split('&').filter_map(|it| it.split_once('='));
        Self(pairs.map(|(key, value)| (decode(key), decode(value))).collect())
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    pub(crate) fn text(&self, key: &str) -> &str {
        self.get(key).unwrap_or_default()
    }

    pub(crate) fn is_true(&self, key: &str) -> bool {
        matches!(self.get(key), Some("true" | "1"))
    }

    pub(crate) fn number(&self, key: &str) -> Option<u64> {
        self.get(key)?.parse().ok()
    }

    /// The resource version to start from; 0 if any will do.
    pub(crate) fn version(&self) -> u64 {
        self.number("resourceVersion").unwrap_or(0)
    }
}

/// Undoes percent and plus encoding.
fn decode(text: impl AsRef<str>) -> String {
    let mut bytes = text.as_ref().bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [bytes.next().unwrap_or(b'0'), bytes.next().unwrap_or(b'0')];
                let digits = String::from_utf8_lossy(&digits).into_owned();
                u8::from_str_radix(&digits, 16).unwrap_or(b'?')
            }
            other => other,
        });
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
