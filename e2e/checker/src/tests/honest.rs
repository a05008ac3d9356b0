//! Runs as they should be.

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use crate::{
    journals::{Journal, Line, Seat},
    record::{Fault, Record, Step},
};

pub(super) const FENCE_MS: u64 = 1000;
pub(super) const INTERVAL_MS: u64 = 100;

/// Milliseconds from an operator's doubt until it is sure.
pub(super) const SURE_AFTER: u32 = 5;

/// Ticks between two checkpoints.
const SAVED_EVERY: u64 = 3;

pub(super) const MS: u64 = 1_000_000;
const TICK: u64 = 33 * MS;

/// A run, and what is to be measured in it.
pub(super) struct Run {
    pub(super) journals: Vec<Journal>,
    pub(super) record: Record,
    /// Of each room that was hit, in the order of the faults: ticks that were lost, and milliseconds until all play.
    pub(super) expected: Vec<(u64, u64)>,
}

/// A room while it is played.
struct Live {
    uid: String,
    server: usize,
    epoch: i64,
    tick: u64,
    ns: u64,
    hash: u64,
    /// Of each tick: the hash after it, and up to which input each player was heard.
    past: Vec<(u64, [u64; 2])>,
    sent: [u64; 2],
}

struct Writer {
    random: StdRng,
    servers: Vec<Vec<Line>>,
    bots: Vec<Line>,
}

pub(super) fn run(seed: u64) -> Run {
    let mut writer = Writer { random: StdRng::seed_from_u64(seed), servers: Vec::new(), bots: Vec::new() };
    let mut rooms: Vec<Live> = (0..3).map(|it| writer.open(it)).collect();
    let (mut record, mut expected) = (Record::default(), Vec::new());
    let mut now = 5_000 * MS;
    for round in 1..=3 {
        now += writer.random.random_range(2_000..9_000) * MS;
        rooms.iter_mut().for_each(|it| writer.play(it, now));
        let server = rooms[writer.random.random_range(0..rooms.len())].server;
        let hit = |it: &&mut Live| it.server == server;
        let mut uids = Vec::new();
        let noticed = writer.random.random_range(20..300);
        for room in rooms.iter_mut().filter(hit) {
            uids.push(room.uid.clone());
            expected.push(writer.recover(room, now, noticed));
        }
        record.faults.push(Fault {
            scenario: "process-crash".to_owned(),
            round,
            fault_mono_ns: now,
            fault: "killed".to_owned(),
            rooms: uids,
            fence_ms: FENCE_MS,
            interval_ms: INTERVAL_MS,
        });
        for (step, after) in [("noticed", noticed), ("confirmed", noticed + u64::from(SURE_AFTER))] {
            let (step, mono_ns) = (step.to_owned(), now + after * MS);
            record.steps.push(Step { step, mono_ns, ..Step::default() });
        }
    }
    now += 4_000 * MS;
    rooms.iter_mut().for_each(|it| writer.play(it, now));
    for (room, player) in rooms.iter().flat_map(|it| [(it, "a"), (it, "b")]) {
        writer.bots.push(Line { mono_ns: now + 9 * MS, what: "left".to_owned(), ..of_player(room, player) });
    }
    let servers =
        writer.servers.into_iter().enumerate().map(|(number, lines)| (format!("server-{number}"), lines));
    let mut journals: Vec<Journal> = servers
        .chain([("bot-0".to_owned(), writer.bots)])
        .map(|(name, lines)| Journal { name, lines, is_full: false })
        .collect();
    journals.iter_mut().for_each(|it| it.lines.sort_by_key(|it| it.mono_ns));
    Run { journals, record, expected }
}

impl Writer {
    fn open(&mut self, number: u64) -> Live {
        // Two rooms share a server.
        let server = usize::try_from(number / 2).unwrap();
        while self.servers.len() <= server {
            let pod = format!("pod-{}", self.servers.len());
            self.servers.push(vec![Line { what: "boot".to_owned(), pod, ..Line::default() }]);
        }
        let ns = 1_000 * MS + self.random.random_range(0..TICK);
        let uid = format!("uid-{number}");
        let room =
            Live { uid, server, epoch: 10, tick: 0, ns, hash: number, past: vec![(0, [0; 2])], sent: [0; 2] };
        let name = format!("room-{number}");
        self.servers[server].push(Line { mono_ns: ns, what: "opened".to_owned(), name, ..of_room(&room) });
        self.join(&room, ns + MS);
        room
    }

