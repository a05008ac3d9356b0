//! Whose a room is.

use std::time::Duration;

use bytes::Bytes;
use gamekeeper_room::{Epoch, Tick};
use gamekeeper_store::{
    Bid, Mismatch, RESULT_BYTES_MAX, StoreError, Verdict, Written,
    envelope::{ENVELOPE_BYTES_MAX, Malformed, STATE_BYTES_MAX, encode},
    room_key,
};
use tokio::time::{Instant, sleep};

use super::server::{Server, sealed, take, tenancy, write};

/// Redis' clock is read in whole milliseconds, twice.
const ROUNDING: Duration = Duration::from_millis(2);

const STORED: Result<Verdict<Written>, StoreError> = Ok(Verdict::Mine(Written::Stored));

#[tokio::test]
async fn i1_only_the_highest_epoch_writes() {
    let server = Server::start(&[]).await;
    let store = server.store();
    let old = tenancy("u-1", 4 << 32 | 1);
    // Above what a double holds exactly: one apart, in the last of 63 bits.
    let (new, newest) = (tenancy("u-1", i64::MAX - 1), tenancy("u-1", i64::MAX));
    assert_eq!(write(&store, &old, 10).await, STORED);
    assert_eq!(take(&store, &new, 0).await.open(&new), Ok(Some(sealed(&old, 10))));
    let fenced = Verdict::Fenced { owner: new.epoch };
    assert_eq!(write(&store, &old, 11).await, Ok(fenced));
    assert_eq!(store.check(&old).await, Ok(Verdict::Fenced { owner: new.epoch }));
    assert_eq!(store.take(&old, None).await, Ok(Verdict::Fenced { owner: new.epoch }));
    assert_eq!(store.finish(&old, b"lost").await, Ok(Verdict::Fenced { owner: new.epoch }));
    assert_eq!(store.check(&new).await, Ok(Verdict::Mine(())));
    assert_eq!(take(&store, &new, 0).await.open(&new), Ok(Some(sealed(&old, 10))), "as it was");
    assert_eq!(write(&store, &new, 5).await, STORED, "an owner may begin afresh");
    assert_eq!(store.check(&newest).await, Ok(Verdict::Mine(())));
    assert_eq!(write(&store, &new, 12).await, Ok(Verdict::Fenced { owner: newest.epoch }));
    assert_eq!(store.check(&tenancy("u-2", 1)).await, Ok(Verdict::Mine(())), "another room");
}

#[tokio::test]
async fn the_newest_tick_of_an_owner_stays() {
    let server = Server::start(&[]).await;
    let (store, room) = (server.store(), tenancy("u-1", 9));
    assert_eq!(write(&store, &room, 9).await, STORED);
    assert_eq!(write(&store, &room, 10).await, STORED, "ten is above nine");
    let older = Ok(Verdict::Mine(Written::Older { newest: Tick(10) }));
    assert_eq!(write(&store, &room, 9).await, older);
    assert_eq!(write(&store, &room, 10).await, STORED, "made again");
    assert_eq!(write(&store, &room, u64::MAX).await, STORED);
    assert_eq!(take(&store, &room, 0).await.open(&room), Ok(Some(sealed(&room, u64::MAX))));
}

#[tokio::test(flavor = "multi_thread")]
async fn i1_of_two_racing_owners_the_later_one_wins() {
    let server = Server::start(&[]).await;
    for round in 0..20 {
        let uid = format!("u-{round}");
        let run = |epoch: i64| {
            let (store, room) = (server.store(), tenancy(&uid, epoch));
            tokio::spawn(async move {
                let (mut accepted, mut last) = (0_u64, None);
                if let Verdict::Mine(_) = store.take(&room, None).await.unwrap() {
                    for tick in 1..=50 {
                        match write(&store, &room, tick).await.unwrap() {
                            Verdict::Mine(_) => accepted = tick,
                            verdict => {
                                last = Some(verdict);
                                break;
                            }
                        }
                    }
                }
                (accepted, last)
            })
        };
        let (old, new) = (run(7), run(8));
        let ((old_ticks, last), (new_ticks, never)) = (old.await.unwrap(), new.await.unwrap());
        assert_eq!((new_ticks, never), (50, None), "round {round}: the later one was refused");
        // The earlier one was refused by now, or had done its last write before the later one came.
        assert!(last.is_none_or(|it| it == Verdict::Fenced { owner: Epoch(8) }), "round {round}");
        let reader = tenancy(&uid, 9);
        let found = take(&server.store(), &reader, 0).await.open(&reader).unwrap().unwrap();
        assert_eq!((found.epoch, found.checkpoint.tick), (Epoch(8), Tick(50)), "round {round}, {old_ticks}");
    }
}

