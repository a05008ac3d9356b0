//! Open: a new room, or the same one under a later epoch.

use std::time::Duration;

use super::{
    Action, FINISHED_PERIOD, Host, Order, RefusedWhy, Report, RoomNumber,
    table::{Anew, Entry, State},
};
use crate::{Epoch, Tenancy};

impl Host {
    pub(super) fn open(&mut self, order: Order, now: Duration, out: &mut Vec<Action>) {
        let tenancy = &order.tenancy;
        let here = self.table.find(&tenancy.uid).map(|(number, entry)| (number, entry.tenancy.epoch));
        // A room that is leaving is not opened again from behind, either.
        let leaving = self.table.leaving(&tenancy.uid).map(|(it, _)| it.epoch);
        let current = here.map(|(_, epoch)| epoch).max(leaving);
        if let Some(current) = current.filter(|it| tenancy.epoch < *it) {
            let message = format!("the room is here under epoch {current}");
            return self.refuse(order.tenancy, RefusedWhy::Epoch, Some(current), message, out);
        }
        match here {
            Some((number, before)) => self.open_again(number, before, order, now, out),
            None => match self.objection() {
                Some((why, message)) => self.refuse(order.tenancy, why, None, message, out),
                None => out.push(Action::Make(self.table.insert(order.tenancy.clone(), true), order)),
            },
        }
    }

    /// Why no new room is taken.
    fn objection(&self) -> Option<(RefusedWhy, String)> {
        let rooms = self.table.len();
        if self.is_retired {
            Some((RefusedWhy::Retired, "the server is retired".to_owned()))
        } else if self.is_stopping {
            Some((RefusedWhy::Draining, "the server is stopping".to_owned()))
        } else if self.is_draining {
            Some((RefusedWhy::Draining, "the server is draining".to_owned()))
        } else if self.capacity <= rooms {
            let capacity = self.capacity;
            Some((RefusedWhy::Full, format!("{rooms} of {capacity} rooms are here or not gone yet")))
        } else {
            None
        }
    }

    /// The room is here under the same epoch or a lower one: it goes on, under this one.
    fn open_again(
        &mut self,
        number: RoomNumber,
        before: Epoch,
        order: Order,
        now: Duration,
        out: &mut Vec<Action>,
    ) {
        let tenancy = order.tenancy.clone();
        let Some(entry) = self.table.get_mut(number) else { return };
        entry.tenancy.epoch = tenancy.epoch;
        let is_later = before < tenancy.epoch;
        match &mut entry.state {
            State::Opening { is_owed, anew } => {
                if is_later && order.restore.is_some() {
                    let before = anew.as_ref().map_or(before, |it| it.before);
                    *anew = Some(Box::new(Anew { before, order }));
                }
                let is_outdated = std::mem::replace(is_owed, true) && is_later;
                if is_outdated {
                    let outdated = Tenancy { epoch: before, ..tenancy.clone() };
                    let message = format!("opened under epoch {} meanwhile", tenancy.epoch);
                    self.refuse(outdated, RefusedWhy::Epoch, Some(tenancy.epoch), message, out);
                }
            }
            // The store decides who is next, not we: whoever sends that does not know that it is played here.
            State::Live(_) if is_later && order.restore.is_some() => {
                entry.tenancy.epoch = before;
                let message = format!("the room is open here, under epoch {before}");
                self.refuse(tenancy, RefusedWhy::Epoch, Some(before), message, out);
            }
            State::Live(_) => {
                out.extend(is_later.then_some(Action::Adopt(number, tenancy.epoch)));
                self.send(Report::Opened(tenancy), out);
            }
            State::Finished { ending, repeat_at, .. } => {
                // It is not played again: the result stands, and is the answer.
                *repeat_at = now.saturating_add(FINISHED_PERIOD);
                let finished = Report::Finished(tenancy, ending.clone());
                self.send(finished, out);
            }
            State::Leaving { .. } => (),
        }
    }

    /// Whether a room that was made is to be made anew, and then lets go of it. What the store said to an earlier epoch says nothing
    /// of a later one, which another owner may lie between: that is asked once more, and what came of the first time is dropped.
    pub(super) fn drops_made(&mut self, number: RoomNumber, out: &mut Vec<Action>) -> bool {
        let Some(Entry { tenancy, state: State::Opening { anew: Some(anew), .. } }) =
            self.table.get_mut(number)
        else {
            return false;
        };
        let outdated = Tenancy { epoch: anew.before, ..tenancy.clone() };
        // Dropped where it would have been played: a game's code runs nowhere else.
        out.extend([Action::Run(number, outdated), Action::Drop(number)]);
        true
    }

    /// Makes a room anew, if that is to be, in place of what is gone.
    pub(super) fn make_anew(&mut self, number: RoomNumber, out: &mut Vec<Action>) -> bool {
        let Some(Entry { tenancy, state: State::Opening { is_owed, anew } }) = self.table.get_mut(number)
        else {
            return false;
        };
        let Some(anew) = anew.take() else { return false };
        let (tenancy, is_owed) = (tenancy.clone(), *is_owed);
        self.table.remove(number);
        let order = Order { tenancy, ..anew.order };
        out.push(Action::Make(self.table.insert(order.tenancy.clone(), is_owed), order));
        true
    }

    pub(super) fn refuse(
        &self,
        tenancy: Tenancy,
        why: RefusedWhy,
        current: Option<Epoch>,
        message: String,
        out: &mut Vec<Action>,
    ) {
        self.send(Report::Refused { tenancy, why, current, message }, out);
    }
}
