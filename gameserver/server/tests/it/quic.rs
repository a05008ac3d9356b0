//! Players who come by our own transport: over QUIC on loopback, with the client that bots use.

use std::time::Duration;

use gamekeeper_client::{Credentials, Event, Place, Player, RefusedWhy, Stay, endpoint, place};
use gamekeeper_control::{Endpoint, Fallback, Found, ToOperator, ToServer, Transport};
use gamekeeper_server::Builder;
use tokio::time::{Instant, sleep};

use crate::support::{Operator, TestServer, close, loopback, open, say, soon, tenancy};

/// With players, and room for some.
async fn server() -> (TestServer, Operator) {
    server_with(|it| it).await
}

async fn server_with(change: impl FnOnce(Builder) -> Builder) -> (TestServer, Operator) {
    let server = TestServer::start(|it| change(it.capacity(4).players_address(loopback()))).await;
    let (mut operator, _) = Operator::greet(server.address, 1).await;
    operator.open("duel", 5).await;
    (server, operator)
}

fn stay(name: &str) -> Stay {
    Stay::new("duel", Credentials::Open(name.to_owned()))
}

fn come(server: &TestServer, stay: &Stay) -> Player {
    let place = place(&[server.players.unwrap()], &server.hashes).unwrap();
    Player::join(endpoint().unwrap(), stay.clone(), place)
}

/// The next event for which `pick` finds something.
async fn until<T>(player: &mut Player, what: &str, mut pick: impl FnMut(&Event, &[u8]) -> Option<T>) -> T {
    let found = async {
        loop {
            let event = player.next().await;
            if let Some(found) = pick(&event, player.shown()) {
                return found;
            }
        }
    };
    soon(what, found).await
}

async fn seat(player: &mut Player) -> u32 {
    until(player, "a seat", |event, _| match event {
        Event::Joined(joined) => Some(joined.seat),
        Event::Refused(refused) => panic!("{refused:?}"),
        _ => None,
    })
    .await
}

/// What is shown once it has so many inputs.
async fn shown(player: &mut Player, inputs: usize) -> String {
    until(player, &format!("{inputs} inputs"), |event, shown| {
        let text = String::from_utf8_lossy(shown).into_owned();
        let has_all = text.split(' ').nth(1) == Some(inputs.to_string().as_str());
        (matches!(event, Event::Shown { .. }) && has_all).then_some(text)
    })
    .await
}

