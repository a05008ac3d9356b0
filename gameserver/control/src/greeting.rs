//! How a stream begins.

use std::{
    collections::{BTreeSet, HashSet},
    ops::RangeInclusive,
    time::Duration,
};

use crate::{HostedRoom, Malformed, field, limits, proto};

/// What a server can do beyond rooms, beats, drain and retire, which every server can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Feature {
    /// Opens rooms from a checkpoint: [`Open::restore`](crate::Open).
    Restore,
    /// Takes part in moves.
    Move,
    /// Probes other servers.
    Witness,
    /// Sends copies of its rooms to a standby, and is one for others.
    Standby,
    /// Takes rooms from owners that the store has not heard: [`Restore::owner_silent`](crate::Restore).
    TakeIfSilent,
}

/// The operator's greeting, first on every stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Of the leadership; grows with every new leader.
    pub term: u32,
    /// Of the operator's process, for logs.
    pub identity: String,
    /// The versions of the protocol that the operator speaks.
    pub protocol: RangeInclusive<u32>,
    /// How often beats are wanted while the server hosts rooms, in whole milliseconds.
    pub heartbeat: Duration,
}

/// The server's answer to a [`Hello`] that it accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// New for every process of a server, so that a restart is noticed.
    pub boot_id: String,
    /// The version that both will speak.
    pub protocol: u32,
    /// What the server offers; those that this release does not know are left out.
    pub features: BTreeSet<Feature>,
    /// How many rooms the server can host.
    pub capacity: u32,
    /// It has accepted `Retire` and takes no room any more.
    pub is_retired: bool,
    /// A drain is in force.
    pub is_draining: bool,
    /// All rooms that the server has in any phase, each once, also finished ones until they are closed.
    pub rooms: Vec<HostedRoom>,
    /// Hashes of the certificates that players of any of its rooms may be shown, those of its next room too. None, if
    /// players do not pin certificates.
    pub certificate_hashes: Vec<String>,
}

/// Why a [`Hello`] is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HelloRefusedWhy {
    /// No reason, or one that this release does not know.
    Unspecified,
    /// The server has seen a higher term.
    Term,
    /// The server speaks none of the versions.
    Protocol,
    /// The Hello is malformed, or is not the first message.
    Malformed,
}

/// Refuses a [`Hello`]; the server ends the stream after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HelloRefused {
    /// The reason.
    pub why: HelloRefusedWhy,
    /// The highest term that the server has seen, 0 if none.
    pub highest_term: u32,
    /// The versions that the server speaks. Empty if it does not say so properly.
    pub protocol: RangeInclusive<u32>,
}

impl TryFrom<proto::Hello> for Hello {
    type Error = Malformed;

    fn try_from(hello: proto::Hello) -> Result<Self, Malformed> {
        let proto::Hello { term, identity, protocol_min, protocol_max, heartbeat_ms } = hello;
        let lowest = field::in_range("Hello.protocol_min", protocol_min, 1..=u32::MAX)?;
        let highest = field::in_range("Hello.protocol_max", protocol_max, lowest..=u32::MAX)?;
        Ok(Self {
            term: field::in_range("Hello.term", term, 1..=u32::MAX)?,
            identity: field::at_most("Hello.identity", identity, limits::IDENTITY_BYTES_MAX)?,
            protocol: lowest..=highest,
            heartbeat: field::milliseconds("Hello.heartbeat_ms", heartbeat_ms, limits::HEARTBEAT_MS)?,
        })
    }
}

impl From<Hello> for proto::Hello {
    fn from(hello: Hello) -> Self {
        let Hello { term, identity, protocol, heartbeat } = hello;
        let (protocol_min, protocol_max) = protocol.into_inner();
        Self {
            term,
            identity,
            protocol_min,
            protocol_max,
            heartbeat_ms: field::whole_milliseconds(heartbeat),
        }
    }
}

impl TryFrom<proto::Welcome> for Welcome {
    type Error = Malformed;

