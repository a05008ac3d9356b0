//! One connection seen by the server, and one stay in a room seen by the client. Both move no byte themselves:
//! they are told what came in and what time it is, and say what is to be sent and when to ask again.

pub mod client;
pub mod server;
mod violation;

pub use violation::Violation;

use std::ops::RangeInclusive;

/// The versions of the protocol that this release speaks.
pub const PROTOCOL: RangeInclusive<u64> = 1..=1;

/// Bit of `features`: messages to the server are numbered and confirmed.
pub const CONFIRMED_MESSAGES: u64 = 1;

/// All that this release understands beyond the version.
pub const FEATURES: u64 = CONFIRMED_MESSAGES;

/// What QUIC's handshake agrees on (ALPN).
pub const ALPN: &[u8] = b"gamekeeper/1";

/// With which a connection is closed when all is well.
pub const CLOSED: u32 = 0;

/// With which a server closes a connection whose player has come by another one.
pub const REPLACED: u32 = 6;

/// The highest version that both speak.
pub fn agree(offered: &RangeInclusive<u64>) -> Option<u64> {
    let highest = *offered.end().min(PROTOCOL.end());
    (PROTOCOL.contains(&highest) && offered.contains(&highest)).then_some(highest)
}
