//! The lives of rooms on a fleet of four.

use anyhow::{Result, ensure};
use e2e::faults::Signal;
use futures::future::try_join_all;
use gamekeeper_crds::conditions::{FINISHED, PLACED, reason};
use gamekeeper_crds::room::Phase;
use gamekeeper_crds::{GameRoomStatus, conditions};
use serde_json::{Value, json};

use crate::support::{Arena, Game, claim_of, together};

const FLEET: &str = "arena";

/// How a room's life goes.
#[derive(Clone, Copy, Debug)]
enum Life {
    /// Played to its end.
    Finish,
    /// Played again after its server was killed.
    Killed,
    /// Played again after its server ended badly.
    Crashed,
    /// Lost with its server.
    Lost,
    /// Deleted by its owner during the match.
    Deleted,
}

#[tokio::test]
async fn twenty_rooms_live_and_end_on_four_servers() -> Result<()> {
    together("matches", async |arena| {
        arena.ready_fleet(FLEET, 4, json!({})).await?;
        let games = fill(arena).await?;
        wait_by_priority(arena, games).await?;

        let lives = [Life::Killed, Life::Crashed, Life::Lost, Life::Deleted];
        let lives = lives.into_iter().chain(std::iter::repeat(Life::Finish));
        try_join_all((1..20).zip(lives).map(|(number, life)| live(arena, number, life))).await?;

        arena.settled(FLEET).await?;
        let servers = arena.servers(FLEET);
        let is_fresh = servers.len() == 4 && servers.iter().all(|it| claim_of(it).is_none());
        ensure!(is_fresh, "servers are left over, or were not replaced");
        ensure!(arena.rooms_in(Phase::Finished).len() == 18, "{:?}", arena.rooms_in(Phase::Finished));
        ensure!(arena.rooms_in(Phase::Failed) == [name(3)], "{:?}", arena.rooms_in(Phase::Failed));
        let tally = arena.verdict()?;
        // Twenty rooms, two of which had two servers.
        ensure!((tally.placed, tally.servers) == (20, 22), "{tally:?}");
        is_forgotten_after_its_time(arena).await
    })
    .await
}

/// Four rooms that fill the fleet.
async fn fill(arena: &Arena) -> Result<Vec<Game>> {
    try_join_all((0..4).map(|number| async move {
        create(arena, number).await?;
        arena.join(&name(number)).await
    }))
    .await
}

/// The others wait, and are told for what. The one of the highest priority is the first to play when a place is free.
async fn wait_by_priority(arena: &Arena, games: Vec<Game>) -> Result<()> {
    try_join_all((4..20).map(|number| create(arena, number))).await?;
    for number in 4..20 {
        let why = arena.room_says(&name(number), PLACED, reason::NO_CAPACITY).await?;
        ensure!(why == "0 of 4 servers fit: 4 full", "room {number} is told: {why}");
    }
    arena
        .eventually("the fleet counts them", |it| {
            let rooms = it.fleet_status(FLEET)?.rooms;
            ensure!((rooms.running, rooms.free, rooms.pending) == (4, 0, 16), "{rooms:?}");
            Ok(())
        })
        .await?;
    let mut games = games.into_iter();
    if let Some(first) = games.next() {
        arena.finish(first).await?;
    }
    arena.running(&name(19)).await?;
    let running = arena.rooms_in(Phase::Running);
    ensure!(running == [1, 2, 3, 19].map(name), "in its place another one plays: {running:?}");
    for game in games {
        game.leave().await?;
    }
    Ok(())
}

async fn live(arena: &Arena, number: i32, life: Life) -> Result<()> {
    let room = name(number);
    // Those at the end of the queue wait for all before them.
    let game = loop {
        match arena.join(&room).await {
            Err(_) if arena.rooms_in(Phase::Pending).contains(&room) => {}
            joined => break joined?,
        }
    };
    let before = arena.room_status(&room)?;
    match life {
        Life::Finish => arena.finish(game).await?,
        Life::Killed | Life::Crashed => {
            let boot = game.boot().to_owned();
            if matches!(life, Life::Killed) {
                game.leave().await?;
                arena.signal(&room, Signal::Kill).await?;
            } else {
                game.crash().await?;
            }
            let again = play_again(arena, &room, &before).await?;
            ensure!(again.boot() != boot, "{room} is played on by a server that is dead");
            arena.finish(again).await?;
        }
        Life::Lost => {
            game.leave().await?;
            arena.signal(&room, Signal::Kill).await?;
            arena.phase(&room, Phase::Failed).await?;
            let why = arena.room_says(&room, FINISHED, reason::LOST).await?;
            ensure!(why.contains("137"), "{room} is told: {why}");
        }
        Life::Deleted => {
            game.leave().await?;
            arena.delete_room(&room).await?;
        }
    }
    is_replaced(arena, &before).await
}

/// Waits until a room whose server was lost runs elsewhere, and joins it.
async fn play_again(arena: &Arena, room: &str, before: &GameRoomStatus) -> Result<Game> {
    arena
        .eventually(&format!("{room} is placed again"), |it| {
            let status = it.room_status(room)?;
            ensure!(status.phase == Phase::Running && status.recoveries == 1, "{status:?}");
            ensure!(before.epoch < status.epoch, "the epoch went from {} to {}", before.epoch, status.epoch);
            ensure!(before.server != status.server, "it is on the same server");
            Ok(())
        })
        .await?;
    arena.join(room).await
}

/// Waits until a server that had a room is gone.
async fn is_replaced(arena: &Arena, before: &GameRoomStatus) -> Result<()> {
    let Some(server) = &before.server else { return Ok(()) };
    arena
        .eventually("a used server is gone", |it| {
            ensure!(!it.has_pod(&server.pod_name), "{} is there", server.pod_name);
            Ok(())
        })
        .await
}

async fn is_forgotten_after_its_time(arena: &Arena) -> Result<()> {
    arena.create_room("short", FLEET, json!({ "spec": { "ttlSecondsAfterFinished": 1 } })).await?;
    let game = arena.join("short").await?;
    let status = arena.room_status("short")?;
    ensure!(conditions::find(&status.conditions, PLACED).is_some_and(|it| it.status == "True"), "{status:?}");
    game.finish().await?;
    arena
        .eventually("it is deleted", |it| {
            ensure!(it.room_status("short").is_err(), "it is there");
            Ok(())
        })
        .await
}

fn name(number: i32) -> String {
    format!("room-{number:02}")
}

async fn create(arena: &Arena, number: i32) -> Result<()> {
    let change: Value = match number {
        2 => json!({ "spec": { "recovery": "Restart" } }),
        3 => json!({ "spec": { "recovery": "Fail" } }),
        19 => json!({ "spec": { "priority": 9 } }),
        _ => json!({}),
    };
    arena.create_room(&name(number), FLEET, change).await
}
