//! The handle on the server.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use jiff::Timestamp;
use kube::Client;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    client::{ClientOptions, Connection, CrashPoint, PauseHandle},
    faults::Faults,
    log::{Entry, Verb},
    resource::{Key, Resource},
    state::State,
    verbs::delete::DeleteOptions,
};

/// An API server in memory. Clones are handles on the same server.
#[derive(Clone)]
pub struct FakeApi {
    state: Arc<Mutex<State>>,
}

impl FakeApi {
    /// An empty server. All its chances come from the seed.
    pub fn new(seed: u64) -> Self {
        Self { state: Arc::new(Mutex::new(State::new(seed))) }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds the state")
    }

    /// The test's own client: nothing of what is done to the others concerns it.
    pub fn client(&self) -> Client {
        self.open(&ClientOptions::sound("test"), true).client
    }

    /// A client as the code under test has one.
    pub fn client_with(&self, options: &ClientOptions) -> Client {
        self.connect(options).client
    }

    /// A client that is killed at a point: that request and all later ones are never answered, and
    /// the token is cancelled, so that the test can drop its tasks.
    pub fn crashing_client(&self, name: &str, point: CrashPoint) -> (Client, CancellationToken) {
        let Connection { client, crashed, pause: _ } =
            self.connect(&ClientOptions::faulty(name).crashing(point));
        (client, crashed)
    }

    /// A client that can be stopped and woken.
    pub fn pausable_client(&self, name: &str) -> (Client, PauseHandle) {
        let Connection { client, crashed: _, pause } = self.connect(&ClientOptions::faulty(name));
        (client, pause)
    }

    /// A client with all its strings.
    pub fn connect(&self, options: &ClientOptions) -> Connection {
        self.open(options, false)
    }

