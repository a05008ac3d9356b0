//! Servers that others reach and we do not: their rooms are asked for, and stay where they are until one was taken.

use super::*;
use crate::{room::status::How, server::suspicion::Verdict};

const ALL: &[Feature] = &[Feature::Restore, Feature::TakeIfSilent];

/// Of the fleets here.
const FENCE: Duration = Duration::from_secs(1);

/// Others reach the server, and we do not.
fn cut_off(desk: &mut Desk, name: &str) -> Vec<Command> {
    let now = desk.now().instant;
    desk.on(Event::ServerCutOff { server_uid: format!("uid-{name}"), since: now, noticed: now })
}

/// A room that runs on "a"; nobody plays here, and nothing is to be closed for that.
fn played(desk: &mut Desk, change: Value, features: &[Feature]) -> GameRoom {
    let room = stored(desk, change, features);
    set_store(desk, true);
    room
}

fn set_store(desk: &mut Desk, has_store: bool) {
    let claim_timeout = Duration::from_hours(1);
    desk.on(Event::Fleet(fleet_name(), FleetView { claim_timeout, has_store, ..fleet() }));
}

/// "a" has the room, "b" is there, and there is no stream to "a" any more.
fn parted(change: Value) -> (Desk, GameRoom) {
    let mut desk = Desk::open();
    let room = played(&mut desk, change, ALL);
    greeted_with(&mut desk, "b", &[], ALL);
    assert_eq!(asked(&cut_off(&mut desk, "a")), []);
    assert_eq!(asked(&link(&mut desk, "a", LinkNews::Lost)), []);
    (desk, room)
}

/// Rooms that are asked for: of which server, under which epoch.
fn asked(commands: &[Command]) -> Vec<(String, String, Epoch)> {
    let ask = |it: &Command| match it {
        Command::Open { room, server, epoch, restore } => {
            let expected = Restore { lost_epoch: 0, fence: true, ended_epoch: 0, owner_silent: FENCE };
            assert_eq!(*restore, Some(expected), "I7: {room:?}");
            Some((room.metadata.name.clone().unwrap(), server.pod_name.clone(), *epoch))
        }
        Command::WriteStatus { .. } | Command::TellLoss { .. } | Command::Close { .. } => {
            panic!("{commands:?}")
        }
        _ => None,
    };
    commands.iter().filter_map(ask).collect()
}

/// The only room that is asked for after so long.
fn asked_after(desk: &mut Desk, time: Duration) -> Epoch {
    let commands = desk.after(time);
    let [(_, server, epoch)] = &asked(&commands)[..] else { panic!("{commands:?}") };
    assert_eq!(server, "b");
    *epoch
}

fn refuse(desk: &mut Desk, room: &GameRoom, epoch: Epoch, why: RefusedWhy) -> Vec<Command> {
    let (tenancy, message) = (tenancy(room, epoch.0), "no".to_owned());
    link(desk, "b", LinkNews::Refused(Refused { tenancy, why, current_epoch: 0, message }))
}

fn open(desk: &mut Desk, server: &str, room: &GameRoom, epoch: Epoch) -> Vec<Command> {
    let tenancy = tenancy(room, epoch.0);
    link(desk, server, LinkNews::Opened(Opened { tenancy, ports: vec![], certificate_hashes: vec![] }))
}

fn taken(commands: &[Command]) -> Option<&ledger::Taken> {
    commands.iter().find_map(|it| if let Command::TellTaken(taken) = it { Some(taken) } else { None })
}

#[test]
fn i7_i8_a_room_out_of_reach_is_asked_for_when_it_must_have_frozen_and_stays_while_the_store_hears_it() {
    let (mut desk, room) = parted(json!({}));
    assert_eq!(asked(&desk.after(FENCE.saturating_sub(Duration::from_millis(1)))), []);
    let mut epoch = asked_after(&mut desk, Duration::from_millis(1));
    for pause in [1, 2, 4, 5, 5, 5] {
        assert_eq!(asked(&refuse(&mut desk, &room, epoch, RefusedWhy::OwnerAlive)), []);
        assert_eq!(asked(&desk.after(Duration::from_millis(pause * 1000 - 1))), []);
        let before = epoch;
        epoch = asked_after(&mut desk, Duration::from_millis(1));
        assert!(before < epoch);
    }
    assert!(desk.ledger.is_published_on("uid-a") && desk.ledger.is_busy("uid-a"));
    // As soon as it is heard, nothing is asked any more.
    refuse(&mut desk, &room, epoch, RefusedWhy::OwnerAlive);
    assert_eq!(greeted_with(&mut desk, "a", &[(&room, room.status.as_ref().unwrap().epoch)], ALL), []);
    assert_eq!(asked(&desk.after(Duration::from_secs(20))), []);
}

