//! The story that `gk demo` shows: a fleet starts, matches are placed and played, a server dies, its match begins again.

mod match_;
mod played;
mod rooms;
mod stage;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::future::try_join_all;
use gamekeeper_crds::room::Phase;
use tokio::time::Instant;

use crate::faults::{self, Signal, Victim};
use crate::paths;
use crate::progress::say;
use crate::target::Reached;
use match_::Match;
pub use played::Played;
use rooms::Rooms;
pub use stage::{NAMESPACE, Stage, set_up};

/// Rooms besides the example's; one of the fleet's servers stays free, for the match that will need another one.
const MORE_ROOMS: [&str; 2] = ["duel-81c2", "duel-c09d"];

/// The name in `examples/udp-room.yaml`.
const EXAMPLE_ROOM: &str = "duel-7f3a";

/// A room is placed within milliseconds; a machine that compiles at the same time takes longer.
const PLACED: Duration = Duration::from_secs(30);

/// Until the kubelet has told that a process has ended: it looks every second.
const TOLD: Duration = Duration::from_mins(1);

/// How often each match is played before something happens.
const ROUNDS: u32 = 3;

/// A file of the examples.
fn example(name: &str) -> PathBuf {
    paths::repository().join("examples").join(name)
}

/// Plays the story on a stage that is set.
pub async fn play(stage: &Stage) -> Result<Played> {
    stage.raise_fleet().await?;
    let rooms = Rooms::watch(stage.client(), NAMESPACE).await?;
    let mut matches = place(stage, &rooms).await?;
    try_join_all(matches.iter_mut().map(|it| it.play(ROUNDS))).await?;
    for it in &matches {
        say(&format!(
            "  {} was played over UDP at {}: the server answers to {ROUNDS} moves",
            it.room, it.address
        ));
    }
    let (victim, others) = matches.split_first_mut().context("no room was made")?;
    let replayed = kill(stage, &rooms, victim).await?;
    say("the others play on, undisturbed");
    try_join_all(others.iter_mut().map(|it| it.play(ROUNDS))).await?;
    finish(&rooms, &matches).await?;
    stage.wait_until_ready("every server that is done was replaced").await?;
    Ok(Played::new(&matches, replayed))
}

/// Makes rooms as a matchmaker would, and tells where each was placed.
async fn place(stage: &Stage, rooms: &Rooms) -> Result<Vec<Match>> {
    say(
        "\na matchmaker makes rooms: the first by `kubectl apply -f examples/udp-room.yaml`, two more over the API",
    );
    let file = example("udp-room.yaml").display().to_string();
    stage.kubectl.run(&["apply", "--filename", &file]).await.context("apply the example's room")?;
    let mut matches = vec![placed(rooms, EXAMPLE_ROOM, None).await?];
    for name in MORE_ROOMS {
        let requested = stage.create_room(name).await?;
        matches.push(placed(rooms, name, Some(requested)).await?);
    }
    Ok(matches)
}

/// Waits until a room runs. Its time counts from the request where that was ours: kubectl itself takes longer to start.
async fn placed(rooms: &Rooms, name: &str, requested: Option<Instant>) -> Result<Match> {
    let what = "to be placed on a free server";
    let seen = rooms.until(name, what, PLACED, |it| it.phase == Phase::Running).await?;
    let it = Match::of(name, &seen, requested).await?;
    say(&format!(
        "  {name} is placed after {} ms: players go to {} ({})",
        it.placed.as_millis(),
        it.address,
        it.server
    ));
    Ok(it)
}

/// Kills a match's server in front of everybody, and waits for it to begin afresh elsewhere.
async fn kill(stage: &Stage, rooms: &Rooms, it: &mut Match) -> Result<Duration> {
    let start = match &stage.prepared.cluster {
        Reached::Ours(cluster) => {
            say(&format!("\nkill -9: the server of {} ({})", it.room, it.server));
            let victim = Victim::pod(NAMESPACE, &it.server);
            let start = Instant::now();
            faults::signal(cluster, &victim, Signal::Kill).await?;
            start
        }
        // There no process can be killed from outside, but the server can be told to crash.
        Reached::Foreign { .. } => {
            say(&format!("\ncrash: the server of {} ({})", it.room, it.server));
            let start = Instant::now();
            it.player.tell("crash").await?;
            start
        }
    };
    let (room, epoch, boot, server) = (it.room.clone(), it.epoch, it.boot.clone(), it.server.clone());
    let moved = |seen: &rooms::Sighting| seen.phase == Phase::Running && seen.epoch > epoch;
    let seen = rooms.until(&room, "to begin afresh on another server", TOLD, moved).await?;
    let took = seen.changed.duration_since(start);
    it.go_to(&seen).await?;
    ensure!(it.server != server, "{room} is on {server} again, whose process was killed");
    say(&format!(
        "  {room} begins afresh after {} ms: players go to {} ({})",
        took.as_millis(),
        it.address,
        it.server
    ));
    it.play(1).await?;
    ensure!(it.boot != boot, "{room} is still answered by the process that was killed");
    say(
        "  it was played there too, and by another process: a plain server's match starts from the beginning",
    );
    Ok(took)
}

async fn finish(rooms: &Rooms, matches: &[Match]) -> Result<()> {
    say("\nall matches come to their end");
    for it in matches {
        it.finish().await?;
    }
    for it in matches {
        rooms.until(&it.room, "to be Finished", TOLD, |seen| seen.phase == Phase::Finished).await?;
        say(&format!("  {} is Finished", it.room));
    }
    Ok(())
}
