//! Creates that the API server refuses, and rights that are missing.

use std::time::Duration;

use gamekeeper_crds::conditions::{DEGRADED, PLACED, reason};
use gamekeeper_testkit::Verb;
use serde_json::json;
use tokio::time::sleep;

use crate::{
    neighbour::Neighbour,
    support::{NAMESPACE, Stage, ready_stage},
};

/// More requests than this in a minute, over those that renew the Lease, are a hot loop.
const REQUESTS_PER_MINUTE: usize = 60;

/// How many requests an operator sends in a minute, its Lease aside.
async fn requests_in_a_minute(stage: &Stage) -> usize {
    let mark = stage.api.mark();
    sleep(Duration::from_mins(1)).await;
    let log = stage.api.log();
    let sent =
        log.iter().skip(mark).filter(|it| it.client.starts_with("operator") && it.resource != "leases");
    sent.count()
}

#[tokio::test(start_paused = true)]
async fn a_quota_that_is_exceeded_is_told_and_when_it_is_lifted_the_fleet_grows() {
    let (stage, _operator) = ready_stage(121, 2).await;
    let neighbour = Neighbour::new(&stage).await;
    let server = stage.play("duel").await;
    stage.api.set_pod_quota(NAMESPACE, 3);
    stage.patch_fleet("arena", json!({ "spec": { "replicas": 5 } })).await;
    let refused = |it: &Stage| it.fleet_condition("arena", DEGRADED).1 == reason::CREATE_REFUSED;
    stage.eventually("it is told", refused).await;
    let message = stage.fleet_condition("arena", DEGRADED).2;
    assert!(message.contains("exceeded quota") && message.contains("limited: pods=3"), "{message}");
    stage.eventually("an event says so", |it| it.event("arena", reason::CREATE_REFUSED).is_some()).await;
    stage.eventually("what fits is ready", |it| it.ready("arena") == 3).await;
    stage.play("second").await;
    neighbour.plays("bout").await;
    sleep(Duration::from_mins(1)).await;
    assert!(requests_in_a_minute(&stage).await <= REQUESTS_PER_MINUTE, "{}", stage.picture());
    assert!(refused(&stage), "it does not flap\n{}", stage.picture());
    stage.api.clear_pod_quota(NAMESPACE);
    stage.eventually("the fleet has grown", |it| it.ready("arena") == 5).await;
    stage.eventually("all is well", |it| it.fleet_condition("arena", DEGRADED).1 == reason::HEALTHY).await;
    assert_eq!(stage.server_of("duel"), Some(server));
}

#[tokio::test(start_paused = true)]
async fn in_a_namespace_that_is_being_deleted_the_operator_tries_ever_more_slowly() {
    let (stage, _operator) = ready_stage(122, 3).await;
    let neighbour = Neighbour::new(&stage).await;
    let server = stage.play("duel").await;
    // Something in it has a finalizer, so that it takes its time and our objects are still there.
    stage.api.insert(json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": { "name": NAMESPACE, "deletionTimestamp": "2026-01-01T00:00:00Z" },
        "spec": { "finalizers": ["kubernetes"] }, "status": { "phase": "Terminating" },
    }));
    stage.cluster.kill(NAMESPACE, &server);
    stage
        .eventually("it is told", |it| it.fleet_condition("arena", DEGRADED).1 == reason::CREATE_REFUSED)
        .await;
    let message = stage.fleet_condition("arena", DEGRADED).2;
    assert!(message.contains("is being terminated"), "{message}");
    stage.eventually("the match goes on elsewhere", |it| it.is_played("duel")).await;
    sleep(Duration::from_mins(1)).await;
    assert!(requests_in_a_minute(&stage).await <= REQUESTS_PER_MINUTE, "{}", stage.picture());
    neighbour.plays("bout").await;
    for fleet in stage.api.objects("gamekeeper.dev", "gamefleets") {
        if fleet["metadata"]["namespace"] == NAMESPACE {
            stage.delete_fleet("arena").await;
        }
    }
    stage.eventually("its pods are gone", |it| it.pods_of("arena").is_empty()).await;
    assert!(requests_in_a_minute(&stage).await <= REQUESTS_PER_MINUTE, "{}", stage.picture());
    stage.eventually("who waits is told", |it| it.room_condition("duel", PLACED).1 == reason::NO_FLEET).await;
}

