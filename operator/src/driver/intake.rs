//! News become events of the ledger, targets of the prober, and triggers of fleets.

use std::{net::IpAddr, sync::Arc};

use gamekeeper_crds::{GameFleet, GameRoom};
use kube::runtime::watcher;
use tokio::time::Instant;

use super::Driver;
use crate::{
    cache::{Cached as _, Change, Seen},
    name::ObjectName,
    room::Event,
    server::{Node, ServerPod, pod::Process, prober::Report, prober::Target, suspicion},
    watch::News,
    world::fleet_of,
};

impl Driver {
    pub(super) fn take_news(&mut self, news: News) {
        let is_complete = matches!(
            news,
            News::Fleet(_, Seen::Complete)
                | News::Room(_, Seen::Complete)
                | News::Pod(_, Seen::Complete)
                | News::Revision(_, Seen::Complete)
                | News::Budget(_, Seen::Complete)
                | News::Node(Seen::Complete)
        );
        let namespaces = self.namespaces.clone();
        let covers = move |scope: usize| {
            let namespace = namespaces.get(scope).cloned();
            move |key: &ObjectName| namespace.as_ref().is_none_or(|it| *it == key.namespace)
        };
        match news {
            News::Fleet(scope, seen) => {
                let changes = self.world.write().fleets.see(scope, seen, covers(scope));
                changes.into_iter().for_each(|it| self.fleet_changed(it));
            }
            News::Room(scope, seen) => {
                let changes = self.world.write().rooms.see(scope, seen, covers(scope));
                self.rooms_changed(changes);
            }
            News::Pod(scope, seen) => {
                // Also what we know already from an answer of our own: the ledger may not.
                let known = match &seen {
                    Seen::Set(pod) | Seen::Listed(pod) => Some(pod.key()),
                    Seen::Gone { .. } | Seen::Listing | Seen::Complete => None,
                };
                let gone = if let Seen::Gone { uid, .. } = &seen { Some(uid.clone()) } else { None };
                let mut changes = self.world.write().pods.see(scope, seen, covers(scope));
                if let Some(uid) = gone.filter(|_| changes.is_empty()) {
                    self.server_gone(&uid);
                }
                if changes.is_empty() {
                    let pod = known.and_then(|it| self.world.read().pods.get(&it).cloned());
                    changes.extend(pod.map(Change::Set));
                }
                changes.into_iter().for_each(|it| self.pod_changed(it));
            }
            News::Revision(scope, seen) => {
                let changes = self.world.write().revisions.see(scope, seen, covers(scope));
                for revision in changes.iter().map(thing) {
                    self.trigger(&ObjectName::new(&revision.name.namespace, &revision.fleet));
                }
            }
            News::Budget(scope, seen) => {
                let changes = self.world.write().budgets.see(scope, seen, covers(scope));
                for budget in changes.iter().map(thing) {
                    self.trigger(&budget.name);
                }
            }
            News::Node(seen) => self.node_seen(seen),
        }
        if is_complete {
            self.sync();
        }
    }

    pub(super) fn take_report(&mut self, report: Report) {
        let Report { pod, uid, health } = report;
        self.world.write().set_health(&uid, health);
        let pod = self.world.read().pods.get(&pod).filter(|it| it.uid == uid).cloned();
        if let Some(pod) = pod {
            self.server_changed(&pod);
        }
    }

    /// An answer waits for its turn, and a watch may overtake it: the caches know better. What is gone
    /// by now must not come back, for nobody would tell again that it went.
    pub(super) fn take_answers(&mut self, answers: Vec<Event>) {
        let world = self.world.read();
        let as_known = |event| match event {
            Event::Room(room) => {
                let known = world.rooms.get(&room.key()).filter(|it| it.uid() == room.uid());
                known.cloned().map(Event::Room)
            }
            Event::Server(view) => {
                let known = world.pods.get(&view.pod()).filter(|it| it.uid == view.uid);
                known.map(|it| Event::Server(world.server_view(it)))
            }
            event => Some(event),
        };
        let answers = answers.into_iter().filter_map(as_known).collect();
        drop(world);
        self.tell(answers);
    }

