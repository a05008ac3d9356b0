//! Close: a room's end, whatever its state. The answer comes when its place is free.

use super::{Action, Host, RefusedWhy, Report, table::State};
use crate::{Epoch, Tenancy};

/// Closes of one room, each with an epoch of its own, that wait until it is gone. A leader sends one.
const OWED_MAX: usize = 16;

impl Host {
    pub(super) fn close(&mut self, tenancy: Tenancy, out: &mut Vec<Action>) {
        let Some((number, entry)) = self.table.find(&tenancy.uid) else {
            return self.close_absent(tenancy, out);
        };
        let current = entry.tenancy.epoch;
        if tenancy.epoch < current {
            let message = format!("the room is here under epoch {current}");
            return self.refuse(tenancy, RefusedWhy::Epoch, Some(current), message, out);
        }
        match entry.state {
            State::Opening { is_owed, .. } => {
                if is_owed {
                    let opening = entry.tenancy.clone();
                    let message = "closed before it was open".to_owned();
                    self.refuse(opening, RefusedWhy::UnknownRoom, None, message, out);
                }
                self.table.leave(number, false, tenancy.epoch);
            }
            State::Live(_) => {
                self.table.leave(number, true, tenancy.epoch);
                out.push(Action::Drop(number));
            }
            State::Finished { .. } => {
                self.table.remove(number);
                self.send(Report::Closed(tenancy), out);
            }
            State::Leaving { .. } => (),
        }
    }

    /// The room is not here, or is leaving already.
    fn close_absent(&mut self, tenancy: Tenancy, out: &mut Vec<Action>) {
        match self.table.leaving(&tenancy.uid) {
            None => self.send(Report::Closed(tenancy), out),
            Some((_, owed)) if owed.len() < OWED_MAX || owed.contains(&tenancy.epoch) => {
                owed.insert(tenancy.epoch);
            }
            Some(_) => {
                let message = "the room is being closed under many other epochs".to_owned();
                self.refuse(tenancy, RefusedWhy::Unsupported, None, message, out);
            }
        }
    }

    /// A room that was closed is gone.
    pub(super) fn closed(
        &self,
        tenancy: &Tenancy,
        owed: impl IntoIterator<Item = Epoch>,
        out: &mut Vec<Action>,
    ) {
        for epoch in owed {
            self.send(Report::Closed(Tenancy { epoch, ..tenancy.clone() }), out);
        }
    }
}
