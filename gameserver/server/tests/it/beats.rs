//! Signs of life, and their absence.

use std::time::Duration;

use gamekeeper_control::{ToOperator, ToServer};
use tokio::time::{Instant, timeout};

use crate::support::{HEARTBEAT, Operator, TestServer, say, soon};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_rooms_beats_at_the_heartbeat_and_makes_progress() {
    let server = TestServer::with_capacity(3).await;
    let (mut operator, _) = Operator::greet(server.address, 1).await;
    operator.open("one", 5).await;
    operator.open("two", 6).await;
    let mut last = operator.beat().await;
    let began = Instant::now();
    for _ in 0..40 {
        let beat = operator.beat().await;
        assert_eq!(beat.sequence, last.sequence + 1);
        assert!(last.progress < beat.progress, "{last:?} {beat:?}");
        last = beat;
    }
    assert!(HEARTBEAT * 36 <= began.elapsed(), "not faster than asked");
    assert!(began.elapsed() < HEARTBEAT * 160, "not much slower either: {:?}", began.elapsed());
    assert!(Duration::ZERO < last.tick_p99 && last.tick_p99 < Duration::from_secs(1), "{last:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_server_beats_once_a_second() {
    let server = TestServer::with_capacity(3).await;
    let (mut operator, _) = Operator::greet(server.address, 1).await;
    operator.beat().await;
    let began = Instant::now();
    operator.beat().await;
    assert!(Duration::from_millis(900) <= began.elapsed());
    operator.open("duel", 5).await;
    let began = Instant::now();
    for _ in 0..3 {
        operator.beat().await;
    }
    assert!(began.elapsed() < Duration::from_millis(900), "with a room, at once at the heartbeat");
}

/// Beats that come while the room takes so many ticks.
async fn beats_during(server: &TestServer, operator: &mut Operator, room: &str, ticks: u64) -> usize {
    let mut beats = 0;
    let mut ticking = std::pin::pin!(server.ticks(room, ticks));
    loop {
        tokio::select! {
            () = &mut ticking => return beats,
            message = operator.next() => beats += usize::from(matches!(message, ToOperator::Beat(_))),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_that_hangs_in_a_tick_silences_the_server_while_others_tick_on() {
    let server = TestServer::with_capacity(3).await;
    let (mut operator, _) = Operator::greet(server.address, 1).await;
    // One on each of the two threads.
    operator.open("hanging", 5).await;
    operator.open("well", 6).await;
    assert!(2 < beats_during(&server, &mut operator, "well", 30).await);
    server.play("hanging", "ann", say::HANG);
    let hangs = async {
        while server.games.waiting() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    soon("a tick that hangs", hangs).await;
    // One that was due already, and one for the last move of the thread.
    server.ticks("well", 10).await;
    beats_during(&server, &mut operator, "well", 10).await;
    assert_eq!(beats_during(&server, &mut operator, "well", 60).await, 0, "a second without a beat");
    // What the server says otherwise still comes.
    assert_eq!(operator.ask(ToServer::Drain).await, ToOperator::Draining(true));
    server.games.release();
    assert!(2 < beats_during(&server, &mut operator, "hanging", 30).await, "and it is well again");
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_ticks_do_not_make_slow_beats() {
    let server = TestServer::start(|it| it.capacity(2).tick_rate(1)).await;
    let (mut operator, _) = Operator::greet(server.address, 1).await;
    operator.open("slow", 5).await;
    let mut last = operator.beat().await;
    let began = Instant::now();
    for _ in 0..8 {
        let beat = operator.beat().await;
        assert!(last.progress < beat.progress, "between two ticks as well");
        last = beat;
    }
    assert!(began.elapsed() < Duration::from_millis(900));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_game_that_waits_makes_progress_without_ticks() {
    let server = TestServer::with_capacity(2).await;
    let (mut operator, _) = Operator::greet(server.address, 1).await;
    operator.open("chess", 5).await;
    server.play("chess", "ann", say::WAIT);
    server.ticks("chess", 1).await;
    operator.room_state().await;
    let tick = server.room("chess").tick();
    let first = operator.beat().await;
    for _ in 0..20 {
        operator.beat().await;
    }
    assert!(first.progress < operator.beat().await.progress);
    assert_eq!(server.room("chess").tick(), tick);
    server.play("chess", "ann", say::HELLO);
    server.ticks("chess", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rooms_that_are_opened_or_finished_are_hosted_too() {
    let server = TestServer::with_capacity(2).await;
    let (operator, _) = Operator::greet(server.address, 1).await;
    operator.say(Operator::open_with("slow", 5, &[("open", "slowly")])).await;
    let beats = |mut operator: Operator| async move {
        let mut last = operator.beat().await;
        let began = Instant::now();
        for _ in 0..8 {
            let beat = operator.beat().await;
            assert!(last.progress < beat.progress);
            last = beat;
        }
        assert!(began.elapsed() < Duration::from_millis(900));
        operator
    };
    let mut operator = beats(operator).await;
    server.games.release();
    assert!(matches!(operator.answer().await, ToOperator::Opened(_)));
    server.play("slow", "ann", say::END);
    operator.until("the end", |it| matches!(it, ToOperator::Finished { .. }).then_some(())).await;
    beats(operator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn echoes_of_beats_are_noted() {
    let server = TestServer::with_capacity(2).await;
    let (mut operator, _) = Operator::greet(server.address, 1).await;
    let beat = operator.beat().await;
    operator.say(ToServer::BeatEcho { sequence: beat.sequence + 5 }).await;
    operator.ask(ToServer::Undrain).await;
    assert_eq!(server.contact.silence(), None, "of a beat that was never sent");
    operator.say(ToServer::BeatEcho { sequence: beat.sequence }).await;
    operator.ask(ToServer::Undrain).await;
    assert!(server.contact.silence().is_some_and(|it| it < Duration::from_secs(10)));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_hears_beats_before_the_hello() {
    let server = TestServer::with_capacity(2).await;
    let (mut operator, _) = Operator::greet(server.address, 1).await;
    let mut silent = Operator::attach(server.address).await;
    operator.open("duel", 5).await;
    for _ in 0..5 {
        operator.beat().await;
    }
    assert!(timeout(Duration::from_millis(1), silent.answers.message()).await.is_err());
}
