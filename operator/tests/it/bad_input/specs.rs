//! Specs that cannot be carried out, and objects that cannot be read.

use std::time::Duration;

use gamekeeper_crds::{
    conditions::{ACCEPTED, AVAILABLE, reason},
    room::Phase,
};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    neighbour::Neighbour,
    support::{NAMESPACE, Stage, name, ready_stage},
};

/// The names of the fleet's pods.
fn servers(stage: &Stage) -> Vec<String> {
    stage.pods_of("arena").iter().map(|it| name(it).to_owned()).collect()
}

/// A spec that CEL lets pass and that cannot be carried out; what of the fleet must say so.
async fn refuses(seed: u64, bad: Value, says: &str, good: Value) {
    let (stage, _operator) = ready_stage(seed, 3).await;
    let neighbour = Neighbour::new(&stage).await;
    let server = stage.play("duel").await;
    let before = servers(&stage);
    stage.patch_fleet("arena", bad).await;
    stage.eventually("it is told", |it| it.fleet_condition("arena", ACCEPTED).0 == "False").await;
    let (_, why, message) = stage.fleet_condition("arena", ACCEPTED);
    assert!(message.contains(says), "{message}");
    stage.eventually("an event says so", |it| it.event("arena", &why).is_some()).await;
    assert_eq!(why, reason::INVALID_SPEC);
    sleep(Duration::from_mins(5)).await;
    assert_eq!(servers(&stage), before, "a bad spec never half-applies\n{}", stage.picture());
    stage.play("second").await;
    assert_eq!(stage.fleet_condition("arena", AVAILABLE).0, "True", "the former servers serve");
    assert!(stage.cluster.exit(NAMESPACE, &server, 0));
    stage.eventually("a match ends", |it| it.phase("duel") == Some(Phase::Finished)).await;
    neighbour.plays("bout").await;
    let generation = stage.fleet("arena").unwrap().metadata.generation;
    assert_eq!(stage.fleet("arena").unwrap().status.unwrap().observed_generation, generation);
    stage.patch_fleet("arena", good).await;
    stage
        .eventually("it is mended", |it| {
            it.fleet_condition("arena", ACCEPTED).0 == "True" && 4 <= it.ready("arena")
        })
        .await;
    assert!(stage.is_played("second"));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_range_of_host_ports_is_named_with_those_that_there_are() {
    let port = |range: &str| json!([{ "name": "game", "containerPort": 7777, "exposure": { "type": "HostPort", "range": range } }]);
    let bad = json!({ "spec": { "ports": port("edge"), "replicas": 4 } });
    let good = json!({ "spec": { "ports": port("default") } });
    refuses(141, bad, "range \"edge\", which the operator does not have; it has default", good).await;
}

#[tokio::test(start_paused = true)]
async fn a_label_of_ours_in_the_template_is_refused_with_what_to_do() {
    let labels = |value: Value| json!({ "gamekeeper.dev/fleet": value });
    let template = |value: Value| json!({ "spec": { "replicas": 4, "template": { "metadata": { "labels": labels(value) } } } });
    let says = "\"gamekeeper.dev/fleet\" is the operator's; choose a key without gamekeeper.dev";
    refuses(142, template(json!("duels")), says, template(Value::Null)).await;
}

#[tokio::test(start_paused = true)]
async fn a_template_that_the_api_server_refuses_changes_nothing_and_says_why() {
    let (stage, _operator) = ready_stage(143, 3).await;
    let before = servers(&stage);
    let label =
        |value: &str| json!({ "spec": { "template": { "metadata": { "labels": { "build": value } } } } });
    stage.patch_fleet("arena", label("not a label!")).await;
    stage
        .eventually("it is told", |it| it.fleet_condition("arena", ACCEPTED).1 == reason::INVALID_TEMPLATE)
        .await;
    let message = stage.fleet_condition("arena", ACCEPTED).2;
    assert!(
        message.contains("refuses a pod made from spec.template") && message.contains("metadata.labels"),
        "{message}"
    );
    sleep(Duration::from_mins(5)).await;
    assert_eq!(servers(&stage), before, "a bad template never half-applies");
    stage.play("duel").await;
    stage.patch_fleet("arena", label("2")).await;
    stage
        .eventually("it is mended", |it| {
            it.fleet_condition("arena", ACCEPTED).0 == "True"
                && it.fleet("arena").unwrap().status.unwrap().updated_replicas == 3
        })
        .await;
    assert!(stage.is_played("duel"));
}

fn unreadable_room(name: &str) -> Value {
    json!({
        "apiVersion": "gamekeeper.dev/v1alpha1", "kind": "GameRoom",
        "metadata": { "name": name, "namespace": NAMESPACE },
        "spec": { "fleetName": "arena", "priority": "high" },
    })
}

fn unreadable_fleet(name: &str) -> Value {
    json!({
        "apiVersion": "gamekeeper.dev/v1alpha1", "kind": "GameFleet",
        "metadata": { "name": name, "namespace": NAMESPACE },
        "spec": { "replicas": "many" },
    })
}

#[tokio::test(start_paused = true)]
async fn objects_that_cannot_be_read_stop_nobody_else() {
    let stage = Stage::new(145);
    stage.api.insert(unreadable_room("strange"));
    stage.api.insert(unreadable_fleet("strange"));
    let _operator = stage.operator("operator-1");
    stage.create_fleet("arena", json!({})).await;
    stage.eventually("all servers are ready", |it| it.ready("arena") == 3).await;
    stage.api.insert(unreadable_room("stranger"));
    stage.api.insert(unreadable_fleet("stranger"));
    stage.play("duel").await;
    stage.api.compact();
    stage.api.drop_watches();
    stage.play("second").await;
    let mend = |it: &mut Value| it["spec"]["priority"] = json!(3);
    assert!(stage.api.edit("gamekeeper.dev", "gamerooms", NAMESPACE, "strange", mend));
    stage.eventually("a room that was mended is played", |it| it.is_played("strange")).await;
    sleep(Duration::from_secs(5)).await;
    stage.assert_at_rest(Duration::from_mins(5)).await;
}

#[tokio::test(start_paused = true)]
async fn p6_a_room_or_fleet_that_becomes_unreadable_keeps_its_match() {
    let (stage, operator) = ready_stage(146, 3).await;
    let neighbour = Neighbour::new(&stage).await;
    let server = stage.play("duel").await;
    let edit = |plural: &str, name: &str, field: &str, value: Value| {
        assert!(stage.api.edit("gamekeeper.dev", plural, NAMESPACE, name, |it| it["spec"][field] = value));
    };
    edit("gamerooms", "duel", "priority", json!("high"));
    edit("gamefleets", "arena", "replicas", json!("many"));
    let still_runs = || stage.cluster.running().iter().any(|it| it.name == server);
    for round in 0..3 {
        // Seen by a watch, by a new list, and by a new operator.
        sleep(Duration::from_mins(2)).await;
        assert!(still_runs(), "round {round}\n{}", stage.picture());
        stage.api.compact();
        stage.api.drop_watches();
    }
    operator.kill();
    let _operator = stage.operator("operator-2");
    neighbour.plays("bout").await;
    sleep(Duration::from_mins(2)).await;
    assert!(still_runs(), "{}", stage.picture());
    edit("gamefleets", "arena", "replicas", json!(4));
    edit("gamerooms", "duel", "priority", json!(1));
    stage.eventually("all is well", |it| it.is_played("duel") && it.ready("arena") == 4).await;
    assert_eq!(stage.server_of("duel"), Some(server));
}

#[tokio::test(start_paused = true)]
async fn i3_a_new_leader_serves_the_rooms_of_a_fleet_whose_spec_is_invalid() {
    let (stage, operator) = ready_stage(86, 3).await;
    stage.create_room("before", json!({})).await;
    stage.eventually("it runs", |it| it.phase("before") == Some(Phase::Running)).await;
    let bad = json!({ "metadata": { "labels": { "gamekeeper.dev/revision": "mine" } } });
    stage.patch_fleet("arena", json!({ "spec": { "template": bad } })).await;
    stage
        .eventually("it is told", |it| it.fleet_condition("arena", ACCEPTED).1 == reason::INVALID_SPEC)
        .await;
    operator.kill();
    let _next = stage.operator("operator-2");
    stage.create_room("after", json!({})).await;
    stage
        .eventually("a server of the former spec takes it", |it| it.phase("after") == Some(Phase::Running))
        .await;
    assert_eq!(stage.phase("before"), Some(Phase::Running));
    assert_eq!(stage.pods().len(), 3, "a bad spec never half-applies");
}
