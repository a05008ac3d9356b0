//! What was seen, for people and for programs.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::Match;

/// What was seen.
#[derive(Debug)]
pub struct Played {
    /// Rooms, with the time that each took to be placed.
    placed: Vec<(String, Duration)>,
    /// The first of them lost its server and began afresh after this time.
    replayed: Duration,
}

impl Played {
    pub(super) fn new(matches: &[Match], replayed: Duration) -> Self {
        Self { placed: matches.iter().map(|it| (it.room.clone(), it.placed)).collect(), replayed }
    }

    /// A table for people.
    pub fn table(&self) -> String {
        let mut table =
            format!("{:<12}{:>12}  {}\n", "ROOM", "PLACED IN", "AFTER KILL -9 PLAYABLE ELSEWHERE IN");
        for (number, (room, placed)) in self.placed.iter().enumerate() {
            let replayed =
                if number == 0 { format!("{} ms", self.replayed.as_millis()) } else { "-".to_owned() };
            let placed = format!("{} ms", placed.as_millis());
            // Writing to a text cannot fail.
            let _ = writeln!(table, "{room:<12}{placed:>12}  {replayed}");
        }
        table
    }

    /// An object for programs.
    pub fn json(&self, seconds: f64) -> Value {
        let mut placed: Vec<_> = self.placed.iter().map(|(_, placed)| millis(*placed)).collect();
        placed.sort_by(f64::total_cmp);
        json!({
            "rooms": placed.len(),
            "placed_ms": { "p50": placed.get(placed.len() / 2), "max": placed.last() },
            "replayed_ms": millis(self.replayed),
            // The story does not come to its end before all of them are.
            "finished": placed.len(),
            "seconds": (seconds * 10.0).round() / 10.0,
        })
    }
}

fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}
