//! What users do every day.

use std::{collections::BTreeSet, time::Duration};

use gamekeeper_crds::{
    conditions::{AVAILABLE, DEGRADED, FINISHED, PLACED, PROGRESSING, reason},
    room::Phase,
};
use gamekeeper_testkit::FakeApi;
use serde_json::json;

use crate::support::{Stage, name, ready_stage};

#[tokio::test(start_paused = true)]
async fn a_fleet_comes_up_and_rests() {
    let (stage, _operator) = ready_stage(1, 5).await;
    stage
        .eventually("nothing is to be done", |it| {
            it.fleet_condition("arena", PROGRESSING).1 == reason::COMPLETE
        })
        .await;
    assert_eq!(stage.fleet_condition("arena", AVAILABLE).2, "5 of 5 servers are ready");
    assert_eq!(stage.fleet_condition("arena", DEGRADED).1, reason::HEALTHY);
    let status = stage.fleet("arena").unwrap().status.unwrap();
    assert_eq!((status.desired_replicas, status.updated_replicas, status.rooms.free), (5, 5, 5));
    assert_eq!(status.selector.as_deref(), Some("gamekeeper.dev/fleet=arena"));
    assert_eq!(status.current_revision, status.update_revision);
    let ports: BTreeSet<i64> = stage
        .pods()
        .iter()
        .map(|it| it["spec"]["containers"][0]["ports"][0]["hostPort"].as_i64().unwrap())
        .collect();
    assert_eq!(ports.len(), 5, "host ports are unique in a fleet");
    stage.assert_at_rest(Duration::from_mins(10)).await;
}

