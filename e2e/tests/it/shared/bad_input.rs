//! What cannot be carried out is told, stops nobody else, and is over when it is mended.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::faults::Signal;
use e2e::testenv::Namespace;
use e2e::wait::eventually;
use futures::FutureExt as _;
use futures::future::try_join_all;
use gamekeeper_crds::conditions::{ACCEPTED, DEGRADED, PLACED, reason};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::{Arena, PATIENCE, server, together};

/// The host ports of the chart's range; see `hostPortRanges` in its values.
const HOST_PORTS: std::ops::RangeInclusive<u16> = 7000..=7999;

#[tokio::test]
async fn servers_that_do_not_start_are_explained_and_mended() -> Result<()> {
    together("bad-servers", async |arena| {
        arena.ready_fleet("good", 2, json!({})).await?;
        let game = arena.start("duel", "good").await?;
        try_join_all([
            no_such_image(arena).boxed_local(),
            crashes_at_once(arena).boxed_local(),
            never_answers(arena).boxed_local(),
            fits_no_node(arena).boxed_local(),
            finds_no_host_port(arena).boxed_local(),
        ])
        .await?;
        // The others went on all the time.
        game.goes_on()?;
        let next = arena.start("next", "good").await?;
        arena.finish(next).await?;
        arena.finish(game).await
    })
    .await
}

#[tokio::test]
async fn specs_that_cannot_be_carried_out_are_explained_and_change_nothing() -> Result<()> {
    together("bad-specs", async |arena| {
        arena.ready_fleet("arena", 2, json!({})).await?;
        let game = arena.start("duel", "arena").await?;
        let before: Vec<_> = arena.servers("arena").iter().map(|it| it.metadata.uid.clone()).collect();

        let mut broken = server(arena.image(), &[]);
        broken["volumeMounts"] = json!([{ "name": "maps", "mountPath": "/maps" }]);
        arena.patch_fleet("arena", containers(&broken)).await?;
        let why = arena.fleet_says("arena", ACCEPTED, reason::INVALID_TEMPLATE).await?;
        ensure!(why.contains("volumeMounts[0].name") && why.contains("Not found"), "{why}");

        let range = |range: Value| {
            let exposure = json!({ "type": "HostPort", "range": range });
            json!({ "spec": { "ports": [{ "name": "game", "containerPort": 7777, "exposure": exposure }] } })
        };
        arena.patch_fleet("arena", containers(&server(arena.image(), &[]))).await?;
        arena.patch_fleet("arena", range(json!("vip"))).await?;
        let why = arena.fleet_says("arena", ACCEPTED, reason::INVALID_SPEC).await?;
        ensure!(why.contains("vip") && why.contains("default"), "{why}");
        let after: Vec<_> = arena.servers("arena").iter().map(|it| it.metadata.uid.clone()).collect();
        ensure!(before == after, "servers were replaced: {before:?}, {after:?}");
        game.goes_on()?;

        arena.patch_fleet("arena", range(Value::Null)).await?;
        arena.fleet_says("arena", ACCEPTED, reason::VALID).await?;
        arena.finish(game).await?;
        arena.settled("arena").await
    })
    .await
}

#[tokio::test]
async fn rooms_without_a_place_are_told_why_and_placed_when_there_is_one() -> Result<()> {
    together("bad-rooms", async |arena| {
        arena.create_room("early", "arena", json!({})).await?;
        arena.room_says("early", PLACED, reason::NO_FLEET).await?;
        let wants = json!({ "spec": { "serverSelector": { "matchLabels": { "build": "9" } } } });
        arena.create_room("new", "arena", wants).await?;
        arena.ready_fleet("arena", 2, json!({})).await?;
        let early = arena.join("early").await?;
        arena.room_says("new", PLACED, reason::NO_MATCHING_SERVER).await?;

        let build = json!({ "spec": { "template": { "metadata": { "labels": { "build": "9" } } } } });
        arena.patch_fleet("arena", build).await?;
        let new = arena.join("new").await?;
        arena.finish(new).await?;
        a_silent_server_keeps_its_match(arena).await?;
        arena.finish(early).await
    })
    .await
}

#[tokio::test]
async fn quotas_and_namespaces_that_end_are_survived() -> Result<()> {
    together("bad-namespaces", async |arena| {
        arena.ready_fleet("good", 1, json!({})).await?;
        let game = arena.start("duel", "good").await?;
        arena.namespace().kubectl(&["create", "quota", "few", "--hard=pods=3"]).await?;
        arena.create_fleet("many", 4, json!({})).await?;
        let why = arena.fleet_says("many", DEGRADED, reason::CREATE_REFUSED).await?;
        ensure!(why.contains("exceeded quota: few"), "{why}");
        ends_with_its_namespace(arena.namespace().env().namespace("ending").await?).await?;
        arena.namespace().kubectl(&["delete", "quota", "few"]).await?;
        arena.fleet_says("many", DEGRADED, reason::HEALTHY).await?;
        arena.settled("many").await?;
        arena.finish(game).await
    })
    .await
}

async fn no_such_image(arena: &Arena) -> Result<()> {
    let missing = "localhost/no-such-server:1";
    arena.create_fleet("missing", 1, containers(&server(missing, &[]))).await?;
    let why = arena.fleet_says("missing", DEGRADED, reason::CANNOT_START).await?;
    ensure!(why.contains(missing), "{why}");
    mend(arena, "missing").await
}

