//! Where lost rooms go, in which order, and which go nowhere any more.

use gamekeeper_control::{Feature, Opened, Refused, RefusedWhy, Welcome};

use super::*;
use crate::{room::ledger::LinkNews, server::suspicion::Verdict};

/// A controlled server that restores rooms, on a node, with so many places.
fn greeted(desk: &mut Desk, name: &str, node: &str, capacity: u32) -> Vec<Command> {
    desk.on(Event::Server(ServerView { is_controlled: true, ..server(name, node) }));
    let welcome = Welcome {
        boot_id: format!("boot-{name}"),
        protocol: 1,
        features: [Feature::Restore].into(),
        capacity,
        is_retired: false,
        is_draining: false,
        rooms: Vec::new(),
        certificate_hashes: vec![hash(name)],
    };
    desk.on(Event::Link { server_uid: format!("uid-{name}"), news: LinkNews::Welcome(welcome) })
}

fn hash(name: &str) -> String {
    format!("sha256:{name:0>64}")
}

fn crash(desk: &mut Desk, name: &str, node: &str) -> Vec<Command> {
    let state = ServerState::Ended(Exit { code: 1 });
    desk.on(Event::Server(ServerView { is_controlled: true, state, ..server(name, node) }))
}

/// What is opened where, by the names of rooms and servers.
fn opens(commands: &[Command]) -> Vec<(String, String, Epoch)> {
    let open = |it: &Command| match it {
        Command::Open { room, server, epoch, .. } => {
            Some((room.metadata.name.clone().unwrap(), server.pod_name.clone(), *epoch))
        }
        _ => None,
    };
    commands.iter().filter_map(open).collect()
}

fn names(commands: &[Command]) -> Vec<(String, String)> {
    opens(commands).into_iter().map(|(room, server, _)| (room, server)).collect()
}

/// The servers that each is told of, by names.
fn told(commands: &[Command]) -> Vec<(String, Vec<String>)> {
    let told = |it: &Command| match it {
        Command::TellFallbacks { server_uid, servers } => {
            let name = |hash: &String| hash.trim_start_matches("sha256:").trim_start_matches('0').to_owned();
            let servers = servers.iter().map(|it| name(&it.certificate_hashes[0])).collect();
            Some((server_uid.trim_start_matches("uid-").to_owned(), servers))
        }
        _ => None,
    };
    commands.iter().filter_map(told).collect()
}

/// Players look for rooms on a server.
fn sought(desk: &mut Desk, on: &str, rooms: &[&GameRoom]) -> Vec<Command> {
    let rooms = rooms.iter().map(|it| it.metadata.uid.clone().unwrap()).collect();
    desk.on(Event::Link { server_uid: format!("uid-{on}"), news: LinkNews::Sought(rooms) })
}

/// Which servers are told where a room is: on which other, by its certificate, under which epoch.
fn found(commands: &[Command]) -> Vec<(String, String, i64)> {
    let found = |it: &Command| match it {
        Command::TellFound { server_uid, found } => {
            let hash = found.server.certificate_hashes[0].trim_start_matches("sha256:").to_owned();
            let to = server_uid.trim_start_matches("uid-").to_owned();
            Some((to, hash.trim_start_matches('0').to_owned(), found.tenancy.epoch))
        }
        _ => None,
    };
    commands.iter().filter_map(found).collect()
}

/// The server has opened the room, and its status says so.
fn settle(desk: &mut Desk, room: &mut GameRoom, server: &str, epoch: Epoch) {
    let opened =
        Opened { tenancy: tenancy(room, epoch.0), ports: Vec::new(), certificate_hashes: Vec::new() };
    let news = LinkNews::Opened(opened);
    let commands = desk.on(Event::Link { server_uid: format!("uid-{server}"), news });
    room.status = Some(written(&commands).clone());
    desk.room(room);
    desk.done(room);
}

