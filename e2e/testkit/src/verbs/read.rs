//! Get and list.

use std::{borrow::Cow, sync::Arc};

use rand::RngExt as _;
use serde_json::{Value, json};

use crate::{
    answer::{Done, Failure, Reply},
    call::Call,
    faults::Fault,
    resource::Key,
    selector::Selector,
    state::{Objects, State, range},
};

impl State {
    pub(super) fn read(&mut self, key: &Key, fault: Option<Fault>) -> Reply {
        let (_, objects) = self.seen(fault);
        objects.get(key).cloned().map(Done::ok).ok_or_else(|| Failure::not_found(key))
    }

    pub(super) fn list(&mut self, call: &Call, fault: Option<Fault>) -> Reply {
        let resource = call.key().resource;
        let query = &call.query;
        let selector = Selector::parse(&resource, query.text("labelSelector"), query.text("fieldSelector"))?;
        let page = query.get("continue").map(Page::parse).transpose()?;
        let is_exact = query.get("resourceVersionMatch") == Some("Exact");
        let (version, objects) = match &page {
            // All pages of a list show the same state.
            Some(_) if fault == Some(Fault::Gone) => return Err(Failure::expired()),
            Some(page) => (page.version, self.at(page.version)?),
            None if is_exact => (query.version(), self.at(query.version())?),
            None => self.seen(fault),
        };
        let namespace = call.target.namespace.as_deref();
        let after = page.as_ref().map(|it| (it.namespace.as_str(), it.name.as_str()));
        let mut found = range(&objects, &resource, namespace)
            .filter(|(key, _)| after.is_none_or(|it| it < (key.namespace.as_str(), key.name.as_str())))
            .filter(|(_, object)| selector.matches(object));
        let limit = query.number("limit").filter(|it| 0 < *it).and_then(|it| usize::try_from(it).ok());
        let items: Vec<(&Key, &Arc<Value>)> = found.by_ref().take(limit.unwrap_or(usize::MAX)).collect();
        let remaining = found.count();
        let mut metadata = json!({ "resourceVersion": version.to_string() });
        if let Some((last, _)) = items.last().filter(|_| 0 < remaining) {
            metadata["continue"] = json!(format!("{version} {} {}", last.namespace, last.name));
            metadata["remainingItemCount"] = json!(remaining);
        }
        let kind = items.first().and_then(|(_, it)| it["kind"].as_str()).unwrap_or_default();
        let items: Vec<&Value> = items.iter().map(|(_, object)| object.as_ref()).collect();
        let group = if resource.group.is_empty() { String::new() } else { format!("{}/", resource.group) };
        Ok(Done::ok(json!({
            "apiVersion": format!("{group}{}", call.target.version),
            "kind": format!("{kind}List"),
            "metadata": metadata,
            "items": items,
        })))
    }

    fn at(&self, version: u64) -> Result<Cow<'_, Objects>, Failure> {
        if version == self.version {
            return Ok(Cow::Borrowed(&self.objects));
        }
        self.objects_at(version).map(Cow::Owned).ok_or_else(Failure::expired)
    }

    /// The present state, or an older one where the read allows it.
    fn seen(&mut self, fault: Option<Fault>) -> (u64, Cow<'_, Objects>) {
        if fault == Some(Fault::Stale) {
            // Old enough to matter, young enough to be a cache that lags behind.
            let oldest = self.history.iter().rev().nth(20).map_or(self.compacted, |it| it.version);
            let version = self.rng.random_range(oldest.min(self.version)..=self.version);
            if let Some(objects) = self.objects_at(version) {
                return (version, Cow::Owned(objects));
            }
        }
        (self.version, Cow::Borrowed(&self.objects))
    }
}

/// Where the next page of a list begins.
struct Page {
    version: u64,
    namespace: String,
    name: String,
}

impl Page {
    fn parse(token: &str) -> Result<Self, Failure> {
        let mut parts = token.split(' ');
        let version = parts.next().and_then(|it| it.parse().ok());
        match (version, parts.next(), parts.next()) {
            (Some(version), Some(namespace), Some(name)) => {
                Ok(Self { version, namespace: namespace.to_owned(), name: name.to_owned() })
            }
            _ => Err(Failure::bad_request("continue key is not valid")),
        }
    }
}
