use serde_json::{Value, json};

use super::*;

/// A room on a server, written as the number `revision`; `boot` is empty on plain servers.
fn room(name: &str, epoch: i64, server: &str, boot: &str, revision: u64) -> Event<GameRoom> {
    let mut place = json!({ "podName": server, "podUID": server });
    if !boot.is_empty() {
        place["bootID"] = json!(boot);
    }
    with_status(name, revision, &json!({ "phase": "Running", "epoch": epoch, "server": place }))
}

fn with_status(name: &str, revision: u64, status: &Value) -> Event<GameRoom> {
    let room = json!({
        "apiVersion": "gamekeeper.dev/v1alpha1", "kind": "GameRoom",
        "metadata": { "name": name, "uid": format!("uid of {name}"), "resourceVersion": revision.to_string() },
        "spec": { "fleetName": "arena" },
        "status": status,
    });
    Event::Apply(serde_json::from_value(room).unwrap())
}

fn plain(name: &str, epoch: i64, server: &str) -> Event<GameRoom> {
    room(name, epoch, server, "", 1)
}

fn over(name: &str, revision: u64) -> Event<GameRoom> {
    with_status(name, revision, &json!({ "phase": "Finished", "epoch": 1 }))
}

fn told_to_end(server: &str, state: &str, revision: u64) -> Event<Pod> {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": server, "uid": server, "resourceVersion": revision.to_string(),
            "deletionTimestamp": "2026-01-01T00:00:00Z",
        },
        "status": { "containerStatuses": [{
            "name": "server", "image": "", "imageID": "", "ready": true, "restartCount": 0,
            "state": { state: if state == "running" { json!({}) } else { json!({ "exitCode": 0 }) } },
        }] },
    });
    Event::Apply(serde_json::from_value(pod).unwrap())
}

fn of_two_rooms_each() -> Event<GameFleet> {
    let fleet = json!({
        "apiVersion": "gamekeeper.dev/v1alpha1", "kind": "GameFleet", "metadata": { "name": "arena" },
        "spec": { "admission": "Open", "ports": [], "control": {}, "rooms": { "maxPerServer": 2 }, "template": {} },
    });
    Event::Apply(serde_json::from_value(fleet).unwrap())
}

fn book(rooms: Vec<Event<GameRoom>>, pods: Vec<Event<Pod>>) -> Book {
    let (mut book, now) = (Book::default(), Instant::now());
    book.see_fleet(of_two_rooms_each(), now);
    pods.into_iter().for_each(|it| book.see_pod(it, now));
    rooms.into_iter().for_each(|it| book.see_room(it, now));
    book
}

fn verdict(rooms: Vec<Event<GameRoom>>, pods: Vec<Event<Pod>>) -> Result<Tally> {
    book(rooms, pods).verdict()
}

#[test]
fn a_room_may_go_to_another_server_under_a_higher_epoch_only() {
    let tally = verdict(vec![plain("duel", 1, "a"), plain("duel", 1, "a"), plain("duel", 2, "b")], vec![]);
    assert_eq!(tally.unwrap().servers, 2);
    assert!(verdict(vec![plain("duel", 2, "a"), plain("duel", 2, "b")], vec![]).is_err());
    assert!(verdict(vec![plain("duel", 2, "a"), plain("duel", 1, "a")], vec![]).is_err());
    assert!(verdict(vec![plain("duel", 1, "a"), plain("duel", 2, "a")], vec![]).is_err());
}

#[test]
fn a_plain_server_has_one_room_in_its_life() {
    assert!(verdict(vec![plain("duel", 1, "a"), plain("final", 2, "a")], vec![]).is_err());
    assert!(verdict(vec![plain("duel", 1, "a"), over("duel", 2), plain("final", 2, "a")], vec![]).is_err());
}

#[test]
fn another_process_in_the_same_pod_is_another_server() {
    verdict(vec![room("duel", 1, "a", "x", 1), room("duel", 2, "a", "x", 2)], vec![]).unwrap();
    assert!(verdict(vec![room("duel", 1, "a", "x", 1), room("duel", 1, "a", "y", 2)], vec![]).is_err());
}

#[test]
fn a_server_has_no_more_rooms_at_a_time_than_its_fleet_allows() {
    let three = || vec![room("a", 1, "s", "x", 1), room("b", 2, "s", "x", 2), room("c", 3, "s", "x", 4)];
    assert!(verdict(three(), vec![]).is_err());
    let mut one_over = three();
    one_over.insert(2, over("a", 3));
    assert_eq!(verdict(one_over, vec![]).unwrap().servers, 1);
}

#[test]
fn a_server_with_a_match_is_not_told_to_end_unless_its_room_is_deleted() {
    let Event::Apply(mut duel) = plain("duel", 1, "a") else { unreachable!() };
    let running = || vec![told_to_end("a", "running", 5)];
    assert!(verdict(vec![plain("duel", 1, "a")], running()).is_err());
    verdict(vec![plain("duel", 1, "a")], vec![told_to_end("a", "terminated", 5)]).unwrap();
    duel.metadata.resource_version = Some("4".to_owned());
    verdict(vec![plain("duel", 1, "a"), Event::Delete(duel)], running()).unwrap();
    verdict(vec![plain("duel", 1, "a")], vec![told_to_end("b", "running", 5)]).unwrap();
}

#[test]
fn a_server_may_be_told_to_end_after_the_last_of_its_matches_and_not_before() {
    let told = || vec![told_to_end("a", "running", 5)];
    let two = |over_at| {
        vec![
            room("duel", 1, "a", "x", 1),
            room("final", 2, "a", "x", 2),
            over("duel", 3),
            over("final", over_at),
        ]
    };
    verdict(two(4), told()).unwrap();
    assert!(verdict(two(6), told()).is_err());
}

#[test]
fn a_server_that_we_have_hit_may_be_told_to_end_at_any_time() {
    let mut book = book(vec![room("duel", 1, "a", "x", 1)], vec![told_to_end("a", "running", 5)]);
    assert!(book.verdict().is_err());
    book.hit("a", Instant::now());
    book.verdict().unwrap();
}

#[test]
fn a_tenancy_that_was_written_off_too_early_goes_on() {
    let recovering = || with_status("duel", 2, &json!({ "phase": "Recovering", "epoch": 1 }));
    let found = book(vec![room("duel", 1, "a", "x", 1), recovering(), room("duel", 1, "a", "x", 3)], vec![]);
    let tenancies = found.tenancies("duel");
    assert!(tenancies.len() == 1 && tenancies[0].ended.is_none(), "{tenancies:?}");
    let lost = book(vec![room("duel", 1, "a", "x", 1), recovering()], vec![]).tenancies("duel");
    assert!(lost[0].ended.is_some());
}
