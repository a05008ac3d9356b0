//! Games that do what the test says.

use std::sync::{Arc, Condvar, Mutex};

use gamekeeper_server::{
    Checkpoint, Declined, Ending, Game, GameMaker, Messages, Next, Schema, Seat, Setup, Turn,
};
use gamekeeper_store::envelope::STATE_BYTES_MAX;

/// Opens games. A room's parameter `open` says how: `decline`, `panic`, or `slowly`, when they are released.
#[derive(Clone, Default)]
pub(crate) struct Games(Arc<Gate>);

/// Where games wait until the test lets them go on.
#[derive(Default)]
struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
    waiting: Mutex<usize>,
    restored: Mutex<Vec<u64>>,
}

impl Games {
    /// Whatever waits goes on, and nothing waits any more.
    pub(crate) fn release(&self) {
        *self.0.is_open.lock().unwrap() = true;
        self.0.opened.notify_all();
    }

    /// The ticks of the checkpoints that games went on from.
    pub(crate) fn restored(&self) -> Vec<u64> {
        self.0.restored.lock().unwrap().clone()
    }

    /// How many games wait, in a tick or while they are made.
    pub(crate) fn waiting(&self) -> usize {
        *self.0.waiting.lock().unwrap()
    }

    fn wait(&self) {
        *self.0.waiting.lock().unwrap() += 1;
        let mut is_open = self.0.is_open.lock().unwrap();
        while !*is_open {
            is_open = self.0.opened.wait(is_open).unwrap();
        }
        *self.0.waiting.lock().unwrap() -= 1;
    }
}

impl GameMaker for Games {
    fn open(&self, setup: &Setup) -> Result<Box<dyn Game>, Declined> {
        match setup.parameters.get("open").map(String::as_str) {
            Some("decline") => return Err(Declined::because("no such map")),
            Some("panic") => panic!("this map is broken"),
            Some("slowly") => self.wait(),
            _ => (),
        }
        Ok(Box::new(TestGame {
            games: self.clone(),
            breaks_when_dropped: false,
            heard: Vec::new(),
            is_told: false,
        }))
    }

    fn schema(&self) -> Schema {
        Schema(3)
    }

    /// With the parameter `restore`: `decline`, it does not.
    fn restore(&self, setup: &Setup, checkpoint: &Checkpoint) -> Result<Box<dyn Game>, Declined> {
        if setup.parameters.get("restore").is_some_and(|it| it == "decline") {
            return Err(Declined::because("that was another game"));
        }
        assert_eq!(checkpoint.schema, Schema(3));
        self.0.restored.lock().unwrap().push(checkpoint.tick.0);
        let heard =
            String::from_utf8(checkpoint.state.clone()).map_err(|it| Declined::because(it.to_string()))?;
        let heard = heard.lines().map(str::to_owned).collect();
        Ok(Box::new(TestGame { games: self.clone(), breaks_when_dropped: false, heard, is_told: false }))
    }
}

/// A game that does what its players say.
struct TestGame {
    games: Games,
    breaks_when_dropped: bool,
    /// All messages and inputs, in order.
    heard: Vec<String>,
    is_told: bool,
}

/// What players say.
pub(crate) mod say {
    /// Nothing.
    pub(crate) const HELLO: &str = "hello";
    /// The match is over.
    pub(crate) const END: &str = "end";
    /// The game panics.
    pub(crate) const PANIC: &str = "panic";
    /// The tick does not end.
    pub(crate) const HANG: &str = "hang";
    /// From now on it has nothing to do but when somebody says something.
    pub(crate) const WAIT: &str = "wait";
    /// The state is too large to be saved.
    pub(crate) const GROW: &str = "grow";
    /// The game panics when it is dropped.
    pub(crate) const BREAK_LATER: &str = "break later";
    /// All are told [`TOLD`].
    pub(crate) const TELL: &str = "tell";
    /// A message of the game.
    pub(crate) const TOLD: &[u8] = b"told";
}

impl Game for TestGame {
    fn tick(&mut self, turn: &Turn<'_>) -> Next {
        let mut next = Next::Tick;
        self.is_told = false;
        for (seat, message) in turn.messages() {
            self.heard.push(format!("{}!{}", seat.0, String::from_utf8_lossy(message)));
            if message == say::HANG.as_bytes() {
                self.games.wait();
            }
        }
        for (seat, input) in turn.inputs() {
            self.heard.push(format!("{}:{}", seat.0, String::from_utf8_lossy(input)));
            match std::str::from_utf8(input) {
                Ok(say::END) => {
                    next = Next::End(Ending::new([("ended by", seat.0.to_string())]).unwrap());
                }
                Ok(say::PANIC) => panic!("as asked"),
                Ok(say::HANG) => self.games.wait(),
                Ok(say::WAIT) => next = Next::Wait,
                Ok(say::TELL) => self.is_told = true,
                Ok(say::BREAK_LATER) => self.breaks_when_dropped = true,
                _ => (),
            }
        }
        next
    }

    /// Who watches, and the last inputs of all.
    fn snapshot(&self, seat: Option<Seat>, out: &mut Vec<u8>) {
        let last = self.heard.iter().rev().take(8).rev().cloned().collect::<Vec<_>>().join(" ");
        let seat = seat.map_or_else(|| "watcher".to_owned(), |it| it.0.to_string());
        out.extend(format!("{seat} {} {last}", self.heard.len()).bytes());
    }

    fn save(&self) -> Option<Vec<u8>> {
        let mut state = self.heard.join("\n").into_bytes();
        if self.heard.iter().any(|it| it.ends_with(say::GROW)) {
            state.resize(STATE_BYTES_MAX + 1, b' ');
        }
        Some(state)
    }

    fn messages(&mut self, out: &mut Messages) {
        if self.is_told {
            out.push(None, say::TOLD).unwrap();
        }
    }
}

impl Drop for TestGame {
    fn drop(&mut self) {
        assert!(!self.breaks_when_dropped, "as asked, when dropped");
    }
}
