//! The objects and their history. Every change of an object goes through [`State::put`] or
//! [`State::remove`]: they count versions and tell the watches.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Map, Value, json};
use tokio::{sync::watch, time::Instant};

use crate::{
    clock::Clock,
    faults::Faults,
    log::{Entry, Verb},
    owners::Owners,
    resource::{Key, Resource},
    watch::Watch,
};

/// How many changes are kept for watches and old reads; as many as a busy test makes in a while.
const HISTORY_MAX: usize = 100_000;

/// A change of one object.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) version: u64,
    pub(crate) key: Key,
    pub(crate) before: Option<Arc<Value>>,
    /// For a deleted object none; its last state has the deletion's version.
    pub(crate) after: Option<Arc<Value>>,
    pub(crate) last: Arc<Value>,
}

/// What the server knows of a client.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) name: String,
    pub(crate) faulty: bool,
    /// The test's own client and the cluster may do everything, also during an outage.
    pub(crate) is_trusted: bool,
    pub(crate) rng: StdRng,
}

pub(crate) type Objects = BTreeMap<Key, Arc<Value>>;

/// Everything behind the server's one lock.
pub(crate) struct State {
    pub(crate) seed: u64,
    pub(crate) clock: Clock,
    pub(crate) rng: StdRng,
    pub(crate) version: u64,
    /// Tells the simulated cluster that something has changed.
    pub(crate) versions: watch::Sender<u64>,
    /// Versions up to this one have been forgotten.
    pub(crate) compacted: u64,
    pub(crate) objects: Objects,
    pub(crate) history: VecDeque<Change>,
    pub(crate) owners: Owners,
    pub(crate) watches: BTreeMap<u64, Watch>,
    /// What field managers have applied, by uid, manager and subresource.
    pub(crate) applied: BTreeMap<(String, String, String), Value>,
    pub(crate) callers: Vec<Caller>,
    pub(crate) log: Vec<Entry>,
    pub(crate) faults: Faults,
    pub(crate) outage_until: Option<Instant>,
    pub(crate) forbidden: BTreeSet<(Verb, String)>,
    pub(crate) pod_quotas: BTreeMap<String, usize>,
    uids: u64,
    watch_ids: u64,
}

