//! Servers that do not come up.

use std::time::Duration;

use gamekeeper_crds::{
    conditions::{AVAILABLE, DEGRADED, reason},
    room::Phase,
};
use gamekeeper_testkit::{ClientOptions, Verb, sim::ClusterOptions};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    neighbour::Neighbour,
    support::{NAMESPACE, Running, Stage, name},
};

fn image(image: &str) -> Value {
    json!({ "spec": { "template": { "spec": { "containers": [{ "name": "server", "image": image }] } } } })
}

fn with_image(image_name: &str, replicas: i32) -> Value {
    let mut change = image(image_name);
    change["spec"]["replicas"] = json!(replicas);
    change
}

/// When pods of the fleet were created since `mark`, in virtual time.
fn creations(stage: &Stage, mark: usize) -> Vec<Duration> {
    let made = |it: &gamekeeper_testkit::Entry| {
        it.verb == Verb::Create && it.resource == "pods" && it.changed && it.name.starts_with("arena-")
    };
    stage.api.writes_since(mark).iter().filter(|it| made(it)).map(|it| it.at).collect()
}

async fn until_degraded(stage: &Stage, why: &str) -> String {
    let patience = Duration::from_mins(5);
    stage.within(patience, why, |it| it.fleet_condition("arena", DEGRADED).1 == why).await;
    let (status, _, message) = stage.fleet_condition("arena", DEGRADED);
    assert_eq!(status, "True");
    stage.eventually("an event says so too", |it| it.event("arena", why).is_some()).await;
    message
}

async fn until_mended(stage: &Stage, servers: i32) {
    let is_mended = |it: &Stage| {
        it.ready("arena") == servers
            && it.fleet_condition("arena", DEGRADED).1 == reason::HEALTHY
            && it.fleet_condition("arena", AVAILABLE).0 == "True"
    };
    stage.within(Duration::from_mins(7), "the fleet is mended", is_mended).await;
}

fn small_stage(seed: u64, options: ClusterOptions, ranges: &str) -> (Stage, Running) {
    let stage = Stage::with(seed, options);
    let operator = stage.operator_with(&ClientOptions::faulty("operator-1"), ranges, "gamekeeper-operator");
    (stage, operator)
}

#[tokio::test(start_paused = true)]
async fn an_image_that_cannot_be_pulled_is_named_and_a_new_one_mends_the_fleet() {
    let stage = Stage::new(101);
    let _operator = stage.operator("operator-1");
    let neighbour = Neighbour::new(&stage).await;
    stage.create_fleet("arena", with_image("bad-image", 2)).await;
    let message = until_degraded(&stage, reason::CANNOT_START).await;
    assert!(message.contains("cannot start: ErrImagePull: failed to pull image \"bad-image\""), "{message}");
    assert_eq!(stage.fleet_condition("arena", AVAILABLE).1, reason::TOO_FEW_READY);
    stage.create_room("duel", json!({})).await;
    neighbour.plays("bout").await;
    let mark = stage.api.mark();
    sleep(Duration::from_mins(10)).await;
    // Each start timeout ends one try of each server.
    assert!(creations(&stage, mark).len() <= 22, "{:?}", creations(&stage, mark));
    stage.patch_fleet("arena", image("arena")).await;
    until_mended(&stage, 2).await;
    assert!(stage.is_played("duel"), "{}", stage.picture());
}

#[tokio::test(start_paused = true)]
async fn p5_a_new_image_that_cannot_be_pulled_takes_no_server_away() {
    let stage = Stage::new(102);
    let _operator = stage.operator("operator-1");
    stage.create_fleet("arena", with_image("arena", 4)).await;
    stage.eventually("all servers are ready", |it| it.ready("arena") == 4).await;
    let server = stage.play("duel").await;
    let rolling = json!({ "rollout": { "rollingUpdate": { "maxSurge": 1, "maxUnavailable": 0 } } });
    stage.patch_fleet("arena", json!({ "spec": rolling })).await;
    stage.patch_fleet("arena", image("bad-image")).await;
    until_degraded(&stage, reason::CANNOT_START).await;
    for minute in 0..10 {
        sleep(Duration::from_mins(1)).await;
        assert_eq!(stage.ready("arena"), 4, "after {minute} minutes");
    }
    stage.play("second").await;
    assert_eq!(stage.server_of("duel"), Some(server));
    stage.patch_fleet("arena", image("arena")).await;
    until_mended(&stage, 4).await;
}

