//! Every state of a machine is kept once and has a number, and no machine is asked the same twice: so a history of the
//! whole world costs a few look-ups, and the machines run as often as there is something new to ask them.

use std::{
    collections::HashMap,
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

/// A machine: its states, and what it did in each.
pub struct Machine<T, I, O> {
    states: Prints<T>,
    known: Map<(Id, I), Outcome<O>>,
}

/// The state afterwards, and what the machine wants.
pub type Outcome<O> = (Id, Rc<[O]>);

impl<T, I, O> Default for Machine<T, I, O> {
    fn default() -> Self {
        Self { states: Prints::default(), known: Map::default() }
    }
}

impl<T: Clone + Debug, I: Copy + Hash + Eq, O> Machine<T, I, O> {
    /// The number of this state.
    pub fn id(&mut self, state: T) -> Id {
        self.states.id(state)
    }

    /// The state with this number.
    pub fn get(&self, id: Id) -> Rc<T> {
        self.states.get(id)
    }

    /// What it came to in this state by this input, if that was asked before.
    pub fn known(&self, id: Id, input: I) -> Option<Outcome<O>> {
        self.known.get(&(id, input)).cloned()
    }

    /// Lets it run: the state afterwards, and what it wants. To be noted, so that it is not asked again.
    pub fn run<R>(&mut self, id: Id, run: impl FnOnce(&mut T) -> R) -> (Id, R) {
        let mut state = (*self.states.get(id)).clone();
        let out = run(&mut state);
        (self.states.id(state), out)
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
}

/// There are fewer than four thousand millions: memory ends before.
fn number(len: usize) -> Id {
    Id::try_from(len).unwrap_or(Id::MAX)
}
