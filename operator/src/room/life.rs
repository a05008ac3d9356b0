//! What a room needs next: a pure function of what is known of it (I3, I4, I9).

use std::cmp::Ordering;

use gamekeeper_crds::{
    GameRoom, GameRoomStatus,
    room::{Phase, Recovery},
};

use super::{
    ServerState, ServerView,
    status::{self, Loss},
};
use crate::{clock::Now, terms::Epoch};

/// What is known of a room.
pub struct Known<'a> {
    pub room: &'a GameRoom,
    /// Every server that says it has this room.
    pub claims: Vec<&'a ServerView>,
    /// The server that the status names.
    pub published: Published<'a>,
}

/// The server that a room's status names.
#[derive(Clone, Copy, Debug)]
pub enum Published<'a> {
    /// None, or one that is known to be lost.
    None,
    /// It is there.
    There(&'a ServerView),
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
    /// A server that an earlier leader claimed for it and did not publish: by its uid, to be claimed again
    /// under our own term, so that whatever the earlier leader still wants with it comes too late.
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
    if status.phase.is_over() {
        return (Step::Over, known.claims.clone());
    }
    let claims = || known.claims.iter().filter_map(|it| Some((it.claim.as_ref()?.epoch, *it)));
    let published = published(&status, known);
    if let Some(server) = published {
        if !server.has_failed() {
            // Players are there: whatever else was claimed for this room is not needed.
            let others = claims().map(|(_, it)| it).filter(|it| it.uid != server.uid).collect();
            return (played(known.room, server, Epoch(status.epoch), now), others);
        }
    }
    // Nobody was told of a claim above the status. One that died has lost nothing; of the living the
    // highest will be published, and the others are let go only when it was.
    let is_dead = |epoch: Epoch, server: &ServerView| match epoch.0.cmp(&status.epoch) {
        Ordering::Less => true,
        // Its loss is written down already.
        Ordering::Equal => status.phase == Phase::Recovering && !server.is_alive(),
        Ordering::Greater => !server.is_alive(),
    };
    let done = claims().filter(|(epoch, it)| is_dead(*epoch, it)).map(|(_, it)| it).collect();
    let owner = claims()
        .filter(|(epoch, it)| status.epoch < epoch.0 && it.is_alive())
        .max_by_key(|(epoch, it)| (*epoch, it.uid.clone()));
    let step = match owner {
        Some((epoch, server)) if epoch.term() == term => {
            Step::Write(status::running(known.room, server, epoch, now.wall))
        }
        Some((_, server)) => Step::Reclaim(server.uid.clone()),
        None => unplaced(known, &status, published, now),
    };
    (step, done)
}

/// The server that the status names, if it agrees.
fn published<'a>(status: &GameRoomStatus, known: &Known<'a>) -> Option<&'a ServerView> {
    let named = status
        .server
        .as_ref()
        .filter(|_| status.phase == Phase::Running || status.phase == Phase::Recovering)?;
    known.claims.iter().copied().find(|it| {
        it.uid == named.pod_uid && it.claim.as_ref().is_some_and(|claim| claim.epoch.0 == status.epoch)
    })
}

/// Of a room whose published server lives, or has ended the match.
fn played(room: &GameRoom, server: &ServerView, epoch: Epoch, now: Now) -> Step {
    match server.state {
        ServerState::Ended(_) => Step::Write(status::finished(room, server, epoch, now.wall)),
        _ => unless_same(room, status::running(room, server, epoch, now.wall)),
    }
}

/// Of a room that no living server has.
fn unplaced(known: &Known<'_>, status: &GameRoomStatus, dead: Option<&ServerView>, now: Now) -> Step {
    if status.phase != Phase::Running {
        return Step::Place(None);
    }
    let loss = |exit| Loss {
        server: status.server.as_ref().map(|it| it.pod_name.clone()).unwrap_or_default(),
        exit,
    };
    match (dead, known.published) {
        (Some(ServerView { state: ServerState::Ended(exit), .. }), _) => {
            after_loss(known.room, loss(Some(*exit)), now)
        }
        (_, Published::Unheard) => Step::AskForServer,
        // Somebody removed our claim. The players are there: claim it again.
        (_, Published::There(server)) if server.claim.is_none() && server.is_alive() => {
            Step::Reclaim(server.uid.clone())
        }
        // There, but with another's claim: it is no longer this room's.
        (_, Published::There(_) | Published::Gone | Published::None) => {
            after_loss(known.room, loss(None), now)
        }
    }
}

fn after_loss(room: &GameRoom, loss: Loss, now: Now) -> Step {
    match room.spec.recovery {
        Recovery::Fail => Step::Write(status::failed(room, &loss, now.wall)),
        // Without a store, `Restore` is `Restart`.
        Recovery::Restart | Recovery::Restore => Step::Place(Some(loss)),
    }
}

fn unless_same(room: &GameRoom, wanted: GameRoomStatus) -> Step {
    if room.status.as_ref() == Some(&wanted) { Step::Rest } else { Step::Write(wanted) }
}
