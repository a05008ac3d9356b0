//! What the windows of a load come to.

use std::fmt;

use serde_json::{Value, json};

use super::load::Load;
use crate::bench::statistics::{figure, median, percentile, rounded};

/// One side's window.
pub(super) struct Round {
    pub(super) seconds: f64,
    pub(super) latencies_ms: Vec<f64>,
    /// Of who places the rooms.
    pub(super) writes: f64,
    pub(super) operator_cpu_s: f64,
    pub(super) operator_rss_mib: f64,
    pub(super) double_placements: usize,
    pub(super) cpu_s: Value,
}

/// All windows of one load.
pub(super) struct Run {
    pub(super) load: Load,
    pub(super) rooms: usize,
    pub(super) ours: Vec<Round>,
    pub(super) raw: Vec<Round>,
}

impl Round {
    fn rate(&self) -> f64 {
        figure(self.latencies_ms.len()) / self.seconds
    }

    fn p50(&self) -> f64 {
        percentile(&self.latencies_ms, 0.50)
    }

    fn p99(&self) -> f64 {
        percentile(&self.latencies_ms, 0.99)
    }

    fn report(&self) -> Value {
        json!({
            "seconds": rounded(self.seconds),
            "p50_ms": rounded(self.p50()),
            "p99_ms": rounded(self.p99()),
            "max_ms": rounded(percentile(&self.latencies_ms, 1.0)),
            "writes": self.writes,
            "cpu_s": self.cpu_s,
        })
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0} rooms/s, p50 {:.1} ms, p99 {:.1} ms", self.rate(), self.p50(), self.p99())
    }
}

impl Run {
    pub(super) fn new(load: Load, rooms: usize) -> Self {
        Self { load, rooms, ours: Vec::new(), raw: Vec::new() }
    }

    pub(super) fn report(&self) -> Value {
        let of = |rounds: &[Round], figure: fn(&Round) -> f64| median(rounds.iter().map(figure));
        let ours = |figure| of(&self.ours, figure);
        let raw = |figure| of(&self.raw, figure);
        let rooms = figure(self.rooms);
        let mut report = json!({
            "rooms": self.rooms,
            "rooms_per_s": rounded(ours(Round::rate)),
            "raw_rooms_per_s": rounded(raw(Round::rate)),
            "ratio": rounded(ours(Round::rate) / raw(Round::rate)),
            "p50_ms": rounded(ours(Round::p50)),
            "p99_ms": rounded(ours(Round::p99)),
            "raw_p50_ms": rounded(raw(Round::p50)),
            "raw_p99_ms": rounded(raw(Round::p99)),
            "operator_writes_per_room": rounded(ours(|it| it.writes) / rooms),
            "raw_writes_per_room": rounded(raw(|it| it.writes) / rooms),
            "double_placements": self.ours.iter().map(|it| it.double_placements).sum::<usize>(),
            "operator_cpu_s": rounded(ours(|it| it.operator_cpu_s)),
            "operator_rss_mib": rounded(ours(|it| it.operator_rss_mib)),
            "rounds": {
                "ours": self.ours.iter().map(Round::report).collect::<Vec<_>>(),
                "raw": self.raw.iter().map(Round::report).collect::<Vec<_>>(),
            },
        });
        match self.load {
            Load::Concurrency(requesters) => report["concurrency"] = json!(requesters),
            Load::ArrivalsPerS(rate) => report["arrivals_per_s"] = json!(rate),
        }
        report
    }
}
