//! Servers whose room is gone.

use super::{Command, Ledger};
use crate::{clock::Now, name::ObjectName};

impl Ledger {
    /// Lets go of servers whose room does not exist, once a quorum read has confirmed that (I3).
    pub(super) fn release_orphans(&mut self, now: Now, commands: &mut Vec<Command>) {
        let suspects: Vec<String> = self.tables.suspects.iter().cloned().collect();
        for uid in suspects {
            commands.extend(self.release_or_ask(&uid, now));
        }
    }

    fn release_or_ask(&mut self, uid: &str, now: Now) -> Option<Command> {
        let view = self.tables.server(uid)?;
        // Not our fleet: whoever manages it will see.
        if view.is_deleting || !self.tables.fleet(&view.fleet).is_none_or(|it| it.is_ours) {
            return None;
        }
        let claim = view.claim.clone()?;
        let room = ObjectName::new(&view.fleet.namespace, &claim.room_name);
        let entry = self.tables.server_entry_mut(uid)?;
        if !entry.can_act(now.instant) {
            return None;
        }
        if entry.is_orphan {
            return self.tables.release(uid, now.instant);
        }
        entry.is_busy = true;
        Some(Command::AskForRoom { server_uid: uid.to_owned(), room, room_uid: claim.room_uid })
    }
}
