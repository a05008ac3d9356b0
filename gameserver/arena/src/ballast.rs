//! Weight: state that is saved and shown to nobody, so that a small game stands for one with much to save.

use crate::{
    random::Random,
    state::{Malformed, read::Reader},
};

/// The most that a room may ask for. With it, a state is still one that the checkpoint store takes.
pub const BALLAST_BYTES_MAX: u32 = 768 * 1024;

/// Words that change in a tick: most of a state stays what it was, in other games too.
const CHANGES: usize = 8;

/// Bytes of no meaning, of which a few change in every tick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ballast {
    random: Random,
    words: Vec<u64>,
}

impl Ballast {
    /// As many bytes, down to a multiple of eight.
    pub(crate) fn new(bytes: u32, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let words = (0..bytes / 8).map(|_| random.draw()).collect();
        Self { random, words }
    }

    pub(crate) fn step(&mut self) {
        let Some(count) = u64::try_from(self.words.len()).ok().filter(|it| 0 < *it) else { return };
        for _ in 0..CHANGES {
            let (place, word) = (self.random.draw() % count, self.random.draw());
            if let Some(place) = usize::try_from(place).ok().and_then(|it| self.words.get_mut(it)) {
                *place = word;
            }
        }
    }

    /// From which all that it will be follows, given what it is.
    pub(crate) fn write_source(&self, out: &mut Vec<u8>) {
        out.extend(self.random.state().to_le_bytes());
    }

    pub(crate) fn write_words(&self, out: &mut Vec<u8>) {
        out.reserve(self.words.len() * size_of::<u64>());
        self.words.iter().for_each(|it| out.extend(it.to_le_bytes()));
    }

    /// The source and the words behind it, so many bytes of them.
    pub(crate) fn read(reader: &mut Reader<'_>, bytes: u32) -> Result<Self, Malformed> {
        let state = u64::from_le_bytes(reader.array()?);
        if state == 0 {
            return Err(Malformed::Value("random source"));
        }
        let words = (0..bytes / 8).map(|_| Ok(u64::from_le_bytes(reader.array()?)));
        Ok(Self { random: Random::new(state), words: words.collect::<Result<_, Malformed>>()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_changes_slowly_and_goes_on_from_where_it_was_saved() {
        let mut ballast = Ballast::new(65_536, 7);
        let before = ballast.words.clone();
        for _ in 0..100 {
            ballast.step();
        }
        let changed = ballast.words.iter().zip(&before).filter(|(now, then)| now != then).count();
        assert!((700..=800).contains(&changed), "{changed} of {}", before.len());
        let mut bytes = Vec::new();
        ballast.write_source(&mut bytes);
        ballast.write_words(&mut bytes);
        assert_eq!(bytes.len(), 8 + 65_536);
        let mut read = Ballast::read(&mut Reader(&bytes), 65_536).unwrap();
        read.step();
        ballast.step();
        assert_eq!(read, ballast);
        assert!(Ballast::read(&mut Reader(&bytes[..bytes.len() - 1]), 65_536).is_err());
        Ballast::new(0, 7).step();
    }
}
