//! Servers that do not keep to the protocol, and rooms that cannot be.

use std::{collections::BTreeMap, time::Duration};

use gamekeeper_control::{Beat, HostedRoom, RefusedWhy, RoomPhase, Tenancy, ToOperator, proto};
use gamekeeper_crds::{
    conditions::{DEGRADED, FINISHED, reason},
    room::Phase,
};
use gamekeeper_testkit::Verb;
use serde_json::json;
use tokio::time::sleep;

use super::{
    everyday::{create_fleet, host, is_hosted, ready_stage},
    servers::Quirks,
};
use crate::{neighbour::Neighbour, support::Stage};

/// Servers with these quirks cannot be talked to: that is said, they are braked, a neighbour plays on, and
/// proper ones mend the fleet.
async fn assert_not_spoken_to(seed: u64, quirks: Quirks, said: &str) {
    let stage = Stage::new(seed);
    let _operator = stage.operator("operator-1");
    let neighbour = Neighbour::new(&stage).await;
    stage.servers.misbehave(quirks);
    create_fleet(&stage, json!({ "spec": { "health": { "startTimeout": "20s" } } })).await;
    stage.create_room("duel", json!({})).await;
    stage
        .eventually("that is said", |it| {
            let (_, why, message) = it.fleet_condition("arena", DEGRADED);
            why == reason::CONTROL_FAILING && message.contains(said)
        })
        .await;
    neighbour.plays("bout").await;
    let mark = stage.api.mark();
    sleep(Duration::from_mins(5)).await;
    let made = stage.api.writes_since(mark);
    let made = made.iter().filter(|it| {
        it.verb == Verb::Create && it.resource == "pods" && it.name.starts_with("arena-") && it.changed
    });
    assert!(made.count() < 60, "its servers are not braked");
    stage.servers.misbehave(Quirks::default());
    stage.within(Duration::from_mins(7), "the room is hosted", |it| is_hosted(it, "duel")).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_begins_with_garbage_is_not_spoken_to() {
    let nothing_said = proto::ServerMessage { message: None };
    let quirks = Quirks { first_words: Some(nothing_said), ..Quirks::default() };
    assert_not_spoken_to(701, quirks, "began with something else than a greeting").await;
}

#[tokio::test(start_paused = true)]
async fn a_server_with_a_malformed_welcome_is_not_spoken_to() {
    let welcome = proto::Welcome { boot_id: String::new(), ..proto::Welcome::default() };
    let first = proto::ServerMessage { message: Some(proto::server_message::Message::Welcome(welcome)) };
    let quirks = Quirks { first_words: Some(first), ..Quirks::default() };
    assert_not_spoken_to(702, quirks, "malformed message").await;
}

#[tokio::test(start_paused = true)]
async fn a_server_of_another_protocol_version_is_not_spoken_to() {
    let quirks = Quirks { protocol: Some(7), ..Quirks::default() };
    assert_not_spoken_to(703, quirks, "refused the greeting").await;
}

#[tokio::test(start_paused = true)]
async fn a_term_from_the_far_future_unseats_nobody() {
    let tenancy = Tenancy {
        namespace: "games".into(),
        name: "ghost".into(),
        uid: "no-such-room".into(),
        epoch: i64::MAX,
    };
    let ghost = HostedRoom {
        tenancy,
        phase: RoomPhase::Playing,
        players: 1,
        result: None,
        ports: vec![],
        certificate_hashes: vec![],
    };
    let quirks = Quirks { stowaways: vec![ghost], ..Quirks::default() };
    assert_not_spoken_to(704, quirks, "term far above ours").await;
}

#[tokio::test(start_paused = true)]
async fn i3_rooms_that_nobody_asked_for_are_closed_after_a_quorum_read() {
    let stage = Stage::new(705);
    let _operator = stage.operator("operator-1");
    let ghost = |namespace: &str, uid: &str| HostedRoom {
        tenancy: Tenancy { namespace: namespace.into(), name: "ghost".into(), uid: uid.into(), epoch: 7 },
        phase: RoomPhase::Playing,
        players: 1,
        result: None,
        ports: vec![],
        certificate_hashes: vec![],
    };
    let stowaways = vec![ghost("games", "no-such-room"), ghost("elsewhere", "another")];
    stage.servers.misbehave(Quirks { stowaways, ..Quirks::default() });
    create_fleet(&stage, json!({ "spec": { "replicas": 1 } })).await;
    stage
        .eventually("the server is ready and empty", |it| {
            it.ready("arena") == 1 && it.fleet("arena").unwrap().status.unwrap().rooms.running == 0
        })
        .await;
    host(&stage, "duel").await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_of_rooms_it_never_told_of_is_greeted_anew() {
    let (stage, _operator) = ready_stage(706, json!({ "spec": { "replicas": 1 } })).await;
    host(&stage, "duel").await;
    stage.servers.join("duel", 1);
    let tenancy = Tenancy { namespace: "games".into(), name: "x".into(), uid: "x".into(), epoch: 5 };
    let odd = ToOperator::Finished { tenancy, result: BTreeMap::new() };
    // Said once after the next Welcome; a beat from the future does no harm either.
    let beat = Beat {
        sequence: u64::MAX,
        progress: u64::MAX,
        tick_p99: Duration::MAX.min(Duration::from_secs(1)),
        load_permille: u32::MAX,
    };
    stage
        .servers
        .misbehave(Quirks { then: vec![ToOperator::Beat(beat).into(), odd.into()], ..Quirks::default() });
    sleep(Duration::from_secs(30)).await;
    stage.servers.misbehave(Quirks::default());
    stage.eventually("it hosts on", |it| is_hosted(it, "duel")).await;
    host(&stage, "next").await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_answers_no_command_is_greeted_anew_and_its_rooms_go_elsewhere_or_come_late() {
    let (stage, _operator) = ready_stage(707, json!({})).await;
    stage.servers.misbehave(Quirks { is_mute: true, ..Quirks::default() });
    stage.create_room("duel", json!({})).await;
    sleep(Duration::from_mins(1)).await;
    assert_eq!(stage.servers.all_rooms(), []);
    stage.servers.misbehave(Quirks::default());
    stage.eventually("the room is hosted", |it| is_hosted(it, "duel")).await;
    assert_eq!(stage.servers.all_rooms().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn p3_a_server_whose_loop_stands_still_gets_no_rooms_and_keeps_the_ones_it_has() {
    let (stage, _operator) = ready_stage(708, json!({ "spec": { "replicas": 1 } })).await;
    host(&stage, "duel").await;
    stage.servers.join("duel", 1);
    stage.servers.misbehave(Quirks { hangs: true, ..Quirks::default() });
    stage.within(Duration::from_millis(900), "it is not ready any more", |it| it.ready("arena") == 0).await;
    stage.create_room("late", json!({})).await;
    stage.assert_waits("late", "0 of 1 servers fit: 1 not giving signs of life").await;
    sleep(Duration::from_mins(2)).await;
    assert!(is_hosted(&stage, "duel"), "silence is not death");
    stage.servers.misbehave(Quirks::default());
    stage.eventually("it takes rooms again", |it| is_hosted(it, "late")).await;
}

#[tokio::test(start_paused = true)]
async fn a_room_that_the_game_refuses_fails_with_its_words() {
    let (stage, _operator) = ready_stage(709, json!({})).await;
    stage.servers.misbehave(Quirks { refuses: Some(RefusedWhy::Parameters), ..Quirks::default() });
    stage.create_room("duel", json!({})).await;
    stage.eventually("it has failed", |it| it.phase("duel") == Some(Phase::Failed)).await;
    let (_, why, message) = stage.room_condition("duel", FINISHED);
    assert_eq!((why.as_str(), message.as_str()), (reason::REFUSED, "the game refuses the room: no such map"));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_full_although_it_said_otherwise_is_left_alone_for_a_while() {
    let (stage, _operator) = ready_stage(710, json!({ "spec": { "replicas": 1 } })).await;
    stage.servers.misbehave(Quirks { refuses: Some(RefusedWhy::Full), ..Quirks::default() });
    stage.create_room("duel", json!({})).await;
    let mark = stage.api.mark();
    sleep(Duration::from_mins(1)).await;
    assert!(
        stage.api.writes_since(mark).iter().filter(|it| it.resource.starts_with("gamerooms")).count() < 5
    );
    stage.servers.misbehave(Quirks::default());
    stage.eventually("the room is hosted", |it| is_hosted(it, "duel")).await;
}

#[tokio::test(start_paused = true)]
async fn capacity_lowered_below_what_runs_ends_no_match() {
    let (stage, _operator) = ready_stage(711, json!({ "spec": { "replicas": 1 } })).await;
    for room in ["a", "b", "c"] {
        host(&stage, room).await;
        stage.servers.join(room, 1);
    }
    stage.patch_fleet("arena", json!({ "spec": { "rooms": { "maxPerServer": 1 } } })).await;
    stage
        .eventually("that is taken in", |it| it.fleet("arena").unwrap().status.unwrap().rooms.free == 0)
        .await;
    stage.create_room("d", json!({})).await;
    stage.assert_waits("d", "0 of 1 servers fit: 1 full").await;
    stage.servers.finish("a", "p1");
    stage.servers.finish("b", "p1");
    sleep(Duration::from_secs(10)).await;
    assert!(is_hosted(&stage, "c") && !is_hosted(&stage, "d"));
    stage.servers.finish("c", "p1");
    stage.eventually("there is a place", |it| is_hosted(it, "d")).await;
}

#[tokio::test(start_paused = true)]
async fn a_room_waits_for_its_fleet_to_come_and_is_told_of_one_that_goes() {
    let stage = Stage::new(712);
    let _operator = stage.operator("operator-1");
    stage.create_room("early", json!({})).await;
    stage.assert_waits("early", "there is no GameFleet \"arena\" in this namespace").await;
    create_fleet(&stage, json!({})).await;
    stage.eventually("it is hosted", |it| is_hosted(it, "early")).await;
    stage.delete_fleet("arena").await;
    stage.eventually("its servers are gone", |it| it.pods_of("arena").is_empty()).await;
    let lost = "the match waits to be recovered: there is no GameFleet \"arena\" in this namespace";
    stage.assert_waits("early", lost).await;
}
