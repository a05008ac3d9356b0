//! The ledger, step by step.

mod attempts;
mod elsewhere;
mod losses;

use std::num::NonZeroU64;

use gamekeeper_control::{
    CloseWhy, Feature, HostedRoom, Opened, Refused, RefusedWhy, Restore, RoomPhase, RoomState, Welcome,
};

use super::*;
use crate::room::ledger::LinkNews;

#[test]
fn i9_a_plain_server_is_claimed_first_and_published_second() {
    let mut desk = Desk::open();
    let (running, _) = desk.play(&room("duel", json!({})), &server("a", "node-1"));
    let status = running.status.unwrap();
    assert_eq!(status.phase, Phase::Running);
    assert_eq!(status.epoch, Epoch::new(3, 1).0);
    assert_eq!(status.endpoints[0].port, 7003);
    assert_eq!(condition(&status, PLACED), ("True", reason::PLACED, "on server a"));
    assert_eq!(condition(&status, CHECKPOINTED).1, reason::NO_STATE_STORE);
    assert_eq!(condition(&status, FINISHED).0, "False");
}

#[test]
fn p1_a_room_that_is_placed_at_once_costs_one_status_write() {
    let mut desk = Desk::open();
    desk.play(&room("duel", json!({})), &server("a", "node-1"));
    assert_eq!(desk.after(Duration::from_mins(10)), []);
    assert_eq!(desk.ledger.next_wakeup(), None);
}

#[test]
fn nothing_is_decided_before_everything_was_listed() {
    let mut ledger = Ledger::new(3);
    let now = Desk::open().now();
    assert_eq!(ledger.on(Event::Fleet(fleet_name(), fleet()), now), []);
    assert_eq!(ledger.on(Event::Room(Arc::new(room("duel", json!({})))), now), []);
    assert_eq!(ledger.on(Event::Server(server("a", "node-1")), now), []);
    assert!(matches!(ledger.on(Event::Synced, now)[..], [Command::Claim { .. }]));
}

#[test]
fn i5_rooms_wait_a_second_for_plain_servers_that_a_new_leader_has_not_probed_yet() {
    for (answers_after, chosen) in [(Duration::from_millis(300), "a"), (Duration::from_secs(9), "b")] {
        let mut desk = Desk::open();
        desk.on(Event::Server(ServerView { state: ServerState::Starting, ..server("a", "node-1") }));
        desk.on(Event::Server(server("b", "node-2")));
        assert_eq!(desk.room(&room("duel", json!({}))), []);
        let second = Duration::from_secs(1);
        let early = desk.after(answers_after.min(second));
        let late = desk.on(Event::Server(server("a", "node-1")));
        let commands = [early, late].concat();
        let [Command::Claim { server, .. }] = &commands[..] else { panic!("{commands:?}") };
        assert_eq!(server.pod_name, chosen);
    }
}

#[test]
fn i3_a_claim_that_was_not_published_is_claimed_again_by_the_next_leader_and_published() {
    let mut desk = Desk::open();
    let room = room("duel", json!({}));
    let old = claimed_by(&server("a", "node-1"), &room, Epoch::new(2, 9));
    desk.on(Event::Server(old.clone()));
    desk.on(Event::ServerAnswer { uid: old.uid.clone(), outcome: Outcome::Done });
    let commands = desk.room(&room);
    let [Command::Claim { server, epoch, .. }] = &commands[..] else { panic!("{commands:?}") };
    assert_eq!((server.pod_name.as_str(), *epoch), ("a", Epoch::new(3, 1)));
    desk.on(Event::Server(claimed_by(server, &room, *epoch)));
    let status = written(&desk.done(&room)).clone();
    assert_eq!((status.phase, status.epoch, status.recoveries), (Phase::Running, Epoch::new(3, 1).0, 0));
}

