//! Servers that are lost before their pods end, and servers that only seem to be.

use std::{collections::BTreeSet, time::Duration};

use gamekeeper_control::Feature;
use gamekeeper_crds::{conditions::reason, room::Phase};
use gamekeeper_testkit::{ClientOptions, sim::ClusterOptions};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{
    everyday::{create_fleet, host, is_hosted},
    servers::Quirks,
};
use crate::support::{Running, Stage};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Servers that restore rooms and are witnesses.
fn quirks() -> Quirks {
    let features = BTreeSet::from([Feature::Restore, Feature::TakeIfSilent, Feature::Witness]);
    Quirks { features, ..Quirks::default() }
}

fn stopped(server: &str) -> Quirks {
    Quirks { stopped: [server.to_owned()].into(), ..quirks() }
}

/// Kubelets that take their time, so that nobody else tells of a loss.
fn slow_kubelets() -> ClusterOptions {
    ClusterOptions { report: Duration::from_secs(20)..Duration::from_secs(30), ..ClusterOptions::default() }
}

/// Two servers on two nodes, in a fleet with a store.
async fn stage(seed: u64, change: Value) -> (Stage, Running) {
    let stage = Stage::with(seed, slow_kubelets());
    stage.servers.misbehave(quirks());
    // A request that gets lost is another test's matter.
    let sound = ClientOptions::sound("operator-1");
    let operator = stage.operator_with(&sound, "default=7000-7099", "gamekeeper-operator");
    let mut fleet = json!({ "spec": {
        "placement": { "strategy": "Distributed" },
        // Players who are there do not come back in these tests.
        "rooms": { "claimTimeout": "1h" },
        "state": { "redis": { "urlSecretKeyRef": { "name": "gamekeeper-redis" } } },
    } });
    json_patch::merge(&mut fleet, &change);
    create_fleet(&stage, fleet).await;
    stage.eventually("all servers are ready", |it| it.ready("arena") == 2).await;
    let nodes: BTreeSet<String> = stage.cluster.running().into_iter().map(|it| it.node).collect();
    assert_eq!(nodes.len(), 2, "one on each");
    (stage, operator)
}

/// A match with players, and the server where it is.
async fn play(stage: &Stage, room: &str) -> String {
    let server = host(stage, room).await;
    stage.servers.join(room, 2);
    sleep(Duration::from_secs(2)).await;
    server
}

fn node_of(stage: &Stage, server: &str) -> String {
    stage.cluster.running().into_iter().find(|it| it.name == server).unwrap().node
}

fn epoch(stage: &Stage, room: &str) -> i64 {
    stage.room(room).unwrap().status.unwrap().epoch
}

/// Until the room is open on another server than `old`: its epoch there, and how long that took.
async fn opened_elsewhere(stage: &Stage, room: &str, old: &str) -> (i64, Duration) {
    let began = Instant::now();
    while began.elapsed() < Duration::from_mins(1) {
        let rooms = stage.servers.all_rooms();
        if let Some((_, tenancy)) = rooms.iter().find(|(server, it)| server != old && it.name == room) {
            return (tenancy.epoch, began.elapsed());
        }
        sleep(ms(2)).await;
    }
    panic!("{room} is not opened elsewhere\n{}", stage.picture());
}

/// The room stays where it is, for minutes.
async fn assert_stays(stage: &Stage, room: &str, server: &str) {
    let before = epoch(stage, room);
    sleep(Duration::from_mins(3)).await;
    assert_eq!(stage.servers.all_rooms().iter().filter(|(_, it)| it.name == room).count(), 1);
    assert_eq!(stage.server_of(room).as_deref(), Some(server));
    assert_eq!((epoch(stage, room), stage.phase(room)), (before, Some(Phase::Running)));
}

