//! A match that stands still on purpose, for tests: the threads that tick do not come back from it, while everything else of
//! the process goes on. That is what a game with an endless loop looks like from outside.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use gamekeeper_room::{
    Afterwards, Build, Checkpoint, Declined, Game, GameMaker, Messages, Next, PlayerName, Schema, Seat,
    Setup, Turn,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::Instant,
};

/// How often a thread that stands still looks whether it is over.
const LOOK: Duration = Duration::from_millis(10);

/// Until when all matches of this process stand still.
#[derive(Clone, Debug, Default)]
pub(super) struct Hang(Arc<Mutex<Option<Instant>>>);

impl Hang {
    /// From now on, every SIGUSR1 lets all matches stand still for so long.
    pub(super) fn on_signal(&self, length: Duration) -> io::Result<()> {
        let mut signals = signal(SignalKind::user_defined1())?;
        let hang = self.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                hang.until(Instant::now() + length);
            }
        });
        Ok(())
    }

    fn until(&self, end: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
    }

    fn is_on(&self, now: Instant) -> bool {
        let end = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        end.is_some_and(|it| now < it)
    }

    #[allow(clippy::disallowed_methods, reason = "a thread that does not come back is what is asked for")]
    fn stand_still(&self) {
        while self.is_on(Instant::now()) {
            thread::sleep(LOOK);
        }
    }
}

/// A game whose matches stand still while they are told to; else it is the game.
#[derive(Debug)]
pub(super) struct Hanging<G> {
    game: G,
    hang: Hang,
}

impl<G> Hanging<G> {
    pub(super) fn new(game: G, hang: Hang) -> Self {
        Self { game, hang }
    }

    fn hanging(&self, game: Box<dyn Game>) -> Box<dyn Game> {
        Box::new(HangingMatch { game, hang: self.hang.clone() })
    }
}

impl<G: GameMaker> GameMaker for Hanging<G> {
    fn open(&self, setup: &Setup) -> Result<Box<dyn Game>, Declined> {
        self.game.open(setup).map(|it| self.hanging(it))
    }

    fn schema(&self) -> Schema {
        self.game.schema()
    }

    fn build(&self) -> Build {
        self.game.build()
    }

    fn restore(&self, setup: &Setup, checkpoint: &Checkpoint) -> Result<Box<dyn Game>, Declined> {
        self.game.restore(setup, checkpoint).map(|it| self.hanging(it))
    }
}

struct HangingMatch {
    game: Box<dyn Game>,
    hang: Hang,
}

impl Game for HangingMatch {
    fn join(&mut self, seat: Seat, player: &PlayerName) {
        self.game.join(seat, player);
    }

    fn leave(&mut self, seat: Seat) -> Afterwards {
        self.game.leave(seat)
    }

    fn tick(&mut self, turn: &Turn<'_>) -> Next {
        let next = self.game.tick(turn);
        // After it: what is in the journal was played, and nobody is shown what comes of a tick that takes so long.
        self.hang.stand_still();
        next
    }

    fn snapshot(&self, seat: Option<Seat>, out: &mut Vec<u8>) {
        self.game.snapshot(seat, out);
    }

    fn messages(&mut self, out: &mut Messages) {
        self.game.messages(out);
    }

    fn save(&self) -> Option<Vec<u8>> {
        self.game.save()
    }

    fn progress(&self) -> Option<u64> {
        self.game.progress()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hang_has_an_end() {
        let (hang, now) = (Hang::default(), Instant::now());
        assert!(!hang.is_on(now));
        hang.until(now + Duration::from_secs(3));
        assert!(hang.is_on(now + Duration::from_secs(2)));
        assert!(!hang.is_on(now + Duration::from_secs(3)));
    }
}