#[test]
fn i3_the_highest_claim_is_published_and_only_then_the_lower_one_released() {
    let mut desk = Desk::open();
    let room = room("duel", json!({}));
    desk.on(Event::Server(claimed_by(&server("a", "node-1"), &room, Epoch::new(3, 900))));
    desk.on(Event::Server(claimed_by(&server("b", "node-2"), &room, Epoch::new(3, 901))));
    let commands = desk.room(&room);
    assert!(matches!(&commands[..], [Command::WriteStatus { .. }]), "{commands:?}");
    assert_eq!(written(&commands).server.as_ref().unwrap().pod_name, "b");
    for uid in ["uid-a", "uid-b"] {
        desk.on(Event::ServerAnswer { uid: uid.into(), outcome: Outcome::Done });
    }
    let mut running = room.clone();
    running.status = Some(written(&commands).clone());
    desk.room(&running);
    let commands = desk.done(&running);
    assert!(
        matches!(&commands[..], [Command::Release { server_uid, .. }] if server_uid == "uid-a"),
        "{commands:?}"
    );
}

#[test]
fn a_claim_that_died_before_it_was_published_is_let_go_and_never_published() {
    let mut desk = Desk::open();
    let room = room("duel", json!({}));
    let mut dead = claimed_by(&server("a", "node-1"), &room, Epoch::new(3, 900));
    dead.state = ServerState::Ended(Exit { code: 0 });
    desk.on(Event::Server(dead));
    desk.room(&room);
    let commands = desk.on(Event::ServerAnswer { uid: "uid-a".into(), outcome: Outcome::Done });
    assert!(
        matches!(&commands[..], [Command::Release { server_uid, .. }] if server_uid == "uid-a"),
        "{commands:?}"
    );
}

#[test]
fn a_room_that_waits_lets_go_of_what_was_claimed_for_it_long_ago() {
    let mut desk = Desk::open();
    let status = json!({ "phase": "Recovering", "epoch": Epoch::new(3, 5).0 });
    desk.on(Event::Server(claimed_by(&server("a", "node-1"), &room("duel", json!({})), Epoch::new(3, 4))));
    desk.room(&room("duel", json!({ "status": status })));
    let commands = desk.on(Event::ServerAnswer { uid: "uid-a".into(), outcome: Outcome::Done });
    assert!(
        matches!(&commands[..], [Command::Release { server_uid, .. }] if server_uid == "uid-a"),
        "{commands:?}"
    );
}

#[test]
fn a_server_that_is_being_released_is_not_published_meanwhile() {
    let mut desk = Desk::open();
    let (running, first) = desk.play(&room("duel", json!({})), &server("a", "node-1"));
    let second = claimed_by(&server("b", "node-2"), &running, Epoch::new(3, 900));
    let commands = desk.on(Event::Server(second.clone()));
    assert!(matches!(&commands[..], [Command::Release { server_uid, .. }] if *server_uid == second.uid));
    // The published one dies before the release is answered.
    let commands =
        desk.on(Event::Server(ServerView { state: ServerState::Ended(Exit { code: 1 }), ..first }));
    assert!(
        !commands
            .iter()
            .any(|it| matches!(it, Command::WriteStatus { status, .. } if status.phase == Phase::Running)),
        "{commands:?}"
    );
    // It was not released after all: now it serves.
    desk.on(Event::ServerAnswer { uid: second.uid, outcome: Outcome::Conflict });
    let commands = desk.done(&running);
    assert!(
        commands.iter().any(|it| matches!(it, Command::WriteStatus { .. } | Command::Claim { .. })),
        "{commands:?}"
    );
}

#[test]
fn a_room_that_is_over_is_not_told_to_wait_because_of_an_earlier_failure() {
    let mut desk = Desk::open();
    let waiting = room("duel", json!({}));
    desk.room(&waiting);
    assert!(matches!(&desk.after(Duration::from_secs(1))[..], [Command::WriteStatus { .. }]));
    desk.on(Event::RoomAnswer { uid: "uid-duel".into(), outcome: Outcome::Failed });
    // Another leader has finished it meanwhile; our pause is not over.
    let over = room(
        "duel",
        json!({ "status": { "phase": "Finished" }, "spec": { "ttlSecondsAfterFinished": 600 } }),
    );
    assert_eq!(desk.room(&over), []);
    assert_eq!(desk.after(Duration::from_mins(1)), []);
}

#[test]
fn i2_a_leader_that_hears_of_a_later_term_steps_down_and_does_nothing_more() {
    let mut desk = Desk::open();
    let later = claimed_by(&server("a", "node-1"), &room("duel", json!({})), Epoch::new(4, 1));
    assert_eq!(desk.on(Event::Server(later)), [Command::StepDown]);
    desk.on(Event::Server(server("b", "node-1")));
    assert_eq!(desk.room(&room("other", json!({}))), []);
}