#[tokio::test]
async fn i7_the_wait_counts_from_the_old_owners_last_write_also_when_asked_again() {
    let server = Server::start(&[]).await;
    let (store, old, new) = (server.store(), tenancy("u-1", 1), tenancy("u-1", 2));
    let fence = 60_000;
    assert_eq!(write(&store, &old, 1).await, STORED);
    sleep(Duration::from_millis(300)).await;
    let first = take(&store, &new, fence).await;
    assert!(first.idle >= Duration::from_millis(290), "{first:?}");
    assert_eq!(first.wait + first.idle, Duration::from_millis(fence));
    // Its own writes and checks are no signs of the old owner.
    assert_eq!(write(&store, &new, 2).await, STORED);
    assert_eq!(store.check(&new).await, Ok(Verdict::Mine(())));
    sleep(Duration::from_millis(50)).await;
    let again = take(&store, &new, fence).await;
    assert!(again.idle >= first.idle + Duration::from_millis(45), "{first:?} {again:?}");
    assert_eq!(again.wait + again.idle, Duration::from_millis(fence));
    assert_eq!(again.checkpoint.as_ref().map(|it| it.0), Some(Epoch(2)));
    // But they are to the next one.
    let began = Instant::now();
    assert_eq!(store.check(&new).await, Ok(Verdict::Mine(())));
    let next = take(&store, &tenancy("u-1", 3), fence).await;
    assert!(next.idle <= began.elapsed() + ROUNDING, "{next:?}");
    assert_eq!(take(&store, &tenancy("u-1", 4), 0).await.wait, Duration::ZERO, "no fence was asked for");
    sleep(Duration::from_millis(20)).await;
    assert_eq!(take(&store, &tenancy("u-1", 5), 10).await.wait, Duration::ZERO, "it has passed");
}

#[tokio::test]
async fn i7_taking_and_checking_are_signs_of_life_too() {
    let server = Server::start(&[]).await;
    let store = server.store();
    take(&store, &tenancy("u-1", 1), 0).await;
    sleep(Duration::from_millis(50)).await;
    let began = Instant::now();
    assert_eq!(store.check(&tenancy("u-1", 1)).await, Ok(Verdict::Mine(())));
    let taken = take(&store, &tenancy("u-1", 2), 1_000).await;
    assert!(taken.idle <= began.elapsed() + ROUNDING, "{taken:?}");
    let began = Instant::now();
    take(&store, &tenancy("u-2", 1), 0).await;
    let taken = take(&store, &tenancy("u-2", 2), 1_000).await;
    assert!(taken.idle <= began.elapsed() + ROUNDING, "{taken:?}");
}

#[tokio::test]
async fn i7_an_unknown_room_is_fenced_in_full_once() {
    let server = Server::start(&[]).await;
    let (store, room) = (server.store(), tenancy("u-1", 1));
    let taken = take(&store, &room, 60_000).await;
    assert_eq!((taken.wait, taken.checkpoint), (Duration::from_mins(1), None));
    sleep(Duration::from_millis(100)).await;
    let again = take(&store, &room, 60_000).await;
    assert!(again.wait <= Duration::from_millis(59_910), "{again:?}");
}

