//! What a bot writes into its journal.

use arena::world::Checkpoint;
use gamekeeper_client::Joined;
use serde::Serialize;
use serde_json::json;

use super::{journal::Journal, playing::Played};

/// The journal of one bot of the process.
pub(crate) struct Notes {
    journal: Journal,
    bot: usize,
    room: String,
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
struct Line {
    what: &'static str,
    bot: usize,
    epoch: u64,
    tick: u64,
    sent: u64,
    newest: u8,
    acknowledged: u64,
}

impl Notes {
    /// Of the bot with this number in its process.
    pub(crate) fn new(journal: Journal, bot: usize, room: &str) -> Self {
        journal.note(json!({ "what": "bot", "bot": bot, "room": room }));
        Self { journal, bot, room: room.to_owned(), epoch: 0, verified: 0 }
    }

    pub(crate) fn joined(&mut self, joined: &Joined) {
        let Joined { seat, player, epoch, tick, input_ack, .. } = joined;
        self.epoch = *epoch;
        self.journal.note(json!({
            "what": "joined", "bot": self.bot, "room": self.room, "player": player, "seat": seat, "epoch": epoch,
            "tick": tick, "acknowledged": input_ack,
        }));
    }

    pub(crate) fn shown(&mut self, shown: &Shown) {
        let Shown { tick, sent, newest, acknowledged } = *shown;
        let line = Line { what: "shown", bot: self.bot, epoch: self.epoch, tick, sent, newest, acknowledged };
        self.journal.note(line);
    }

    /// So many checkpoints were verified up to now; the last one that was shown is this.
    pub(crate) fn verified(&mut self, count: u64, checkpoint: Checkpoint) {
        if std::mem::replace(&mut self.verified, count) < count {
            let hash = format!("{:016x}", u64::from_be_bytes(checkpoint.hash));
            let tick = checkpoint.tick;
            self.journal.note(json!({ "what": "verified", "bot": self.bot, "tick": tick, "hash": hash }));
        }
    }

    pub(crate) fn happened(&mut self, what: &str) {
        self.journal.note(json!({ "what": what, "bot": self.bot }));
    }

    /// The last word.
    pub(crate) fn done(&self, played: &Played) {
        let what = if played.why.is_none() && played.verified { "left" } else { "failed" };
        let reason = played.why.as_deref().unwrap_or("something was not verified");
        let reason = (what == "failed").then_some(reason);
        let ended = played.ended;
        self.journal.note(json!({
            "what": what, "bot": self.bot, "ended": ended, "reason": reason, "played": played,
        }));
    }
}