#[test]
fn p6_whoever_is_published_and_lives_wins_over_a_claim_that_nobody_was_told_of() {
    let mut desk = Desk::open();
    let (running, _) = desk.play(&room("duel", json!({})), &server("a", "node-1"));
    let commands = desk.on(Event::Server(claimed_by(&server("b", "node-2"), &running, Epoch::new(3, 900))));
    assert!(
        matches!(&commands[..], [Command::Release { server_uid, .. }] if server_uid == "uid-b"),
        "{commands:?}"
    );
}

#[test]
fn i5_a_server_that_is_not_in_the_cache_is_asked_for_and_not_given_up() {
    let mut desk = Desk::open();
    let (running, claimed) = desk.play(&room("duel", json!({})), &server("a", "node-1"));
    let commands = desk.on(Event::ServerGone(claimed.uid.clone()));
    assert!(
        matches!(&commands[..], [Command::AskForServer { server_uid, .. }] if *server_uid == claimed.uid)
    );
    // It was the cache that was wrong.
    desk.on(Event::Server(claimed.clone()));
    assert_eq!(desk.done(&running), []);
    // And now it is really gone.
    desk.on(Event::ServerGone(claimed.uid.clone()));
    desk.on(Event::Server(server("b", "node-2")));
    desk.on(Event::ServerAbsent { room_uid: "uid-duel".into(), server_uid: claimed.uid });
    let commands = desk.done(&running);
    assert!(
        matches!(&commands[..], [Command::TellLoss { .. }, Command::Claim { server, .. }] if server.pod_name == "b"),
        "{commands:?}"
    );
}

#[test]
fn exit_0_is_finished_and_the_room_goes_after_its_time() {
    let mut desk = Desk::open();
    let (mut running, claimed) = desk
        .play(&room("duel", json!({ "spec": { "ttlSecondsAfterFinished": 60 } })), &server("a", "node-1"));
    let ended = ServerView { state: ServerState::Ended(Exit { code: 0 }), ..claimed };
    let commands = desk.on(Event::Server(ended));
    let status = written(&commands);
    assert_eq!(status.phase, Phase::Finished);
    assert_eq!(condition(status, FINISHED).0, "True");
    assert!(status.endpoints.is_empty());
    running.status = Some(status.clone());
    desk.room(&running);
    let commands = desk.done(&running);
    assert!(matches!(&commands[..], [Command::Release { .. }]), "{commands:?}");
    desk.on(Event::ServerGone("uid-a".into()));
    assert_eq!(desk.after(Duration::from_secs(59)), []);
    assert!(matches!(&desk.after(Duration::from_secs(1))[..], [Command::DeleteRoom { .. }]));
}

#[test]
fn another_end_follows_recovery() {
    for (recovery, phase) in
        [("Fail", Phase::Failed), ("Restart", Phase::Running), ("Restore", Phase::Running)]
    {
        let mut desk = Desk::open();
        let (mut running, claimed) =
            desk.play(&room("duel", json!({ "spec": { "recovery": recovery } })), &server("a", "node-1"));
        desk.on(Event::Server(server("b", "node-2")));
        let lost = ServerView { state: ServerState::Ended(Exit { code: 137 }), ..claimed };
        let mut commands = desk.on(Event::Server(lost));
        if let [Command::TellLoss { .. }, Command::Claim { server, epoch, .. }] = &commands[..] {
            assert_eq!(
                (server.pod_name.as_str(), *epoch),
                ("b", Epoch::new(3, 2)),
                "elsewhere, under a higher epoch"
            );
            desk.on(Event::Server(claimed_by(server, &running, *epoch)));
            commands = desk.done(&running);
        }
        let status = written(&commands);
        assert_eq!(status.phase, phase, "{recovery}");
        if phase == Phase::Running {
            assert_eq!((status.recoveries, status.server.as_ref().unwrap().pod_name.as_str()), (1, "b"));
        } else {
            assert_eq!(condition(status, FINISHED).2, "server a was killed (exit code 137)");
        }
        running.status = Some(status.clone());
    }
}

