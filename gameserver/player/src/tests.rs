//! What holds for the whole protocol.

use std::fmt::Write as _;

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
