//! The manual, `docs/control-protocol.md`, says all that `control.proto` defines.

use std::ops::RangeInclusive;

use crate::{PROTOCOL, limits};

const PROTO: &str = include_str!("../../proto/control.proto");
const MANUAL: &str = include_str!("../../../../docs/control-protocol.md");

/// How many kinds of messages one direction has.
pub(super) fn kinds_of(direction: &str) -> usize {
    let start = format!("message {direction} {{");
    let oneof = PROTO.split(&start).nth(1).and_then(|it| it.split('}').next()).unwrap_or_default();
    oneof.lines().filter(|line| line.contains(" = ")).count()
}

/// What is defined by lines that begin with one of these words.
fn defined(words: &[&str]) -> Vec<&'static str> {
    let named = |line: &'static str| {
        let mut parts = line.split(|it: char| !it.is_alphanumeric() && it != '_').filter(|it| !it.is_empty());
        let is_wanted = parts.next().is_some_and(|it| words.contains(&it));
        is_wanted.then(|| parts.next()).flatten()
    };
    PROTO.lines().map(str::trim).filter_map(named).collect()
}

/// Fields and values of enums, from the lines that give something a number.
fn numbered() -> Vec<&'static str> {
    let lines = PROTO.lines().map(str::trim).filter(|it| !it.starts_with("//"));
    let names = lines.filter_map(|line| line.split_once(" = ").map(|(name, _)| name));
    names.filter_map(|name| name.split_whitespace().last()).filter(|it| *it != "syntax").collect()
}

fn is_in_the_manual(name: &str) -> bool {
    MANUAL
        .split('`')
        .skip(1)
        .step_by(2)
        .any(|code| code.split(|it: char| !it.is_alphanumeric() && it != '_').any(|word| word == name))
}

#[test]
fn the_manual_names_all_that_is_defined() {
    let (definitions, numbered) = (defined(&["message", "enum", "service", "rpc"]), numbered());
    // So that a change of the file's form does not make this test idle.
    assert!(definitions.len() > 45 && numbered.len() > 150, "{} {}", definitions.len(), numbered.len());
    let missing: Vec<_> =
        definitions.into_iter().chain(numbered).filter(|it| !is_in_the_manual(it)).collect();
    assert!(missing.is_empty(), "docs/control-protocol.md does not name {missing:?}");
}

#[test]
fn the_manual_and_the_code_have_the_same_limits() {
    for (what, limit) in [
        ("`namespace`", from_one(limits::NAMESPACE_BYTES_MAX)),
        ("`name` of a room", from_one(limits::NAME_BYTES_MAX)),
        ("`uid`", from_one(limits::UID_BYTES_MAX)),
        ("`boot_id`", from_one(limits::BOOT_ID_BYTES_MAX)),
        ("`identity`", up_to(limits::IDENTITY_BYTES_MAX)),
        ("`name` of a port", from_one(limits::PORT_NAME_BYTES_MAX)),
        ("`Endpoint.address`", from_one(limits::HOST_BYTES_MAX)),
        ("`Probe.address`, `handover_address`", up_to(limits::ADDRESS_BYTES_MAX)),
        ("`reason`, `message`", up_to(limits::TEXT_BYTES_MAX)),
        ("`parameters`, `values`, together", up_to(limits::VALUES_BYTES_MAX)),
        ("`parameters`, `values`", entries(limits::VALUES_MAX)),
        ("`rooms`", entries(limits::ROOMS_MAX)),
        ("`ports`", entries(limits::PORTS_MAX)),
        ("`endpoints`", entries(limits::ENDPOINTS_MAX)),
        ("`servers`", entries(limits::FALLBACKS_MAX)),
        ("`Mirror.address`", up_to(limits::ADDRESS_BYTES_MAX)),
        ("`tokens`", entries(limits::TOKENS_MAX)),
        ("`Sought.rooms`", entries(limits::SOUGHT_MAX)),
        ("`token`, each of the `tokens`", format!("{} bytes", limits::TOKEN_BYTES)),
        ("`certificate_hashes`", entries(limits::CERTIFICATE_HASHES_MAX)),
        ("`capacity`", range(&limits::CAPACITY)),
        ("`heartbeat_ms`", range(&limits::HEARTBEAT_MS)),
        ("`timeout_ms`", range(&limits::PROBE_TIMEOUT_MS)),
        ("`owner_silent_ms`", range(&limits::OWNER_SILENT_MS)),
        ("`deadline_ms`", range(&limits::MOVE_DEADLINE_MS)),
        ("an `OperatorMessage`", up_to(limits::COMMAND_BYTES_MAX)),
        ("a `ServerMessage`", up_to(limits::MESSAGE_BYTES_MAX)),
    ] {
        let row = format!("| {what} | {limit} |");
        assert!(MANUAL.contains(&row), "docs/control-protocol.md lacks {row}");
    }
    assert!(MANUAL.contains(&format!("This is version {PROTOCOL} of the protocol.")));
}

fn up_to(bytes: usize) -> String {
    format!("at most {} bytes", thousands(bytes))
}

fn from_one(bytes: usize) -> String {
    format!("1 to {} bytes", thousands(bytes))
}

fn entries(count: usize) -> String {
    format!("at most {} entries", thousands(count))
}

fn range(range: &RangeInclusive<u32>) -> String {
    let thousands = |it: u32| thousands(it.try_into().unwrap_or(usize::MAX));
    format!("{} to {}", thousands(*range.start()), thousands(*range.end()))
}

/// A number as people read it: `4,096`.
fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}