#[test]
fn rooms_wait_by_priority_and_then_by_age_and_are_told_why_once() {
    let mut desk = Desk::open();
    let old = room("old", json!({}));
    let young = room("young", json!({ "metadata": { "creationTimestamp": "2026-01-01T00:00:09Z" } }));
    let vip = room(
        "vip",
        json!({ "metadata": { "creationTimestamp": "2026-01-01T00:00:10Z" }, "spec": { "priority": 5 } }),
    );
    for room in [&young, &old, &vip] {
        assert_eq!(desk.room(room), []);
    }
    let busy = claimed_by(&server("a", "node-1"), &room("else", json!({})), Epoch::new(1, 1));
    desk.on(Event::Room(Arc::new(room("else", json!({ "status": { "phase": "Running", "epoch": 1, "server": { "podName": "a", "podUID": "uid-a" } } })))));
    desk.on(Event::Server(busy));
    let mut starting = server("b", "node-1");
    starting.state = ServerState::Starting;
    desk.on(Event::Server(starting.clone()));
    let told = desk.after(Duration::from_secs(1));
    let statuses: Vec<_> =
        told.iter().filter(|it| matches!(it, Command::WriteStatus { is_urgent: false, .. })).collect();
    assert_eq!(statuses.len(), 3, "{told:?}");
    assert_eq!(
        condition(written(&told), PLACED),
        ("False", reason::NO_CAPACITY, "0 of 2 servers fit: 1 full, 1 starting")
    );
    for room in [&young, &old, &vip] {
        let mut waiting = room.clone();
        let mine = told.iter().find_map(|it| match it {
            Command::WriteStatus { room: it, status, .. } if it.metadata.uid == room.metadata.uid => {
                Some(status)
            }
            _ => None,
        });
        waiting.status = Some((**mine.unwrap()).clone());
        desk.room(&waiting);
        desk.done(&waiting);
    }
    assert_eq!(desk.after(Duration::from_mins(5)), [], "told once");
    for expected in ["vip", "old", "young"] {
        let mut free = server(&format!("for-{expected}"), "node-1");
        free.state = ServerState::Ready;
        let commands = desk.on(Event::Server(free));
        assert!(
            matches!(&commands[..], [Command::Claim { room, .. }] if room.metadata.name.as_deref() == Some(expected)),
            "{commands:?}"
        );
    }
}

#[test]
fn a_room_says_what_it_waits_for() {
    let selector =
        |value: &str| json!({ "spec": { "serverSelector": { "matchLabels": { "build": value } } } });
    let bad = json!({ "spec": { "serverSelector": { "matchExpressions": [{ "key": "build", "operator": "Likes" }] } } });
    for (room, fleet_view, expected, message) in [
        (room("a", json!({})), None, reason::NO_FLEET, "there is no GameFleet \"arena\""),
        (
            room("b", json!({})),
            Some(FleetView { is_open: false, ..fleet() }),
            reason::FLEET_NOT_READY,
            "being deleted",
        ),
        (room("c", selector("1.3")), Some(fleet()), reason::NO_MATCHING_SERVER, "1 without the labels"),
        (room("d", bad), Some(fleet()), reason::NO_MATCHING_SERVER, "not a valid label selector"),
    ] {
        let mut desk = Desk::open();
        desk.on(Event::Server(server("s", "node-1")));
        match fleet_view {
            Some(view) => desk.on(Event::Fleet(fleet_name(), view)),
            None => desk.on(Event::FleetGone(fleet_name())),
        };
        desk.room(&room);
        let told = desk.after(Duration::from_secs(1));
        let (status, reason, text) = condition(written(&told), PLACED);
        assert_eq!((status, reason), ("False", expected));
        assert!(text.contains(message), "{text}");
    }
}

#[test]
fn a_selector_finds_its_server_and_packed_fills_the_fullest_node() {
    let mut desk = Desk::open();
    desk.play(&room("first", json!({})), &server("a", "node-2"));
    desk.on(Event::Server(server("b", "node-1")));
    desk.on(Event::Server(server("c", "node-2")));
    let commands = desk.room(&room("second", json!({})));
    assert!(
        matches!(&commands[..], [Command::Claim { server, .. }] if server.pod_name == "c"),
        "{commands:?}"
    );
    let mut old = server("d", "node-9");
    old.labels.insert("build".into(), "1.3".into());
    desk.on(Event::Server(old));
    let picky = room("third", json!({ "spec": { "serverSelector": { "matchLabels": { "build": "1.3" } } } }));
    assert!(matches!(&desk.room(&picky)[..], [Command::Claim { server, .. }] if server.pod_name == "d"));
}