#[tokio::test(start_paused = true)]
async fn servers_that_crash_at_once_are_started_ever_more_slowly_and_the_last_stays_to_be_looked_at() {
    let stage = Stage::new(103);
    let _operator = stage.operator("operator-1");
    let neighbour = Neighbour::new(&stage).await;
    let mark = stage.api.mark();
    stage.create_fleet("arena", with_image("crash", 2)).await;
    let message = until_degraded(&stage, reason::CRASH_LOOP).await;
    assert!(message.contains("ever more slowly") && message.contains("exited with code 1"), "{message}");
    assert!(message.contains("kubectl logs arena-"), "{message}");
    neighbour.plays("bout").await;
    sleep(Duration::from_mins(10)).await;
    let created = creations(&stage, mark);
    // Two servers, each tried at 0, 0, 1, 3, 7, … 511 s, and every five minutes from then on.
    assert!((16..=26).contains(&created.len()), "{} pods: {created:?}", created.len());
    let early = created.iter().filter(|it| **it < created[0] + Duration::from_mins(1)).count();
    let late = created.iter().filter(|it| created[0] + Duration::from_mins(5) < **it).count();
    assert!(late * 3 < early, "{created:?}");
    let failed = stage.pods_of("arena").iter().filter(|it| it["status"]["phase"] == "Failed").count();
    assert_eq!(failed, 2, "failed pods stay until their replacement is due");
    let message = stage.fleet_condition("arena", DEGRADED).2;
    assert!(message.contains("(2 wait)"), "{message}");
    stage.patch_fleet("arena", image("arena")).await;
    until_mended(&stage, 2).await;
}

#[tokio::test(start_paused = true)]
async fn servers_that_crash_under_their_match_are_started_ever_more_slowly_too() {
    let stage = Stage::new(104);
    let _operator = stage.operator("operator-1");
    let neighbour = Neighbour::new(&stage).await;
    let mark = stage.api.mark();
    stage.create_fleet("arena", with_image("crash", 2)).await;
    let rooms = ["a", "b", "c"];
    for room in rooms {
        stage.create_room(room, json!({})).await;
    }
    until_degraded(&stage, reason::CRASH_LOOP).await;
    neighbour.plays("bout").await;
    sleep(Duration::from_mins(10)).await;
    let created = creations(&stage, mark);
    assert!((16..=40).contains(&created.len()), "{} pods: {created:?}", created.len());
    let lost: i32 = rooms.iter().filter_map(|it| Some(stage.room(it)?.status?.recoveries)).sum();
    assert!(0 < lost, "no match was lost: the test shows nothing");
    stage.patch_fleet("arena", image("arena")).await;
    until_mended(&stage, 2).await;
    let played = |it: &Stage| rooms.iter().filter(|room| it.is_played(room)).count() == 2;
    stage.within(Duration::from_mins(6), "two rooms are played", played).await;
}

#[tokio::test(start_paused = true)]
async fn servers_that_are_never_ready_are_replaced_at_their_start_timeout_and_said_to_be_late() {
    let stage = Stage::new(105);
    let _operator = stage.operator("operator-1");
    let neighbour = Neighbour::new(&stage).await;
    let mut change = with_image("never-ready", 2);
    change["spec"]["health"] = json!({ "startTimeout": "20s" });
    let mark = stage.api.mark();
    stage.create_fleet("arena", change).await;
    stage.create_room("duel", json!({})).await;
    let message = until_degraded(&stage, reason::CRASH_LOOP).await;
    assert!(message.contains("not ready in time"), "{message}");
    assert_eq!(stage.room_condition("duel", "Placed").2, "0 of 2 servers fit: 2 starting");
    neighbour.plays("bout").await;
    sleep(Duration::from_mins(10)).await;
    assert!(creations(&stage, mark).len() <= 2 * (11 * 60 / 20 + 1), "{:?}", creations(&stage, mark));
    stage.patch_fleet("arena", image("arena")).await;
    until_mended(&stage, 2).await;
    assert!(stage.is_played("duel"));
}