#[test]
fn i7_whatever_stands_against_it_nothing_is_written_and_it_is_asked_again() {
    use RefusedWhy::{Checkpoint, Draining, Fenced, Full, Parameters, Unspecified};
    for why in [Checkpoint, Draining, Fenced, Full, Parameters, Unspecified] {
        let (mut desk, room) = parted(json!({}));
        let epoch = asked_after(&mut desk, FENCE);
        assert_eq!(asked(&refuse(&mut desk, &room, epoch, why)), [], "{why:?}");
        asked_after(&mut desk, Duration::from_secs(1));
        // The server is not there to answer.
        assert_eq!(asked(&link(&mut desk, "b", LinkNews::Lost)), []);
        assert_eq!(asked(&greeted_with(&mut desk, "b", &[], ALL)), []);
        asked_after(&mut desk, Duration::from_secs(2));
    }
}

#[test]
fn p4_i7_a_room_that_was_taken_is_published_there_and_closed_where_it_was() {
    let (mut desk, mut room) = parted(json!({}));
    let before = room.status.as_ref().unwrap().epoch;
    let epoch = asked_after(&mut desk, FENCE);
    let commands = open(&mut desk, "b", &room, epoch);
    let told = taken(&commands).unwrap();
    assert_eq!((told.server.as_str(), told.epoch), ("b", epoch));
    assert_eq!(told.confirms.as_ref().map(|it| it.server_uid.as_str()), Some("uid-a"));
    let loss = commands
        .iter()
        .find_map(|it| if let Command::TellLoss { loss, .. } = it { Some(loss) } else { None });
    assert_eq!(loss.map(|it| (it.server.as_str(), it.how)), Some(("a", How::CutOff)));
    let status = written(&commands);
    assert_eq!((status.phase, status.epoch, status.recoveries), (Phase::Running, epoch.0, 1));
    take_down(&mut desk, &mut room, &commands);
    assert!(!desk.ledger.is_busy("uid-a"), "I9: nobody counts on it");
    assert_eq!(asked(&desk.after(Duration::from_mins(1))), [], "it has what it needs");
    let commands = greeted_with(&mut desk, "a", &[(&room, before)], ALL);
    assert!(
        matches!(&commands[..], [Command::Close { server_uid, why: CloseWhy::Superseded, .. }] if server_uid == "uid-a"),
        "{commands:?}"
    );
}

#[test]
fn i7_an_owner_that_is_heard_before_the_answer_has_lost_the_room_all_the_same_if_it_was_taken() {
    for is_taken in [true, false] {
        let (mut desk, mut room) = parted(json!({}));
        let before = room.status.as_ref().unwrap().epoch;
        let epoch = asked_after(&mut desk, FENCE);
        assert_eq!(asked(&greeted_with(&mut desk, "a", &[(&room, before)], ALL)), []);
        if !is_taken {
            assert_eq!(asked(&refuse(&mut desk, &room, epoch, RefusedWhy::OwnerAlive)), []);
            assert_eq!(asked(&desk.after(Duration::from_mins(1))), []);
            continue;
        }
        let commands = open(&mut desk, "b", &room, epoch);
        assert_eq!(written(&commands).server.as_ref().unwrap().pod_name, "b");
        assert!(!commands.iter().any(|it| matches!(it, Command::Close { .. })), "not before it is published");
        room.status = Some(written(&commands).clone());
        let mut commands = desk.room(&room);
        commands.extend(desk.done(&room));
        assert!(commands.iter().any(|it| matches!(it, Command::Close { .. })), "{commands:?}");
    }
}

#[test]
fn i7_i8_where_nobody_would_ask_the_store_or_heed_it_nothing_is_asked() {
    let room = json!({});
    let cases: [(Value, bool, &[Feature], &[Feature]); 5] = [
        (room.clone(), false, ALL, ALL),
        (room.clone(), true, &[], ALL),
        // As the Go server of our tests.
        (room, true, ALL, &[Feature::Restore]),
        (json!({ "spec": { "recovery": "Restart" } }), true, ALL, ALL),
        (json!({ "spec": { "recovery": "Fail" } }), true, ALL, ALL),
    ];
    for (change, has_store, of_old, of_new) in cases {
        let mut desk = Desk::open();
        played(&mut desk, change.clone(), of_old);
        set_store(&mut desk, has_store);
        greeted_with(&mut desk, "b", &[], of_new);
        cut_off(&mut desk, "a");
        link(&mut desk, "a", LinkNews::Lost);
        let mut commands = desk.after(Duration::from_mins(1));
        // That there is no store is told.
        commands.retain(|it| matches!(it, Command::Open { .. }));
        assert_eq!(commands, [], "{change} {has_store} {of_old:?} {of_new:?}");
    }
    // While there is a stream, an echo may go over it.
    let mut desk = Desk::open();
    played(&mut desk, json!({}), ALL);
    greeted_with(&mut desk, "b", &[], ALL);
    cut_off(&mut desk, "a");
    assert_eq!(asked(&desk.after(Duration::from_mins(1))), []);
    link(&mut desk, "a", LinkNews::Lost);
    asked_after(&mut desk, FENCE);
    // What is lost otherwise needs no question.
    let (mut desk, _) = parted(json!({}));
    desk.on(Event::ServerLost { server_uid: "uid-a".into(), verdict: Verdict::Presumed });
    assert_eq!(asked(&desk.after(Duration::from_mins(1))), []);
}