#[test]
fn a_server_whose_room_is_gone_is_released_after_a_quorum_read() {
    let mut desk = Desk::open();
    let (running, claimed) = desk.play(&room("duel", json!({})), &server("a", "node-1"));
    let room_uid = running.metadata.uid.clone().unwrap();
    let commands = desk.on(Event::RoomGone(Arc::new(running)));
    assert!(matches!(&commands[..], [Command::AskForRoom { .. }]), "{commands:?}");
    desk.on(Event::RoomAbsent { server_uid: claimed.uid.clone(), room_uid });
    let commands = desk.on(Event::ServerAnswer { uid: claimed.uid, outcome: Outcome::Done });
    assert!(matches!(&commands[..], [Command::Release { .. }]), "{commands:?}");
}

#[test]
fn rooms_of_a_fleet_that_another_operator_manages_are_left_alone() {
    let mut desk = Desk::open();
    desk.on(Event::Fleet(fleet_name(), FleetView { is_ours: false, ..fleet() }));
    desk.on(Event::Server(server("a", "node-1")));
    desk.on(Event::Server(claimed_by(&server("b", "node-1"), &room("gone", json!({})), Epoch::new(2, 9))));
    assert_eq!(desk.room(&room("duel", json!({}))), []);
    assert_eq!(desk.after(Duration::from_mins(1)), []);
}

#[test]
fn a_call_that_failed_is_tried_again_after_a_pause() {
    let mut desk = Desk::open();
    desk.on(Event::Server(server("a", "node-1")));
    let room = room("duel", json!({}));
    assert!(matches!(&desk.room(&room)[..], [Command::Claim { .. }]));
    let failed = Event::RoomAnswer { uid: "uid-duel".into(), outcome: Outcome::Failed };
    assert_eq!(desk.on(failed), []);
    assert!(matches!(&desk.after(Duration::from_millis(250))[..], [Command::Claim { .. }]));
}

/// A controlled server that was greeted and has these rooms, each with the epoch under which it has it.
fn greeted(desk: &mut Desk, name: &str, rooms: &[(&GameRoom, i64)]) -> Vec<Command> {
    greeted_with(desk, name, rooms, &[])
}

fn greeted_with(
    desk: &mut Desk,
    name: &str,
    rooms: &[(&GameRoom, i64)],
    features: &[Feature],
) -> Vec<Command> {
    desk.on(Event::Server(ServerView { is_controlled: true, ..server(name, "node-1") }));
    let hosted = |(room, epoch): &(&GameRoom, i64)| HostedRoom {
        tenancy: tenancy(room, *epoch),
        phase: RoomPhase::Playing,
        players: 0,
        result: None,
        ports: Vec::new(),
        certificate_hashes: Vec::new(),
    };
    let welcome = Welcome {
        boot_id: format!("boot-{name}"),
        protocol: 1,
        features: features.iter().copied().collect(),
        capacity: 4,
        is_retired: false,
        is_draining: false,
        rooms: rooms.iter().map(hosted).collect(),
        certificate_hashes: Vec::new(),
    };
    link(desk, name, LinkNews::Welcome(welcome))
}

fn link(desk: &mut Desk, name: &str, news: LinkNews) -> Vec<Command> {
    desk.on(Event::Link { server_uid: format!("uid-{name}"), news })
}

#[test]
fn i3_a_late_closed_of_a_lower_epoch_does_not_take_the_room_that_is_back() {
    let mut desk = Desk::open();
    let room = room("duel", json!({}));
    let (before, now) = (Epoch::new(3, 7).0, Epoch::new(3, 9).0);
    greeted(&mut desk, "a", &[(&room, now)]);
    let mut running = room.clone();
    running.status = Some(written(&desk.room(&room)).clone());
    desk.room(&running);
    desk.done(&room);
    assert_eq!(link(&mut desk, "a", LinkNews::Closed(tenancy(&room, before))), []);
    assert!(desk.ledger.is_busy("uid-a"));
    let lost = link(&mut desk, "a", LinkNews::Closed(tenancy(&room, now)));
    assert!(!lost.is_empty(), "of its own epoch it is gone");
}

