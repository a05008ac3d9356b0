//! All histories within the bounds: each world once, the shortest way to it first.

use std::{collections::VecDeque, fmt, time::Duration};

use tokio::time::Instant;

use crate::{
    actions::Action,
    bounds::{Bounds, Rule},
    intern::{Digest, Seen},
    model::Model,
    scene::Broken,
    world::World,
};

/// What came of a search.
pub struct Found {
    /// Worlds that were visited.
    pub states: usize,
    /// Steps from one to another.
    pub steps: usize,
    /// The longest of the shortest ways to a world.
    pub depth: usize,
    /// Worlds that were left in peace, to see whether they come to rest.
    pub rested: usize,
    /// How long it took.
    pub took: Duration,
    /// All worlds within the bounds were visited.
    pub is_complete: bool,
    /// What the machines were asked.
    pub machines: String,
    /// What is wrong, and the shortest way there.
    pub broken: Option<(Broken, Vec<Action>)>,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { states, steps, depth, rested, took, is_complete, machines, broken } = self;
        let all = if *is_complete { "all" } else { "not all" };
        let seconds = took.as_secs_f64();
        write!(
            f,
            "{states} states visited ({all}), {steps} steps, depth {depth}, {rested} left in peace, {seconds:.1} s; {machines}"
        )?;
        broken.as_ref().map_or(Ok(()), |(broken, way)| tell(f, broken, way))
    }
}

/// What is wrong, and every step on the way there.
pub fn tell(f: &mut fmt::Formatter<'_>, broken: &Broken, way: &[Action]) -> fmt::Result {
    write!(f, "\n{broken}")?;
    for (number, action) in (1..).zip(way) {
        write!(f, "\n{number:4}. {action}")?;
    }
    Ok(())
}

struct Search {
    model: Model,
    /// Visited, with the number of each.
    known: Seen,
    /// How each was come to first.
    ways: Vec<(u32, Action)>,
    waiting: VecDeque<(u32, u16, World)>,
    /// On the way to rest.
    peaceful: Seen,
    found: Found,
}

/// Visits all worlds within the bounds.
pub fn search(bounds: Bounds, rule: Rule) -> Found {
    let started = Instant::now();
    let found = Found {
        states: 0,
        steps: 0,
        depth: 0,
        rested: 0,
        took: Duration::ZERO,
        is_complete: false,
        machines: String::new(),
        broken: None,
    };
    let mut search = Search {
        model: Model::new(bounds, rule),
        known: Seen::default(),
        ways: Vec::new(),
        waiting: VecDeque::new(),
        peaceful: Seen::default(),
        found,
    };
    match search.model.beginning() {
        Err(broken) => search.found.broken = Some((broken, Vec::new())),
        Ok(world) => {
            search.visit(world, 0, Action::Pass, 0);
            search.run(bounds.states);
        }
    }
    let Search { model, ways, mut found, .. } = search;
    found.states = ways.len();
    found.machines = model.sizes();
    found.took = started.elapsed();
    found
}

impl Search {
    fn visit(&mut self, world: World, from: u32, action: Action, depth: u16) {
        if self.known.insert(Digest::of(&world)) {
            let number = u32::try_from(self.ways.len()).unwrap_or(u32::MAX);
            self.ways.push((from, action));
            self.waiting.push_back((number, depth, world));
            self.found.depth = depth.into();
        }
    }

    fn run(&mut self, limit: usize) {
        while let Some((number, depth, world)) = self.waiting.pop_front() {
            let actions = self.model.actions(&world);
            let mut rest = Vec::new();
            if self.model.is_last(&world, &actions)
                && let Err(broken) = self.leave_in_peace(&world, &mut rest)
            {
                return self.tell(broken, number, &rest);
            }
            for action in actions {
                self.found.steps += 1;
                match self.model.apply(&world, action) {
                    Ok(after) => self.visit(after, number, action, depth + 1),
                    Err(broken) => return self.tell(broken, number, &[action]),
                }
            }
            if limit <= self.ways.len() {
                return;
            }
        }
        self.found.is_complete = true;
    }

    fn leave_in_peace(&mut self, world: &World, rest: &mut Vec<Action>) -> Result<(), Broken> {
        let mended = self.model.mended(world)?;
        let peaceful = &self.peaceful;
        let way = self.model.rest(&mended, rest, |it| peaceful.contains(&Digest::of(it)))?;
        if !way.is_empty() {
            self.found.rested += 1;
        }
        self.peaceful.extend(way.iter().map(Digest::of));
        Ok(())
    }

    fn tell(&mut self, broken: Broken, mut number: u32, last: &[Action]) {
        let mut way: Vec<Action> = last.iter().rev().copied().collect();
        while number != 0 {
            let (from, action) = self.ways[number as usize];
            way.push(action);
            number = from;
        }
        way.reverse();
        self.found.broken = Some((broken, way));
    }
}

impl Model {
    /// Time is over, and nothing has to be done: what may happen next is trouble.
    pub fn is_last(&mut self, world: &World, actions: &[Action]) -> bool {
        !actions.contains(&Action::Pass) && self.duties(world).is_empty()
    }

    /// A leader that has heard all servers; and unless it is to be fresh, every room is played somewhere.
    pub fn beginning(&mut self) -> Result<World, Broken> {
        let bounds = self.bounds;
        let mut world = self.nothing();
        world.left = crate::world::Left::NONE;
        world.now -= 1;
        let pass = self.apply(&world, Action::Pass)?;
        world = pass;
        // The first candidate leads: the other one finds the lease taken.
        for action in [Action::Stand(0), Action::Claim(0)] {
            world = self.apply(&world, action)?;
        }
        if !bounds.is_fresh {
            while let Some(duty) = self.duties(&world).first() {
                world = self.apply(&world, *duty)?;
            }
        }
        world.left = crate::world::Left::of(&bounds);
        Ok(world)
    }
}
