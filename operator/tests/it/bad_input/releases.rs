//! Two installations of the operator that both watch a fleet.

use std::time::Duration;

use gamekeeper_crds::{conditions::reason, room::Phase};
use gamekeeper_testkit::{ClientOptions, Entry};
use serde_json::json;
use tokio::time::sleep;

use crate::{
    checker::Checker,
    support::{NAMESPACE, Running, Stage},
};

fn release(stage: &Stage, name: &str) -> Running {
    stage.operator_with(&ClientOptions::faulty(name), "default=7000-7099", &format!("lease-of-{name}"))
}

/// What an operator wrote, but for Leases and events.
fn writes_of(stage: &Stage, client: &str) -> Vec<Entry> {
    let all = stage.api.writes_since(0).into_iter();
    all.filter(|it| it.client == client && it.resource != "leases" && it.resource != "events").collect()
}

#[tokio::test(start_paused = true)]
async fn p2_of_two_releases_the_second_leaves_the_fleet_alone_and_takes_over_when_the_first_is_gone() {
    let stage = Stage::new(161);
    let checker = Checker::start(&stage.api);
    let first = release(&stage, "blue");
    stage.create_fleet("arena", json!({})).await;
    stage.eventually("all servers are ready", |it| it.ready("arena") == 3).await;
    let second = release(&stage, "green");
    let server = stage.play("duel").await;
    stage.eventually("it is told", |it| it.event("arena", reason::MANAGED_ELSEWHERE).is_some()).await;
    let note = stage.event("arena", reason::MANAGED_ELSEWHERE).unwrap();
    assert!(
        note.contains("gamekeeper-system/lease-of-blue") && note.contains("watch different namespaces"),
        "{note}"
    );
    for room in ["a", "b", "c"] {
        stage.create_room(room, json!({ "spec": { "ttlSecondsAfterFinished": 1 } })).await;
        stage.eventually("it is played", |it| it.is_played(room)).await;
        let pod = stage.server_of(room).unwrap();
        checker.excuse(&pod);
        stage.cluster.exit(NAMESPACE, &pod, 0);
        stage.eventually("it is over", |it| it.phase(room).is_none_or(|it| it == Phase::Finished)).await;
    }
    let mark = stage.api.mark();
    sleep(Duration::from_mins(2)).await;
    let looks = stage.api.log().iter().skip(mark).filter(|it| it.client == "green").count();
    assert!(looks < 2 * 120, "{looks} requests to see whether the other is still there");
    assert_eq!(writes_of(&stage, "green"), [], "hands off");

    first.kill();
    sleep(Duration::from_secs(10)).await;
    assert_eq!(writes_of(&stage, "green"), [], "it may be that its standby takes over in a moment");
    stage
        .eventually("the second has taken over", |it| {
            let status = it.fleet("arena").unwrap().status.unwrap();
            status.managed_by.as_deref() == Some("gamekeeper-system/lease-of-green")
        })
        .await;
    stage.play("late").await;
    assert_eq!(stage.server_of("duel"), Some(server), "matches go on");
    assert!(stage.is_played("duel"));
    // The first comes back, and now is the second.
    let _first = release(&stage, "blue");
    let mark = stage.api.mark();
    stage.play("later").await;
    sleep(Duration::from_mins(1)).await;
    let theirs = stage.api.writes_since(mark);
    let theirs: Vec<_> = theirs
        .iter()
        .filter(|it| it.client == "blue" && it.resource != "leases" && it.resource != "events")
        .collect();
    assert!(theirs.is_empty(), "{theirs:?}");
    drop(second);
    checker.assert_kept(&stage.picture());
}

#[tokio::test(start_paused = true)]
async fn p2_two_releases_that_start_at_once_agree_on_one() {
    let stage = Stage::new(162);
    let checker = Checker::start(&stage.api);
    stage.create_fleet("arena", json!({ "spec": { "replicas": 3 } })).await;
    let _both = [release(&stage, "blue"), release(&stage, "green")];
    stage.eventually("all servers are ready", |it| it.ready("arena") == 3).await;
    for room in ["a", "b", "c"] {
        stage.play(room).await;
    }
    let manager = stage.fleet("arena").unwrap().status.unwrap().managed_by.unwrap();
    let other = if manager.ends_with("blue") { "green" } else { "blue" };
    assert_eq!(writes_of(&stage, other).iter().filter(|it| it.changed).count(), 0);
    assert_eq!(stage.pods().len(), 3);
    checker.assert_kept(&stage.picture());
}
