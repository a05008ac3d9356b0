//! Rooms that another server goes on with, with a real Redis.

use std::time::Duration;

use gamekeeper_client::{Credentials, Event, Player, Stay, endpoint, place};
use gamekeeper_control::{Feature, Refused, RefusedWhy, ToOperator, ToServer, proto};
use tokio::time::Instant;

use crate::support::{Operator, Redis, TestServer, close, open, say, soon, tenancy};

const FENCE: Duration = Duration::from_secs(1);

/// Two servers of one fleet, with their operators.
struct Fleet {
    redis: Redis,
    one: (TestServer, Operator),
    two: (TestServer, Operator),
}

async fn server(redis: &Redis) -> (TestServer, Operator) {
    let server = TestServer::with_store(redis, FENCE).await;
    let (mut operator, welcome) = Operator::greet(server.address, 1).await;
    operator.echoes = true;
    let offered = [Feature::Restore, Feature::TakeIfSilent];
    assert!(offered.iter().all(|it| welcome.features.contains(it)), "{welcome:?}");
    (server, operator)
}

async fn fleet() -> Fleet {
    let redis = Redis::start(&[]).await;
    let (one, two) = (server(&redis).await, server(&redis).await);
    Fleet { redis, one, two }
}

fn restore(name: &str, epoch: i64, fence: bool, parameters: &[(&str, &str)]) -> ToServer {
    let how = proto::Restore { fence, ..Default::default() };
    restore_as(name, epoch, how, parameters)
}

/// Only if the store has not heard the owner for the fence's time.
fn restore_if_silent(name: &str, epoch: i64) -> ToServer {
    let owner_silent_ms = u32::try_from(FENCE.as_millis()).unwrap();
    // Whatever else is said: nothing stands for the store here.
    let how = proto::Restore { owner_silent_ms, ended_epoch: 5, ..Default::default() };
    restore_as(name, epoch, how, &[])
}

fn restore_as(name: &str, epoch: i64, how: proto::Restore, parameters: &[(&str, &str)]) -> ToServer {
    let parameters = parameters.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let restore = Some(how);
    let tenancy = Some(tenancy(name, epoch).into());
    let open = proto::Open { tenancy, seats: 3, parameters, restore, reason: "lost".to_owned() };
    ToServer::Open(open.try_into().expect("a good Open"))
}

/// Waits until the store has a checkpoint of the room.
async fn saved(operator: &mut Operator) {
    let has_checkpoint = |it: &ToOperator| {
        matches!(it, ToOperator::RoomState(it) if it.checkpoint_tick.is_some()).then_some(())
    };
    operator.until("a checkpoint", has_checkpoint).await;
}

async fn opened(operator: &mut Operator) {
    let is_opened = |it: &ToOperator| match it {
        ToOperator::Opened(_) => Some(()),
        ToOperator::Refused(refused) => panic!("{refused:?}"),
        _ => None,
    };
    operator.until("an answer to Open", is_opened).await;
}

async fn refused(operator: &mut Operator) -> Refused {
    let is_refused = |it: &ToOperator| if let ToOperator::Refused(it) = it { Some(it.clone()) } else { None };
    operator.until("a refusal", is_refused).await
}

/// Reads on, and echoes beats, for so long.
async fn listen(operator: &mut Operator, time: Duration) -> Vec<ToOperator> {
    let (mut heard, until) = (Vec::new(), Instant::now() + time);
    while let Ok(message) = tokio::time::timeout_at(until, operator.next()).await {
        heard.push(message);
    }
    heard
}

fn come(server: &TestServer, stay: &Stay) -> Player {
    let place = place(&[server.players.unwrap()], &server.hashes).unwrap();
    Player::join(endpoint().unwrap(), stay.clone(), place)
}

/// A player who looks for the room on both.
fn come_to_either(one: &TestServer, two: &TestServer) -> Player {
    let both = [one.players.unwrap(), two.players.unwrap()];
    let hashes = [&one.hashes[..], &two.hashes[..]].concat();
    let stay = Stay::new("duel", Credentials::Open("ann".to_owned()));
    Player::join(endpoint().unwrap(), stay, place(&both, &hashes).unwrap())
}