#[test]
fn a_server_is_told_once_to_let_go_of_a_room() {
    let mut desk = Desk::open();
    let room = room("duel", json!({ "status": { "phase": "Finished" } }));
    desk.room(&room);
    let told = greeted(&mut desk, "a", &[(&room, Epoch::new(3, 7).0)]);
    assert!(matches!(&told[..], [Command::Close { .. }]), "{told:?}");
    assert_eq!(desk.room(&room), []);
    assert_eq!(desk.after(Duration::from_secs(1)), []);
    // When it is greeted anew, it may never have heard it.
    let told = greeted(&mut desk, "a", &[(&room, Epoch::new(3, 7).0)]);
    assert!(told.iter().any(|it| matches!(it, Command::Close { .. })), "{told:?}");
}

#[test]
fn i1_i5_a_lost_room_that_is_heard_of_while_its_loss_is_written_down_is_not_placed_again() {
    let mut desk = Desk::open();
    let mut before = Desk::open();
    let mut room = stored(&mut before, json!({}), &[Feature::Restore]);
    // The next leader knows that its server has ended, and not yet that the leader before has placed it on "b".
    desk.on(Event::Fleet(fleet_name(), FleetView { has_store: true, ..fleet() }));
    for name in ["b", "c"] {
        desk.on(Event::Server(ServerView { is_controlled: true, ..server(name, "node-1") }));
    }
    let exit = ServerState::Ended(Exit { code: 1 });
    desk.on(Event::Server(ServerView { is_controlled: true, state: exit, ..server("a", "node-1") }));
    let commands = desk.room(&room);
    assert!(commands.iter().any(|it| matches!(it, Command::WriteStatus { .. })), "{commands:?}");
    let epoch = Epoch::new(3, 900).0;
    greeted_with(&mut desk, "b", &[(&room, epoch)], &[Feature::Restore]);
    greeted_with(&mut desk, "c", &[], &[Feature::Restore]);
    let uid = room.metadata.uid.clone().unwrap();
    let commands = desk.on(Event::RoomAnswer { uid, outcome: Outcome::Failed });
    assert_eq!(commands, [], "it is played on \"b\"");
    let commands = desk.after(Duration::from_secs(10));
    room.status = Some(written(&commands).clone());
    let status = room.status.unwrap();
    assert_eq!((status.server.unwrap().pod_name.as_str(), status.epoch), ("b", epoch));
}

/// A room that runs on the controlled server "a", in a fleet with a store.
fn stored(desk: &mut Desk, change: Value, features: &[Feature]) -> GameRoom {
    desk.on(Event::Fleet(fleet_name(), FleetView { has_store: true, ..fleet() }));
    greeted_with(desk, "a", &[], features);
    let mut room = room("duel", change);
    let commands = desk.room(&room);
    let [Command::Open { epoch, restore: None, .. }] = &commands[..] else { panic!("{commands:?}") };
    let tenancy = tenancy(&room, epoch.0);
    let opened = Opened { tenancy, ports: vec![], certificate_hashes: vec![] };
    let commands = link(desk, "a", LinkNews::Opened(opened));
    take_down(desk, &mut room, &commands);
    room
}

/// The status is as the ledger wants it.
fn take_down(desk: &mut Desk, room: &mut GameRoom, commands: &[Command]) {
    room.status = Some(written(commands).clone());
    desk.room(room);
    assert_eq!(desk.done(room), []);
}

/// Server "a" has crashed, and "b" is there.
fn crashed(desk: &mut Desk, features: &[Feature]) -> Vec<Command> {
    greeted_with(desk, "b", &[], features);
    let exit = ServerState::Ended(Exit { code: 1 });
    desk.on(Event::Server(ServerView { is_controlled: true, state: exit, ..server("a", "node-1") }))
}

