//! What users do with fleets of controlled servers.

use std::{collections::BTreeSet, time::Duration};

use gamekeeper_crds::{
    conditions::{FINISHED, reason},
    labels,
    room::Phase,
};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::{Running, Stage};

/// A fleet of controlled servers that are ready.
pub(super) async fn ready_stage(seed: u64, change: Value) -> (Stage, Running) {
    let stage = Stage::new(seed);
    let operator = stage.operator("operator-1");
    create_fleet(&stage, change).await;
    stage.eventually("all servers are ready", |it| it.ready("arena") == wanted(it)).await;
    (stage, operator)
}

pub(super) async fn create_fleet(stage: &Stage, change: Value) {
    let mut fleet = json!({ "spec": { "replicas": 2, "control": { "port": 9600 } } });
    json_patch::merge(&mut fleet, &change);
    stage.create_fleet("arena", fleet).await;
}

fn wanted(stage: &Stage) -> i32 {
    stage.fleet("arena").unwrap().spec.replicas
}

/// The room is published where it is.
pub(super) fn is_hosted(stage: &Stage, room: &str) -> bool {
    let Some(status) = stage.room(room).and_then(|it| it.status) else { return false };
    let Some(server) = status.server.filter(|_| status.phase == Phase::Running) else { return false };
    let rooms = stage.servers.rooms_of(&server.pod_name);
    rooms.iter().any(|it| it.name == room && it.epoch == status.epoch)
}

pub(super) async fn host(stage: &Stage, room: &str) -> String {
    stage.create_room(room, json!({})).await;
    stage.eventually("the room is hosted", |it| is_hosted(it, room)).await;
    stage.server_of(room).unwrap()
}

#[tokio::test(start_paused = true)]
async fn p1_many_rooms_go_to_one_server_and_cost_one_status_write_each() {
    let (stage, _operator) = ready_stage(601, json!({})).await;
    let mark = stage.api.mark();
    let mut servers = BTreeSet::new();
    for room in ["a", "b", "c", "d", "e"] {
        servers.insert(host(&stage, room).await);
    }
    assert_eq!(servers.len(), 2, "four fit on the first, packed");
    sleep(Duration::from_secs(5)).await;
    let writes = stage.api.writes_since(mark);
    let of_rooms =
        writes.iter().filter(|it| it.resource == "gamerooms/status" && it.client == "operator-1").count();
    let of_pods = writes.iter().filter(|it| it.resource == "pods" && it.client == "operator-1").count();
    assert_eq!((of_rooms, of_pods), (5, 0), "{writes:#?}");
    let boots: BTreeSet<_> =
        ["a", "e"].iter().map(|it| stage.room(it).unwrap().status.unwrap().server.unwrap().boot_id).collect();
    assert_eq!(boots.len(), 2);
    stage.assert_at_rest(Duration::from_secs(10)).await;
}

#[tokio::test(start_paused = true)]
async fn p2_a_server_hosts_no_more_rooms_than_the_fleet_allows() {
    let (stage, _operator) =
        ready_stage(602, json!({ "spec": { "replicas": 1, "rooms": { "maxPerServer": 2 } } })).await;
    host(&stage, "a").await;
    host(&stage, "b").await;
    stage.create_room("c", json!({})).await;
    stage.assert_waits("c", "0 of 1 servers fit: 1 full").await;
    stage.servers.finish("a", "p3");
    stage.eventually("the place is free again", |it| is_hosted(it, "c")).await;
}

#[tokio::test(start_paused = true)]
async fn a_match_ends_with_its_result_and_its_place_is_free() {
    let (stage, _operator) = ready_stage(603, json!({})).await;
    let server = host(&stage, "duel").await;
    stage.servers.join("duel", 3);
    stage.servers.finish("duel", "p3");
    stage.eventually("it is finished", |it| it.phase("duel") == Some(Phase::Finished)).await;
    let status = stage.room("duel").unwrap().status.unwrap();
    assert_eq!(status.result["winner"], "p3");
    assert_eq!(stage.room_condition("duel", FINISHED).1, reason::COMPLETED);
    stage.eventually("it was closed", |it| it.servers.all_rooms().is_empty()).await;
    stage
        .within(Duration::from_mins(3), "it is deleted after its time", |it| it.room("duel").is_none())
        .await;
    let pods = stage.pods_of("arena");
    assert!(pods.iter().any(|it| it["metadata"]["name"] == *server), "the server stays");
}

