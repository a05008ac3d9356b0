//! Who leads, and that whoever no longer does, does no harm.

use std::{collections::BTreeMap, time::Duration};

use gamekeeper_testkit::{Entry, Faults, Verb};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    checker::Checker,
    support::{NAMESPACE, Running, Stage, ready_stage},
};

/// How long after the last renewal of its Lease a leader may still write.
const VALIDITY: Duration = Duration::from_millis(2500);

const LEASE: (&str, &str, &str, &str) =
    ("coordination.k8s.io", "leases", "gamekeeper-system", "gamekeeper-operator");

fn lease(stage: &Stage) -> Option<Value> {
    let (group, plural, namespace, name) = LEASE;
    stage.api.object(group, plural, namespace, name)
}

fn holder(stage: &Stage) -> Option<String> {
    lease(stage)?["spec"]["holderIdentity"].as_str().map(str::to_owned)
}

/// The term that the Lease names.
fn term(stage: &Stage) -> i64 {
    lease(stage).map(|it| it["spec"]["leaseTransitions"].as_i64().unwrap()).unwrap_or_default()
}

/// The highest term that any room's status names.
fn term_of_rooms(stage: &Stage) -> i64 {
    let rooms = stage.api.objects("gamekeeper.dev", "gamerooms");
    rooms.iter().filter_map(|it| it["status"]["epoch"].as_i64()).max().unwrap_or_default() >> 32
}

async fn until_led_by(stage: &Stage, patience: Duration, operator: &Running) {
    stage.within(patience, "the other leads", |it| holder(it).as_deref() == Some(operator.name())).await;
}

/// Every write of this client that came later than its Lease allows, in the log's words. Requests
/// that were on their way already cannot be called back; here none are.
fn stale_writes(stage: &Stage, client: &str) -> Vec<String> {
    let mut renewed = None;
    let mut stale = Vec::new();
    for entry in stage.api.writes_since(0).iter().filter(|it| it.client == client) {
        if entry.resource == "leases" {
            if entry.changed {
                renewed = Some(entry.at);
            }
        } else if renewed.is_none_or(|it: Duration| it + VALIDITY < entry.at) {
            stale.push(entry.to_string());
        }
    }
    stale
}

#[tokio::test(start_paused = true)]
async fn i2_of_two_candidates_one_leads_and_the_other_writes_nothing() {
    let (stage, _leader) = ready_stage(201, 3).await;
    let standby = stage.operator("operator-2");
    stage.play("duel").await;
    sleep(Duration::from_mins(1)).await;
    assert_eq!(holder(&stage).as_deref(), Some("operator-1"));
    let writes = stage.api.writes_since(0).into_iter().filter(|it| it.client == standby.name());
    assert_eq!(writes.collect::<Vec<_>>(), []);
}

#[tokio::test(start_paused = true)]
async fn p7_a_standby_takes_over_within_seconds_of_a_crash_under_a_higher_term() {
    let (stage, leader) = ready_stage(202, 3).await;
    let checker = Checker::start(&stage.api);
    let standby = stage.operator("operator-2");
    let server = stage.play("duel").await;
    sleep(Duration::from_millis(600)).await;
    let before = (term(&stage), Instant::now());
    leader.kill();
    until_led_by(&stage, Duration::from_secs(5), &standby).await;
    assert!(Duration::from_secs(2) <= before.1.elapsed(), "not before the Lease has run out");
    assert_eq!(term(&stage), before.0 + 1);
    stage.create_room("late", json!({})).await;
    stage.within(Duration::from_secs(2), "it works", |it| it.is_played("late")).await;
    assert_eq!(stage.server_of("duel"), Some(server));
    let epochs = ["duel", "late"].map(|it| stage.room(it).unwrap().status.unwrap().epoch >> 32);
    assert_eq!(epochs, [before.0, before.0 + 1]);
    checker.assert_kept(&stage.picture());
}

#[tokio::test(start_paused = true)]
async fn p7_a_standby_takes_over_at_once_from_who_is_told_to_stop() {
    let (stage, leader) = ready_stage(203, 3).await;
    let standby = stage.operator("operator-2");
    stage.play("duel").await;
    sleep(Duration::from_secs(5)).await;
    leader.stop().await;
    assert_eq!(holder(&stage), None, "given up");
    // Its next look at the Lease.
    until_led_by(&stage, Duration::from_millis(1500), &standby).await;
    stage.create_room("late", json!({})).await;
    stage.within(Duration::from_secs(2), "it works", |it| it.is_played("late")).await;
}

