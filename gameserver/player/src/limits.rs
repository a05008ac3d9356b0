//! Every limit of the protocol, with its reason.
//!
//! Lengths are in bytes; those of texts in bytes of UTF-8.

use std::time::Duration;

// What frames and datagrams may carry.

/// Of a room's name or uid: what Kubernetes allows for a name.
pub const ROOM_BYTES_MAX: usize = 253;

/// Of a player's name: an account's number or a hash fits, and a room of 1,024 seats stays small.
pub const PLAYER_BYTES_MAX: usize = 128;

/// Of a ticket: signature and claims take some 400, the rest is for claims that a lobby adds for itself.
pub const TICKET_BYTES_MAX: usize = 2048;

/// Of the secret that a client chooses: nobody guesses it.
pub const SECRET_BYTES: usize = 32;

/// Of a player's message: chat, or a choice in a menu.
pub const MESSAGE_TO_SERVER_BYTES_MAX: usize = 1024;

/// Messages that a client keeps until they are confirmed: so many may be said for each tick, and all of them fit onto a new
/// connection.
pub const MESSAGES_KEPT_MAX: usize = 32;

/// Epochs under which a client says a message. It may be what takes the room's servers down, and would follow the room from
/// one to the next: the third crash ends a match, so the third server is spared it.
pub const MESSAGE_EPOCHS_MAX: u8 = 2;

/// Of a message to a player: a list of scores of a large room.
pub const MESSAGE_TO_PLAYER_BYTES_MAX: usize = 16 * 1024;

/// Of a text for people, such as why a player is refused. Longer ones are cut at a character.
pub const TEXT_BYTES_MAX: usize = 1024;

/// Of a host name or an address: what the domain name system allows.
pub const HOST_BYTES_MAX: usize = 253;

/// Endpoints of a place: as many as the control protocol allows for a room.
pub const ENDPOINTS_MAX: usize = 16;

/// Certificates of a place: those of two servers, today's and tomorrow's.
pub const CERTIFICATE_HASHES_MAX: usize = 8;

/// Of a certificate's hash: SHA-256.
pub const CERTIFICATE_HASH_BYTES: usize = 32;

/// Entries of a result.
pub const RESULT_ENTRIES_MAX: usize = 64;

/// Keys and values of a result together, as in `GameRoom.status.result`.
pub const RESULT_BYTES_MAX: usize = 4096;

/// Of a player's input: it fits into one datagram on every path.
pub const INPUT_BYTES_MAX: usize = 1024;

/// Of a snapshot: what a room shows a player 30 times a second fits many times over.
pub const SNAPSHOT_BYTES_MAX: usize = 32 * 1024;

/// Of a frame to the server, without its length: the largest Join, and as much again for fields of later
/// releases.
pub const FRAME_TO_SERVER_BYTES_MAX: usize = 5 * 1024;

/// Of a frame to a player, without its length: the largest message, and fields of later releases.
pub const FRAME_TO_PLAYER_BYTES_MAX: usize = 20 * 1024;

/// Length and type of a frame in front of its fields.
pub const FRAME_HEADER_BYTES_MAX: usize = 4 + 1;

// The unreliable lane.

/// What fits into a datagram on every path: QUIC asks for packets of 1,200 bytes; its headers and the
/// checksum take less than 100.
pub const DATAGRAM_BYTES_MIN: usize = 1100;

/// Of any datagram: what Ethernet carries. Whoever has more room on its path does not use it.
pub const DATAGRAM_BYTES_MAX: usize = 1500;

/// Fields of a part of a snapshot in front of its body: type, tick, distance, acknowledged input, index, count.
pub const SNAPSHOT_HEADER_BYTES_MAX: usize = 1 + 8 + 2 + 8 + 1 + 1;

/// Fields of an input datagram in front of the first input: type, acknowledged tick, number, count.
pub const INPUT_HEADER_BYTES_MAX: usize = 1 + 8 + 8 + 1;

