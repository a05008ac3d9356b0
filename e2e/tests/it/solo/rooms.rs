//! Leaders and nodes go away under servers with many rooms.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use e2e::drain::{ASKED_AGAIN, Drain, uncordon};
use e2e::faults::Signal;
use e2e::progress::say;
use futures::future::try_join_all;
use gamekeeper_crds::room::{Phase, ServerRef};
use kube::ResourceExt as _;
use serde_json::json;
use tokio::time::sleep;

use crate::support::{Arena, BOTH, Game, Operators, PATIENCE, alone, node_of};

/// Of each fleet.
const ROOMS: usize = 6;

/// Longer than a lease.
const STANDSTILL: Duration = Duration::from_secs(6);

const NODE: &str = "node-2";

/// Until all matches are over.
const DRAINED: Duration = Duration::from_mins(2);

#[tokio::test]
async fn a_new_leader_finds_all_rooms_where_they_are_and_takes_down_their_results() -> Result<()> {
    alone("rooms-leader", async |arena| {
        let operators = Operators::of(arena.namespace().env());
        operators.available().await?;
        let mut games = start(arena, "Packed").await?;
        let before = places(arena, &games)?;
        let leader = operators.leader(None).await?;
        operators.signal(&leader, Signal::Stop).await?;
        let changed = changes_hands(arena, &operators, &leader, &mut games).await;
        // In any case: it would stand still for ever.
        operators.signal(&leader, Signal::Cont).await?;
        changed?;
        sleep(STANDSTILL).await;
        games.iter().try_for_each(Game::goes_on)?;
        let after = places(arena, &games)?;
        ensure!(
            after.iter().all(|(room, place)| before.get(room) == Some(place)),
            "{before:?} became {after:?}"
        );
        for game in games {
            arena.finish(game).await?;
        }
        operators.available().await
    })
    .await
}

#[tokio::test]
async fn a_drained_node_keeps_its_rooms_until_they_are_over() -> Result<()> {
    alone("rooms-drain", async |arena| {
        // The nodes of other clusters have other names, and what is on them is not ours to move.
        let env = arena.namespace().env();
        env.ours("draining a node")?;
        let games = start_on_both(arena).await?;
        let drained = drain(arena, games).await;
        // In any case: all other scenarios need the node.
        uncordon(env.kubectl(), NODE).await?;
        drained?;
        Operators::of(env).available().await
    })
    .await
}

/// A fleet of two servers of each kind, with rooms that are played on them.
async fn start(arena: &Arena, strategy: &str) -> Result<Vec<Game>> {
    let games = BOTH.map(async |kind| {
        let change = json!({ "spec": {
            "rooms": { "maxPerServer": 8 },
            "placement": { "strategy": strategy },
        }});
        arena.ready_fleet_of(kind.server, kind.fleet, 2, change).await?;
        let rooms = (0..ROOMS).map(|number| kind.room(number));
        let rooms = rooms.map(|room| async move {
            let result = json!({ "spec": { "parameters": { "result": room } } });
            arena.create_room(&room, kind.fleet, result).await?;
            arena.join(&room).await
        });
        try_join_all(rooms).await
    });
    anyhow::Ok(try_join_all(games).await?.into_iter().flatten().collect())
}

/// Rooms on both nodes. A leader that has just begun places rooms when it knows a server, and may know those of one node
/// first: then some more.
async fn start_on_both(arena: &Arena) -> Result<Vec<Game>> {
    let [kind, _] = BOTH;
    let mut games = start(arena, "Distributed").await?;
    for number in ROOMS..2 * ROOMS {
        let there = games.iter().filter(|it| is_on_node(arena, it)).count();
        if 0 < there && there < games.len() {
            return Ok(games);
        }
        say(&format!("{there} of {} matches are on {NODE}: one more", games.len()));
        games.push(arena.start(&kind.room(number), kind.fleet).await?);
    }
    bail!("all matches are on one node");
}

fn is_on_node(arena: &Arena, game: &Game) -> bool {
    node(arena, game.room()).is_ok_and(|node| node == NODE)
}

/// While nobody leads, a match of each kind ends; the next leader takes its result down, and places new rooms.
async fn changes_hands(
    arena: &Arena,
    operators: &Operators,
    leader: &e2e::operators::Leader,
    games: &mut Vec<Game>,
) -> Result<()> {
    let (ending, staying): (Vec<_>, Vec<_>) =
        std::mem::take(games).into_iter().partition(|it| it.room().ends_with("-0"));
    *games = staying;
    let rooms: Vec<_> = ending.iter().map(|it| it.room().to_owned()).collect();
    for game in ending {
        game.finish().await?;
    }
    operators.leader(Some(leader)).await?;
    for room in rooms {
        arena.phase(&room, Phase::Finished).await?;
        let result = arena.room_status(&room)?.result;
        ensure!(result.get("result") == Some(&room), "the result of {room} is {result:?}");
    }
    for kind in BOTH {
        let new = arena.start(&kind.room("new"), kind.fleet).await?;
        arena.finish(new).await?;
    }
    Ok(())
}

async fn drain(arena: &Arena, games: Vec<Game>) -> Result<()> {
    let (there, elsewhere): (Vec<_>, Vec<_>) = games.into_iter().partition(|it| is_on_node(arena, it));
    let drain = Drain::begin(arena.namespace().env().kubectl(), NODE, DRAINED)?;
    sleep(ASKED_AGAIN).await;
    // New matches are played elsewhere, those that are on go on.
    for kind in BOTH {
        let late = arena.start(&kind.room("late"), kind.fleet).await?;
        ensure!(node(arena, late.room())? != NODE, "{} was placed on {NODE}", late.room());
        arena.finish(late).await?;
    }
    for game in &there {
        game.goes_on()?;
        ensure!(node(arena, game.room())? == NODE, "{} left {NODE}", game.room());
    }
    for game in there {
        arena.finish(game).await?;
    }
    drain.done(PATIENCE).await?;
    for game in elsewhere {
        arena.finish(game).await?;
    }
    try_join_all(BOTH.map(|kind| arena.settled(kind.fleet))).await.map(drop)
}

/// The node on which a room is.
fn node(arena: &Arena, room: &str) -> Result<String> {
    let server = arena.room_status(room)?.server.with_context(|| format!("{room} has no server"))?;
    let pods = BOTH.into_iter().flat_map(|kind| arena.servers(kind.fleet));
    let pod = pods.into_iter().find(|it| it.name_any() == server.pod_name);
    pod.map(|it| node_of(&it).to_owned()).with_context(|| format!("{} is not there", server.pod_name))
}

/// Where each match is published, and under which epoch.
fn places(arena: &Arena, games: &[Game]) -> Result<BTreeMap<String, (i64, Option<ServerRef>)>> {
    let place = |game: &Game| {
        let status = arena.room_status(game.room())?;
        Ok((game.room().to_owned(), (status.epoch, status.server)))
    };
    games.iter().map(place).collect()
}
