//! The arena as a server hosts it.

use gamekeeper_room::{
    Afterwards, Build, Checkpoint, Declined, Ending, Game, GameMaker, Next, PlayerName, Schema, Seat, Setup,
    Turn,
};

use sha2::{Digest as _, Sha256};

use crate::{
    ballast::Ballast,
    intake::Intake,
    settings::{SEATS_MAX, Settings},
    state::{Malformed, read::Reader},
    world::{BySeat, World},
};

/// The version of what [`Game::save`] returns.
const SCHEMA: Schema = Schema(2);

const BUILD: Build = Build::new(concat!("arena ", env!("CARGO_PKG_VERSION")));

/// Of the text with all scores. A result may have 4,096 bytes, and a name 128 of them.
const SCORES_BYTES_MAX: usize = 3000;

/// Opens matches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Arena;

/// One match, and what is not shown of it.
#[derive(Debug)]
pub struct Match {
    world: World,
    intake: Intake,
    /// Kept beside the world, where they would be sent over and over.
    names: BySeat<Option<PlayerName>>,
    ballast: Ballast,
}

impl GameMaker for Arena {
    fn open(&self, setup: &Setup) -> Result<Box<dyn Game>, Declined> {
        Ok(Box::new(Match::open(setup)?))
    }

    fn schema(&self) -> Schema {
        SCHEMA
    }

    fn build(&self) -> Build {
        BUILD
    }

    fn restore(&self, setup: &Setup, checkpoint: &Checkpoint) -> Result<Box<dyn Game>, Declined> {
        Ok(Box::new(Match::restore(setup, checkpoint)?))
    }
}

impl Game for Match {
    fn join(&mut self, seat: Seat, player: &PlayerName) {
        let Some(seat) = self.seat(seat) else { return };
        // After a restore, everybody comes again; who was there counts on.
        if !self.world.is_present(seat) {
            self.intake.join(seat);
            self.world.join(seat);
        }
        if let Some(name) = self.names.get_mut(usize::from(seat)) {
            *name = Some(player.clone());
        }
    }

    fn leave(&mut self, seat: Seat) -> Afterwards {
        if let Some(seat) = self.seat(seat) {
            self.intake.leave(seat);
            self.world.leave(seat);
        }
        // The avatar stays, and so does the score.
        Afterwards::Kept
    }

    fn tick(&mut self, turn: &Turn<'_>) -> Next {
        for (seat, input) in turn.inputs() {
            if let Some(seat) = self.seat(seat).filter(|it| self.world.is_present(*it)) {
                self.intake.put(seat, input);
            }
        }
        let given = self.intake.take();
        self.world.step(&given);
        self.ballast.step();
        if self.world.is_checkpoint() {
            self.world.seal(&self.intake.accounts());
        }
        if self.world.is_over() {
            Next::End(self.ending())
        } else if self.world.players().next().is_none() {
            // Nobody has come yet: nothing moves, and an empty room costs nothing.
            Next::Wait
        } else {
            Next::Tick
        }
    }

    fn snapshot(&self, _: Option<Seat>, out: &mut Vec<u8>) {
        self.world.show(out);
    }

    fn save(&self) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        self.write(&mut out);
        self.ballast.write_words(&mut out);
        Some(out)
    }
}

impl Match {
    /// A match that begins.
    pub fn new(settings: &Settings) -> Self {
        let ballast = Ballast::new(settings.ballast, settings.seed);
        Self { world: World::new(settings), intake: Intake::default(), names: BySeat::default(), ballast }
    }

    /// The match of a new room.
    pub fn open(setup: &Setup) -> Result<Self, Declined> {
        Ok(Self::new(&Settings::of(setup)?))
    }

    /// The match of a room that another server has lost.
    pub fn restore(setup: &Setup, checkpoint: &Checkpoint) -> Result<Self, Declined> {
        let settings = Settings::of(setup)?;
        if checkpoint.schema != SCHEMA {
            let Schema(theirs) = checkpoint.schema;
            return Err(Declined::because(format!(
                "the checkpoint has schema {theirs}, this build reads {}: restore it with another one",
                SCHEMA.0
            )));
        }
        let read = Self::read(&checkpoint.state, settings.ballast);
        let read = read.map_err(|it| Declined::because(format!("cannot read the checkpoint: {it}")))?;
        if u64::from(read.world.tick()) != checkpoint.tick.0 {
            return Err(Declined::because("the checkpoint is of another tick than it says"));
        }
        if read.world.seats() != settings.seats || read.world.map() != settings.map {
            return Err(Declined::because("the checkpoint is of another room: its seats or its map differ"));
        }
        Ok(read)
    }

