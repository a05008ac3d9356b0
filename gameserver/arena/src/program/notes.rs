//! What a bot writes into its journal.

use arena::world::Checkpoint;
use gamekeeper_client::Joined;
use serde::Serialize;
use serde_json::json;

use super::{journal::Journal, playing::Played};

/// The journal of one bot of the process.
pub(crate) struct Notes {
    journal: Journal,
    room: String,
    player: String,
    /// Under which it is in the room.
    epoch: u64,
    /// Checkpoints that were verified, as of the last line about one.
    verified: u64,
}

/// A snapshot, and what was done with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    pub(crate) tick: u64,
    /// Inputs up to this one were sent.
    pub(crate) sent: u64,
    /// The number in the newest of them, as the game knows it.
    pub(crate) newest: u8,
    /// Inputs up to this one were acknowledged.
    pub(crate) acknowledged: u64,
}

/// The line of a snapshot.
#[derive(Serialize)]
struct Line<'a> {
    what: &'static str,
    room: &'a str,
    player: &'a str,
    epoch: u64,
    tick: u64,
    sent: u64,
    newest: u8,
    acknowledged: u64,
}

impl Notes {
    /// Of the bot with this name in this room.
    pub(crate) fn new(journal: Journal, room: &str, player: &str) -> Self {
        Self { journal, room: room.to_owned(), player: player.to_owned(), epoch: 0, verified: 0 }
    }

    pub(crate) fn joined(&mut self, joined: &Joined) {
        let Joined { seat, player, epoch, tick, input_ack, .. } = joined;
        // A ticket says another name than the bot has.
        player.clone_into(&mut self.player);
        self.epoch = *epoch;
        self.journal.note(json!({
            "what": "joined", "room": self.room, "player": player, "seat": seat, "epoch": epoch,
            "tick": tick, "acknowledged": input_ack,
        }));
    }

    pub(crate) fn shown(&mut self, shown: &Shown) {
        let Shown { tick, sent, newest, acknowledged } = *shown;
        let Self { journal, room, player, epoch, .. } = self;
        journal.note(Line { what: "shown", room, player, epoch: *epoch, tick, sent, newest, acknowledged });
    }

    /// So many checkpoints were verified up to now; the last one that was shown is this.
    pub(crate) fn verified(&mut self, count: u64, checkpoint: Checkpoint) {
        if std::mem::replace(&mut self.verified, count) < count {
            let hash = format!("{:016x}", u64::from_be_bytes(checkpoint.hash));
            let (room, player, tick) = (&self.room, &self.player, checkpoint.tick);
            self.journal.note(json!({
                "what": "verified", "room": room, "player": player, "tick": tick, "hash": hash,
            }));
        }
    }

    pub(crate) fn happened(&mut self, what: &str) {
        self.journal.note(json!({ "what": what, "room": self.room, "player": self.player }));
    }

    /// The last word.
    pub(crate) fn done(&self, played: &Played) {
        let what = if played.why.is_none() && played.verified { "left" } else { "failed" };
        let reason = played.why.as_deref().unwrap_or("something was not verified");
        let reason = (what == "failed").then_some(reason);
        let ended = played.ended;
        self.journal.note(json!({
            "what": what, "room": self.room, "player": self.player, "ended": ended, "reason": reason,
            "played": played,
        }));
    }
}
