//! Which server has copies of whose rooms, and what is said of it.

use gamekeeper_control::{Feature, Opened, Refused, RefusedWhy, StandingBy, Tenancy, Welcome};

use super::*;
use crate::room::ledger::{LinkNews, MirrorTo};

const SECOND: Duration = Duration::from_secs(1);

fn desk() -> Desk {
    let mut desk = Desk::open();
    desk.on(Event::Fleet(fleet_name(), FleetView { has_store: true, has_standbys: true, ..fleet() }));
    desk
}

/// A controlled server that offers standbys, on a node.
fn greeted(desk: &mut Desk, name: &str, node: &str) -> Vec<Command> {
    desk.on(Event::Server(ServerView { is_controlled: true, ..server(name, node) }));
    let welcome = Welcome {
        boot_id: format!("boot-{name}"),
        protocol: 1,
        features: [Feature::Restore, Feature::Standby].into(),
        capacity: 4,
        is_retired: false,
        is_draining: false,
        rooms: Vec::new(),
        certificate_hashes: Vec::new(),
    };
    link(desk, name, LinkNews::Welcome(welcome))
}

fn link(desk: &mut Desk, name: &str, news: LinkNews) -> Vec<Command> {
    desk.on(Event::Link { server_uid: format!("uid-{name}"), news })
}

fn standing_by(desk: &mut Desk, name: &str) -> Vec<Command> {
    let standing_by = StandingBy { certificate_hashes: vec![format!("hash-{name}")], port: 7777 };
    link(desk, name, LinkNews::StandingBy(standing_by))
}

fn crash(desk: &mut Desk, name: &str, node: &str) -> Vec<Command> {
    let state = ServerState::Ended(Exit { code: 137 });
    desk.on(Event::Server(ServerView { is_controlled: true, state, ..server(name, node) }))
}

/// For whom each server stands by, by names.
fn wards(commands: &[Command]) -> Vec<(String, Vec<String>)> {
    let name = |uid: &str| uid.trim_start_matches("uid-").to_owned();
    let wards = commands.iter().filter_map(|it| match it {
        Command::StandBy { server_uid, wards } => {
            Some((name(server_uid), wards.iter().map(|it| name(it)).collect()))
        }
        _ => None,
    });
    wards.collect()
}

/// Where each server sends its copies.
fn mirrors(commands: &[Command]) -> Vec<(&str, Option<&MirrorTo>)> {
    let mirrors = commands.iter().filter_map(|it| match it {
        Command::Mirror { server_uid, to } => Some((server_uid.as_str(), to.as_ref())),
        _ => None,
    });
    mirrors.collect()
}

fn to(name: &str) -> MirrorTo {
    MirrorTo {
        standby_uid: format!("uid-{name}"),
        pod: ObjectName::new("games", name),
        port: 7777,
        certificate_hashes: vec![format!("hash-{name}")],
    }
}

fn strings<const N: usize>(all: [(&str, &[&str]); N]) -> Vec<(String, Vec<String>)> {
    all.map(|(of, names)| (of.to_owned(), names.iter().map(|it| (*it).to_owned()).collect())).into()
}

/// Two servers that stand by for each other.
fn pair(desk: &mut Desk) {
    greeted(desk, "a", "node-1");
    greeted(desk, "b", "node-2");
    desk.after(SECOND);
    standing_by(desk, "a");
    standing_by(desk, "b");
}

/// Opens the room on the server that the ledger chooses, which is said.
fn play(desk: &mut Desk, room: &mut GameRoom) -> (String, Epoch) {
    let commands = desk.room(room);
    let (server, epoch, _) = opened(&commands);
    settle(desk, room, &server, epoch);
    (server, epoch)
}

fn settle(desk: &mut Desk, room: &mut GameRoom, server: &str, epoch: Epoch) {
    let opened = Opened { tenancy: tenancy(room, epoch), ports: Vec::new(), certificate_hashes: Vec::new() };
    let commands = link(desk, server, LinkNews::Opened(opened));
    room.status = Some(written(&commands).clone());
    desk.room(room);
    desk.done(room);
}

fn tenancy(room: &GameRoom, epoch: Epoch) -> Tenancy {
    Tenancy {
        namespace: "games".to_owned(),
        name: room.metadata.name.clone().unwrap(),
        uid: room.metadata.uid.clone().unwrap(),
        epoch: epoch.0,
    }
}

/// Where a room was opened, under which epoch, and which is said to have ended.
fn opened(commands: &[Command]) -> (String, Epoch, i64) {
    let open = commands.iter().find_map(|it| match it {
        Command::Open { server, epoch, restore, .. } => {
            Some((server.pod_name.clone(), *epoch, restore.map_or(0, |it| it.ended_epoch)))
        }
        _ => None,
    });
    open.unwrap_or_else(|| panic!("nothing was opened: {commands:?}"))
}

