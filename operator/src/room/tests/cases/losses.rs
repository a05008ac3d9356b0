//! Servers that are lost although their pods stand.

use super::*;
use crate::{room::status::How, server::suspicion::Verdict};

fn lost(desk: &mut Desk, name: &str, verdict: Verdict) -> Vec<Command> {
    desk.on(Event::ServerLost { server_uid: format!("uid-{name}"), verdict })
}

fn back(desk: &mut Desk, name: &str) -> Vec<Command> {
    desk.on(Event::ServerBack { server_uid: format!("uid-{name}") })
}

fn closed(commands: &[Command]) -> Vec<(&str, CloseWhy)> {
    let close = |it: &'_ Command| match it {
        Command::Close { server_uid, why, .. } => Some((&*server_uid.clone().leak(), *why)),
        _ => None,
    };
    commands.iter().filter_map(close).collect()
}

#[test]
fn i6_i7_every_verdict_says_how_and_only_a_proof_needs_no_fence() {
    for (verdict, how, fence) in [
        (Verdict::Proven, How::Refused, false),
        (Verdict::Hang, How::Hung, true),
        (Verdict::Presumed, How::Silent, true),
    ] {
        let mut desk = Desk::open();
        stored(&mut desk, json!({}), &[Feature::Restore]);
        greeted_with(&mut desk, "b", &[], &[Feature::Restore]);
        let commands = lost(&mut desk, "a", verdict);
        let [Command::TellLoss { loss, .. }, Command::Open { server, restore, .. }] = &commands[..] else {
            panic!("{commands:?}")
        };
        assert_eq!((loss.how, server.pod_name.as_str()), (how, "b"));
        assert_eq!(
            *restore,
            Some(Restore { lost_epoch: 0, fence, ended_epoch: 0, owner_silent: Duration::ZERO })
        );
        assert!(!desk.ledger.is_busy("uid-a") || desk.ledger.is_published_on("uid-a"));
    }
}

/// Without what servers are told of each other.
fn of_rooms(mut commands: Vec<Command>) -> Vec<Command> {
    commands.retain(|it| !matches!(it, Command::TellFallbacks { .. }));
    commands
}

#[test]
fn i7_without_a_store_or_a_server_that_heeds_it_only_a_proven_loss_is_recovered() {
    for recovery in ["Restore", "Restart", "Fail"] {
        for (has_store, features) in [(false, &[Feature::Restore][..]), (true, &[])] {
            let mut desk = Desk::open();
            stored(&mut desk, json!({ "spec": { "recovery": recovery } }), features);
            desk.on(Event::Fleet(fleet_name(), FleetView { has_store, ..fleet() }));
            greeted_with(&mut desk, "b", &[], features);
            for verdict in [Verdict::Hang, Verdict::Presumed] {
                assert_eq!(of_rooms(lost(&mut desk, "a", verdict)), [], "{verdict:?}");
                assert_eq!(of_rooms(desk.after(Duration::from_secs(3))), []);
            }
            // Its link breaks too, which changes nothing.
            assert_eq!(of_rooms(link(&mut desk, "a", LinkNews::Lost)), []);
            assert!(desk.ledger.is_busy("uid-a"));
            assert_ne!(lost(&mut desk, "a", Verdict::Proven), []);
        }
    }
}

#[test]
fn i5_i7_of_a_server_that_was_never_heard_others_of_its_build_tell_what_it_heeds() {
    for (features, expected) in [(&[Feature::Restore][..], true), (&[], false)] {
        let mut desk = Desk::open();
        let room = stored(&mut desk, json!({}), features);
        let mut desk = led_anew(&room);
        desk.on(Event::Server(ServerView { is_controlled: true, ..server("a", "node-1") }));
        greeted_with(&mut desk, "b", &[], features);
        desk.after(Duration::from_secs(2));
        desk.done(&room);
        let commands = lost(&mut desk, "a", Verdict::Presumed);
        assert_eq!(commands.iter().any(|it| matches!(it, Command::Open { .. })), expected, "{commands:?}");
    }
}

