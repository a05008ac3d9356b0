//! A new template reaches a fleet while matches are played on it.

use anyhow::{Context as _, Result, bail, ensure};
use e2e::progress::say;
use gamekeeper_crds::conditions::{PLACED, PROGRESSING, reason};
use http::Request;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use serde_json::{Value, json};

use crate::support::{Arena, claim_of, is_ready, together};

const FLEET: &str = "arena";

#[tokio::test]
async fn a_rollout_replaces_free_servers_and_waits_for_matches() -> Result<()> {
    together("rollout", async |arena| {
        let pace = json!({ "rollingUpdate": { "maxSurge": 2, "maxUnavailable": 1 } });
        arena.ready_fleet(FLEET, 8, json!({ "spec": { "rollout": pace } })).await?;
        let games = [arena.start("duel", FLEET).await?, arena.start("final", FLEET).await?];
        let old = arena.fleet_status(FLEET)?.current_revision.context("no revision")?;

        arena.mark(FLEET);
        arena.patch_fleet(FLEET, build(2)).await?;
        all_evictions_are_refused_during_the_surge(arena, 8).await?;
        arena.eventually("only matches are left of the old build", |it| only_matches_are_old(it, 8)).await?;
        arena
            .fleet_explains(FLEET, PROGRESSING, reason::ROLLING_OUT, "2 older ones are left, 2 of them until")
            .await?;
        // Ready servers never fell below 8 - 1, and servers never rose above 8 + 2.
        let extremes = arena.extremes(FLEET)?;
        let kept = extremes.most_active <= 10 && 7 <= extremes.fewest_ready && 7 <= extremes.fewest_reported;
        say(&format!("{extremes:?}"));
        ensure!(kept, "the limits were 7 ready and 10 in all: {extremes:?}");
        ensure!(8 < extremes.most_active, "no surge was used: {extremes:?}");

        only_old_rooms_find_the_old_build(arena).await?;
        for game in games {
            game.goes_on()?;
            arena.finish(game).await?;
        }
        arena.settled(FLEET).await?;
        let status = arena.fleet_status(FLEET)?;
        ensure!(
            status.current_revision == status.update_revision && status.updated_replicas == 8,
            "{status:?}"
        );
        ensure!(status.current_revision.as_deref() != Some(&old), "the revision is the old one");
        Ok(())
    })
    .await
}

/// A change of the template.
fn build(number: i32) -> Value {
    json!({ "spec": { "template": { "metadata": { "labels": { "build": number.to_string() } } } } })
}

/// Asks for the eviction of every server while there are more than are wanted.
async fn all_evictions_are_refused_during_the_surge(arena: &Arena, wanted: usize) -> Result<()> {
    let servers = arena
        .eventually("there are more ready servers than wanted", |it| {
            let ready: Vec<_> = it.servers(FLEET).into_iter().filter(is_ready).collect();
            ensure!(wanted < ready.len(), "{} are ready", ready.len());
            Ok(ready)
        })
        .await?;
    let mut refused = 0;
    for server in &servers {
        match evict(arena, server).await {
            Err(kube::Error::Api(status)) if status.code == 429 => refused += 1,
            // The rollout goes on at the same time; a pod that was told to end may be evicted as well.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
            other => bail!("the eviction of {} was answered by {other:?}", server.name_any()),
        }
    }
    ensure!(wanted / 2 < refused, "only {refused} of {} evictions were asked for in time", servers.len());
    Ok(())
}

/// Asks for a pod's eviction, unless the pod has changed.
async fn evict(arena: &Arena, pod: &Pod) -> kube::Result<Value> {
    let name = pod.name_any();
    let url = format!("/api/v1/namespaces/{}/pods/{name}/eviction", arena.namespace().name());
    let eviction = json!({
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": { "name": name },
        // kube's `evict` spells this so that the API server ignores it.
        "deleteOptions": {
            "preconditions": { "uid": pod.uid(), "resourceVersion": pod.resource_version() },
        },
    });
    let request = Request::post(url).header("Content-Type", "application/json");
    let request = request.body(eviction.to_string().into_bytes()).map_err(kube::Error::HttpError)?;
    arena.namespace().client().request(request).await
}

fn only_matches_are_old(arena: &Arena, wanted: usize) -> Result<()> {
    let servers = arena.servers(FLEET);
    let (new, old): (Vec<_>, Vec<_>) = servers.iter().partition(|it| it.labels()["build"] == "2");
    let busy = old.iter().filter(|it| claim_of(it).is_some()).count();
    let ready = new.iter().filter(|it| is_ready(it)).count();
    let is_done = (busy, old.len()) == (2, 2) && wanted - 2 <= ready;
    ensure!(
        is_done,
        "{busy} of {} old ones are busy, {ready} of {} new ones are ready",
        old.len(),
        new.len()
    );
    Ok(())
}

/// Old clients keep landing on the old build, and all servers of that are full.
async fn only_old_rooms_find_the_old_build(arena: &Arena) -> Result<()> {
    let wants = |build: &str| json!({ "spec": { "serverSelector": { "matchLabels": { "build": build } } } });
    arena.create_room("for-old", FLEET, wants("1")).await?;
    arena.create_room("for-new", FLEET, wants("2")).await?;
    let game = arena.join("for-new").await?;
    arena.finish(game).await?;
    let why = arena.room_says("for-old", PLACED, reason::NO_CAPACITY).await?;
    ensure!(why.contains("2 full"), "{why}");
    arena.delete_room("for-old").await
}
