//! How good the path to the server is.

use std::time::Duration;

/// How good the path is, and what became of what was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Statistics {
    /// A round trip, smoothed; of the connection in use.
    pub round_trip: Duration,
    /// QUIC packets that we sent, and how many of them were lost; of the connection in use.
    pub packets_sent: u64,
    /// See [`packets_sent`](Self::packets_sent).
    pub packets_lost: u64,
    /// UDP datagrams and bytes that came in; of the connection in use.
    pub datagrams_received: u64,
    /// See [`datagrams_received`](Self::datagrams_received).
    pub bytes_received: u64,
    /// UDP datagrams and bytes that went out; of the connection in use.
    pub datagrams_sent: u64,
    /// See [`datagrams_sent`](Self::datagrams_sent).
    pub bytes_sent: u64,
    /// Bytes of all datagrams with snapshots, without what QUIC adds; over all connections.
    pub snapshot_bytes: u64,
    /// Snapshots that were shown, over all connections.
    pub shown: u64,
    /// Ticks of which nothing was shown, between two that were.
    pub gap_ticks: u64,
    /// The longest row of those.
    pub longest_gap_ticks: u64,
    /// How often the connection was lost.
    pub losses: u64,
    /// Inputs of which nobody knows whether they arrived.
    pub inputs_given_up: u64,
}

impl Statistics {
    /// Something was shown after a tick, and before that after `last`.
    pub(crate) fn showed(&mut self, tick: u64, last: Option<u64>) {
        self.shown += 1;
        let gap = last.map_or(0, |it| tick.saturating_sub(it).saturating_sub(1));
        self.gap_ticks += gap;
        self.longest_gap_ticks = self.longest_gap_ticks.max(gap);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_the_ticks_between_two_that_were_shown() {
        let mut it = Statistics::default();
        for (tick, last) in [(1, None), (2, Some(1)), (5, Some(2)), (7, Some(5))] {
            it.showed(tick, last);
        }
        assert_eq!((it.shown, it.gap_ticks, it.longest_gap_ticks), (4, 3, 2));
    }
}
