//! What comes over the links to controlled servers.

use std::collections::{BTreeMap, BTreeSet};

use gamekeeper_control::{
    HostedRoom, Opened, Refused, RefusedWhy, RoomPhase, RoomState, StandingBy, Tenancy, Welcome,
};

use super::{Command, Ledger, Outcome, servers::Saved, waiting::NotRestored};
use crate::{clock::Now, terms::Epoch};

/// News over a link.
#[derive(Clone, Debug)]
pub enum LinkNews {
    /// The server was greeted, and says what it has.
    Welcome(Welcome),
    /// It can not be talked to.
    Lost,
    /// It has opened a room.
    Opened(Opened),
    /// A match of it is over, with this result.
    Finished(Tenancy, BTreeMap<String, String>),
    /// A room that it has has changed.
    State(RoomState),
    /// The store does not take a room's checkpoints, for this reason; none: it takes them again.
    CheckpointFailed(Tenancy, String),
    /// It does not have a room any more.
    Closed(Tenancy),
    /// It does not carry out a command.
    Refused(Refused),
    Draining(bool),
    Retired(bool),
    /// It keeps copies for others, here.
    StandingBy(StandingBy),
    /// Players wait there for rooms with these uids, which it does not have.
    Sought(Vec<String>),
    /// It has seen a leader of this term, which is later than ours.
    Succeeded(u32),
}

/// What a controlled server says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkState {
    /// It can be talked to now.
    pub is_up: bool,
    /// It takes no more rooms, for ever.
    pub is_retired: bool,
}

impl LinkNews {
    /// The latest leadership that it tells of.
    pub fn latest_term(&self) -> u32 {
        let of = |epoch: i64| Epoch(epoch).term();
        match self {
            Self::Welcome(welcome) => {
                welcome.rooms.iter().map(|it| of(it.tenancy.epoch)).max().unwrap_or_default()
            }
            Self::Opened(opened) => of(opened.tenancy.epoch),
            Self::Finished(tenancy, _) | Self::CheckpointFailed(tenancy, _) => of(tenancy.epoch),
            Self::State(state) => of(state.tenancy.epoch),
            Self::Refused(refused) => of(refused.current_epoch),
            Self::Succeeded(term) => *term,
            Self::Lost
            | Self::Closed(_)
            | Self::Draining(_)
            | Self::Retired(_)
            | Self::StandingBy(_)
            | Self::Sought(_) => 0,
        }
    }
}

impl Ledger {
    pub(super) fn note_link(&mut self, uid: &str, news: LinkNews, now: Now, commands: &mut Vec<Command>) {
        match news {
            LinkNews::Welcome(welcome) => {
                self.tables.server_back(uid);
                let promised = self.tables.greeted(uid, welcome, now.instant);
                // What was on its way has arrived, or never will.
                self.answer_opens(promised, Outcome::Done, now);
                commands.extend(self.tables.drain(uid));
            }
            LinkNews::Lost => {
                let promised = self.tables.link_lost(uid);
                self.tables.unlinked(uid, now.instant);
                self.answer_opens(promised, Outcome::Conflict, now);
            }
            LinkNews::Opened(Opened { tenancy, ports, certificate_hashes }) => {
                let room_uid = tenancy.uid.clone();
                let before = self.guest(uid, &room_uid);
                // A room that goes on under another epoch may have players already; it tells of changes only.
                let (phase, players) = match before.map(|it| (it.phase, it.players)) {
                    Some((RoomPhase::Playing, players)) => (RoomPhase::Playing, players),
                    _ => (RoomPhase::Waiting, 0),
                };
                let hosted = HostedRoom { tenancy, phase, players, result: None, ports, certificate_hashes };
                self.tables.hosted(uid, hosted, now.instant);
                self.answer_open(uid, &room_uid, now);
            }
            LinkNews::Finished(tenancy, result) => {
                let (phase, result) = (RoomPhase::Finished, Some(result));
                let room_uid = tenancy.uid.clone();
                match self.guest(uid, &room_uid) {
                    // It is repeated until the room is closed.
                    Some(known) if known.phase == phase && known.tenancy == tenancy => (),
                    // Also the answer to an Open of a room that has ended: then under another epoch.
                    Some(known) => {
                        let hosted = HostedRoom { tenancy, phase, result, ..known.clone() };
                        self.tables.hosted(uid, hosted, now.instant);
                        self.answer_open(uid, &room_uid, now);
                    }
                    None => commands.push(Command::Greet { server_uid: uid.to_owned() }),
                }
            }
            LinkNews::State(state) => self.note_state(uid, state, now, commands),
            LinkNews::CheckpointFailed(tenancy, why) => {
                let saved = if why.is_empty() { Saved::Yes } else { Saved::Failing(why) };
                self.tables.saved(uid, &tenancy, saved);
            }
            LinkNews::Closed(tenancy) => self.tables.unhosted(uid, &tenancy),
            LinkNews::Refused(refused) => self.note_refusal(uid, refused, now, commands),
            LinkNews::Draining(is_draining) => self.tables.draining(uid, is_draining),
            LinkNews::Retired(is_retired) => self.tables.retired(uid, is_retired),
            LinkNews::StandingBy(standing_by) => self.stands_by(uid, standing_by, commands),
            LinkNews::Sought(rooms) => self.seek(uid, rooms, now),
            // We have stepped down before we came here.
            LinkNews::Succeeded(_) => (),
        }
    }