#[tokio::test(start_paused = true)]
async fn a_range_of_host_ports_that_is_too_small_is_said_to_be_and_what_fits_serves() {
    let (stage, _operator) = small_stage(106, ClusterOptions::default(), "default=7000-7001");
    let neighbour = Neighbour::new(&stage).await;
    stage.create_fleet("arena", json!({ "spec": { "replicas": 6 } })).await;
    let message = until_degraded(&stage, reason::PORTS_EXHAUSTED).await;
    assert!(message.contains("give the operator a larger range"), "{message}");
    stage.eventually("what fits is ready", |it| it.ready("arena") == 4).await;
    let rooms = ["a", "b", "c", "d"];
    for room in rooms {
        stage.play(room).await;
    }
    neighbour.plays("bout").await;
    sleep(Duration::from_mins(2)).await;
    stage.assert_at_rest(Duration::from_mins(10)).await;
    assert!(stage.fleet_condition("arena", DEGRADED).2.starts_with("2 servers find no node"));
    stage.cluster.add_node();
    until_mended(&stage, 6).await;
    assert!(rooms.iter().all(|it| stage.is_played(it)));
}

#[tokio::test(start_paused = true)]
async fn full_nodes_are_said_to_be_and_a_new_node_mends_it() {
    let options = ClusterOptions { pods_per_node: 4, ..ClusterOptions::default() };
    let (stage, _operator) = small_stage(107, options, "default=7000-7099");
    let neighbour = Neighbour::new(&stage).await;
    stage.create_fleet("arena", json!({ "spec": { "replicas": 9 } })).await;
    let message = until_degraded(&stage, reason::UNSCHEDULABLE).await;
    assert!(message.contains("find no node") && message.contains("Too many pods"), "{message}");
    stage.eventually("what fits is ready", |it| it.ready("arena") == 6).await;
    stage.play("duel").await;
    sleep(Duration::from_secs(5)).await;
    stage.assert_at_rest(Duration::from_mins(10)).await;
    stage.cluster.add_node();
    until_mended(&stage, 9).await;
    neighbour.plays("bout").await;
    assert_eq!(stage.phase("duel"), Some(Phase::Running));
}

/// A kubelet could not make the containers of these pods.
fn cannot_configure(stage: &Stage, message: &str) {
    for pod in stage.pods_of("arena") {
        let waiting = json!({ "reason": "CreateContainerConfigError", "message": message });
        let edited = stage.api.edit("", "pods", NAMESPACE, name(&pod), |it| {
            it["status"]["containerStatuses"][0]["state"] = json!({ "waiting": waiting });
        });
        assert!(edited);
    }
}

#[tokio::test(start_paused = true)]
async fn p8_a_key_for_tickets_that_is_missing_is_named_and_servers_start_when_it_is_there() {
    // The kubelet takes up the pods after a minute, and tries for another.
    let start = Duration::from_mins(1)..Duration::from_mins(1);
    let (stage, _operator) =
        small_stage(108, ClusterOptions { start, ..ClusterOptions::default() }, "default=7000-7099");
    let tickets = json!({ "publicKeySecretKeyRef": { "name": "arena-tickets" } });
    let spec = json!({ "replicas": 2, "admission": "Ticket", "tickets": tickets, "control": {}, "health": { "startTimeout": "10m" } });
    stage.create_fleet("arena", json!({ "spec": spec })).await;
    let is_tried = |it: &Value| it["status"]["containerStatuses"][0]["state"]["waiting"].is_object();
    let are_tried = |it: &Stage| it.pods_of("arena").iter().filter(|it| is_tried(it)).count() == 2;
    stage.eventually("the kubelet tries", are_tried).await;
    for pod in stage.pods_of("arena") {
        let key = &pod["spec"]["containers"][0]["env"][1];
        assert_eq!(key["name"], "GAMEKEEPER_TICKET_KEY");
        assert_eq!(key["valueFrom"]["secretKeyRef"], json!({ "name": "arena-tickets", "key": "public" }));
    }
    for said in
        ["secret \"arena-tickets\" not found", "couldn't find key public in Secret games/arena-tickets"]
    {
        cannot_configure(&stage, said);
        let wanted = format!("2 servers cannot start: CreateContainerConfigError: {said}");
        let is_said = |it: &Stage| it.fleet_condition("arena", DEGRADED).2 == wanted;
        stage.eventually("the kubelet's words are told", is_said).await;
        assert_eq!(until_degraded(&stage, reason::CANNOT_START).await, wanted);
        assert_eq!(stage.fleet_condition("arena", AVAILABLE).1, reason::TOO_FEW_READY);
    }
    let mark = stage.api.mark();
    until_mended(&stage, 2).await;
    assert!(creations(&stage, mark).is_empty(), "the kubelet has started them");
}
