//! What a room needs next: a pure function of what is known of it (I3, I4, I9).

use std::{cmp::Ordering, time::Duration};

use gamekeeper_control::{Restore, RoomPhase};
use gamekeeper_crds::{
    GameRoom, GameRoomStatus,
    room::{Phase, Recovery},
};

use super::{
    ServerState, ServerView,
    status::{self, How, Loss},
    tenancy::{Fate, Tenancy},
};
use crate::{clock::Now, terms::Epoch};

/// What is known of a room.
pub struct Known<'a> {
    pub room: &'a GameRoom,
    /// Every server that says it has this room.
    pub tenancies: Vec<Tenancy<'a>>,
    /// The server that the status names.
    pub published: Published<'a>,
    /// Where it is published, no player has come for as long as the fleet waits.
    pub is_unclaimed: bool,
    /// What changes at a server's whim may be written again: the number of players, the certificates.
    pub may_refresh: bool,
    /// Why a server's game will not have this room.
    pub refusal: Option<&'a str>,
    /// How many of its servers crashed in a row, each soon after it came there.
    pub losses_in_a_row: i32,
    /// The same, if it stays where it is: when it has lived there for long enough, it is no suspect any more.
    pub losses_if_kept: i32,
}

/// The server that a room's status names.
#[derive(Clone, Copy, Debug)]
pub enum Published<'a> {
    /// None, or one that is known to be lost.
    None,
    /// It is there.
    There(&'a ServerView),
    /// It is there, and does not talk to us: unheard is not absent (I5), and silence is not death (I6).
    Silent,
    /// It is lost, although its pod is there.
    Lost(How),
    /// A quorum read found that it is not there.
    Gone,
    /// Not in our cache. Unheard is not absent (I5): ask.
    Unheard,
}

/// What a room needs next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Nothing.
    Rest,
    /// Its status is not what it should be.
    Write(GameRoomStatus),
    /// A server that an earlier leader chose for it and did not publish: by its uid, to be claimed or ordered
    /// again under our own term, so that whatever the earlier leader still wants with it comes too late.
    Reclaim(String),
    /// A server; for the first time, or because the last one was lost.
    Place(Option<Loss>),
    /// Certainty whether the published server is gone.
    AskForServer,
    /// The match is over: nothing but to be deleted in time.
    Over,
}

/// What the room needs next, and the servers that must let go of it.
pub fn next<'a>(known: &Known<'a>, term: u32, now: Now) -> (Step, Vec<&'a ServerView>) {
    let status = known.room.status.clone().unwrap_or_default();
    let servers = |tenancies: &mut dyn Iterator<Item = &Tenancy<'a>>| tenancies.map(|it| it.server).collect();
    if status.phase.is_over() {
        return (Step::Over, servers(&mut known.tenancies.iter()));
    }
    let published = published(&status, known);
    // Players were told that it is lost, and another has it meanwhile: whoever has the higher epoch owns it.
    let is_late = |it: &Tenancy<'_>| {
        let may_own_higher = |other: &Tenancy<'_>| it.epoch < other.epoch && may_own(other);
        status.phase == Phase::Recovering && known.tenancies.iter().any(may_own_higher)
    };
    if let Some(here) = published.filter(|it| !matches!(it.fate(), Fate::Lost(_)) && !is_late(it)) {
        // Players are there: whatever else was claimed for this room is not needed, unless the store may have given it the room.
        let is_needed =
            |it: &Tenancy<'_>| here.epoch < it.epoch && here.keeping.is_by_store() && is_by_store(it);
        let others = known.tenancies.iter().filter(|it| it.server.uid != here.server.uid && !is_needed(it));
        return (played(known, here, now), others.map(|it| it.server).collect());
    }
    // Nobody was told of a tenancy above the status. One that died has lost nothing; of the living the
    // highest will be published, and the others are let go only when it was.
    let is_dead = |it: &&Tenancy<'_>| match it.epoch.0.cmp(&status.epoch) {
        Ordering::Less => true,
        // Its loss is written down already. One that is only believed to be lost may come back, unless it was given up.
        Ordering::Equal => {
            status.phase == Phase::Recovering && !it.is_alive() && (it.lost.is_none() || it.is_given_up)
        }
        Ordering::Greater => !may_own(it),
    };
    let done = servers(&mut known.tenancies.iter().filter(is_dead));
    let owner = known
        .tenancies
        .iter()
        .filter(|it| status.epoch < it.epoch.0 && may_own(it))
        .max_by_key(|it| (it.epoch, it.server.uid.as_str()));
    let step = match (owner, known.published) {
        // Its players may be with the published server, which says nothing: it keeps the room (I5).
        (_, Published::Silent) => Step::Rest,
        // It was played although nobody was told where: it is over all the same.
        (Some(owner), _) if owner.fate() == Fate::Played => {
            Step::Write(status::finished(known.room, owner, now.wall))
        }
        // Still being opened, by an order of a leader before us: ordered again, it will answer us.
        (Some(owner), _) if owner.fate() == Fate::Idle => Step::Reclaim(owner.server.uid.clone()),
        // Whoever talks to us does not listen to earlier leaders any more; a pod listens to everybody.
        (Some(owner), _) if owner.epoch.term() == term || owner.hosted.is_some() => {
            let running = status::running(known.room, owner, true, now.wall);
            Step::Write(GameRoomStatus { losses_in_a_row: known.losses_in_a_row, ..running })
        }
        (Some(owner), _) => Step::Reclaim(owner.server.uid.clone()),
        (None, _) => unplaced(known, &status, published, now),
    };
    (step, done)
}

