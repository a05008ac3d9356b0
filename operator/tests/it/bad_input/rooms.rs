//! Rooms that ask for what is not there, and too many of them.

use std::{collections::BTreeMap, time::Duration};

use gamekeeper_crds::{
    conditions::{PLACED, reason},
    room::Phase,
};
use serde_json::json;
use tokio::time::sleep;

use crate::{
    checker::Checker,
    support::{NAMESPACE, Stage, ready_stage, uid},
};

#[tokio::test(start_paused = true)]
async fn a_room_waits_for_a_fleet_that_does_not_exist_yet_and_for_one_that_comes_back() {
    let stage = Stage::new(171);
    let _operator = stage.operator("operator-1");
    stage.create_room("duel", json!({})).await;
    let told = |why: &'static str| move |it: &Stage| it.room_condition("duel", PLACED).1 == why;
    stage.eventually("it is told", told(reason::NO_FLEET)).await;
    assert_eq!(stage.room_condition("duel", PLACED).2, "there is no GameFleet \"arena\" in this namespace");
    stage.assert_at_rest(Duration::from_mins(10)).await;
    stage.create_fleet("arena", json!({})).await;
    stage.eventually("it is played", |it| it.is_played("duel")).await;
    let epoch = stage.room("duel").unwrap().status.unwrap().epoch;

    stage.delete_fleet("arena").await;
    stage.eventually("it is told", told(reason::NO_FLEET)).await;
    assert_eq!(stage.phase("duel"), Some(Phase::Recovering));
    stage.create_fleet("arena", json!({})).await;
    stage.eventually("it is played again", |it| it.is_played("duel")).await;
    assert!(epoch < stage.room("duel").unwrap().status.unwrap().epoch);
}

#[tokio::test(start_paused = true)]
async fn a_room_is_not_placed_on_a_fleet_that_is_being_deleted() {
    let (stage, _operator) = ready_stage(172, 2).await;
    // Somebody's finalizer holds it.
    stage.api.edit("gamekeeper.dev", "gamefleets", NAMESPACE, "arena", |it| {
        it["metadata"]["finalizers"] = json!(["example.com/billing"]);
    });
    stage.delete_fleet("arena").await;
    stage.create_room("duel", json!({})).await;
    stage.eventually("it is told", |it| it.room_condition("duel", PLACED).1 == reason::FLEET_NOT_READY).await;
    assert!(stage.room_condition("duel", PLACED).2.contains("is being deleted"));
    stage.assert_at_rest(Duration::from_mins(5)).await;
    assert_eq!(stage.room("duel").unwrap().status.unwrap().epoch, 0);
}

#[tokio::test(start_paused = true)]
async fn a_selector_that_is_none_or_that_no_server_has_is_told_and_holds_up_nobody() {
    let (stage, _operator) = ready_stage(173, 2).await;
    let expression = json!([{ "key": "build", "operator": "Near", "values": ["1"] }]);
    stage
        .create_room(
            "bad",
            json!({ "spec": { "priority": 9, "serverSelector": { "matchExpressions": expression } } }),
        )
        .await;
    stage
        .create_room(
            "none",
            json!({ "spec": { "priority": 8, "serverSelector": { "matchLabels": { "build": "9" } } } }),
        )
        .await;
    stage.play("duel").await;
    stage
        .eventually("both are told", |it| {
            ["bad", "none"].iter().all(|room| it.room_condition(room, PLACED).1 == reason::NO_MATCHING_SERVER)
        })
        .await;
    assert!(stage.room_condition("bad", PLACED).2.contains("not a valid label selector"));
    let message = stage.room_condition("none", PLACED).2;
    assert_eq!(message, "0 of 2 servers fit: 2 without the labels that serverSelector asks for");
    stage.assert_at_rest(Duration::from_mins(5)).await;
    let label = json!({ "spec": { "template": { "metadata": { "labels": { "build": "9" } } } } });
    stage.patch_fleet("arena", label).await;
    stage.eventually("the one is played", |it| it.is_played("none")).await;
    stage.delete_room("bad").await;
    assert!(stage.is_played("duel"));
}

