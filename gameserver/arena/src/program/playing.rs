//! One bot in one room, from the first connection to the end of the match.

use std::time::Duration;

use arena::{
    bot::Bot,
    checker::{Checker, REWIND_TICKS},
    intake::WAITING_MAX,
};
use gamekeeper_client::{Event, Place, Player, Stay, quinn};
use serde::Serialize;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::notes::{Notes, Shown};

/// Between two measurements of the round trip.
const MEASURE_EVERY: Duration = Duration::from_secs(1);

/// How long a server may take to notice that a bot goes.
const FAREWELL: Duration = Duration::from_millis(500);

/// Measurements of one bot: an hour.
const MEASURED_MAX: usize = 3600;

/// What became of a bot.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Played {
    pub(crate) room: String,
    pub(crate) player: String,
    /// Everything that was checked was right, and it was not nothing.
    pub(crate) verified: bool,
    /// It saw the end of the match.
    pub(crate) ended: bool,
    /// Why it did not play, or not to the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
    pub(crate) disconnects: u64,
    pub(crate) ticks: u64,
    pub(crate) checkpoints_verified: u64,
    pub(crate) gaps: u64,
    pub(crate) max_gap_ticks: u64,
    /// Times that another server went on, from an earlier tick.
    pub(crate) takeovers: u64,
    /// The most ticks that were lost by that.
    pub(crate) max_rewind_ticks: u64,
    /// Takeovers that lost more than they may.
    pub(crate) far_rewinds: u64,
    /// Inputs that had arrived and were lost with a server.
    pub(crate) lost_inputs: u64,
    pub(crate) out_of_order: u64,
    pub(crate) missing_inputs: u64,
    pub(crate) input_differences: u64,
    pub(crate) hash_differences: u64,
    pub(crate) state_differences: u64,
    pub(crate) malformed: u64,
    pub(crate) inputs: u64,
    pub(crate) packets_sent: u64,
    pub(crate) packets_lost: u64,
    pub(crate) bytes_received: u64,
    pub(crate) datagrams_received: u64,
    pub(crate) snapshot_bytes: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) datagrams_sent: u64,
    /// One a second.
    pub(crate) rtt_ms: Vec<f64>,
    /// What the game said at the end.
    pub(crate) winner: Option<String>,
}

/// A bot that plays.
pub(crate) struct Playing {
    player: Player,
    brain: Option<(Bot, Checker)>,
    seed: u64,
    played: Played,
    measured: Instant,
    rewind: u32,
    /// The number in the newest input.
    newest: u8,
    notes: Option<Notes>,
}

impl Playing {
    pub(crate) fn new(
        endpoint: quinn::Endpoint,
        stay: Stay,
        place: Place,
        seed: u64,
        played: Played,
    ) -> Self {
        let player = Player::join(endpoint, stay, place);
        let measured = Instant::now();
        Self { player, brain: None, seed, played, measured, rewind: REWIND_TICKS, newest: 0, notes: None }
    }

    /// So many ticks may be lost with a server.
    pub(crate) fn allowing(self, rewind: u32) -> Self {
        Self { rewind, ..self }
    }

    /// With a journal.
    pub(crate) fn noting(self, notes: Option<Notes>) -> Self {
        Self { notes, ..self }
    }

    /// Plays until the match is over, or it is told to leave.
    pub(crate) async fn run(mut self, leave: CancellationToken) -> Played {
        loop {
            tokio::select! {
                event = self.player.next() => {
                    if self.on(event) {
                        return self.done();
                    }
                }
                () = leave.cancelled() => return self.leave().await,
            }
        }
    }

