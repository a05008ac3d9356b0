//! Between the control protocol and the host's own words.

use std::num::{NonZeroU32, NonZeroU64};

use gamekeeper_control::{
    Close, Fault, Feature, HelloRefused, HelloRefusedWhy, HostedRoom, MoveTo, Open, Opened, PROTOCOL,
    Prepare, Refused, RefusedWhy, Restore, RoomPhase, RoomState, ToOperator, ToServer, Welcome,
};
use gamekeeper_room::{
    Epoch, Phase, Tenancy,
    host::{self, Command, Hosted, Order, Report},
};
use tracing::debug;

use crate::players::Hashes;

/// The versions of the protocol that this server speaks.
pub(crate) const SPOKEN: std::ops::RangeInclusive<u32> = PROTOCOL..=PROTOCOL;

/// What a server says of itself in every Welcome.
#[derive(Clone, Debug)]
pub struct Identity {
    pub(crate) boot_id: String,
    pub(crate) capacity: u32,
    /// It has a store to restore rooms from.
    pub(crate) restores: bool,
    /// It has a standby, and is one, if it is told to.
    pub(crate) stands_by: bool,
    /// By which players know it.
    pub(crate) hashes: Hashes,
}

impl Identity {
    /// Of a server that restores rooms, and to which no players come.
    pub fn unseen(boot_id: String, capacity: u32) -> Self {
        Self { boot_id, capacity, restores: true, stands_by: false, hashes: Hashes::default() }
    }
}

/// What a message asks of the host; `None` if there is nothing to do. Hello, `BeatEcho`, `StandBy`,
/// `Mirror`, Fallbacks and Found are not for it.
pub fn command(message: ToServer, restores: bool) -> Option<Command> {
    let not_offered = |tenancy, what: &str| Command::Unsupported {
        tenancy: tenancy_from(tenancy),
        message: format!("this server does not offer {what}"),
    };
    Some(match message {
        ToServer::Open(Open { tenancy, restore: Some(_), .. }) if !restores => {
            not_offered(tenancy, "to restore rooms")
        }
        ToServer::Open(Open { tenancy, seats, parameters, restore, reason }) => {
            debug!(
                room = tenancy.name,
                namespace = tenancy.namespace,
                epoch = tenancy.epoch,
                ?restore,
                reason,
                "asked to open a room"
            );
            let known = |epoch: i64| (0 < epoch).then_some(Epoch(epoch));
            let restore =
                restore.map(|Restore { lost_epoch, fence, ended_epoch, owner_silent }| host::Restore {
                    lost_epoch: known(lost_epoch),
                    fence,
                    ended_epoch: known(ended_epoch),
                    owner_silent: (!owner_silent.is_zero()).then_some(owner_silent),
                });
            let (tenancy, seats) = (tenancy_from(tenancy), NonZeroU32::new(seats));
            Command::Open(Order { tenancy, seats, parameters, restore })
        }
        ToServer::Close(Close { tenancy, why }) => {
            debug!(
                room = tenancy.name,
                namespace = tenancy.namespace,
                epoch = tenancy.epoch,
                ?why,
                "asked to close a room"
            );
            Command::Close(tenancy_from(tenancy))
        }
        ToServer::Drain => Command::Drain(true),
        ToServer::Undrain => Command::Drain(false),
        ToServer::Retire => Command::Retire,
        ToServer::Prepare(Prepare { tenancy, .. })
        | ToServer::MoveTo(MoveTo { tenancy, .. })
        | ToServer::Abort(tenancy)
        | ToServer::Resume(tenancy) => not_offered(tenancy, "moves"),
        // Probes are the witness's.
        ToServer::Probe(_)
        | ToServer::Hello(_)
        | ToServer::BeatEcho { .. }
        | ToServer::Fallbacks(_)
        | ToServer::StandBy(_)
        | ToServer::Mirror(_)
        | ToServer::Found(_) => return None,
    })
}