#[test]
fn p4_a_server_has_a_standby_on_another_node_and_hears_of_it_when_that_is_ready() {
    let mut desk = desk();
    greeted(&mut desk, "a", "node-1");
    greeted(&mut desk, "b", "node-1");
    let commands = desk.after(SECOND);
    assert_eq!(wards(&commands), strings([("a", &[]), ("b", &[])]), "both are on one node");
    assert_eq!(mirrors(&commands), [("uid-a", None), ("uid-b", None)]);

    greeted(&mut desk, "c", "node-2");
    let commands = desk.after(SECOND);
    let all = wards(&commands);
    assert!(all.contains(&("c".to_owned(), vec!["a".to_owned(), "b".to_owned()])), "{all:?}");
    assert!(mirrors(&commands).is_empty(), "nobody has said yet where");
    let commands = standing_by(&mut desk, "c");
    assert_eq!(mirrors(&commands), [("uid-a", Some(&to("c"))), ("uid-b", Some(&to("c")))]);
    assert_eq!(standing_by(&mut desk, "c"), [], "said once");
    assert_eq!(mirrors(&desk.after(5 * SECOND)), []);

    // A process that was greeted anew may know nothing of it.
    greeted(&mut desk, "a", "node-1");
    assert_eq!(mirrors(&desk.after(SECOND)), [("uid-a", Some(&to("c")))]);
}

#[test]
fn p4_without_standbys_servers_are_told_that_there_are_none() {
    let mut desk = desk();
    pair(&mut desk);
    desk.on(Event::Fleet(fleet_name(), FleetView { has_store: true, ..fleet() }));
    let commands = desk.after(SECOND);
    assert_eq!(wards(&commands), strings([("a", &[]), ("b", &[])]));
    assert_eq!(mirrors(&commands), [("uid-a", None), ("uid-b", None)]);
}

#[test]
fn i8_who_does_not_talk_to_us_keeps_its_standby() {
    let mut desk = desk();
    pair(&mut desk);
    link(&mut desk, "a", LinkNews::Lost);
    let commands = desk.after(SECOND);
    assert!(wards(&commands).iter().all(|it| it.0 != "b"), "{commands:?}");
    // Another process in its place would be another pod.
    crash(&mut desk, "a", "node-1");
    assert_eq!(wards(&desk.after(SECOND)), strings([("b", &[])]));
}

#[test]
fn p4_a_lost_room_goes_to_its_standby_which_is_told_whose_copy_is_good() {
    let mut desk = desk();
    pair(&mut desk);
    // As good otherwise, and of a name that comes first.
    greeted(&mut desk, "0", "node-3");
    let mut room = room("duel", json!({}));
    let (server, epoch) = play(&mut desk, &mut room);
    let (node, standby) = match server.as_str() {
        "a" => ("node-1", "b"),
        "b" => ("node-2", "a"),
        _ => ("node-3", ""),
    };
    let (next, _, ended) = opened(&crash(&mut desk, &server, node));
    assert_eq!(ended, epoch.0);
    assert!(standby.is_empty() || next == standby, "{server} {next}");
}

#[test]
fn i1_no_copy_is_good_when_somebody_may_have_had_the_room_since() {
    let mut desk = desk();
    pair(&mut desk);
    let mut room = room("duel", json!({}));
    let (server, _) = play(&mut desk, &mut room);
    let (node, standby) = if server == "a" { ("node-1", "b") } else { ("node-2", "a") };
    let (next, sent, ended) = opened(&crash(&mut desk, &server, node));
    assert!(next == standby && 0 < ended);
    // It does not answer, and may have opened it.
    greeted(&mut desk, "c", "node-3");
    let commands = link(&mut desk, &next, LinkNews::Lost);
    let (next, _, ended) = opened(&commands);
    assert_eq!((next.as_str(), ended), ("c", 0));
    let _ = sent;
}

#[test]
fn i1_a_copy_is_still_good_when_the_room_was_refused_elsewhere() {
    let mut desk = desk();
    pair(&mut desk);
    let mut room = room("duel", json!({}));
    let (server, epoch) = play(&mut desk, &mut room);
    let (node, _) = if server == "a" { ("node-1", "b") } else { ("node-2", "a") };
    let (next, sent, _) = opened(&crash(&mut desk, &server, node));
    greeted(&mut desk, "c", "node-3");
    let refused = Refused {
        tenancy: tenancy(&room, sent),
        why: RefusedWhy::Full,
        current_epoch: 0,
        message: String::new(),
    };
    let commands = link(&mut desk, &next, LinkNews::Refused(refused));
    let (_, _, ended) = opened(&commands);
    assert_eq!(ended, epoch.0);
}
