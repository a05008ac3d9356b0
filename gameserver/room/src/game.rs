//! What a studio implements.

use std::{collections::BTreeMap, num::NonZeroU32};

use crate::{Ending, Epoch, Messages, PlayerName, Seat, shortened};

/// One match. It is told who comes and goes, and is asked to take one step after the other.
///
/// Nothing else may decide what happens in it but what it is told: a game that asks the clock or a random
/// source of its own cannot be restored from a checkpoint or replayed.
///
/// All methods are called by one thread at a time, which other rooms share: what takes long here makes them
/// late, and what never returns is seen as a hang of the whole server. A panic ends this room alone.
pub trait Game: Send {
    /// A player takes a seat, for the first time or again.
    fn join(&mut self, seat: Seat, player: &PlayerName) {
        let _ = (seat, player);
    }

    /// A player is not there any more. Says what becomes of the seat.
    fn leave(&mut self, seat: Seat) -> Afterwards {
        let _ = seat;
        Afterwards::Kept
    }

    /// Takes one step, and says what is next.
    fn tick(&mut self, turn: &Turn<'_>) -> Next;

    /// Writes what the player on this seat may see now; `None`: a spectator. `out` is empty. Nothing written:
    /// nothing is shown. What stays where it was in the bytes costs next to nothing on the way to the player.
    fn snapshot(&self, seat: Option<Seat>, out: &mut Vec<u8>) {
        let _ = (seat, out);
    }

    /// What is to reach players for certain, once: called after every tick. Snapshots may be lost on the way,
    /// these are not.
    fn messages(&mut self, out: &mut Messages) {
        let _ = out;
    }

    /// All that [`GameMaker::restore`] needs to go on from here. `None`: this game cannot be saved.
    fn save(&self) -> Option<Vec<u8>> {
        None
    }

    /// What a game has achieved that does its work elsewhere than in [`tick`](Self::tick): a number that
    /// grows while it is well. `None`: its ticks are counted.
    fn progress(&self) -> Option<u64> {
        None
    }
}

/// What becomes of a seat whose player has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Afterwards {
    /// It waits for the same player until the end of the match.
    Kept,
    /// Anybody may take it.
    Freed,
}

/// What comes after a tick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another one, when it is due.
    Tick,
    /// Nothing, until a player comes, goes or sends something. For games that do not tick.
    Wait,
    /// The match is over.
    End(Ending),
}

/// The number of a tick, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(pub u64);

/// What one tick has to work with.
#[derive(Clone, Copy, Debug)]
pub struct Turn<'a> {
    /// Its number.
    pub tick: Tick,
    /// The room's tenancy under which it is taken. Not for the rules of a game: another owner has another one.
    pub epoch: Epoch,
    pub(crate) inputs: &'a [(Seat, Vec<u8>)],
    pub(crate) messages: &'a [(Seat, Vec<u8>)],
}

impl<'a> Turn<'a> {
    /// A turn of these inputs, by seat, under epoch 0. For tests of games.
    pub fn new(tick: Tick, inputs: &'a [(Seat, Vec<u8>)]) -> Self {
        Self { tick, epoch: Epoch(0), inputs, messages: &[] }
    }

    /// With these messages, too. For tests of games.
    #[must_use]
    pub fn with_messages(self, messages: &'a [(Seat, Vec<u8>)]) -> Self {
        Self { messages, ..self }
    }

    /// What the players sent since the last tick: seat by seat, each in the order in which it came in.
    pub fn inputs(&self) -> impl Iterator<Item = (Seat, &'a [u8])> {
        self.inputs.iter().map(|(seat, input)| (*seat, input.as_slice()))
    }

    /// What the players said for certain since the last tick, in the same order. Each comes once, also over another
    /// connection, and where the match goes on elsewhere; what was heard after the checkpoint it goes on from is lost.
    pub fn messages(&self) -> impl Iterator<Item = (Seat, &'a [u8])> {
        self.messages.iter().map(|(seat, message)| (*seat, message.as_slice()))
    }
}

/// What a match is opened with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setup {
    /// Of the `GameRoom`.
    pub namespace: String,
    /// Of the `GameRoom`.
    pub name: String,
    /// Of the `GameRoom`. The same for every server that ever has this room, so a good seed.
    pub uid: String,
    /// How many players may take part. `None`: the `GameRoom` does not say.
    pub seats: Option<NonZeroU32>,
    /// `GameRoom.spec.parameters`.
    pub parameters: BTreeMap<String, String>,
    /// Ticks per second.
    pub tick_rate: NonZeroU32,
}

/// Opens matches. One for the whole process.
///
/// Called by threads of their own, beside those that tick: it may take its time to load a map. The room's
/// place is taken until it returns, and after five seconds without an answer the operator asks anew.
pub trait GameMaker: Send + Sync + 'static {
    /// A new match, or the reason why there is none with this setup: another server would not open it either.
    fn open(&self, setup: &Setup) -> Result<Box<dyn Game>, Declined>;

    /// Of what [`Game::save`] returns.
    fn schema(&self) -> Schema {
        Schema(0)
    }

    /// What this build is called in the checkpoints that it writes.
    fn build(&self) -> Build {
        Build::default()
    }

    /// A match that goes on from a checkpoint, also from one of another schema where this build reads it.
    fn restore(&self, setup: &Setup, checkpoint: &Checkpoint) -> Result<Box<dyn Game>, Declined> {
        let _ = (setup, checkpoint);
        Err(Declined::because("this game does not restore matches"))
    }
}

/// The shortest maker: a function.
impl<F> GameMaker for F
where
    F: Fn(&Setup) -> Result<Box<dyn Game>, Declined> + Send + Sync + 'static,
{
    fn open(&self, setup: &Setup) -> Result<Box<dyn Game>, Declined> {
        self(setup)
    }
}

/// Why a match is not opened: seats or parameters that the game does not take, or a checkpoint that it does
/// not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Declined(String);

impl Declined {
    /// With the reason, for whoever wrote the `GameRoom`.
    pub fn because(reason: impl Into<String>) -> Self {
        Self(shortened(reason.into()))
    }
}

/// The version of a game's saved state. Changes when older builds could not read it any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Schema(pub u32);

/// What a build of a game is called, for people who look at what it saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Build(&'static str);

impl Build {
    /// The longest name: room for a version and a commit.
    pub const BYTES_MAX: usize = 64;

    /// With a name of [`BYTES_MAX`](Self::BYTES_MAX) bytes at most. In a constant, a longer one does not compile.
    ///
    /// # Panics
    ///
    /// If it is longer.
    pub const fn new(name: &'static str) -> Self {
        assert!(name.len() <= Self::BYTES_MAX, "the name of a build has 64 bytes at most");
        Self(name)
    }

    /// Its name; empty if it was given none.
    pub fn name(self) -> &'static str {
        self.0
    }
}

/// A room's saved state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Of `state`.
    pub schema: Schema,
    /// After which it was taken.
    pub tick: Tick,
    /// Of the owner that took it.
    pub epoch: Epoch,
    /// What [`Game::save`] returned.
    pub state: Vec<u8>,
}
