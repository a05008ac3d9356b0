//! What rooms do by themselves: open, fill, finish, break, go.

use std::time::Duration;

use super::{
    Action, FINISHED_PERIOD, Host, NotMade, PLAYERS_PERIOD, RefusedWhy, Report, RoomNumber, Saving,
    fenced_by,
    table::{Entry, Live, State},
};
use crate::RoomNow;

impl Host {
    pub(super) fn made(
        &mut self,
        number: RoomNumber,
        outcome: Result<(), NotMade>,
        now: Duration,
        out: &mut Vec<Action>,
    ) {
        let is_outdated = match &outcome {
            Ok(()) => self.drops_made(number, out),
            // A match that is over stays over, whoever asks.
            Err(NotMade::Over(_)) => false,
            Err(_) => self.make_anew(number, out),
        };
        if is_outdated {
            return;
        }
        if let Err(why) = outcome {
            return self.not_made(number, why, now, out);
        }
        let Some(entry) = self.table.get_mut(number) else { return };
        let tenancy = entry.tenancy.clone();
        match &mut entry.state {
            State::Opening { is_owed, .. } => {
                let is_owed = *is_owed;
                let mut live = Live::new(now);
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

    fn not_made(&mut self, number: RoomNumber, why: NotMade, now: Duration, out: &mut Vec<Action>) {
        if let NotMade::Over(ending) = &why
            && let Some(entry) = self.table.get_mut(number)
            && matches!(entry.state, State::Opening { .. })
        {
            let repeat_at = now.saturating_add(FINISHED_PERIOD);
            entry.state = State::Finished { players: 0, ending: ending.clone(), repeat_at };
            let finished = Report::Finished(entry.tenancy.clone(), ending.clone());
            return self.send(finished, out);
        }
        let Some(Entry { tenancy, state }) = self.table.remove(number) else { return };
        let (refused, current, message) = match why {
            NotMade::Declined(message) => (RefusedWhy::Parameters, None, message),
            NotMade::Checkpoint(message) => (RefusedWhy::Checkpoint, None, message),
            NotMade::Fenced { owner } => (RefusedWhy::Fenced, Some(owner), fenced_by(owner)),
            NotMade::OwnerAlive => {
                (RefusedWhy::OwnerAlive, None, "the store hears its owner: it plays on there".to_owned())
            }
            NotMade::Over(_) => (RefusedWhy::UnknownRoom, None, String::new()),
        };
        match state {
            State::Opening { is_owed: true, .. } => self.refuse(tenancy, refused, current, message, out),
            State::Opening { is_owed: false, .. } => self.send(Report::Fault(tenancy, message), out),
            State::Leaving { owed, .. } => self.closed(&tenancy, owed, out),
            State::Live(_) | State::Finished { .. } => (),
        }
    }

    /// Takes in what there is to say of a room's checkpoints. Each is told once, and again on every new stream.
    pub(super) fn saving(&mut self, number: RoomNumber, news: Saving, now: Duration, out: &mut Vec<Action>) {
        let Some(entry) = self.table.get_mut(number) else { return };
        let State::Live(live) = &mut entry.state else { return };
        let report = match news {
            Saving::Begun(tick) => {
                live.saved = Some(tick);
                live.tell(&entry.tenancy, now)
            }
            Saving::Failing(message) => {
                live.failing = Some(message.clone());
                Report::CheckpointFailed(entry.tenancy.clone(), message)
            }
            Saving::Recovered if live.failing.take().is_none() => return,
            Saving::Recovered => Report::CheckpointFailed(entry.tenancy.clone(), String::new()),
        };
        self.send(report, out);
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
                let state = Report::RoomState { tenancy: tenancy.clone(), phase, players, checkpoint: None };
                self.send(state, out);
                self.send(Report::Finished(tenancy, ending), out);
            }
            // It ended while it was being closed.
            (State::Opening { .. } | State::Leaving { .. }, Some(_)) => self.gone(number, out),
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
            Some(State::Opening { .. } | State::Leaving { .. }) => self.gone(number, out),
            Some(State::Finished { .. }) | None => (),
        }
    }

    pub(super) fn gone(&mut self, number: RoomNumber, out: &mut Vec<Action>) {
        if self.make_anew(number, out) {
            return;
        }
        if !matches!(self.table.get_mut(number).map(|it| &it.state), Some(State::Leaving { .. })) {
            return;
        }
        if let Some(Entry { tenancy, state: State::Leaving { owed, .. } }) = self.table.remove(number) {
            self.closed(&tenancy, owed, out);
        }
    }
}