fn stored() -> Desk {
    let mut desk = Desk::open();
    // Nobody plays here, and nothing is to be closed for that.
    let claim_timeout = Duration::from_hours(1);
    desk.on(Event::Fleet(fleet_name(), FleetView { has_store: true, claim_timeout, ..fleet() }));
    desk
}

/// Opens the room on the only server that there is.
fn played(desk: &mut Desk, name: &str, change: Value) -> GameRoom {
    let mut room = room(name, change);
    let commands = desk.room(&room);
    let [(_, server, epoch)] = &opens(&commands)[..] else { panic!("{commands:?}") };
    settle(desk, &mut room, server, *epoch);
    room
}

#[test]
fn p3_servers_are_told_where_their_players_go_next_and_again_only_when_that_is_another_place() {
    let mut desk = stored();
    greeted(&mut desk, "a", "node-1", 4);
    assert_eq!(told(&desk.after(Duration::from_secs(1))), [], "there is no other");
    greeted(&mut desk, "b", "node-1", 4);
    greeted(&mut desk, "c", "node-2", 4);
    let all = told(&desk.after(Duration::from_secs(1)));
    let of = |name: &str| all.iter().find(|it| it.0 == name).map(|it| it.1.clone()).unwrap();
    assert_eq!((of("a"), of("b")), (vec!["c".to_owned()], vec!["c".to_owned()]));
    assert_eq!(of("c").len(), 2);
    played(&mut desk, "duel", json!({}));
    assert_eq!(told(&desk.after(Duration::from_secs(5))), [], "numbers have moved, and nothing else");
    crash(&mut desk, "c", "node-2");
    let mut all = told(&desk.after(Duration::from_secs(1)));
    all.sort();
    let expected = [("a", "b"), ("b", "a")].map(|(of, to)| (of.to_owned(), vec![to.to_owned()]));
    assert_eq!(all, expected);
    // It may have forgotten what it was told.
    greeted(&mut desk, "a", "node-1", 4);
    assert_eq!(told(&desk.after(Duration::from_secs(1))), expected[..1]);
}

#[test]
fn p3_a_lost_room_goes_where_its_players_look_for_it() {
    let mut desk = stored();
    greeted(&mut desk, "a", "node-1", 4);
    played(&mut desk, "duel", json!({}));
    greeted(&mut desk, "told", "node-2", 4);
    let all = told(&desk.after(Duration::from_secs(1)));
    assert!(all.contains(&("a".to_owned(), vec!["told".to_owned()])), "{all:?}");
    // Fuller, and so the better place for new rooms.
    greeted(&mut desk, "full", "node-3", 4);
    greeted(&mut desk, "near", "node-1", 4);
    let lost = crash(&mut desk, "a", "node-1");
    assert_eq!(names(&lost), [("duel".to_owned(), "told".to_owned())]);
}

#[test]
fn p4_a_room_that_a_server_could_not_restore_goes_to_another_one_next() {
    let mut desk = stored();
    greeted(&mut desk, "a", "node-1", 4);
    let mut duel = played(&mut desk, "duel", json!({}));
    greeted(&mut desk, "told", "node-2", 4);
    desk.after(Duration::from_secs(1));
    let mut lost = crash(&mut desk, "a", "node-1");
    desk.on(Event::Link { server_uid: "uid-a".to_owned(), news: LinkNews::Lost });
    greeted(&mut desk, "other", "node-1", 4);
    for (server, gone) in [("told", "a"), ("other", "told"), ("told", "other")] {
        let [(_, to, epoch)] = &opens(&lost)[..] else { panic!("{lost:?}") };
        assert_eq!(to, server, "after {gone}");
        let tenancy = tenancy(&duel, epoch.0);
        let (why, message) = (RefusedWhy::Checkpoint, "no answer".to_owned());
        let news = LinkNews::Refused(Refused { tenancy, why, current_epoch: 0, message });
        desk.on(Event::Link { server_uid: format!("uid-{server}"), news });
        lost = desk.after(Duration::from_secs(30));
        // The first time it is told of.
        let told = lost.iter().find(|it| matches!(it, Command::WriteStatus { .. }));
        if let Some(Command::WriteStatus { status, .. }) = told {
            duel.status = Some((**status).clone());
            desk.room(&duel);
            lost = desk.done(&duel);
        }
    }
}

