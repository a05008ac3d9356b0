//! Texts for people, kept short.

/// The longest text of the control protocol, in bytes: it goes into conditions and log lines.
pub const TEXT_BYTES_MAX: usize = 1024;

/// `text`, cut between two characters where it would be too long.
pub fn shortened(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(shortened("short".to_owned()), "short");
        let exact = "ö".repeat(TEXT_BYTES_MAX / 2);
        assert_eq!(shortened(exact.clone()), exact);
        assert_eq!(shortened(format!("{exact}ä")), exact);
        assert_eq!(shortened(format!("x{exact}")).len(), TEXT_BYTES_MAX - 1);
    }
}