/// What is sent for a report.
pub fn message(report: Report, identity: &Identity) -> ToOperator {
    match report {
        Report::Welcome(welcome) => ToOperator::Welcome(welcome_from(welcome, identity)),
        Report::HelloRefused { why, highest_term } => {
            let why = match why {
                host::HelloRefusedWhy::Term => HelloRefusedWhy::Term,
                host::HelloRefusedWhy::Protocol => HelloRefusedWhy::Protocol,
                host::HelloRefusedWhy::Malformed => HelloRefusedWhy::Malformed,
            };
            ToOperator::HelloRefused(HelloRefused { why, highest_term, protocol: SPOKEN })
        }
        Report::Opened(tenancy) => ToOperator::Opened(Opened {
            tenancy: tenancy_to(tenancy),
            ports: Vec::new(),
            certificate_hashes: identity.hashes.get(),
        }),
        Report::Refused { tenancy, why, current, message } => ToOperator::Refused(Refused {
            tenancy: tenancy_to(tenancy),
            why: refused_why(why),
            current_epoch: current.map_or(0, |it| it.0),
            message,
        }),
        Report::CheckpointFailed(tenancy, message) => {
            ToOperator::CheckpointFailed { tenancy: tenancy_to(tenancy), message }
        }
        Report::RoomState { tenancy, phase, players, checkpoint } => ToOperator::RoomState(RoomState {
            tenancy: tenancy_to(tenancy),
            phase: phase_to(phase),
            players,
            // 0 would say that there is none.
            checkpoint_tick: checkpoint.and_then(|it| NonZeroU64::new(it.0.max(1))),
            certificate_hashes: identity.hashes.get(),
        }),
        Report::Finished(tenancy, ending) => {
            ToOperator::Finished { tenancy: tenancy_to(tenancy), result: ending.values().clone() }
        }
        Report::Closed(tenancy) => ToOperator::Closed(tenancy_to(tenancy)),
        Report::Draining(is_draining) => ToOperator::Draining(is_draining),
        Report::Retired { is_retired, rooms } => {
            ToOperator::Retired { retired: is_retired, rooms: u32::try_from(rooms).unwrap_or(u32::MAX) }
        }
        Report::Fault(tenancy, message) => {
            ToOperator::Fault(Fault { tenancy: tenancy_to(tenancy), message, is_fatal: true })
        }
    }
}

fn welcome_from(welcome: host::Welcome, identity: &Identity) -> Welcome {
    let host::Welcome { protocol, is_retired, is_draining, rooms } = welcome;
    Welcome {
        boot_id: identity.boot_id.clone(),
        protocol,
        features: [
            (true, Feature::Witness),
            (identity.restores, Feature::Restore),
            (identity.restores, Feature::TakeIfSilent),
            (identity.stands_by, Feature::Standby),
        ]
        .into_iter()
        .filter_map(|(is_offered, feature)| is_offered.then_some(feature))
        .collect(),
        capacity: identity.capacity,
        is_retired,
        is_draining,
        rooms: rooms.into_iter().map(|it| hosted_from(it, identity)).collect(),
        certificate_hashes: identity.hashes.get(),
    }
}

fn hosted_from(room: Hosted, identity: &Identity) -> HostedRoom {
    let Hosted { tenancy, now } = room;
    HostedRoom {
        tenancy: tenancy_to(tenancy),
        phase: phase_to(now.phase),
        players: now.players,
        result: now.ending.map(|it| it.values().clone()),
        ports: Vec::new(),
        certificate_hashes: identity.hashes.get(),
    }
}

fn phase_to(phase: Phase) -> RoomPhase {
    match phase {
        // As the protocol has it: being opened, and no live claim yet.
        Phase::Opening => RoomPhase::Restoring,
        Phase::Waiting => RoomPhase::Waiting,
        Phase::Playing => RoomPhase::Playing,
        Phase::Finished => RoomPhase::Finished,
    }
}

fn refused_why(why: host::RefusedWhy) -> RefusedWhy {
    match why {
        host::RefusedWhy::Epoch => RefusedWhy::Epoch,
        host::RefusedWhy::Full => RefusedWhy::Full,
        host::RefusedWhy::Draining => RefusedWhy::Draining,
        host::RefusedWhy::Retired => RefusedWhy::Retired,
        host::RefusedWhy::Parameters => RefusedWhy::Parameters,
        host::RefusedWhy::Checkpoint => RefusedWhy::Checkpoint,
        host::RefusedWhy::Fenced => RefusedWhy::Fenced,
        host::RefusedWhy::OwnerAlive => RefusedWhy::OwnerAlive,
        host::RefusedWhy::Unsupported => RefusedWhy::Unsupported,
        host::RefusedWhy::UnknownRoom => RefusedWhy::UnknownRoom,
    }
}

pub(crate) fn tenancy_from(tenancy: gamekeeper_control::Tenancy) -> Tenancy {
    let gamekeeper_control::Tenancy { namespace, name, uid, epoch } = tenancy;
    Tenancy { namespace, name, uid, epoch: Epoch(epoch) }
}

fn tenancy_to(tenancy: Tenancy) -> gamekeeper_control::Tenancy {
    let Tenancy { namespace, name, uid, epoch } = tenancy;
    gamekeeper_control::Tenancy { namespace, name, uid, epoch: epoch.0 }
}