/// Whether a room that nobody was told of may stay where it is: not on a server that says nothing. A plain
/// server that has ended cannot tell what it was playing.
fn may_own(here: &Tenancy<'_>) -> bool {
    match here.fate() {
        _ if !here.is_reachable => false,
        Fate::Lives => true,
        Fate::Played => here.hosted.is_some(),
        Fate::Idle => here.hosted.is_some_and(|(room, _)| room.phase == RoomPhase::Restoring),
        Fate::Lost(_) => false,
    }
}

/// Whether the store decides between this owner and those before it that keep to its word, too. A leader before us gave them
/// up, and its word that the room is here may be on its way still: then the store refuses them, which ends them. If it does
/// not, it refuses this one.
fn is_by_store(here: &Tenancy<'_>) -> bool {
    here.keeping.is_by_store() && matches!(here.fate(), Fate::Lives | Fate::Played)
}

/// The room on the server that the status names, if that agrees.
fn published<'a>(status: &GameRoomStatus, known: &Known<'a>) -> Option<Tenancy<'a>> {
    let named = status
        .server
        .as_ref()
        .filter(|_| status.phase == Phase::Running || status.phase == Phase::Recovering)?;
    let is_it = |it: &Tenancy<'_>| it.server.uid == named.pod_uid && it.epoch == Epoch(status.epoch);
    known.tenancies.iter().copied().find(is_it)
}

/// Of a room whose published server has it, or has ended the match.
fn played(known: &Known<'_>, here: Tenancy<'_>, now: Now) -> Step {
    match here.fate() {
        Fate::Played => Step::Write(status::finished(known.room, &here, now.wall)),
        Fate::Lives if known.is_unclaimed => Step::Write(status::unclaimed(known.room, now.wall)),
        Fate::Lives | Fate::Idle | Fate::Lost(_) => {
            let wanted = status::running(known.room, &here, known.may_refresh, now.wall);
            if known.room.status.as_ref() == Some(&wanted) {
                return Step::Rest;
            }
            // Forgotten by a write that is made anyway.
            Step::Write(GameRoomStatus { losses_in_a_row: known.losses_if_kept, ..wanted })
        }
    }
}

/// Of a room that no living server has.
fn unplaced(known: &Known<'_>, status: &GameRoomStatus, dead: Option<Tenancy<'_>>, now: Now) -> Step {
    if status.phase != Phase::Running {
        return match known.refusal {
            Some(message) => Step::Write(status::refused(known.room, message, now.wall)),
            None => Step::Place(None),
        };
    }
    let lost = |how: How| {
        let server = status.server.as_ref().map(|it| it.pod_name.clone()).unwrap_or_default();
        after_loss(known.room, Loss { server, how }, now)
    };
    match (dead.map(|it| it.fate()), known.published) {
        (Some(Fate::Lost(how)), _) | (_, Published::Lost(how)) => lost(how),
        (_, Published::Unheard) => Step::AskForServer,
        // Somebody removed our claim. The players are there: claim it again.
        (_, Published::There(server))
            if !server.is_controlled && server.claim.is_none() && server.is_alive() =>
        {
            Step::Reclaim(server.uid.clone())
        }
        (_, Published::There(ServerView { state: ServerState::Ended(exit), is_controlled: true, .. })) => {
            lost(How::Exited(*exit))
        }
        // There, but with another's claim, or another process of it: it is no longer this room's.
        (_, Published::There(_)) => lost(How::Forgot),
        (_, Published::Silent | Published::Gone | Published::None) => lost(How::Gone),
    }
}

fn after_loss(room: &GameRoom, loss: Loss, now: Now) -> Step {
    match room.spec.recovery {
        Recovery::Fail => Step::Write(status::failed(room, &loss, now.wall)),
        Recovery::Restart | Recovery::Restore => Step::Place(Some(loss)),
    }
}

/// How a server is to begin a room: from its checkpoint, if it had a server before and is to be restored. Which owner
/// wrote the newest is not ours to know: one that was never published may have, and the store takes none of a lower epoch.
///
/// `has_ended`: the owner that players were told of has ended for certain, and the room was on its way to nobody since.
pub fn restore(room: &GameRoom, is_loss_proven: bool, has_ended: bool) -> Option<Restore> {
    let epoch = room.status.as_ref().map(|it| it.epoch).filter(|it| 0 < *it)?;
    match room.spec.recovery {
        Recovery::Restore => Some(Restore {
            lost_epoch: 0,
            fence: !is_loss_proven,
            ended_epoch: if is_loss_proven && has_ended { epoch } else { 0 },
            owner_silent: Duration::ZERO,
        }),
        Recovery::Restart | Recovery::Fail => None,
    }
}