async fn crashes_at_once(arena: &Arena) -> Result<()> {
    arena.create_fleet("crashing", 1, containers(&server(arena.image(), &["-crash"]))).await?;
    let why = arena.fleet_says("crashing", DEGRADED, reason::CRASH_LOOP).await?;
    ensure!(why.contains("exited with code 1"), "{why}");
    mend(arena, "crashing").await
}

async fn never_answers(arena: &Arena) -> Result<()> {
    let mut mute = containers(&server(arena.image(), &["-mute"]));
    json_patch::merge(&mut mute, &json!({ "spec": { "health": { "startTimeout": "2s" } } }));
    arena.create_fleet("mute", 1, mute).await?;
    arena.create_room("unheard", "mute", json!({})).await?;
    arena.room_says("unheard", PLACED, reason::NO_CAPACITY).await?;
    arena.fleet_says("mute", DEGRADED, reason::CRASH_LOOP).await?;
    arena.patch_fleet("mute", json!({ "spec": { "health": { "startTimeout": "60s" } } })).await?;
    mend(arena, "mute").await?;
    let game = arena.join("unheard").await?;
    arena.finish(game).await
}

async fn fits_no_node(arena: &Arena) -> Result<()> {
    let mut large = server(arena.image(), &[]);
    large["resources"]["requests"]["cpu"] = json!("100");
    arena.create_fleet("large", 1, containers(&large)).await?;
    let why = arena.fleet_says("large", DEGRADED, reason::UNSCHEDULABLE).await?;
    ensure!(why.contains("Insufficient cpu"), "{why}");
    mend(arena, "large").await
}

/// All host ports of a node are taken by a pod that never starts: it waits for a volume. They are TCP ports, so that the
/// fleets of other scenarios are not concerned.
async fn finds_no_host_port(arena: &Arena) -> Result<()> {
    let ports: Vec<_> = HOST_PORTS
        .map(|port| json!({ "containerPort": port, "hostPort": port, "protocol": "TCP" }))
        .collect();
    let first = json!({ "kubernetes.io/hostname": "node-1" });
    let taker = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "taker" },
        "spec": {
            "nodeSelector": first,
            "terminationGracePeriodSeconds": 0,
            "containers": [{
                "name": "taker", "image": "localhost/none:1", "ports": ports,
                "volumeMounts": [{ "name": "never", "mountPath": "/never" }],
            }],
            "volumes": [{ "name": "never", "configMap": { "name": "never" } }],
        },
    });
    arena.namespace().apply(&taker.to_string()).await?;
    eventually("the ports are taken", PATIENCE, async || {
        let node = ["get", "pod", "taker", "--output=jsonpath={.spec.nodeName}"];
        ensure!(arena.namespace().kubectl(&node).await? == "node-1", "not yet");
        Ok(())
    })
    .await?;
    let web = json!({ "spec": {
        "ports": [{ "name": "web", "containerPort": 7777, "protocol": "TCP" }],
        // The UDP server is asked at its own port.
        "health": { "probe": { "udp": { "port": 7777 } } },
        "template": { "spec": { "nodeSelector": first } },
    }});
    arena.create_fleet("portless", 1, web).await?;
    arena.fleet_says("portless", DEGRADED, reason::PORTS_EXHAUSTED).await?;
    arena.namespace().kubectl(&["delete", "pod", "taker", "--grace-period=0", "--force"]).await?;
    arena.fleet_says("portless", DEGRADED, reason::HEALTHY).await?;
    arena.settled("portless").await
}

/// Silence is not death: a server that stands still keeps its match, and goes on with it.
async fn a_silent_server_keeps_its_match(arena: &Arena) -> Result<()> {
    let game = arena.start("silent", "arena").await?;
    let (boot, before) = (game.boot().to_owned(), arena.room_status("silent")?);
    game.leave().await?;
    arena.signal("silent", Signal::Stop).await?;
    arena.fleet_says("arena", DEGRADED, reason::PROBE_FAILING).await?;
    sleep(Duration::from_secs(3)).await;
    arena.signal("silent", Signal::Cont).await?;
    arena.fleet_says("arena", DEGRADED, reason::HEALTHY).await?;
    let game = arena.join("silent").await?;
    ensure!(game.boot() == boot, "another server has the match");
    ensure!(arena.room_status("silent")?.epoch == before.epoch, "the room was placed again");
    arena.finish(game).await
}

async fn ends_with_its_namespace(namespace: Namespace) -> Result<()> {
    let arena = Arena::open(namespace);
    let played = async {
        arena.ready_fleet("arena", 2, json!({})).await?;
        arena.start("duel", "arena").await?.leave().await
    };
    let played = played.await;
    let delete = ["delete", "namespace", arena.namespace().name(), "--timeout=60s"];
    arena.namespace().env().kubectl().run(&delete).await?;
    played.map(drop)
}

/// Gives a fleet the container that all others have.
async fn mend(arena: &Arena, fleet: &str) -> Result<()> {
    arena.patch_fleet(fleet, containers(&server(arena.image(), &[]))).await?;
    arena.fleet_says(fleet, DEGRADED, reason::HEALTHY).await?;
    arena.settled(fleet).await
}

fn containers(server: &Value) -> Value {
    json!({ "spec": { "template": { "spec": { "containers": [server] } } } })
}