#[tokio::test(start_paused = true)]
async fn p3_p4_i6_rooms_of_a_dead_process_are_elsewhere_before_its_kubelet_tells() {
    let (stage, _operator) = stage(801, json!({})).await;
    let server = play(&stage, "duel").await;
    assert!(stage.cluster.kill("games", &server));
    let (epoch, took) = opened_elsewhere(&stage, "duel", &server).await;
    assert!(took <= ms(200), "{took:?}");
    assert_eq!(stage.servers.restored(epoch).map(|it| it.fence), Some(false), "its end is proven");
    stage.eventually("that is published", |it| is_hosted(it, "duel")).await;
    let note = stage.event("duel", reason::SERVER_LOST).unwrap();
    assert!(note.contains("is down: its control port refuses connections"), "{note}");
}

#[tokio::test(start_paused = true)]
async fn p3_i6_i7_a_server_that_hangs_loses_its_rooms_behind_the_fence_and_is_used_again() {
    let (stage, _operator) = stage(802, json!({})).await;
    let server = play(&stage, "duel").await;
    stage.servers.misbehave(stopped(&server));
    let (epoch, took) = opened_elsewhere(&stage, "duel", &server).await;
    assert!(took <= ms(500), "{took:?}");
    assert_eq!(stage.servers.restored(epoch).map(|it| it.fence), Some(true));
    stage.eventually("that is published", |it| is_hosted(it, "duel")).await;
    assert!(stage.event("duel", reason::SERVER_LOST).unwrap().contains("hangs"));
    // SIGCONT: what it has is not its own any more.
    sleep(Duration::from_secs(10)).await;
    stage.servers.misbehave(quirks());
    stage.eventually("it is ready again", |it| it.ready("arena") == 2).await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(stage.servers.all_rooms().len(), 1, "the old one was closed");
    assert_ne!(stage.server_of("duel").unwrap(), server);
    let mut servers = BTreeSet::new();
    for room in ["a", "b", "c"] {
        servers.insert(host(&stage, room).await);
    }
    assert!(servers.contains(&server), "it is as good as ever");
}

#[tokio::test(start_paused = true)]
async fn i9_a_server_that_hangs_for_good_is_replaced_when_its_rooms_are_elsewhere() {
    let (stage, _operator) = stage(803, json!({ "spec": { "health": { "startTimeout": "20s" } } })).await;
    let server = play(&stage, "duel").await;
    stage.servers.misbehave(stopped(&server));
    opened_elsewhere(&stage, "duel", &server).await;
    sleep(Duration::from_secs(10)).await;
    let is_there = |it: &Stage| {
        it.pods_of("arena")
            .iter()
            .any(|pod| pod["metadata"]["name"] == *server && pod["metadata"]["deletionTimestamp"].is_null())
    };
    assert!(is_there(&stage), "it may come back");
    stage.within(Duration::from_mins(1), "it is replaced", |it| !is_there(it)).await;
    stage.eventually("the fleet is whole", |it| it.ready("arena") == 2).await;
    assert!(is_hosted(&stage, "duel"));
}

#[tokio::test(start_paused = true)]
async fn i9_the_last_server_of_a_fleet_is_replaced_too_when_it_hangs() {
    let (stage, _operator) = stage(804, json!({ "spec": { "health": { "startTimeout": "20s" } } })).await;
    let server = play(&stage, "duel").await;
    let other = stage.cluster.running().into_iter().find(|it| it.name != server).unwrap().name;
    let all = Quirks { stopped: [server.clone(), other.clone()].into(), ..quirks() };
    stage.servers.misbehave(all);
    stage.eventually("it waits", |it| it.phase("duel") == Some(Phase::Recovering)).await;
    stage.within(Duration::from_mins(3), "it is played elsewhere", |it| is_hosted(it, "duel")).await;
    let now = stage.server_of("duel").unwrap();
    assert!(now != server && now != other);
}

