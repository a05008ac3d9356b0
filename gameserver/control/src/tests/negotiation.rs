//! The versions that both sides speak.

use proptest::prelude::*;

use crate::{PROTOCOL, agree};

#[test]
fn the_highest_version_that_both_speak_is_spoken() {
    for (offered, spoken, agreed) in [
        (1..=1, 1..=1, Some(1)),
        (1..=3, 2..=5, Some(3)),
        (2..=5, 1..=3, Some(3)),
        (1..=9, 4..=4, Some(4)),
        (1..=2, 3..=4, None),
        (3..=4, 1..=2, None),
    ] {
        assert_eq!(agree(offered.clone(), spoken.clone()), agreed, "{offered:?} and {spoken:?}");
    }
    assert_eq!(agree(1..=u32::MAX, PROTOCOL..=PROTOCOL), Some(PROTOCOL));
}

#[test]
fn nobody_agrees_with_who_speaks_nothing() {
    let nothing = std::ops::RangeInclusive::new(2, 1);
    assert_eq!(agree(nothing.clone(), 1..=9), None);
    assert_eq!(agree(1..=9, nothing), None);
}

proptest! {
    #[test]
    fn what_is_agreed_on_does_not_depend_on_who_asks(
        a in 0..9_u32, b in 0..9_u32, c in 0..9_u32, d in 0..9_u32,
    ) {
        let agreed = agree(a..=b, c..=d);
        assert_eq!(agreed, agree(c..=d, a..=b));
        let both = |it: &u32| (a..=b).contains(it) && (c..=d).contains(it);
        assert_eq!(agreed, (0..9).rev().find(both));
    }
}
