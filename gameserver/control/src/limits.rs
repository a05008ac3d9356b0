//! Every limit of the protocol, with its reason.
//!
//! Lengths are in bytes of UTF-8. Who receives more refuses it ([`Malformed`](crate::Malformed)); texts for
//! people are cut instead.

use std::{collections::BTreeMap, ops::RangeInclusive};

/// Of a namespace: what Kubernetes allows.
pub const NAMESPACE_BYTES_MAX: usize = 63;

/// Of a room's name: what Kubernetes allows.
pub const NAME_BYTES_MAX: usize = 253;

/// Of a room's uid: Kubernetes uses 36; somewhat more, since nobody promises it.
pub const UID_BYTES_MAX: usize = 64;

/// Of a server's boot id: enough for every kind of random identifier in text.
pub const BOOT_ID_BYTES_MAX: usize = 64;

/// Of an operator's identity: it begins with a pod's name.
pub const IDENTITY_BYTES_MAX: usize = 253;

/// Of a port's name: what Kubernetes allows.
pub const PORT_NAME_BYTES_MAX: usize = 15;

/// Of a host name or address that players are told: what the domain name system allows.
pub const HOST_BYTES_MAX: usize = 253;

/// Of an address that a server dials, `[IPv6%scope]:port` at the longest.
pub const ADDRESS_BYTES_MAX: usize = 64;

/// Of a text for people, which goes into conditions and log lines. Longer ones are cut at a character.
pub const TEXT_BYTES_MAX: usize = 1024;

/// Entries of parameters and results: as many as a `GameRoom` may have.
pub const VALUES_MAX: usize = 32;

/// Keys and values of parameters or a result together: what a `GameRoom` may have, so that a watch of many
/// rooms stays small.
pub const VALUES_BYTES_MAX: usize = 4096;

/// Ports of a room: as many as a fleet may have.
pub const PORTS_MAX: usize = 8;

/// Endpoints that players are told in a move: each port at an IPv4 and an IPv6 address.
pub const ENDPOINTS_MAX: usize = 2 * PORTS_MAX;

/// Servers that players are told of beside their own: they are all tried at once when it is lost, and one that is not
/// asked is no loss while another holds the door open.
pub const FALLBACKS_MAX: usize = 4;

/// Rooms that one message says are sought: those of some lost servers. What is more is said by the next one.
pub const SOUGHT_MAX: usize = 256;

/// Certificates of a server: today's and tomorrow's, of two kinds.
pub const CERTIFICATE_HASHES_MAX: usize = 4;

/// Of a certificate's hash, `sha256:` and 64 hex digits.
pub const CERTIFICATE_HASH_BYTES: usize = 71;

/// Rooms of a server. One process ticks that many only if they do next to nothing; what it bounds is
/// the size of a Welcome.
pub const ROOMS_MAX: usize = 4096;

/// How many rooms a server may say that it can host.
pub const CAPACITY: RangeInclusive<u32> = 1..=4096;

/// How often beats may be wanted, in milliseconds. More than a hundred a second would cost more than they
/// tell, and at one a minute a hang is not noticed before the players have gone.
pub const HEARTBEAT_MS: RangeInclusive<u32> = 10..=60_000;

/// How long a witness may try, in milliseconds: whoever waits longer has decided without it.
pub const PROBE_TIMEOUT_MS: RangeInclusive<u32> = 1..=10_000;

/// How long an owner may have to be silent, in milliseconds: the longest `fenceAfter` that a fleet may have.
pub const OWNER_SILENT_MS: RangeInclusive<u32> = 0..=60_000;

/// How long a move may take, in milliseconds: its place is held on two servers for as long.
pub const MOVE_DEADLINE_MS: RangeInclusive<u32> = 1..=60_000;

/// Of the token that a server shows to its standby: nobody guesses 256 bits.
pub const TOKEN_BYTES: usize = 32;

/// Servers that have the same standby. Each has a connection of its own to it, and its memory is for all of them: where
/// so many share one, a standby is no help.
pub const TOKENS_MAX: usize = 64;

/// Of a message to a server: for a server's decoder. The largest are `Fallbacks` of some 20 KiB; the rest is for
/// fields of later releases and for texts that are still to be cut.
pub const COMMAND_BYTES_MAX: usize = 64 * 1024;

/// Of a message to the operator: for the operator's decoder. The largest is a `Welcome` with as many rooms
/// as there may be, all of them finished with the largest result.
pub const MESSAGE_BYTES_MAX: usize = ROOMS_MAX * HOSTED_ROOM_BYTES_MAX + COMMAND_BYTES_MAX;

/// What one room of a Welcome takes at most, with the tags and lengths around its parts.
const HOSTED_ROOM_BYTES_MAX: usize = {
    // A tag of one byte, a length of at most three: nothing in a room has 2 MiB.
    let around = 4;
    let number = 1 + 10;
    let tenancy = around + 3 * around + NAMESPACE_BYTES_MAX + NAME_BYTES_MAX + UID_BYTES_MAX + number;
    let result = around + VALUES_BYTES_MAX + VALUES_MAX * 3 * around;
    let ports = PORTS_MAX * (2 * around + PORT_NAME_BYTES_MAX + number);
    let hashes = CERTIFICATE_HASHES_MAX * (around + CERTIFICATE_HASH_BYTES);
    around + tenancy + 2 * number + result + ports + hashes
};

/// Whether parameters or a result may be sent: for whoever has them from elsewhere, such as from a game or
/// from a `GameRoom`, whose limit is in characters.
pub fn fits(values: &BTreeMap<String, String>) -> bool {
    values.len() <= VALUES_MAX && values_bytes(values) <= VALUES_BYTES_MAX
}

/// What keys and values have together.
pub(crate) fn values_bytes(values: &BTreeMap<String, String>) -> usize {
    values.iter().map(|(key, value)| key.len() + value.len()).sum()
}
