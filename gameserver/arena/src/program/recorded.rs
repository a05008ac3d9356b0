//! The arena with a journal: each tick of each match, with the hash of its state.

use arena::game::{Arena, Match};
use gamekeeper_room::{
    Afterwards, Build, Checkpoint, Declined, Epoch, Game, GameMaker, Next, PlayerName, Schema, Seat, Setup,
    Turn,
};
use serde_json::json;

use super::journal::Journal;

/// Opens matches that are recorded.
#[derive(Debug)]
pub(super) struct Recorded(pub(super) Journal);

/// A match that is recorded.
struct Record {
    game: Match,
    journal: Journal,
    uid: String,
    /// Of its last tick.
    epoch: Option<Epoch>,
    memory: Vec<u8>,
}

/// A tick, as most lines are: without a detour over a value of JSON.
#[derive(serde::Serialize)]
struct Ticked<'a> {
    what: &'static str,
    room: &'a str,
    epoch: i64,
    tick: u64,
    hash: String,
}

impl Recorded {
    fn record(&self, setup: &Setup, game: Match) -> Box<dyn Game> {
        let (journal, uid) = (self.0.clone(), setup.uid.clone());
        Box::new(Record { game, journal, uid, epoch: None, memory: Vec::new() })
    }
}

impl GameMaker for Recorded {
    fn open(&self, setup: &Setup) -> Result<Box<dyn Game>, Declined> {
        let game = Match::open(setup)?;
        let Setup { namespace, name, uid, tick_rate, .. } = setup;
        self.0.note(json!({
            "what": "opened", "room": uid, "namespace": namespace, "name": name, "tick_rate": tick_rate,
        }));
        Ok(self.record(setup, game))
    }

    fn schema(&self) -> Schema {
        Arena.schema()
    }

    fn build(&self) -> Build {
        Arena.build()
    }

    fn restore(&self, setup: &Setup, checkpoint: &Checkpoint) -> Result<Box<dyn Game>, Declined> {
        let game = Match::restore(setup, checkpoint)?;
        let Setup { namespace, name, uid, tick_rate, .. } = setup;
        let seats = game.world().players().map(|(seat, _)| {
            let (inputs, newest) = game.heard(seat);
            json!({ "seat": seat, "is_there": game.world().is_present(seat), "inputs": inputs, "newest": newest })
        });
        self.0.note(json!({
            "what": "restored", "room": uid, "namespace": namespace, "name": name, "tick_rate": tick_rate,
            "from_epoch": checkpoint.epoch.0, "from_tick": checkpoint.tick.0,
            "hash": hex(game.hash(&mut Vec::new())), "seats": seats.collect::<Vec<_>>(),
        }));
        Ok(self.record(setup, game))
    }
}

impl Game for Record {
    fn join(&mut self, seat: Seat, player: &PlayerName) {
        self.game.join(seat, player);
    }

    fn leave(&mut self, seat: Seat) -> Afterwards {
        self.game.leave(seat)
    }

    fn tick(&mut self, turn: &Turn<'_>) -> Next {
        let next = self.game.tick(turn);
        self.epoch = Some(turn.epoch);
        let (hash, tick) = (hex(self.game.hash(&mut self.memory)), turn.tick.0);
        let Epoch(epoch) = turn.epoch;
        self.journal.note(Ticked { what: "tick", room: &self.uid, epoch, tick, hash });
        if let Next::End(_) = &next {
            self.journal.note(json!({ "what": "ended", "room": self.uid, "epoch": epoch, "tick": tick }));
        }
        next
    }

    fn snapshot(&self, seat: Option<Seat>, out: &mut Vec<u8>) {
        self.game.snapshot(seat, out);
    }

    fn save(&self) -> Option<Vec<u8>> {
        self.game.save()
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let epoch = self.epoch.map(|Epoch(it)| it);
        self.journal.note(json!({ "what": "closed", "room": self.uid, "epoch": epoch }));
    }
}

fn hex(hash: u64) -> String {
    format!("{hash:016x}")
}