/// A leader is stopped and woken while rooms come and go, and another takes over meanwhile.
async fn paused(seed: u64) {
    let (stage, leader) = ready_stage(seed, 5).await;
    let checker = Checker::start(&stage.api);
    let standby = stage.operator("operator-2");
    let lasting = stage.play("lasting").await;
    stage.play("ending").await;
    let ms = Duration::from_millis;
    stage.api.set_faults(Faults { delay: ms(1)..ms(20), watch_lag: ms(1)..ms(20), ..Faults::default() });
    // Requests of all kinds are under way when it is stopped.
    for room in ["a", "b", "c"] {
        stage.create_room(room, json!({})).await;
    }
    let ending = stage.server_of("ending").unwrap();
    checker.excuse(&ending);
    stage.cluster.exit(NAMESPACE, &ending, 0);
    stage.patch_fleet("arena", json!({ "spec": { "replicas": 6 } })).await;
    sleep(ms(5 * (seed % 20))).await;
    leader.connection.pause.pause();
    sleep(Duration::from_secs(1)).await;
    // What it still holds is to be wrong by the time it is sent.
    stage.patch_fleet("arena", json!({ "spec": { "replicas": 4 } })).await;
    for room in ["d", "e", "f"] {
        stage.create_room(room, json!({})).await;
    }
    sleep(Duration::from_secs(9)).await;
    assert_eq!(holder(&stage).as_deref(), Some("operator-2"), "seed {seed}");
    let written = stage.api.mark();
    leader.connection.pause.resume();
    sleep(Duration::from_secs(10)).await;
    let theirs: Vec<Entry> =
        stage.api.writes_since(written).into_iter().filter(|it| it.client == leader.name()).collect();
    assert_eq!(holder(&stage).as_deref(), Some("operator-2"), "seed {seed}: {theirs:?}");
    let later = stage.api.mark();
    stage.delete_room("a").await;
    sleep(Duration::from_secs(10)).await;
    let theirs: Vec<Entry> =
        stage.api.writes_since(later).into_iter().filter(|it| it.client == leader.name()).collect();
    assert!(theirs.is_empty(), "seed {seed}: it is a standby: {theirs:?}");
    assert_eq!(stage.server_of("lasting"), Some(lasting));
    let on_one = |it: &Stage| ["b", "c"].iter().all(|room| it.is_played(room));
    stage.eventually("the rooms are played", on_one).await;
    // And it is a good one.
    let mut claims: BTreeMap<String, usize> = BTreeMap::new();
    for pod in stage.cluster.running() {
        *claims
            .entry(pod.annotations.get("gamekeeper.dev/room-uid").cloned().unwrap_or_default())
            .or_default() += 1;
    }
    claims.remove("");
    assert!(claims.values().all(|it| *it == 1), "seed {seed}: P2: {claims:?}\n{}", stage.picture());
    standby.kill();
    until_led_by(&stage, Duration::from_secs(5), &leader).await;
    checker.assert_kept(&format!("seed {seed}\n{}", stage.picture()));
}

#[tokio::test(start_paused = true)]
async fn p2_p6_a_leader_that_was_stopped_for_ten_seconds_does_no_harm_when_it_wakes() {
    for seed in 210..222 {
        paused(seed).await;
    }
}

#[tokio::test(start_paused = true)]
async fn i2_a_leader_that_stood_still_writes_nothing_more_under_its_old_lease() {
    for step in 0..20 {
        let (stage, leader) = ready_stage(240 + step, 3).await;
        let server = stage.play("duel").await;
        sleep(Duration::from_millis(step * 50)).await;
        // Something is to be done, and then the process stands still before it can be.
        stage.create_room("late", json!({})).await;
        stage.delete_room("duel").await;
        stage.patch_fleet("arena", json!({ "spec": { "replicas": 5 } })).await;
        sleep(Duration::from_millis(step % 7)).await;
        tokio::time::advance(Duration::from_secs(10)).await;
        sleep(Duration::from_secs(20)).await;
        assert_eq!(stale_writes(&stage, leader.name()), [""; 0], "step {step}");
        stage.eventually("all is done in the end", |it| it.is_played("late") && it.ready("arena") == 5).await;
        assert!(stage.cluster.running().iter().all(|it| it.name != server));
    }
}

#[tokio::test(start_paused = true)]
async fn i2_a_leader_that_cannot_renew_its_lease_stops_writing_before_it_runs_out() {
    let (stage, leader) = ready_stage(281, 3).await;
    let checker = Checker::start(&stage.api);
    for round in 0..10 {
        stage.api.forbid(Verb::Update, "leases");
        for room in 0..40 {
            // There is something to write all the time.
            let name = format!("room-{}", room % 4);
            stage.server_of(&name).iter().for_each(|it| checker.excuse(it));
            stage.delete_room(&name).await;
            stage.create_room(&name, json!({})).await;
            sleep(Duration::from_millis(97 + round)).await;
        }
        assert_eq!(stale_writes(&stage, leader.name()), [""; 0], "round {round}");
        stage.api.allow(Verb::Update, "leases");
        // As many as there are servers.
        let played = |it: &Stage| (0..4).filter(|room| it.is_played(&format!("room-{room}"))).count();
        stage.within(Duration::from_secs(20), "it is back", |it| played(it) == 3).await;
    }
    checker.assert_kept(&stage.picture());
}

