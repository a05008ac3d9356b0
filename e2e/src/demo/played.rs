//! What was seen, for people and for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::bots::Played as Bot;

/// What was seen of a room.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) name: String,
    /// The server's pod.
    pub(super) server: String,
    /// From its creation until its address could be read.
    pub(super) placed: Duration,
    /// Its status says that it was played to its end.
    pub(super) is_finished: bool,
    /// Of a room whose server was killed: from then until its new address could be read.
    pub(super) back: Option<Duration>,
    /// CPU of its server for each of the server's rooms, in percent of a core; of servers on nodes of ours.
    pub(super) cpu_percent: Option<f64>,
    pub(super) bots: Vec<Bot>,
}

/// What was seen.
#[derive(Debug)]
pub struct Played {
    pub(super) rooms: Vec<Room>,
}

impl Room {
    /// Whether all bots saw a match without fault to its end.
    fn is_verified(&self) -> bool {
        self.is_finished && !self.bots.is_empty() && self.bots.iter().all(|it| it.verified && it.ended)
    }

    fn round_trips(&self) -> Vec<f64> {
        sorted(self.bots.iter().flat_map(|it| it.rtt_ms.iter().copied()))
    }

    fn loss_percent(&self) -> f64 {
        let sum = |of: fn(&Bot) -> u64| figure(self.bots.iter().map(of).sum());
        100.0 * sum(|it| it.packets_lost) / sum(|it| it.packets_sent).max(1.0)
    }

    fn max_gap(&self) -> u64 {
        self.bots.iter().map(|it| it.max_gap_ticks).max().unwrap_or_default()
    }
}

impl Played {
    /// Whether every match was played to its end, and everything that was checked was right.
    pub fn is_verified(&self) -> bool {
        self.rooms.iter().all(Room::is_verified)
    }

    /// A table for people.
    pub fn table(&self) -> String {
        let mut table = format!(
            "{:<12}{:<22}{:>10}{:>9}{:>11}{:>10}{:>10}{:>8}{:>9}{:>7}{:>10}  {}\n",
            "ROOM",
            "SERVER",
            "PLACED IN",
            "PLAYERS",
            "VERIFIED",
            "RTT P50",
            "RTT P99",
            "LOSS",
            "MAX GAP",
            "CPU",
            "BACK IN",
            "WINNER"
        );
        for room in &self.rooms {
            let round_trips = room.round_trips();
            let verified = room.bots.iter().filter(|it| it.verified).count();
            let cpu = room.cpu_percent.map_or_else(|| "-".to_owned(), |it| format!("{it:.1} %"));
            let back = room.back.map_or_else(|| "-".to_owned(), |it| format!("{} ms", it.as_millis()));
            let winner = room.bots.iter().find_map(|it| it.winner.clone()).unwrap_or_default();
            // Writing to a text cannot fail.
            let _ = writeln!(
                table,
                "{:<12}{:<22}{:>7} ms{:>9}{:>5} of {:>2}{:>7.1} ms{:>7.1} ms{:>6.2} %{:>9}{cpu:>7}{back:>10}  {winner}",
                room.name,
                room.server,
                room.placed.as_millis(),
                room.bots.len(),
                verified,
                room.bots.len(),
                quantile(&round_trips, 0.5),
                quantile(&round_trips, 0.99),
                room.loss_percent(),
                room.max_gap(),
            );
        }
        table.push_str("\nGaps are in ticks, 30 a second. CPU is that of the room's server, by its rooms, in percent of a core. BACK IN is of matches whose server was killed: until their new address could be read.\n");
        for (bot, why) in self.troubles() {
            let _ = writeln!(table, "  {bot}: {why}");
        }
        table
    }

    /// Bots that did not see what they should, and what they saw.
    fn troubles(&self) -> BTreeMap<String, String> {
        let wrong = self.rooms.iter().flat_map(|it| &it.bots).filter(|it| !it.verified || !it.ended);
        wrong
            .map(|it| {
                let why = it.why.clone().unwrap_or_else(|| {
                    format!(
                        "{} ticks, {} checkpoints, ended: {}",
                        it.ticks, it.checkpoints_verified, it.ended
                    )
                });
                (format!("{} in {}", it.player, it.room), why)
            })
            .collect()
    }

