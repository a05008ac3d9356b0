//! The referee's book: what was ever seen of rooms and servers, and what should not have been.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use gamekeeper_crds::{GameFleet, GameRoom};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::runtime::watcher::Event;
use tokio::time::Instant;

use super::pods::{LastSeen, fleet_of, has_ended, is_active, is_ready};
use super::shelf::{Change, Shelf};
use super::tenancy::{Ended, Tenancy, revision};

/// The newest of everything, and the history that matters.
#[derive(Default)]
pub(super) struct Book {
    pub(super) fleets: Shelf<GameFleet>,
    pub(super) rooms: Shelf<GameRoom>,
    pub(super) pods: Shelf<Pod>,
    /// Where each room was published, by its uid: one after the other.
    tenancies: BTreeMap<String, Vec<Tenancy>>,
    /// Pods that were told to end while their server ran, by uid.
    told_to_end: BTreeMap<String, Told>,
    /// How each pod was seen last, by uid.
    last_seen: BTreeMap<String, LastSeen>,
    /// Pods that we have done harm to, by uid, and when.
    hits: BTreeMap<String, Instant>,
    /// By fleet.
    extremes: BTreeMap<String, Extremes>,
    fouls: BTreeSet<Foul>,
}

/// What should not have been: of a room, in words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Foul {
    /// The room's name.
    pub room: String,
    /// What was seen.
    pub what: String,
}

/// A pod that was told to end.
struct Told {
    pod: String,
    /// Of the write that told it.
    revision: u64,
}

/// How far a fleet went.
#[derive(Clone, Copy, Debug)]
pub struct Extremes {
    /// The most pods that had not ended and were not told to.
    pub most_active: usize,
    /// The fewest of them that were ready.
    pub fewest_ready: usize,
    /// The fewest that were ready according to the fleet.
    pub fewest_reported: i32,
}

/// What was seen in all.
#[derive(Clone, Copy, Debug)]
pub struct Tally {
    /// Rooms that had a server.
    pub placed: usize,
    /// Servers that had a room.
    pub servers: usize,
}

impl Book {
    pub(super) fn see_fleet(&mut self, event: Event<GameFleet>, _: Instant) {
        for change in self.fleets.put(event) {
            let Change::Seen(fleet) = change else { continue };
            let ready = fleet.status.as_ref().map_or(0, |it| it.ready_replicas);
            if let Some(extremes) = self.extremes.get_mut(&fleet.name_any()) {
                extremes.fewest_reported = extremes.fewest_reported.min(ready);
            }
        }
    }

    pub(super) fn see_room(&mut self, event: Event<GameRoom>, now: Instant) {
        for change in self.rooms.put(event) {
            match change {
                Change::Seen(room) => self.note(&room, Tenancy::published(&room, now), now),
                Change::Gone(room) => self.note(&room, None, now),
            }
        }
    }

    pub(super) fn see_pod(&mut self, event: Event<Pod>, _: Instant) {
        for change in self.pods.put(event) {
            let Change::Seen(pod) = change else { continue };
            self.last_seen.insert(pod.uid().unwrap_or_default(), LastSeen::of(&pod));
            if pod.metadata.deletion_timestamp.is_some() && !has_ended(&pod) {
                let told = Told { pod: pod.name_any(), revision: revision(&pod) };
                self.told_to_end.entry(pod.uid().unwrap_or_default()).or_insert(told);
            }
            self.measure(&pod);
        }
    }

    /// Notes where a room is now.
    fn note(&mut self, room: &GameRoom, here: Option<Tenancy>, now: Instant) {
        let uid = room.uid().unwrap_or_default();
        let before = self.tenancies.get_mut(&uid).and_then(|it| it.last_mut());
        if let Some(before) = before {
            if here.as_ref().is_some_and(|it| it.is(before)) {
                // Written off, and found to be alive after all: or as before.
                before.ended = None;
                return;
            }
            before.ended.get_or_insert_with(|| Ended { at: now, revision: revision(room) });
        }
        let Some(here) = here else { return };
        let why_not =
            self.tenancies.get(&uid).and_then(|it| it.last()).and_then(|it| cannot_follow(it, &here));
        let is_too_many = self.is_too_many(&here, &room.spec.fleet_name);
        for what in why_not.into_iter().chain(is_too_many) {
            self.fouls.insert(Foul { room: here.room.clone(), what });
        }
        self.tenancies.entry(uid).or_default().push(here);
    }

