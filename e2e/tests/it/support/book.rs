//! The referee's book: what was ever seen of rooms and servers, and what should not have been.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use gamekeeper_crds::room::Phase;
use gamekeeper_crds::{GameFleet, GameRoom};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kube::runtime::watcher::Event;

use super::pods::{fleet_of, has_ended, is_active, is_ready};
use super::shelf::{Change, Shelf};

/// The newest of everything, and the history that matters.
#[derive(Default)]
pub(super) struct Book {
    pub(super) fleets: Shelf<GameFleet>,
    pub(super) rooms: Shelf<GameRoom>,
    pub(super) pods: Shelf<Pod>,
    /// The room that a pod was published for, both by uid. A plain server serves one.
    hosts: BTreeMap<String, String>,
    /// A room's last published epoch and pod, by uid.
    tenancies: BTreeMap<String, (i64, String)>,
    /// Rooms that were deleted, by uid.
    deleted: BTreeSet<String>,
    /// Pods that were told to end while their server ran: uid and name.
    told_to_end: BTreeMap<String, String>,
    /// By fleet.
    extremes: BTreeMap<String, Extremes>,
    fouls: BTreeSet<String>,
}

/// How far a fleet went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extremes {
    /// The most pods that had not ended and were not told to.
    pub(crate) most_active: usize,
    /// The fewest of them that were ready.
    pub(crate) fewest_ready: usize,
    /// The fewest that were ready according to the fleet.
    pub(crate) fewest_reported: i32,
}

/// What was seen in all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tally {
    /// Rooms that had a server.
    pub(crate) placed: usize,
    /// Servers that had a room.
    pub(crate) servers: usize,
}

impl Book {
    pub(super) fn see_fleet(&mut self, event: Event<GameFleet>) {
        for change in self.fleets.put(event) {
            let Change::Seen(fleet) = change else { continue };
            let ready = fleet.status.as_ref().map_or(0, |it| it.ready_replicas);
            if let Some(extremes) = self.extremes.get_mut(&fleet.name_any()) {
                extremes.fewest_reported = extremes.fewest_reported.min(ready);
            }
        }
    }

    pub(super) fn see_room(&mut self, event: Event<GameRoom>) {
        for change in self.rooms.put(event) {
            match change {
                Change::Seen(room) => self.check_room(&room),
                Change::Gone(room) => self.deleted.extend(room.uid()),
            }
        }
    }

    pub(super) fn see_pod(&mut self, event: Event<Pod>) {
        for change in self.pods.put(event) {
            let Change::Seen(pod) = change else { continue };
            if pod.metadata.deletion_timestamp.is_some() && !has_ended(&pod) {
                self.told_to_end.insert(pod.uid().unwrap_or_default(), pod.name_any());
            }
            self.measure(&pod);
        }
    }

    fn check_room(&mut self, room: &GameRoom) {
        let (name, uid) = (room.name_any(), room.uid().unwrap_or_default());
        let Some(status) = &room.status else { return };
        let Some(server) = status.server.as_ref().filter(|_| status.phase == Phase::Running) else { return };
        let host = self.hosts.entry(server.pod_uid.clone()).or_insert_with(|| uid.clone());
        if *host != uid {
            self.fouls.insert(format!("{} was given to {name} and to another room", server.pod_name));
        }
        let tenancy = (status.epoch, server.pod_uid.clone());
        if let Some(before) = self.tenancies.insert(uid, tenancy.clone()) {
            let goes_on = before == tenancy;
            if !goes_on && (tenancy.0 <= before.0 || tenancy.1 == before.1) {
                self.fouls.insert(format!("{name} went from {before:?} to {tenancy:?}"));
            }
        }
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

    /// Whether all went by the rules.
    pub(super) fn verdict(&self) -> Result<Tally> {
        let ended = self.told_to_end.iter().filter_map(|(uid, name)| Some((name, self.hosts.get(uid)?)));
        let ended: Vec<_> = ended.filter(|(_, room)| !self.deleted.contains(*room)).collect();
        ensure!(ended.is_empty(), "servers were told to end during their match: {ended:?}");
        ensure!(self.fouls.is_empty(), "fouls: {:#?}", self.fouls);
        Ok(Tally { placed: self.tenancies.len(), servers: self.hosts.len() })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn room(name: &str, epoch: i64, server: &str) -> Event<GameRoom> {
        let room = json!({
            "apiVersion": "gamekeeper.dev/v1alpha1", "kind": "GameRoom",
            "metadata": { "name": name, "uid": format!("uid of {name}") },
            "spec": { "fleetName": "arena" },
            "status": { "phase": "Running", "epoch": epoch, "server": { "podName": server, "podUID": server } },
        });
        Event::Apply(serde_json::from_value(room).unwrap())
    }

    fn told_to_end(server: &str, state: &str) -> Event<Pod> {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": server, "uid": server, "deletionTimestamp": "2026-01-01T00:00:00Z" },
            "status": { "containerStatuses": [{
                "name": "server", "image": "", "imageID": "", "ready": true, "restartCount": 0,
                "state": { state: if state == "running" { json!({}) } else { json!({ "exitCode": 0 }) } },
            }] },
        });
        Event::Apply(serde_json::from_value(pod).unwrap())
    }

    fn verdict(rooms: Vec<Event<GameRoom>>, pods: Vec<Event<Pod>>) -> Result<Tally> {
        let mut book = Book::default();
        pods.into_iter().for_each(|it| book.see_pod(it));
        rooms.into_iter().for_each(|it| book.see_room(it));
        book.verdict()
    }

    #[test]
    fn a_room_may_go_to_another_server_under_a_higher_epoch_only() {
        let tally = verdict(vec![room("duel", 1, "a"), room("duel", 1, "a"), room("duel", 2, "b")], vec![]);
        assert_eq!(tally.unwrap().servers, 2);
        assert!(verdict(vec![room("duel", 2, "a"), room("duel", 2, "b")], vec![]).is_err());
        assert!(verdict(vec![room("duel", 2, "a"), room("duel", 1, "a")], vec![]).is_err());
        assert!(verdict(vec![room("duel", 1, "a"), room("duel", 2, "a")], vec![]).is_err());
    }

    #[test]
    fn a_server_has_one_room_in_its_life() {
        assert!(verdict(vec![room("duel", 1, "a"), room("final", 2, "a")], vec![]).is_err());
    }

    #[test]
    fn a_server_with_a_match_is_not_told_to_end_unless_its_room_is_deleted() {
        let Event::Apply(duel) = room("duel", 1, "a") else { unreachable!() };
        let running = || vec![told_to_end("a", "running")];
        assert!(verdict(vec![room("duel", 1, "a")], running()).is_err());
        verdict(vec![room("duel", 1, "a")], vec![told_to_end("a", "terminated")]).unwrap();
        verdict(vec![room("duel", 1, "a"), Event::Delete(duel)], running()).unwrap();
        verdict(vec![room("duel", 1, "a")], vec![told_to_end("b", "running")]).unwrap();
    }
}