    /// An object for programs.
    pub fn json(&self, seconds: f64) -> Value {
        let bots: Vec<&Bot> = self.rooms.iter().flat_map(|it| &it.bots).collect();
        let round_trips = sorted(bots.iter().flat_map(|it| it.rtt_ms.iter().copied()));
        let placed = sorted(self.rooms.iter().map(|it| it.placed.as_secs_f64() * 1000.0));
        let back = self.rooms.iter().filter_map(|it| it.back);
        let back = sorted(back.map(|it| it.as_secs_f64() * 1000.0));
        let (bytes, ticks) = (sum(&bots, |it| it.bytes_received), sum(&bots, |it| it.ticks));
        json!({
            "matches": self.rooms.len(),
            "verified": self.rooms.iter().filter(|it| it.is_verified()).count(),
            "bots": bots.len(),
            "bots_verified": bots.iter().filter(|it| it.verified).count(),
            "checkpoints_verified": sum(&bots, |it| it.checkpoints_verified),
            "disconnects": sum(&bots, |it| it.disconnects),
            "max_gap_ticks": bots.iter().map(|it| it.max_gap_ticks).max(),
            "rtt_p50_ms": quantile(&round_trips, 0.5),
            "rtt_p99_ms": quantile(&round_trips, 0.99),
            "placed_p50_ms": quantile(&placed, 0.5).round(),
            "killed": back.len(),
            "back_p50_ms": quantile(&back, 0.5).round(),
            "back_max_ms": quantile(&back, 1.0).round(),
            "bytes_down_per_player_and_tick": (10.0 * figure(bytes) / figure(ticks).max(1.0)).round() / 10.0,
            "seconds": (seconds * 10.0).round() / 10.0,
        })
    }
}

fn sum(bots: &[&Bot], of: fn(&Bot) -> u64) -> u64 {
    bots.iter().map(|it| of(it)).sum()
}

fn sorted(figures: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut all: Vec<f64> = figures.collect();
    all.sort_by(f64::total_cmp);
    all
}

/// Of sorted figures, the one below which this share of them is.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "there are fewer than millions of them, and none is negative"
)]
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let index = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(index.clamp(1, sorted.len().max(1)) - 1).copied().unwrap_or_default()
}

#[allow(clippy::cast_precision_loss, reason = "counts of a minute")]
fn figure(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bot(verified: bool, ended: bool) -> Bot {
        Bot {
            room: "match-1".to_owned(),
            player: "bot-0".to_owned(),
            verified,
            ended,
            why: None,
            disconnects: 0,
            ticks: 100,
            checkpoints_verified: 3,
            max_gap_ticks: 2,
            packets_sent: 200,
            packets_lost: 1,
            bytes_received: 9000,
            datagrams_received: 100,
            snapshot_bytes: 6000,
            bytes_sent: 7000,
            datagrams_sent: 100,
            rtt_ms: vec![1.0, 3.0],
            winner: None,
        }
    }

    fn played(bots: Vec<Bot>, is_finished: bool) -> Played {
        let (name, server) = ("match-1".to_owned(), "arena-1".to_owned());
        let placed = Duration::from_millis(12);
        Played {
            rooms: vec![Room { name, server, placed, is_finished, back: None, cpu_percent: None, bots }],
        }
    }

    #[test]
    fn a_match_is_verified_if_all_its_bots_saw_it_end_and_nothing_wrong() {
        assert!(played(vec![bot(true, true)], true).is_verified());
        assert!(!played(vec![bot(true, true), bot(false, true)], true).is_verified());
        assert!(!played(vec![bot(true, false)], true).is_verified());
        assert!(!played(vec![bot(true, true)], false).is_verified());
        assert!(!played(Vec::new(), true).is_verified());
    }

    #[test]
    fn programs_are_told_what_people_are_told() {
        let it = played(vec![bot(true, true), bot(false, true)], true);
        let json = it.json(61.23);
        assert_eq!((&json["matches"], &json["verified"], &json["bots"]), (&json!(1), &json!(0), &json!(2)));
        assert_eq!(
            (&json["max_gap_ticks"], &json["rtt_p99_ms"], &json["seconds"]),
            (&json!(2), &json!(3.0), &json!(61.2))
        );
        assert!(it.table().contains("bot-0 in match-1: 100 ticks"));
    }

    #[test]
    fn a_quantile_is_one_of_the_figures() {
        assert!((quantile(&[1.0, 2.0, 3.0, 4.0], 0.5) - 2.0).abs() < 1e-9);
        assert!((quantile(&[1.0, 2.0, 3.0, 4.0], 0.99) - 4.0).abs() < 1e-9);
        assert!(quantile(&[], 0.5).abs() < 1e-9);
    }
}