    /// Why one more room on a server is one too many, if it is.
    fn is_too_many(&self, here: &Tenancy, fleet: &str) -> Option<String> {
        let there = self.tenancies.values().flatten().filter(|it| it.pod_uid == here.pod_uid);
        let others = there.filter(|it| it.room != here.room);
        if here.boot.is_none() {
            // A plain server serves one room in its life.
            let other = others.map(|it| &it.room).next()?;
            return Some(format!("{} was given to it and to {other}", here.pod));
        }
        let most =
            self.fleets.get(fleet)?.spec.rooms.max_per_server.and_then(|it| usize::try_from(it).ok())?;
        let now = 1 + others.filter(|it| it.ended.is_none()).count();
        (most < now).then(|| format!("{} had {now} rooms, and may have {most}", here.pod))
    }

    fn measure(&mut self, pod: &Pod) {
        let Some(fleet) = fleet_of(pod) else { return };
        let Some(extremes) = self.extremes.get_mut(fleet) else { return };
        let active = || self.pods.all().filter(|it| fleet_of(it) == Some(fleet) && is_active(it));
        extremes.most_active = extremes.most_active.max(active().count());
        extremes.fewest_ready = extremes.fewest_ready.min(active().filter(|it| is_ready(it)).count());
    }

    /// Begins to measure a fleet.
    pub(super) fn mark(&mut self, fleet: &str) {
        let none = Extremes { most_active: 0, fewest_ready: usize::MAX, fewest_reported: i32::MAX };
        self.extremes.insert(fleet.to_owned(), none);
    }

    pub(super) fn extremes(&self, fleet: &str) -> Option<Extremes> {
        self.extremes.get(fleet).copied()
    }

    /// Notes that we do harm to a pod, so that what becomes of its rooms is not the operator's doing.
    pub(super) fn hit(&mut self, pod_uid: &str, now: Instant) {
        self.hits.entry(pod_uid.to_owned()).or_insert(now);
    }

    pub(super) fn hits(&self) -> &BTreeMap<String, Instant> {
        &self.hits
    }

    /// How each pod was seen last, by uid.
    pub(super) fn last_seen(&self) -> &BTreeMap<String, LastSeen> {
        &self.last_seen
    }

    /// Where a room was published, one after the other.
    pub(super) fn tenancies(&self, room: &str) -> Vec<Tenancy> {
        self.tenancies.values().flatten().filter(|it| it.room == room).cloned().collect()
    }

    /// Rooms that had two servers, or servers that had too many rooms.
    pub(super) fn doubled(&self) -> &BTreeSet<Foul> {
        &self.fouls
    }

    /// Rooms whose server was told to end before their match was over or they were deleted.
    pub(super) fn told_to_end(&self) -> Vec<Foul> {
        let told = self.told_to_end.iter().filter(|(uid, _)| !self.hits.contains_key(*uid));
        let during_match = told.flat_map(|(uid, told)| {
            let there = self.tenancies.values().flatten().filter(move |it| it.pod_uid == *uid);
            there.filter(|it| it.outlasts(told.revision)).map(|it| Foul {
                room: it.room.clone(),
                what: format!("{} was told to end during its match", told.pod),
            })
        });
        during_match.collect()
    }

    /// Whether all went by the rules.
    pub(super) fn verdict(&self) -> Result<Tally> {
        let ended = self.told_to_end();
        ensure!(ended.is_empty(), "servers were told to end during their match: {ended:#?}");
        ensure!(self.fouls.is_empty(), "fouls: {:#?}", self.fouls);
        let servers: BTreeSet<_> = self.tenancies.values().flatten().map(|it| &it.pod_uid).collect();
        Ok(Tally { placed: self.tenancies.len(), servers: servers.len() })
    }
}

/// Why one tenancy must not come after another, if it must not.
fn cannot_follow(before: &Tenancy, here: &Tenancy) -> Option<String> {
    // The process of a plain server is its match: it has no second one.
    let is_used_up = here.boot.is_none() && before.pod_uid == here.pod_uid;
    let goes_back = here.epoch <= before.epoch;
    let place = |it: &Tenancy| format!("epoch {} on {} ({:?})", it.epoch, it.pod, it.boot);
    (is_used_up || goes_back).then(|| format!("it went from {} to {}", place(before), place(here)))
}
