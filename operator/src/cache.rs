//! A cache of objects that reads its own writes.
//!
//! A watch is late by nature. Without the answers to our own writes, a fleet would be short of the
//! pods that it has just made, and make them again.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet, VecDeque},
    sync::Arc,
};

use crate::name::ObjectName;

/// How many deleted objects are remembered, lest a late answer revive one of them.
const GRAVES_MAX: usize = 8192;

/// What a cache needs to know of an object.
pub trait Cached {
    /// Namespace and name.
    fn key(&self) -> ObjectName;
    /// A name may come back, a uid never does.
    fn uid(&self) -> &str;
    /// `metadata.resourceVersion`.
    fn resource_version(&self) -> &str;
}

/// What a watch tells, of one namespace or of all.
#[derive(Clone, Debug)]
pub enum Seen<T> {
    /// A list begins.
    Listing,
    /// An object in the list.
    Listed(T),
    /// The list is complete: what it did not name is gone.
    Complete,
    /// An object was made or changed.
    Set(T),
    /// An object was deleted.
    Gone { key: ObjectName, uid: String },
}

/// What has changed in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change<T> {
    /// An object is new or different.
    Set(Arc<T>),
    /// An object is gone.
    Gone(Arc<T>),
}

/// All objects of a kind that concern us.
#[derive(Debug)]
pub struct Cache<T> {
    objects: BTreeMap<ObjectName, Arc<T>>,
    graves: HashSet<String>,
    graves_by_age: VecDeque<String>,
    /// By scope: what the list that is coming in has named, and what we noted meanwhile.
    listings: BTreeMap<usize, BTreeSet<ObjectName>>,
    complete: BTreeSet<usize>,
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self {
            objects: BTreeMap::new(),
            graves: HashSet::new(),
            graves_by_age: VecDeque::new(),
            listings: BTreeMap::new(),
            complete: BTreeSet::new(),
        }
    }
}

impl<T: Cached> Cache<T> {
    /// The object with this name.
    pub fn get(&self, key: &ObjectName) -> Option<&Arc<T>> {
        self.objects.get(key)
    }

    /// All objects.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<T>> {
        self.objects.values()
    }

    /// All objects of a namespace.
    pub fn of_namespace<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = &'a Arc<T>> {
        let first = ObjectName::new(namespace, "");
        self.objects.range(first..).take_while(move |(key, _)| key.namespace == namespace).map(|(_, it)| it)
    }

    /// How many of the watches have listed all they watch.
    pub fn complete_scopes(&self) -> usize {
        self.complete.len()
    }

    /// Takes in what the watch of `scope` tells; `in_scope` says what it covers.
    pub fn see(
        &mut self,
        scope: usize,
        seen: Seen<T>,
        in_scope: impl Fn(&ObjectName) -> bool,
    ) -> Vec<Change<T>> {
        match seen {
            Seen::Listing => {
                self.listings.insert(scope, BTreeSet::new());
                Vec::new()
            }
            Seen::Listed(object) => {
                if let Some(named) = self.listings.get_mut(&scope) {
                    named.insert(object.key());
                }
                self.outlived(&object).into_iter().chain(self.set(object)).collect()
            }
            Seen::Complete => {
                self.complete.insert(scope);
                let Some(named) = self.listings.remove(&scope) else { return Vec::new() };
                let is_gone = |key: &&ObjectName| in_scope(key) && !named.contains(key);
                let gone: Vec<ObjectName> = self.objects.keys().filter(is_gone).cloned().collect();
                gone.iter().filter_map(|key| self.remove(key)).collect()
            }
            Seen::Set(object) => self.outlived(&object).into_iter().chain(self.set(object)).collect(),
            Seen::Gone { key, uid } => self.note_gone(&key, &uid).into_iter().collect(),
        }
    }

    /// Takes in the answer to a write or a read of our own.
    pub fn note(&mut self, object: T) -> Option<Change<T>> {
        // A list that is under way may have begun before this object was made.
        for named in self.listings.values_mut() {
            named.insert(object.key());
        }
        self.set(object)
    }

    /// Takes in that the object with this uid is gone.
    pub fn note_gone(&mut self, key: &ObjectName, uid: &str) -> Option<Change<T>> {
        self.bury(uid);
        let is_known = self.objects.get(key).is_some_and(|it| it.uid() == uid);
        if is_known { self.remove(key) } else { None }
    }

    /// Removes an earlier object of the same name, whose deletion we have not heard of yet, and would
    /// not know any more when we do.
    pub fn outlived(&mut self, object: &T) -> Option<Change<T>> {
        let known = self.objects.get(&object.key()).filter(|it| {
            it.uid() != object.uid() && version(it.resource_version()) < version(object.resource_version())
        })?;
        let uid = known.uid().to_owned();
        self.note_gone(&object.key(), &uid)
    }

    fn set(&mut self, object: T) -> Option<Change<T>> {
        let key = object.key();
        if self.graves.contains(object.uid()) {
            return None;
        }
        // The same object as before, or an older state of it: a stale list, or a watch behind our answers.
        let is_newer =
            |known: &Arc<T>| version(known.resource_version()) < version(object.resource_version());
        if !self.objects.get(&key).is_none_or(is_newer) {
            return None;
        }
        let object = Arc::new(object);
        self.objects.insert(key, object.clone());
        Some(Change::Set(object))
    }

    fn remove(&mut self, key: &ObjectName) -> Option<Change<T>> {
        self.objects.remove(key).map(Change::Gone)
    }

    fn bury(&mut self, uid: &str) {
        if self.graves.insert(uid.to_owned()) {
            self.graves_by_age.push_back(uid.to_owned());
        }
        while GRAVES_MAX < self.graves_by_age.len() {
            if let Some(oldest) = self.graves_by_age.pop_front() {
                self.graves.remove(&oldest);
            }
        }
    }
}