#[test]
fn p4_i7_a_lost_room_goes_on_from_its_checkpoint_where_the_server_offers_that() {
    for (change, features, expected) in [
        (json!({}), &[Feature::Restore][..], true),
        (json!({}), &[][..], false),
        (json!({ "spec": { "recovery": "Restart" } }), &[Feature::Restore][..], false),
    ] {
        let mut desk = Desk::open();
        let room = stored(&mut desk, change.clone(), &[Feature::Restore]);
        let lost_epoch = room.status.as_ref().unwrap().epoch;
        let commands = crashed(&mut desk, features);
        let [Command::TellLoss { .. }, Command::Open { server, epoch, restore, .. }] = &commands[..] else {
            panic!("{commands:?}")
        };
        assert_eq!(server.pod_name, "b");
        assert!(lost_epoch < epoch.0);
        assert_eq!(
            *restore,
            expected.then_some(Restore {
                lost_epoch: 0,
                fence: false,
                ended_epoch: 0,
                owner_silent: Duration::ZERO
            }),
            "{change}"
        );
    }
}

#[test]
fn i7_whoever_may_still_write_checkpoints_is_waited_for() {
    let mut desk = Desk::open();
    let room = stored(&mut desk, json!({}), &[Feature::Restore]);
    greeted_with(&mut desk, "b", &[], &[Feature::Restore]);
    // The pod is gone, and nobody saw its process end: its node may be out of reach.
    let commands = desk.on(Event::ServerGone("uid-a".into()));
    assert!(matches!(&commands[..], [Command::AskForServer { .. }]), "{commands:?}");
    desk.on(Event::ServerAbsent { room_uid: room.metadata.uid.clone().unwrap(), server_uid: "uid-a".into() });
    let commands = desk.done(&room);
    let [Command::TellLoss { is_restored: true, .. }, Command::Open { restore, .. }] = &commands[..] else {
        panic!("{commands:?}")
    };
    assert_eq!(
        *restore,
        Some(Restore { lost_epoch: 0, fence: true, ended_epoch: 0, owner_silent: Duration::ZERO })
    );
}

#[test]
fn whoever_loses_a_server_is_told_whether_the_match_is_restored() {
    for (recovery, expected) in [("Restore", true), ("Restart", false)] {
        let mut desk = Desk::open();
        stored(&mut desk, json!({ "spec": { "recovery": recovery } }), &[Feature::Restore]);
        let commands = crashed(&mut desk, &[Feature::Restore]);
        let [Command::TellLoss { is_restored, .. }, ..] = &commands[..] else { panic!("{commands:?}") };
        assert_eq!(*is_restored, expected);
    }
}

#[test]
fn a_checkpoint_that_cannot_be_read_is_told_of_and_holds_up_no_other_room() {
    let mut desk = Desk::open();
    let mut lost = stored(&mut desk, json!({}), &[Feature::Restore]);
    let commands = crashed(&mut desk, &[Feature::Restore]);
    let Some(Command::Open { epoch, .. }) = commands.last() else { panic!("{commands:?}") };
    let refused = |epoch: &Epoch| {
        LinkNews::Refused(Refused {
            tenancy: tenancy(&lost, epoch.0),
            why: RefusedWhy::Checkpoint,
            current_epoch: 0,
            message: "schema 7 is not read".to_owned(),
        })
    };
    assert_eq!(link(&mut desk, "b", refused(epoch)), [], "it pauses");
    let other = room("other", json!({}));
    let commands = desk.room(&other);
    assert!(
        matches!(&commands[..], [Command::Open { server, .. }] if server.pod_name == "b"),
        "{commands:?}"
    );
    let commands = desk.after(Duration::from_secs(10));
    let status = written(&commands).clone();
    let (told, why, message) = condition(&status, PLACED);
    assert_eq!((told, why, status.phase), ("False", reason::RESTORE_FAILED, Phase::Recovering));
    assert!(message.contains("schema 7"), "{message}");
    // Told once, and tried again.
    lost.status = Some(status);
    desk.room(&lost);
    let commands = desk.done(&lost);
    let [.., Command::Open { epoch, restore: Some(_), .. }] = &commands[..] else { panic!("{commands:?}") };
    assert_eq!(link(&mut desk, "a", LinkNews::Lost), []);
    // It runs on "b"; when that is lost too, the trouble of the first time is not told again.
    let opened = Opened { tenancy: tenancy(&lost, epoch.0), ports: vec![], certificate_hashes: vec![] };
    let commands = link(&mut desk, "b", LinkNews::Opened(opened));
    take_down(&mut desk, &mut lost, &commands);
    greeted_with(&mut desk, "c", &[], &[Feature::Restore]);
    let exit = ServerState::Ended(Exit { code: 1 });
    let commands =
        desk.on(Event::Server(ServerView { is_controlled: true, state: exit, ..server("b", "node-1") }));
    assert!(matches!(&commands[..], [Command::TellLoss { .. }, Command::Open { .. }]), "{commands:?}");
}

