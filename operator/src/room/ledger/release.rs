//! Rooms on servers that no `GameRoom` stands for.

use gamekeeper_control::CloseWhy;

use super::{Command, Ledger};
use crate::{clock::Now, name::ObjectName};

impl Ledger {
    /// Lets go of rooms that do not exist, once a quorum read has confirmed that (I3).
    pub(super) fn release_orphans(&mut self, now: Now, commands: &mut Vec<Command>) {
        let suspects: Vec<(String, String)> = self.tables.suspects.iter().cloned().collect();
        for (server, room) in suspects {
            commands.extend(self.release_or_ask(&server, &room, now));
        }
    }

    fn release_or_ask(&mut self, server_uid: &str, room_uid: &str, now: Now) -> Option<Command> {
        let entry = self.tables.server_entry(server_uid)?;
        let view = &entry.view;
        // Not our fleet: whoever manages it will see.
        if view.is_deleting || !self.tables.fleet(&view.fleet).is_none_or(|it| it.is_ours) {
            return None;
        }
        let tenancy = entry.tenancy(room_uid)?;
        if !entry.can_act(now.instant) {
            return None;
        }
        if entry.orphans.contains(room_uid) {
            return self.tables.release(server_uid, room_uid, CloseWhy::Unknown, now.instant);
        }
        // Of this server's namespace, whatever the server says: it has no business with others.
        let name = tenancy.hosted.map(|(hosted, _)| hosted.tenancy.name.clone());
        let name = name.or_else(|| view.claim.as_ref().map(|it| it.room_name.clone()))?;
        let room = ObjectName::new(&view.fleet.namespace, name);
        self.tables.server_entry_mut(server_uid)?.is_busy = true;
        Some(Command::AskForRoom { server_uid: server_uid.to_owned(), room, room_uid: room_uid.to_owned() })
    }
}