#[test]
fn p4_a_lost_room_goes_to_another_node_if_there_is_one_with_a_place() {
    for (others, expected) in [
        (&[("a2", "node-1", 4), ("b", "node-2", 1)][..], "b"),
        (&[("a2", "node-1", 4), ("b", "node-2", 0)][..], "a2"),
    ] {
        let mut desk = stored();
        greeted(&mut desk, "a", "node-1", 4);
        played(&mut desk, "duel", json!({}));
        for (name, node, capacity) in others {
            greeted(&mut desk, name, node, *capacity);
        }
        assert_eq!(names(&crash(&mut desk, "a", "node-1")), [("duel".to_owned(), expected.to_owned())]);
    }
}

#[test]
fn p4_lost_rooms_go_before_new_ones_and_those_with_many_players_first() {
    let mut desk = stored();
    greeted(&mut desk, "a", "node-1", 4);
    let mut rooms = ["few", "many", "none"].map(|it| played(&mut desk, it, json!({})));
    for (room, players) in rooms.iter_mut().zip([2, 5, 0]) {
        room.status.as_mut().unwrap().players = players;
        desk.room(room);
    }
    let lost = crash(&mut desk, "a", "node-1");
    assert_eq!(names(&lost), []);
    let old = json!({ "metadata": { "creationTimestamp": "2025-01-01T00:00:00Z" } });
    desk.room(&room("new", old));
    desk.room(&room("vip", json!({ "spec": { "priority": 1 } })));
    let told = desk.after(Duration::from_secs(1));
    assert_eq!(desk.ledger.counts(&fleet_name(), desk.now().instant).pending, 5, "all of them are demand");
    let waiting = told.iter().chain(&lost).find_map(|it| match it {
        Command::WriteStatus { room, status, .. } if room.metadata.name.as_deref() == Some("many") => {
            Some(status)
        }
        _ => None,
    });
    let waiting = condition(waiting.unwrap(), PLACED);
    assert_eq!(waiting.1, reason::NO_CAPACITY);
    assert!(waiting.2.starts_with("the match waits to be recovered: "), "{waiting:?}");
    for it in told.iter().chain(&lost) {
        let Command::WriteStatus { room, status, .. } = it else { continue };
        let mut waits = (**room).clone();
        waits.status = Some((**status).clone());
        desk.room(&waits);
        desk.done(&waits);
    }
    let mut order = Vec::new();
    for number in 0..5 {
        order.extend(
            names(&greeted(&mut desk, &format!("s{number}"), "node-2", 1)).into_iter().map(|it| it.0),
        );
    }
    assert_eq!(order, ["vip", "many", "few", "none", "new"]);
}

/// The room is placed again after a crash, and its new server crashes after so long. Returns what the ledger then wants.
fn crash_again(desk: &mut Desk, room: &mut GameRoom, lost: &[Command], lives: Duration) -> Vec<Command> {
    let [(_, server, epoch)] = &opens(lost)[..] else { panic!("{lost:?}") };
    settle(desk, room, server, *epoch);
    desk.after(lives);
    crash(desk, server, "node-2")
}

/// A room that has lost server `a`, and is played on `b`.
fn recovered() -> (Desk, GameRoom) {
    let mut desk = stored();
    greeted(&mut desk, "a", "node-1", 4);
    let mut duel = played(&mut desk, "duel", json!({}));
    greeted(&mut desk, "b", "node-2", 4);
    let lost = crash(&mut desk, "a", "node-1");
    let [(_, _, epoch)] = &opens(&lost)[..] else { panic!("{lost:?}") };
    settle(&mut desk, &mut duel, "b", *epoch);
    (desk, duel)
}