#[test]
fn p1_i8_checkpoints_are_told_of_once_and_cost_a_write_in_thirty_seconds_at_most() {
    let mut desk = Desk::open();
    let mut room = stored(&mut desk, json!({}), &[Feature::Restore]);
    let told = |room: &GameRoom| {
        let status = room.status.clone().unwrap();
        let (status, reason, message) = condition(&status, CHECKPOINTED);
        (status.to_owned(), reason.to_owned(), message.to_owned())
    };
    assert_eq!(
        told(&room),
        ("Unknown".into(), reason::NO_CHECKPOINT_YET.into(), "the server has not saved the match yet".into())
    );
    let tenancy = tenancy(&room, room.status.as_ref().unwrap().epoch);
    let state = |tick| RoomState {
        tenancy: tenancy.clone(),
        phase: RoomPhase::Playing,
        players: 0,
        checkpoint_tick: NonZeroU64::new(tick),
        certificate_hashes: vec![],
    };
    // Right after its status was written, it waits; then one write tells of it, and later ticks are no news.
    assert_eq!(link(&mut desk, "a", LinkNews::State(state(30))), []);
    let commands = desk.after(Duration::from_secs(31));
    take_down(&mut desk, &mut room, &commands);
    assert_eq!(told(&room), ("True".into(), reason::CHECKPOINTED.into(), String::new()));
    for tick in 31..99 {
        assert_eq!(link(&mut desk, "a", LinkNews::State(state(tick))), []);
    }
    assert_eq!(desk.after(Duration::from_mins(10)), []);
    // The store is gone: the match goes on, and its status says so.
    let failed = |why: &str| LinkNews::CheckpointFailed(tenancy.clone(), why.to_owned());
    let commands = link(&mut desk, "a", failed("timed out"));
    take_down(&mut desk, &mut room, &commands);
    let message = "the store does not take checkpoints: timed out";
    assert_eq!(told(&room), ("False".into(), reason::STORE_FAILING.into(), message.into()));
    // The newest checkpoint is still the newest, which is no news; nor is a new stream, or a new leader.
    link(&mut desk, "a", LinkNews::State(state(99)));
    assert_eq!(desk.after(Duration::from_mins(1)), []);
    nothing_new(&mut desk, &room);
    nothing_new(&mut led_anew(&room), &room);
    // It comes back.
    let commands = link(&mut desk, "a", failed(""));
    take_down(&mut desk, &mut room, &commands);
    assert_eq!(told(&room).0, "True");
    nothing_new(&mut desk, &room);
    nothing_new(&mut led_anew(&room), &room);
}

/// A leader that finds the room in the API, and has heard no server yet.
fn led_anew(room: &GameRoom) -> Desk {
    let mut desk = Desk::open();
    desk.on(Event::Fleet(fleet_name(), FleetView { has_store: true, ..fleet() }));
    desk.room(room);
    desk
}

/// A stream on which a server says that it has the room, and nothing of checkpoints, changes nothing.
fn nothing_new(desk: &mut Desk, room: &GameRoom) {
    let epoch = room.status.as_ref().unwrap().epoch;
    assert_eq!(greeted_with(desk, "a", &[(room, epoch)], &[Feature::Restore]), []);
    assert_eq!(desk.after(Duration::from_mins(10)), []);
}

#[test]
fn servers_without_restore_say_so() {
    let mut desk = Desk::open();
    let room = stored(&mut desk, json!({}), &[]);
    assert_eq!(condition(room.status.as_ref().unwrap(), CHECKPOINTED).1, reason::NOT_OFFERED);
}
