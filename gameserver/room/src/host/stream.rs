//! Which stream counts: the latest one of the highest term.

use std::time::Duration;

use super::{Action, FINISHED_PERIOD, HelloRefusedWhy, Host, Report, StreamId, Welcome, table::State};

impl Host {
    pub(super) fn greeted(
        &mut self,
        stream: StreamId,
        term: u32,
        protocol: Option<u32>,
        heartbeat: Duration,
        now: Duration,
        out: &mut Vec<Action>,
    ) {
        if term < self.highest_term {
            return self.refuse_hello(stream, HelloRefusedWhy::Term, out);
        }
        // The term of an operator that cannot talk to us is not noted: the one before goes on.
        let Some(protocol) = protocol else {
            return self.refuse_hello(stream, HelloRefusedWhy::Protocol, out);
        };
        self.highest_term = term;
        out.extend(self.stream.replace(stream).map(Action::Replace));
        self.table.forget_debts();
        let rooms = self.table.iter().filter_map(|(_, entry)| entry.hosted()).collect();
        self.all_told(now);
        let is_draining = self.is_draining || self.is_stopping;
        let welcome = Welcome { protocol, is_retired: self.is_retired, is_draining, rooms };
        self.send(Report::Welcome(welcome), out);
        out.push(Action::Beat(stream, heartbeat));
        self.tell_savings(out);
    }

    pub(super) fn garbled(&mut self, stream: StreamId, out: &mut Vec<Action>) {
        self.refuse_hello(stream, HelloRefusedWhy::Malformed, out);
        self.stream_ended(stream);
    }

    pub(super) fn stream_ended(&mut self, stream: StreamId) {
        if self.stream == Some(stream) {
            self.stream = None;
            self.table.forget_debts();
        }
    }

    fn refuse_hello(&self, stream: StreamId, why: HelloRefusedWhy, out: &mut Vec<Action>) {
        let refused = Report::HelloRefused { why, highest_term: self.highest_term };
        out.extend([Action::Send(stream, refused), Action::End(stream)]);
    }

    /// What no Welcome says: how the store does.
    fn tell_savings(&mut self, out: &mut Vec<Action>) {
        let Some(stream) = self.stream else { return };
        for (_, entry) in self.table.iter_mut() {
            let State::Live(live) = &mut entry.state else { continue };
            let tenancy = &entry.tenancy;
            let failing = live.failing.clone().map(|it| Report::CheckpointFailed(tenancy.clone(), it));
            let saved = live.saved.map(|it| Report::RoomState {
                tenancy: tenancy.clone(),
                phase: live.phase,
                players: live.players,
                checkpoint: Some(it),
            });
            out.extend(failing.into_iter().chain(saved).map(|it| Action::Send(stream, it)));
        }
    }

    /// A Welcome says of every room how it is.
    fn all_told(&mut self, now: Duration) {
        for (_, entry) in self.table.iter_mut() {
            match &mut entry.state {
                State::Live(live) => {
                    live.told = (live.phase, live.players);
                    live.told_at = now;
                }
                State::Finished { repeat_at, .. } => *repeat_at = now.saturating_add(FINISHED_PERIOD),
                State::Opening { .. } | State::Leaving { .. } => (),
            }
        }
    }
}
