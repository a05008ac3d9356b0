//! The book of all rooms of a process: what the operator wants, what the rooms do, what is to be said about
//! it and what is to be done. A pure state machine: [`Host::on`].
//!
//! Rules that hold whatever happens:
//! - There are never more rooms than the server can host, counting those that are being made or dropped.
//! - The epoch of a room never falls while it is here.
//! - Every command of the stream that counts is answered; one that is not the latest has no effect.
//! - The result of a match never changes. After `Retired`, no room comes.

mod close;
mod event;
mod life;
mod open;
mod stream;
mod table;

use std::time::Duration;

pub use event::{
    Action, Command, Event, HelloRefusedWhy, Hosted, NotMade, Order, RefusedWhy, Report, Restore, RoomNumber,
    Saving, StreamId, Welcome,
};
use table::{State, Table};

use crate::Epoch;

/// A finished match is reported this often until its room is closed.
pub const FINISHED_PERIOD: Duration = Duration::from_secs(1);

/// The number of players is reported at most this often.
pub const PLAYERS_PERIOD: Duration = Duration::from_secs(1);

/// All rooms of a process, and the stream of the operator that leads.
#[derive(Clone, Debug)]
pub struct Host {
    capacity: usize,
    highest_term: u32,
    /// The stream that counts.
    stream: Option<StreamId>,
    table: Table,
    /// The operator wants no new rooms here.
    is_draining: bool,
    /// The process was told to stop. Final.
    is_stopping: bool,
    /// Final.
    is_retired: bool,
}

impl Host {
    /// Of a server that can host so many rooms.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            highest_term: 0,
            stream: None,
            table: Table::default(),
            is_draining: false,
            is_stopping: false,
            is_retired: false,
        }
    }

    /// Rooms in any state, also those that are being made or dropped.
    pub fn rooms(&self) -> usize {
        self.table.len()
    }

    /// What follows from what happened, to be carried out in this order. `now` is the time since any moment
    /// that stays the same.
    pub fn on(&mut self, event: Event, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        let out = &mut actions;
        match event {
            Event::Greeted { stream, term, protocol, heartbeat } => {
                self.greeted(stream, term, protocol, heartbeat, now, out);
            }
            Event::Garbled(stream) => self.garbled(stream, out),
            Event::StreamEnded(stream) => self.stream_ended(stream),
            // Queued on a stream that does not count any more.
            Event::Asked(stream, _) if self.stream != Some(stream) => (),
            Event::Asked(_, command) => self.asked(command, now, out),
            Event::Made { room, outcome } => self.made(room, outcome, now, out),
            Event::Saving(room, news) => self.saving(room, news, now, out),
            Event::Changed(room, state) => self.changed(room, state, now, out),
            Event::Broke { room, message } => self.broke(room, message, out),
            Event::Gone(room) => self.gone(room, out),
            Event::Restate => self.restate(now, out),
            Event::Stopping => {
                self.is_stopping = true;
                self.send(Report::Draining(true), out);
            }
            Event::TimePassed => self.time_passed(now, out),
        }
        actions
    }

    /// When [`Event::TimePassed`] is wanted, if nothing else happens first.
    pub fn next_due(&self) -> Option<Duration> {
        // Nobody listens: the next Welcome says it all.
        self.stream?;
        self.table.iter().filter_map(|(_, entry)| entry.due()).min()
    }

    fn asked(&mut self, command: Command, now: Duration, out: &mut Vec<Action>) {
        match command {
            Command::Open(order) => self.open(order, now, out),
            Command::Close(tenancy) => self.close(tenancy, out),
            Command::Unsupported { tenancy, message } => {
                let current = self.table.find(&tenancy.uid).map(|(_, entry)| entry.tenancy.epoch);
                self.send(Report::Refused { tenancy, why: RefusedWhy::Unsupported, current, message }, out);
            }
            Command::Drain(is_wanted) => {
                self.is_draining = is_wanted;
                // The process stops in any case.
                self.send(Report::Draining(is_wanted || self.is_stopping), out);
            }
            Command::Retire => {
                self.is_retired |= self.table.len() == 0;
                let rooms = self.table.len();
                self.send(Report::Retired { is_retired: self.is_retired, rooms }, out);
            }
        }
    }

    /// Says of every room how it is, whatever was said before.
    fn restate(&mut self, now: Duration, out: &mut Vec<Action>) {
        let Some(stream) = self.stream else { return };
        for (_, entry) in self.table.iter_mut() {
            if let State::Live(live) = &mut entry.state {
                out.push(Action::Send(stream, live.tell(&entry.tenancy, now)));
            }
        }
    }

    fn time_passed(&mut self, now: Duration, out: &mut Vec<Action>) {
        let Some(stream) = self.stream else { return };
        for (_, entry) in self.table.iter_mut() {
            if entry.due().is_none_or(|it| now < it) {
                continue;
            }
            let report = match &mut entry.state {
                State::Live(live) => live.tell(&entry.tenancy, now),
                State::Finished { ending, repeat_at, .. } => {
                    *repeat_at = now.saturating_add(FINISHED_PERIOD);
                    Report::Finished(entry.tenancy.clone(), ending.clone())
                }
                State::Opening { .. } | State::Leaving { .. } => continue,
            };
            out.push(Action::Send(stream, report));
        }
    }

    /// Says something, if anybody listens.
    fn send(&self, report: Report, out: &mut Vec<Action>) {
        out.extend(self.stream.map(|it| Action::Send(it, report)));
    }
}

/// For people.
pub fn fenced_by(owner: Epoch) -> String {
    format!("a later owner has the room, by the store: epoch {owner}")
}

#[cfg(test)]
mod tests;