#[tokio::test(start_paused = true)]
async fn p2_a_room_that_is_deleted_or_made_again_at_any_moment_of_its_claim_leaves_no_trace() {
    let (stage, _operator) = ready_stage(174, 2).await;
    stage.api.set_faults(gamekeeper_testkit::Faults {
        delay: Duration::from_millis(10)..Duration::from_millis(30),
        watch_lag: Duration::from_millis(0)..Duration::from_millis(30),
        ..gamekeeper_testkit::Faults::default()
    });
    let checker = Checker::start(&stage.api);
    for moment in 0..30 {
        let first = stage.create_room("duel", json!({})).await;
        sleep(Duration::from_millis(5 * moment)).await;
        // Who deletes a room ends its match.
        stage.server_of("duel").iter().for_each(|it| checker.excuse(it));
        stage.delete_room("duel").await;
        if moment % 2 == 0 {
            let second = stage.create_room("duel", json!({})).await;
            assert_ne!(uid(&first), uid(&second));
            stage.eventually("the second of its name is played", |it| it.is_played("duel")).await;
            stage.server_of("duel").iter().for_each(|it| checker.excuse(it));
            stage.delete_room("duel").await;
        }
        stage
            .eventually("all servers are free", |it| {
                let rooms = it.fleet("arena").unwrap().status.unwrap().rooms;
                it.ready("arena") == 2 && it.pods().len() == 2 && rooms.free == 2 && rooms.running == 0
            })
            .await;
    }
    checker.assert_kept(&stage.picture());
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_rooms_for_two_servers_are_told_once_and_served_by_priority_and_age() {
    const ROOMS: usize = 10_000;
    let stage = Stage::new(175);
    // The oldest of the highest priority have names in no order.
    let turn = |index: usize| (index * 7919) % ROOMS;
    for index in 0..ROOMS {
        let seconds = turn(index);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        stage.api.insert(json!({
            "apiVersion": "gamekeeper.dev/v1alpha1", "kind": "GameRoom",
            "metadata": {
                "name": format!("room-{index}"), "namespace": NAMESPACE, "generation": 1,
                "creationTimestamp": format!("2025-12-31T{hour:02}:{minute:02}:{second:02}Z"),
            },
            "spec": { "fleetName": "arena", "priority": 0, "ttlSecondsAfterFinished": 100_000 },
        }));
    }
    stage.create_fleet("arena", json!({ "spec": { "replicas": 2 } })).await;
    let _operator = stage.operator("operator-1");
    let room_of_turn: BTreeMap<usize, String> =
        (0..ROOMS).map(|it| (turn(it), format!("room-{it}"))).collect();
    stage
        .eventually("the two oldest are played", |it| (0..2).all(|turn| it.is_played(&room_of_turn[&turn])))
        .await;
    let waits = |it: &Stage| {
        let rooms = it.api.view("gamekeeper.dev", "gamerooms");
        rooms.iter().filter(|it| it["status"]["conditions"][0]["reason"] == reason::NO_CAPACITY).count()
    };
    let all_wait = |it: &Stage| it.fleet("arena").unwrap().status.unwrap().rooms.pending == 9998;
    stage.eventually("the fleet counts who waits", all_wait).await;
    stage.within(Duration::from_mins(5), "all others are told", |it| waits(it) == ROOMS - 2).await;
    for turn in 2..5 {
        let server = stage.server_of(&room_of_turn[&(turn - 2)]).unwrap();
        assert!(stage.cluster.exit(NAMESPACE, &server, 0));
        stage.eventually("the next is played", |it| it.is_played(&room_of_turn[&turn])).await;
    }
    let urgent = json!({ "spec": { "priority": 5 } });
    stage.create_room("urgent", urgent).await;
    assert!(stage.cluster.exit(NAMESPACE, &stage.server_of(&room_of_turn[&3]).unwrap(), 0));
    stage.eventually("the urgent one goes first", |it| it.is_played("urgent")).await;
    sleep(Duration::from_mins(2)).await;
    let mut writes: BTreeMap<String, usize> = BTreeMap::new();
    for write in stage.api.writes_since(0) {
        if write.resource == "gamerooms/status" {
            *writes.entry(write.name).or_default() += 1;
        }
    }
    let most = writes.iter().filter(|(name, _)| waits_still(&stage, name)).map(|(_, count)| *count).max();
    assert_eq!(most, Some(1), "a room that waits is told once");
}

fn waits_still(stage: &Stage, room: &str) -> bool {
    stage.phase(room) == Some(Phase::Pending)
}
