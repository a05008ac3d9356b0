//! `arena bot`.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Result, bail};
use arena::checker::REWIND_TICKS;
use gamekeeper_client::{Credentials, Stay, endpoint, quinn};
use gamekeeper_server::stop_on_signal;
use tokio::{task::JoinSet, time::sleep};

use super::{
    journal::Journal,
    notes::Notes,
    plan::{self, Room, Where},
    playing::{Played, Playing},
    print,
};

/// Sockets of one process: each is read by a task of its own.
const PLAYERS_PER_SOCKET: usize = 16;

/// Let bots play, and check everything that they are shown; one JSON object for each bot at the end
#[derive(Debug, clap::Args)]
pub(crate) struct Bots {
    #[command(flatten)]
    place: Where,
    /// How many bots play in --room
    #[arg(long, default_value_t = 2)]
    players: usize,
    /// Play in the rooms of this file, one JSON object a line with room, endpoints, certificateHashes, players
    /// and, where the fleet asks for them, tickets; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "room")]
    plan: Option<PathBuf>,
    /// What bots' names begin with
    #[arg(long, default_value = "bot")]
    name: String,
    /// Leave after this time, before the match is over
    #[arg(long)]
    seconds: Option<f64>,
    /// What all chance comes from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write a journal into this folder: everything that is shown and sent, for tests
    #[arg(long, value_name = "FOLDER")]
    journal: Option<PathBuf>,
    /// How many ticks may be lost with a server: the time between two checkpoints, and what they take
    #[arg(long, value_name = "TICKS", default_value_t = REWIND_TICKS)]
    rewind: u32,
}

impl Bots {
    pub(crate) fn run(self) -> Result<ExitCode> {
        // One thread: bots are many and each does little.
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(self.play())
    }

    async fn play(self) -> Result<ExitCode> {
        let Self { place, players, plan, name, seconds, seed, journal, rewind } = self;
        let journal = journal.map(|it| Journal::begin(&it, "bot")).transpose()?;
        let rooms = match (place.room(), plan) {
            (Some(room), None) => vec![Room { players, ..room }],
            (None, Some(path)) => plan::read(&path)?,
            _ => bail!("which room? --room with --connect and --certificate, or --plan"),
        };
        let seconds = seconds.map(Duration::try_from_secs_f64).transpose()?;
        // On SIGTERM they leave, too, and say what they saw.
        let leave = stop_on_signal()?;
        if let Some(seconds) = seconds {
            let leave = leave.clone();
            tokio::spawn(async move {
                sleep(seconds).await;
                leave.cancel();
            });
        }
        let mut bots = JoinSet::new();
        let (mut socket, mut number) = (endpoint()?, 0);
        for room in &rooms {
            for index in 0..room.players {
                if number != 0 && number % PLAYERS_PER_SOCKET == 0 {
                    socket = endpoint()?;
                }
                number += 1;
                let bot = enter(room, index, &name, &socket, seed.wrapping_add(number as u64))?;
                let notes = journal.clone().map(|it| Notes::new(it, &room.room, &format!("{name}-{index}")));
                bots.spawn(bot.allowing(rewind).noting(notes).run(leave.clone()));
            }
        }
        let mut are_all_verified = true;
        while let Some(played) = bots.join_next().await {
            let played = played?;
            are_all_verified &= played.verified;
            print(&serde_json::to_string(&played)?)?;
        }
        Ok(if are_all_verified { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn enter(room: &Room, index: usize, name: &str, by: &quinn::Endpoint, seed: u64) -> Result<Playing> {
    let player = format!("{name}-{index}");
    let credentials = match room.tickets.get(index) {
        Some(ticket) => Credentials::Ticket(ticket.clone()),
        None => Credentials::Open(player.clone()),
    };
    let played = Played { room: room.room.clone(), player, ..Played::default() };
    Ok(Playing::new(by.clone(), Stay::new(&room.room, credentials), room.place()?, seed, played))
}
