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

use crate::{audience::Screen, desk::Note, opener::text_of, place::Place};

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
    pub(super) fn visit(&mut self, visit: Visit, screen: &mut Screen) -> Advance {
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
                room.adopt(place.epoch());
                place.door().take(inbound);
                let advance = room.advance(inbound);
                if advance.ticked {
                    place.audience.show(room, screen);
                }
                advance
            }
            Visit::Look => Advance { ticked: false, progress: room.look() },
        }));
        match advanced {
            Ok(advance) => {
                place.ticked(room.tick());
                if room.now().phase == Phase::Finished {
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
mod tests {
    use gamekeeper_room::{Door, Ending, Epoch, Game, Next, Tenancy, Turn};

    use super::*;

    struct Match(u64);

    impl Game for Match {
        fn tick(&mut self, turn: &Turn<'_>) -> Next {
            if turn.tick.0 < self.0 { Next::Tick } else { Next::End(Ending::default()) }
        }
    }

    fn seated(ticks: u64) -> (Arc<Place>, Seated) {
        let (namespace, name, uid) = ("games".to_owned(), "duel".to_owned(), "uid-1".to_owned());
        let tenancy = Tenancy { namespace, name, uid, epoch: Epoch(5) };
        let place = Arc::new(Place::new(RoomNumber(1), tenancy, Door::new(None)));
        let room = Box::new(Room::new(Epoch(5), Box::new(Match(ticks))));
        (place.clone(), Seated::new(place, room))
    }

    #[test]
    fn a_room_goes_on_under_the_epoch_of_its_place() {
        let (place, mut seated) = seated(100);
        place.adopt(Epoch(9));
        place.adopt(Epoch(8));
        seated.visit(Visit::Tick, &mut Screen::default());
        let State::Live { room, .. } = &seated.state else { panic!("it is over") };
        assert_eq!((room.epoch(), room.tick(), place.tick()), (Epoch(9), room.tick(), room.tick()));
    }

    #[test]
    fn the_end_is_told_when_the_desk_has_time_and_once() {
        let (_, mut seated) = seated(1);
        let (notes, mut desk) = mpsc::channel(1);
        notes.try_send(Note::Room(Event::Gone(RoomNumber(7)))).unwrap();
        seated.visit(Visit::Tick, &mut Screen::default());
        assert!(seated.tell(&notes), "the queue is full: later");
        seated.visit(Visit::Tick, &mut Screen::default());
        assert!(desk.try_recv().is_ok());
        assert!(!seated.tell(&notes));
        assert!(!seated.tell(&notes));
        let Ok(Note::Room(Event::Changed(_, now))) = desk.try_recv() else { panic!("not told") };
        assert_eq!(now.phase, Phase::Finished);
        assert!(desk.try_recv().is_err());
    }

    #[test]
    fn a_room_that_is_closed_takes_no_more_ticks() {
        let (place, mut seated) = seated(100);
        seated.visit(Visit::Tick, &mut Screen::default());
        place.close();
        seated.visit(Visit::Tick, &mut Screen::default());
        assert_eq!(place.tick().0, 1);
        let (notes, mut desk) = mpsc::channel(1);
        assert!(!seated.tell(&notes));
        assert!(matches!(desk.try_recv(), Ok(Note::Room(Event::Gone(RoomNumber(1))))));
    }
}