/// Parts of a snapshot: the longest one still fits where datagrams are smallest.
pub const PARTS_MAX: usize = 32;

/// What differs from nothing costs its own length and that of the runs around it.
pub const BODY_BYTES_MAX: usize = SNAPSHOT_BYTES_MAX + 16;

/// Snapshots that a server may count on as a baseline: those that it sent last. At 30 a second that is the
/// last two seconds, more than any playable round trip.
pub const BASELINES_MAX: usize = 64;

/// How many ticks a baseline may be back: what two bytes can say. A room that shows so little sends it in full.
pub const DISTANCE_MAX: u64 = 16_383;

/// Inputs in one datagram: all that are not acknowledged, as far as they fit. At 60 a second it is those of the
/// last second, so that nothing is lost in a shorter gap, or by coming back by another connection.
pub const INPUTS_PER_DATAGRAM_MAX: usize = 60;

/// Inputs that a client keeps until they are acknowledged; a new one pushes out the oldest. Who wanted something
/// a second ago wants something else now.
pub const INPUTS_KEPT_MAX: usize = INPUTS_PER_DATAGRAM_MAX;

/// An input that is missing when one that many later is there is given up. The client sends all that it has in
/// every datagram, so it has dropped this one, or its inputs are so long that few fit.
pub const INPUT_LOST_AFTER: usize = 16;

/// How far an input may be ahead of the one that is expected. More is not what loss explains: at 60 a second it
/// is four seconds.
pub const INPUT_AHEAD_MAX: usize = 256;

// Budgets of a player. Each is a bucket: what it holds, and what flows in per second.

/// Datagrams per second: twice what a client of 60 inputs and 60 acknowledgements a second sends.
pub const DATAGRAMS_PER_SECOND: u64 = 240;

/// Datagrams at once: what a path that stood still for a second lets go.
pub const DATAGRAMS_BURST: u64 = 240;

/// Dropped datagrams cost us too. At so many times the budget the session is over.
pub const FLOOD_FACTOR: u64 = 10;

/// Frames per second that are read from a player: people type slower. What comes faster waits, and the flow
/// control of the stream makes the client wait.
pub const FRAMES_PER_SECOND: u64 = 20;

/// Frames at once.
pub const FRAMES_BURST: u64 = 40;

/// Bytes of frames per second, whatever is in them.
pub const STREAM_BYTES_PER_SECOND: u64 = 16 * 1024;

/// Bytes of frames at once: two of the largest.
pub const STREAM_BYTES_BURST: u64 = 16 * 1024;

/// Bytes that came in on the stream and wait: one frame of the largest, and what its reader reads at once.
pub const INBOX_TO_SERVER_BYTES_MAX: usize = 8 * 1024;

/// The same at a client: it trusts its server with more.
pub const INBOX_TO_PLAYER_BYTES_MAX: usize = 64 * 1024;

/// Bytes of frames that wait to be sent. A client that never reads is disconnected when it has so many.
pub const OUTBOX_BYTES_MAX: usize = 64 * 1024;

/// Full snapshots per second to a player who acknowledges none, so that it costs no more than one who does.
pub const FULL_SNAPSHOTS_PER_SECOND: u64 = 5;

/// Full snapshots at once: those of the first round trip, at 60 a second and a quarter of a second.
pub const FULL_SNAPSHOTS_BURST: u64 = 16;

/// Players of one room that are told apart, and as many spectators: as in `GameRoom.spec.seats`.
pub const GUESTS_MAX: usize = 1024;

// Times.

/// How long a connection may take to say Join: two retransmissions of a slow path. Strangers are not kept.
pub const JOIN_WITHIN: Duration = Duration::from_secs(5);

/// How long a session that is over may take to have its last words read.
pub const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long a client's first attempt to connect may take, enough for a handshake over half the world; the next
/// ones may take twice as long each. Servers that are gone mostly do not answer at all.
pub const CONNECT_WITHIN_MIN: Duration = Duration::from_millis(500);

