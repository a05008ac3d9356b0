//! Rooms that may be on a server although nobody was told of it.

use super::*;
use crate::server::suspicion::Verdict;

const RESTORES: &[Feature] = &[Feature::Restore];

/// Where the room is opened, under which epoch, and whether its owner before is waited for.
fn opened(commands: &[Command]) -> Option<(&str, i64, bool)> {
    commands.iter().find_map(|it| match it {
        Command::Open { server, epoch, restore, .. } => {
            Some((server.pod_name.as_str(), epoch.0, restore.is_some_and(|it| it.fence)))
        }
        _ => None,
    })
}

fn closed(commands: &[Command]) -> Vec<String> {
    let close = |it: &Command| match it {
        Command::Close { server_uid, .. } => Some(server_uid.clone()),
        _ => None,
    };
    commands.iter().filter_map(close).collect()
}

fn ended(desk: &mut Desk, name: &str, node: &str) -> Vec<Command> {
    let state = ServerState::Ended(Exit { code: 1 });
    desk.on(Event::Server(ServerView { is_controlled: true, state, ..server(name, node) }))
}

/// Why a room does not come to be where it was sent.
#[derive(Clone, Copy)]
enum Why {
    LinkLost,
    Silent,
    Refused,
    Ended,
    Down,
}

#[test]
fn i1_whoever_was_sent_a_room_and_may_have_it_is_waited_for_and_nobody_else_is() {
    for (why, fence) in [
        (Why::LinkLost, true),
        (Why::Silent, true),
        (Why::Refused, false),
        (Why::Ended, false),
        (Why::Down, false),
    ] {
        let mut desk = Desk::open();
        let room = stored(&mut desk, json!({}), RESTORES);
        let commands = crashed(&mut desk, RESTORES);
        let Some(("b", epoch, false)) = opened(&commands) else { panic!("{commands:?}") };
        greeted_with(&mut desk, "c", &[], RESTORES);
        let lost =
            |desk: &mut Desk, verdict| desk.on(Event::ServerLost { server_uid: "uid-b".to_owned(), verdict });
        let commands = match why {
            Why::LinkLost => link(&mut desk, "b", LinkNews::Lost),
            Why::Silent => lost(&mut desk, Verdict::Presumed),
            Why::Down => lost(&mut desk, Verdict::Proven),
            Why::Ended => {
                let mut commands = ended(&mut desk, "b", "node-1");
                commands.extend(link(&mut desk, "b", LinkNews::Lost));
                commands
            }
            Why::Refused => {
                let refused = Refused {
                    tenancy: tenancy(&room, epoch),
                    why: RefusedWhy::Full,
                    current_epoch: 0,
                    message: String::new(),
                };
                link(&mut desk, "b", LinkNews::Refused(refused))
            }
        };
        let Some(("c", _, waits)) = opened(&commands) else { panic!("{commands:?}") };
        assert_eq!(waits, fence, "{commands:?}");
    }
}

#[test]
fn i1_a_refusal_of_one_open_says_nothing_of_another() {
    let mut desk = Desk::open();
    let room = stored(&mut desk, json!({}), RESTORES);
    let commands = crashed(&mut desk, RESTORES);
    let Some(("b", first, false)) = opened(&commands) else { panic!("{commands:?}") };
    greeted_with(&mut desk, "c", &[], RESTORES);
    let commands = link(&mut desk, "b", LinkNews::Lost);
    let Some(("c", ..)) = opened(&commands) else { panic!("{commands:?}") };
    greeted_with(&mut desk, "b", &[], RESTORES);
    // Late, of the first; the second is lost on the way.
    let refused = Refused {
        tenancy: tenancy(&room, first),
        why: RefusedWhy::Full,
        current_epoch: 0,
        message: String::new(),
    };
    link(&mut desk, "b", LinkNews::Refused(refused));
    let commands = link(&mut desk, "c", LinkNews::Lost);
    let Some(("b", _, waits)) = opened(&commands) else { panic!("{commands:?}") };
    assert!(waits, "server c may have it");
}

