//! Integers of the wire: one to eight bytes, as in RFC 9000, section 16.

/// The largest one.
pub const MAX: u64 = (1 << 62) - 1;

/// Appends the shortest form. Nothing that we count comes near [`MAX`]; what is larger is written as that.
pub fn put(value: u64, out: &mut Vec<u8>) {
    let value = value.min(MAX);
    let (length, mark) = match value {
        0..=0x3f => (1, 0),
        0x40..=0x3fff => (2, 0x4000),
        0x4000..=0x3fff_ffff => (4, 0x8000_0000),
        _ => (8, 0xc000_0000_0000_0000),
    };
    out.extend((value | mark).to_be_bytes().into_iter().skip(8 - length));
}

/// Takes one off the front, of whatever length. `None`: there is not all of it.
pub fn take(bytes: &mut &[u8]) -> Option<u64> {
    let (first, rest) = bytes.split_first()?;
    let (more, rest) = rest.split_at_checked((1 << (first >> 6)) - 1)?;
    *bytes = rest;
    Some(more.iter().fold(u64::from(first & 0x3f), |value, byte| value << 8 | u64::from(*byte)))
}

/// How many bytes [`put`] takes.
pub const fn size(value: u64) -> usize {
    match value {
        0..=0x3f => 1,
        0x40..=0x3fff => 2,
        0x4000..=0x3fff_ffff => 4,
        _ => 8,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(value: u64) -> Vec<u8> {
        let mut out = Vec::new();
        put(value, &mut out);
        out
    }

    #[test]
    fn the_examples_of_the_rfc() {
        for (value, bytes) in [
            (151_288_809_941_952_652, "c2197c5eff14e88c"),
            (494_878_333, "9d7f3e7d"),
            (15_293, "7bbd"),
            (37, "25"),
        ] {
            assert_eq!(crate::tests::hex(&written(value)), bytes);
        }
        assert_eq!(take(&mut [0x40, 0x25].as_slice()), Some(37), "a longer form is read too");
    }

    #[test]
    fn what_is_too_large_is_the_largest() {
        assert_eq!(written(u64::MAX), written(MAX));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(bits in 0..62u32, noise: u64, rest: Vec<u8>) {
            let value = noise & ((1 << bits) | ((1 << bits) - 1));
            let mut bytes = written(value);
            prop_assert_eq!(bytes.len(), size(value));
            for cut in 0..bytes.len() {
                prop_assert_eq!(take(&mut &bytes[..cut]), None);
            }
            bytes.extend(&rest);
            let mut left = bytes.as_slice();
            prop_assert_eq!(take(&mut left), Some(value));
            prop_assert_eq!(left, rest.as_slice());
        }
    }
}
