//! The manual, `docs/checkpoint-store.md`, says all that the code does, with the same bytes and scripts.

use crate::envelope;

const MANUAL: &str = include_str!("../../../docs/checkpoint-store.md");

#[test]
fn the_scripts_are_there_in_full() {
    for script in [
        include_str!("scripts/owner.lua"),
        include_str!("scripts/write.lua"),
        include_str!("scripts/take.lua"),
        include_str!("scripts/check.lua"),
        include_str!("scripts/finish.lua"),
    ] {
        assert!(MANUAL.contains(&format!("```lua\n{script}```")), "docs/checkpoint-store.md lacks\n{script}");
    }
}

#[test]
fn the_envelope_is_there_byte_by_byte() {
    let table: Vec<_> = include_str!("envelope.rs")
        .lines()
        .filter(|line| line.starts_with("//! |"))
        .filter_map(|line| line.strip_prefix("//! "))
        .collect();
    assert!(table.len() > 10);
    let table = table.join("\n");
    assert!(MANUAL.contains(&table), "docs/checkpoint-store.md lacks\n{table}");
    let example: String = MANUAL
        .split_once("<!-- example -->\n```text\n")
        .and_then(|(_, rest)| rest.split_once("```"))
        .map(|(example, _)| example.lines().filter_map(|line| line.split_whitespace().next()).collect())
        .unwrap_or_default();
    assert_eq!(example, envelope::GOLDEN, "docs/checkpoint-store.md");
}

#[test]
fn the_limits_are_there() {
    for (what, limit) in [
        ("a state, plain", envelope::STATE_BYTES_MAX),
        ("an envelope", envelope::ENVELOPE_BYTES_MAX),
        ("a room's uid", envelope::UID_BYTES_MAX),
        ("a build", envelope::BUILD_BYTES_MAX),
        ("a result", crate::RESULT_BYTES_MAX),
    ] {
        let row = format!("| {what} | {limit} bytes |");
        assert!(MANUAL.contains(&row), "docs/checkpoint-store.md lacks {row}");
    }
}
