//! What a room needs next: a pure function of what is known of it (I3, I4, I9).

use std::cmp::Reverse;

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
    /// A server; for the first time, or because the last one was lost.
    Place(Option<Loss>),
    /// Certainty whether the published server is gone.
    AskForServer,
    /// The match is over: nothing but to be deleted in time.
    Over,
}

/// What the room needs next, and the servers that must let go of it.
pub fn next<'a>(known: &Known<'a>, now: Now) -> (Step, Vec<&'a ServerView>) {
    let status = known.room.status.clone().unwrap_or_default();
    if status.phase.is_over() {
        return (Step::Over, known.claims.clone());
    }
    let mut claims: Vec<(Epoch, &ServerView)> =
        known.claims.iter().filter_map(|it| Some((it.claim.as_ref()?.epoch, *it))).collect();
    claims.sort_by_key(|(epoch, server)| (Reverse(*epoch), server.uid.clone()));
    // The highest claim owns the room; what is below the status was superseded.
    let owner = claims.first().copied().filter(|(epoch, _)| status.epoch <= epoch.0);
    let superseded = claims.iter().skip(usize::from(owner.is_some())).map(|(_, it)| *it).collect();
    (step(known, &status, owner, now), superseded)
}

fn step(known: &Known<'_>, status: &GameRoomStatus, owner: Option<(Epoch, &ServerView)>, now: Now) -> Step {
    let room = known.room;
    if let Some((epoch, server)) = owner {
        return match server.state {
            ServerState::Ended(exit) if exit.is_success() => {
                Step::Write(status::finished(room, server, epoch, now.wall))
            }
            ServerState::Ended(exit) => {
                after_loss(room, status, Loss { server: server.pod_name.clone(), exit: Some(exit) }, now)
            }
            // Also after a crash between claim and status: the claim is what counts.
            _ => unless_same(room, status::running(room, server, epoch, now.wall)),
        };
    }
    let lost = |exit| Loss {
        server: status.server.as_ref().map(|it| it.pod_name.clone()).unwrap_or_default(),
        exit,
    };
    match (status.phase, known.published) {
        (Phase::Running, Published::Unheard) => Step::AskForServer,
        // There, but without our claim: it never was this room's, or no longer.
        (Phase::Running, Published::There(_) | Published::Gone | Published::None) => {
            after_loss(room, status, lost(None), now)
        }
        _ => Step::Place(None),
    }
}

fn after_loss(room: &GameRoom, status: &GameRoomStatus, loss: Loss, now: Now) -> Step {
    match room.spec.recovery {
        Recovery::Fail => Step::Write(status::failed(room, &loss, now.wall)),
        // Without a store, `Restore` is `Restart`.
        Recovery::Restart | Recovery::Restore => {
            // Already written down as lost: only the place is missing.
            let is_news = status.phase != Phase::Recovering;
            Step::Place(is_news.then_some(loss))
        }
    }
}

fn unless_same(room: &GameRoom, wanted: GameRoomStatus) -> Step {
    if room.status.as_ref() == Some(&wanted) { Step::Rest } else { Step::Write(wanted) }
}
