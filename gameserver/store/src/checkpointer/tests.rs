//! A room's checkpoints in virtual time.

use bytes::Bytes;
use gamekeeper_room::Tick;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::*;
use crate::backoff::LONGEST;

const PACE: Pace = Pace { interval: ms(100), fence_after: ms(1000) };

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn stored() -> Result<Verdict<Written>, StoreError> {
    Ok(Verdict::Mine(Written::Stored))
}

fn failed() -> Result<Verdict<Written>, StoreError> {
    Err(StoreError::Timeout(ms(500)))
}

/// A room that was saved and is being written, at 0 ms.
fn writing() -> Checkpointer<u32> {
    let mut room = Checkpointer::new(PACE, ms(0));
    assert_eq!(room.poll(ms(0)), Some(Action::Save));
    assert_eq!(room.poll(ms(0)), None, "not twice");
    room.saved(Some(1));
    assert_eq!(room.poll(ms(0)), Some(Action::Write(1)));
    assert_eq!(room.poll(ms(0)), None);
    room
}

#[test]
fn a_room_is_saved_at_every_interval() {
    let mut room = writing();
    room.answered(&stored(), ms(5));
    assert_eq!(room.next_due(), Some(ms(100)));
    assert_eq!(room.poll(ms(99)), None);
    assert_eq!(room.poll(ms(103)), Some(Action::Save));
    room.saved(Some(2));
    assert_eq!(room.next_due(), Some(ms(0)), "at once");
    assert_eq!(room.poll(ms(104)), Some(Action::Write(2)));
    assert_eq!(room.last_accepted_at(), ms(0), "by when it was sent");
    room.answered(&Ok(Verdict::Mine(Written::Older { newest: Tick(9) })), ms(110));
    assert_eq!(room.last_accepted_at(), ms(104));
    assert_eq!(room.failing_since(), None);
}

#[test]
fn a_game_without_anything_to_save_is_asked_again() {
    let mut room: Checkpointer<u32> = Checkpointer::new(PACE, ms(0));
    assert_eq!(room.poll(ms(0)), Some(Action::Save));
    room.saved(None);
    assert_eq!(room.poll(ms(0)), None);
    assert_eq!(room.poll(ms(100)), Some(Action::Save));
}

#[test]
fn only_the_newest_checkpoint_waits_for_a_slow_store() {
    let mut room = writing();
    for (at, number) in [(100, 2), (200, 3), (300, 4)] {
        assert_eq!(room.poll(ms(at)), Some(Action::Save));
        room.saved(Some(number));
        assert_eq!(room.poll(ms(at)), None, "one write is under way");
    }
    room.answered(&stored(), ms(350));
    assert_eq!(room.poll(ms(350)), Some(Action::Write(4)));
}

#[test]
fn a_store_that_fails_is_left_alone_for_longer_and_longer() {
    let mut room = writing();
    let (mut now, mut pauses) = (ms(0), Vec::new());
    for number in 2..9 {
        room.answered(&failed(), now);
        let due = room.next_save().unwrap();
        pauses.push((due - now).as_millis());
        now = due;
        let mut action = room.poll(now);
        if action == Some(Action::Failing) {
            action = room.poll(now);
        }
        assert_eq!(action, Some(Action::Save), "a fresh one");
        room.saved(Some(number));
        assert_eq!(room.poll(now), Some(Action::Write(number)));
    }
    assert_eq!(pauses, [100, 100, 200, 400, 800, 1000, 1000], "never less than the interval");
}

#[test]
fn i8_a_failing_store_is_told_once_and_so_is_its_return() {
    let mut room = writing();
    assert_eq!(room.poll(ms(100)), Some(Action::Save), "no answer is no reason to stop");
    room.saved(Some(2));
    room.answered(&failed(), ms(500));
    assert_eq!(room.failing_since(), Some(ms(0)));
    assert_eq!(room.poll(ms(999)), Some(Action::Save));
    room.saved(Some(3));
    assert_eq!(room.poll(ms(999)), Some(Action::Write(3)));
    assert_eq!(room.poll(ms(1000)), Some(Action::Failing));
    assert_eq!(room.poll(ms(1000)), None);
    room.answered(&stored(), ms(1010));
    assert_eq!(room.poll(ms(1010)), Some(Action::Recovered));
    assert_eq!(room.poll(ms(1010)), None);
    assert_eq!(room.last_accepted_at(), ms(999));
}

