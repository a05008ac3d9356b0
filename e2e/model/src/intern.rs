//! Every state of a machine is kept once and has a number, and no machine is asked the same twice: so a history of the
//! whole world costs a few look-ups, and the machines run as often as there is something new to ask them.

use std::{
    collections::{HashMap, VecDeque},
    fmt::{self, Debug, Write as _},
    hash::{BuildHasherDefault, Hash, Hasher},
    rc::Rc,
};

/// The number of a thing that is kept.
pub type Id = u32;

/// 128 bits of whatever is written: two different states share them once in so many that it never happens.
#[derive(Clone, Debug)]
pub struct Digest {
    one: u64,
    other: u64,
}

impl Default for Digest {
    fn default() -> Self {
        Self { one: 0x243f_6a88_85a3_08d3, other: 0x1319_8a2e_0370_7344 }
    }
}

impl Digest {
    /// Of what can be hashed.
    pub fn of(thing: &impl Hash) -> u128 {
        let mut digest = Self::default();
        thing.hash(&mut digest);
        digest.bits()
    }

    /// Of what can be printed, where that says all.
    pub fn of_text(thing: &impl Debug) -> u128 {
        let mut digest = Self::default();
        // Into numbers: it cannot fail.
        let _ = write!(digest, "{thing:?}");
        digest.bits()
    }

    fn bits(&self) -> u128 {
        u128::from(self.one) << 64 | u128::from(self.other)
    }

    fn word(&mut self, word: u64) {
        self.one = (self.one ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.one ^= self.one >> 32;
        self.other = (self.other.rotate_left(23) ^ word).wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
        self.other ^= self.other >> 29;
    }
}

impl Hasher for Digest {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.word(u64::from_le_bytes(word));
        }
        self.word(bytes.len() as u64);
    }

    fn write_u8(&mut self, number: u8) {
        self.word(number.into());
    }

    fn write_u32(&mut self, number: u32) {
        self.word(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        self.word(number);
    }

    fn write_usize(&mut self, number: usize) {
        self.word(number as u64);
    }

    fn finish(&self) -> u64 {
        self.one ^ self.other.rotate_left(32)
    }
}

impl fmt::Write for Digest {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write(text.as_bytes());
        Ok(())
    }
}

/// A set of digests.
pub type Seen = std::collections::HashSet<u128, BuildHasherDefault<Digest>>;

/// A map whose keys are hashed fast. Nobody sends us keys.
pub type Map<K, V> = HashMap<K, V, BuildHasherDefault<Digest>>;

/// Things that can only be printed, each once.
pub struct Prints<T> {
    things: Vec<Rc<T>>,
    ids: Map<u128, Id>,
}

impl<T> Default for Prints<T> {
    fn default() -> Self {
        Self { things: Vec::new(), ids: Map::default() }
    }
}

impl<T: Debug> Prints<T> {
    /// The number of this thing.
    pub fn id(&mut self, thing: T) -> Id {
        let next = number(self.things.len());
        let id = *self.ids.entry(Digest::of_text(&thing)).or_insert(next);
        if id == next {
            self.things.push(Rc::new(thing));
        }
        id
    }

    /// The thing with this number.
    pub fn get(&self, id: Id) -> Rc<T> {
        self.things[id as usize].clone()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.things.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.things.is_empty()
    }
}

/// Things that can be compared, each once.
pub struct Pool<T> {
    things: Vec<Rc<T>>,
    ids: Map<Rc<T>, Id>,
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self { things: Vec::new(), ids: Map::default() }
    }
}

impl<T: Hash + Eq> Pool<T> {
    /// The number of this thing.
    pub fn id(&mut self, thing: T) -> Id {
        if let Some(id) = self.ids.get(&thing) {
            return *id;
        }
        let (id, thing) = (number(self.things.len()), Rc::new(thing));
        self.things.push(thing.clone());
        self.ids.insert(thing, id);
        id
    }

    /// The thing with this number.
    pub fn get(&self, id: Id) -> &Rc<T> {
        &self.things[id as usize]
    }
}

/// So many states of a machine are whole at once. A ledger has some 30 KiB.
const WHOLE_MAX: usize = 100_000;

/// A machine: its states, and what it did in each. Of most states only the way there is kept, by which they are found again:
/// there are millions, and few of them are asked for something new.
pub struct Machine<T, I, O> {
    ids: Map<u128, Id>,
    states: Vec<State<T, I>>,
    /// Those that are whole and need not be.
    recent: VecDeque<Id>,
    known: Map<(Id, I), Outcome<O>>,
}