#[tokio::test(start_paused = true)]
async fn a_room_that_nobody_comes_to_fails_and_one_with_a_player_does_not() {
    let (stage, _operator) =
        ready_stage(604, json!({ "spec": { "rooms": { "claimTimeout": "30s" } } })).await;
    host(&stage, "empty").await;
    host(&stage, "played").await;
    stage.servers.join("played", 1);
    stage.eventually("nobody came", |it| it.phase("empty") == Some(Phase::Failed)).await;
    assert_eq!(stage.room_condition("empty", FINISHED).1, reason::UNCLAIMED);
    stage.eventually("it was closed", |it| it.servers.all_rooms().len() == 1).await;
    assert!(is_hosted(&stage, "played"));
}

#[tokio::test(start_paused = true)]
async fn deleting_a_room_closes_it_and_keeps_the_server() {
    let (stage, _operator) = ready_stage(605, json!({})).await;
    let server = host(&stage, "duel").await;
    host(&stage, "bout").await;
    stage.delete_room("duel").await;
    stage.eventually("it was closed", |it| it.servers.all_rooms().len() == 1).await;
    assert!(stage.pods_of("arena").iter().any(|it| it["metadata"]["name"] == *server));
    assert!(is_hosted(&stage, "bout"));
}

#[tokio::test(start_paused = true)]
async fn rooms_of_a_killed_server_begin_afresh_elsewhere_or_fail_as_they_say() {
    let (stage, _operator) = ready_stage(606, json!({})).await;
    let server = host(&stage, "again").await;
    stage.create_room("fails", json!({ "spec": { "recovery": "Fail" } })).await;
    stage.eventually("both are hosted", |it| is_hosted(it, "fails")).await;
    assert_eq!(stage.server_of("fails").as_ref(), Some(&server));
    let before = stage.room("again").unwrap().status.unwrap().epoch;
    stage.cluster.kill("games", &server);
    stage
        .eventually("it is hosted elsewhere", |it| {
            is_hosted(it, "again") && it.server_of("again").as_ref() != Some(&server)
        })
        .await;
    let status = stage.room("again").unwrap().status.unwrap();
    assert!(before < status.epoch && status.recoveries == 1, "{status:?}");
    stage.eventually("the other failed", |it| it.phase("fails") == Some(Phase::Failed)).await;
    assert!(stage.room_condition("fails", FINISHED).2.contains("was killed"));
}