    /// What goes wrong from now on, for faulty clients.
    pub fn set_faults(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// The server is out of reach for so long, for all but the test's own client; watches break.
    pub fn outage(&self, duration: Duration) {
        let mut state = self.state();
        state.outage_until = Some(Instant::now() + duration);
        state.drop_watches();
    }

    /// Forgets the history: watches from older versions, and pages of older lists, are refused with 410.
    pub fn compact(&self) {
        self.state().compact();
    }

    /// Ends all watches but the test's own.
    pub fn drop_watches(&self) {
        self.state().drop_watches();
    }

    /// Takes a right from all but the test's own client. `resource` as in a Role: `pods`, `gamerooms/status`.
    pub fn forbid(&self, verb: Verb, resource: &str) {
        self.state().forbidden.insert((verb, resource.to_owned()));
    }

    /// Gives a right back.
    pub fn allow(&self, verb: Verb, resource: &str) {
        self.state().forbidden.remove(&(verb, resource.to_owned()));
    }

    /// At most so many pods that have not ended may be in the namespace from now on.
    pub fn set_pod_quota(&self, namespace: &str, pods: usize) {
        self.state().pod_quotas.insert(namespace.to_owned(), pods);
    }

    /// Lifts the namespace's quota.
    pub fn clear_pod_quota(&self, namespace: &str) {
        self.state().pod_quotas.remove(namespace);
    }

    /// All requests so far.
    pub fn log(&self) -> Vec<Entry> {
        self.state().log.clone()
    }

    /// The last requests, one a line, for failing tests to print.
    pub fn tail(&self, requests: usize) -> String {
        let state = self.state();
        let first = state.log.len().saturating_sub(requests);
        let lines: Vec<String> = state.log[first..].iter().map(Entry::to_string).collect();
        lines.join("\n")
    }

    /// Where the log is now, for [`Self::writes_since`].
    pub fn mark(&self) -> usize {
        self.state().log.len()
    }

    /// The requests since the mark that may change something, whether they did or not.
    pub fn writes_since(&self, mark: usize) -> Vec<Entry> {
        let state = self.state();
        state.log.iter().skip(mark).filter(|it| it.verb.is_write()).cloned().collect()
    }

    /// What Roles must allow for all that clients whose name starts with `client` have asked so far:
    /// group, resource with subresource, verb.
    pub fn verbs_used(&self, client: &str) -> BTreeSet<(String, String, String)> {
        let state = self.state();
        let asked = state.log.iter().filter(|it| it.client.starts_with(client));
        asked
            .flat_map(|it| {
                let (group, resource, verb) = it.right();
                let create =
                    it.is_creating_apply().then(|| (group.clone(), resource.clone(), "create".to_owned()));
                [Some((group, resource, verb)), create]
            })
            .flatten()
            .collect()
    }

    /// The time of day in the simulation.
    pub fn now(&self) -> Timestamp {
        self.state().clock.now()
    }

    /// The newest resource version.
    pub fn version(&self) -> u64 {
        self.state().version
    }

    /// Waits until there is a newer version than this one; returns it. For checks after every change.
    pub async fn changed_since(&self, version: u64) -> u64 {
        let mut versions = self.state().versions.subscribe();
        let newer = versions.wait_for(|it| version < *it).await;
        newer.map_or(version, |it| *it)
    }

    /// All objects of a kind as they are, shared with the server: for those who look often.
    pub fn view(&self, group: &str, plural: &str) -> Vec<Arc<Value>> {
        let state = self.state();
        state.range(&Resource::new(group, plural), None).map(|(_, it)| Arc::clone(it)).collect()
    }

    /// All objects of a kind as they are, without a request: `objects("gamekeeper.dev", "gamerooms")`.
    pub fn objects(&self, group: &str, plural: &str) -> Vec<Value> {
        self.view(group, plural).into_iter().map(Arc::unwrap_or_clone).collect()
    }

    /// One object as it is, without a request.
    pub fn object(&self, group: &str, plural: &str, namespace: &str, name: &str) -> Option<Value> {
        let key = Key::new(Resource::new(group, plural), namespace, name);
        self.state().get(&key).map(Arc::unwrap_or_clone)
    }

    /// Puts an object there as it is, status, deletion and owners included, without asking any rule:
    /// for starting states. What metadata lacks is made up; a uid is kept, for owner references.
    /// Replaces the object that is there. Returns it as stored.
    pub fn insert(&self, mut object: Value) -> Value {
        let key = Key::of(&object).expect("an inserted object has apiVersion, kind and metadata.name");
        let mut state = self.state();
        let uid = state.new_uid();
        let current = state.get(&key);
        let kept = |field: &str| current.as_ref().map(|it| it["metadata"][field].clone());
        for (field, default) in [("uid", json!(uid)), ("creationTimestamp", json!(state.clock.stamp()))] {
            if object["metadata"][field].is_null() {
                object["metadata"][field] = kept(field).unwrap_or(default);
            }
        }
        if !key.namespace.is_empty() {
            object["metadata"]["namespace"] = json!(key.namespace);
        }
        let stored = state.put(&key, object);
        state.collect_garbage();
        Value::clone(&stored)
    }

    /// Changes an object, status included, without a request or a rule. Returns whether it is there.
    pub fn edit(
        &self,
        group: &str,
        plural: &str,
        namespace: &str,
        name: &str,
        change: impl FnOnce(&mut Value),
    ) -> bool {
        self.edit_key(&Key::new(Resource::new(group, plural), namespace, name), change)
    }

    /// Removes an object at once, whatever its finalizers say, with all that it owns.
    pub fn erase(&self, group: &str, plural: &str, namespace: &str, name: &str) -> bool {
        let mut state = self.state();
        let is_there = state.remove(&Key::new(Resource::new(group, plural), namespace, name)).is_some();
        state.collect_garbage();
        is_there
    }

    pub(crate) fn edit_key(&self, key: &Key, change: impl FnOnce(&mut Value)) -> bool {
        let Some(mut object) = self.state().get(key).map(Arc::unwrap_or_clone) else { return false };
        // Outside of the lock: the closure may use the handle, and may panic.
        change(&mut object);
        let mut state = self.state();
        state.put(key, object);
        state.collect_garbage();
        true
    }

    /// Deletes as somebody without limits would.
    pub(crate) fn delete_key(&self, key: &Key, options: &DeleteOptions) {
        let mut state = self.state();
        if let Some(object) = state.get(key) {
            // Preconditions that fail mean that it has gone already.
            let _ = state.delete_object(key, &object, options);
            state.collect_garbage();
        }
    }

    pub(crate) fn forget_watch(&self, id: u64) {
        // During a panic the state may be locked for good.
        if let Ok(mut state) = self.state.lock() {
            state.watches.remove(&id);
        }
    }
}
