//! The manual, `docs/player-protocol.md`, says all that the code does, with the same bytes and numbers.

use super::examples::{self, spelled_out};
use crate::{
    frame::RefusedWhy,
    limits,
    session::{ALPN, Violation},
};

const MANUAL: &str = include_str!("../../../../docs/player-protocol.md");

/// Whether a line of the manual begins with a name and these bytes.
fn has_example(name: &str, golden: &str) -> bool {
    let is_it = |line: &str| line.strip_prefix(name).is_some_and(|it| it.trim_start().starts_with(golden));
    !spelled_out(golden).is_empty() && MANUAL.lines().any(is_it)
}

#[test]
fn the_manual_shows_every_example() {
    for (frame, golden) in examples::to_server() {
        let name = format!("{frame:?}");
        let name = name.split(['(', ' ']).next().unwrap_or_default();
        assert!(has_example(name, golden), "{name} {golden}");
    }
    for (frame, golden) in examples::to_player() {
        let name = format!("{frame:?}");
        let name = name.split(['(', ' ']).next().unwrap_or_default();
        assert!(has_example(name, golden), "{name} {golden}");
    }
    for (_, _, _, golden) in examples::inputs() {
        assert!(has_example("Input", golden), "{golden}");
    }
    for (_, golden) in examples::snapshots() {
        let name = if golden.starts_with("31") { "Snapshot " } else { "SnapshotPart" };
        assert!(has_example(name, golden), "{golden}");
    }
}

#[test]
fn the_manual_has_every_reason_and_every_code() {
    for why in (1..).map(RefusedWhy::from_code).take_while(|it| !matches!(it, RefusedWhy::Unknown(_))) {
        assert!(MANUAL.contains(&format!("\n| {} | `{why:?}` |", why.code())), "{why:?}");
    }
    for violation in [Violation::Unexpected(""), Violation::NoJoin, Violation::Flood, Violation::NotReading] {
        assert!(MANUAL.contains(&format!("\n| {} | ", violation.code())), "{violation:?}");
    }
    assert!(MANUAL.contains(&format!("`{}`", str::from_utf8(ALPN).unwrap())));
}

/// As people write it.
fn written(number: usize) -> String {
    match (number / 1000, number % 1000) {
        (0, rest) => rest.to_string(),
        (thousands, rest) => format!("{thousands},{rest:03}"),
    }
}

#[test]
fn the_manual_and_the_code_have_the_same_limits() {
    let up_to = |limit| format!("up to {}", written(limit));
    let from_one = |limit| format!("1 to {}", written(limit));
    let millis = usize::try_from(limits::MOVE_DEADLINE_MAX.as_millis()).unwrap();
    let distance = usize::try_from(limits::DISTANCE_MAX).unwrap();
    let expected = [
        ("`room`", from_one(limits::ROOM_BYTES_MAX)),
        ("`player`", from_one(limits::PLAYER_BYTES_MAX)),
        ("`ticket`", from_one(limits::TICKET_BYTES_MAX)),
        ("`secret`", written(limits::SECRET_BYTES)),
        ("`Message` to the server", up_to(limits::MESSAGE_TO_SERVER_BYTES_MAX)),
        ("`Message` to the player", up_to(limits::MESSAGE_TO_PLAYER_BYTES_MAX)),
        ("`message` of `Refused`", up_to(limits::TEXT_BYTES_MAX)),
        ("`address`", from_one(limits::HOST_BYTES_MAX)),
        ("endpoints of a place", up_to(limits::ENDPOINTS_MAX)),
        ("certificate hashes of a place", up_to(limits::CERTIFICATE_HASHES_MAX)),
        ("`deadline_ms`", up_to(millis)),
        ("`result`, entries", up_to(limits::RESULT_ENTRIES_MAX)),
        ("`result`, together", up_to(limits::RESULT_BYTES_MAX)),
        ("an input", up_to(limits::INPUT_BYTES_MAX)),
        ("inputs of a datagram", up_to(limits::INPUTS_PER_DATAGRAM_MAX)),
        ("a snapshot", up_to(limits::SNAPSHOT_BYTES_MAX)),
        ("parts of a snapshot", up_to(limits::PARTS_MAX)),
        ("`distance`", up_to(distance)),
        ("snapshots to keep", up_to(limits::BASELINES_MAX)),
        ("a frame to the server, behind its length", from_one(limits::FRAME_TO_SERVER_BYTES_MAX)),
        ("a frame to the player, behind its length", from_one(limits::FRAME_TO_PLAYER_BYTES_MAX)),
        ("a datagram", up_to(limits::DATAGRAM_BYTES_MAX)),
        (
            "what fits into a datagram on every path",
            format!("at least {}", written(limits::DATAGRAM_BYTES_MIN)),
        ),
    ];
    let table = MANUAL.split("| what | limit |").nth(1).and_then(|it| it.split("\n\n").next()).unwrap();
    assert_eq!(table.lines().count(), 2 + expected.len());
    for (what, limit) in expected {
        assert!(table.contains(&format!("\n| {what} | {limit} |")), "{what}: {limit}");
    }
}