/// How long any attempt to connect may take: two retransmissions of a slow path.
pub const CONNECT_WITHIN_MAX: Duration = Duration::from_secs(4);

/// How long a client waits for the answer to its Join. A server that is about to get the room lets it wait for
/// some seconds.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(8);

/// The first pause before a client connects again; it doubles with each attempt.
pub const RECONNECT_MIN: Duration = Duration::from_millis(50);

/// The longest pause before a client connects again.
pub const RECONNECT_MAX: Duration = Duration::from_secs(2);

/// Of whom nothing came for so long is asked for a sign of life by QUIC (a keep-alive). Servers that play send
/// more often, so it costs nothing but where they are silent.
pub const KEEP_ALIVE: Duration = Duration::from_millis(50);

/// By then a server has acknowledged what a client sent, if it had nothing to say meanwhile. At 20 ticks a second
/// and more it always has, so this costs no packets.
pub const ACKNOWLEDGED_AFTER: Duration = Duration::from_millis(50);

/// How often a client looks whether anything came, while nothing does: rarer than ticks usually are, so that who
/// is played with is not looked at.
pub const LOOK_EVERY: Duration = Duration::from_millis(40);

/// What one look may add to a silence. Who looks later stood still itself, and what came meanwhile may wait to
/// be read.
pub const LISTENED_MAX: Duration = Duration::from_millis(80);

/// After such a silence a server is suspected, on a short path: with one look more it is less than 300 ms.
pub const SILENCE_MIN: Duration = Duration::from_millis(240);

/// On a long path the silence may last so many round trips longer than the waits of both ends: in that time a
/// keep-alive that is lost is sent again and acknowledged.
pub const SILENCE_ROUND_TRIPS: u32 = 3;

/// How often each false alarm doubles the silence that the next one takes: a machine that is too busy to answer
/// does not get a handshake from every player every time.
pub const FALSE_ALARMS_MAX: u32 = 3;

/// After so long without a false alarm all of them are forgotten.
pub const CALM_AFTER: Duration = Duration::from_secs(30);

/// A server that is suspected and shakes hands is alive, so it may only have stood still. It has so long to be
/// heard on the old connection before the player takes its seat by the new one: a tick, or an acknowledgement.
pub const SETTLE_FOR: Duration = Duration::from_millis(100);

/// Attempts at other places that are made side by side. More endpoints wait for their turn.
pub const RIVALS_ELSEWHERE_MAX: usize = 3;

/// Attempts of one who looks for its room, in all: beside those above, where servers said that it is.
pub const RIVALS_MAX: usize = 8;

/// How much later each of them begins: a server that has the room answers before the next one is asked.
pub const RIVAL_EVERY: Duration = Duration::from_millis(25);

/// The longest pause between two attempts at one place by who was in the room and looks for it: the place was named by
/// its server, and the room may come there at any moment.
pub const RACE_AGAIN_MAX: Duration = Duration::from_millis(500);

/// A connection that is closed for another one of the same player, so soon after we asked for another one ourselves, was
/// closed for that one: an answer takes no longer.
pub const REPLACED_WITHIN: Duration = ANSWER_WITHIN;

/// How long a client tries to come back. A room is recovered within eight seconds, or not at all.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(30);

/// Attempts at the endpoint where the room is said to be, before others are tried too, by who was never in.
pub const ATTEMPTS_AT_FIRST: u32 = 2;

/// After which unacknowledged inputs are sent again when there is no new one to go with them.
pub const RESEND_AFTER: Duration = Duration::from_millis(100);

/// After which a snapshot is acknowledged when there is no input to go with it: soon enough for small deltas,
/// and at most 25 datagrams a second.
pub const ACKNOWLEDGE_AFTER: Duration = Duration::from_millis(40);

/// How long a move may take, in a Redirect: as in the control protocol.
pub const MOVE_DEADLINE_MAX: Duration = Duration::from_mins(1);

