//! What rooms do by themselves: open, fill, finish, break, go.

use std::time::Duration;

use super::{
    Action, FINISHED_PERIOD, Host, PLAYERS_PERIOD, RefusedWhy, Report, RoomNumber,
    table::{Entry, Live, State},
};
use crate::{Phase, RoomNow};

impl Host {
    pub(super) fn made(
        &mut self,
        number: RoomNumber,
        outcome: Result<(), String>,
        now: Duration,
        out: &mut Vec<Action>,
    ) {
        if let Err(message) = outcome {
            return self.not_made(number, message, out);
        }
        let Some(entry) = self.table.get_mut(number) else { return };
        let tenancy = entry.tenancy.clone();
        match &mut entry.state {
            State::Opening { is_owed } => {
                let is_owed = *is_owed;
                let mut live =
                    Live { phase: Phase::Waiting, players: 0, told: (Phase::Waiting, 0), told_at: now };
                let state = live.tell(&tenancy, now);
                entry.state = State::Live(live);
                // Whoever reads an address may connect to it: players are let in before anybody is told.
                out.push(Action::Run(number, tenancy.clone()));
                // A stream that has begun meanwhile was told that it is being opened, and asked for nothing.
                self.send(if is_owed { Report::Opened(tenancy) } else { state }, out);
            }
            State::Leaving { is_made, .. } => {
                *is_made = true;
                // Dropped where it would have been played: a game's code runs nowhere else.
                out.extend([Action::Run(number, tenancy), Action::Drop(number)]);
            }
            State::Live(_) | State::Finished { .. } => (),
        }
    }

    fn not_made(&mut self, number: RoomNumber, message: String, out: &mut Vec<Action>) {
        let Some(Entry { tenancy, state }) = self.table.remove(number) else { return };
        match state {
            State::Opening { is_owed: true } => {
                self.refuse(tenancy, RefusedWhy::Parameters, None, message, out);
            }
            State::Opening { is_owed: false } => self.send(Report::Fault(tenancy, message), out),
            State::Leaving { owed, .. } => self.closed(&tenancy, owed, out),
            State::Live(_) | State::Finished { .. } => (),
        }
    }

    pub(super) fn changed(
        &mut self,
        number: RoomNumber,
        state: RoomNow,
        now: Duration,
        out: &mut Vec<Action>,
    ) {
        let Some(entry) = self.table.get_mut(number) else { return };
        let RoomNow { phase, players, ending } = state;
        match (&mut entry.state, ending) {
            (State::Live(live), None) => {
                (live.phase, live.players) = (phase, players);
                let is_news = phase != live.told.0;
                let is_due = players != live.told.1 && live.told_at.saturating_add(PLAYERS_PERIOD) <= now;
                if let (true, Some(stream)) = (is_news || is_due, self.stream) {
                    out.push(Action::Send(stream, live.tell(&entry.tenancy, now)));
                }
            }
            (State::Live(_), Some(ending)) => {
                let repeat_at = now.saturating_add(FINISHED_PERIOD);
                entry.state = State::Finished { players, ending: ending.clone(), repeat_at };
                let tenancy = entry.tenancy.clone();
                out.push(Action::Shut(number));
                self.send(Report::RoomState { tenancy: tenancy.clone(), phase, players }, out);
                self.send(Report::Finished(tenancy, ending), out);
            }
            // It ended while it was being closed.
            (State::Leaving { .. }, Some(_)) => self.gone(number, out),
            (State::Opening { .. } | State::Finished { .. } | State::Leaving { .. }, _) => (),
        }
    }

    pub(super) fn broke(&mut self, number: RoomNumber, message: String, out: &mut Vec<Action>) {
        match self.table.get_mut(number).map(|it| &it.state) {
            Some(State::Live(_)) => {
                let Some(entry) = self.table.remove(number) else { return };
                out.push(Action::Shut(number));
                self.send(Report::Fault(entry.tenancy, message), out);
            }
            Some(State::Leaving { .. }) => self.gone(number, out),
            Some(State::Opening { .. } | State::Finished { .. }) | None => (),
        }
    }

    pub(super) fn gone(&mut self, number: RoomNumber, out: &mut Vec<Action>) {
        if !matches!(self.table.get_mut(number).map(|it| &it.state), Some(State::Leaving { .. })) {
            return;
        }
        if let Some(Entry { tenancy, state: State::Leaving { owed, .. } }) = self.table.remove(number) {
            self.closed(&tenancy, owed, out);
        }
    }
}
