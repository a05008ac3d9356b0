//! Servers whose players look there for rooms that are elsewhere: they are told where.

use std::time::Duration;

use gamekeeper_control::{Found, Tenancy};
use gamekeeper_crds::room::Phase;

use super::{Command, Ledger, fallbacks::fallback, servers::ServerEntry, tables::RoomEntry};
use crate::{clock::Now, room::ServerState, terms::Epoch};

/// Players who look for a room elsewhere think that its server is lost, and may be right: it is not named to them before
/// that would be known. Far longer than it takes to find out that a server hangs.
const SETTLED: Duration = Duration::from_secs(1);

/// Nobody waits for longer on a server.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// Servers that are told of one room: players are told of fewer.
const SEEKERS_MAX: usize = 8;

impl Ledger {
    /// Players wait on this server for these rooms.
    pub(super) fn seek(&mut self, server_uid: &str, rooms: Vec<String>, now: Now) {
        let Some(fleet) = self.tables.server_entry(server_uid).map(|it| it.view.fleet.clone()) else {
            return;
        };
        for uid in rooms {
            // Rooms of others are none of its business.
            let Some(room) = self.tables.room_mut(&uid).filter(|it| it.fleet == fleet) else { continue };
            room.seekers.retain(|_, since| now.instant < *since + WAIT_MAX);
            if room.seekers.len() < SEEKERS_MAX || room.seekers.contains_key(server_uid) {
                room.seekers.entry(server_uid.to_owned()).or_insert(now.instant);
                self.tables.wake(&uid, now.instant + SETTLED);
                self.tables.due.insert(uid);
            }
        }
    }

    /// Tells those who seek a room where it is or will be, if that is known. Once: it may be elsewhere when they ask again.
    pub(super) fn answer_seekers(&mut self, room_uid: &str, now: Now, commands: &mut Vec<Command>) {
        let Some(entry) = self.tables.room(room_uid).filter(|it| !it.seekers.is_empty()) else { return };
        let Some((owner, epoch, after)) = self.whereabouts(entry, now) else { return };
        let Some(server) = self.tables.server_entry(&owner) else { return };
        let (namespace, name) = (entry.fleet.namespace.clone(), entry.room.metadata.name.clone());
        let tenancy =
            Tenancy { namespace, name: name.unwrap_or_default(), uid: room_uid.to_owned(), epoch: epoch.0 };
        let found = Found { tenancy, server: fallback(server) };
        let is_up = |uid: &str| self.tables.server_entry(uid).is_some_and(ServerEntry::is_linked);
        let told: Vec<String> = entry
            .seekers
            .iter()
            .filter(|(uid, since)| **uid != owner && **since + after <= now.instant && is_up(uid))
            .map(|(uid, _)| uid.clone())
            .collect();
        let Some(entry) = self.tables.room_mut(room_uid) else { return };
        for server_uid in told {
            entry.seekers.remove(&server_uid);
            commands.push(Command::TellFound { server_uid, found: found.clone() });
        }
    }

    /// On which server a room is or is about to be, under which epoch, and how long somebody must have sought it to be told.
    fn whereabouts(&self, entry: &RoomEntry, now: Now) -> Option<(String, Epoch, Duration)> {
        // Whether it goes there is for the store to say.
        if entry.attempt.is_some() && entry.promised.is_some() {
            return None;
        }
        if let Some(server) = &entry.promised {
            return Some((server.clone(), entry.sent.latest_to(server)?, Duration::ZERO));
        }
        let status = entry.room.status.as_ref().filter(|it| it.phase == Phase::Running)?;
        let server = self.tables.server_entry(&status.server.as_ref()?.pod_uid)?;
        let is_well = server.is_linked() && server.view.state == ServerState::Ready;
        if !is_well || self.tables.published_loss(entry, server).is_some() {
            return None;
        }
        let after = if entry.is_on_trial(now.instant) { Duration::ZERO } else { SETTLED };
        Some((server.view.uid.clone(), Epoch(status.epoch), after))
    }
}
