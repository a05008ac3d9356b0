//! An API server that is busy, broken, slow, or gone.

use std::time::Duration;

use gamekeeper_crds::room::Phase;
use gamekeeper_testkit::Faults;
use serde_json::json;
use tokio::time::sleep;

use crate::{
    checker::Checker,
    neighbour::Neighbour,
    support::{NAMESPACE, Running, Stage, ready_stage},
};

/// Everything that a fleet does in a while, under `faults`; then, without, all must be well.
async fn through(seed: u64, faults: Faults) {
    let (stage, _operator) = ready_stage(seed, 4).await;
    let checker = Checker::start(&stage.api);
    let server = stage.play("lasting").await;
    stage.api.set_faults(faults);
    let rooms: Vec<String> = (0..6).map(|it| format!("room-{it}")).collect();
    for room in &rooms {
        stage.create_room(room, json!({ "spec": { "ttlSecondsAfterFinished": 5 } })).await;
        let patience = Duration::from_mins(3);
        stage.within(patience, "a room is played", |it| it.is_played(room)).await;
        let pod = stage.server_of(room).unwrap();
        checker.excuse(&pod);
        stage.cluster.exit(NAMESPACE, &pod, 0);
        stage
            .within(patience, "its end is noticed", |it| {
                it.phase(room).is_none_or(|it| it == Phase::Finished)
            })
            .await;
    }
    stage.patch_fleet("arena", json!({ "spec": { "replicas": 7 } })).await;
    stage.within(Duration::from_mins(3), "the fleet has grown", |it| it.ready("arena") == 7).await;
    stage.patch_fleet("arena", json!({ "spec": { "replicas": 2 } })).await;
    stage.within(Duration::from_mins(3), "the fleet has shrunk", |it| it.pods().len() == 2).await;
    assert_eq!(stage.server_of("lasting"), Some(server));
    stage.api.set_faults(Faults::default());
    let is_forgotten = |it: &Stage| rooms.iter().all(|room| it.room(room).is_none());
    stage.within(Duration::from_mins(3), "rooms that are over are deleted", is_forgotten).await;
    sleep(Duration::from_secs(30)).await;
    stage.assert_at_rest(Duration::from_mins(2)).await;
    checker.assert_kept(&stage.picture());
}

#[tokio::test(start_paused = true)]
async fn p2_p6_an_api_server_that_often_asks_to_come_back_later_delays_and_breaks_nothing() {
    through(151, Faults { too_many: 0.3, ..Faults::default() }).await;
}

#[tokio::test(start_paused = true)]
async fn p2_p6_an_api_server_that_often_fails_before_or_after_the_fact_delays_and_breaks_nothing() {
    through(152, Faults { error_before: 0.15, error_after: 0.15, ..Faults::default() }).await;
}

#[tokio::test(start_paused = true)]
async fn p2_p6_an_api_server_that_is_slow_delays_and_breaks_nothing() {
    let ms = Duration::from_millis;
    through(153, Faults { delay: ms(200)..ms(900), watch_lag: ms(0)..ms(1500), ..Faults::default() }).await;
}

async fn outage(stage: &Stage, duration: Duration) {
    stage.api.outage(duration);
    sleep(duration).await;
}

#[tokio::test(start_paused = true)]
async fn p7_an_api_server_that_is_gone_for_a_minute_costs_no_match() {
    let (stage, operator): (Stage, Running) = ready_stage(154, 4).await;
    let checker = Checker::start(&stage.api);
    let neighbour = Neighbour::new(&stage).await;
    let (lasting, ending) = (stage.play("lasting").await, stage.play("ending").await);
    let mark = stage.api.log().len();
    stage.api.outage(Duration::from_mins(1));
    // Its players are not told, but its end is not lost either.
    checker.excuse(&ending);
    assert!(stage.cluster.exit(NAMESPACE, &ending, 0));
    sleep(Duration::from_mins(1)).await;
    let tried = stage.api.log().len() - mark;
    assert!(tried < 400, "{tried} requests in the outage: who waits does not hammer");
    stage
        .within(Duration::from_secs(45), "the end is noticed", |it| {
            it.phase("ending") == Some(Phase::Finished)
        })
        .await;
    assert_eq!(stage.server_of("lasting"), Some(lasting));
    neighbour.plays("bout").await;
    outage(&stage, Duration::from_millis(900)).await;
    stage.play("late").await;
    assert!(stage.is_played("lasting"));
    drop(operator);
    checker.assert_kept(&stage.picture());
}
