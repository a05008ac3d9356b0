//! What the parts say to each other, and how the machines' own types say it.

use std::time::Duration;

use gamekeeper_control::{PROTOCOL, ToOperator};
use gamekeeper_operator::room::ledger::LinkNews;
use gamekeeper_room::{
    Epoch, Tenancy,
    host::{self, Order, Report, Welcome},
};
use gamekeeper_server::convert::{Identity, message};

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

/// What an empty server would say, if it were asked.
pub fn empty(server: u8) -> LinkNews {
    let welcome = Welcome { protocol: PROTOCOL, is_retired: false, is_draining: false, rooms: Vec::new() };
    heard(server, Report::Welcome(welcome))
}

/// What a server says, as the ledger hears it. The way there, a link, is told here again.
pub fn heard(server: u8, report: Report) -> LinkNews {
    match message(report, &Identity::unseen(format!("boot-{server}"), CAPACITY)) {
        ToOperator::Welcome(it) => LinkNews::Welcome(it),
        ToOperator::HelloRefused(it) => LinkNews::Succeeded(it.highest_term),
        ToOperator::Opened(it) => LinkNews::Opened(it),
        ToOperator::Refused(it) => LinkNews::Refused(it),
        ToOperator::RoomState(it) => LinkNews::State(it),
        ToOperator::CheckpointFailed { tenancy, message } => LinkNews::CheckpointFailed(tenancy, message),
        ToOperator::Finished { tenancy, result } => LinkNews::Finished(tenancy, result),
        ToOperator::Closed(tenancy) => LinkNews::Closed(tenancy),
        ToOperator::Fault(it) => LinkNews::Closed(it.tenancy),
        ToOperator::Draining(is_draining) => LinkNews::Draining(is_draining),
        ToOperator::Retired { retired, .. } => LinkNews::Retired(retired),
        other => unreachable!("the book of rooms does not say {other:?}"),
    }
}
