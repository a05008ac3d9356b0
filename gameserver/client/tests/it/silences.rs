//! Servers and paths that fall silent.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use gamekeeper_client::{Credentials, Event, Player, Stay, endpoint};
use gamekeeper_player::frame::Place;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout, timeout_at},
};

use crate::support::{Book, Path, Room, SOON};

const MS: Duration = Duration::from_millis(1);

/// What QUIC waits before it gives up a connection. Nobody waits so long here.
const IDLE: Duration = Duration::from_secs(3);

fn address(of: &Place) -> SocketAddr {
    let endpoint = &of.endpoints[0];
    (endpoint.address.parse::<std::net::IpAddr>().unwrap(), endpoint.port).into()
}

fn join(place: Place) -> Player {
    Player::join(endpoint().unwrap(), Stay::new("duel", Credentials::Open("ann".to_owned())), place)
}

/// Plays for a while; what happened, but for what was shown, and when.
async fn play(player: &mut Player, time: Duration) -> Vec<(Duration, Event)> {
    let (since, mut happened) = (Instant::now(), Vec::new());
    while let Ok(event) = timeout_at(since + time, player.next()).await {
        match event {
            Event::Shown { .. } => _ = player.input(b"go").unwrap(),
            other => happened.push((since.elapsed(), other)),
        }
    }
    happened
}

/// Plays until the player is in, again or for the first time.
async fn until_joined(player: &mut Player) -> (Duration, Vec<Event>) {
    let (since, mut happened) = (Instant::now(), Vec::new());
    loop {
        let event = timeout(SOON, player.next()).await.unwrap_or_else(|_| panic!("never: {happened:?}"));
        match event {
            Event::Shown { .. } => _ = player.input(b"go").unwrap(),
            Event::Joined(_) => return (since.elapsed(), happened),
            other => happened.push(other),
        }
    }
}

fn is_once_each(inputs: &[u64]) -> bool {
    inputs.is_sorted_by(|a, b| a + 1 == *b)
}

#[tokio::test]
async fn when_a_server_stops_to_answer_its_player_is_soon_at_the_fallback() {
    for round in 0..10 {
        let book = Arc::new(Mutex::default());
        let fallback = Room::open(6, Place::default(), book.clone());
        let room = Room::open(5, fallback.place.clone(), book.clone());
        let path = Path::to(address(&room.place), 0.0, round).await;
        let mut ann = join(path.place(&room.place));
        until_joined(&mut ann).await;
        assert_eq!(play(&mut ann, 500 * MS).await, []);
        ann.message(b"heard").unwrap();
        assert_eq!(play(&mut ann, 50 * MS).await, []);
        path.cut();
        ann.message(b"lost with the connection").unwrap();
        let (back, happened) = until_joined(&mut ann).await;
        println!("a dead server: back after {back:?}");
        assert_eq!(happened, [Event::Lost]);
        assert!(back < IDLE, "{back:?}");
        assert_eq!(play(&mut ann, 300 * MS).await, []);
        let book = book.lock().unwrap();
        assert!(is_once_each(&book.inputs), "{book:?}");
        assert_eq!(book.messages, [b"heard".as_slice(), b"lost with the connection"]);
    }
}

/// How often a player on a path with so much loss, whose address changes every second or so, came back, and the
/// longest time in which it was shown nothing.
async fn wander(loss: f64, seed: u64) -> (usize, Duration) {
    let book = Arc::new(Mutex::default());
    let room = Room::open(5, Place::default(), book.clone());
    let path = Path::to(address(&room.place), loss, seed).await;
    let mut ann = join(path.place(&room.place));
    until_joined(&mut ann).await;
    let (mut returns, mut longest, mut last) = (0, Duration::ZERO, Instant::now());
    for _ in 0..6 {
        path.rebind();
        let until = Instant::now() + Duration::from_secs(1);
        while let Ok(event) = timeout_at(until, ann.next()).await {
            returns += usize::from(event == Event::Lost);
            if let Event::Shown { .. } = event {
                longest = longest.max(std::mem::replace(&mut last, Instant::now()).elapsed());
                ann.input(b"go").unwrap();
            }
        }
        longest = longest.max(last.elapsed());
    }
    assert!(book.lock().unwrap().inputs.is_sorted_by(|a, b| a < b), "{book:?}");
    (returns, longest)
}

