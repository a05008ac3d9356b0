//! A room on its thread, with a wall around its game.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use gamekeeper_room::{
    Advance, Inbound, Phase, Room, RoomNow,
    host::{Event, RoomNumber},
    shortened,
};
use tokio::sync::mpsc;
use tracing::warn;

use crate::{desk::Note, opener::text_of, place::Place};

/// A room that is given to a thread.
pub(super) struct Seated {
    place: Arc<Place>,
    state: State,
}

enum State {
    /// It ticks.
    Live { room: Box<Room>, inbound: Inbound, told: RoomNow },
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

impl Seated {
    pub(super) fn new(place: Arc<Place>, room: Box<Room>) -> Self {
        let told = room.now().clone();
        Self { place, state: State::Live { room, inbound: Inbound::default(), told } }
    }

    /// Lets the room do what is due. Whatever it does, this returns, unless it never ends.
    pub(super) fn visit(&mut self, visit: Visit) -> Advance {
        const NOTHING: Advance = Advance { ticked: false, progress: 0 };
        let State::Live { room, inbound, .. } = &mut self.state else { return NOTHING };
        let number = self.place.number;
        if self.place.is_closing() {
            self.end(Event::Gone(number));
            return NOTHING;
        }
        let place = &self.place;
        let advanced = catch_unwind(AssertUnwindSafe(|| match visit {
            Visit::Tick => {
                place.door().take(inbound);
                room.advance(inbound)
            }
            Visit::Look => Advance { ticked: false, progress: room.look() },
        }));
        match advanced {
            Ok(advance) => {
                place.ticked(room.tick());
                if room.now().phase == Phase::Finished {
                    let now = room.now().clone();
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

    /// Tells the desk what has changed, now or at the next visit. `false`: it knows that the room is gone.
    pub(super) fn tell(&mut self, notes: &mpsc::Sender<Note>) -> bool {
        match &mut self.state {
            State::Live { room, told, .. } => {
                if told != room.now() {
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
