//! What holds for the whole protocol.

mod admission;
mod arbitrary_bytes;
mod budgets;
mod examples;
mod generate;
mod golden;
mod inputs;
mod limits;
mod link;
mod manual;
mod moves;
mod play;
mod returning;
mod round_trips;
mod sent_on;
mod sessions;
mod silences;
mod snapshots;
mod tickets;
mod unknown;

use std::fmt::Write as _;

use crate::frame::Secret;

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().filter_map(|it| it.to_digit(16)).collect();
    digits.chunks(2).map(|it| u8::try_from(it[0] * 16 + it[1]).unwrap()).collect()
}

/// Secrets that differ when the numbers do.
fn secret(number: u8) -> Secret {
    Secret([number; 32])
}