#[tokio::test]
async fn a_new_address_on_a_bad_path_costs_nobody_three_seconds() {
    for loss in [0.05, 0.2] {
        let mut players: JoinSet<_> = (0..12).map(|seed| wander(loss, seed)).collect();
        let (mut returns, mut longest) = (0, Duration::ZERO);
        while let Some(wandered) = players.join_next().await {
            let (more, gap) = wandered.unwrap();
            returns += more;
            longest = longest.max(gap);
        }
        println!("{loss} lost, 72 new addresses: {returns} came back, the longest gap {longest:?}");
        assert!(longest < IDLE, "{longest:?}");
    }
}

#[tokio::test]
async fn a_server_that_has_nothing_to_say_is_not_suspected() {
    let book = Arc::new(Mutex::new(Book { is_quiet: true, ..Book::default() }));
    let room = Room::open(5, Place::default(), book.clone());
    let mut ann = join(room.place.clone());
    until_joined(&mut ann).await;
    assert_eq!(play(&mut ann, 2000 * MS).await, []);
    println!("in 2 s without a word {} packets came", ann.statistics().datagrams_received);
    assert_eq!(book.lock().unwrap().connections, 1);
}

#[tokio::test]
async fn a_server_that_stands_still_for_a_moment_loses_nobody() {
    for pause in [200 * MS, 200 * MS, 400 * MS, 200 * MS] {
        let book = Arc::new(Mutex::default());
        let room = Room::open(5, Place::default(), book.clone());
        let path = Path::to(address(&room.place), 0.0, 1).await;
        let mut ann = join(path.place(&room.place));
        until_joined(&mut ann).await;
        assert_eq!(play(&mut ann, 300 * MS).await, []);
        path.hold();
        let opening = async {
            sleep(pause).await;
            path.release();
        };
        let (happened, ()) = tokio::join!(play(&mut ann, pause + 600 * MS), opening);
        assert_eq!(happened, [], "{pause:?}");
        assert_eq!(ann.statistics().losses, 0);
        assert!(is_once_each(&book.lock().unwrap().inputs), "{book:?}");
    }
}

#[tokio::test]
async fn a_server_that_speaks_again_when_its_player_is_elsewhere_is_left() {
    let book = Arc::new(Mutex::default());
    let fallback = Room::open(6, Place::default(), book.clone());
    let room = Room::open(5, fallback.place.clone(), book.clone());
    let path = Path::to(address(&room.place), 0.0, 1).await;
    let mut ann = join(path.place(&room.place));
    until_joined(&mut ann).await;
    path.hold();
    assert_eq!(until_joined(&mut ann).await.1, [Event::Lost]);
    path.release();
    let since = Instant::now();
    while book.lock().unwrap().gone == 0 {
        assert!(since.elapsed() < SOON, "it shows the room to nobody: {book:?}");
        assert_eq!(play(&mut ann, 100 * MS).await, []);
    }
    println!("the old connection is closed {:?} after its server spoke again", since.elapsed());
}

#[tokio::test]
async fn p3_a_player_is_back_in_the_moment_that_a_dead_servers_room_is_elsewhere() {
    let book = Arc::<Mutex<Book>>::default();
    let next = Room::soon(6, book.clone());
    let room = Room::open(5, next.place.clone(), book.clone());
    let mut ann = join(room.place.clone());
    until_joined(&mut ann).await;
    play(&mut ann, 500 * MS).await;
    // Its sockets go with it: nothing says goodbye.
    drop(room);
    let outage = play(&mut ann, 1500 * MS).await;
    assert!(!outage.iter().any(|(_, it)| matches!(it, Event::Joined(_))), "{outage:?}");
    next.open_now();
    let (back, _) = until_joined(&mut ann).await;
    println!("back {back:?} after the room");
    assert!(back < 500 * MS, "{back:?}");
    play(&mut ann, 500 * MS).await;
    assert!(is_once_each(&book.lock().unwrap().inputs), "no input is lost, and none counts twice");
}

#[tokio::test]
async fn two_programs_with_one_secret_do_not_throw_each_other_out_for_ever() {
    let book = Arc::<Mutex<Book>>::default();
    let room = Room::open(5, Place::default(), book);
    let stay = Stay::new("duel", Credentials::Open("ann".to_owned()));
    let mut first = Player::join(endpoint().unwrap(), stay.clone(), room.place.clone());
    until_joined(&mut first).await;
    let mut second = Player::join(endpoint().unwrap(), stay, room.place.clone());
    until_joined(&mut second).await;
    let happened = play(&mut first, 500 * MS).await;
    assert!(matches!(happened[..], [(_, Event::Replaced)]), "{happened:?}");
    assert_eq!(play(&mut second, 500 * MS).await, []);
}
