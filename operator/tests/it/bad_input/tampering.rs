//! Hands in what is the operator's, and a clock that jumps.

use std::time::Duration;

use gamekeeper_crds::{
    conditions::{PROGRESSING, reason},
    labels,
    room::Phase,
};
use gamekeeper_operator::clock::Clock;
use gamekeeper_testkit::{ClientOptions, sim::ClusterOptions};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    checker::Checker,
    support::{NAMESPACE, Running, Stage, name, ready_stage},
};

#[tokio::test(start_paused = true)]
async fn a_fleet_is_scaled_to_nothing_and_back_and_a_match_outlives_both() {
    let (stage, _operator) = ready_stage(181, 4).await;
    let checker = Checker::start(&stage.api);
    let server = stage.play("duel").await;
    stage.patch_fleet("arena", json!({ "spec": { "replicas": 0 } })).await;
    stage.eventually("only the match is left", |it| it.pods().len() == 1).await;
    stage.create_room("late", json!({})).await;
    stage.assert_waits("late", "0 of 1 servers fit: 1 full").await;
    checker.excuse(&server);
    stage.cluster.exit(NAMESPACE, &server, 0);
    stage.eventually("nothing is left", |it| it.pods().is_empty()).await;
    stage
        .eventually("that is what was wanted", |it| {
            it.fleet_condition("arena", PROGRESSING).1 == reason::COMPLETE
        })
        .await;
    stage.patch_fleet("arena", json!({ "spec": { "replicas": 3 } })).await;
    stage.eventually("it is back", |it| it.ready("arena") == 3 && it.is_played("late")).await;
    checker.assert_kept(&stage.picture());
}

#[tokio::test(start_paused = true)]
async fn p2_a_fleet_that_is_made_again_while_its_old_pods_are_ending_gets_servers_of_its_own() {
    let slow = Duration::from_secs(20)..Duration::from_secs(25);
    let stage = Stage::with(182, ClusterOptions { stop: slow, ..ClusterOptions::default() });
    let _operator = stage.operator("operator-1");
    stage.create_fleet("arena", json!({})).await;
    stage.eventually("all servers are ready", |it| it.ready("arena") == 3).await;
    let checker = Checker::start(&stage.api);
    let old: Vec<String> = stage.pods().iter().map(|it| name(it).to_owned()).collect();
    checker.excuse(&stage.play("duel").await);
    stage.delete_fleet("arena").await;
    stage.create_fleet("arena", json!({})).await;
    stage.within(Duration::from_secs(10), "it has servers of its own", |it| it.ready("arena") == 3).await;
    assert_eq!(stage.pods().len(), 6, "the old ones are still ending");
    stage.create_room("late", json!({})).await;
    stage.eventually("it is played", |it| it.is_played("late")).await;
    assert!(!old.contains(&stage.server_of("late").unwrap()), "on a server of the old fleet");
    let is_new = |it: &Stage| it.is_played("duel") && !old.contains(&it.server_of("duel").unwrap());
    stage.eventually("the match of the old fleet begins afresh", is_new).await;
    stage.eventually("the old ones are gone", |it| it.pods().len() == 3).await;
    sleep(Duration::from_secs(5)).await;
    stage.assert_at_rest(Duration::from_mins(5)).await;
    checker.assert_kept(&stage.picture());
}

async fn edit_pod(stage: &Stage, pod: &str, change: impl FnOnce(&mut Value)) {
    assert!(stage.api.edit("", "pods", NAMESPACE, pod, change));
    sleep(Duration::from_secs(5)).await;
}

fn remove(pod: &mut Value, field: &str, prefix: &str) {
    if let Some(map) = pod["metadata"][field].as_object_mut() {
        map.retain(|key, _| !key.starts_with(prefix));
    }
}