    fn join(&mut self, room: &Live, ns: u64) {
        for (player, seat) in [("a", 0), ("b", 1)] {
            let line = of_player(room, player);
            let (what, mono_ns) = ("joined".to_owned(), ns + u64::from(seat) * MS);
            self.bots.push(Line { mono_ns, what, epoch: Some(room.epoch), seat: Some(seat), ..line });
        }
    }

    /// Ticks up to this time.
    fn play(&mut self, room: &mut Live, until: u64) {
        while room.ns + TICK <= until {
            room.ns += TICK;
            self.tick(room);
            for (index, player) in ["a", "b"].into_iter().enumerate() {
                // The network loses some; who is shown nothing sends nothing.
                if self.random.random_ratio(1, 20) {
                    continue;
                }
                let (tick, acknowledged) = (room.tick, room.sent[index]);
                room.sent[index] += 1;
                let (sent, newest) = (room.sent[index], wrapped(room.sent[index]));
                let (mono_ns, what) = (room.ns + 2 * MS, "shown".to_owned());
                let line = of_player(room, player);
                let epoch = Some(room.epoch);
                self.bots.push(Line { mono_ns, what, epoch, tick, sent, newest, acknowledged, ..line });
            }
        }
    }

    fn tick(&mut self, room: &mut Live) {
        room.tick += 1;
        room.hash = (room.hash ^ room.tick).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ room.epoch.unsigned_abs();
        room.past.push((room.hash, room.sent));
        let (hash, epoch, tick) = (format!("{:016x}", room.hash), Some(room.epoch), room.tick);
        let line = Line { mono_ns: room.ns, what: "tick".to_owned(), epoch, tick, hash, ..of_room(room) };
        self.servers[room.server].push(line);
    }

    /// The room goes on elsewhere. Returns the ticks that were lost, and when all play again, in ms after the fault.
    fn recover(&mut self, room: &mut Live, fault: u64, noticed: u64) -> (u64, u64) {
        let seen = self.bots.iter().rev().filter(|it| it.what == "shown" && it.room == room.uid).take(4);
        let seen = seen.map(|it| it.tick).max().unwrap();
        let saved = (room.tick - 1) / SAVED_EVERY * SAVED_EVERY;
        let restored = fault + (noticed + self.random.random_range(20..200)) * MS;
        if self.random.random_bool(0.3) {
            // It was only cut off: it ticks on, unseen, until its fence.
            let until = restored + self.random.random_range(0..FENCE_MS - 50) * MS;
            while room.ns + TICK <= until {
                room.ns += TICK;
                self.tick(room);
            }
        }
        let (hash, heard) = room.past[usize::try_from(saved).unwrap()];
        room.past.truncate(usize::try_from(saved).unwrap() + 1);
        let before = room.epoch;
        (room.server, room.epoch) = (self.servers.len(), before + 1);
        (room.tick, room.hash, room.ns) = (saved, hash, restored + MS);
        let seats =
            heard.iter().zip(0..).map(|(heard, seat)| Seat { seat, inputs: *heard, newest: wrapped(*heard) });
        let pod = format!("pod-{}", room.server);
        let boot = Line { mono_ns: 1, what: "boot".to_owned(), pod, ..Line::default() };
        let line = Line {
            mono_ns: restored,
            what: "restored".to_owned(),
            name: room.uid.replace("uid", "room"),
            from_epoch: Some(before),
            from_tick: saved,
            hash: format!("{hash:016x}"),
            seats: seats.collect(),
            ..of_room(room)
        };
        self.servers.push(vec![boot, line]);
        self.join(room, restored + 2 * MS);
        // Nothing is lost on the way for a moment, so that it is known when they play again.
        let shown = self.bots.len();
        while self.bots.len() == shown || self.bots.last().is_some_and(|it| it.player != "b") {
            self.bots.truncate(shown);
            let to = room.ns + TICK;
            let (tick, sent, lines) = (room.tick, room.sent, self.servers[room.server].len());
            self.play(room, to);
            if self.bots.len() != shown + 2 {
                (room.tick, room.sent, room.ns, room.hash) = (tick, sent, to - TICK, hash);
                room.past.truncate(usize::try_from(saved).unwrap() + 1);
                self.servers[room.server].truncate(lines);
                self.bots.truncate(shown);
            }
        }
        (seen - saved, (room.ns + 2 * MS - fault) / MS)
    }
}

fn of_room(room: &Live) -> Line {
    Line { room: room.uid.clone(), tick_rate: Some(30), ..Line::default() }
}

fn of_player(room: &Live, player: &str) -> Line {
    Line { player: player.to_owned(), tick_rate: None, ..of_room(room) }
}

/// As the game numbers inputs.
fn wrapped(number: u64) -> u8 {
    number.to_le_bytes()[0]
}