    /// Whether it is over.
    fn on(&mut self, event: Event) -> bool {
        match event {
            Event::Joined(joined) => {
                let seat = u8::try_from(joined.seat).unwrap_or(u8::MAX);
                // Who comes back by another connection sits where it sat.
                let brain = || (Bot::new(seat, self.seed), Checker::new(seat).allowing(self.rewind));
                let (_, checker) = self.brain.get_or_insert_with(brain);
                checker.joined(joined.epoch, joined.tick, joined.input_ack);
                self.note(|it| it.joined(&joined));
            }
            Event::Shown { tick } => self.play(tick),
            Event::Message(_) | Event::Redirected(_) => (),
            Event::Lost => {
                self.played.disconnects += 1;
                self.note(|it| it.happened("lost"));
            }
            Event::Refused(refused) => {
                self.played.why = Some(format!("refused: {:?}: {}", refused.why, refused.message));
                return true;
            }
            Event::Ended(result) => {
                self.played.ended = true;
                self.played.winner = result.get("winner").cloned();
                return true;
            }
            Event::Left => return true,
            Event::Replaced => {
                self.played.why = Some("another program plays with the same secret".to_owned());
                return true;
            }
            Event::GaveUp => {
                self.played.why = Some("the room is not to be found".to_owned());
                return true;
            }
        }
        false
    }

    /// Looks at what is shown, checks it, and does something.
    fn play(&mut self, tick: u64) {
        let Some((bot, checker)) = &mut self.brain else { return };
        // What is wrong with it, the checker has counted.
        let Ok(world) = checker.shown(tick, self.player.shown()) else { return };
        let checkpoint = world.checkpoint();
        let input = bot.next_input(world);
        // What the game would drop is better not sent.
        if checker.in_flight() < WAITING_MAX && self.player.input(&input.to_bytes()).is_ok() {
            self.played.inputs += 1;
            checker.sent(input);
            self.newest = input.number;
        }
        let (sent, newest) = (self.played.inputs, self.newest);
        let (acknowledged, verified) = (self.player.acknowledged(), checker.counts().checkpoints_verified);
        if let Some(notes) = &mut self.notes {
            notes.shown(&Shown { tick, sent, newest, acknowledged });
            notes.verified(verified, checkpoint);
        }
        if MEASURE_EVERY <= self.measured.elapsed() && self.played.rtt_ms.len() < MEASURED_MAX {
            self.measured = Instant::now();
            let round_trip = self.player.statistics().round_trip.as_secs_f64();
            self.played.rtt_ms.push((round_trip * 1e5).round() / 100.0);
            self.note_path();
        }
    }

    /// Of the connection in use; its counts are gone with it.
    fn note_path(&mut self) {
        let path = self.player.statistics();
        self.played.snapshot_bytes = path.snapshot_bytes;
        if 0 < path.packets_sent {
            self.played.packets_sent = path.packets_sent;
            self.played.packets_lost = path.packets_lost;
            self.played.datagrams_received = path.datagrams_received;
            self.played.bytes_received = path.bytes_received;
            self.played.datagrams_sent = path.datagrams_sent;
            self.played.bytes_sent = path.bytes_sent;
        }
    }

    fn note(&mut self, note: impl FnOnce(&mut Notes)) {
        if let Some(notes) = &mut self.notes {
            note(notes);
        }
    }

    async fn leave(mut self) -> Played {
        self.note_path();
        self.player.leave();
        // Until it has arrived, or a moment.
        let _ =
            tokio::time::timeout(FAREWELL, async { while self.player.next().await != Event::Left {} }).await;
        self.done()
    }

    fn done(mut self) -> Played {
        self.note_path();
        if let Some((_, checker)) = &self.brain {
            let verdict = checker.verdict();
            let counts = verdict.counts;
            self.played.verified = verdict.verified;
            self.played.ticks = counts.ticks;
            self.played.checkpoints_verified = counts.checkpoints_verified;
            self.played.gaps = counts.gaps;
            self.played.max_gap_ticks = counts.longest_gap;
            self.played.takeovers = counts.takeovers;
            self.played.max_rewind_ticks = counts.longest_rewind;
            self.played.far_rewinds = counts.far_rewinds;
            self.played.lost_inputs = counts.lost_inputs;
            self.played.out_of_order = counts.out_of_order;
            self.played.missing_inputs = counts.missing_inputs;
            self.played.input_differences = counts.input_differences;
            self.played.hash_differences = counts.hash_differences;
            self.played.state_differences = counts.state_differences;
            self.played.malformed = counts.malformed;
        }
        let played = &self.played;
        if let Some(notes) = &self.notes {
            notes.done(played);
        }
        self.played
    }
}