#[tokio::test(start_paused = true)]
async fn a_free_server_whose_labels_are_removed_is_replaced_and_left_to_who_removed_them() {
    let (stage, _operator) = ready_stage(183, 3).await;
    let pod = name(&stage.pods()[0]).to_owned();
    edit_pod(&stage, &pod, |it| remove(it, "labels", "gamekeeper.dev/")).await;
    stage.eventually("it is replaced", |it| it.ready("arena") == 3 && it.pods().len() == 4).await;
    assert!(
        stage.cluster.running().iter().any(|it| it.name == pod),
        "as with a ReplicaSet: it is theirs now"
    );
    for room in ["a", "b", "c"] {
        assert_ne!(stage.play(room).await, pod);
    }
    sleep(Duration::from_secs(5)).await;
    stage.assert_at_rest(Duration::from_mins(5)).await;
    stage.delete_fleet("arena").await;
    stage.eventually("it goes with its fleet all the same", |it| it.pods().is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn p2_a_match_whose_pod_loses_labels_or_annotations_is_played_on_one_server_in_the_end() {
    for (field, prefix) in
        [("labels", "gamekeeper.dev/"), ("annotations", labels::ROOM), ("annotations", labels::EPOCH)]
    {
        let (stage, _operator) = ready_stage(184, 3).await;
        let server = stage.play("duel").await;
        stage.play("other").await;
        edit_pod(&stage, &server, |it| remove(it, field, prefix)).await;
        stage.eventually("the rooms are played", |it| it.is_played("duel") && it.is_played("other")).await;
        let stays = stage.server_of("duel") == Some(server);
        assert_eq!(stays, field == "annotations", "a claim is written again, a pod without labels is lost");
        let rooms = ["duel", "other"].map(|it| stage.server_of(it).unwrap());
        assert_ne!(rooms[0], rooms[1], "{field} {prefix}");
        stage.eventually("the fleet is whole", |it| it.ready("arena") == 3).await;
        stage.play("late").await;
        sleep(Duration::from_secs(5)).await;
        stage.assert_at_rest(Duration::from_mins(2)).await;
    }
}

fn with_clock(stage: &Stage, name: &str, hours: i64) -> Running {
    let clock = Clock::simulated(stage.api.now() + SignedDuration::from_hours(hours));
    let options = ClientOptions::faulty(name);
    stage.operator_at(&options, "default=7000-7099", "gamekeeper-operator", clock)
}

#[tokio::test(start_paused = true)]
async fn i2_a_clock_that_jumps_ends_no_lease_and_no_match() {
    let (stage, first) = ready_stage(185, 3).await;
    let checker = Checker::start(&stage.api);
    let server = stage.play("duel").await;
    let mut leader = first;
    for (round, hours) in [30, -30, 0, -3000, 3000].into_iter().enumerate() {
        let candidate = with_clock(&stage, &format!("operator-{}", round + 2), hours);
        let mark = stage.api.mark();
        sleep(Duration::from_secs(30)).await;
        let taken = stage.api.writes_since(mark).iter().any(|it| it.client == candidate.name());
        assert!(!taken, "a candidate whose clock is {hours} h off took the lead from who has it");
        leader.kill();
        stage
            .within(Duration::from_secs(6), "it leads when it may", |it| {
                it.api.writes_since(mark).iter().any(|it| it.client == candidate.name())
            })
            .await;
        stage.play(&format!("room-{hours}")).await;
        stage.delete_room(&format!("room-{hours}")).await;
        checker.excuse(&stage.server_of("duel").filter(|it| *it != server).unwrap_or_default());
        stage.eventually("its server is replaced", |it| it.pods().len() == 3 && it.ready("arena") == 3).await;
        assert_eq!(stage.server_of("duel").as_ref(), Some(&server));
        leader = candidate;
    }
    checker.assert_kept(&stage.picture());
}

#[tokio::test(start_paused = true)]
async fn rooms_that_are_over_outlive_a_clock_that_was_set_back_by_no_more_than_their_time() {
    let (stage, operator) = ready_stage(186, 3).await;
    let ttl = json!({ "spec": { "ttlSecondsAfterFinished": 600 } });
    for room in ["a", "b"] {
        stage.create_room(room, ttl.clone()).await;
        stage.eventually("it is played", |it| it.is_played(room)).await;
        stage.cluster.exit(NAMESPACE, &stage.server_of(room).unwrap(), 0);
        stage.eventually("it is over", |it| it.phase(room) == Some(Phase::Finished)).await;
        sleep(Duration::from_mins(3)).await;
    }
    operator.kill();
    // By this clock they will be over only the day after tomorrow.
    let _operator = with_clock(&stage, "operator-2", -48);
    sleep(Duration::from_mins(9)).await;
    assert!(stage.room("a").is_some() && stage.room("b").is_some(), "not too soon");
    sleep(Duration::from_mins(2)).await;
    assert!(stage.room("a").is_none() && stage.room("b").is_none(), "and not never");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_set_forward_deletes_only_rooms_that_are_over_by_it() {
    let (stage, operator) = ready_stage(187, 4).await;
    for (room, ttl) in [("short", 600), ("long", 7200)] {
        stage.create_room(room, json!({ "spec": { "ttlSecondsAfterFinished": ttl } })).await;
        stage.eventually("it is played", |it| it.is_played(room)).await;
        stage.cluster.exit(NAMESPACE, &stage.server_of(room).unwrap(), 0);
        stage.eventually("it is over", |it| it.phase(room) == Some(Phase::Finished)).await;
    }
    let server = stage.play("lasting").await;
    operator.kill();
    let _operator = with_clock(&stage, "operator-2", 1);
    sleep(Duration::from_secs(30)).await;
    // An hour is more than ten minutes and less than two hours: there is no other clock to ask.
    assert!(stage.room("short").is_none() && stage.room("long").is_some());
    let spec = json!({ "spec": { "ttlSecondsAfterFinished": 600 } });
    stage.create_room("next", spec).await;
    stage.eventually("it is played", |it| it.is_played("next")).await;
    stage.cluster.exit(NAMESPACE, &stage.server_of("next").unwrap(), 0);
    stage.eventually("it is over", |it| it.phase("next") == Some(Phase::Finished)).await;
    sleep(Duration::from_mins(9)).await;
    assert!(stage.room("next").is_some(), "who is seen to end is kept for its time, whatever the clock says");
    assert_eq!(stage.server_of("lasting"), Some(server));
    sleep(Duration::from_mins(2)).await;
    assert!(stage.room("next").is_none());
}