/// Takes a right away while everything happens, and gives it back.
async fn without(seed: u64, rights: &[(Verb, &str)]) {
    let (stage, operator) = ready_stage(seed, 3).await;
    let server = stage.play("duel").await;
    stage.play("short").await;
    for (verb, resource) in rights {
        stage.api.forbid(*verb, resource);
    }
    stage.api.drop_watches();
    // All of this needs one right or another.
    stage.create_room("late", json!({ "spec": { "ttlSecondsAfterFinished": 3600 } })).await;
    stage.cluster.exit(NAMESPACE, &stage.server_of("short").unwrap(), 0);
    stage.patch_fleet("arena", json!({ "spec": { "replicas": 4 } })).await;
    stage.create_fleet("second", json!({ "spec": { "replicas": 2 } })).await;
    sleep(Duration::from_mins(3)).await;
    let requests = requests_in_a_minute(&stage).await;
    assert!(
        requests <= 2 * REQUESTS_PER_MINUTE,
        "{requests} requests without {rights:?}\n{}",
        stage.picture()
    );
    let is_about = |it: &&(Verb, &str), resource: &str| it.1.starts_with(resource);
    if !rights.iter().any(|it| is_about(&it, "pods")) {
        assert_eq!(stage.ready("second"), 2, "other work goes on without {rights:?}\n{}", stage.picture());
    }
    if !rights.iter().any(|it| is_about(&it, "pods") || is_about(&it, "gamerooms")) {
        assert!(stage.is_played("late"), "other work goes on without {rights:?}\n{}", stage.picture());
    }
    assert_eq!(stage.server_of("duel"), Some(server.clone()), "without {rights:?}");
    assert!(stage.is_played("duel"), "without {rights:?}");
    for (verb, resource) in rights {
        stage.api.allow(*verb, resource);
    }
    let all_is_done = |it: &Stage| {
        it.ready("arena") == 4
            && it.ready("second") == 2
            && it.is_played("late")
            && it.room("short").is_none()
            && it.fleet_condition("arena", DEGRADED).1 == reason::HEALTHY
    };
    stage.within(Duration::from_mins(3), &format!("all is done with {rights:?}"), all_is_done).await;
    assert_eq!(stage.server_of("duel"), Some(server));
    drop(operator);
}

#[tokio::test(start_paused = true)]
async fn without_the_right_to_watch_rooms_other_work_goes_on() {
    without(131, &[(Verb::List, "gamerooms"), (Verb::Watch, "gamerooms")]).await;
}

#[tokio::test(start_paused = true)]
async fn without_the_right_to_create_pods_other_work_goes_on() {
    without(132, &[(Verb::Create, "pods")]).await;
}

#[tokio::test(start_paused = true)]
async fn without_the_right_to_write_rooms_statuses_other_work_goes_on() {
    without(133, &[(Verb::Update, "gamerooms/status")]).await;
}

#[tokio::test(start_paused = true)]
async fn without_the_right_to_claim_servers_other_work_goes_on() {
    without(134, &[(Verb::Patch, "pods")]).await;
}

#[tokio::test(start_paused = true)]
async fn without_the_right_to_delete_pods_other_work_goes_on() {
    without(135, &[(Verb::Delete, "pods")]).await;
}

#[tokio::test(start_paused = true)]
async fn without_the_right_to_tell_events_everything_goes_on() {
    without(136, &[(Verb::Create, "events"), (Verb::Patch, "events")]).await;
}

#[tokio::test(start_paused = true)]
async fn an_operator_that_starts_without_rights_waits_for_them() {
    let stage = Stage::new(137);
    let rights = [
        (Verb::List, "gamerooms"),
        (Verb::List, "gamefleets"),
        (Verb::List, "pods"),
        (Verb::Get, "leases"),
        (Verb::Create, "leases"),
    ];
    rights.iter().for_each(|(verb, resource)| stage.api.forbid(*verb, resource));
    let _operator = stage.operator("operator-1");
    stage.create_fleet("arena", json!({})).await;
    stage.create_room("duel", json!({})).await;
    for (verb, resource) in rights.iter().rev() {
        sleep(Duration::from_secs(30)).await;
        assert!(requests_in_a_minute(&stage).await <= 2 * REQUESTS_PER_MINUTE, "{}", stage.picture());
        assert!(stage.pods().is_empty() && stage.server_of("duel").is_none());
        stage.api.allow(*verb, resource);
    }
    stage.eventually("it works", |it| it.ready("arena") == 3 && it.is_played("duel")).await;
}