#[test]
fn i1_a_fenced_room_writes_nothing_more() {
    let finished = Verdict::Finished { owner: Epoch(2), result: Bytes::new() };
    for (verdict, last) in [
        (Verdict::Fenced { owner: Epoch(2) }, Action::Fenced { owner: Epoch(2) }),
        (finished, Action::Finished),
    ] {
        let mut room = writing();
        assert_eq!(room.poll(ms(100)), Some(Action::Save));
        room.answered(&Ok(verdict), ms(120));
        room.saved(Some(2));
        assert_eq!(room.poll(ms(120)), Some(last));
        assert_eq!(room.poll(ms(100_000)), None);
        assert_eq!(room.next_due(), None);
        room.answered(&stored(), ms(100_000));
        assert_eq!(room.poll(ms(100_000)), None);
    }
}

/// What a history went through; all of it must occur in some.
#[derive(Debug, Default)]
struct Seen {
    dropped: u32,
    failing: u32,
    recovered: u32,
    fenced: u32,
}

/// A room under a store that is well, slow or gone in turn.
fn history(seed: u64, seen: &mut Seen) {
    let random = &mut StdRng::seed_from_u64(seed);
    let start = ms(random.random_range(0..5_000));
    let mut room = Checkpointer::new(PACE, start);
    let (mut now, mut number, mut accepted_at) = (start, 0_u32, start);
    // A write that is under way: its number, when it was sent, when it is answered and whether it was taken.
    let mut under_way: Option<(u32, Duration, Duration, bool)> = None;
    let (mut newest, mut written, mut is_told, mut has_ended) = (0, 0, false, false);
    let mut gone_until = start;
    for _ in 0..400 {
        if random.random_range(0..60) == 0 {
            gone_until = now + ms(random.random_range(0..4_000));
        }
        while let Some(action) = room.poll(now) {
            assert!(!has_ended, "seed {seed}: {action:?} after the end");
            match action {
                Action::Save => {
                    number += 1;
                    seen.dropped += u32::from(newest > written);
                    newest = number;
                    room.saved(Some(number));
                }
                Action::Write(it) => {
                    assert!(under_way.is_none(), "seed {seed}: two writes under way");
                    assert_eq!(it, newest, "seed {seed}: not the newest");
                    written = it;
                    let is_taken = now >= gone_until && random.random_range(0..20) != 0;
                    let delay = if is_taken { 1..250 } else { 1..500 };
                    under_way = Some((it, now, now + ms(random.random_range(delay)), is_taken));
                }
                Action::Failing => {
                    assert!(!is_told, "seed {seed}: told twice");
                    assert!(now - accepted_at >= PACE.fence_after, "seed {seed}: told too early");
                    is_told = true;
                    seen.failing += 1;
                }
                Action::Recovered => {
                    assert!(is_told, "seed {seed}: recovered from nothing");
                    is_told = false;
                    seen.recovered += 1;
                }
                Action::Fenced { .. } => {
                    has_ended = true;
                    seen.fenced += 1;
                }
                Action::Finished => panic!("seed {seed}: finished by nobody"),
            }
        }
        assert_eq!(room.last_accepted_at(), accepted_at, "seed {seed}");
        let due = room.next_due();
        assert!(due.is_none_or(|it| it > now), "seed {seed}: due and not done");
        if !has_ended {
            // Never silent for longer than an interval and the longest pause.
            let silence = due.unwrap_or(now).max(now) - now;
            assert!(silence <= PACE.interval.max(LONGEST), "seed {seed}: silent for {silence:?}");
            let trouble = PACE.fence_after + PACE.interval + ms(500) + LONGEST;
            assert!(is_told || now - accepted_at < trouble, "seed {seed}: trouble untold");
        }
        let answer_at = under_way.map(|it| it.2);
        let Some(next) = due.into_iter().chain(answer_at).min() else { break };
        now = next;
        if let Some((_, sent_at, at, is_taken)) = under_way
            && at <= now
        {
            under_way = None;
            match is_taken {
                true if random.random_range(0..200) == 0 => {
                    room.answered(&Ok(Verdict::Fenced { owner: Epoch(9) }), now);
                }
                true => {
                    accepted_at = sent_at;
                    room.answered(&stored(), now);
                }
                false => room.answered(&failed(), now),
            }
        }
    }
}

#[test]
fn random_histories_keep_the_rules() {
    let mut seen = Seen::default();
    for seed in 0..2_000 {
        history(seed, &mut seen);
    }
    let Seen { dropped, failing, recovered, fenced } = seen;
    assert!(dropped.min(failing).min(recovered).min(fenced) > 100, "too rare: {seen:?}");
}
