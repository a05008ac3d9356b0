//! What a server says on the reliable lane.

use std::{collections::BTreeMap, time::Duration};

use super::put;
use crate::{
    Malformed, limits, varint,
    wire::{Reader, put_bytes},
};

const JOINED: u8 = 0x11;
const REFUSED: u8 = 0x12;
const REDIRECT: u8 = 0x13;
const FALLBACKS: u8 = 0x14;
const MESSAGE: u8 = 0x15;
const ENDED: u8 = 0x16;
const CONFIRMED: u8 = 0x17;

/// A frame to a player.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToPlayer<'a> {
    /// You are in.
    Joined(Joined),
    /// You are not.
    Refused(Refused),
    /// The room moves: connect there too.
    Redirect(Redirect),
    /// Where to look for the room if this server is lost; in place of what was said before.
    Fallbacks(Place),
    /// Something from the game that must arrive.
    Message(&'a [u8]),
    /// The match is over.
    Ended(BTreeMap<String, String>),
    /// All messages of the player up to this number have been heard.
    Confirmed(u64),
}

/// What a player is told first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The version of the protocol that both speak from here on.
    pub protocol: u64,
    /// Bits of what both understand beyond it: [`FEATURES`](crate::session::FEATURES).
    pub features: u64,
    /// The player's place in the room, from 0.
    pub seat: u32,
    /// The player's name, which a ticket says and the client may not know.
    pub player: String,
    /// Of the room's tenancy on this server.
    pub epoch: u64,
    /// The room's last tick.
    pub tick: u64,
    /// Ticks per second.
    pub tick_rate: u32,
    /// All inputs up to this one are known here, from an earlier connection; the client sends those after it.
    pub input_ack: u64,
    /// Where to look for the room if this server is lost.
    pub fallbacks: Place,
}

/// Why a player is not let in, or not any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The reason.
    pub why: RefusedWhy,
    /// For a person.
    pub message: String,
}

/// Why a player is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefusedWhy {
    /// A reason that this release does not know, by its number.
    Unknown(u64),
    /// The room is not on this server.
    NoSuchRoom,
    /// Every seat has a player.
    Full,
    /// The ticket is forged or no ticket at all, or one is needed.
    NotAdmitted,
    /// The ticket is not good any more, or not yet.
    TicketExpired,
    /// The ticket is for another room.
    TicketForAnotherRoom,
    /// Another client has come with this ticket before.
    TicketUsed,
    /// Another client has this name.
    NameTaken,
    /// No common version.
    ProtocolVersion,
    /// The match is over.
    Over,
    /// Not now; try again later.
    Busy,
    /// The client broke the protocol.
    Malformed,
}

/// A move of the room to another server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// The room's uid: what to join there.
    pub room: String,
    /// That it will have there.
    pub epoch: u64,
    /// Where it will be.
    pub place: Place,
    /// How long the place is held.
    pub deadline: Duration,
}

/// Where a room is or may be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// In the order in which to try them.
    pub endpoints: Vec<Endpoint>,
    /// SHA-256 of the certificates that these may show. None: the usual rules of the web hold.
    pub certificate_hashes: Vec<[u8; limits::CERTIFICATE_HASH_BYTES]>,
}

/// An address to connect to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// An IP address, or a host name.
    pub address: String,
    /// Of UDP.
    pub port: u16,
}

impl RefusedWhy {
    /// As on the wire.
    pub fn code(self) -> u64 {
        match self {
            Self::Unknown(code) => code,
            Self::NoSuchRoom => 1,
            Self::Full => 2,
            Self::NotAdmitted => 3,
            Self::TicketExpired => 4,
            Self::TicketForAnotherRoom => 5,
            Self::TicketUsed => 6,
            Self::NameTaken => 7,
            Self::ProtocolVersion => 8,
            Self::Over => 9,
            Self::Busy => 10,
            Self::Malformed => 11,
        }
    }

    /// From the wire.
    pub fn from_code(code: u64) -> Self {
        match code {
            1 => Self::NoSuchRoom,
            2 => Self::Full,
            3 => Self::NotAdmitted,
            4 => Self::TicketExpired,
            5 => Self::TicketForAnotherRoom,
            6 => Self::TicketUsed,
            7 => Self::NameTaken,
            8 => Self::ProtocolVersion,
            9 => Self::Over,
            10 => Self::Busy,
            11 => Self::Malformed,
            other => Self::Unknown(other),
        }
    }
}