#[test]
fn the_manual_and_the_code_have_the_same_budgets_and_times() {
    let (sent, kib) = (limits::DATAGRAMS_PER_SECOND, limits::STREAM_BYTES_PER_SECOND / 1024);
    for said in [
        format!("{sent} datagrams a second, {} at once", limits::DATAGRAMS_BURST),
        format!("{} frames and {kib} KiB of frames a second", limits::FRAMES_PER_SECOND),
        format!("{} frames and {} KiB at", limits::FRAMES_BURST, limits::STREAM_BYTES_BURST / 1024),
        format!("no `Join` within {} seconds", limits::JOIN_WITHIN.as_secs()),
        format!("{} KiB waited", limits::OUTBOX_BYTES_MAX / 1024),
        format!("keep-alives when nothing came for {} ms", limits::KEEP_ALIVE.as_millis()),
        format!("acknowledge within {} ms", limits::ACKNOWLEDGED_AFTER.as_millis()),
        format!("{} ms, or for {} round trips", limits::SILENCE_MIN.as_millis(), limits::SILENCE_ROUND_TRIPS),
        format!(
            "round trips and {} ms, whichever is longer",
            (limits::KEEP_ALIVE + 2 * limits::ACKNOWLEDGED_AFTER).as_millis()
        ),
        format!("{} ms to speak on the old connection", limits::SETTLE_FOR.as_millis()),
        format!("up to {} times as long", 1 << limits::FALSE_ALARMS_MAX),
        format!("{} s without a false alarm", limits::CALM_AFTER.as_secs()),
        format!(
            "up to {} of them side by side, {} ms",
            limits::RIVALS_ELSEWHERE_MAX,
            limits::RIVAL_EVERY.as_millis()
        ),
        format!("up to {} that are not confirmed", limits::MESSAGES_KEPT_MAX),
        format!("no more than {} a second", limits::FULL_SNAPSHOTS_PER_SECOND),
        format!("another that is {} later", limits::INPUT_LOST_AFTER),
        format!("more than {} ahead", limits::INPUT_AHEAD_MAX),
        format!("send again {} ms after", limits::RESEND_AFTER.as_millis()),
        format!("and {} ms after a snapshot", limits::ACKNOWLEDGE_AFTER.as_millis()),
        format!("after {} ms, then with pauses", limits::RECONNECT_MIN.as_millis()),
        format!("up to {} seconds.", limits::RECONNECT_MAX.as_secs()),
        format!("before waits {} ms at most", limits::RACE_AGAIN_MAX.as_millis()),
        format!("connect {} ms at first", limits::CONNECT_WITHIN_MIN.as_millis()),
        format!("answer to `Join` {} seconds", limits::ANSWER_WITHIN.as_secs()),
        format!("After {} seconds give up", limits::GIVE_UP_AFTER.as_secs()),
    ] {
        assert!(MANUAL.contains(&said), "{said}");
    }
}