#[tokio::test]
async fn i7_a_room_is_taken_from_a_silent_owner_and_from_no_other() {
    let server = Server::start(&[]).await;
    let (store, old, new) = (server.store(), tenancy("u-1", 1), tenancy("u-1", 2));
    let (fence, silence) = (Some(Duration::from_mins(1)), Duration::from_millis(300));
    assert_eq!(write(&store, &old, 1).await, STORED);
    sleep(Duration::from_millis(50)).await;
    let Ok(Bid::OwnerAlive { owner: Some(Epoch(1)), idle }) =
        store.take_if_silent(&new, fence, silence).await
    else {
        panic!("taken from an owner that lives")
    };
    assert!((Duration::from_millis(45)..silence).contains(&idle), "{idle:?}");
    // The owner speaks: it is heard as ever, and the silence begins anew.
    sleep(Duration::from_millis(270)).await;
    assert_eq!(write(&store, &old, 2).await, STORED, "it has not noticed anything");
    let refused = store.take_if_silent(&new, fence, silence).await;
    assert!(matches!(refused, Ok(Bid::OwnerAlive { .. })), "{refused:?}");
    sleep(silence + ROUNDING).await;
    let bid = store.take_if_silent(&new, fence, silence).await;
    let Ok(Bid::Decided(Verdict::Mine(taken))) = bid else { panic!("{bid:?}") };
    assert_eq!(taken.open(&new), Ok(Some(sealed(&old, 2))));
    assert!(silence <= taken.idle, "{taken:?}");
    assert_eq!(taken.wait + taken.idle, Duration::from_mins(1), "the fence counts as ever");
    assert_eq!(write(&store, &old, 3).await, Ok(Verdict::Fenced { owner: new.epoch }));
    // Its own word is no sign of another's life: whoever asks again has the room.
    let again = store.take_if_silent(&new, fence, silence).await;
    assert!(matches!(again, Ok(Bid::Decided(Verdict::Mine(_)))), "{again:?}");
    // An earlier owner is fenced, and a match that is over is over, whoever is silent.
    let fenced = Ok(Bid::Decided(Verdict::Fenced { owner: new.epoch }));
    assert_eq!(store.take_if_silent(&old, fence, silence).await, fenced);
    assert_eq!(store.finish(&new, b"p3").await, Ok(Verdict::Mine(())));
    let over = store.take_if_silent(&tenancy("u-1", 3), fence, silence).await;
    assert!(matches!(over, Ok(Bid::Decided(Verdict::Finished { .. }))), "{over:?}");
}

#[tokio::test]
async fn i7_a_take_that_is_refused_for_a_living_owner_changes_nothing() {
    let server = Server::start(&[]).await;
    let (store, old, new) = (server.store(), tenancy("u-1", 1), tenancy("u-1", 2));
    let silence = Duration::from_hours(1);
    let ask = || store.take_if_silent(&new, None, silence);
    // What the store does not know it may have forgotten.
    assert_eq!(ask().await, Ok(Bid::OwnerAlive { owner: None, idle: Duration::ZERO }));
    assert_eq!(server.cli(&["EXISTS", &room_key("u-1")]), "0");
    assert_eq!(write(&store, &old, 1).await, STORED);
    let key = room_key("u-1");
    let lifetime = || server.cli(&["PTTL", &key]).parse::<i64>().unwrap();
    let fields = || server.cli(&["HMGET", &key, "epoch", "at", "before", "by", "tick"]);
    sleep(Duration::from_millis(50)).await;
    let before = (fields(), lifetime());
    assert!(matches!(ask().await, Ok(Bid::OwnerAlive { owner: Some(Epoch(1)), .. })));
    assert_eq!(fields(), before.0);
    assert!(lifetime() <= before.1, "not even its lifetime");
    // An owner whose last word was forgotten may have spoken just now.
    server.cli(&["HDEL", &key, "at"]);
    assert_eq!(ask().await, Ok(Bid::OwnerAlive { owner: Some(Epoch(1)), idle: Duration::ZERO }));
    assert!(matches!(store.take_if_silent(&new, None, Duration::ZERO).await, Ok(Bid::Decided(_))));
}