/// The next thing shown that has so many inputs.
async fn shown(player: &mut Player, inputs: usize) -> String {
    let found = async {
        loop {
            let event = player.next().await;
            assert!(!matches!(event, Event::Refused(_)), "{event:?}");
            let text = String::from_utf8_lossy(player.shown()).into_owned();
            if matches!(event, Event::Shown { .. }) && text.split(' ').nth(1) == Some(&inputs.to_string()) {
                return text;
            }
        }
    };
    soon(&format!("{inputs} inputs"), found).await
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_a_match_goes_on_elsewhere_with_its_players_on_their_seats() {
    let Fleet { redis: _redis, one: (one, mut first), two: (two, mut second) } = fleet().await;
    first.open("duel", 5).await;
    let (ann, ben) = (
        Stay::new("duel", Credentials::Open("ann".to_owned())),
        Stay::new("duel", Credentials::Open("ben".to_owned())),
    );
    let (mut ann_here, mut ben_here) = (come(&one, &ann), come(&one, &ben));
    shown(&mut ann_here, 0).await;
    shown(&mut ben_here, 0).await;
    ben_here.input(b"left").unwrap();
    shown(&mut ben_here, 1).await;
    saved(&mut first).await;
    listen(&mut first, Duration::from_millis(200)).await;
    let before = one.room("duel").tick();

    second.say(restore("duel", 9, false, &[])).await;
    opened(&mut second).await;
    let there = two.room("duel");
    assert!(0 < there.tick().0, "it goes on where it was");
    soon("the ticks that were lost", async {
        while there.tick() < before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let mut ben_there = come(&two, &ben);
    let seen = shown(&mut ben_there, 1).await;
    assert!(seen.ends_with("1:left"), "{seen}");
    // The same secret, and no other, brings the same seat.
    let mut stranger = come(&two, &Stay::new("duel", Credentials::Open("ann".to_owned())));
    let refusal = async {
        loop {
            if let Event::Refused(refused) = stranger.next().await {
                return refused.why;
            }
        }
    };
    assert_eq!(soon("an answer", refusal).await, gamekeeper_client::RefusedWhy::NameTaken);
    assert!(shown(&mut come(&two, &ann), 1).await.starts_with("0 "), "she has her seat");

    // It comes to its end as ever.
    let mut ben_again = come(&two, &ben);
    shown(&mut ben_again, 1).await;
    ben_again.input(say::END.as_bytes()).unwrap();
    let finished = |it: &ToOperator| matches!(it, ToOperator::Finished { .. }).then_some(());
    second.until("the end", finished).await;

    // The old owner hears of it from the store, and lets the room go.
    let fault =
        |it: &ToOperator| if let ToOperator::Fault(it) = it { Some(it.message.clone()) } else { None };
    let message = first.until("the end of the old room", fault).await;
    assert!(message.contains("epoch 9"), "{message}");
    assert!(one.rooms.by_name("duel").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_what_is_said_for_certain_is_heard_once_over_the_loss_of_a_server() {
    let Fleet { redis: _redis, one: (one, mut first), two: (two, second) } = fleet().await;
    first.open("duel", 5).await;
    let mut ann = come_to_either(&one, &two);
    shown(&mut ann, 0).await;
    ann.message(b"one").unwrap();
    ann.message(b"two").unwrap();
    let seen = shown(&mut ann, 2).await;
    assert!(seen.ends_with("0!one 0!two"), "{seen}");
    listen(&mut first, Duration::from_millis(300)).await;
    // The old owner hears of it from the store, and closes its connections.
    second.say(restore("duel", 9, false, &[])).await;
    soon("the end of the connection", async { while !matches!(ann.next().await, Event::Lost) {} }).await;
    // What is said meanwhile is kept, and said there.
    ann.message(b"three").unwrap();
    let seen = shown(&mut ann, 3).await;
    assert!(seen.ends_with("0!one 0!two 0!three"), "{seen}");
    ann.message(b"four").unwrap();
    let seen = shown(&mut ann, 4).await;
    assert!(seen.ends_with("0!one 0!two 0!three 0!four"), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_what_is_said_to_a_room_that_stands_still_or_is_closed_is_heard_where_it_goes_on() {
    let Fleet { redis: _redis, one: (one, mut first), two: (two, second) } = fleet().await;
    first.open("duel", 5).await;
    let mut ann = come_to_either(&one, &two);
    shown(&mut ann, 0).await;
    ann.message(b"before").unwrap();
    shown(&mut ann, 1).await;
    saved(&mut first).await;
    listen(&mut first, Duration::from_millis(300)).await;
    // The tick that takes it is never done.
    ann.message(say::HANG.as_bytes()).unwrap();
    soon("the hang", async {
        while one.games.waiting() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    // No tick takes it.
    ann.message(b"while it hangs").unwrap();
    listen(&mut first, Duration::from_millis(100)).await;
    first.say(close("duel", 5)).await;
    // Nor that, if it comes at all.
    ann.message(b"while it closes").unwrap();
    listen(&mut first, Duration::from_millis(100)).await;
    // There it may go on.
    two.games.release();
    second.say(restore("duel", 9, false, &[])).await;
    let seen = async {
        loop {
            let event = ann.next().await;
            let seen = String::from_utf8_lossy(ann.shown()).into_owned();
            let is_there = matches!(event, Event::Shown { .. }) && two.rooms.by_name("duel").is_some();
            if is_there && seen.contains("closes") {
                return seen;
            }
        }
    };
    let seen = soon("what was said last", seen).await;
    assert_eq!(seen, "0 4 0!before 0!hang 0!while it hangs 0!while it closes");
    one.games.release();
}

#[tokio::test(flavor = "multi_thread")]
async fn more_messages_than_wait_for_a_tick_are_all_heard_in_order() {
    let redis = Redis::start(&[]).await;
    let (server, mut operator) = server(&redis).await;
    operator.open("duel", 5).await;
    let mut ann = come(&server, &Stay::new("duel", Credentials::Open("ann".to_owned())));
    shown(&mut ann, 0).await;
    let count = 4 * gamekeeper_room::MESSAGES_WAIT_MAX;
    for number in 0..count {
        let said = format!("{number}");
        soon("a place among what is not confirmed", async {
            while ann.message(said.as_bytes()).is_err() {
                ann.next().await;
            }
        })
        .await;
    }
    let seen = shown(&mut ann, count).await;
    assert!(seen.ends_with(&format!("0!{} 0!{}", count - 2, count - 1)), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn i7_a_new_owner_waits_until_the_old_one_has_frozen() {
    let Fleet { redis: _redis, one: (_one, mut first), two: (_two, mut second) } = fleet().await;
    first.open("duel", 5).await;
    saved(&mut first).await;
    let asked = Instant::now();
    second.say(restore("duel", 9, true, &[])).await;
    opened(&mut second).await;
    // The last write came at most an interval before; slow machines have slow writes.
    assert!(FENCE / 2 <= asked.elapsed(), "{:?}", asked.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn i7_i8_a_room_whose_owner_the_store_hears_is_refused_and_goes_on_there() {
    let Fleet { redis, one: (one, mut first), two: (two, mut second) } = fleet().await;
    first.open("duel", 5).await;
    saved(&mut first).await;
    let tick = one.room("duel").tick();
    for epoch in [9, 10] {
        second.say(restore_if_silent("duel", epoch)).await;
        let no = refused(&mut second).await;
        assert_eq!((no.why, no.current_epoch), (RefusedWhy::OwnerAlive, 0), "{}", no.message);
        assert!(two.rooms.by_name("duel").is_none());
        // Longer than its fence, without a word of its operator: the store is enough.
        tokio::time::sleep(FENCE + Duration::from_millis(200)).await;
        assert_eq!(redis.cli(&["HGET", "gamekeeper:{uid-of-duel}", "epoch"]), "5");
    }
    assert!(tick < one.room("duel").tick());
    one.ticks("duel", 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i7_a_room_whose_owner_the_store_does_not_hear_is_taken_without_another_wait() {
    let Fleet { redis, one: (one, mut first), two: (two, mut second) } = fleet().await;
    first.open("duel", 5).await;
    saved(&mut first).await;
    let last = one.crash("duel").await;
    second.say(restore_if_silent("duel", 9)).await;
    assert_eq!(refused(&mut second).await.why, RefusedWhy::OwnerAlive, "it was heard just now");
    tokio::time::sleep(FENCE + Duration::from_millis(100)).await;
    let asked = Instant::now();
    second.say(restore_if_silent("duel", 10)).await;
    opened(&mut second).await;
    assert!(asked.elapsed() < FENCE / 2, "{:?}", asked.elapsed());
    assert_eq!(redis.cli(&["HGET", "gamekeeper:{uid-of-duel}", "epoch"]), "10");
    assert!(last <= two.room("duel").tick().0 + 10, "it goes on where it was");
    // What the store does not know may be anybody's.
    second.say(restore_if_silent("other", 11)).await;
    assert_eq!(refused(&mut second).await.why, RefusedWhy::OwnerAlive);
}

#[tokio::test(flavor = "multi_thread")]
async fn i7_players_of_a_room_that_is_frozen_for_long_are_sent_on_and_wait_at_its_door() {
    let Fleet { mut redis, one: (one, mut first), two: _two } = fleet().await;
    first.open("duel", 5).await;
    let ann = Stay::new("duel", Credentials::Open("ann".to_owned()));
    let mut ann_here = come(&one, &ann);
    shown(&mut ann_here, 0).await;
    saved(&mut first).await;
    // Neither is heard any more, and she hears the server all the while.
    redis.kill();
    first.echoes = false;
    let lost = async { while ann_here.next().await != Event::Lost {} };
    soon("the end of the connection", lost).await;
    let frozen = one.room("duel").tick();
    redis.restart().await;
    shown(&mut ann_here, 0).await;
    assert!(frozen <= one.room("duel").tick(), "it was nobody else's, and goes on with her");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_this_build_does_not_read_is_refused_and_may_be_tried_again() {
    let Fleet { redis: _redis, one: (_one, mut first), two: (two, mut second) } = fleet().await;
    first.open("duel", 5).await;
    saved(&mut first).await;
    second.say(restore("duel", 9, false, &[("restore", "decline")])).await;
    let no = refused(&mut second).await;
    assert_eq!((no.why, no.message.as_str()), (RefusedWhy::Checkpoint, "that was another game"));
    assert!(two.rooms.by_name("duel").is_none());
    second.say(restore("duel", 10, false, &[])).await;
    opened(&mut second).await;
    second.say(restore("other", 3, false, &[])).await;
    opened(&mut second).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lower_epoch_is_fenced() {
    let Fleet { redis: _redis, one: (_one, mut first), two: (_two, mut second) } = fleet().await;
    first.open("duel", 9).await;
    saved(&mut first).await;
    second.say(restore("duel", 5, false, &[])).await;
    let no = refused(&mut second).await;
    assert_eq!((no.why, no.current_epoch), (RefusedWhy::Fenced, 9), "{}", no.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_match_that_is_over_is_not_played_again_but_told() {
    let Fleet { redis, one: (one, mut first), two: (_two, mut second) } = fleet().await;
    first.open("duel", 5).await;
    one.play("duel", "ann", say::END);
    let finished = |it: &ToOperator| matches!(it, ToOperator::Finished { .. }).then_some(());
    first.until("the end", finished).await;
    soon("the result in the store", async {
        while redis.cli(&["HEXISTS", "gamekeeper:{uid-of-duel}", "result"]) != "1" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    second.say(restore("duel", 9, false, &[])).await;
    let result = |it: &ToOperator| match it {
        ToOperator::Finished { result, .. } => Some(result.clone()),
        ToOperator::Opened(_) => panic!("it is over"),
        _ => None,
    };
    assert_eq!(second.until("the result", result).await["ended by"], "0");
    assert!(matches!(second.ask(close("duel", 9)).await, ToOperator::Closed(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_store_nothing_is_offered_and_nothing_restored() {
    let server = TestServer::with_capacity(2).await;
    let (mut operator, welcome) = Operator::greet(server.address, 1).await;
    assert!(!welcome.features.contains(&Feature::Restore), "{welcome:?}");
    operator.say(restore("duel", 9, false, &[])).await;
    assert_eq!(refused(&mut operator).await.why, RefusedWhy::Unsupported);
    assert!(matches!(operator.ask(open("duel", 9)).await, ToOperator::Opened(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn p3_players_of_a_room_whose_thread_hangs_are_sent_on_when_another_server_has_it() {
    let Fleet { redis: _redis, one: (one, mut first), two: (_two, mut second) } = fleet().await;
    first.open("duel", 5).await;
    let mut ann = come(&one, &Stay::new("duel", Credentials::Open("ann".to_owned())));
    shown(&mut ann, 0).await;
    saved(&mut first).await;
    ann.input(say::HANG.as_bytes()).unwrap();
    soon("a game that hangs", async {
        while one.games.waiting() == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    second.say(restore("duel", 9, true, &[])).await;
    // The server answers her packets all the while.
    let lost = async { while ann.next().await != Event::Lost {} };
    soon("the end of the connection", lost).await;
    assert_eq!(one.games.waiting(), 1, "and it hangs still");
    assert!(one.rooms.by_name("duel").is_none(), "nobody comes back to it");
    opened(&mut second).await;
}