impl State {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            clock: Clock::start(),
            rng: StdRng::seed_from_u64(seed),
            version: 0,
            versions: watch::Sender::new(0),
            compacted: 0,
            objects: Objects::new(),
            history: VecDeque::new(),
            owners: Owners::default(),
            watches: BTreeMap::new(),
            applied: BTreeMap::new(),
            callers: Vec::new(),
            log: Vec::new(),
            faults: Faults::default(),
            outage_until: None,
            forbidden: BTreeSet::new(),
            pod_quotas: BTreeMap::new(),
            uids: 0,
            watch_ids: 0,
        }
    }

    pub(crate) fn add_caller(&mut self, name: &str, faulty: bool, is_trusted: bool) -> usize {
        let namesakes = self.callers.iter().filter(|it| it.name == name).count() as u64;
        let digest = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, it| {
            (hash ^ u64::from(it)).wrapping_mul(0x0100_0000_01b3)
        });
        // A sequence per client: what one does must not change the luck of another.
        let rng = StdRng::seed_from_u64(self.seed ^ digest ^ namesakes);
        self.callers.push(Caller { name: name.into(), faulty, is_trusted, rng });
        self.callers.len() - 1
    }

    pub(crate) fn outage(&self) -> Option<Instant> {
        self.outage_until.filter(|it| Instant::now() < *it)
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Arc<Value>> {
        self.objects.get(key).cloned()
    }

    /// All objects of a kind, in one namespace or in all.
    pub(crate) fn range(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
    ) -> impl Iterator<Item = (&Key, &Arc<Value>)> + use<'_> {
        range(&self.objects, resource, namespace)
    }

    pub(crate) fn new_uid(&mut self) -> String {
        self.uids += 1;
        let (high, low) = (self.rng.random::<u32>(), self.uids);
        format!("{high:08x}-0000-4000-8000-{low:012x}")
    }

    pub(crate) fn new_watch_id(&mut self) -> u64 {
        self.watch_ids += 1;
        self.watch_ids
    }

    /// Stores an object whose immutable metadata is in order already. A write that changes nothing
    /// makes no version and no event. An object that was only waiting for its finalizers goes.
    pub(crate) fn put(&mut self, key: &Key, mut object: Value) -> Arc<Value> {
        let before = self.get(key);
        tidy(&mut object);
        if let Some(before) = &before {
            for field in ["resourceVersion", "generation"] {
                object["metadata"][field] = before["metadata"][field].clone();
            }
            tidy(&mut object);
            if **before == object {
                return Arc::clone(before);
            }
        }
        let is_new_generation = before.as_ref().is_none_or(|it| asks_for_more(it, &object));
        if is_new_generation && key.resource.has_status() {
            let generation = before.as_ref().and_then(|it| it["metadata"]["generation"].as_i64());
            object["metadata"]["generation"] = json!(generation.unwrap_or(0) + 1);
        }
        if is_finished(&object) {
            return self.remove_as(key, object);
        }
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let object = Arc::new(object);
        self.objects.insert(key.clone(), Arc::clone(&object));
        self.owners.note(key, before.as_deref(), Some(&object));
        self.publish(Change {
            version: self.version,
            key: key.clone(),
            before,
            after: Some(Arc::clone(&object)),
            last: Arc::clone(&object),
        });
        object
    }

    /// Removes an object, whatever its finalizers say.
    pub(crate) fn remove(&mut self, key: &Key) -> Option<Arc<Value>> {
        let object = self.get(key)?;
        Some(self.remove_as(key, Value::clone(&object)))
    }

    fn remove_as(&mut self, key: &Key, mut object: Value) -> Arc<Value> {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let last = Arc::new(object);
        let before = self.objects.remove(key);
        self.owners.note(key, before.as_deref(), None);
        let uid = last["metadata"]["uid"].as_str().unwrap_or_default();
        self.applied.retain(|(it, ..), _| it != uid);
        let change =
            Change { version: self.version, key: key.clone(), before, after: None, last: Arc::clone(&last) };
        self.publish(change);
        last
    }

    fn publish(&mut self, change: Change) {
        self.tell_watches(&change);
        self.history.push_back(change);
        if HISTORY_MAX < self.history.len() {
            self.compacted = self.history.pop_front().map_or(self.compacted, |it| it.version);
        }
        self.versions.send_replace(self.version);
    }

    /// Forgets the history: whoever goes on from an older version is told that it is too old.
    pub(crate) fn compact(&mut self) {
        self.history.clear();
        self.compacted = self.version;
    }

    /// The objects as they were at a version; none if that has been forgotten.
    pub(crate) fn objects_at(&self, version: u64) -> Option<Objects> {
        if version < self.compacted {
            return None;
        }
        let mut objects = self.objects.clone();
        for change in self.history.iter().rev().take_while(|it| version < it.version) {
            match &change.before {
                Some(before) => objects.insert(change.key.clone(), Arc::clone(before)),
                None => objects.remove(&change.key),
            };
        }
        Some(objects)
    }
}

/// All objects of a kind, in one namespace or in all.
pub(crate) fn range<'a>(
    objects: &'a Objects,
    resource: &Resource,
    namespace: Option<&str>,
) -> impl Iterator<Item = (&'a Key, &'a Arc<Value>)> + use<'a> {
    let first = Key::new(resource.clone(), namespace.unwrap_or_default(), "");
    let (resource, namespace) = (resource.clone(), namespace.map(str::to_owned));
    objects
        .range(first..)
        .take_while(move |(key, _)| key.resource == resource)
        .take_while(move |(key, _)| namespace.as_ref().is_none_or(|it| *it == key.namespace))
}

/// Null is the same as absent.
fn tidy(object: &mut Value) {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.retain(|_, value| !value.is_null());
    }
    if let Some(object) = object.as_object_mut() {
        object.retain(|_, value| !value.is_null());
    }
}

/// Whether more than metadata and status differ, or the deletion has begun.
fn asks_for_more(before: &Value, after: &Value) -> bool {
    let rest = |object: &Value| -> Map<String, Value> {
        let rest = object.as_object().into_iter().flatten();
        let rest = rest.filter(|(key, _)| !matches!(key.as_str(), "metadata" | "status"));
        rest.map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    let is_deleting = |it: &Value| it["metadata"].get("deletionTimestamp").is_some();
    rest(before) != rest(after) || is_deleting(before) != is_deleting(after)
}

/// Whether an object that is being deleted has nothing to wait for any more.
fn is_finished(object: &Value) -> bool {
    let metadata = &object["metadata"];
    let waits = |list: &Value| list.as_array().is_some_and(|it| !it.is_empty());
    metadata["deletionTimestamp"].is_string()
        && metadata["deletionGracePeriodSeconds"].as_i64().unwrap_or(0) == 0
        && !waits(&metadata["finalizers"])
        // A namespace waits for its contents.
        && !(object["kind"] == "Namespace" && waits(&object["spec"]["finalizers"]))
}
