//! The objects of one kind, as a watch tells of them.

use std::collections::BTreeMap;

use kube::ResourceExt as _;
use kube::runtime::watcher::Event;

/// What there is, by name.
pub(super) struct Shelf<K> {
    objects: BTreeMap<String, K>,
    listed: BTreeMap<String, K>,
}

/// What an event has changed.
pub(super) enum Change<K> {
    Seen(K),
    Gone(K),
}

impl<K> Default for Shelf<K> {
    fn default() -> Self {
        Self { objects: BTreeMap::new(), listed: BTreeMap::new() }
    }
}

impl<K: kube::Resource + Clone> Shelf<K> {
    pub(super) fn put(&mut self, event: Event<K>) -> Vec<Change<K>> {
        match event {
            Event::Apply(object) => {
                self.objects.insert(object.name_any(), object.clone());
                vec![Change::Seen(object)]
            }
            Event::Delete(object) => {
                self.objects.remove(&object.name_any());
                vec![Change::Gone(object)]
            }
            Event::Init => {
                self.listed.clear();
                Vec::new()
            }
            Event::InitApply(object) => {
                self.listed.insert(object.name_any(), object);
                Vec::new()
            }
            Event::InitDone => {
                let before = std::mem::replace(&mut self.objects, std::mem::take(&mut self.listed));
                let gone = before.into_iter().filter(|(name, _)| !self.objects.contains_key(name));
                let gone = gone.map(|(_, object)| Change::Gone(object));
                gone.chain(self.objects.values().cloned().map(Change::Seen)).collect()
            }
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&K> {
        self.objects.get(name)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &K> {
        self.objects.values()
    }
}