    fn try_from(welcome: proto::Welcome) -> Result<Self, Malformed> {
        let features = welcome.features().filter_map(known_feature).collect();
        let proto::Welcome {
            boot_id,
            protocol,
            features: _,
            capacity,
            retired,
            draining,
            rooms,
            certificate_hashes,
        } = welcome;
        field::count("Welcome.rooms", rooms.len(), limits::ROOMS_MAX)?;
        let rooms: Vec<HostedRoom> = rooms.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?;
        let mut seen = HashSet::with_capacity(rooms.len());
        if let Some(twice) = rooms.iter().map(|it| &it.tenancy.uid).find(|uid| !seen.insert(*uid)) {
            return Err(Malformed::RoomTwice { uid: twice.clone() });
        }
        Ok(Self {
            boot_id: field::identifier("Welcome.boot_id", boot_id, limits::BOOT_ID_BYTES_MAX)?,
            protocol: field::in_range("Welcome.protocol", protocol, 1..=u32::MAX)?,
            features,
            capacity: field::in_range("Welcome.capacity", capacity, limits::CAPACITY)?,
            is_retired: retired,
            is_draining: draining,
            rooms,
            certificate_hashes: field::certificate_hashes("Welcome.certificate_hashes", certificate_hashes)?,
        })
    }
}

impl From<Welcome> for proto::Welcome {
    fn from(welcome: Welcome) -> Self {
        let Welcome {
            boot_id,
            protocol,
            features,
            capacity,
            is_retired,
            is_draining,
            rooms,
            certificate_hashes,
        } = welcome;
        Self {
            boot_id,
            protocol,
            features: features.into_iter().map(|it| proto::Feature::from(it).into()).collect(),
            capacity,
            retired: is_retired,
            draining: is_draining,
            rooms: rooms.into_iter().map(Into::into).collect(),
            certificate_hashes,
        }
    }
}

/// Who does not know a feature does not use it, so it is left out.
fn known_feature(feature: proto::Feature) -> Option<Feature> {
    match feature {
        proto::Feature::Unspecified => None,
        proto::Feature::Restore => Some(Feature::Restore),
        proto::Feature::Move => Some(Feature::Move),
        proto::Feature::Witness => Some(Feature::Witness),
        proto::Feature::Standby => Some(Feature::Standby),
        proto::Feature::TakeIfSilent => Some(Feature::TakeIfSilent),
    }
}

impl From<Feature> for proto::Feature {
    fn from(feature: Feature) -> Self {
        match feature {
            Feature::Restore => Self::Restore,
            Feature::Move => Self::Move,
            Feature::Witness => Self::Witness,
            Feature::Standby => Self::Standby,
            Feature::TakeIfSilent => Self::TakeIfSilent,
        }
    }
}

impl From<proto::HelloRefused> for HelloRefused {
    fn from(refused: proto::HelloRefused) -> Self {
        // An unknown reason reads as unspecified: that the Hello is refused must be heard in any case.
        let why = refused.why().into();
        let proto::HelloRefused { why: _, highest_term, protocol_min, protocol_max } = refused;
        Self { why, highest_term, protocol: protocol_min..=protocol_max }
    }
}

impl From<HelloRefused> for proto::HelloRefused {
    fn from(refused: HelloRefused) -> Self {
        let HelloRefused { why, highest_term, protocol } = refused;
        let (protocol_min, protocol_max) = protocol.into_inner();
        Self { why: proto::hello_refused::Why::from(why).into(), highest_term, protocol_min, protocol_max }
    }
}

impl From<proto::hello_refused::Why> for HelloRefusedWhy {
    fn from(why: proto::hello_refused::Why) -> Self {
        match why {
            proto::hello_refused::Why::Unspecified => Self::Unspecified,
            proto::hello_refused::Why::Term => Self::Term,
            proto::hello_refused::Why::Protocol => Self::Protocol,
            proto::hello_refused::Why::Malformed => Self::Malformed,
        }
    }
}

impl From<HelloRefusedWhy> for proto::hello_refused::Why {
    fn from(why: HelloRefusedWhy) -> Self {
        match why {
            HelloRefusedWhy::Unspecified => Self::Unspecified,
            HelloRefusedWhy::Term => Self::Term,
            HelloRefusedWhy::Protocol => Self::Protocol,
            HelloRefusedWhy::Malformed => Self::Malformed,
        }
    }
}
