//! All journals in order: each room, who had it when, and what its players saw.

use std::collections::BTreeMap;

use crate::journals::{Journal, Line, Seat};

/// Of a room that does not say.
const TICK_RATE: u32 = 30;

/// A run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// By uid.
    pub rooms: BTreeMap<String, Room>,
    /// Journals that reached their limit.
    pub full: Vec<String>,
}

/// A room.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Room {
    /// For people.
    pub name: String,
    /// Ticks per second.
    pub tick_rate: u32,
    /// Its time on servers, in the order in which they began.
    pub stays: Vec<Stay>,
    /// By name.
    pub players: BTreeMap<String, Player>,
}

/// A room's time on one server, from when it was opened or restored there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stay {
    /// The server's journal.
    pub server: String,
    /// The server's pod, if it says so.
    pub pod: String,
    /// When it was opened or restored.
    pub made_ns: u64,
    /// From what it was restored.
    pub restored: Option<Restored>,
    /// In order.
    pub ticks: Vec<Tick>,
    /// The match ended there.
    pub has_ended: bool,
}

/// A checkpoint, as its new owner read it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Restored {
    /// Of the owner that saved it.
    pub epoch: i64,
    /// After which it was saved.
    pub tick: u64,
    /// Of the state.
    pub hash: String,
    /// What it knows of each seat.
    pub seats: Vec<Seat>,
}

/// A tick that a server took.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tick {
    /// When.
    pub ns: u64,
    /// Under which.
    pub epoch: i64,
    /// Its number.
    pub tick: u64,
    /// Of the state after it.
    pub hash: String,
}

/// A player.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Player {
    /// Each time that it was let in.
    pub joins: Vec<Join>,
    /// In order.
    pub shown: Vec<Shown>,
    /// When it ended, and why if not well.
    pub over: Option<(u64, Option<String>)>,
}

/// A player was let in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Join {
    /// When.
    pub ns: u64,
    /// Of the room on that server.
    pub epoch: i64,
    /// Its seat.
    pub seat: u32,
}

/// A player was shown something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// When.
    pub ns: u64,
    /// Under which it is in the room.
    pub epoch: i64,
    /// The tick.
    pub tick: u64,
    /// Inputs up to this one were sent.
    pub sent: u64,
    /// The number in the newest of them.
    pub newest: u8,
    /// Inputs up to this one were acknowledged.
    pub acknowledged: u64,
}

impl Stay {
    /// When the first tick was taken.
    pub fn first_ns(&self) -> Option<u64> {
        self.ticks.first().map(|it| it.ns)
    }

    /// When the last tick was taken.
    pub fn last_ns(&self) -> Option<u64> {
        self.ticks.last().map(|it| it.ns)
    }

    /// Under which the first tick was taken.
    pub fn epoch(&self) -> Option<i64> {
        self.ticks.first().map(|it| it.epoch)
    }
}

impl Player {
    /// It was there at this time, or is not over yet.
    pub fn is_at(&self, ns: u64) -> bool {
        let came = self.shown.first().is_some_and(|it| it.ns <= ns);
        came && self.over.as_ref().is_none_or(|(at, _)| ns < *at)
    }

    /// The first that it was shown under this epoch or a later one.
    pub fn first_under(&self, epoch: i64) -> Option<&Shown> {
        self.shown.iter().find(|it| epoch <= it.epoch)
    }
}

impl Room {
    /// The time on a server that began with a restore behind this time, and in which the room was played.
    pub fn restored_between(&self, from: u64, to: u64) -> impl Iterator<Item = &Stay> {
        let is_played = move |it: &&Stay| it.restored.is_some() && !it.ticks.is_empty();
        self.stays.iter().filter(is_played).filter(move |it| (from..to).contains(&it.made_ns))
    }
}

impl History {
    /// Of these journals.
    pub fn of(journals: &[Journal]) -> Self {
        let mut history = Self::default();
        for journal in journals {
            let pod = journal.lines.iter().find(|it| it.what == "boot").map_or("", |it| &it.pod);
            journal.lines.iter().for_each(|it| history.add_of_server(&journal.name, pod, it));
            if journal.is_full {
                history.full.push(journal.name.clone());
            }
        }
        // Players may know their room by its name. A name may come back: the latest room is meant.
        let mut uids = BTreeMap::new();
        for (uid, room) in &mut history.rooms {
            room.stays.sort_by_key(|it| (it.first_ns().unwrap_or(it.made_ns), it.made_ns));
            let made = room.stays.first().map_or(0, |it| it.made_ns);
            let place: &mut (u64, String) = uids.entry(room.name.clone()).or_default();
            *place = std::mem::take(place).max((made, uid.clone()));
        }
        for line in journals.iter().flat_map(|it| &it.lines).filter(|it| !it.player.is_empty()) {
            let by_name = || uids.get(&line.room).map(|(_, uid)| uid.clone());
            let known = history.rooms.contains_key(&line.room);
            let uid = if known { None } else { by_name() }.unwrap_or_else(|| line.room.clone());
            let player = history.room(&uid).players.entry(line.player.clone()).or_default();
            add_of_player(player, line);
        }
        history
    }

    fn room(&mut self, uid: &str) -> &mut Room {
        let new = || Room { name: uid.to_owned(), tick_rate: TICK_RATE, ..Room::default() };
        self.rooms.entry(uid.to_owned()).or_insert_with(new)
    }

    fn add_of_server(&mut self, server: &str, pod: &str, line: &Line) {
        match line.what.as_str() {
            "opened" | "restored" => {
                let room = self.room(&line.room);
                room.name.clone_from(&line.name);
                room.tick_rate = line.tick_rate.unwrap_or(TICK_RATE).max(1);
                let restored = (line.what == "restored").then(|| Restored {
                    epoch: line.from_epoch.unwrap_or_default(),
                    tick: line.from_tick,
                    hash: line.hash.clone(),
                    seats: line.seats.clone(),
                });
                let (server, pod) = (server.to_owned(), pod.to_owned());
                room.stays.push(Stay { server, pod, made_ns: line.mono_ns, restored, ..Stay::default() });
            }
            "tick" => {
                let (ns, epoch) = (line.mono_ns, line.epoch.unwrap_or_default());
                let tick = Tick { ns, epoch, tick: line.tick, hash: line.hash.clone() };
                let stay = self.stay(server, line);
                stay.ticks.push(tick);
            }
            "ended" => self.stay(server, line).has_ended = true,
            _ => (),
        }
    }

    /// The latest of this server. It exists, or the rules say that nobody opened it.
    fn stay(&mut self, server: &str, line: &Line) -> &mut Stay {
        let room = self.room(&line.room);
        let index = match room.stays.iter().rposition(|it| it.server == server) {
            Some(index) => index,
            None => {
                let made_ns = line.mono_ns;
                room.stays.push(Stay { server: server.to_owned(), made_ns, ..Stay::default() });
                room.stays.len() - 1
            }
        };
        &mut room.stays[index]
    }
}

fn add_of_player(player: &mut Player, line: &Line) {
    let (ns, epoch) = (line.mono_ns, line.epoch.unwrap_or_default());
    match line.what.as_str() {
        "joined" => player.joins.push(Join { ns, epoch, seat: line.seat.unwrap_or_default() }),
        "shown" => {
            let Line { tick, sent, newest, acknowledged, .. } = *line;
            player.shown.push(Shown { ns, epoch, tick, sent, newest, acknowledged });
        }
        "left" => player.over = Some((ns, None)),
        "failed" => player.over = Some((ns, Some(line.reason.clone().unwrap_or_default()))),
        _ => (),
    }
}
