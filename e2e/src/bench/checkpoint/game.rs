//! A game that is nothing but its state, and notes how long a save holds up the next room.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gamekeeper_server::{Declined, Game, GameMaker, Next, Schema, Setup, Turn};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::time::Instant;

/// Of the state, so much changes in a tick: one byte of so many.
const CHANGES_ONE_IN: usize = 64;

/// Makes the games of one window.
#[derive(Clone, Debug)]
pub(super) struct Ballast(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    bytes: usize,
    rooms: usize,
    opened: AtomicUsize,
    ticks: AtomicUsize,
    saves: AtomicUsize,
    holds: Mutex<Holds>,
}

#[derive(Debug, Default)]
struct Holds {
    /// The room after this one is held up, since then.
    since: Option<(usize, Instant)>,
    longest: Duration,
}

/// As incompressible as half of a real state is: every second byte is random.
pub(super) fn bytes(count: usize) -> Vec<u8> {
    let mut rng = StdRng::seed_from_u64(7);
    (0..count).map(|it| if it % 2 == 0 { rng.random() } else { 0 }).collect()
}

impl Ballast {
    pub(super) fn new(bytes: usize, rooms: usize) -> Self {
        let (opened, ticks, saves) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        Self(Arc::new(Shared { bytes, rooms, opened, ticks, saves, holds: Mutex::default() }))
    }

    /// Counts from here on.
    pub(super) fn forget(&self) {
        self.0.ticks.store(0, Ordering::Relaxed);
        self.0.saves.store(0, Ordering::Relaxed);
        *self.0.holds.lock().unwrap_or_else(PoisonError::into_inner) = Holds::default();
    }

    /// Ticks, saves, and the longest time from the beginning of a save to the next room's tick.
    pub(super) fn counts(&self) -> (usize, usize, Duration) {
        let longest = self.0.holds.lock().unwrap_or_else(PoisonError::into_inner).longest;
        (self.0.ticks.load(Ordering::Relaxed), self.0.saves.load(Ordering::Relaxed), longest)
    }
}

impl GameMaker for Ballast {
    fn open(&self, _: &Setup) -> Result<Box<dyn Game>, Declined> {
        let number = self.0.opened.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(Room { shared: self.0.clone(), number, state: bytes(self.0.bytes), next: 0 }))
    }

    fn schema(&self) -> Schema {
        Schema(1)
    }
}

struct Room {
    shared: Arc<Shared>,
    number: usize,
    state: Vec<u8>,
    next: usize,
}

impl Game for Room {
    fn tick(&mut self, _: &Turn<'_>) -> Next {
        let Shared { ticks, holds, .. } = &*self.shared;
        ticks.fetch_add(1, Ordering::Relaxed);
        let mut holds = holds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((number, since)) = holds.since.take()
            && number + 1 == self.number
        {
            holds.longest = holds.longest.max(since.elapsed());
        }
        drop(holds);
        self.next = (self.next + 1) % CHANGES_ONE_IN;
        for byte in self.state.iter_mut().skip(self.next).step_by(CHANGES_ONE_IN) {
            *byte = byte.wrapping_add(1);
        }
        Next::Tick
    }

    fn save(&self) -> Option<Vec<u8>> {
        let Shared { rooms, saves, holds, .. } = &*self.shared;
        saves.fetch_add(1, Ordering::Relaxed);
        // After the last room of a round the thread sleeps: nobody is held up.
        if self.number + 1 < *rooms {
            holds.lock().unwrap_or_else(PoisonError::into_inner).since = Some((self.number, Instant::now()));
        }
        Some(self.state.clone())
    }
}