#[tokio::test(start_paused = true)]
async fn i6_a_room_whose_server_is_back_with_all_others_is_played_there_or_elsewhere_and_once() {
    let (stage, _operator) = stage(805, json!({})).await;
    let server = play(&stage, "duel").await;
    let before = epoch(&stage, "duel");
    let other = stage.cluster.running().into_iter().find(|it| it.name != server).unwrap().name;
    // Nobody is left who could have taken it over meanwhile.
    stage.servers.misbehave(stopped(&other));
    sleep(Duration::from_secs(5)).await;
    stage.servers.misbehave(Quirks { stopped: [server.clone(), other].into(), ..quirks() });
    stage.eventually("it waits", |it| it.phase("duel") == Some(Phase::Recovering)).await;
    stage.servers.misbehave(quirks());
    stage.eventually("it is played", |it| is_hosted(it, "duel")).await;
    let is_same = epoch(&stage, "duel") == before;
    assert!(
        is_same == (stage.server_of("duel") == Some(server)),
        "under the same epoch, or elsewhere\n{}",
        stage.picture()
    );
    sleep(Duration::from_secs(10)).await;
    assert_eq!(stage.servers.all_rooms().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn p3_i6_i7_rooms_of_a_node_that_is_cut_off_go_on_elsewhere_and_are_closed_there_when_it_is_back() {
    for powers_off in [false, true] {
        let (stage, _operator) = stage(806, json!({})).await;
        let server = play(&stage, "duel").await;
        let node = node_of(&stage, &server);
        if powers_off {
            stage.cluster.power_off(&node);
        } else {
            stage.cluster.cut(&node);
        }
        let (epoch, took) = opened_elsewhere(&stage, "duel", &server).await;
        assert!(took <= ms(2500), "{took:?}");
        assert_eq!(stage.servers.restored(epoch).map(|it| it.fence), Some(true));
        stage.eventually("that is published", |it| is_hosted(it, "duel")).await;
        let note = stage.event("duel", reason::SERVER_LOST).unwrap();
        assert!(note.contains("neither server") && note.contains("nor its node answers"), "{note}");
        sleep(Duration::from_secs(5)).await;
        stage.cluster.join(&node);
        sleep(Duration::from_secs(30)).await;
        assert_eq!(stage.servers.all_rooms().len(), 1, "{}", stage.picture());
        assert!(is_hosted(&stage, "duel"));
    }
}

#[tokio::test(start_paused = true)]
async fn i6_i8_a_server_that_only_the_operator_does_not_reach_keeps_its_rooms() {
    let (stage, _operator) = stage(807, json!({})).await;
    let server = play(&stage, "duel").await;
    stage.servers.misbehave(Quirks { out_of_reach: [server.clone()].into(), ..quirks() });
    assert_stays(&stage, "duel", &server).await;
    let asked = stage.servers.bids();
    assert!((20..50).contains(&asked), "the store was asked {asked} times in three minutes");
    stage.servers.misbehave(quirks());
    stage.eventually("it is ready again", |it| it.ready("arena") == 2).await;
    assert_stays(&stage, "duel", &server).await;
    assert_eq!(stage.servers.bids(), asked, "and not since");
    assert_eq!(stage.event("duel", reason::SERVER_LOST), None);
}

#[tokio::test(start_paused = true)]
async fn p4_i7_rooms_of_a_server_that_only_its_players_reach_go_on_elsewhere_by_the_stores_word() {
    let (stage, _operator) = stage(811, json!({})).await;
    let server = play(&stage, "duel").await;
    let out_of_reach = BTreeSet::from([server.clone()]);
    let is_store_out_of_reach = true;
    stage.servers.misbehave(Quirks { out_of_reach, is_store_out_of_reach, ..quirks() });
    let (later, took) = opened_elsewhere(&stage, "duel", &server).await;
    assert!((ms(1000)..=ms(3500)).contains(&took), "{took:?}");
    let restored = stage.servers.restored(later).map(|it| (it.fence, it.owner_silent));
    assert_eq!(restored, Some((true, ms(1000))));
    stage.eventually("that is published", |it| is_hosted(it, "duel")).await;
    let note = stage.event("duel", reason::SERVER_LOST).unwrap();
    assert!(note.contains("is heard neither by the operator nor by the store"), "{note}");
    sleep(Duration::from_secs(10)).await;
    stage.servers.misbehave(quirks());
    stage.eventually("it is ready again", |it| it.ready("arena") == 2).await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(stage.servers.all_rooms().len(), 1, "the old one was closed\n{}", stage.picture());
    assert_eq!(epoch(&stage, "duel"), later);
}

#[tokio::test(start_paused = true)]
async fn i7_i8_where_servers_do_not_ask_the_store_first_nothing_is_asked_of_them() {
    let (stage, _operator) = stage(812, json!({})).await;
    let features = BTreeSet::from([Feature::Restore, Feature::Witness]);
    stage.servers.misbehave(Quirks { features: features.clone(), ..Quirks::default() });
    // Greeted anew, they offer what they do.
    for pod in stage.cluster.running() {
        stage.servers.hang_up(&pod.name);
    }
    sleep(Duration::from_secs(20)).await;
    let server = play(&stage, "duel").await;
    let out_of_reach = BTreeSet::from([server.clone()]);
    stage.servers.misbehave(Quirks {
        out_of_reach,
        is_store_out_of_reach: true,
        features,
        ..Quirks::default()
    });
    assert_stays(&stage, "duel", &server).await;
    assert_eq!(stage.servers.bids(), 0);
}

#[tokio::test(start_paused = true)]
async fn i7_without_a_store_only_a_proven_loss_is_recovered() {
    for (change, features) in [
        (json!({ "spec": { "state": null } }), quirks().features),
        (json!({}), BTreeSet::from([Feature::Witness])),
    ] {
        let (stage, _operator) = stage(808, change).await;
        stage.servers.misbehave(Quirks { features: features.clone(), ..Quirks::default() });
        // Greeted anew, they offer what they do.
        for pod in stage.cluster.running() {
            stage.servers.hang_up(&pod.name);
        }
        sleep(Duration::from_secs(20)).await;
        let server = play(&stage, "duel").await;
        stage.servers.misbehave(Quirks { features, ..stopped(&server) });
        assert_stays(&stage, "duel", &server).await;
        // Killed while it hangs: that is certain.
        assert!(stage.cluster.kill("games", &server));
        let (_, took) = opened_elsewhere(&stage, "duel", &server).await;
        assert!(took <= Duration::from_secs(15), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn i6_an_operator_that_stands_still_suspects_nobody() {
    let (stage, _operator) = stage(809, json!({})).await;
    let server = play(&stage, "duel").await;
    let before = epoch(&stage, "duel");
    for round in 0..40_u64 {
        // As after SIGSTOP: all of a sudden it is later.
        tokio::time::advance(ms(60 + round * 35)).await;
        sleep(ms(round * 17)).await;
    }
    sleep(Duration::from_secs(5)).await;
    assert!(is_hosted(&stage, "duel") && epoch(&stage, "duel") == before);
    assert_eq!(stage.server_of("duel"), Some(server));
    assert_eq!(stage.event("duel", reason::SERVER_LOST), None);
}

#[tokio::test(start_paused = true)]
async fn p7_i5_a_new_leader_finds_what_was_lost_while_nobody_led() {
    for cuts in [false, true] {
        let (stage, first) = stage(810, json!({})).await;
        let server = play(&stage, "duel").await;
        first.kill();
        if cuts {
            stage.cluster.cut(&node_of(&stage, &server));
        } else {
            assert!(stage.cluster.kill("games", &server));
        }
        let _second = stage.operator_with(
            &ClientOptions::sound("operator-2"),
            "default=7000-7099",
            "gamekeeper-operator",
        );
        let (epoch, took) = opened_elsewhere(&stage, "duel", &server).await;
        assert!(took <= Duration::from_secs(8), "{took:?}");
        assert_eq!(stage.servers.restored(epoch).map(|it| it.fence), Some(cuts));
        stage.eventually("that is published", |it| is_hosted(it, "duel")).await;
    }
}