#[test]
fn one_room_tells_for_all_of_its_server_and_when_it_was_taken_the_others_follow() {
    let mut desk = Desk::open();
    let first = played(&mut desk, json!({}), ALL);
    let mut rooms = vec![first];
    for name in ["duel-2", "duel-3"] {
        let mut room = room(name, json!({}));
        let commands = desk.room(&room);
        let [Command::Open { epoch, .. }] = &commands[..] else { panic!("{commands:?}") };
        let commands = open(&mut desk, "a", &room, *epoch);
        take_down(&mut desk, &mut room, &commands);
        rooms.push(room);
    }
    greeted_with(&mut desk, "b", &[], ALL);
    cut_off(&mut desk, "a");
    link(&mut desk, "a", LinkNews::Lost);
    // One that cannot be had does not keep the others from being asked for.
    let mut turns = Vec::new();
    for pause in [1, 1, 2, 4] {
        let commands = desk.after(Duration::from_secs(pause));
        let [(name, _, epoch)] = &asked(&commands)[..] else { panic!("{commands:?}") };
        turns.push(name.clone());
        let room = rooms.iter().find(|it| it.metadata.name.as_ref() == Some(name)).unwrap();
        refuse(&mut desk, room, *epoch, RefusedWhy::Checkpoint);
    }
    assert_eq!(turns, ["duel", "duel-2", "duel-3", "duel"]);
    let commands = desk.after(Duration::from_secs(5));
    let [(name, _, epoch)] = &asked(&commands)[..] else { panic!("{commands:?}") };
    assert_eq!(name, "duel-2");
    let commands = open(&mut desk, "b", &rooms[1], *epoch);
    let followers = commands.iter().filter_map(|it| match it {
        Command::Open { room, epoch, .. } => Some((room.metadata.name.clone().unwrap(), *epoch)),
        _ => None,
    });
    let followers: Vec<_> = followers.collect();
    assert_eq!(followers.iter().map(|it| it.0.as_str()).collect::<Vec<_>>(), ["duel-3", "duel"]);
    assert!(desk.ledger.is_busy("uid-a"), "I9: two are still published there");
    // The store hears it again: one is enough to tell.
    refuse(&mut desk, &rooms[2], followers[0].1, RefusedWhy::OwnerAlive);
    refuse(&mut desk, &rooms[0], followers[1].1, RefusedWhy::OwnerAlive);
    assert_eq!(asked(&desk.after(Duration::from_secs(5))).len(), 1);
}

#[test]
fn i3_p7_a_new_leader_publishes_what_an_earlier_one_had_taken_and_asks_no_other() {
    let (_, room) = parted(json!({}));
    let later = Epoch::new(3, 99);
    let mut desk = Desk { ledger: Ledger::new(4), ..Desk::open() };
    set_store(&mut desk, true);
    desk.on(Event::Synced);
    desk.room(&room);
    desk.on(Event::Server(ServerView { is_controlled: true, ..server("a", "node-1") }));
    greeted_with(&mut desk, "b", &[(&room, later.0)], ALL);
    greeted_with(&mut desk, "c", &[], ALL);
    desk.done(&room);
    assert_eq!(asked(&desk.after(Duration::from_secs(2))), [], "its players may be there");
    assert_eq!(asked(&cut_off(&mut desk, "a")), []);
    let epoch = asked_after(&mut desk, FENCE);
    let commands = open(&mut desk, "b", &room, epoch);
    assert_eq!(written(&commands).server.as_ref().unwrap().pod_name, "b");
}

#[test]
fn i7_a_server_that_has_an_old_tenancy_of_the_room_lets_go_of_it_before_it_is_asked() {
    let (mut desk, room) = parted(json!({}));
    // It would go on with what it has, and ask nobody.
    let commands = greeted_with(&mut desk, "b", &[(&room, Epoch::new(2, 1).0)], ALL);
    let is_close = |it: &Command| matches!(it, Command::Close { server_uid, .. } if server_uid == "uid-b");
    assert!(commands.iter().any(is_close), "{commands:?}");
    let asked = asked(&desk.after(Duration::from_mins(1)));
    assert!(!asked.is_empty() && asked.iter().all(|it| it.1 == "b"), "over the same stream: {asked:?}");
}