impl<'a> ToPlayer<'a> {
    /// Appends the frame. What is longer than the limits say is refused by whoever gets it; texts for people
    /// are cut.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Joined(joined) => put(JOINED, out, |out| joined.put(out)),
            Self::Refused(Refused { why, message }) => put(REFUSED, out, |out| {
                varint::put(why.code(), out);
                let cut = message.floor_char_boundary(limits::TEXT_BYTES_MAX);
                put_bytes(message.get(..cut).unwrap_or_default().as_bytes(), out);
            }),
            Self::Redirect(redirect) => put(REDIRECT, out, |out| redirect.put(out)),
            Self::Fallbacks(place) => put(FALLBACKS, out, |out| place.put(out)),
            Self::Message(message) => put(MESSAGE, out, |out| put_bytes(message, out)),
            Self::Confirmed(number) => put(CONFIRMED, out, |out| varint::put(*number, out)),
            Self::Ended(result) => put(ENDED, out, |out| put_result(result, out)),
        }
    }

    /// Reads a frame, without its length. `None`: of a type that this release does not know.
    pub fn parse(frame: &'a [u8]) -> Result<Option<Self>, Malformed> {
        let mut reader = Reader::new(frame);
        let reader = &mut reader;
        Ok(Some(match reader.byte("frame.type")? {
            JOINED => Self::Joined(Joined::parse(reader)?),
            REFUSED => Self::Refused(Refused {
                why: RefusedWhy::from_code(reader.number("Refused.why")?),
                message: reader.text("Refused.message", limits::TEXT_BYTES_MAX)?.to_owned(),
            }),
            REDIRECT => Self::Redirect(Redirect::parse(reader)?),
            FALLBACKS => Self::Fallbacks(Place::parse(reader)?),
            MESSAGE => Self::Message(reader.bytes("Message.bytes", limits::MESSAGE_TO_PLAYER_BYTES_MAX)?),
            ENDED => Self::Ended(parse_result(reader)?),
            CONFIRMED => Self::Confirmed(reader.number("Confirmed.number")?),
            _ => return Ok(None),
        }))
    }
}

impl Joined {
    fn put(&self, out: &mut Vec<u8>) {
        let Self { protocol, features, seat, player, epoch, tick, tick_rate, input_ack, fallbacks } = self;
        varint::put(*protocol, out);
        varint::put(*features, out);
        varint::put((*seat).into(), out);
        put_bytes(player.as_bytes(), out);
        out.extend_from_slice(&epoch.to_be_bytes());
        varint::put(*tick, out);
        varint::put((*tick_rate).into(), out);
        varint::put(*input_ack, out);
        fallbacks.put(out);
    }

    fn parse(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            protocol: reader.number("Joined.protocol")?,
            features: reader.number("Joined.features")?,
            seat: reader.small("Joined.seat")?,
            player: reader.name("Joined.player", limits::PLAYER_BYTES_MAX)?.to_owned(),
            epoch: u64::from_be_bytes(reader.fixed("Joined.epoch")?),
            tick: reader.number("Joined.tick")?,
            tick_rate: reader.small("Joined.tick_rate")?,
            input_ack: reader.number("Joined.input_ack")?,
            fallbacks: Place::parse(reader)?,
        })
    }
}

impl Redirect {
    fn put(&self, out: &mut Vec<u8>) {
        let Self { room, epoch, place, deadline } = self;
        put_bytes(room.as_bytes(), out);
        out.extend_from_slice(&epoch.to_be_bytes());
        place.put(out);
        varint::put(u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX), out);
    }

    fn parse(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let room = reader.name("Redirect.room", limits::ROOM_BYTES_MAX)?.to_owned();
        let epoch = u64::from_be_bytes(reader.fixed("Redirect.epoch")?);
        let place = Place::parse(reader)?;
        if place.endpoints.is_empty() {
            return Err(Malformed::Empty { field: "Redirect.endpoints" });
        }
        let (field, value) = ("Redirect.deadline_ms", reader.number("Redirect.deadline_ms")?);
        let deadline = Duration::from_millis(value);
        if limits::MOVE_DEADLINE_MAX < deadline {
            return Err(Malformed::BadValue { field, value });
        }
        Ok(Self { room, epoch, place, deadline })
    }
}

impl Place {
    fn put(&self, out: &mut Vec<u8>) {
        let Self { endpoints, certificate_hashes } = self;
        varint::put(endpoints.len() as u64, out);
        for Endpoint { address, port } in endpoints {
            put_bytes(address.as_bytes(), out);
            varint::put((*port).into(), out);
        }
        varint::put(certificate_hashes.len() as u64, out);
        certificate_hashes.iter().for_each(|it| out.extend_from_slice(it));
    }

    fn parse(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut place = Self::default();
        for _ in 0..reader.count("endpoints", limits::ENDPOINTS_MAX)? {
            let address = reader.name("Endpoint.address", limits::HOST_BYTES_MAX)?.to_owned();
            place.endpoints.push(Endpoint { address, port: reader.small("Endpoint.port")? });
        }
        for _ in 0..reader.count("certificate_hashes", limits::CERTIFICATE_HASHES_MAX)? {
            place.certificate_hashes.push(reader.fixed("certificate_hashes")?);
        }
        Ok(place)
    }
}

fn put_result(result: &BTreeMap<String, String>, out: &mut Vec<u8>) {
    varint::put(result.len() as u64, out);
    for text in result.iter().flat_map(|(key, value)| [key, value]) {
        put_bytes(text.as_bytes(), out);
    }
}

fn parse_result(reader: &mut Reader<'_>) -> Result<BTreeMap<String, String>, Malformed> {
    let (mut result, mut left) = (BTreeMap::new(), limits::RESULT_BYTES_MAX);
    for _ in 0..reader.count("Ended.result", limits::RESULT_ENTRIES_MAX)? {
        let key = reader.text("Ended.key", left)?;
        left -= key.len();
        let value = reader.text("Ended.value", left)?;
        left -= value.len();
        result.insert(key.to_owned(), value.to_owned());
    }
    Ok(result)
}