/// How long a ticket may be good for: longer than a queue and a match, not longer than a day, since nothing
/// takes it back.
pub const TICKET_LIFETIME_MAX: Duration = Duration::from_hours(24);

/// How far the clocks of a ticket's issuer and of a server may be apart.
pub const CLOCK_SKEW_MAX: Duration = Duration::from_secs(30);

const _: () = {
    let join = 64 + ROOM_BYTES_MAX + TICKET_BYTES_MAX + SECRET_BYTES;
    assert!(2 * join <= FRAME_TO_SERVER_BYTES_MAX);
    assert!(MESSAGE_TO_SERVER_BYTES_MAX + 4 < FRAME_TO_SERVER_BYTES_MAX);
    assert!(MESSAGE_TO_PLAYER_BYTES_MAX + 4 < FRAME_TO_PLAYER_BYTES_MAX);
    let place =
        ENDPOINTS_MAX * (2 + HOST_BYTES_MAX + 4) + CERTIFICATE_HASHES_MAX * CERTIFICATE_HASH_BYTES + 2;
    assert!(place + ROOM_BYTES_MAX + PLAYER_BYTES_MAX + 64 < FRAME_TO_PLAYER_BYTES_MAX);
    assert!(RESULT_BYTES_MAX + RESULT_ENTRIES_MAX * 8 < FRAME_TO_PLAYER_BYTES_MAX);
    assert!(FRAME_TO_SERVER_BYTES_MAX + FRAME_HEADER_BYTES_MAX < INBOX_TO_SERVER_BYTES_MAX);
    assert!(FRAME_TO_PLAYER_BYTES_MAX + FRAME_HEADER_BYTES_MAX < INBOX_TO_PLAYER_BYTES_MAX);
    assert!(FRAME_TO_PLAYER_BYTES_MAX + FRAME_HEADER_BYTES_MAX < OUTBOX_BYTES_MAX);
    assert!(
        MESSAGES_KEPT_MAX * (MESSAGE_TO_SERVER_BYTES_MAX + 16) + FRAME_TO_SERVER_BYTES_MAX < OUTBOX_BYTES_MAX
    );
    // Every frame is affordable, or a client would wait for ever.
    assert!((FRAME_TO_SERVER_BYTES_MAX + FRAME_HEADER_BYTES_MAX) as u64 <= STREAM_BYTES_BURST);
    assert!(BODY_BYTES_MAX <= PARTS_MAX * (DATAGRAM_BYTES_MIN - SNAPSHOT_HEADER_BYTES_MAX));
    assert!(INPUT_HEADER_BYTES_MAX + 2 + INPUT_BYTES_MAX <= DATAGRAM_BYTES_MIN);
    assert!(DATAGRAM_BYTES_MIN <= DATAGRAM_BYTES_MAX);
    // Whoever sends all that it has is not too early.
    assert!(INPUT_LOST_AFTER + INPUTS_KEPT_MAX <= INPUT_AHEAD_MAX);
    assert!(CONNECT_WITHIN_MIN.as_millis() < CONNECT_WITHIN_MAX.as_millis());
    // A dead server is suspected within 300 ms.
    assert!(SILENCE_MIN.as_millis() + LOOK_EVERY.as_millis() < 300);
    assert!(KEEP_ALIVE.as_millis() + 2 * ACKNOWLEDGED_AFTER.as_millis() < SILENCE_MIN.as_millis());
    // Who merely stood still is heard before the seat is taken over.
    assert!(ACKNOWLEDGED_AFTER.as_millis() < SETTLE_FOR.as_millis());
    assert!(RECONNECT_MAX.as_millis() + ANSWER_WITHIN.as_millis() < GIVE_UP_AFTER.as_millis());
    // One byte is enough for the parts of a snapshot and the inputs of a datagram, two for a distance.
    assert!(PARTS_MAX < 64 && INPUTS_PER_DATAGRAM_MAX < 64 && BASELINES_MAX < 16384);
};
