//! Another server goes on from a checkpoint, and the player comes again.

use gamekeeper_room::{Checkpoint, Game as _, Seat};
use rand::{SeedableRng, rngs::StdRng};

use super::*;
use crate::{
    game::Match,
    tests::{Play, anything, setup},
};

/// A match whose server is lost.
struct Case {
    /// The tick after which it is lost.
    lost_after: u64,
    /// How much earlier it was saved.
    rewind: u64,
    /// So many ticks pass on the other server before the player comes again.
    absent: u64,
    /// The other server tells the game meanwhile that the player has left.
    is_dismissed: bool,
    /// Inputs that were heard, but whose acknowledgement did not arrive.
    unacknowledged: u64,
    epoch: u64,
    /// Numbers of inputs that the other server does not apply, although it should.
    withheld: std::ops::Range<u64>,
}

const USUAL: Case = Case {
    lost_after: 70,
    rewind: 3,
    absent: 2,
    is_dismissed: false,
    unacknowledged: 1,
    epoch: 2,
    withheld: 0..0,
};

/// The match of a case up to tick 200, as the player on seat 0 sees it, who sends one input a tick.
fn verdict(case: &Case) -> Verdict {
    let mut random = StdRng::seed_from_u64(case.lost_after);
    let mut play = Play::full(2, &[]);
    let mut checker = Checker::new(0);
    checker.joined(1, 0, 0);
    let mut sent = Vec::new();
    let mut saved: Option<(Checkpoint, u64)> = None;
    let mut step = |play: &mut Play, checker: &mut Checker, sent: &mut Vec<Input>, is_there: bool| {
        if is_there {
            let input = anything(&mut random);
            sent.push(input);
            checker.sent(input);
            if !case.withheld.contains(&(sent.len() as u64)) {
                play.send(0, &input.to_bytes());
            }
        }
        play.send(1, &anything(&mut random).to_bytes());
        play.tick();
        if is_there {
            checker.shown(play.tick, &play.shown()).unwrap();
        }
    };
    while play.tick < case.lost_after {
        step(&mut play, &mut checker, &mut sent, true);
        if play.tick == case.lost_after - case.rewind {
            saved = Some((play.saved(), sent.len() as u64));
        }
    }
    let heard = sent.len() as u64;
    let (checkpoint, known) = saved.unwrap_or_else(|| (play.saved(), heard));
    play.game = Match::restore(&setup(2, &[]), &checkpoint).unwrap();
    play.tick = checkpoint.tick.0;
    let mut nothing = Vec::new();
    for _ in 0..case.absent {
        if case.is_dismissed {
            let _ = play.game.leave(Seat(0));
        }
        step(&mut play, &mut checker, &mut nothing, false);
    }
    let acknowledged = known.max(heard - case.unacknowledged);
    checker.joined(case.epoch, play.tick, acknowledged);
    play.join(0);
    for number in acknowledged + 1..=heard {
        play.send(0, &sent[usize::try_from(number).unwrap() - 1].to_bytes());
    }
    while play.tick < 200 {
        step(&mut play, &mut checker, &mut sent, true);
    }
    checker.verdict()
}

#[test]
fn p4_a_match_that_goes_on_elsewhere_is_verified_whenever_its_server_is_lost() {
    // Around the hash of tick 60, and that of tick 90 while nobody sees it.
    for lost_after in 50..95 {
        for is_dismissed in [false, true] {
            for (rewind, absent) in [(0, 0), (1, 0), (3, 5), (9, 30)] {
                let case = Case { lost_after, rewind, absent, is_dismissed, ..USUAL };
                let Verdict { verified, counts } = verdict(&case);
                let what = format!("{lost_after} {is_dismissed} {rewind} {absent}: {counts:?}");
                assert!(verified, "{what}");
                assert_eq!(counts.takeovers, 1);
                assert_eq!(counts.longest_rewind, rewind.saturating_sub(absent), "{what}");
                // All but the one that was not acknowledged. Who was seen to leave cannot tell.
                let lost = if is_dismissed && 0 < absent { 0 } else { rewind.saturating_sub(1) };
                assert_eq!(counts.lost_inputs, lost, "{what}");
                assert!(3 <= counts.checkpoints_verified, "{what}");
            }
        }
    }
}

#[test]
fn the_world_jumps_back_under_another_epoch_only_and_not_too_far() {
    let same = verdict(&Case { epoch: 1, absent: 0, ..USUAL });
    assert!(!same.verified && 0 < same.counts.out_of_order, "{same:?}");
    let far = verdict(&Case { rewind: 10, absent: 0, ..USUAL });
    assert!(!far.verified && far.counts.far_rewinds == 1, "{far:?}");
    let restarted = verdict(&Case { rewind: 69, absent: 0, ..USUAL });
    assert!(!restarted.verified && restarted.counts.far_rewinds == 1, "{restarted:?}");
}

#[test]
fn p4_an_input_that_is_lost_beyond_the_window_is_seen() {
    // Twenty-one inputs were heard and acknowledged since, if the ticks had stood still: more than may be lost.
    let found = verdict(&Case { rewind: 22, absent: 30, ..USUAL });
    assert!(!found.verified && 0 < found.counts.input_differences, "{found:?}");
}

#[test]
fn what_is_sent_after_the_return_counts_all_of_it() {
    for number in [72, 75, 99] {
        let found = verdict(&Case { withheld: number..number + 1, ..USUAL });
        assert!(!found.verified && 0 < found.counts.input_differences, "{number}: {found:?}");
    }
    // What was sent before, and was in the checkpoint.
    let found = verdict(&Case { withheld: 40..41, ..USUAL });
    assert!(!found.verified && 0 < found.counts.input_differences, "{found:?}");
}

#[test]
fn another_match_is_no_takeover() {
    let mut play = Play::full(2, &[]);
    let mut checker = Checker::new(0);
    checker.joined(1, 0, 0);
    play.tick();
    checker.shown(play.tick, &play.shown()).unwrap();
    let mut other = Play::full(2, &[("map", "harbour")]);
    other.tick();
    checker.joined(2, 1, 0);
    checker.shown(other.tick, &other.shown()).unwrap();
    assert_eq!(checker.verdict().counts.state_differences, 1);
}
