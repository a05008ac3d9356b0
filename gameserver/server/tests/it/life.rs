//! Rooms from Open to Close.

use std::collections::BTreeMap;

use gamekeeper_control::{Fault, RefusedWhy, RoomPhase, ToOperator, ToServer, Welcome, proto};

use crate::support::{Operator, TestServer, close, open, say, tenancy};

/// The reason of a refusal, and the epoch that is here, 0 if none is.
async fn refused(operator: &mut Operator, message: impl Into<proto::OperatorMessage>) -> (RefusedWhy, i64) {
    operator.say_raw(message.into()).await;
    match operator.answer().await {
        ToOperator::Refused(refused) => {
            assert!(!refused.message.is_empty());
            (refused.why, proto::Refused::from(refused).current_epoch)
        }
        other => panic!("not refused: {other:?}"),
    }
}

/// An Open with something that only protobuf can say.
fn raw_open(name: &str, epoch: i64, change: impl FnOnce(&mut proto::Open)) -> proto::OperatorMessage {
    let mut message = open(name, epoch).into();
    let proto::OperatorMessage { message: Some(proto::operator_message::Message::Open(open)) } = &mut message
    else {
        unreachable!("an Open")
    };
    change(open);
    message
}

fn phases(welcome: &Welcome) -> Vec<(String, i64, RoomPhase)> {
    let rooms = welcome.rooms.iter();
    rooms.map(|it| (it.tenancy.name.clone(), it.tenancy.epoch, it.phase)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_is_played_from_open_to_close() {
    let server = TestServer::with_capacity(2).await;
    let (mut operator, _) = Operator::greet(server.address, 1).await;
    operator.open("duel", 5).await;
    // Opened has been said: players can come.
    server.play("duel", "ann", say::HELLO);
    let state = operator.room_state().await;
    assert_eq!((state.tenancy, state.phase, state.players), (tenancy("duel", 5), RoomPhase::Playing, 1));
    server.play("duel", "ben", say::END);
    let result: BTreeMap<_, _> = [("ended by".to_owned(), "1".to_owned())].into();
    let finished = ToOperator::Finished { tenancy: tenancy("duel", 5), result: result.clone() };
    for _ in 0..3 {
        operator.until("the result, again and again", |it| (*it == finished).then_some(())).await;
    }
    assert!(server.rooms.by_name("duel").is_none(), "nobody comes in after the end");

    let (mut operator, welcome) = Operator::greet(server.address, 2).await;
    assert_eq!(phases(&welcome), [("duel".to_owned(), 5, RoomPhase::Finished)]);
    assert_eq!(welcome.rooms[0].result, Some(result));
    assert_eq!(operator.ask(close("duel", 5)).await, ToOperator::Closed(tenancy("duel", 5)));
    let retired = ToOperator::Retired { retired: true, rooms: 0 };
    assert_eq!(operator.ask(ToServer::Retire).await, retired);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_goes_on_under_a_higher_epoch() {
    let server = TestServer::with_capacity(1).await;
    let (mut operator, _) = Operator::greet(server.address, 1).await;
    operator.open("duel", 5).await;
    server.ticks("duel", 5).await;
    let ticks = server.room("duel").tick();
    operator.open("duel", 5).await;
    operator.open("duel", 9).await;
    assert_eq!(server.room("duel").epoch().0, 9);
    assert!(ticks <= server.room("duel").tick(), "it is the same match");
    assert_eq!(refused(&mut operator, open("duel", 8)).await, (RefusedWhy::Epoch, 9));
    assert_eq!(refused(&mut operator, close("duel", 8)).await, (RefusedWhy::Epoch, 9));
    server.play("duel", "ann", say::HELLO);
    assert_eq!(operator.room_state().await.tenancy, tenancy("duel", 9));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_room_is_gone_and_its_place_free() {
    let server = TestServer::with_capacity(1).await;
    let (mut operator, _) = Operator::greet(server.address, 1).await;
    operator.open("duel", 5).await;
    let entrance = server.room("duel");
    assert_eq!(refused(&mut operator, open("other", 6)).await, (RefusedWhy::Full, 0));
    assert_eq!(operator.ask(close("duel", 5)).await, ToOperator::Closed(tenancy("duel", 5)));
    assert_eq!(operator.ask(close("duel", 5)).await, ToOperator::Closed(tenancy("duel", 5)));
    let player = gamekeeper_server::PlayerName::new("ann").unwrap();
    assert!(entrance.join(&player).is_err());
    operator.open("other", 7).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn drain_and_retire_keep_new_rooms_out() {
    let server = TestServer::with_capacity(2).await;
    let (mut operator, _) = Operator::greet(server.address, 1).await;
    operator.open("duel", 5).await;
    assert_eq!(operator.ask(ToServer::Drain).await, ToOperator::Draining(true));
    assert_eq!(refused(&mut operator, open("other", 6)).await, (RefusedWhy::Draining, 0));
    operator.open("duel", 6).await;
    assert_eq!(operator.ask(ToServer::Retire).await, ToOperator::Retired { retired: false, rooms: 1 });
    assert_eq!(operator.ask(ToServer::Undrain).await, ToOperator::Draining(false));
    operator.open("other", 7).await;
    operator.ask(close("duel", 6)).await;
    operator.ask(close("other", 7)).await;
    assert_eq!(operator.ask(ToServer::Retire).await, ToOperator::Retired { retired: true, rooms: 0 });
    assert_eq!(refused(&mut operator, open("duel", 8)).await, (RefusedWhy::Retired, 0));
    let (_, welcome) = Operator::greet(server.address, 1).await;
    assert!(welcome.is_retired);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_opening_holds_nobody_up() {
    let server = TestServer::with_capacity(3).await;
    let (mut operator, _) = Operator::greet(server.address, 1).await;
    operator.say(Operator::open_with("slow", 5, &[("open", "slowly")])).await;
    operator.open("quick", 6).await;
    server.ticks("quick", 10).await;
    let (mut operator, welcome) = Operator::greet(server.address, 2).await;
    let slow = ("slow".to_owned(), 5, RoomPhase::Restoring);
    assert_eq!(phases(&welcome), [slow, ("quick".to_owned(), 6, RoomPhase::Waiting)]);
    assert!(server.rooms.by_name("slow").is_none(), "nobody comes in before it is open");
    server.games.release();
    let state = operator.room_state().await;
    assert_eq!((state.tenancy, state.phase), (tenancy("slow", 5), RoomPhase::Waiting));
    server.play("slow", "ann", say::HELLO);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_is_closed_while_it_is_opened_does_not_stay() {
    let server = TestServer::with_capacity(1).await;
    let (mut operator, _) = Operator::greet(server.address, 1).await;
    operator.say(Operator::open_with("slow", 5, &[("open", "slowly")])).await;
    assert_eq!(refused(&mut operator, close("slow", 5)).await, (RefusedWhy::UnknownRoom, 0));
    server.games.release();
    assert_eq!(operator.answer().await, ToOperator::Closed(tenancy("slow", 5)));
    operator.open("other", 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_offered_or_is_malformed_is_refused_and_the_stream_goes_on() {
    let server = TestServer::with_capacity(1).await;
    let (mut operator, _) = Operator::greet(server.address, 1).await;
    operator.open("duel", 5).await;
    let restore = raw_open("duel", 6, |it| it.restore = Some(proto::Restore::default()));
    let unsupported = (RefusedWhy::Unsupported, 5);
    assert_eq!(refused(&mut operator, restore).await, unsupported);
    assert_eq!(refused(&mut operator, ToServer::Resume(tenancy("duel", 6))).await, unsupported);

    let too_many = (0..33).map(|it| (it.to_string(), String::new())).collect();
    let malformed = raw_open("other", 7, |it| it.parameters = too_many);
    assert_eq!(refused(&mut operator, malformed).await, (RefusedWhy::Unsupported, 0));
    // Unknown kinds, and malformed ones that name no room, are passed over.
    operator.say_raw(proto::OperatorMessage::default()).await;
    operator
        .say_raw(proto::OperatorMessage {
            message: Some(proto::operator_message::Message::Close(proto::Close::default())),
        })
        .await;
    assert_eq!(operator.ask(ToServer::Drain).await, ToOperator::Draining(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_game_that_declines_or_panics_when_it_is_opened_is_refused() {
    let server = TestServer::with_capacity(1).await;
    let (mut operator, _) = Operator::greet(server.address, 1).await;
    for (how, message) in [("decline", "no such map"), ("panic", "this map is broken")] {
        let answer = operator.ask(Operator::open_with("duel", 5, &[("open", how)])).await;
        let ToOperator::Refused(refused) = answer else { panic!("not refused: {answer:?}") };
        assert_eq!(refused.why, RefusedWhy::Parameters);
        assert!(refused.message.contains(message), "{}", refused.message);
    }
    operator.open("duel", 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_game_that_panics_ends_alone() {
    let server = TestServer::start(|it| it.capacity(2).threads(1)).await;
    let (mut operator, _) = Operator::greet(server.address, 1).await;
    operator.open("broken", 5).await;
    operator.open("well", 6).await;
    server.play("broken", "ann", say::BREAK_LATER);
    server.play("broken", "ann", say::PANIC);
    let fault = |it: &ToOperator| if let ToOperator::Fault(it) = it { Some(it.clone()) } else { None };
    let Fault { tenancy: broken, message, is_fatal } = operator.until("a fault", fault).await;
    assert_eq!((broken, is_fatal), (tenancy("broken", 5), true));
    assert!(message.contains("as asked"), "{message}");
    assert!(server.rooms.by_name("broken").is_none());
    server.ticks("well", 10).await;
    operator.beat().await;
    operator.open("another", 7).await;
    server.ticks("another", 10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_game_that_panics_when_it_is_dropped_is_gone_all_the_same() {
    let server = TestServer::start(|it| it.capacity(2).threads(1)).await;
    let (mut operator, _) = Operator::greet(server.address, 1).await;
    operator.open("well", 6).await;
    for (epoch, ends) in [(7, false), (8, true)] {
        operator.open("broken", epoch).await;
        server.play("broken", "ann", say::BREAK_LATER);
        server.ticks("broken", 2).await;
        if ends {
            server.play("broken", "ann", say::END);
            operator.until("the end", |it| matches!(it, ToOperator::Finished { .. }).then_some(())).await;
        }
        operator.say(close("broken", epoch)).await;
        let closed = ToOperator::Closed(tenancy("broken", epoch));
        operator.until("its end", |it| (*it == closed).then_some(())).await;
    }
    server.ticks("well", 10).await;
}
