//! What the parts say to each other, and how the machines' own types say it.

use std::{num::NonZeroU64, time::Duration};

use gamekeeper_control::{
    Feature, HostedRoom, Opened, Refused, RefusedWhy, RoomPhase, RoomState, Tenancy as Told, Welcome,
};
use gamekeeper_operator::room::ledger::LinkNews;
use gamekeeper_room::{
    Epoch, Phase, Tenancy,
    host::{self, Hosted, Order, Report},
};

use crate::{
    bounds::{FENCE, ROOMS},
    intern::Id,
};

/// One step of the clock.
pub const STEP: Duration = Duration::from_secs(1);

/// Rooms that one server can host: all.
pub const CAPACITY: u32 = 2;
const _: () = assert!(CAPACITY as usize == ROOMS, "all rooms fit");

/// So many steps, as a time.
pub fn time(steps: u8) -> Duration {
    STEP * u32::from(steps)
}

/// So many steps, on the store's clock.
pub fn millis(steps: u8) -> u64 {
    u64::from(steps) * 1000
}

/// Of a room.
pub fn room_uid(room: u8) -> String {
    format!("room-uid-{room}")
}

/// Of a room.
pub fn room_name(room: u8) -> String {
    format!("room-{room}")
}

/// Of a server's pod.
pub fn server_uid(server: u8) -> String {
    format!("pod-uid-{server}")
}

/// The number at the end of a uid.
pub fn number_of(uid: &str) -> u8 {
    uid.bytes().last().map_or(0, |it| it.saturating_sub(b'0'))
}

/// How a room is had from the store: with a fence or without, and whether only if its owner is silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Restore {
    /// The owner before may still be alive.
    pub fence: bool,
    /// It is not to be had while the store hears that one.
    pub if_silent: bool,
}

/// A command of an operator to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// To open a room: afresh, or from the store.
    Open { room: u8, epoch: i64, restore: Option<Restore> },
    /// To let go of a room.
    Close { room: u8, epoch: i64 },
    /// To take no rooms, or to take them again.
    Drain(bool),
    /// To take none for ever.
    Retire,
}

impl Command {
    /// As the server's book of rooms knows it.
    pub fn heard(self) -> host::Command {
        match self {
            Self::Open { room, epoch, restore } => host::Command::Open(Order {
                tenancy: tenancy(room, epoch),
                seats: None,
                parameters: std::collections::BTreeMap::new(),
                restore: restore.map(|Restore { fence, if_silent }| host::Restore {
                    lost_epoch: None,
                    fence,
                    ended_epoch: None,
                    owner_silent: if_silent.then_some(time(FENCE)),
                }),
            }),
            Self::Close { room, epoch } => host::Command::Close(tenancy(room, epoch)),
            Self::Drain(is_on) => host::Command::Drain(is_on),
            Self::Retire => host::Command::Retire,
        }
    }
}

/// What is on its way from a server to an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum News {
    /// A report; with the latest term that it tells of, if it is a refused greeting.
    Said { report: Id, term: u32, is_welcome: bool },
    /// The stream is no more.
    Lost,
}

/// A room under an epoch.
pub fn tenancy(room: u8, epoch: i64) -> Tenancy {
    Tenancy { namespace: "games".into(), name: room_name(room), uid: room_uid(room), epoch: Epoch(epoch) }
}

fn told(tenancy: Tenancy) -> Told {
    let Tenancy { namespace, name, uid, epoch } = tenancy;
    Told { namespace, name, uid, epoch: epoch.0 }
}

fn told_phase(phase: Phase) -> RoomPhase {
    match phase {
        Phase::Opening => RoomPhase::Restoring,
        Phase::Waiting => RoomPhase::Waiting,
        Phase::Playing => RoomPhase::Playing,
        Phase::Finished => RoomPhase::Finished,
    }
}

fn told_room(hosted: Hosted) -> HostedRoom {
    HostedRoom {
        tenancy: told(hosted.tenancy),
        phase: told_phase(hosted.now.phase),
        players: hosted.now.players,
        result: hosted.now.ending.map(|it| it.values().clone()),
        ports: Vec::new(),
        certificate_hashes: Vec::new(),
    }
}

fn told_why(why: host::RefusedWhy) -> RefusedWhy {
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

/// What an empty server would say, if it were asked.
pub fn empty(server: u8) -> LinkNews {
    welcome(server, host::Welcome { protocol: 1, is_retired: false, is_draining: false, rooms: Vec::new() })
}

fn welcome(server: u8, welcome: host::Welcome) -> LinkNews {
    LinkNews::Welcome(Welcome {
        boot_id: format!("boot-{server}"),
        protocol: welcome.protocol,
        features: [Feature::Restore, Feature::TakeIfSilent].into(),
        capacity: CAPACITY,
        is_retired: welcome.is_retired,
        is_draining: welcome.is_draining,
        rooms: welcome.rooms.into_iter().map(told_room).collect(),
        certificate_hashes: Vec::new(),
    })
}

/// What a server says, as the ledger hears it.
pub fn heard(server: u8, report: Report) -> LinkNews {
    match report {
        Report::Welcome(it) => welcome(server, it),
        Report::Opened(tenancy) => {
            LinkNews::Opened(Opened { tenancy: told(tenancy), ports: vec![], certificate_hashes: vec![] })
        }
        Report::Refused { tenancy, why, current, message } => LinkNews::Refused(Refused {
            tenancy: told(tenancy),
            why: told_why(why),
            current_epoch: current.map_or(0, |it| it.0),
            message,
        }),
        Report::RoomState { tenancy, phase, players, checkpoint } => LinkNews::State(RoomState {
            tenancy: told(tenancy),
            phase: told_phase(phase),
            players,
            checkpoint_tick: checkpoint.and_then(|it| NonZeroU64::new(it.0)),
            certificate_hashes: vec![],
        }),
        Report::CheckpointFailed(tenancy, message) => LinkNews::CheckpointFailed(told(tenancy), message),
        Report::Finished(tenancy, ending) => LinkNews::Finished(told(tenancy), ending.values().clone()),
        Report::Closed(tenancy) | Report::Fault(tenancy, _) => LinkNews::Closed(told(tenancy)),
        Report::Draining(is_draining) => LinkNews::Draining(is_draining),
        Report::Retired { is_retired, .. } => LinkNews::Retired(is_retired),
        Report::HelloRefused { highest_term, .. } => LinkNews::Succeeded(highest_term),
    }
}
