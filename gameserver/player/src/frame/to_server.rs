//! What a client says on the reliable lane.

use std::{fmt, ops::RangeInclusive};

use super::put;
use crate::{
    Malformed, limits, varint,
    wire::{Reader, put_bytes},
};

const JOIN: u8 = 0x01;
const MESSAGE: u8 = 0x02;
const LEAVE: u8 = 0x03;
const NUMBERED: u8 = 0x04;

const OPEN: u8 = 0;
const TICKET: u8 = 1;

const PLAYER: u8 = 0;
const SPECTATOR: u8 = 1;

/// A frame to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToServer<'a> {
    /// I want to play; the first frame of every connection.
    Join(Join),
    /// Something for the game that must arrive.
    Message(&'a [u8]),
    /// I go, and do not come back.
    Leave,
    /// A message with its number in the stay, from 1: to be confirmed, and to be heeded once.
    Numbered(u64, &'a [u8]),
}

/// Who wants to play where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    /// The versions of the protocol that the client speaks.
    pub protocol: RangeInclusive<u64>,
    /// Bits of what the client understands beyond the version; see [`Joined::features`](super::Joined).
    pub features: u64,
    /// The uid of the room, or its name.
    pub room: String,
    /// To play, or to watch.
    pub role: Role,
    /// Who it is.
    pub credentials: Credentials,
    /// Proves later that it is the same client.
    pub secret: Secret,
    /// The number of the oldest input that the client still has, or will send next; from 1.
    pub first_input: u64,
}

/// What somebody does in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Takes a seat.
    Player,
    /// Only watches.
    Spectator,
}

/// Who a client says that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// The name of a player, where everybody may play.
    Open(String),
    /// A ticket, which names the player.
    Ticket(String),
}

/// What a client chose at random when it first joined, and what it comes back with.
#[derive(Clone, Copy, Eq)]
pub struct Secret(pub [u8; limits::SECRET_BYTES]);

impl PartialEq for Secret {
    /// In the same time wherever they differ.
    fn eq(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).fold(0, |differences, (mine, theirs)| differences | (mine ^ theirs)) == 0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl<'a> ToServer<'a> {
    /// Appends the frame. What is longer than the limits say is refused by whoever gets it.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Join(join) => put(JOIN, out, |out| join.put(out)),
            Self::Message(message) => put(MESSAGE, out, |out| put_bytes(message, out)),
            Self::Leave => put(LEAVE, out, |_| {}),
            Self::Numbered(number, message) => put(NUMBERED, out, |out| {
                varint::put(*number, out);
                put_bytes(message, out);
            }),
        }
    }

    /// Reads a frame, without its length. `None`: of a type that this release does not know.
    pub fn parse(frame: &'a [u8]) -> Result<Option<Self>, Malformed> {
        let mut reader = Reader::new(frame);
        let reader = &mut reader;
        Ok(Some(match reader.byte("frame.type")? {
            JOIN => Self::Join(Join::parse(reader)?),
            MESSAGE => Self::Message(reader.bytes("Message.bytes", limits::MESSAGE_TO_SERVER_BYTES_MAX)?),
            LEAVE => Self::Leave,
            NUMBERED => {
                let number = reader.number("Numbered.number")?;
                if number == 0 {
                    return Err(Malformed::BadValue { field: "Numbered.number", value: 0 });
                }
                Self::Numbered(number, reader.bytes("Numbered.bytes", limits::MESSAGE_TO_SERVER_BYTES_MAX)?)
            }
            _ => return Ok(None),
        }))
    }

    /// Whether this release knows the type of a frame.
    pub(crate) fn is_known(frame: &[u8]) -> bool {
        matches!(frame.first(), Some(&JOIN | &MESSAGE | &LEAVE | &NUMBERED))
    }
}

impl Join {
    fn put(&self, out: &mut Vec<u8>) {
        let Self { protocol, features, room, role, credentials, secret, first_input } = self;
        varint::put(*protocol.start(), out);
        varint::put(*protocol.end(), out);
        varint::put(*features, out);
        put_bytes(room.as_bytes(), out);
        out.push(match role {
            Role::Player => PLAYER,
            Role::Spectator => SPECTATOR,
        });
        let (kind, text) = match credentials {
            Credentials::Open(player) => (OPEN, player),
            Credentials::Ticket(ticket) => (TICKET, ticket),
        };
        out.push(kind);
        put_bytes(text.as_bytes(), out);
        out.extend_from_slice(&secret.0);
        varint::put(*first_input, out);
    }

    fn parse(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let protocol = reader.number("Join.protocol_min")?..=reader.number("Join.protocol_max")?;
        let features = reader.number("Join.features")?;
        let room = reader.name("Join.room", limits::ROOM_BYTES_MAX)?.to_owned();
        let role = match reader.byte("Join.role")? {
            PLAYER => Role::Player,
            SPECTATOR => Role::Spectator,
            other => return Err(Malformed::BadValue { field: "Join.role", value: other.into() }),
        };
        let credentials = match reader.byte("Join.credentials")? {
            OPEN => Credentials::Open(reader.name("Join.player", limits::PLAYER_BYTES_MAX)?.to_owned()),
            TICKET => Credentials::Ticket(reader.name("Join.ticket", limits::TICKET_BYTES_MAX)?.to_owned()),
            other => return Err(Malformed::BadValue { field: "Join.credentials", value: other.into() }),
        };
        let secret = Secret(reader.fixed("Join.secret")?);
        let first_input = reader.number("Join.first_input")?;
        if first_input == 0 {
            return Err(Malformed::BadValue { field: "Join.first_input", value: 0 });
        }
        Ok(Self { protocol, features, room, role, credentials, secret, first_input })
    }
}
