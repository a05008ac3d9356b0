//! Random ways through bounds that are too wide to be searched: everything may go wrong at once.

use std::{fmt, time::Duration};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use tokio::time::Instant;

use crate::{
    actions::Action,
    bounds::{Bounds, Rule},
    model::Model,
    scene::Broken,
    search::tell,
    world::World,
};

/// So often is done what has to be done: who breaks everything at once never comes to anything.
const DUTY: f64 = 0.7;

/// So many states of ledgers are remembered, then all are forgotten: on random ways there is no end of new ones.
const LEDGERS_MAX: usize = 20_000;

/// No way is so long, unless what has to be done has no end. Then it has none in peace, either.
const STEPS_MAX: usize = 1_000;

/// What came of the walks.
pub struct Walked {
    /// Ways that were gone to their end.
    pub walks: u32,
    /// Steps on all of them.
    pub steps: u64,
    /// How long it took.
    pub took: Duration,
    /// What is wrong, the seed of that walk, and the way there.
    pub broken: Option<(Broken, u64, Vec<Action>)>,
}

impl fmt::Display for Walked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { walks, steps, took, broken } = self;
        write!(f, "{walks} random ways, {steps} steps, {:.1} s", took.as_secs_f64())?;
        let Some((broken, seed, way)) = broken else { return Ok(()) };
        write!(f, "; --walks 1 --seed {seed}")?;
        tell(f, broken, way)
    }
}

/// Goes so many ways, each by dice of its own: the first by `seed`, the second by the next number.
pub fn walk(bounds: Bounds, rule: Rule, walks: u32, seed: u64) -> Walked {
    let started = Instant::now();
    let mut walked = Walked { walks: 0, steps: 0, took: Duration::ZERO, broken: None };
    let mut model = Model::new(bounds, rule);
    for number in 0..walks {
        if LEDGERS_MAX < model.leaders.size().0 {
            model = Model::new(bounds, rule);
        }
        let seed = seed.wrapping_add(number.into());
        let mut way = Vec::new();
        let outcome = go(&mut model, &mut StdRng::seed_from_u64(seed), &mut way);
        walked.walks += 1;
        walked.steps += u64::try_from(way.len()).unwrap_or_default();
        if let Err(broken) = outcome {
            let (broken, way) = shortest(&mut model, broken, way);
            walked.broken = Some((broken, seed, way));
            break;
        }
    }
    walked.took = started.elapsed();
    walked
}

/// Goes one way until time is over and trouble has ended, leaves what is there in peace, and sees whether it comes to rest.
fn go(model: &mut Model, chance: &mut StdRng, way: &mut Vec<Action>) -> Result<(), Broken> {
    let mut world = model.beginning()?;
    loop {
        let actions = model.actions(&world);
        let Some(any) = actions.choose(chance) else { break };
        let duties = model.duties(&world);
        let duty = duties.choose(chance).filter(|_| chance.random_bool(DUTY));
        // Trouble has no end of its own once time is over: it may as well have ended.
        if STEPS_MAX < way.len() || (model.is_last(&world, &actions) && chance.random_bool(DUTY)) {
            break;
        }
        let action = *duty.unwrap_or(any);
        way.push(action);
        world = model.apply(&world, action)?;
    }
    leave_in_peace(model, &world, way)
}

/// All trouble ends, and the world must come to rest.
fn leave_in_peace(model: &mut Model, world: &World, way: &mut Vec<Action>) -> Result<(), Broken> {
    let mended = model.mended(world)?;
    model.rest(&mended, way, |_| false).map(drop)
}

/// Leaves out of a way what the same promise is broken without, one step after the other.
fn shortest(model: &mut Model, broken: Broken, way: Vec<Action>) -> (Broken, Vec<Action>) {
    let mut found = (broken, way);
    let mut without = 0;
    while without < found.1.len() {
        let mut shorter = found.1.clone();
        shorter.remove(without);
        match again(model, &shorter) {
            Some(shorter) if shorter.0.promise == found.0.promise && shorter.1.len() < found.1.len() => {
                found = shorter;
                without = 0;
            }
            _ => without += 1,
        }
    }
    found
}

/// Goes a way again, where its steps are possible, and then leaves all in peace. Returns what is broken, and the way there.
fn again(model: &mut Model, wanted: &[Action]) -> Option<(Broken, Vec<Action>)> {
    let mut way = Vec::new();
    let Ok(mut world) = model.beginning() else { return None };
    for action in wanted {
        if !model.actions(&world).contains(action) {
            continue;
        }
        way.push(*action);
        match model.apply(&world, *action) {
            Ok(after) => world = after,
            Err(broken) => return Some((broken, way)),
        }
    }
    leave_in_peace(model, &world, &mut way).err().map(|broken| (broken, way))
}
