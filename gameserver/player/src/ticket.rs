//! Tickets: who may play in which room until when, signed by a lobby or a matchmaker.
//!
//! A ticket is a PASETO of version 4, purpose public, without a footer and without an implicit assertion. Its
//! claims are `room`, `player`, `iat` and `exp`; others are for whoever made it.

mod key;

use std::time::Duration;

pub use key::{BadKey, PublicKey, SecretKey};

use jiff::Timestamp;
use pasetors::{Public, token::UntrustedToken, version4::PublicToken, version4::V4};
use serde::{Deserialize, Serialize};

use crate::limits;

/// Who may play in which room until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// The uid of the room.
    pub room: String,
    /// The player's name.
    pub player: String,
    /// When it was issued.
    #[serde(rename = "iat")]
    pub issued_at: Timestamp,
    /// When it ends.
    #[serde(rename = "exp")]
    pub expires_at: Timestamp,
}

/// Why a ticket lets nobody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum BadTicket {
    /// Not a ticket, or with a name or a time that no ticket may have.
    #[error("this is not a ticket")]
    Malformed,
    /// Signed by somebody else, or changed.
    #[error("the ticket has another signature than ours")]
    Forged,
    /// Not good any more.
    #[error("the ticket has expired")]
    Expired,
    /// From a clock that is ahead of ours.
    #[error("the ticket was issued in the future")]
    NotYetValid,
    /// Good for longer than a ticket may be.
    #[error("the ticket is good for more than a day")]
    TooLongLived,
    /// For another room.
    #[error("the ticket is for another room")]
    OtherRoom,
}

/// Why a ticket cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NotIssued {
    /// A room or a player without a name, or with one that is too long.
    #[error("a room needs 1 to 253 bytes, a player 1 to 128")]
    Names,
    /// It would end before it begins, or after more than a day.
    #[error("a ticket is good for at most a day")]
    Lifetime,
    /// The claims cannot be signed.
    #[error("failed to sign the ticket")]
    Sign,
}

/// Checks tickets.
#[derive(Clone, Debug)]
pub struct Verifier {
    key: PublicKey,
}

impl Ticket {
    /// Signs it.
    pub fn issue(&self, key: &SecretKey) -> Result<String, NotIssued> {
        if !self.has_names() {
            return Err(NotIssued::Names);
        }
        if !self.has_lifetime() {
            return Err(NotIssued::Lifetime);
        }
        let claims = serde_json::to_vec(self).map_err(|_| NotIssued::Sign)?;
        PublicToken::sign(key.inner(), &claims, None, None).map_err(|_| NotIssued::Sign)
    }

    /// Whether it is good now.
    pub fn check_time(&self, now: Timestamp) -> Result<(), BadTicket> {
        if self.expires_at <= now {
            return Err(BadTicket::Expired);
        }
        let ahead = Duration::try_from(self.issued_at.duration_since(now)).unwrap_or_default();
        if limits::CLOCK_SKEW_MAX < ahead { Err(BadTicket::NotYetValid) } else { Ok(()) }
    }

    fn has_names(&self) -> bool {
        (1..=limits::ROOM_BYTES_MAX).contains(&self.room.len())
            && (1..=limits::PLAYER_BYTES_MAX).contains(&self.player.len())
    }

    fn has_lifetime(&self) -> bool {
        let lifetime = Duration::try_from(self.expires_at.duration_since(self.issued_at));
        lifetime.is_ok_and(|it| !it.is_zero() && it <= limits::TICKET_LIFETIME_MAX)
    }
}

impl Verifier {
    /// Of tickets that were signed with the secret half of this key.
    pub fn new(key: PublicKey) -> Self {
        Self { key }
    }

    /// Reads a ticket that lets somebody into this room now.
    pub fn verify(&self, token: &str, room: &str, now: Timestamp) -> Result<Ticket, BadTicket> {
        let ticket = self.read(token, room)?;
        ticket.check_time(now)?;
        Ok(ticket)
    }

    /// Reads a ticket for this room that may have expired.
    pub fn read(&self, token: &str, room: &str) -> Result<Ticket, BadTicket> {
        if limits::TICKET_BYTES_MAX < token.len() {
            return Err(BadTicket::Malformed);
        }
        let untrusted = UntrustedToken::<Public, V4>::try_from(token).map_err(|_| BadTicket::Malformed)?;
        if !untrusted.untrusted_footer().is_empty() {
            return Err(BadTicket::Malformed);
        }
        let trusted = PublicToken::verify(self.key.inner(), &untrusted, None, None);
        let trusted = trusted.map_err(|_| BadTicket::Forged)?;
        let ticket: Ticket = serde_json::from_str(trusted.payload()).map_err(|_| BadTicket::Malformed)?;
        if !ticket.has_names() {
            return Err(BadTicket::Malformed);
        }
        if !ticket.has_lifetime() {
            return Err(BadTicket::TooLongLived);
        }
        if ticket.room != room {
            return Err(BadTicket::OtherRoom);
        }
        Ok(ticket)
    }
}
