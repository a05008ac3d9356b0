//! The certificates that players pin: published with the address, and kept current.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use super::{
    everyday::{host, is_hosted, ready_stage},
    servers::Quirks,
};
use crate::support::Stage;

/// How often the operator may refresh a status for them.
const REFRESH: Duration = Duration::from_secs(30);

/// A certificate's hash.
fn hash(digit: char) -> String {
    format!("sha256:{}", digit.to_string().repeat(64))
}

fn published(stage: &Stage, room: &str) -> Vec<String> {
    stage.room(room).unwrap().status.unwrap().certificate_hashes
}

fn writes(stage: &Stage, mark: usize) -> usize {
    stage.api.writes_since(mark).iter().filter(|it| it.resource == "gamerooms/status").count()
}

#[tokio::test(start_paused = true)]
async fn p8_certificates_are_published_with_the_address_and_their_successors_before_they_are_used() {
    let (stage, operator) = ready_stage(651, json!({})).await;
    stage.servers.misbehave(Quirks { certificates: vec![hash('a')], ..Quirks::default() });
    let mark = stage.api.mark();
    host(&stage, "duel").await;
    assert_eq!(published(&stage, "duel"), [hash('a')]);
    assert_eq!(writes(&stage, mark), 1, "one write for a placement");
    stage.servers.join("duel", 2);
    sleep(2 * REFRESH).await;
    let mark = stage.api.mark();
    let both = [hash('a'), hash('b')];
    for _ in 0..100 {
        stage.servers.certify("duel", 2, &both);
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(published(&stage, "duel"), both);
    assert_eq!(writes(&stage, mark), 1, "what is repeated is not written again");
    // What says nothing of certificates takes none away.
    stage.servers.join("duel", 1);
    stage.assert_at_rest(Duration::from_secs(10)).await;
    sleep(REFRESH).await;
    assert_eq!(stage.room("duel").unwrap().status.unwrap().players, 1);
    assert_eq!(published(&stage, "duel"), both);
    // The next leader hears of what changed while nobody listened.
    operator.kill();
    stage.servers.misbehave(Quirks { certificates: vec![hash('b')], ..Quirks::default() });
    let _second = stage.operator("operator-2");
    stage.eventually("the old one is forgotten", |it| published(it, "duel") == [hash('b')]).await;
    // Its fleet is told of, too.
    sleep(Duration::from_secs(10)).await;
    stage.assert_at_rest(Duration::from_secs(10)).await;
}

#[tokio::test(start_paused = true)]
async fn certificates_that_change_all_the_time_cost_a_write_in_half_a_minute_and_the_last_ones_win() {
    let (stage, _operator) = ready_stage(652, json!({})).await;
    host(&stage, "duel").await;
    stage.servers.join("duel", 2);
    sleep(2 * REFRESH).await;
    let mark = stage.api.mark();
    for round in 0..600 {
        stage.servers.certify("duel", 2, &[hash(if round % 2 == 0 { 'a' } else { 'b' })]);
        sleep(Duration::from_millis(500)).await;
    }
    assert!(writes(&stage, mark) <= 11, "{}", writes(&stage, mark));
    sleep(2 * REFRESH).await;
    assert_eq!(published(&stage, "duel"), [hash('b')]);
    // Also when nothing else happens that would bring the room to mind.
    stage.servers.certify("duel", 2, &[hash('c')]);
    stage.eventually("they are written at once", |it| published(it, "duel") == [hash('c')]).await;
    stage.servers.certify("duel", 2, &[hash('d')]);
    sleep(REFRESH / 2).await;
    assert_eq!(published(&stage, "duel"), [hash('c')]);
    sleep(REFRESH).await;
    assert_eq!(published(&stage, "duel"), [hash('d')]);
    assert!(is_hosted(&stage, "duel"));
}

#[tokio::test(start_paused = true)]
async fn a_room_without_a_server_has_no_certificates_and_gets_those_of_the_next_one_at_once() {
    let (stage, _operator) = ready_stage(653, json!({ "spec": { "replicas": 1 } })).await;
    stage.servers.misbehave(Quirks { certificates: vec![hash('a')], ..Quirks::default() });
    let server = host(&stage, "duel").await;
    stage.servers.misbehave(Quirks { certificates: vec![hash('b')], ..Quirks::default() });
    stage.cluster.kill("games", &server);
    let is_lost = |it: &Stage| it.room("duel").unwrap().status.unwrap().endpoints.is_empty();
    stage.eventually("it has no server", is_lost).await;
    assert_eq!(published(&stage, "duel"), [""; 0]);
    stage.eventually("it is hosted again", |it| is_hosted(it, "duel")).await;
    assert_eq!(published(&stage, "duel"), [hash('b')]);
}