#[tokio::test(start_paused = true)]
async fn a_room_is_placed_played_finished_and_forgotten() {
    let (stage, _operator) = ready_stage(2, 2).await;
    let mark = stage.api.mark();
    stage
        .create_room(
            "duel",
            json!({ "spec": { "parameters": { "map": "harbour" }, "ttlSecondsAfterFinished": 60 } }),
        )
        .await;
    stage.within(Duration::from_secs(2), "it runs", |it| it.phase("duel") == Some(Phase::Running)).await;
    // P1: from request to Running, one write for the room and one for its server's claim.
    let writes: Vec<_> = stage
        .api
        .writes_since(mark)
        .into_iter()
        .filter(|it| it.client == "operator-1" && it.resource != "leases" && it.resource != "gamefleets")
        .collect();
    assert_eq!(writes.len(), 2, "{writes:?}");
    let room = stage.room("duel").unwrap().status.unwrap();
    let pod = stage.api.object("", "pods", "games", &stage.server_of("duel").unwrap()).unwrap();
    assert_eq!(pod["metadata"]["annotations"]["gamekeeper.dev/room"], "duel");
    assert_eq!(pod["metadata"]["annotations"]["gamekeeper.dev/parameters"], r#"{"map":"harbour"}"#);
    assert_eq!(pod["spec"]["containers"][0]["ports"][0]["hostPort"], room.endpoints[0].port);
    stage
        .eventually("the fleet counts it", |it| it.fleet("arena").unwrap().status.unwrap().rooms.running == 1)
        .await;

    stage.cluster.exit("games", name(&pod), 0);
    stage.eventually("it is finished", |it| it.phase("duel") == Some(Phase::Finished)).await;
    assert_eq!(stage.room_condition("duel", FINISHED).0, "True");
    stage.eventually("its server is replaced", |it| it.ready("arena") == 2 && it.pods().len() == 2).await;
    stage.eventually("it is deleted after its time", |it| it.room("duel").is_none()).await;
    stage.assert_at_rest(Duration::from_mins(10)).await;
}

#[tokio::test(start_paused = true)]
async fn p7_a_match_whose_server_is_killed_begins_afresh_elsewhere_under_a_higher_epoch() {
    let (stage, _operator) = ready_stage(3, 3).await;
    stage.create_room("duel", json!({})).await;
    stage.create_room("final", json!({ "spec": { "recovery": "Fail" } })).await;
    stage
        .eventually("both run", |it| {
            ["duel", "final"].iter().all(|room| it.phase(room) == Some(Phase::Running))
        })
        .await;
    let before = stage.room("duel").unwrap().status.unwrap();
    for room in ["duel", "final"] {
        stage.cluster.kill("games", &stage.server_of(room).unwrap());
    }
    stage
        .eventually("the one is placed again", |it| it.room("duel").unwrap().status.unwrap().recoveries == 1)
        .await;
    let after = stage.room("duel").unwrap().status.unwrap();
    assert_ne!(before.server, after.server);
    assert!(before.epoch < after.epoch);
    stage.eventually("the other has failed", |it| it.phase("final") == Some(Phase::Failed)).await;
    assert!(stage.room_condition("final", FINISHED).2.contains("was killed (exit code 137)"));
    let events = stage.api.objects("events.k8s.io", "events");
    assert!(
        events.iter().any(|it| it["reason"] == reason::SERVER_LOST && it["regarding"]["name"] == "duel"),
        "{events:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn deleting_a_room_frees_its_server_by_replacing_its_pod() {
    let (stage, _operator) = ready_stage(4, 1).await;
    stage.create_room("duel", json!({})).await;
    stage.eventually("it runs", |it| it.phase("duel") == Some(Phase::Running)).await;
    let pod = stage.server_of("duel").unwrap();
    stage.delete_room("duel").await;
    stage
        .eventually("another server is there", |it| {
            it.pods().iter().all(|it| name(it) != pod) && it.ready("arena") == 1
        })
        .await;
    stage.create_room("duel", json!({})).await;
    stage.eventually("the name serves again", |it| it.phase("duel") == Some(Phase::Running)).await;
}

#[tokio::test(start_paused = true)]
async fn p6_scaling_down_and_rolling_out_end_no_match() {
    let (stage, _operator) = ready_stage(5, 6).await;
    for room in ["a", "b", "c"] {
        stage.create_room(room, json!({})).await;
    }
    stage
        .eventually("all run", |it| ["a", "b", "c"].iter().all(|room| it.phase(room) == Some(Phase::Running)))
        .await;
    let servers: Vec<String> = ["a", "b", "c"].iter().map(|it| stage.server_of(it).unwrap()).collect();
    stage.patch_fleet("arena", json!({ "spec": { "replicas": 1 } })).await;
    stage.eventually("only busy servers are left", |it| it.pods().len() == 3).await;
    assert_eq!(stage.fleet_condition("arena", PROGRESSING).1, reason::SCALING_DOWN);
    stage
        .patch_fleet(
            "arena",
            json!({ "spec": { "replicas": 5, "template": { "metadata": { "labels": { "build": "2" } } } } }),
        )
        .await;
    stage.eventually("new servers stand beside them", |it| it.ready("arena") == 7).await;
    stage.assert_at_rest(Duration::from_mins(5)).await;
    assert_eq!(stage.fleet_condition("arena", PROGRESSING).1, reason::ROLLING_OUT);
    for (room, server) in ["a", "b", "c"].iter().zip(&servers) {
        assert_eq!(stage.phase(room), Some(Phase::Running));
        assert_eq!(stage.server_of(room).as_ref(), Some(server), "nobody was moved or restarted");
        stage.cluster.exit("games", server, 0);
    }
    stage
        .eventually("the rollout is complete", |it| {
            it.fleet_condition("arena", PROGRESSING).1 == reason::COMPLETE
        })
        .await;
    assert_eq!(stage.fleet("arena").unwrap().status.unwrap().updated_replicas, 5);
}

#[tokio::test(start_paused = true)]
async fn rooms_wait_when_all_servers_are_full_and_are_told_why() {
    let (stage, _operator) = ready_stage(6, 1).await;
    stage.create_room("first", json!({})).await;
    stage.eventually("it runs", |it| it.phase("first") == Some(Phase::Running)).await;
    stage.create_room("low", json!({})).await;
    stage.create_room("high", json!({ "spec": { "priority": 9 } })).await;
    stage
        .eventually("both are told", |it| {
            ["low", "high"].iter().all(|room| it.room_condition(room, PLACED).1 == reason::NO_CAPACITY)
        })
        .await;
    assert_eq!(stage.room_condition("low", PLACED).2, "0 of 1 servers fit: 1 full");
    stage.assert_at_rest(Duration::from_mins(10)).await;
    stage.cluster.exit("games", &stage.server_of("first").unwrap(), 0);
    stage.eventually("the more important one runs", |it| it.phase("high") == Some(Phase::Running)).await;
    assert_eq!(stage.phase("low"), Some(Phase::Pending));
}

#[tokio::test(start_paused = true)]
async fn a_drained_node_is_emptied_match_by_match() {
    let (stage, _operator) = ready_stage(7, 4).await;
    stage.create_room("duel", json!({})).await;
    stage.eventually("it runs", |it| it.phase("duel") == Some(Phase::Running)).await;
    let server = stage.server_of("duel").unwrap();
    let node = stage.api.object("", "pods", "games", &server).unwrap()["spec"]["nodeName"]
        .as_str()
        .unwrap()
        .to_owned();
    stage.cluster.cordon(&node);
    let on_node = |stage: &Stage| stage.pods().iter().filter(|it| it["spec"]["nodeName"] == *node).count();
    stage
        .eventually("only the match is left on the node", |it| on_node(it) == 1 && it.ready("arena") >= 4)
        .await;
    assert_eq!(stage.server_of("duel"), Some(server.clone()));
    stage.cluster.exit("games", &server, 0);
    stage.eventually("the node is empty", |it| on_node(it) == 0 && it.ready("arena") == 4).await;
}

#[tokio::test(start_paused = true)]
async fn old_revisions_are_forgotten_beyond_the_limit() {
    let (stage, _operator) = ready_stage(8, 1).await;
    stage.patch_fleet("arena", json!({ "spec": { "revisionHistoryLimit": 2 } })).await;
    for build in 2..8 {
        let build = build.to_string();
        stage
            .patch_fleet(
                "arena",
                json!({ "spec": { "template": { "metadata": { "labels": { "build": build } } } } }),
            )
            .await;
        stage
            .eventually("the rollout is complete", |it| {
                let pods = it.pods();
                pods.len() == 1 && pods[0]["metadata"]["labels"]["build"] == *build && it.ready("arena") == 1
            })
            .await;
    }
    let revisions = |api: &FakeApi| api.objects("apps", "controllerrevisions").len();
    stage.eventually("two old ones are left", |it| revisions(&it.api) == 3).await;
}

#[tokio::test(start_paused = true)]
async fn a_budget_keeps_evictions_back_even_during_a_surge() {
    let (stage, _operator) = ready_stage(9, 2).await;
    stage.create_room("duel", json!({})).await;
    stage.eventually("it runs", |it| it.phase("duel") == Some(Phase::Running)).await;
    stage
        .patch_fleet(
            "arena",
            json!({ "spec": { "template": { "metadata": { "labels": { "build": "2" } } } } }),
        )
        .await;
    stage.eventually("there are more pods than wanted", |it| it.pods().len() == 3).await;
    let pods = kube::Api::<k8s_openapi::api::core::v1::Pod>::namespaced(stage.api.client(), "games");
    for pod in stage.pods().iter().filter(|it| it["status"]["phase"] == "Running") {
        let evicted = pods.evict(name(pod), &kube::api::EvictParams::default()).await;
        assert!(matches!(evicted, Err(kube::Error::Api(status)) if status.code == 429));
    }
}
