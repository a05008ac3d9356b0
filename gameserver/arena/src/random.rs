//! A random source that is part of the state: what it gives next is saved and shown with everything else.

/// Numbers that nobody guesses by accident: xorshift64, Marsaglia's triple 13, 7, 17.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Random(u64);

impl Random {
    /// Of this seed. Zero would give zeroes for ever, so it stands for another number.
    pub fn new(seed: u64) -> Self {
        Self(if seed == 0 { 0x9e37_79b9_7f4a_7c15 } else { seed })
    }

    /// From which it goes on.
    pub(crate) fn state(self) -> u64 {
        self.0
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        let mut it = self.0;
        it ^= it << 13;
        it ^= it >> 7;
        it ^= it << 17;
        self.0 = it;
        // The low bits of a xorshift are its weakest, and who draws takes the remainder of a division.
        it >> 11
    }

    /// The next number, below this one. The numbers in use are so small that the remainder favours none.
    pub fn below(&mut self, limit: u8) -> u8 {
        u8::try_from(self.draw() % u64::from(limit.max(1))).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let draw = |seed| {
            let mut random = Random::new(seed);
            [random.draw(), random.draw(), random.draw()]
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        assert_ne!(draw(0), [0, 0, 0]);
    }

    #[test]
    fn all_small_numbers_come() {
        let mut random = Random::new(1);
        let mut seen = [0; 8];
        (0..800).for_each(|_| seen[usize::from(random.below(8))] += 1);
        assert!(seen.iter().all(|it| (60..140).contains(it)), "{seen:?}");
    }
}