async fn refused(player: &mut Player) -> RefusedWhy {
    until(player, "a refusal", |event, _| match event {
        Event::Refused(refused) => Some(refused.why),
        _ => None,
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn players_sit_down_are_heard_in_order_and_see_it() {
    let (server, _operator) = server().await;
    let (mut ann, mut ben) = (come(&server, &stay("ann")), come(&server, &stay("ben")));
    assert_eq!((seat(&mut ann).await, seat(&mut ben).await), (0, 1));
    for word in ["up", "down", "fire"] {
        ann.input(word.as_bytes()).unwrap();
    }
    assert_eq!(shown(&mut ann, 3).await, "0 3 0:up 0:down 0:fire");
    assert_eq!(shown(&mut ben, 3).await, "1 3 0:up 0:down 0:fire");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_is_told_by_which_certificate_players_know_the_server() {
    let (server, mut operator) = server().await;
    let ToOperator::Opened(opened) = operator.ask(open("final", 6)).await else { panic!("not opened") };
    assert_eq!(opened.certificate_hashes, server.hashes);
    let (_, welcome) = Operator::greet(server.address, 2).await;
    assert!(welcome.rooms.iter().all(|it| it.certificate_hashes == server.hashes));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_again_with_its_secret_has_its_seat_and_loses_no_input() {
    let (server, _operator) = server().await;
    let stay_of_ann = stay("ann");
    let mut ann = come(&server, &stay_of_ann);
    assert_eq!(seat(&mut ann).await, 0);
    ann.input(b"one").unwrap();
    shown(&mut ann, 1).await;
    let mut again = come(&server, &stay_of_ann);
    assert_eq!(seat(&mut again).await, 0);
    again.input(b"two").unwrap();
    assert_eq!(shown(&mut again, 2).await, "0 2 0:one 0:two");
    let mut thief = come(&server, &stay("ann"));
    assert_eq!(refused(&mut thief).await, RefusedWhy::NameTaken);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_game_tells_its_players_and_spectators_for_certain() {
    let (server, _operator) = server().await;
    let (mut ann, mut watcher) = (come(&server, &stay("ann")), come(&server, &stay("eve").as_spectator()));
    seat(&mut ann).await;
    seat(&mut watcher).await;
    assert!(watcher.input(b"up").is_err());
    ann.input(say::TELL.as_bytes()).unwrap();
    for player in [&mut ann, &mut watcher] {
        let told = until(player, "a message", |event, _| match event {
            Event::Message(message) => Some(message.clone()),
            _ => None,
        });
        assert_eq!(told.await, say::TOLD);
    }
    assert!(shown(&mut watcher, 1).await.starts_with("watcher 1 "));
    // No game listens to those who watch; what they say is confirmed all the same, or they could soon say no more.
    for _ in 0..2 * gamekeeper_player::limits::MESSAGES_KEPT_MAX {
        soon("a place among what is not confirmed", async {
            while watcher.message(b"boo").is_err() {
                watcher.next().await;
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn players_are_told_how_the_match_ended_also_later_and_nobody_else_comes_after_it() {
    let (server, mut operator) = server().await;
    let stays = ["ann", "ben"].map(stay);
    let mut ann = come(&server, &stays[0]);
    seat(&mut ann).await;
    seat(&mut come(&server, &stays[1])).await;
    ann.input(say::END.as_bytes()).unwrap();
    assert_eq!(ended_by(&mut ann).await, "0");
    operator.until("the result", |it| matches!(it, ToOperator::Finished { .. }).then_some(())).await;
    // Ben was away when it ended, and comes back when the operator has closed the room, too.
    assert_eq!(ended_by(&mut come(&server, &stays[1])).await, "0");
    operator.say(close("duel", 5)).await;
    operator.until("the end of the room", |it| matches!(it, ToOperator::Closed(..)).then_some(())).await;
    assert_eq!(ended_by(&mut come(&server, &stays[1])).await, "0");
    assert_eq!(refused(&mut come(&server, &stay("cid"))).await, RefusedWhy::Over);
}

async fn ended_by(player: &mut Player) -> String {
    until(player, "the end", |event, _| match event {
        Event::Ended(result) => result.get("ended by").cloned(),
        Event::Refused(refused) => panic!("{refused:?}"),
        _ => None,
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_room_and_one_that_is_not_here_say_so() {
    let (server, _operator) = server().await;
    let mut players: Vec<_> = ["ann", "ben", "cid"].map(|it| come(&server, &stay(it))).into();
    for player in &mut players {
        seat(player).await;
    }
    assert_eq!(refused(&mut come(&server, &stay("dan"))).await, RefusedWhy::Full);
    let elsewhere = Stay::new("final", Credentials::Open("dan".to_owned()));
    assert_eq!(refused(&mut come(&server, &elsewhere)).await, RefusedWhy::NoSuchRoom);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_another_certificate_is_not_played_on() {
    let (server, _operator) = server().await;
    let place = place(&[server.players.unwrap()], &[format!("sha256:{}", "0".repeat(64))]).unwrap();
    let mut ann = Player::join(endpoint().unwrap(), stay("ann"), place);
    let nothing = tokio::time::timeout(Duration::from_secs(1), seat(&mut ann)).await;
    assert!(nothing.is_err(), "it was let in by {nothing:?}");
}

/// What the operator says of a server that may own rooms next.
fn fallback(server: &TestServer) -> Fallback {
    let address = server.players.unwrap();
    let endpoint = Endpoint {
        name: "game".to_owned(),
        protocol: Transport::Udp,
        address: address.ip().to_string(),
        port: address.port(),
    };
    Fallback { endpoints: vec![endpoint], certificate_hashes: server.hashes.clone() }
}

async fn fallbacks(player: &mut Player) -> Place {
    until(player, "a seat", |event, _| match event {
        Event::Joined(joined) => Some(joined.fallbacks.clone()),
        _ => None,
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn p3_players_know_where_to_go_before_they_have_to() {
    let (here, operator) = server().await;
    let (next, _opened) = server_with(|it| it.hold_early_arrivals(Duration::from_secs(4))).await;
    let (_, welcome) = Operator::greet(next.address, 2).await;
    assert_eq!(welcome.certificate_hashes, next.hashes, "of an empty server too");
    let mut ann = come(&here, &stay("ann"));
    assert_eq!(fallbacks(&mut ann).await, Place::default());
    operator.say(ToServer::Fallbacks(vec![fallback(&next)])).await;
    // Who comes from now on is told with the seat.
    let mut ben = come(&here, &Stay::new("uid-of-duel", Credentials::Open("ben".to_owned())));
    let told = soon("the fallback", async {
        loop {
            let place = fallbacks(&mut ben).await;
            if place != Place::default() {
                return place;
            }
            ben = come(&here, &Stay::new("duel", Credentials::Open("ben2".to_owned())));
        }
    })
    .await;
    assert_eq!(told, place(&[next.players.unwrap()], &next.hashes).unwrap());
    // Who was there before finds it, too, when the server is no more; and waits there until the room comes.
    let (mut there, _) = Operator::greet(next.address, 3).await;
    there.say(close("duel", 5)).await;
    there.until("an empty server", |it| matches!(it, ToOperator::Closed(_)).then_some(())).await;
    here.stop.cancel();
    operator.say(close("duel", 5)).await;
    until(&mut ann, "the loss", |event, _| (*event == Event::Lost).then_some(())).await;
    sleep(Duration::from_millis(500)).await;
    there.open("duel", 9).await;
    let epoch = until(&mut ann, "the next owner", |event, _| match event {
        Event::Joined(joined) => Some(joined.epoch),
        Event::Shown { .. } => None,
        other => panic!("{other:?}"),
    });
    assert_eq!(epoch.await, 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_who_looks_for_a_room_that_is_elsewhere_is_sent_there() {
    let hold = |it: Builder| it.hold_early_arrivals(Duration::from_secs(4));
    let (asked, mut operator) = server_with(hold).await;
    let (owner, mut there) = server_with(hold).await;
    let uid = "uid-of-final";
    let mut ann = come(&asked, &Stay::new(uid, Credentials::Open("ann".to_owned())));
    let joined = tokio::spawn(async move {
        let epoch = |event: &Event, _: &[u8]| match event {
            Event::Joined(joined) => Some(joined.epoch),
            _ => None,
        };
        until(&mut ann, "a seat", epoch).await
    });
    let sought =
        |it: &ToOperator| if let ToOperator::Sought(rooms) = it { Some(rooms.clone()) } else { None };
    assert_eq!(operator.until("a question", sought).await, [uid]);
    // A new leader is asked as well.
    let (mut operator, _) = Operator::greet(asked.address, 7).await;
    assert_eq!(operator.until("the question again", sought).await, [uid]);
    let found = Found { tenancy: tenancy("final", 9), server: fallback(&owner) };
    operator.say(ToServer::Found(found)).await;
    assert_eq!(there.until("a question there", sought).await, [uid], "it waits there now");
    there.open("final", 9).await;
    assert_eq!(joined.await.unwrap(), 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn p3_who_is_early_is_held_for_a_while_and_then_refused() {
    let patience = Duration::from_millis(500);
    let (server, mut operator) = server_with(|it| it.hold_early_arrivals(patience)).await;
    let final_ = Stay::new("final", Credentials::Open("ann".to_owned()));
    let since = Instant::now();
    assert_eq!(refused(&mut come(&server, &final_)).await, RefusedWhy::NoSuchRoom);
    assert!(patience <= since.elapsed(), "{:?}", since.elapsed());
    let mut ann = come(&server, &final_);
    let (seat, ()) = tokio::join!(seat(&mut ann), async {
        sleep(patience / 2).await;
        operator.open("final", 6).await;
    });
    assert_eq!(seat, 0);
}