#[test]
fn a_room_that_takes_its_servers_down_is_kept_apart_and_then_ended() {
    let (mut desk, mut duel) = recovered();
    assert_eq!(duel.status.as_ref().unwrap().losses_in_a_row, 0, "where it began anything may have been");
    // Somebody else is on the server that would be next, were it not for that.
    greeted(&mut desk, "c", "node-3", 4);
    let other = room("other", json!({ "spec": { "serverSelector": { "matchLabels": { "build": "1.4" } } } }));
    assert_eq!(names(&desk.room(&other)), [("other".to_owned(), "b".to_owned())], "the fullest");
    let commands = desk.after(Duration::from_secs(5));
    assert_eq!(names(&commands), []);
    greeted(&mut desk, "d", "node-4", 1);
    let quiet = room("quiet", json!({}));
    let placed = desk.room(&quiet);
    let [(_, innocent, _)] = &opens(&placed)[..] else { panic!("{placed:?}") };
    let innocent = innocent.clone();
    let lost = crash(&mut desk, "b", "node-2");
    let places = opens(&lost);
    let (_, apart, epoch) = places.iter().find(|it| it.0 == "duel").unwrap().clone();
    assert_ne!(apart, innocent, "a suspect is kept apart");
    settle(&mut desk, &mut duel, &apart, epoch);
    assert_eq!(duel.status.as_ref().unwrap().losses_in_a_row, 1);
    desk.after(Duration::from_secs(5));
    let last = crash(&mut desk, &apart, "node-3");
    let status = last.iter().find_map(|it| match it {
        Command::WriteStatus { room, status, .. } if room.metadata.name == duel.metadata.name => Some(status),
        _ => None,
    });
    let status = status.unwrap_or_else(|| panic!("{last:?}"));
    assert_eq!((status.phase, condition(status, FINISHED).1), (Phase::Failed, reason::POISONED));
    assert!(!names(&last).iter().any(|it| it.0 == "duel"), "{last:?}");
}

#[test]
fn i3_a_room_that_makes_its_servers_hang_is_a_suspect_and_ended_after_a_crash_only() {
    let mut desk = stored();
    greeted(&mut desk, "a", "node-1", 4);
    let mut duel = played(&mut desk, "duel", json!({}));
    for number in 0..3 {
        greeted(&mut desk, &format!("b{number}"), "node-2", 4);
    }
    let mut lost = crash(&mut desk, "a", "node-1");
    for (losses, hangs) in [(0, true), (1, true), (1, false)] {
        let [(_, server, epoch)] = &opens(&lost)[..] else { panic!("{lost:?}") };
        let server = server.clone();
        settle(&mut desk, &mut duel, &server, *epoch);
        assert_eq!(duel.status.as_ref().unwrap().losses_in_a_row, losses);
        desk.after(Duration::from_secs(5));
        let server_uid = format!("uid-{server}");
        lost = match hangs {
            true => desk.on(Event::ServerLost { server_uid, verdict: Verdict::Hang }),
            false => crash(&mut desk, &server, "node-2"),
        };
    }
    let is_poisoned = |it: &Command| match it {
        Command::WriteStatus { status, .. } => condition(status, FINISHED).1 == reason::POISONED,
        _ => false,
    };
    assert!(lost.iter().any(is_poisoned), "{lost:?}");
    assert!(opens(&lost).is_empty(), "{lost:?}");
}

/// Something happens, and the status that is written says so.
fn write(desk: &mut Desk, room: &mut GameRoom, event: Event) -> Phase {
    let mut commands = desk.on(event);
    commands.extend(desk.after(Duration::from_secs(1)));
    let status = commands.iter().find_map(|it| match it {
        Command::WriteStatus { status, .. } => Some(status.clone()),
        _ => None,
    });
    let status = *status.unwrap_or_else(|| panic!("{commands:?}"));
    let phase = status.phase;
    room.status = Some(status);
    desk.room(room);
    desk.done(room);
    phase
}