    fn note_state(&mut self, uid: &str, state: RoomState, now: Now, commands: &mut Vec<Command>) {
        match self.guest(uid, &state.tenancy.uid).filter(|it| it.tenancy.epoch == state.tenancy.epoch) {
            // The end comes with its result.
            Some(_) if state.phase == RoomPhase::Finished => (),
            Some(known) => {
                let mut hosted = HostedRoom { phase: state.phase, players: state.players, ..known.clone() };
                if !state.certificate_hashes.is_empty() {
                    hosted.certificate_hashes = state.certificate_hashes;
                }
                self.tables.hosted(uid, hosted, now.instant);
                if state.checkpoint_tick.is_some() {
                    self.tables.first_saved(uid, &state.tenancy);
                }
            }
            // A room that it never told of: ask it for all.
            None => commands.push(Command::Greet { server_uid: uid.to_owned() }),
        }
    }

    fn note_refusal(&mut self, uid: &str, refused: Refused, now: Now, commands: &mut Vec<Command>) {
        let Refused { tenancy, why, current_epoch: _, message } = refused;
        let is_on_its_way =
            self.tables.room(&tenancy.uid).is_some_and(|it| it.promised.as_deref() == Some(uid));
        if let Some(room) = self.tables.room_mut(&tenancy.uid) {
            room.sent.refused(Epoch(tenancy.epoch));
        }
        let was_attempt = self.attempt_failed(&tenancy.uid, Epoch(tenancy.epoch), why);
        match why {
            // The room is where it was: nothing is said of it, and it is asked for again.
            RefusedWhy::OwnerAlive | RefusedWhy::Parameters | RefusedWhy::Checkpoint | RefusedWhy::Fenced
                if was_attempt && is_on_its_way =>
            {
                return self.tables.answer_room(&tenancy.uid, Outcome::Conflict, now.instant);
            }
            RefusedWhy::Parameters => {
                if let Some(room) = self.tables.room_mut(&tenancy.uid).filter(|_| is_on_its_way) {
                    room.refusal = Some(message);
                }
            }
            RefusedWhy::Checkpoint | RefusedWhy::Fenced if is_on_its_way => {
                // Others may fare no better: it is the room that pauses.
                if let Some(room) = self.tables.room_mut(&tenancy.uid) {
                    room.not_restored = Some(NotRestored { server_uid: uid.to_owned(), why: message });
                }
                return self.tables.answer_room(&tenancy.uid, Outcome::Failed, now.instant);
            }
            RefusedWhy::UnknownRoom => self.tables.unhosted(uid, &tenancy),
            // It is not as we thought.
            RefusedWhy::Epoch => commands.push(Command::Greet { server_uid: uid.to_owned() }),
            RefusedWhy::Unspecified
            | RefusedWhy::Full
            | RefusedWhy::Draining
            | RefusedWhy::Retired
            | RefusedWhy::Unsupported
            | RefusedWhy::Checkpoint
            | RefusedWhy::Fenced
            | RefusedWhy::OwnerAlive => (),
        }
        if is_on_its_way {
            self.tables.refused(uid, &tenancy.uid, now.instant);
            self.tables.answer_room(&tenancy.uid, Outcome::Conflict, now.instant);
        }
    }

    fn guest(&self, server_uid: &str, room_uid: &str) -> Option<&HostedRoom> {
        Some(&self.tables.server_entry(server_uid)?.link.as_ref()?.guests.get(room_uid)?.hosted)
    }

    /// The room is where it was sent.
    fn answer_open(&mut self, server_uid: &str, room_uid: &str, now: Now) {
        if self.tables.room(room_uid).is_some_and(|it| it.promised.as_deref() == Some(server_uid)) {
            self.tables.answer_room(room_uid, Outcome::Done, now.instant);
        }
    }

    pub(super) fn answer_opens(&mut self, rooms: BTreeSet<String>, outcome: Outcome, now: Now) {
        for room in rooms {
            self.tables.answer_room(&room, outcome, now.instant);
        }
    }
}
