//! Who watches a room: its players and spectators, as the thread that ticks sees them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gamekeeper_player::frame;
use gamekeeper_room::{Ending, Heard, Message, Messages, Room, Seat, Tick};

/// Spectators of one room. Each costs what a player costs, and brings nothing.
const SPECTATORS_MAX: usize = 64;

/// One connection of a player or spectator. Nothing here may wait: the thread that ticks calls it.
pub(crate) trait Viewer: Send + Sync {
    /// Where the player sits; `None`: a spectator.
    fn seat(&self) -> Option<Seat>;
    /// What there is to see after this tick. It may be lost on the way.
    fn show(&self, tick: Tick, state: &[u8]);
    /// The player's messages up to this number have been heard.
    fn confirm(&self, number: u64);
    /// What is to arrive.
    fn tell(&self, body: &[u8]);
    /// Where the room may be if this server is lost.
    fn fallbacks(&self, place: &frame::Place);
    /// The match is over.
    fn end(&self, ending: &Ending);
    /// The room is not here any more.
    fn go(&self);
    /// Its player has come by another connection.
    fn replaced(&self);
}

/// All who watch one room.
#[derive(Default)]
pub(crate) struct Audience(Mutex<Vec<Arc<dyn Viewer>>>);

/// What is shown and told: one for each thread, for its memory.
#[derive(Debug, Default)]
pub(crate) struct Screen {
    state: Vec<u8>,
    messages: Messages,
    heard: Vec<Heard>,
}

impl Screen {
    /// Which messages of players the last tick has heard, by seat.
    pub(crate) fn heard(&mut self) -> &mut Vec<Heard> {
        &mut self.heard
    }
}

impl Audience {
    /// One more; of a player, in place of the one before. `false`: there are too many spectators.
    pub(crate) fn enter(&self, viewer: Arc<dyn Viewer>) -> bool {
        let mut viewers = self.viewers();
        let is_the_same = |it: &Arc<dyn Viewer>| it.seat().is_some() && it.seat() == viewer.seat();
        viewers.extract_if(.., |it| is_the_same(it)).for_each(|it| it.replaced());
        let spectators = viewers.iter().filter(|it| it.seat().is_none()).count();
        if viewer.seat().is_none() && SPECTATORS_MAX <= spectators {
            return false;
        }
        viewers.push(viewer);
        true
    }

    /// One less.
    pub(crate) fn leave(&self, viewer: &Arc<dyn Viewer>) {
        self.viewers().retain(|it| !Arc::ptr_eq(it, viewer));
    }

    /// Shows and tells all what the last tick has brought.
    pub(crate) fn show(&self, room: &mut Room, screen: &mut Screen) {
        let Screen { state, messages, heard } = screen;
        room.messages(messages);
        for viewer in self.viewers().iter() {
            let seat = viewer.seat();
            let of_it = seat.and_then(|seat| heard.binary_search_by_key(&seat, |it| it.seat).ok());
            if let Some(heard) = of_it.and_then(|it| heard.get(it)) {
                viewer.confirm(heard.number);
            }
            let is_for_it = |it: &&Message| it.to.is_none() || it.to == seat;
            for message in messages.iter().filter(is_for_it) {
                viewer.tell(&message.body);
            }
            room.snapshot(seat, state);
            if !state.is_empty() {
                viewer.show(room.tick(), state);
            }
        }
    }

    /// All are told where the room may be if this server is lost.
    pub(crate) fn fallbacks(&self, place: &frame::Place) {
        self.viewers().iter().for_each(|it| it.fallbacks(place));
    }

    /// The match is over: they are told how, and go.
    pub(crate) fn end(&self, ending: &Ending) {
        for viewer in self.viewers().drain(..) {
            viewer.end(ending);
        }
    }

    /// The room is gone.
    pub(crate) fn go(&self) {
        for viewer in self.viewers().drain(..) {
            viewer.go();
        }
    }

    /// The same, from beside the thread that ticks, which may hang while it shows something.
    pub(crate) fn go_if_free(&self) {
        if let Ok(mut viewers) = self.0.try_lock() {
            viewers.drain(..).for_each(|it| it.go());
        }
    }

    /// Held for moments only: whoever comes in waits no longer than one room's show.
    fn viewers(&self) -> MutexGuard<'_, Vec<Arc<dyn Viewer>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Audience {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Audience").field(&self.viewers().len()).finish()
    }
}
