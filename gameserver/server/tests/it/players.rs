//! Who gets in, and what is told of it.

use gamekeeper_control::RoomPhase;
use gamekeeper_server::{NotHeard, NotSeated, PlayerName};
use tokio::time::Instant;

use crate::support::{Operator, TestServer};

fn player(name: &str) -> PlayerName {
    PlayerName::new(name).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_has_as_many_seats_as_it_was_opened_with() {
    let server = TestServer::with_capacity(1).await;
    let (mut operator, _) = Operator::greet(server.address, 1).await;
    operator.open("duel", 5).await;
    let room = server.room("duel");
    for name in ["ann", "ben", "cid", "ann"] {
        assert!(room.join(&player(name)).is_ok(), "{name}");
    }
    assert_eq!(room.join(&player("dan")), Err(NotSeated::Full));
}

#[tokio::test(flavor = "multi_thread")]
async fn players_are_told_when_the_first_one_comes_and_then_once_a_second() {
    let server = TestServer::with_capacity(1).await;
    let (mut operator, _) = Operator::greet(server.address, 1).await;
    operator.open("duel", 5).await;
    let room = server.room("duel");
    assert_eq!((room.name(), room.namespace(), room.uid()), ("duel", "games", "uid-of-duel"));
    let ann = room.join(&player("ann")).unwrap();
    let state = operator.room_state().await;
    assert_eq!((state.phase, state.players), (RoomPhase::Playing, 1));
    let began = Instant::now();
    room.join(&player("ben")).unwrap();
    server.ticks("duel", 3).await;
    room.join(&player("cid")).unwrap();
    let state = operator.room_state().await;
    assert_eq!((state.phase, state.players), (RoomPhase::Playing, 3));
    assert!(900 <= began.elapsed().as_millis());
    room.leave(ann);
    assert_eq!(operator.room_state().await.players, 2);
    assert_eq!(room.input(ann, b"still here"), Err(NotHeard::Replaced));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_rooms_tick_on_few_threads() {
    let server = TestServer::start(|it| it.capacity(100).threads(2)).await;
    let (mut operator, _) = Operator::greet(server.address, 1).await;
    let names: Vec<String> = (0..100).map(|it| format!("room-{it}")).collect();
    for (epoch, name) in (1..).zip(&names) {
        operator.open(name, epoch).await;
    }
    let began = Instant::now();
    let before: Vec<u64> = names.iter().map(|it| server.room(it).tick().0).collect();
    server.ticks("room-0", 60).await;
    let passed = began.elapsed().as_secs_f64();
    for (name, before) in names.iter().zip(before) {
        let ticks = server.room(name).tick().0 - before;
        assert!(50 <= ticks, "{name}: {ticks} ticks while another room took 60");
    }
    assert!(0.9 < passed, "60 ticks at 60 a second took {passed} s");
}
