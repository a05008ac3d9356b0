//! The game: it counts its ticks, and ends when it is told to or when its time is over.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use gamekeeper_server::{Afterwards, Declined, Ending, Game, GameMaker, Next, Seat, Setup, Turn};

/// Longer than anybody waits.
const SECONDS_MAX: f64 = 1e9;

/// The result is this and the number of ticks, and may have 4,096 bytes in all.
const RESULT_BYTES_MAX: usize = 4000;

/// Opens countdowns, and ends them when somebody says so.
#[derive(Clone, Debug)]
pub(crate) struct Countdowns {
    hang_after: Option<Duration>,
    /// By uid: whether the room was told to end. Not an input, for whoever says it needs no seat.
    told: Arc<Mutex<HashMap<String, Arc<AtomicBool>>>>,
}

/// One match.
#[derive(Debug)]
struct Countdown {
    uid: String,
    all: Countdowns,
    is_told: Arc<AtomicBool>,
    /// The last tick.
    last: Option<u64>,
    /// The tick that never ends.
    hangs: Option<u64>,
    result: Option<String>,
}

impl Countdowns {
    /// Rooms whose tick hangs after this time, if there is one.
    pub(crate) fn new(hang_after: Option<Duration>) -> Self {
        Self { hang_after, told: Arc::default() }
    }

    /// Ends the match of this room.
    pub(crate) fn end(&self, uid: &str) {
        if let Some(is_told) = self.told().get(uid) {
            is_told.store(true, Ordering::Relaxed);
        }
    }

    fn told(&self) -> MutexGuard<'_, HashMap<String, Arc<AtomicBool>>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GameMaker for Countdowns {
    fn open(&self, setup: &Setup) -> Result<Box<dyn Game>, Declined> {
        let result = setup.parameters.get("result").cloned();
        if let Some(result) = result.as_ref().filter(|it| RESULT_BYTES_MAX < it.len()) {
            let length = result.len();
            return Err(Declined::because(format!(
                "result: {length} bytes are more than {RESULT_BYTES_MAX}"
            )));
        }
        let last = setup.parameters.get("seconds").map(|it| ticks(it, setup)).transpose()?;
        let is_told = Arc::<AtomicBool>::default();
        self.told().insert(setup.uid.clone(), is_told.clone());
        Ok(Box::new(Countdown {
            uid: setup.uid.clone(),
            all: self.clone(),
            is_told,
            last,
            hangs: self.hang_after.map(|it| ticks_in(it.as_secs_f64(), setup)),
            result,
        }))
    }
}

fn ticks(seconds: &str, setup: &Setup) -> Result<u64, Declined> {
    let number: Option<f64> = seconds.parse().ok().filter(|it| (0.0..=SECONDS_MAX).contains(it));
    let why = || Declined::because(format!("seconds: {seconds:.40} is no number from 0 to {SECONDS_MAX}"));
    number.map(|it| ticks_in(it, setup)).ok_or_else(why)
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float as an integer saturates, and no number of seconds is negative"
)]
fn ticks_in(seconds: f64, setup: &Setup) -> u64 {
    (seconds * f64::from(setup.tick_rate.get())).ceil() as u64
}

impl Game for Countdown {
    fn leave(&mut self, _: Seat) -> Afterwards {
        Afterwards::Freed
    }

    fn tick(&mut self, turn: &Turn<'_>) -> Next {
        let tick = turn.tick.0;
        if self.hangs.is_some_and(|it| it <= tick) {
            hang();
        }
        if !self.is_told.load(Ordering::Relaxed) && self.last.is_none_or(|it| tick < it) {
            return Next::Tick;
        }
        let result = self.result.take().map(|it| ("result", it));
        // It fits: that was seen to when the room was opened.
        Next::End(Ending::new(result.into_iter().chain([("ticks", tick.to_string())])).unwrap_or_default())
    }
}

impl Drop for Countdown {
    fn drop(&mut self) {
        let mut told = self.all.told();
        // The uid may have come back already, with another match.
        if told.get(&self.uid).is_some_and(|it| Arc::ptr_eq(it, &self.is_told)) {
            told.remove(&self.uid);
        }
    }
}

/// As a game does that waits for itself.
fn hang() -> ! {
    loop {
        thread::park();
    }
}

#[cfg(test)]
mod tests {
    use gamekeeper_server::Tick;

    use super::*;

    fn setup(parameters: &[(&str, &str)]) -> Setup {
        Setup {
            namespace: "games".into(),
            name: "duel".into(),
            uid: "uid-1".into(),
            seats: None,
            parameters: parameters.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
            tick_rate: 10.try_into().unwrap(),
        }
    }

    fn tick(game: &mut Box<dyn Game>, tick: u64) -> Next {
        game.tick(&Turn::new(Tick(tick), &[]))
    }

    #[test]
    fn a_match_ends_when_its_time_is_over() {
        let parameters = [("seconds", "0.35"), ("result", "draw")];
        let mut game = Countdowns::new(None).open(&setup(&parameters)).unwrap();
        assert!((1..4).all(|it| tick(&mut game, it) == Next::Tick));
        let ending = Ending::new([("ticks", "4"), ("result", "draw")]).unwrap();
        assert_eq!(tick(&mut game, 4), Next::End(ending));
    }

    #[test]
    fn a_match_without_an_end_lasts_until_it_is_told() {
        let all = Countdowns::new(None);
        let mut game = all.open(&setup(&[])).unwrap();
        assert!((1..1000).all(|it| tick(&mut game, it) == Next::Tick));
        all.end("uid-2");
        assert_eq!(tick(&mut game, 1000), Next::Tick);
        all.end("uid-1");
        assert_eq!(tick(&mut game, 1001), Next::End(Ending::new([("ticks", "1001")]).unwrap()));
        drop(game);
        assert!(all.told().is_empty());
    }

    #[test]
    fn a_uid_that_comes_back_is_another_match() {
        let all = Countdowns::new(None);
        let old = all.open(&setup(&[])).unwrap();
        let mut new = all.open(&setup(&[])).unwrap();
        drop(old);
        all.end("uid-1");
        assert!(matches!(tick(&mut new, 1), Next::End(_)));
    }

    #[test]
    fn parameters_that_make_no_sense_are_declined() {
        let open = |key, value: &str| Countdowns::new(None).open(&setup(&[(key, value)])).err();
        for wrong in ["", "soon", "-1", "NaN", "inf", "1e10"] {
            assert!(open("seconds", wrong).is_some(), "{wrong}");
        }
        assert!(open("seconds", "0").is_none() && open("seconds", "1e9").is_none());
        assert!(open("result", &"x".repeat(4000)).is_none());
        assert!(open("result", &"x".repeat(4001)).is_some());
    }
}
