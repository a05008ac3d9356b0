//! What the judge is given: what statuses said, what players saw, and what we did.

use std::collections::BTreeMap;

use gamekeeper_crds::GameRoomStatus;
use tokio::time::Instant;

use super::cast::Part;
use crate::arena::{Answer, Foul, LastSeen, Tenancy};

/// All that was seen.
#[derive(Debug)]
pub(super) struct Evidence {
    pub(super) cases: Vec<Case>,
    /// The pods that we have hit, by uid, and when.
    pub(super) hits: BTreeMap<String, Instant>,
    /// How each pod was seen last, by uid.
    pub(super) pods: BTreeMap<String, LastSeen>,
    /// What the referee's book says of rooms with two servers, and of servers with too many rooms.
    pub(super) doubled: Vec<Foul>,
    /// The same of servers that were told to end during their match.
    pub(super) told_to_end: Vec<Foul>,
    /// When the run was over.
    pub(super) until: Instant,
}

/// All that was seen of a room.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) part: Part,
    /// When it was made.
    pub(super) created: Instant,
    /// Where its status published it.
    pub(super) tenancies: Vec<Tenancy>,
    /// Who answered its player, who went where its status said.
    pub(super) heard: Vec<Heard>,
    /// When its player told a plain server first that the match is over, by the epoch of the tenancy.
    pub(super) told: BTreeMap<i64, Instant>,
    /// Its status said at some time that it runs, and not where.
    pub(super) is_homeless: bool,
    /// Its last status; none if it is gone.
    pub(super) end: Option<GameRoomStatus>,
}

/// Answers in a row that came from one process.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    /// The epoch under which the status said that the match is there.
    pub(super) asked: i64,
    pub(super) boot: String,
    /// The epoch under which the server has it; plain ones do not know.
    pub(super) epoch: Option<i64>,
    pub(super) first: Instant,
    pub(super) last: Instant,
    /// The tick of the last answer.
    pub(super) tick: u64,
    /// From which tick to which the match fell: it began anew.
    pub(super) fell: Option<(u64, u64)>,
    pub(super) answers: usize,
}

impl Case {
    pub(super) fn new(part: Part, created: Instant) -> Self {
        Self {
            part,
            created,
            tenancies: Vec::new(),
            heard: Vec::new(),
            told: BTreeMap::new(),
            is_homeless: false,
            end: None,
        }
    }

    /// Notes an answer to who asked where `asked` is published.
    pub(super) fn hear(&mut self, asked: i64, answer: Answer, now: Instant) {
        let (epoch, tick) = answer.room.unzip();
        let tick = tick.unwrap_or_default();
        // The same process plays on, if under another epoch.
        let before = self.heard.iter().rev().find(|it| it.boot == answer.boot).map_or(0, |it| it.tick);
        let fell = (tick < before).then_some((before, tick));
        match self.heard.last_mut() {
            Some(it) if (it.asked, &it.boot, it.epoch) == (asked, &answer.boot, epoch) => {
                (it.last, it.tick) = (now, tick);
                it.fell = it.fell.or(fell);
                it.answers += 1;
            }
            _ => {
                let heard =
                    Heard { asked, boot: answer.boot, epoch, first: now, last: now, tick, fell, answers: 1 };
                self.heard.push(heard);
            }
        }
    }

    /// When a tenancy was heard last.
    pub(super) fn heard_last(&self, tenancy: &Tenancy) -> Option<Instant> {
        self.heard.iter().filter(|it| it.asked == tenancy.epoch).map(|it| it.last).max()
    }
}
