//! A room on its thread, with a wall around its game.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use gamekeeper_room::{
    Advance, Inbound, Phase, Room, RoomNow,
    host::{Event, RoomNumber, fenced_by},
    shortened,
};
use tokio::sync::mpsc;
use tracing::{info, warn};

use crate::{
    audience::Screen, clock::Clock, custody::Leave, desk::Note, opener::text_of, place::Place, saved::Saved,
};

/// Players of a room that is frozen for so long, because nobody was heard, look for it elsewhere: earlier it can hardly be
/// there, and whoever stays for a shorter while has not left the game.
const FORSAKEN_AFTER: Duration = Duration::from_secs(1);

/// A room that is given to a thread.
pub(crate) struct Seated {
    place: Arc<Place>,
    state: State,
    /// Who was there when it was restored, and has not come back by then, has left.
    dismiss_at: Option<Duration>,
    is_frozen: bool,
    /// Since when it is frozen because nobody was heard.
    unheard_since: Option<Duration>,
}

enum State {
    /// It ticks. What is saved of it goes to `keeper`, if it has one.
    Live {
        room: Box<Room>,
        inbound: Inbound,
        told: RoomNow,
        keeper: Option<mpsc::Sender<Saved>>,
        /// The last tick took too long, and nobody has seen what it brought.
        is_unshown: bool,
    },
    /// Its game is gone, and the desk is to be told.
    Over(Event),
    /// The desk was told.
    Gone,
}

/// Why a thread looks after a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Visit {
    /// A tick is due.
    Tick,
    /// A beat is due.
    Look,
}

/// What a thread knows when it visits a room.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) clock: Clock,
    pub(super) now: Duration,
    /// When the last beat was sent that the operator has echoed.
    pub(super) heard: Option<Duration>,
    /// The thread stood still before.
    pub(super) is_late: bool,
    /// A tick that takes longer is a standstill, too.
    pub(super) limit: Duration,
}

impl Seated {
    pub(crate) fn new(
        place: Arc<Place>,
        room: Box<Room>,
        keeper: Option<mpsc::Sender<Saved>>,
        dismiss_at: Option<Duration>,
    ) -> Self {
        // As the host knows every new room.
        let told = RoomNow { phase: Phase::Waiting, players: 0, ending: None };
        let state = State::Live { room, inbound: Inbound::default(), told, keeper, is_unshown: false };
        Self { place, state, dismiss_at, is_frozen: false, unheard_since: None }
    }

    /// Lets the room do what is due. Whatever it does, this returns, unless it never ends.
    pub(super) fn visit(&mut self, visit: Visit, screen: &mut Screen, moment: &Moment) -> Advance {
        const NOTHING: Advance = Advance { ticked: false, progress: 0 };
        if !matches!(self.state, State::Live { .. }) {
            return NOTHING;
        }
        if self.place.is_closing() {
            self.end(Event::Gone(self.place.number));
            return NOTHING;
        }
        let is_ours = match self.leave(moment) {
            Leave::Tick => true,
            Leave::Freeze => false,
            Leave::Stop(owner) => {
                self.end(Event::Broke { room: self.place.number, message: fenced_by(owner) });
                return NOTHING;
            }
        };
        if self.dismiss_at.is_some_and(|it| it <= moment.now) {
            self.dismiss_at = None;
            self.place.door().dismiss();
        }
        let State::Live { room, inbound, keeper, is_unshown, .. } = &mut self.state else { return NOTHING };
        let (place, number) = (&self.place, self.place.number);
        let advanced = catch_unwind(AssertUnwindSafe(|| {
            let advance = match visit {
                Visit::Tick if is_ours => {
                    if std::mem::take(is_unshown) {
                        // The room was ours all the while.
                        show(place, room, screen);
                    }
                    let advance = tick(place, room, inbound);
                    *is_unshown = advance.ticked && took_too_long(place, moment);
                    if advance.ticked && !*is_unshown {
                        show(place, room, screen);
                    }
                    advance
                }
                // The thread goes on, and that is what a visit is to tell.
                Visit::Tick => Advance { ticked: false, progress: 1 },
                Visit::Look => Advance { ticked: false, progress: room.look() },
            };
            if let (Some(custody), Some(keeper)) = (&place.custody, keeper)
                && custody.has_wish(advance.ticked)
                // There is room for one; while it is not taken yet, nothing is saved in vain.
                && let Ok(permit) = keeper.try_reserve()
            {
                custody.grant();
                permit.send(save(place, room));
            }
            advance
        }));
        match advanced {
            Ok(advance) => {
                place.ticked(room.tick());
                // The end, too, is told only by whose the room is.
                if room.now().phase == Phase::Finished && !*is_unshown {
                    let now = room.now().clone();
                    if let Some(ending) = &now.ending {
                        place.set_over(ending.clone());
                        place.audience.end(ending);
                    }
                    self.end(Event::Changed(number, now));
                }
                advance
            }
            Err(panic) => {
                let message = shortened(format!("the game panicked: {}", text_of(&*panic)));
                drop_safely(panic);
                warn!(room = place.name, namespace = place.namespace, message, "a room broke");
                self.end(Event::Broke { room: number, message });
                // The thread goes on, and that is what a visit is to tell.
                Advance { ticked: false, progress: 1 }
            }
        }
    }