/// Resource versions grow (KEP-5504 makes that a promise); what is no number counts as new.
fn version(text: &str) -> u64 {
    text.parse().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Thing(&'static str, &'static str, &'static str);

    impl Cached for Thing {
        fn key(&self) -> ObjectName {
            ObjectName::new("games", self.0)
        }
        fn uid(&self) -> &str {
            self.1
        }
        fn resource_version(&self) -> &str {
            self.2
        }
    }

    fn names(cache: &Cache<Thing>) -> Vec<&'static str> {
        cache.iter().map(|it| it.0).collect()
    }

    fn gone(name: &str, uid: &str) -> Seen<Thing> {
        Seen::Gone { key: ObjectName::new("games", name), uid: uid.to_owned() }
    }

    fn everything(_: &ObjectName) -> bool {
        true
    }

    #[test]
    fn an_answer_counts_before_the_watch_tells_and_not_after_it() {
        let mut cache = Cache::default();
        assert!(cache.note(Thing("a", "u1", "5")).is_some());
        assert_eq!(cache.see(0, Seen::Set(Thing("a", "u1", "4")), everything), [], "older than our answer");
        assert_eq!(cache.see(0, Seen::Set(Thing("a", "u1", "6")), everything).len(), 1);
        assert_eq!(cache.see(0, gone("a", "u1"), everything).len(), 1);
        assert_eq!(cache.note(Thing("a", "u1", "5")), None, "a late answer revives nothing");
        assert!(cache.note(Thing("a", "u2", "9")).is_some(), "the same name again is another object");
    }

    #[test]
    fn a_name_that_comes_back_tells_that_its_first_bearer_is_gone() {
        let mut cache = Cache::default();
        cache.see(0, Seen::Set(Thing("a", "u1", "1")), everything);
        let (first, second) = (Arc::new(Thing("a", "u1", "1")), Arc::new(Thing("a", "u2", "3")));
        let changes = cache.see(0, Seen::Set(Thing("a", "u2", "3")), everything);
        assert_eq!(changes, [Change::Gone(first), Change::Set(second)]);
        assert_eq!(cache.note(Thing("a", "u1", "2")), None, "a late answer does not bring it back");
    }

    #[test]
    fn a_list_removes_what_it_does_not_name_but_not_what_was_noted_meanwhile() {
        let mut cache = Cache::default();
        for thing in [Thing("a", "u1", "1"), Thing("b", "u2", "2")] {
            cache.see(0, Seen::Set(thing), everything);
        }
        cache.see(0, Seen::Listing, everything);
        cache.see(0, Seen::Listed(Thing("b", "u2", "2")), everything);
        cache.note(Thing("c", "u3", "4"));
        let gone = cache.see(0, Seen::Complete, everything);
        assert_eq!(gone, [Change::Gone(Arc::new(Thing("a", "u1", "1")))]);
        assert_eq!(names(&cache), ["b", "c"]);
        assert_eq!(cache.complete_scopes(), 1);
    }

    #[test]
    fn the_deletion_of_an_earlier_object_does_not_remove_a_later_one() {
        let mut cache = Cache::default();
        cache.note(Thing("a", "u2", "9"));
        cache.see(0, gone("a", "u1"), everything);
        assert_eq!(names(&cache), ["a"]);
    }
}
