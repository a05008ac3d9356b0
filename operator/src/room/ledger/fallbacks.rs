//! Tells servers where their players go next, when that is not what they were told before.

use std::{collections::BTreeSet, time::Duration};

use gamekeeper_control::{Endpoint, Fallback, Feature, Transport, limits};
use gamekeeper_crds::fleet::Protocol;

use super::{
    Command, Ledger,
    servers::{Link, ServerEntry},
};
use crate::{
    clock::Now,
    name::ObjectName,
    room::fallbacks::{Spare, Spares},
};

/// So long after something changed in a fleet its servers are told: more will have changed by then, and no server is told
/// more often. Until it is told, its players do not know where to go.
const GATHER: Duration = Duration::from_millis(250);

impl Ledger {
    /// Notes which fleets have changed, and looks at those whose time has come.
    pub(super) fn tell_fallbacks(&mut self, now: Now, commands: &mut Vec<Command>) {
        let changed = self.tables.changes();
        for fleet in changed {
            if !self.reviews.contains_key(&fleet) {
                self.tables.wake("", now.instant + GATHER);
                self.reviews.insert(fleet, now.instant + GATHER);
            }
        }
        let due: Vec<ObjectName> =
            self.reviews.iter().filter(|(_, at)| **at <= now.instant).map(|(it, _)| it.clone()).collect();
        for fleet in due {
            self.reviews.remove(&fleet);
            self.tell_fallbacks_of(&fleet, now, commands);
            self.tell_standbys_of(&fleet, commands);
        }
    }

    fn tell_fallbacks_of(&mut self, name: &ObjectName, now: Now, commands: &mut Vec<Command>) {
        let Some(fleet) = self.tables.fleet(name).filter(|it| it.is_ours) else { return };
        let restoring = |it: &&ServerEntry| it.is_offering(Feature::Restore);
        let servers = || self.tables.servers_of(name).filter(restoring);
        let told: BTreeSet<&str> = servers().flat_map(|it| &it.fallbacks).map(String::as_str).collect();
        let spare = |it: &'_ ServerEntry| {
            (it.view.uid.clone(), it.view.node.clone(), it.places(fleet, now.instant).1)
        };
        let all: Vec<_> = servers().map(spare).collect();
        let all = all.iter().map(|(uid, node, free)| Spare { uid, node: node.as_deref(), free: *free });
        let spares = Spares::of(all, |it| told.contains(it));
        let mut news = Vec::new();
        for server in servers() {
            let next = spares.next(&server.view.uid, server.view.node.as_deref(), &server.fallbacks);
            let said: Vec<Fallback> =
                next.iter().filter_map(|it| self.tables.server_entry(it)).map(fallback).collect();
            let before = server.link.as_ref().and_then(|it| it.fallbacks.as_deref()).unwrap_or_default();
            if next != server.fallbacks || said != before {
                news.push((server.view.uid.clone(), next, said));
            }
        }
        for (server_uid, next, servers) in news {
            let Some(entry) = self.tables.server_entry_mut(&server_uid) else { continue };
            entry.fallbacks = next;
            if let Some(link) = &mut entry.link {
                link.fallbacks = Some(servers.clone());
            }
            commands.push(Command::TellFallbacks { server_uid, servers });
        }
    }
}

/// What is told of a server: as much as may be.
pub(super) fn fallback(server: &ServerEntry) -> Fallback {
    let endpoints = server.view.endpoints.iter().filter_map(|it| {
        let protocol = match it.protocol {
            Protocol::UDP => Transport::Udp,
            Protocol::TCP => Transport::Tcp,
        };
        let port = u16::try_from(it.port).ok()?;
        Some(Endpoint { name: it.name.clone(), protocol, address: it.address.clone(), port })
    });
    Fallback {
        endpoints: endpoints.take(limits::ENDPOINTS_MAX).collect(),
        certificate_hashes: server.link.as_ref().map(Link::certificate_hashes).unwrap_or_default(),
    }
}
