//! How long to wait after failures.

use std::time::Duration;

/// After the first failure: a dropped connection is back at once.
const FIRST: Duration = Duration::from_millis(50);

/// The longest pause: what comes back is found within a second.
pub(crate) const LONGEST: Duration = Duration::from_secs(1);

/// The pause after so many failures in a row. Nothing before the first one.
pub(crate) fn pause_after(failures: u32) -> Duration {
    match failures.checked_sub(1) {
        None => Duration::ZERO,
        Some(doublings) => FIRST.saturating_mul(1 << doublings.min(16)).min(LONGEST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_second() {
        let pauses: Vec<_> = (0..=7).map(|it| pause_after(it).as_millis()).collect();
        assert_eq!(pauses, [0, 50, 100, 200, 400, 800, 1000, 1000]);
        assert_eq!(pause_after(u32::MAX), LONGEST);
    }
}
