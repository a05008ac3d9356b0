//! The story that `gk demo` shows: a fleet of arenas starts, matches are placed, bots play them over QUIC and check every
//! tick; a server is killed, its matches go on elsewhere, and all come to their end.

mod killing;
mod played;
mod rooms;
mod stage;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use futures::future::try_join_all;
use gamekeeper_crds::room::Phase;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::bots::{Bots, Table};
use crate::cost;
use crate::paths;
use crate::progress::say;
use crate::target::Reached;
pub use played::Played;
use played::Room;
use rooms::{Rooms, Sighting};
pub use stage::{NAMESPACE, Stage, set_up};

/// A room is placed within milliseconds; a machine that compiles at the same time takes longer.
const PLACED: Duration = Duration::from_secs(30);

/// After the last match is over, until its room says so.
const TOLD: Duration = Duration::from_secs(30);

/// From one line of progress to the next.
const TELL: Duration = Duration::from_secs(10);

/// What is to be shown.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How many matches are played at once.
    pub rooms: usize,
    /// How many bots play them, evenly spread.
    pub bots: usize,
    /// How long each match lasts.
    pub seconds: u32,
}

/// A file of the examples.
fn example(name: &str) -> PathBuf {
    paths::repository().join("examples").join(name)
}

impl Plan {
    /// Bots of the room with this number.
    fn players(&self, number: usize) -> usize {
        self.bots / self.rooms + usize::from(number < self.bots % self.rooms)
    }

    /// Seats of every room: as many as its bots, and not fewer than the game takes.
    fn seats(&self) -> usize {
        self.players(0).clamp(2, 32)
    }
}

/// Plays the story on a stage that is set.
pub async fn play(stage: &Stage, plan: &Plan) -> Result<Played> {
    stage.raise_fleet(plan).await?;
    let rooms = Rooms::watch(stage.client(), NAMESPACE).await?;
    let matches = place(stage, plan, &rooms).await?;
    say(&format!(
        "\n{} bots join them over QUIC, and check every tick by a simulation of their own",
        plan.bots
    ));
    if let Some((name, seen, _)) = matches.first() {
        say(&format!("  to watch one in another terminal:\n    {}", watching(stage.program(), name, seen)));
    }
    let before = cpu_of_servers(stage, &matches);
    let begun = Instant::now();
    let tables: Vec<Table> = matches.iter().map(table).collect();
    let bots = Bots::play(stage.program(), &tables).await?;
    let show = async {
        let killing = async {
            // When everybody plays, and time enough to see how it goes on.
            sleep(Duration::from_secs(plan.seconds.into()) / 3).await;
            killing::kill_the_fullest(stage, &rooms, &matches).await
        };
        tokio::try_join!(bots.done(), killing)
    };
    let (seen, back) = tokio::select! {
        shown = show => shown?,
        never = tell(&rooms, begun) => never,
    };
    let seconds = begun.elapsed().as_secs_f64();
    let after = cpu_of_servers(stage, &matches);
    let mut all = Vec::new();
    for (name, placed, _) in matches {
        let end = rooms.until(&name, "to be Finished", TOLD, |it| it.phase == Phase::Finished).await;
        let of_server = before.iter().zip(&after).find(|(it, _)| it.0 == placed.server);
        let cpu_percent = of_server.and_then(|((_, rooms, before), (_, _, after))| {
            Some(100.0 * ((*after)? - (*before)?) / seconds / *rooms)
        });
        all.push(Room {
            bots: seen.iter().filter(|it| it.room == name).cloned().collect(),
            server: placed.server,
            placed: placed.changed.duration_since(placed.appeared),
            is_finished: end.is_ok(),
            back: back.get(&name).copied(),
            cpu_percent,
            name,
        });
    }
    Ok(Played { rooms: all })
}

/// Makes rooms as a matchmaker would, half of them by `kubectl apply`, and waits until all of them run.
async fn place(stage: &Stage, plan: &Plan, rooms: &Rooms) -> Result<Vec<(String, Sighting, usize)>> {
    let names: Vec<String> = (1..=plan.rooms).map(|it| format!("match-{it}")).collect();
    let (by_hand, by_program) = names.split_at(plan.rooms.div_ceil(2));
    say(&format!(
        "\na matchmaker makes {} rooms, like examples/arena-room.yaml: {} by `kubectl apply`, {} over the API",
        plan.rooms,
        by_hand.len(),
        by_program.len()
    ));
    stage.apply_rooms(by_hand, plan).await?;
    try_join_all(by_program.iter().map(|it| stage.create_room(it, plan))).await?;
    let run = names.iter().map(|name| rooms.until(name, "to run", PLACED, |it| it.phase == Phase::Running));
    let seen = try_join_all(run).await?;
    let mut placed: Vec<_> = seen.iter().map(|it| it.changed.duration_since(it.appeared)).collect();
    placed.sort();
    let median = placed.get(placed.len() / 2).copied().unwrap_or_default();
    let last = placed.last().copied().unwrap_or_default();
    say(&format!(
        "  all are placed, in the median {} ms after they could be read, at the latest after {} ms",
        median.as_millis(),
        last.as_millis()
    ));
    let players = (0..).map(|it| plan.players(it));
    Ok(names
        .into_iter()
        .zip(seen)
        .zip(players)
        .map(|((name, seen), players)| (name, seen, players))
        .collect())
}

/// Tells how far it is, until it is dropped.
async fn tell<T>(rooms: &Rooms, begun: Instant) -> T {
    let mut turns = interval(TELL);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    turns.tick().await;
    loop {
        turns.tick().await;
        let running = rooms.count(|it| it.phase == Phase::Running);
        let over = rooms.count(|it| it.phase.is_over());
        say(&format!("  {:>3} s: {running} matches are played, {over} are over", begun.elapsed().as_secs()));
    }
}

fn table((room, seen, players): &(String, Sighting, usize)) -> Table {
    Table {
        room: room.clone(),
        endpoints: seen.endpoints.clone(),
        certificate_hashes: seen.certificate_hashes.clone(),
        players: *players,
        tickets: Vec::new(),
    }
}

/// What somebody types who wants to watch a match.
fn watching(program: &Path, room: &str, seen: &Sighting) -> String {
    let connect = seen.endpoints.iter().flat_map(|it| ["--connect", it]);
    let certificate = seen.certificate_hashes.iter().flat_map(|it| ["--certificate", it]);
    let options = connect.chain(certificate).collect::<Vec<_>>().join(" ");
    format!("{} watch --room {room} {options}", program.display())
}

/// CPU seconds of each server of these matches, with the number of its rooms; on nodes of ours only.
fn cpu_of_servers(stage: &Stage, matches: &[(String, Sighting, usize)]) -> Vec<(String, f64, Option<f64>)> {
    let mut servers: Vec<(String, f64, Option<f64>)> = Vec::new();
    for (_, seen, _) in matches {
        match servers.iter_mut().find(|it| it.0 == seen.server) {
            Some(server) => server.1 += 1.0,
            None => servers.push((seen.server.clone(), 1.0, None)),
        }
    }
    if let Reached::Ours(_) = &stage.prepared.cluster {
        for (server, _, cpu) in &mut servers {
            *cpu = cost::process_with(&format!("HOSTNAME={server}")).and_then(cost::cpu_s).ok();
        }
    }
    servers
}