/// The server hangs for a moment, while there is no place elsewhere.
fn hang(desk: &mut Desk, room: &mut GameRoom, server: &str) {
    let server_uid = || format!("uid-{server}");
    let hangs = Event::ServerLost { server_uid: server_uid(), verdict: Verdict::Hang };
    assert_eq!(write(desk, room, hangs), Phase::Recovering);
    assert_eq!(write(desk, room, Event::ServerBack { server_uid: server_uid() }), Phase::Running);
}

#[test]
fn a_room_that_keeps_its_server_after_a_hang_is_no_suspect() {
    let (mut desk, mut duel) = recovered();
    hang(&mut desk, &mut duel, "b");
    greeted(&mut desk, "c", "node-3", 4);
    let placed = desk.room(&room("other", json!({})));
    assert_eq!(names(&placed), [("other".to_owned(), "b".to_owned())], "the fullest");
    assert_eq!(duel.status.unwrap().losses_in_a_row, 0);
}

#[test]
fn a_room_whose_server_is_back_before_its_loss_is_written_down_is_no_suspect() {
    let (mut desk, duel) = recovered();
    let server_uid = || "uid-b".to_owned();
    desk.on(Event::ServerLost { server_uid: server_uid(), verdict: Verdict::Hang });
    // What was to be written did not get through.
    desk.on(Event::ServerBack { server_uid: server_uid() });
    desk.room(&duel);
    desk.done(&duel);
    greeted(&mut desk, "c", "node-3", 4);
    let placed = desk.room(&room("other", json!({})));
    assert_eq!(names(&placed), [("other".to_owned(), "b".to_owned())], "the fullest");
}

#[test]
fn a_room_whose_server_is_back_without_it_after_a_hang_is_a_suspect() {
    let (mut desk, mut duel) = recovered();
    let hangs = Event::ServerLost { server_uid: "uid-b".to_owned(), verdict: Verdict::Hang };
    assert_eq!(write(&mut desk, &mut duel, hangs), Phase::Recovering);
    let mut commands = greeted(&mut desk, "b", "node-2", 4);
    commands.extend(desk.after(Duration::from_secs(1)));
    let [(_, server, epoch)] = &opens(&commands)[..] else { panic!("{commands:?}") };
    settle(&mut desk, &mut duel, server, *epoch);
    assert_eq!(duel.status.unwrap().losses_in_a_row, 1);
}

#[test]
fn a_room_that_keeps_its_server_after_a_hang_is_suspected_as_before() {
    for lives in [1, 11] {
        let (mut desk, mut duel) = recovered();
        greeted(&mut desk, "c", "node-3", 4);
        // The first that counts.
        let lost = crash(&mut desk, "b", "node-2");
        let [(_, _, epoch)] = &opens(&lost)[..] else { panic!("{lost:?}") };
        settle(&mut desk, &mut duel, "c", *epoch);
        assert_eq!(duel.status.as_ref().unwrap().losses_in_a_row, 1);
        hang(&mut desk, &mut duel, "c");
        assert_eq!(duel.status.as_ref().unwrap().losses_in_a_row, 1, "as before");
        desk.after(Duration::from_secs(lives));
        let last = crash(&mut desk, "c", "node-3");
        let is_poisoned = |it: &Command| match it {
            Command::WriteStatus { status, .. } => condition(status, FINISHED).1 == reason::POISONED,
            _ => false,
        };
        assert_eq!(last.iter().any(is_poisoned), lives == 1, "after {lives} s: {last:?}");
    }
}

#[test]
fn a_room_that_has_lived_for_ten_seconds_is_no_suspect() {
    let mut desk = stored();
    greeted(&mut desk, "a", "node-1", 4);
    let mut duel = played(&mut desk, "duel", json!({}));
    let mut lost = Vec::new();
    for round in 0..5 {
        greeted(&mut desk, &format!("b{round}"), "node-2", 4);
        lost = match round {
            0 => crash(&mut desk, "a", "node-1"),
            _ => crash_again(&mut desk, &mut duel, &lost, Duration::from_secs(11)),
        };
        assert_eq!(duel.status.as_ref().unwrap().losses_in_a_row, 0, "round {round}");
    }
    assert_eq!(duel.status.as_ref().unwrap().recoveries, 4);
}