    /// A fleet was found to be ours, or not, or its spec says something else now.
    pub(super) fn take_fleet(&mut self, name: &ObjectName) {
        let world = self.world.read();
        let view = world.fleets.get(name).map(|it| world.fleet_view(it));
        let pods: Vec<Arc<ServerPod>> = world.pods_of(name).cloned().collect();
        drop(world);
        // The servers first: only now they have addresses, and the fleet's rooms are looked at with the fleet.
        for pod in pods {
            self.server_changed(&pod);
        }
        if let Some(view) = view {
            self.tell(vec![Event::Fleet(name.clone(), view)]);
        }
    }

    fn fleet_changed(&mut self, change: Change<GameFleet>) {
        let name = thing(&change).key();
        let is_synced = self.world.read().is_synced;
        match change {
            Change::Set(fleet) => {
                if is_synced {
                    self.fleets.apply_watcher_event(&watcher::Event::Apply(GameFleet::clone(&fleet)));
                }
                let view = self.world.read().fleet_view(&fleet);
                self.tell(vec![Event::Fleet(name.clone(), view)]);
            }
            Change::Gone(fleet) => {
                self.fleets.apply_watcher_event(&watcher::Event::Delete(GameFleet::clone(&fleet)));
                self.world.write().serving.remove(&name);
                self.tell(vec![Event::FleetGone(name.clone())]);
            }
        }
        if is_synced {
            self.trigger(&name);
        }
    }

    fn rooms_changed(&mut self, changes: Vec<Change<GameRoom>>) {
        let events = changes.into_iter().map(|change| match change {
            Change::Set(room) => Event::Room(room),
            Change::Gone(room) => Event::RoomGone(room),
        });
        self.tell(events.collect());
    }

    fn pod_changed(&mut self, change: Change<ServerPod>) {
        match change {
            Change::Set(pod) => self.server_changed(&pod),
            Change::Gone(pod) => self.server_gone(&pod.uid),
        }
    }

    fn server_gone(&mut self, uid: &str) {
        self.prober.forget(uid);
        self.links.forget(uid);
        self.suspicion(suspicion::Event::Gone { server: uid.to_owned() });
        self.world.write().forget_server(uid);
        self.tell(vec![Event::ServerGone(uid.to_owned())]);
    }

    /// A server, its health, its node or its fleet has changed.
    pub(super) fn server_changed(&mut self, pod: &Arc<ServerPod>) {
        self.probe(pod);
        self.link(pod);
        self.world.write().keep_history(pod, Instant::now());
        let view = self.world.read().server_view(pod);
        self.tell(vec![Event::Server(view)]);
    }

    fn probe(&mut self, pod: &ServerPod) {
        let probe = self.world.read().serving.get(&fleet_of(pod)).and_then(|it| it.probe.clone());
        let ip = pod.ip.as_ref().and_then(|it| it.parse::<IpAddr>().ok());
        match (probe, ip) {
            (Some(probe), Some(ip)) if pod.process == Process::Running => {
                self.prober.watch(&pod.uid, Target { pod: pod.key(), ip, probe });
            }
            _ => self.prober.forget(&pod.uid),
        }
    }

    fn node_seen(&mut self, seen: Seen<Node>) {
        let before = match &seen {
            Seen::Set(node) | Seen::Listed(node) => self.world.read().nodes.get(&node.key()).cloned(),
            Seen::Gone { .. } | Seen::Listing | Seen::Complete => None,
        };
        let changes = self.world.write().nodes.see(0, seen, |_| true);
        for node in changes.iter().map(thing) {
            // Heartbeats change nothing that we look at.
            let same =
                |it: &Node| Node { resource_version: node.resource_version.clone(), ..it.clone() } == **node;
            if before.as_deref().is_some_and(same) {
                continue;
            }
            let on_it = |it: &&Arc<ServerPod>| it.node.as_ref() == Some(&node.name);
            let pods: Vec<Arc<ServerPod>> = self.world.read().pods.iter().filter(on_it).cloned().collect();
            for pod in pods {
                self.server_changed(&pod);
            }
        }
    }
}

fn thing<T>(change: &Change<T>) -> &Arc<T> {
    match change {
        Change::Set(it) | Change::Gone(it) => it,
    }
}
