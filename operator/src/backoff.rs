//! How long to wait after failures in a row: doubling, with a ceiling.

use std::time::Duration;

/// A schedule of pauses.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// The pause after the first failure.
    pub first: Duration,
    /// No pause is longer.
    pub ceiling: Duration,
}

impl Backoff {
    /// For calls to the API server.
    pub const API: Self = Self { first: Duration::from_millis(250), ceiling: Duration::from_secs(30) };

    /// The pause after `failures` failures in a row; none after none.
    pub fn after(&self, failures: u32) -> Duration {
        match failures {
            0 => Duration::ZERO,
            n => self.first.saturating_mul(2_u32.saturating_pow(n - 1)).min(self.ceiling),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_ceiling() {
        let pauses: Vec<u128> =
            [0, 1, 2, 3, 20, u32::MAX].map(|it| Backoff::API.after(it).as_millis()).into();
        assert_eq!(pauses, [0, 250, 500, 1000, 30_000, 30_000]);
    }
}
