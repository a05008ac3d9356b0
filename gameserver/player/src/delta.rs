//! Snapshots as differences.
//!
//! A body is the new length, then runs until the body ends: how many bytes are as in the baseline, how many
//! follow that are not, and these, each XOR the baseline's byte in its place. Behind its end, a baseline is
//! zeros; behind the last run, all is as in the baseline. A full snapshot is the difference from nothing.

use crate::{Malformed, limits, varint, wire::Reader};

/// So many equal bytes between two differences end a run: with fewer, the lengths of two more runs would cost
/// more than they save.
const WORTH_A_RUN: usize = 3;

/// Compared at once, which compilers turn into vector instructions.
const CHUNK: usize = 16;

/// Appends what makes `baseline` into `state`.
pub fn encode(baseline: &[u8], state: &[u8], out: &mut Vec<u8>) {
    varint::put(state.len() as u64, out);
    let (old, tail) = state.split_at(state.len().min(baseline.len()));
    let mut runs = Runs { out, equal: 0 };
    // A run may go across the end of the baseline: then it is two, of which the second has no equal bytes.
    runs.pair(old, baseline);
    runs.pair(tail, &[]);
}

/// Puts into `out` what `body` makes of `baseline`.
pub fn apply(baseline: &[u8], body: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    let mut reader = Reader::new(body);
    let length = reader.number("Snapshot.length")?;
    let limit = limits::SNAPSHOT_BYTES_MAX;
    let field = "Snapshot.length";
    let too_long = Malformed::TooLong { field, length, limit };
    let length = usize::try_from(length).ok().filter(|it| *it <= limit).ok_or(too_long)?;
    out.clear();
    out.extend(baseline.iter().take(length));
    out.resize(length, 0);
    let mut rest = out.as_mut_slice();
    while !reader.rest().is_empty() {
        let field = "Snapshot.run";
        let equal = reader.number(field)?;
        let outside = Malformed::BadValue { field, value: equal };
        let equal = usize::try_from(equal).map_err(|_| outside)?;
        let here = rest.split_at_mut_checked(equal).ok_or(outside)?.1;
        let different = reader.bytes(field, here.len())?;
        let (changed, behind) = here.split_at_mut_checked(different.len()).ok_or(outside)?;
        changed.iter_mut().zip(different).for_each(|(byte, change)| *byte ^= change);
        rest = behind;
    }
    Ok(())
}

/// Writes runs.
struct Runs<'a> {
    out: &'a mut Vec<u8>,
    /// Equal bytes before the next difference.
    equal: usize,
}

impl Runs<'_> {
    /// `state` against the bytes of `baseline` in its place; zeros where that has none.
    fn pair(&mut self, mut state: &[u8], mut baseline: &[u8]) {
        loop {
            let equal = equal_bytes(state, baseline);
            self.equal += equal;
            (state, baseline) = (behind(state, equal), behind(baseline, equal));
            if state.is_empty() {
                return;
            }
            let length = different_bytes(state, baseline);
            varint::put(self.equal as u64, self.out);
            varint::put(length as u64, self.out);
            let padded = baseline.iter().copied().chain(std::iter::repeat(0));
            self.out.extend(state.iter().take(length).zip(padded).map(|(new, old)| new ^ old));
            self.equal = 0;
            (state, baseline) = (behind(state, length), behind(baseline, length));
        }
    }
}

/// How many bytes at the front are equal.
fn equal_bytes(state: &[u8], baseline: &[u8]) -> usize {
    if baseline.is_empty() {
        return state.iter().position(|it| *it != 0).unwrap_or(state.len());
    }
    let chunks = state.as_chunks::<CHUNK>().0.iter().zip(baseline.as_chunks::<CHUNK>().0);
    let whole = CHUNK * chunks.take_while(|(new, old)| new == old).count();
    let mut rest = behind(state, whole).iter().zip(behind(baseline, whole));
    whole + rest.position(|(new, old)| new != old).unwrap_or_else(|| state.len().min(baseline.len()) - whole)
}

/// How many bytes at the front are better written out.
fn different_bytes(state: &[u8], baseline: &[u8]) -> usize {
    let padded = baseline.iter().copied().chain(std::iter::repeat(0));
    let (mut length, mut equal) = (0, 0);
    for (at, (new, old)) in state.iter().zip(padded).enumerate() {
        if *new != old {
            (length, equal) = (at + 1, 0);
            continue;
        }
        equal += 1;
        if equal == WORTH_A_RUN {
            break;
        }
    }
    length
}

fn behind(bytes: &[u8], count: usize) -> &[u8] {
    bytes.get(count..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;
    use crate::tests::{hex, unhex};

    fn body(baseline: &[u8], state: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        encode(baseline, state, &mut out);
        out
    }

    fn check(baseline: &[u8], state: &[u8]) -> usize {
        let body = body(baseline, state);
        let mut out = vec![1, 2, 3];
        apply(baseline, &body, &mut out).unwrap();
        assert_eq!(out, state);
        body.len()
    }

    #[test]
    fn what_is_equal_costs_nothing() {
        let state: Vec<_> = (0..=255).collect();
        assert_eq!(hex(&body(&state, &state)), "4100");
        assert_eq!(hex(&body(b"abcdefgh", b"abXdefghi")), "09 02013b 050169".replace(' ', ""));
        assert_eq!(hex(&body(b"", b"\0\0\0\0a")), "05 040161".replace(' ', ""));
        assert_eq!(hex(&body(b"abc", b"")), "00");
    }

    #[test]
    fn two_equal_bytes_do_not_end_a_run() {
        assert_eq!(hex(&body(b"aaaa", b"baab")), "04 0004 03000003".replace(' ', ""));
        assert_eq!(hex(&body(b"aaaaa", b"baaab")), "05 000103 030103".replace(' ', ""));
    }

    #[test]
    fn no_body_is_longer_than_the_limit_says() {
        let mut rng = StdRng::seed_from_u64(7);
        for period in [1usize, 2, 3, 4, 5, 7, 64, 16_390, 40_000] {
            let state: Vec<_> = (0..limits::SNAPSHOT_BYTES_MAX)
                .map(|at| if at % period < 3 && period > 3 { 0 } else { rng.random() })
                .collect();
            assert!(check(&[], &state) <= limits::BODY_BYTES_MAX);
            assert!(check(&state[..1000], &state) <= limits::BODY_BYTES_MAX);
        }
    }

    #[test]
    fn runs_outside_of_the_snapshot_are_refused() {
        let mut out = Vec::new();
        for body in
            ["02 0300", "02 000361", "02 0003616161", "8001000000", "02 00", "", "02 c0ffffffffffffffff"]
        {
            let bytes = unhex(body);
            assert!(apply(b"ab", &bytes, &mut out).is_err(), "{body}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_applied(
            baseline in proptest::collection::vec(0..3u8, 0..200),
            state in proptest::collection::vec(0..3u8, 0..200),
        ) {
            check(&baseline, &state);
        }

        #[test]
        fn arbitrary_bodies_never_panic(baseline: Vec<u8>, body: Vec<u8>) {
            let mut out = Vec::new();
            let _ = apply(&baseline, &body, &mut out);
            prop_assert!(out.len() <= limits::SNAPSHOT_BYTES_MAX);
        }
    }
}