#[tokio::test(start_paused = true)]
async fn i2_a_deleted_lease_harms_nothing_and_the_next_term_is_above_every_epoch() {
    let (stage, _leader) = ready_stage(291, 4).await;
    let _standby = stage.operator("operator-2");
    let checker = Checker::start(&stage.api);
    let server = stage.play("lasting").await;
    for round in 0..5 {
        let before = term_of_rooms(&stage);
        let (group, plural, namespace, name) = LEASE;
        stage.api.erase(group, plural, namespace, name);
        stage.create_room("duel", json!({})).await;
        stage.within(Duration::from_secs(10), "somebody leads", |it| holder(it).is_some()).await;
        assert!(before < term(&stage), "round {round}");
        stage.eventually("the room is played", |it| it.is_played("duel")).await;
        assert_eq!(stage.server_of("lasting").as_ref(), Some(&server));
        stage.server_of("duel").iter().for_each(|it| checker.excuse(it));
        stage.delete_room("duel").await;
        stage.play(&format!("brief-{round}")).await;
        stage.server_of(&format!("brief-{round}")).iter().for_each(|it| checker.excuse(it));
        stage.delete_room(&format!("brief-{round}")).await;
        stage.eventually("its server is replaced", |it| it.ready("arena") == 4 && it.pods().len() == 4).await;
    }
    checker.assert_kept(&stage.picture());
}

#[tokio::test(start_paused = true)]
async fn i2_a_lease_that_is_restored_from_an_old_copy_takes_no_term_back() {
    let (stage, leader) = ready_stage(292, 4).await;
    let checker = Checker::start(&stage.api);
    let old = lease(&stage).unwrap();
    let mut leader = leader;
    let server = stage.play("lasting").await;
    for round in 2..6 {
        let next = stage.operator(&format!("operator-{round}"));
        leader.kill();
        until_led_by(&stage, Duration::from_secs(6), &next).await;
        leader = next;
    }
    stage.play("duel").await;
    let before = (term(&stage), term_of_rooms(&stage));
    assert_eq!(before, (5, 5));
    let (group, plural, namespace, name) = LEASE;
    assert!(stage.api.edit(group, plural, namespace, name, |it| it["spec"] = old["spec"].clone()));
    sleep(Duration::from_millis(1500)).await;
    stage.create_room("late", json!({})).await;
    stage.within(Duration::from_secs(10), "it leads again", |it| it.is_played("late")).await;
    assert!(before.0 < term(&stage), "{} is not above {}", term(&stage), before.0);
    assert!(before.1 < term_of_rooms(&stage));
    assert_eq!(stage.server_of("lasting"), Some(server));
    assert_eq!(stale_writes(&stage, leader.name()), [""; 0]);
    checker.assert_kept(&stage.picture());
}

#[tokio::test(start_paused = true)]
async fn p7_a_leader_that_loses_the_api_server_for_a_minute_steps_down_and_comes_back() {
    let (stage, leader) = ready_stage(293, 3).await;
    let checker = Checker::start(&stage.api);
    let server = stage.play("duel").await;
    let before = term(&stage);
    stage.create_room("late", json!({})).await;
    stage.api.outage(Duration::from_mins(1));
    sleep(Duration::from_mins(1)).await;
    stage.within(Duration::from_secs(10), "it leads under a new term", |it| before < term(it)).await;
    stage.within(Duration::from_secs(10), "it works", |it| it.is_played("late")).await;
    assert_eq!(stage.server_of("duel"), Some(server));
    assert_eq!(stale_writes(&stage, leader.name()), [""; 0]);
    checker.assert_kept(&stage.picture());
}

#[tokio::test(start_paused = true)]
async fn p7_i4_a_new_leader_takes_no_address_back_and_writes_no_room_that_is_as_it_should_be() {
    let (stage, first) = ready_stage(290, 3).await;
    for room in ["a", "b"] {
        stage.play(room).await;
    }
    first.kill();
    let mark = stage.api.mark();
    let _second = stage.operator("operator-2");
    stage.play("c").await;
    sleep(Duration::from_secs(10)).await;
    let writes = stage.api.writes_since(mark);
    let of_rooms: Vec<_> = writes.iter().filter(|it| it.resource == "gamerooms/status").collect();
    assert_eq!(of_rooms.len(), 1, "{of_rooms:#?}");
}