#[test]
fn i1_i5_a_leader_that_has_not_heard_all_waits_for_whom_an_earlier_one_may_have_sent_the_room() {
    for (is_heard, fence) in [(true, false), (false, true)] {
        let mut desk = Desk::open();
        let mut room = stored(&mut desk, json!({}), RESTORES);
        room.status.as_mut().unwrap().epoch = Epoch::new(2, 7).0;
        let mut desk = led_anew(&room);
        if is_heard {
            greeted_with(&mut desk, "b", &[], RESTORES);
        } else {
            desk.on(Event::Server(ServerView { is_controlled: true, ..server("b", "node-1") }));
        }
        greeted_with(&mut desk, "c", &[], RESTORES);
        ended(&mut desk, "a", "node-1");
        let mut commands = desk.done(&room);
        if !is_heard {
            take_down(&mut desk, &mut room, &commands);
            commands = desk.after(Duration::from_secs(2));
        }
        let Some((_, _, waits)) = opened(&commands) else { panic!("{commands:?}") };
        assert_eq!(waits, fence, "{commands:?}");
    }
}

/// A new leader finds the room published on "a", and an owner that nobody was told of on "b".
fn found_twice(published: &[Feature], later: &[Feature]) -> (Desk, GameRoom, Vec<Command>) {
    let mut desk = Desk::open();
    let room = stored(&mut desk, json!({}), RESTORES);
    let before = room.status.as_ref().unwrap().epoch;
    let mut desk = led_anew(&room);
    let mut commands = greeted_with(&mut desk, "a", &[(&room, before)], published);
    commands.extend(greeted_with(&mut desk, "b", &[(&room, Epoch::new(3, 9).0)], later));
    commands.extend(desk.done(&room));
    (desk, room, commands)
}

#[test]
fn i3_p6_a_later_owner_by_the_store_is_not_closed_although_the_published_one_answers() {
    let (mut desk, room, commands) = found_twice(RESTORES, RESTORES);
    assert_eq!(closed(&commands), [] as [String; 0], "a status that tells of it may be on its way");
    // The store has refused the earlier one, if it was asked for the later one.
    let before = room.status.as_ref().unwrap().epoch;
    let commands = link(&mut desk, "a", LinkNews::Closed(tenancy(&room, before)));
    let status = written(&commands);
    assert_eq!((status.server.as_ref().unwrap().pod_name.as_str(), status.epoch), ("b", Epoch::new(3, 9).0));
}

#[test]
fn i3_p6_whoever_is_published_and_lives_keeps_the_room_if_one_of_them_does_not_heed_the_store() {
    for (published, later) in [(&[][..], &[][..]), (RESTORES, &[]), (&[], RESTORES)] {
        let (_, _, commands) = found_twice(published, later);
        assert_eq!(closed(&commands), ["uid-b"]);
    }
}

#[test]
fn i7_a_room_does_not_go_back_to_a_server_that_has_what_is_left_of_it() {
    let mut desk = Desk::open();
    let mut room = stored(&mut desk, json!({}), RESTORES);
    greeted_with(&mut desk, "b", &[], RESTORES);
    let server_uid = "uid-a".to_owned();
    let commands = desk.on(Event::ServerLost { server_uid: server_uid.clone(), verdict: Verdict::Hang });
    let Some(("b", ..)) = opened(&commands) else { panic!("{commands:?}") };
    desk.on(Event::ServerBack { server_uid });
    let commands = link(&mut desk, "b", LinkNews::Lost);
    assert_eq!(opened(&commands), None, "it would go on from there, whatever the store has by now");
    assert_eq!(closed(&commands), [] as [String; 0], "its players were told that it is there");
    room.status = Some(written(&commands).clone());
    desk.room(&room);
    let commands = desk.done(&room);
    assert_eq!(closed(&commands), ["uid-a"]);
    assert_eq!(opened(&commands).map(|it| (it.0, it.2)), Some(("a", true)), "{commands:?}");
}