#[test]
fn i7_a_room_that_waits_goes_back_to_its_server_when_that_is_heard_again() {
    let mut desk = Desk::open();
    let mut room = stored(&mut desk, json!({}), &[Feature::Restore]);
    let commands = lost(&mut desk, "a", Verdict::Hang);
    let waiting = written(&commands).clone();
    assert_eq!((waiting.phase, waiting.epoch), (Phase::Recovering, room.status.as_ref().unwrap().epoch));
    room.status = Some(waiting);
    desk.room(&room);
    let commands = desk.done(&room);
    assert_eq!(closed(&commands), [], "it may come back");
    assert!(!desk.ledger.is_busy("uid-a"), "I9: nobody counts on it");
    let commands = back(&mut desk, "a");
    assert_eq!(written(&commands).phase, Phase::Running);
    take_down(&mut desk, &mut room, &commands);
    // Its next loss is told again.
    let commands = lost(&mut desk, "a", Verdict::Hang);
    assert!(matches!(commands[0], Command::TellLoss { .. }), "{commands:?}");
}

#[test]
fn i7_a_room_that_was_sent_elsewhere_is_not_its_old_servers_any_more() {
    let mut desk = Desk::open();
    let mut room = stored(&mut desk, json!({}), &[Feature::Restore]);
    greeted_with(&mut desk, "b", &[], &[Feature::Restore]);
    let commands = lost(&mut desk, "a", Verdict::Hang);
    let Some(Command::Open { epoch, .. }) = commands.last() else { panic!("{commands:?}") };
    // It is heard again before the other has opened the room, which may have the store's word already.
    assert_eq!(back(&mut desk, "a"), []);
    let opened = Opened { tenancy: tenancy(&room, epoch.0), ports: vec![], certificate_hashes: vec![] };
    let commands = link(&mut desk, "b", LinkNews::Opened(opened));
    assert_eq!(written(&commands).server.as_ref().unwrap().pod_name, "b");
    assert_eq!(closed(&commands), [], "not before the other is published");
    room.status = Some(written(&commands).clone());
    let mut commands = desk.room(&room);
    commands.extend(desk.done(&room));
    assert_eq!(closed(&commands), [("uid-a", CloseWhy::Superseded)]);
}

#[test]
fn i7_of_two_owners_of_a_room_that_is_being_recovered_the_later_one_keeps_it() {
    let mut desk = Desk::open();
    let mut room = stored(&mut desk, json!({}), &[Feature::Restore]);
    room.status = Some(written(&lost(&mut desk, "a", Verdict::Hang)).clone());
    // A new leader finds both.
    let (before, later) = (room.status.as_ref().unwrap().epoch, Epoch::new(3, 9).0);
    let mut desk = led_anew(&room);
    greeted_with(&mut desk, "b", &[(&room, later)], &[Feature::Restore]);
    let commands = greeted_with(&mut desk, "a", &[(&room, before)], &[Feature::Restore]);
    assert_eq!(closed(&commands), []);
    let commands = desk.done(&room);
    assert_eq!(written(&commands).server.as_ref().unwrap().pod_name, "b");
}

#[test]
fn i6_rooms_on_their_way_to_a_lost_server_go_elsewhere_at_once() {
    let mut desk = Desk::open();
    greeted_with(&mut desk, "a", &[], &[Feature::Restore]);
    let commands = desk.room(&room("duel", json!({})));
    assert!(matches!(&commands[..], [Command::Open { .. }]), "{commands:?}");
    greeted_with(&mut desk, "b", &[], &[Feature::Restore]);
    let commands = lost(&mut desk, "a", Verdict::Presumed);
    assert!(
        matches!(&commands[..], [Command::Open { server, .. }] if server.pod_name == "b"),
        "{commands:?}"
    );
}

#[test]
fn i6_witnesses_are_well_offer_it_and_are_on_other_nodes() {
    let mut desk = Desk::open();
    for (name, node, features) in [
        ("a", "node-1", &[Feature::Witness][..]),
        ("b", "node-2", &[Feature::Witness]),
        ("c", "node-2", &[Feature::Witness]),
        ("d", "node-3", &[]),
        ("e", "node-4", &[Feature::Witness]),
    ] {
        greeted_with(&mut desk, name, &[], features);
        desk.on(Event::Server(ServerView { is_controlled: true, ..server(name, node) }));
    }
    let witnesses = |desk: &Desk| {
        let mut nodes: Vec<String> = desk.ledger.witnesses("node-1");
        nodes.sort();
        nodes
    };
    let found = witnesses(&desk);
    assert!(found.len() == 2 && found[1] == "uid-e" && found[0] != "uid-a", "{found:?}");
    lost(&mut desk, "e", Verdict::Hang);
    link(&mut desk, "b", LinkNews::Lost);
    assert_eq!(witnesses(&desk), ["uid-c"]);
}
