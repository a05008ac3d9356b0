//! Watches: what they are told, and how late.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use rand::RngExt as _;
use serde_json::{Value, json};
use tokio::{sync::mpsc, time::Instant};

use crate::{
    answer::Failure,
    call::Call,
    client::REFUSAL,
    faults::{Fault, draw},
    resource::{Key, Resource},
    selector::Selector,
    state::{Change, State},
    verbs::{Outcome, only_metadata},
};

/// How often a watch that asked for bookmarks gets one.
pub(crate) const BOOKMARK_EVERY: Duration = Duration::from_mins(1);

/// How long a watch lasts that does not say so itself.
const TIMEOUT_DEFAULT: u64 = 1800;

/// A running watch, as the server sees it.
#[derive(Debug)]
pub(crate) struct Watch {
    caller: usize,
    resource: Resource,
    namespace: Option<String>,
    selector: Selector,
    only_metadata: bool,
    api_version: String,
    kind: String,
    sender: mpsc::UnboundedSender<Signal>,
    /// When the last event is due; later ones come no earlier.
    due: Instant,
}

/// What happens on a watch.
#[derive(Debug)]
pub(crate) enum Signal {
    Line { due: Instant, text: Bytes },
    End,
    Reset,
}

/// A running watch, as the client sees it.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) id: u64,
    pub(crate) signals: mpsc::UnboundedReceiver<Signal>,
    pub(crate) ends: Instant,
    pub(crate) wants_bookmarks: bool,
}

impl State {
    pub(crate) fn start_watch(&mut self, caller: usize, call: &Call, fault: Option<Fault>) -> Outcome {
        match self.try_watch(caller, call, fault) {
            Ok(feed) => Outcome::Watch(feed),
            Err(failure) => Outcome::Failure(failure),
        }
    }

    fn try_watch(&mut self, caller: usize, call: &Call, fault: Option<Fault>) -> Result<Feed, Failure> {
        self.authorize(caller, call.verb, call)?;
        let (key, query) = (call.key(), &call.query);
        let selector =
            Selector::parse(&key.resource, query.text("labelSelector"), query.text("fieldSelector"))?;
        let (sender, signals) = mpsc::unbounded_channel();
        let group =
            if key.resource.group.is_empty() { String::new() } else { format!("{}/", key.resource.group) };
        let mut watch = Watch {
            caller,
            namespace: call.target.namespace.clone(),
            selector,
            only_metadata: call.only_metadata,
            api_version: format!("{group}{}", call.target.version),
            kind: self.kind_of(&key.resource),
            resource: key.resource,
            sender,
            due: Instant::now(),
        };
        let wants_bookmarks = query.is_true("allowWatchBookmarks");
        let since = query.version();
        let is_initial = query.is_true("sendInitialEvents");
        let is_too_old = since != 0 && since < self.compacted || fault == Some(Fault::Gone);
        if is_too_old && !is_initial {
            let error = json!({ "type": "ERROR", "object": Failure::expired().status() });
            watch.send(&error, Instant::now() + REFUSAL);
            watch.send_signal(Signal::End);
        } else if is_initial || since == 0 {
            for (_, object) in self.range(&watch.resource, watch.namespace.as_deref()) {
                if watch.selector.matches(object) {
                    watch.send_object("ADDED", object, Instant::now());
                }
            }
            if is_initial {
                watch.send_bookmark(self.version, true);
            }
        } else {
            let missed = self.history.iter().skip_while(|it| it.version <= since);
            for change in missed {
                if let Some((kind, object)) = watch.event(change) {
                    watch.send_object(kind, &object, Instant::now());
                }
            }
        }
        let id = self.new_watch_id();
        self.watches.insert(id, watch);
        let seconds = query.number("timeoutSeconds").unwrap_or(TIMEOUT_DEFAULT);
        Ok(Feed { id, signals, ends: Instant::now() + Duration::from_secs(seconds), wants_bookmarks })
    }

    fn kind_of(&self, resource: &Resource) -> String {
        let object = self.range(resource, None).next();
        object.and_then(|(_, it)| it["kind"].as_str()).unwrap_or_default().to_owned()
    }

    pub(crate) fn tell_watches(&mut self, change: &Change) {
        let Self { watches, callers, faults, .. } = self;
        watches.retain(|_, watch| {
            let Some((kind, object)) = watch.event(change) else { return true };
            let caller = &mut callers[watch.caller];
            let mut due = Instant::now();
            if caller.faulty {
                due += draw(&faults.watch_lag, &mut caller.rng);
                if 0.0 < faults.watch_drop && caller.rng.random_bool(faults.watch_drop.min(1.0)) {
                    let is_clean = caller.rng.random_bool(0.5);
                    watch.send_signal(if is_clean { Signal::End } else { Signal::Reset });
                    return false;
                }
            }
            watch.send_object(kind, &object, due);
            !watch.sender.is_closed()
        });
    }

    /// Sends a bookmark on one watch.
    pub(crate) fn bookmark(&mut self, id: u64) {
        let version = self.version;
        if let Some(watch) = self.watches.get_mut(&id) {
            watch.send_bookmark(version, false);
        }
    }

    /// Breaks the watches of all but the trusted clients.
    pub(crate) fn drop_watches(&mut self) {
        let Self { watches, callers, .. } = self;
        watches.retain(|_, watch| {
            let is_spared = callers[watch.caller].is_trusted;
            if !is_spared {
                watch.send_signal(Signal::Reset);
            }
            is_spared
        });
    }
}

impl Watch {
    /// What this watch is told about a change. An object that no longer matches is as good as
    /// deleted for it, and one that does now is new.
    fn event(&self, change: &Change) -> Option<(&'static str, Arc<Value>)> {
        if !self.covers(&change.key) {
            return None;
        }
        let matches = |it: &Option<Arc<Value>>| it.as_ref().is_some_and(|it| self.selector.matches(it));
        let kind = match (matches(&change.before), matches(&change.after)) {
            (false, true) => "ADDED",
            (true, true) => "MODIFIED",
            (true, false) => "DELETED",
            (false, false) => return None,
        };
        Some((kind, Arc::clone(&change.last)))
    }

    fn covers(&self, key: &Key) -> bool {
        self.resource == key.resource && self.namespace.as_ref().is_none_or(|it| *it == key.namespace)
    }

    fn send_object(&mut self, kind: &str, object: &Value, due: Instant) {
        if self.only_metadata {
            self.send(&json!({ "type": kind, "object": only_metadata(object) }), due);
        } else {
            self.send(&json!({ "type": kind, "object": object }), due);
        }
    }

    fn send_bookmark(&mut self, version: u64, is_initial: bool) {
        let mut metadata = json!({ "resourceVersion": version.to_string() });
        if is_initial {
            metadata["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
        }
        let object = json!({ "apiVersion": self.api_version, "kind": self.kind, "metadata": metadata });
        self.send(&json!({ "type": "BOOKMARK", "object": object }), Instant::now());
    }

    fn send(&mut self, event: &Value, due: Instant) {
        self.due = self.due.max(due);
        self.send_signal(Signal::Line { due: self.due, text: Bytes::from(format!("{event}\n")) });
    }

    fn send_signal(&self, signal: Signal) {
        // A client that no longer listens misses nothing.
        let _ = self.sender.send(signal);
    }
}