    /// The first eight bytes of SHA-256 of all that decides how it goes on; for who compares servers with each
    /// other. Of the ballast, its random source stands for all. `memory` is only lent.
    pub fn hash(&self, memory: &mut Vec<u8>) -> u64 {
        memory.clear();
        self.write(memory);
        let hash: [u8; 32] = Sha256::digest(memory.as_slice()).into();
        hash.first_chunk().map_or(0, |it| u64::from_be_bytes(*it))
    }

    /// How many inputs of this seat came since its player did, and the number in the newest: what is newer was
    /// not heard.
    pub fn heard(&self, seat: u8) -> (u32, u8) {
        self.intake.heard(seat)
    }

    /// What is shown of it.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// What is saved, but for the weight of the ballast.
    fn write(&self, out: &mut Vec<u8>) {
        self.world.show(out);
        self.intake.write(out);
        for name in &self.names {
            let name = name.as_ref().map_or("", PlayerName::as_str);
            // No name is longer than 128 bytes.
            out.push(u8::try_from(name.len()).unwrap_or_default());
            out.extend(name.as_bytes());
        }
        self.ballast.write_source(out);
    }

    fn read(state: &[u8], ballast: u32) -> Result<Self, Malformed> {
        let mut reader = Reader(state);
        // The third byte says how many seats there are, and so how much of it is the world.
        let seats = state.get(2).copied().unwrap_or_default();
        let world = World::of_shown(reader.take(crate::state::shown_bytes(seats))?)?;
        let intake = Intake::read(&mut reader)?;
        let mut names = BySeat::<Option<PlayerName>>::default();
        for name in &mut names {
            let length = reader.u8()?;
            if length == 0 {
                continue;
            }
            let text = str::from_utf8(reader.take(length.into())?).ok();
            let read = text.and_then(|it| PlayerName::new(it).ok());
            *name = Some(read.ok_or(Malformed::Value("name"))?);
        }
        let ballast = Ballast::read(&mut reader, ballast)?;
        match reader.0 {
            [] => Ok(Self { world, intake, names, ballast }),
            rest => Err(Malformed::Length(rest.len())),
        }
    }

    /// The door numbers seats from 0, and has no more of them than the room.
    fn seat(&self, seat: Seat) -> Option<u8> {
        u8::try_from(seat.0).ok().filter(|it| *it < self.world.seats())
    }

    fn name(&self, seat: u8) -> &str {
        let name = self.names.get(usize::from(seat)).and_then(Option::as_ref);
        name.map_or("", PlayerName::as_str)
    }

    fn score(&self, seat: u8) -> u16 {
        self.world.player(seat).map_or(0, |it| it.score)
    }

    fn ending(&self) -> Ending {
        let mut scores = String::new();
        for seat in self.world.ranking() {
            let line = format!("{} {}", self.name(seat), self.score(seat));
            if SCORES_BYTES_MAX < scores.len() + line.len() {
                // The last ones do not matter that much.
                break;
            }
            scores.push_str(if scores.is_empty() { "" } else { ", " });
            scores.push_str(&line);
        }
        let winner = self.world.winner();
        let hash = u64::from_be_bytes(self.world.checkpoint().hash);
        let values = [
            ("winner", winner.map_or("", |it| self.name(it)).to_owned()),
            ("score", winner.map_or(0, |it| self.score(it)).to_string()),
            ("scores", scores),
            ("ticks", self.world.tick().to_string()),
            ("hash", format!("{hash:016x}")),
        ];
        // It fits: the longest of these texts is limited above.
        Ending::new(values).unwrap_or_default()
    }
}

const _: () = assert!(SEATS_MAX <= 32, "a name of 128 bytes for each fits into a checkpoint");

#[cfg(test)]
mod tests;