struct State<T, I> {
    /// From which other one it was come to, and by what. `None`: it is given.
    origin: Option<(Id, I)>,
    whole: Option<Rc<T>>,
    /// It was asked for since it was looked at last whether it is to be forgotten.
    is_wanted: bool,
}

/// The state afterwards, and what the machine wants.
pub type Outcome<O> = (Id, Rc<[O]>);

impl<T, I, O> Default for Machine<T, I, O> {
    fn default() -> Self {
        Self { ids: Map::default(), states: Vec::new(), recent: VecDeque::new(), known: Map::default() }
    }
}

impl<T: Clone + Debug, I: Copy + Hash + Eq, O> Machine<T, I, O> {
    /// The number of a state that is given.
    pub fn id(&mut self, state: T) -> Id {
        self.take_in(state, None)
    }

    /// What it came to in this state by this input, if that was asked before.
    pub fn known(&self, id: Id, input: I) -> Option<Outcome<O>> {
        self.known.get(&(id, input)).cloned()
    }

    /// The state with this number. `run` is what the machine does, as for [`run`](Self::run).
    pub fn state(&mut self, id: Id, run: impl Fn(&mut T, I)) -> Rc<T> {
        let (mut way, mut from) = (Vec::new(), id);
        let mut state = loop {
            match &mut self.states[from as usize] {
                State { whole: Some(state), is_wanted, .. } => {
                    *is_wanted = true;
                    break state.clone();
                }
                State { origin: Some((before, input)), .. } => {
                    way.push((from, *input));
                    from = *before;
                }
                State { origin: None, .. } => unreachable!("what is given stays whole"),
            }
        };
        for (id, input) in way.into_iter().rev() {
            let mut next = (*state).clone();
            run(&mut next, input);
            state = Rc::new(next);
            self.keep(id, state.clone());
        }
        state
    }

    /// Lets it run: the state afterwards, and what it wants. To be noted, so that it is not asked again. Always the same for
    /// the same input.
    pub fn run<R>(&mut self, id: Id, input: I, run: impl Fn(&mut T, I) -> R) -> (Id, R) {
        let before = self.state(id, |it, input| drop(run(it, input)));
        let mut state = (*before).clone();
        let out = run(&mut state, input);
        (self.take_in(state, Some((id, input))), out)
    }

    /// Notes what it came to.
    pub fn note(&mut self, id: Id, input: I, after: Id, out: Vec<O>) -> Outcome<O> {
        let out: Rc<[O]> = out.into();
        self.known.insert((id, input), (after, out.clone()));
        (after, out)
    }

    /// States that it was in, and questions that it was asked.
    pub fn size(&self) -> (usize, usize) {
        (self.states.len(), self.known.len())
    }

    fn take_in(&mut self, state: T, origin: Option<(Id, I)>) -> Id {
        let next = number(self.states.len());
        let id = *self.ids.entry(Digest::of_text(&state)).or_insert(next);
        if id == next {
            self.states.push(State { origin, whole: None, is_wanted: false });
            self.keep(id, Rc::new(state));
        }
        id
    }

    /// Keeps a state whole, and forgets another one that was not asked for in a long time.
    fn keep(&mut self, id: Id, state: Rc<T>) {
        let kept = &mut self.states[id as usize];
        kept.whole = Some(state);
        if kept.origin.is_none() {
            return;
        }
        self.recent.push_back(id);
        while WHOLE_MAX < self.recent.len()
            && let Some(oldest) = self.recent.pop_front()
        {
            let state = &mut self.states[oldest as usize];
            if std::mem::take(&mut state.is_wanted) {
                self.recent.push_back(oldest);
            } else {
                state.whole = None;
            }
        }
    }
}

/// There are fewer than four thousand millions: memory ends before.
fn number(len: usize) -> Id {
    Id::try_from(len).unwrap_or(Id::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_forgotten_is_found_again_by_the_way_that_led_there() {
        let mut machine = Machine::<Vec<u32>, u32, ()>::default();
        let run = |it: &mut Vec<u32>, input| it.push(input);
        let nothing = machine.id(Vec::new());
        // A trunk, and so many twigs that it is forgotten.
        let mut trunk = vec![nothing];
        for step in 0..50 {
            trunk.push(machine.run(trunk[step as usize], step, run).0);
        }
        for twig in 0..2 * number(WHOLE_MAX) {
            machine.run(nothing, 100 + twig, run);
        }
        assert!(machine.states[trunk[50] as usize].whole.is_none(), "it is not forgotten");
        assert!(machine.recent.len() <= WHOLE_MAX);
        assert_eq!(*machine.state(trunk[50], run), (0..50).collect::<Vec<_>>());
        assert_eq!(machine.run(trunk[49], 49, run).0, trunk[50], "it has the same number");
    }
}