#[tokio::test(start_paused = true)]
async fn p6_i9_scaling_down_retires_empty_servers_and_waits_for_the_others() {
    let (stage, _operator) =
        ready_stage(607, json!({ "spec": { "replicas": 3, "rooms": { "maxPerServer": 1 } } })).await;
    let server = host(&stage, "duel").await;
    stage.servers.join("duel", 2);
    stage.patch_fleet("arena", json!({ "spec": { "replicas": 0 } })).await;
    stage.eventually("only the one with a match is left", |it| it.pods_of("arena").len() == 1).await;
    sleep(Duration::from_mins(2)).await;
    assert!(is_hosted(&stage, "duel"));
    stage.create_room("late", json!({})).await;
    stage.assert_waits("late", "0 of 1 servers fit: 1 draining").await;
    assert_eq!(stage.server_of("duel"), Some(server));
    stage.servers.finish("duel", "p1");
    stage.eventually("it retires when its match is over", |it| it.pods_of("arena").is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn p5_a_new_template_drains_old_servers_and_ends_no_match() {
    let (stage, _operator) = ready_stage(608, json!({})).await;
    host(&stage, "duel").await;
    stage.servers.join("duel", 2);
    let labels = json!({ "metadata": { "labels": { "build": "2" } } });
    stage.patch_fleet("arena", json!({ "spec": { "template": labels } })).await;
    let is_new = |it: &Value| it["metadata"]["labels"]["build"] == "2";
    stage
        .eventually("new servers stand", |it| {
            let status = it.fleet("arena").unwrap().status.unwrap();
            status.updated_replicas == 2 && status.ready_replicas == 3
        })
        .await;
    for room in ["a", "b", "c"] {
        let server = host(&stage, room).await;
        let pods = stage.pods_of("arena");
        let pod = pods.iter().find(|it| it["metadata"]["name"] == *server).unwrap();
        assert!(is_new(pod), "{room} went to an old server");
        stage.servers.join(room, 1);
    }
    assert!(is_hosted(&stage, "duel"));
    stage.servers.finish("duel", "p1");
    stage.eventually("the last old one goes", |it| it.pods_of("arena").iter().all(is_new)).await;
}

#[tokio::test(start_paused = true)]
async fn p7_i3_a_new_leader_adopts_what_servers_have() {
    let (stage, first) = ready_stage(609, json!({})).await;
    for room in ["a", "b", "c"] {
        host(&stage, room).await;
        stage.servers.join(room, 1);
    }
    let before: Vec<_> = stage.servers.all_rooms();
    first.kill();
    stage.servers.finish("b", "p2");
    let mark = stage.api.mark();
    let _second = stage.operator("operator-2");
    stage.eventually("the result is not lost", |it| it.phase("b") == Some(Phase::Finished)).await;
    assert_eq!(stage.room("b").unwrap().status.unwrap().result["winner"], "p2");
    host(&stage, "d").await;
    let writes = stage.api.writes_since(mark);
    let of_kept = |it: &&gamekeeper_testkit::Entry| {
        it.resource == "gamerooms/status" && (it.name == "a" || it.name == "c")
    };
    // The number of players, once for each: it was not written yet.
    assert!(writes.iter().filter(of_kept).count() <= 2, "{writes:#?}");
    let after = stage.servers.all_rooms();
    for kept in before.iter().filter(|(_, it)| it.name != "b") {
        assert!(after.contains(kept), "{kept:?} is not among {after:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn i2_a_higher_hello_ends_the_stream_of_a_leader_that_woke_too_late() {
    let (stage, first) = ready_stage(610, json!({})).await;
    host(&stage, "a").await;
    first.connection.pause.pause();
    let _second = stage.operator("operator-2");
    stage.eventually("the second leads", |it| it.api.tail(50).contains("operator-2")).await;
    sleep(Duration::from_secs(10)).await;
    host(&stage, "b").await;
    first.connection.pause.resume();
    sleep(Duration::from_secs(10)).await;
    host(&stage, "c").await;
    let rooms = stage.servers.all_rooms();
    assert_eq!(rooms.len(), 3, "{rooms:?}");
    assert!(["a", "b", "c"].iter().all(|it| is_hosted(&stage, it)), "{}", stage.picture());
}

#[tokio::test(start_paused = true)]
async fn a_drained_node_loses_its_servers_when_their_matches_are_over() {
    let (stage, _operator) = ready_stage(611, json!({})).await;
    let server = host(&stage, "duel").await;
    stage.servers.join("duel", 2);
    let pod = stage.pods_of("arena").into_iter().find(|it| it["metadata"]["name"] == *server).unwrap();
    let node = pod["spec"]["nodeName"].as_str().unwrap().to_owned();
    stage.cluster.cordon(&node);
    let on_it = |it: &Stage| it.pods_of("arena").iter().filter(|it| it["spec"]["nodeName"] == *node).count();
    stage.eventually("only the one with the match is left there", |it| on_it(it) <= 1).await;
    host(&stage, "next").await;
    assert_ne!(stage.server_of("next"), Some(server));
    assert!(is_hosted(&stage, "duel"));
    stage.servers.finish("duel", "p1");
    stage.eventually("the node is empty", |it| on_it(it) == 0).await;
    assert_eq!(pod["metadata"]["annotations"][labels::CONTROL_PORT], "9600");
}