    /// Whether the room is still ours.
    fn leave(&mut self, moment: &Moment) -> Leave {
        let Some(custody) = &self.place.custody else { return Leave::Tick };
        if moment.is_late {
            custody.stood_still(moment.now);
        }
        let leave = custody.leave(moment.now, moment.heard);
        // They hear the server all the while, and would stay: nobody who could tell it that the room is elsewhere reaches it.
        let since = custody.is_unheard().then(|| self.unheard_since.unwrap_or(moment.now));
        self.unheard_since = since;
        let is_forsaken = since.is_some_and(|it| it.saturating_add(FORSAKEN_AFTER) <= moment.now);
        if self.place.forsake(is_forsaken) {
            self.place.audience.go();
        }
        let is_frozen = leave == Leave::Freeze;
        if is_frozen != self.is_frozen {
            self.is_frozen = is_frozen;
            let Place { name, namespace, .. } = &*self.place;
            let epoch = self.place.epoch().0;
            match is_frozen {
                true => warn!(
                    room = name,
                    namespace, epoch, "frozen: neither the operator nor the store is heard"
                ),
                false => info!(room = name, namespace, epoch, "goes on"),
            }
        }
        leave
    }

    /// Tells the desk what has changed, now or at the next visit. `false`: it knows that the room is gone.
    pub(super) fn tell(&mut self, notes: &mpsc::Sender<Note>) -> bool {
        match &mut self.state {
            State::Live { room, told, is_unshown, .. } => {
                if told != room.now() && !*is_unshown {
                    let now = room.now().clone();
                    let note = Note::Room(Event::Changed(self.place.number, now.clone()));
                    if notes.try_send(note).is_ok() {
                        *told = now;
                    }
                }
                true
            }
            State::Over(event) => match notes.try_send(Note::Room(event.clone())) {
                Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {
                    self.state = State::Gone;
                    false
                }
                Err(mpsc::error::TrySendError::Full(_)) => true,
            },
            State::Gone => false,
        }
    }

    fn end(&mut self, last: Event) {
        self.place.audience.go();
        let before = std::mem::replace(&mut self.state, State::Over(last));
        drop_safely(before);
    }
}

impl Drop for Seated {
    fn drop(&mut self) {
        // When the process stops with rooms: their destructors are the game's code, too.
        drop_safely(std::mem::replace(&mut self.state, State::Gone));
    }
}

fn tick(place: &Place, room: &mut Room, inbound: &mut Inbound) -> Advance {
    room.adopt(place.epoch());
    place.door().take(inbound);
    room.advance(inbound)
}

/// Whether a tick took so long that the room may have gone to another server, and its players see that one.
fn took_too_long(place: &Place, moment: &Moment) -> bool {
    let Some(custody) = &place.custody else { return false };
    let now = moment.clock.now();
    let is_late = moment.limit < now.saturating_sub(moment.now);
    if is_late {
        custody.stood_still(now);
    }
    is_late
}

/// Shows what the last tick has brought, and tells whom it has heard. Not before it is done: what a tick that does not end has
/// taken is lost with it.
fn show(place: &Place, room: &mut Room, screen: &mut Screen) {
    place.door().ticked(screen.heard());
    place.audience.show(room, screen);
}

fn save(place: &Place, room: &Room) -> Saved {
    let game = room.checkpoint(place.schema).map(|it| it.state);
    // One lock after the other: who comes in holds the first while it takes the second.
    let occupants = place.door().occupants().collect();
    let guests = place.guests().iter().collect();
    Saved { tick: room.tick(), has_begun: room.now().phase >= Phase::Playing, occupants, guests, game }
}

/// Drops what is a game's: its destructor may panic, too.
fn drop_safely<T>(value: T) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(value)));
}

/// For logs.
impl std::fmt::Debug for Seated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let RoomNumber(number) = self.place.number;
        f.debug_struct("Seated").field("number", &number).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
