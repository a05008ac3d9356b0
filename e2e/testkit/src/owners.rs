//! Garbage collection: what follows its owner, and what follows its namespace.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use serde_json::{Value, json};

use crate::{
    resource::Key,
    state::State,
    verbs::delete::{DeleteOptions, FOREGROUND},
};

/// Who is owned by whom.
#[derive(Debug, Default)]
pub(crate) struct Owners {
    alive: BTreeMap<String, Key>,
    dependants: BTreeMap<String, BTreeSet<Key>>,
    /// Objects that were made or have gone since the collector last looked.
    news: VecDeque<News>,
}

#[derive(Debug)]
enum News {
    Made(Key),
    Gone { key: Key, uid: String, owners: Vec<String> },
}

impl Owners {
    /// Takes note of a change.
    pub(crate) fn note(&mut self, key: &Key, before: Option<&Value>, after: Option<&Value>) {
        for owner in before.map(owner_uids).unwrap_or_default() {
            if let Some(dependants) = self.dependants.get_mut(&owner) {
                dependants.remove(key);
            }
        }
        for owner in after.map(owner_uids).unwrap_or_default() {
            self.dependants.entry(owner).or_default().insert(key.clone());
        }
        match (before, after) {
            (None, Some(made)) => {
                self.alive.insert(uid(made), key.clone());
                self.news.push_back(News::Made(key.clone()));
            }
            (Some(gone), None) => {
                self.alive.remove(&uid(gone));
                let (uid, owners) = (uid(gone), owner_uids(gone));
                self.news.push_back(News::Gone { key: key.clone(), uid, owners });
            }
            _ => {}
        }
    }

    pub(crate) fn dependants(&self, uid: &str) -> Vec<Key> {
        self.dependants.get(uid).into_iter().flatten().cloned().collect()
    }

    fn has_living_owner(&self, object: &Value) -> bool {
        owner_uids(object).iter().any(|it| self.alive.contains_key(it))
    }
}

impl State {
    /// Deletes what has lost its owners or its namespace, until there is nothing more to do.
    pub(crate) fn collect_garbage(&mut self) {
        while let Some(news) = self.owners.news.pop_front() {
            match news {
                // Made for an owner that had gone before.
                News::Made(key) => self.collect(&key),
                News::Gone { key, uid, owners } => {
                    for dependant in self.owners.dependants(&uid) {
                        self.collect(&dependant);
                    }
                    for owner in &owners {
                        self.release_owner(owner);
                    }
                    self.release_namespace(&key.namespace);
                }
            }
        }
    }

    fn collect(&mut self, key: &Key) {
        let Some(object) = self.get(key) else { return };
        if !owner_uids(&object).is_empty() && !self.owners.has_living_owner(&object) {
            self.delete_quietly(key);
        }
    }

    /// Lets an owner go that was deleted in the foreground, once nothing is left that it owns.
    fn release_owner(&mut self, uid: &str) {
        let Some(key) = self.owners.alive.get(uid).cloned() else { return };
        let Some(owner) = self.get(&key) else { return };
        let waits =
            owner["metadata"]["finalizers"].as_array().is_some_and(|it| it.contains(&json!(FOREGROUND)));
        if waits && self.owners.dependants(uid).is_empty() {
            let mut owner = Value::clone(&owner);
            if let Some(finalizers) = owner["metadata"]["finalizers"].as_array_mut() {
                finalizers.retain(|it| it != FOREGROUND);
            }
            self.put(&key, owner);
        }
    }

    /// Deletes what is in a namespace that is being deleted.
    pub(crate) fn empty_namespace(&mut self, namespace: &str) {
        let contents: Vec<Key> =
            self.objects.keys().filter(|it| it.namespace == namespace).cloned().collect();
        for key in &contents {
            self.delete_quietly(key);
        }
        self.release_namespace(namespace);
    }

    fn release_namespace(&mut self, namespace: &str) {
        let key = Key::namespace(namespace);
        let Some(object) = self.get(&key).filter(|it| it["metadata"]["deletionTimestamp"].is_string()) else {
            return;
        };
        if self.objects.keys().all(|it| it.namespace != namespace) {
            let mut object = Value::clone(&object);
            object["spec"]["finalizers"] = json!([]);
            self.put(&key, object);
        }
    }

    pub(crate) fn delete_quietly(&mut self, key: &Key) {
        if let Some(object) = self.get(key) {
            // It exists and there are no preconditions: nothing can be refused.
            let _ = self.delete_object(key, &object, &DeleteOptions::default());
        }
    }

    /// Takes the owner out of everything that it owns.
    pub(crate) fn orphan(&mut self, uid: &str) {
        for key in self.owners.dependants(uid) {
            let Some(mut object) = self.get(&key).map(Arc::unwrap_or_clone) else { continue };
            if let Some(owners) = object["metadata"]["ownerReferences"].as_array_mut() {
                owners.retain(|it| it["uid"] != uid);
            }
            self.put(&key, object);
        }
    }
}

fn uid(object: &Value) -> String {
    object["metadata"]["uid"].as_str().unwrap_or_default().to_owned()
}

fn owner_uids(object: &Value) -> Vec<String> {
    let owners = object["metadata"]["ownerReferences"].as_array().map(Vec::as_slice).unwrap_or_default();
    owners.iter().filter_map(|it| it["uid"].as_str()).map(str::to_owned).collect()
}
