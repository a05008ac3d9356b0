//! Whatever is sealed comes out as it was, and whatever bytes come, nothing breaks.

use proptest::{collection::vec, prelude::*};

use super::*;

fn sealed(state: Vec<u8>) -> Sealed {
    Sealed {
        uid: "0b5e".into(),
        epoch: Epoch(7 << 32 | 1),
        build: "1.4".into(),
        captured_at: Duration::from_millis(1_764_000_000_123),
        checkpoint: Checkpoint { schema: Schema(3), tick: Tick(500), epoch: Epoch(7 << 32 | 1), state },
    }
}

fn encoded(sealed: &Sealed) -> Vec<u8> {
    let mut out = Vec::new();
    encode(sealed, &mut out).unwrap();
    out
}

/// A state that gets much shorter.
fn repetitive(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at / 7 % 251).unwrap()).collect()
}

fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    (0..length)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state.to_be_bytes()[0]
        })
        .collect()
}

pub(crate) const GOLDEN: &str = "\
    474b435001000403\
    0000000700000001\
    00000000000001f4\
    0000000300000005\
    0000019ab697e87b\
    2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\
    30623565\
    312e34\
    68656c6c6f";

#[test]
fn the_bytes_stay_what_they_are() {
    let golden =
        GOLDEN.as_bytes().chunks(2).map(|it| u8::from_str_radix(str::from_utf8(it).unwrap(), 16).unwrap());
    let golden: Vec<u8> = golden.collect();
    assert_eq!(encoded(&sealed(b"hello".to_vec())), golden);
    assert_eq!(decode(&golden), Ok(sealed(b"hello".to_vec())));
}

#[test]
fn a_state_is_compressed_when_it_pays() {
    for (state, encoding) in [
        (repetitive(COMPRESS_BYTES_MIN - 1), PLAIN),
        (repetitive(COMPRESS_BYTES_MIN), LZ4),
        (noise(100_000), PLAIN),
        (repetitive(STATE_BYTES_MAX), LZ4),
        (noise(STATE_BYTES_MAX), PLAIN),
        (Vec::new(), PLAIN),
    ] {
        let sealed = sealed(state);
        let bytes = encoded(&sealed);
        assert_eq!(bytes[5], encoding, "{} bytes", sealed.checkpoint.state.len());
        assert!(bytes.len() <= ENVELOPE_BYTES_MAX);
        assert_eq!(decode(&bytes).unwrap(), sealed);
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let unfit = |change: fn(&mut Sealed)| {
        let mut sealed = sealed(vec![1]);
        change(&mut sealed);
        let mut out = Vec::new();
        let outcome = encode(&sealed, &mut out);
        assert!(outcome.is_ok() || out.is_empty());
        outcome
    };
    assert_eq!(unfit(|it| it.uid = "u".repeat(64)), Ok(()));
    assert_eq!(unfit(|it| it.uid = "u".repeat(65)), Err(Unfit::Uid(65)));
    assert_eq!(unfit(|it| it.uid.clear()), Err(Unfit::Uid(0)));
    assert_eq!(unfit(|it| it.build = "b".repeat(64)), Ok(()));
    assert_eq!(unfit(|it| it.build = "b".repeat(300)), Err(Unfit::Build(300)));
    assert_eq!(unfit(|it| it.epoch = Epoch(0)), Err(Unfit::Epoch(0)));
    assert_eq!(
        unfit(|it| it.checkpoint.state = vec![0; STATE_BYTES_MAX + 1]),
        Err(Unfit::State(STATE_BYTES_MAX + 1))
    );
}

#[test]
fn what_is_wrong_is_named() {
    let good = encoded(&sealed(repetitive(5000)));
    let wrong = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        decode(&bytes).unwrap_err()
    };
    assert_eq!(wrong(0, 0), Malformed::Magic);
    assert_eq!(wrong(4, 2), Malformed::Version(2));
    assert_eq!(wrong(5, 9), Malformed::Encoding(9));
    assert_eq!(wrong(5, PLAIN), Malformed::Length);
    assert_eq!(wrong(6, 0), Malformed::Field("uid"));
    assert_eq!(wrong(6, 65), Malformed::Field("uid"));
    assert_eq!(wrong(7, 65), Malformed::Field("build"));
    assert_eq!(wrong(8, 0x80), Malformed::Field("epoch"));
    assert_eq!(wrong(28, 0x80), Malformed::Field("length of the state"));
    assert_eq!(wrong(31, 0), Malformed::Damaged);
    assert_eq!(wrong(40, !good[40]), Malformed::Damaged);
    assert_eq!(wrong(72, 0xff), Malformed::Field("uid"));
    assert_eq!(decode(&good[..71]), Err(Malformed::Length));
    assert_eq!(decode(&good[..74]), Err(Malformed::Length));
    assert_eq!(decode(&good[..good.len() - 1]), Err(Malformed::Damaged));
    assert_eq!(decode(&[&encoded(&sealed(vec![1])), &[0][..]].concat()), Err(Malformed::Length));
}

fn any_sealed() -> impl Strategy<Value = Sealed> {
    let state = prop_oneof![vec(any::<u8>(), 0..3000), (0..60_000_usize).prop_map(repetitive)];
    let number = (1..=i64::MAX, any::<u64>(), any::<u32>(), any::<u64>());
    ("[a-z0-9-]{1,64}", number, "[ -~]{0,64}|ö{0,32}", state).prop_map(
        |(uid, (epoch, tick, schema, ms), build, state)| Sealed {
            uid,
            epoch: Epoch(epoch),
            build,
            captured_at: Duration::from_millis(ms),
            checkpoint: Checkpoint { schema: Schema(schema), tick: Tick(tick), epoch: Epoch(epoch), state },
        },
    )
}

proptest! {
    #[test]
    fn what_is_sealed_comes_out_as_it_was(sealed in any_sealed()) {
        prop_assert_eq!(decode(&encoded(&sealed)), Ok(sealed));
    }

    #[test]
    fn no_bytes_break_it(bytes in vec(any::<u8>(), 0..300)) {
        prop_assert!(decode(&bytes).is_err());
    }

    #[test]
    fn no_change_breaks_it(
        sealed in any_sealed(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = encoded(&sealed);
        changes.into_iter().for_each(|(at, byte)| *at.get_mut(&mut bytes) = byte);
        let _ = decode(&bytes);
        let _ = decode(&bytes[..cut.index(bytes.len())]);
    }

    /// Whatever happens to the state on its way is seen.
    #[test]
    fn a_changed_state_is_never_taken_for_the_saved_one(
        sealed in any_sealed(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut bytes = encoded(&sealed);
        let header = HEADER_BYTES + sealed.uid.len() + sealed.build.len();
        prop_assume!(bytes.len() > header);
        *at.get_mut(&mut bytes[header..]) = byte;
        if let Ok(opened) = decode(&bytes) {
            prop_assert_eq!(opened.checkpoint.state, sealed.checkpoint.state);
        }
    }
}