#[test]
fn p4_a_server_where_a_lost_room_is_sought_is_told_where_it_went() {
    let mut desk = stored();
    greeted(&mut desk, "a", "node-1", 4);
    let mut duel = played(&mut desk, "duel", json!({}));
    greeted(&mut desk, "told", "node-2", 0);
    greeted(&mut desk, "third", "node-2", 4);
    assert_eq!(found(&sought(&mut desk, "told", &[&duel])), [], "nobody knows yet that it is lost");
    let lost = crash(&mut desk, "a", "node-1");
    let [(_, server, epoch)] = &opens(&lost)[..] else { panic!("{lost:?}") };
    assert_eq!(server, "third");
    let expected = |to: &str| (to.to_owned(), "third".to_owned(), epoch.0);
    assert_eq!(found(&lost), [expected("told")], "before it is there");
    assert_eq!(found(&sought(&mut desk, "told", &[&duel])), [expected("told")], "others came later");
    assert_eq!(found(&sought(&mut desk, "third", &[&duel])), [], "it is about to come there");
    settle(&mut desk, &mut duel, "third", *epoch);
    assert_eq!(found(&sought(&mut desk, "told", &[&duel])), [expected("told")]);
    assert_eq!(found(&desk.after(Duration::from_secs(20))), [], "each is told once");
}

#[test]
fn p3_players_are_not_sent_back_to_a_server_that_may_be_dead() {
    let mut desk = stored();
    greeted(&mut desk, "a", "node-1", 4);
    let duel = played(&mut desk, "duel", json!({}));
    greeted(&mut desk, "told", "node-2", 4);
    desk.after(Duration::from_mins(1));
    assert_eq!(found(&sought(&mut desk, "told", &[&duel])), []);
    // By now it would be known that it hangs: it does not, and only the player's path is broken.
    let later = desk.after(Duration::from_millis(1100));
    assert_eq!(found(&later).len(), 1);
    assert_eq!(found(&later)[0].1, "a");
    sought(&mut desk, "told", &[&duel]);
    desk.on(Event::Link { server_uid: "uid-a".to_owned(), news: LinkNews::Lost });
    assert_eq!(found(&desk.after(Duration::from_secs(5))), [], "nobody knows whether it lives");
}

#[test]
fn p8_a_server_is_told_nothing_of_rooms_of_other_fleets_and_few_are_told_of_one() {
    let mut desk = stored();
    greeted(&mut desk, "a", "node-1", 4);
    let duel = played(&mut desk, "duel", json!({}));
    let other = ObjectName::new("games".to_owned(), "other");
    desk.on(Event::Fleet(other.clone(), FleetView { has_store: true, ..fleet() }));
    let view = ServerView { is_controlled: true, fleet: other, ..server("stranger", "node-2") };
    desk.on(Event::Server(view));
    let welcome = Welcome {
        boot_id: "boot".to_owned(),
        protocol: 1,
        features: [Feature::Restore].into(),
        capacity: 0,
        is_retired: false,
        is_draining: false,
        rooms: Vec::new(),
        certificate_hashes: vec![hash("stranger")],
    };
    desk.on(Event::Link { server_uid: "uid-stranger".to_owned(), news: LinkNews::Welcome(welcome) });
    sought(&mut desk, "stranger", &[&duel]);
    for index in 0..20 {
        let name = format!("b{index}");
        greeted(&mut desk, &name, "node-2", 0);
        sought(&mut desk, &name, &[&duel]);
    }
    let all = found(&desk.after(Duration::from_secs(2)));
    assert_eq!(all.len(), 8);
    assert!(all.iter().all(|it| it.0 != "stranger"), "{all:?}");
}
