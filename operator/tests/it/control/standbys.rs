//! Servers that keep copies of each other's rooms.

use std::{collections::BTreeSet, time::Duration};

use gamekeeper_control::Feature;
use gamekeeper_testkit::{ClientOptions, sim::ClusterOptions};
use serde_json::json;
use tokio::time::sleep;

use super::{
    everyday::{create_fleet, host, is_hosted},
    servers::{PLAYERS_PORT, Quirks},
};
use crate::support::{Running, Stage};

fn hashes() -> Vec<String> {
    vec![format!("sha256:{}", "a".repeat(64))]
}

/// Two servers on two nodes, which offer standbys, in a fleet that wants them.
async fn stage(seed: u64) -> (Stage, Running) {
    // Kubelets that take their time: a loss is told by the server's port.
    let late = Duration::from_secs(20)..Duration::from_secs(30);
    let stage = Stage::with(seed, ClusterOptions { report: late, ..ClusterOptions::default() });
    let features = BTreeSet::from([Feature::Restore, Feature::Standby, Feature::Witness]);
    stage.servers.misbehave(Quirks { features, certificates: hashes(), ..Quirks::default() });
    let operator =
        stage.operator_with(&ClientOptions::sound("operator-1"), "default=7000-7099", "gamekeeper-operator");
    let fleet = json!({ "spec": {
        "placement": { "strategy": "Distributed" },
        "rooms": { "claimTimeout": "1h" },
        "state": { "redis": { "urlSecretKeyRef": { "name": "gamekeeper-redis" } }, "standby": true },
    } });
    create_fleet(&stage, fleet).await;
    stage.eventually("all servers are ready", |it| it.ready("arena") == 2).await;
    stage.eventually("they stand by for each other", stands_by).await;
    (stage, operator)
}

/// Each sends its copies to the other, with a token that the other expects, and no third knows.
fn stands_by(stage: &Stage) -> bool {
    let pods = stage.cluster.running();
    let pods: Vec<_> = pods.iter().filter(|it| it.name.starts_with("arena")).collect();
    let [one, other] = pods[..] else { return false };
    let of = |name: &str| stage.servers.copies_of(name);
    [(one, other), (other, one)].into_iter().all(|(ward, standby)| {
        let Some(mirror) = of(&ward.name).mirror else { return false };
        mirror.address.to_string() == format!("{}:{PLAYERS_PORT}", standby.pod_ip)
            && mirror.certificate_hashes == hashes()
            && of(&standby.name).tokens == [mirror.token]
            && of(&ward.name).tokens != [mirror.token]
    })
}

#[tokio::test(start_paused = true)]
async fn p4_servers_get_a_standby_which_gets_their_rooms_and_is_told_whose_copy_is_good() {
    let (stage, _operator) = stage(851).await;
    let server = host(&stage, "duel").await;
    stage.servers.join("duel", 2);
    sleep(Duration::from_secs(2)).await;
    let lost = stage.room("duel").unwrap().status.unwrap().epoch;
    assert!(stage.cluster.kill("games", &server));
    let elsewhere = |it: &Stage| is_hosted(it, "duel") && it.server_of("duel").as_ref() != Some(&server);
    stage.eventually("it is elsewhere", elsewhere).await;
    let epoch = stage.room("duel").unwrap().status.unwrap().epoch;
    let restored = stage.servers.restored(epoch).unwrap();
    assert_eq!((restored.fence, restored.ended_epoch), (false, lost));
    // Its pod is replaced, and then there are two again.
    stage.eventually("they stand by for each other", stands_by).await;
}

#[tokio::test(start_paused = true)]
async fn p7_the_next_leader_gives_other_tokens_and_knows_whose_copies_are_good_all_the_same() {
    let (stage, operator) = stage(852).await;
    let server = host(&stage, "duel").await;
    stage.servers.join("duel", 2);
    let before = stage.servers.copies_of(&server).mirror.unwrap().token;
    operator.kill();
    let sound = ClientOptions::sound("operator-2");
    let _second = stage.operator_with(&sound, "default=7000-7099", "gamekeeper-operator");
    let is_new = |it: &Stage| it.servers.copies_of(&server).mirror.is_some_and(|it| it.token != before);
    stage.eventually("there are other tokens", is_new).await;
    stage.eventually("they stand by for each other", stands_by).await;
    let lost = stage.room("duel").unwrap().status.unwrap().epoch;
    assert!(stage.cluster.kill("games", &server));
    let elsewhere = |it: &Stage| is_hosted(it, "duel") && it.server_of("duel").as_ref() != Some(&server);
    stage.eventually("it is elsewhere", elsewhere).await;
    let epoch = stage.room("duel").unwrap().status.unwrap().epoch;
    assert_eq!(stage.servers.restored(epoch).map(|it| it.ended_epoch), Some(lost));
}

#[tokio::test(start_paused = true)]
async fn standbys_are_turned_off_while_servers_run_and_none_is_replaced_for_it() {
    let (stage, _operator) = stage(853).await;
    let before = stage.cluster.running().into_iter().map(|it| it.uid).collect::<BTreeSet<_>>();
    stage.patch_fleet("arena", json!({ "spec": { "state": { "standby": false } } })).await;
    let is_off = |it: &Stage| {
        it.cluster.running().iter().all(|pod| {
            let copies = it.servers.copies_of(&pod.name);
            copies.mirror.is_none() && copies.tokens.is_empty()
        })
    };
    stage.eventually("there are none", is_off).await;
    sleep(Duration::from_secs(30)).await;
    assert_eq!(stage.cluster.running().into_iter().map(|it| it.uid).collect::<BTreeSet<_>>(), before);
}