#[tokio::test]
async fn a_finished_room_stays_finished() {
    let server = Server::start(&[]).await;
    let (store, room) = (server.store(), tenancy("u-1", 5));
    assert_eq!(write(&store, &room, 1).await, STORED);
    assert_eq!(store.finish(&room, b"p3").await, Ok(Verdict::Mine(())));
    let finished = || Verdict::Finished { owner: Epoch(5), result: Bytes::from_static(b"p3") };
    for epoch in [5, 6] {
        let room = tenancy("u-1", epoch);
        assert_eq!(store.finish(&room, b"p4").await, Ok(finished()), "the first result stays");
        assert_eq!(store.check(&room).await, Ok(finished()));
        let Ok(Verdict::Finished { .. }) = store.take(&room, None).await else { panic!("taken") };
        let Ok(Verdict::Finished { .. }) = write(&store, &room, 2).await else { panic!("written") };
    }
    assert_eq!(store.check(&tenancy("u-1", 4)).await, Ok(Verdict::Fenced { owner: Epoch(5) }));
    let key = room_key("u-1");
    assert_eq!(server.cli(&["HEXISTS", &key, "checkpoint"]), "0", "the state is gone");
    let other = tenancy("u-2", 1);
    assert_eq!(store.finish(&other, b"").await, Ok(Verdict::Mine(())), "without a checkpoint or a result");
    assert!(matches!(store.check(&other).await, Ok(Verdict::Finished { result, .. }) if result.is_empty()));
}

#[tokio::test]
async fn every_call_renews_the_lifetime() {
    let server = Server::start(&[]).await;
    let (store, room, key) = (server.store(), tenancy("u-1", 5), room_key("u-1"));
    let lifetime = || server.cli(&["PTTL", &key]).parse::<i64>().unwrap();
    for step in 0..4 {
        server.cli(&["PERSIST", &key]);
        match step {
            0 => drop(write(&store, &room, 1).await.unwrap()),
            1 => drop(take(&store, &room, 0).await),
            2 => drop(store.check(&room).await.unwrap()),
            _ => drop(store.finish(&room, b"p3").await.unwrap()),
        }
        assert!((86_000_000..=86_400_000).contains(&lifetime()), "step {step}: {}", lifetime());
    }
    server.cli(&["PERSIST", &key]);
    store.check(&room).await.unwrap();
    assert_eq!(lifetime(), -1, "of a finished room none does");
}

#[tokio::test]
async fn the_largest_checkpoint_goes_through() {
    let server = Server::start(&[]).await;
    let (store, room) = (server.store(), tenancy("u-1", 5));
    let mut sealed = sealed(&room, 7);
    sealed.checkpoint.state =
        (0..STATE_BYTES_MAX).map(|it| (it ^ it >> 3 ^ it >> 7).to_le_bytes()[0]).collect();
    let mut bytes = Vec::new();
    encode(&sealed, &mut bytes).unwrap();
    assert_eq!(store.write(&room, Tick(7), bytes.into()).await, STORED);
    assert_eq!(take(&store, &room, 0).await.open(&room), Ok(Some(sealed)));
    let bytes = ENVELOPE_BYTES_MAX + 1;
    let error = StoreError::TooLarge { bytes, max: ENVELOPE_BYTES_MAX };
    assert_eq!(store.write(&room, Tick(8), vec![0; bytes].into()).await, Err(error));
    assert!(matches!(
        store.finish(&room, &[0; RESULT_BYTES_MAX + 1]).await,
        Err(StoreError::TooLarge { max: RESULT_BYTES_MAX, .. })
    ));
    assert_eq!(store.finish(&room, &[0; RESULT_BYTES_MAX]).await, Ok(Verdict::Mine(())));
}

#[tokio::test]
async fn a_checkpoint_that_cannot_be_used_is_named_and_the_room_is_taken() {
    let server = Server::start(&[]).await;
    let (store, room, next) = (server.store(), tenancy("u-1", 5), tenancy("u-1", 6));
    assert_eq!(store.write(&room, Tick(1), Bytes::from_static(b"GKCQ")).await, STORED);
    assert_eq!(take(&store, &next, 0).await.open(&next), Err(Mismatch::Malformed(Malformed::Magic)));
    let mut foreign = Vec::new();
    encode(&sealed(&tenancy("u-2", 6), 1), &mut foreign).unwrap();
    assert_eq!(store.write(&next, Tick(1), foreign.into()).await, STORED);
    assert_eq!(take(&store, &next, 0).await.open(&next), Err(Mismatch::Foreign));
    let mut early = Vec::new();
    encode(&sealed(&room, 2), &mut early).unwrap();
    assert_eq!(store.write(&next, Tick(2), early.into()).await, STORED);
    assert_eq!(take(&store, &next, 0).await.open(&next), Err(Mismatch::Foreign), "of another epoch");
}
