//! `arena server`.

use std::{io::IsTerminal as _, path::PathBuf, process::ExitCode, thread, time::Duration};

use anyhow::{Context as _, Result, bail};
use arena::game::Arena;
use gamekeeper_player::{
    admission::Admission,
    ticket::{PublicKey, Verifier},
};
use gamekeeper_server::{State, Stopped, stop_on_signal};
use serde_json::json;
use tracing::{info, warn};

use super::hang::{Hang, Hanging};
use super::{journal::Journal, recorded::Recorded};

/// Host rooms: the operator comes in by the control port, players by the game port
#[derive(Debug, clap::Args)]
pub(crate) struct Server {
    /// Where the operator connects, by TCP
    #[arg(long, default_value_t = 9600)]
    control_port: u16,
    /// Where players play, by QUIC over UDP
    #[arg(long, default_value_t = 7777)]
    game_port: u16,
    /// How many rooms to host, 1 to 4096
    #[arg(long, default_value_t = 16)]
    capacity: u32,
    /// Ticks per second
    #[arg(long, default_value_t = 30)]
    tick_rate: u32,
    /// Threads that tick [default: one for each core]
    #[arg(long)]
    threads: Option<usize>,
    /// How many seconds rooms are played on after SIGTERM
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    grace: u64,
    /// Connections that one address may have [default: 256]
    #[arg(long, value_name = "CONNECTIONS")]
    per_address: Option<usize>,
    /// Who may play: the operator sets it as in the fleet's spec.admission
    #[arg(long, env = "GAMEKEEPER_ADMISSION", value_enum, default_value_t = Whom::Open, ignore_case = true)]
    admission: Whom,
    /// The public key of players' tickets, as `arena keys` makes it; with --admission Ticket
    #[arg(long, env = "GAMEKEEPER_TICKET_KEY", hide_env_values = true)]
    ticket_key: Option<String>,
    /// Write a journal into this folder: every tick of every room, for tests
    #[arg(long, value_name = "FOLDER")]
    journal: Option<PathBuf>,
    /// For tests: at SIGUSR1 all ticks stand still for so many seconds, while all else goes on
    #[arg(long, value_name = "SECONDS", hide = true)]
    hang_on_usr1: Option<f64>,
}

/// Who may play.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Whom {
    /// Everybody.
    Open,
    /// Who has a ticket.
    Ticket,
}

/// To standard error: for people at a terminal, else one JSON object a line, for collectors.
fn start_logs() {
    let builder = tracing_subscriber::fmt().with_writer(std::io::stderr);
    match std::io::stderr().is_terminal() {
        true => builder.init(),
        false => builder.json().flatten_event(true).with_current_span(false).with_span_list(false).init(),
    }
}

impl Server {
    pub(crate) fn run(self) -> Result<ExitCode> {
        start_logs();
        // As many as there are cores for us, not on the machine.
        let cores = thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        runtime.worker_threads(cores).enable_all().build()?.block_on(self.serve())
    }

    async fn serve(self) -> Result<ExitCode> {
        let Self {
            control_port,
            game_port,
            capacity,
            tick_rate,
            threads,
            grace,
            per_address,
            admission,
            ticket_key,
            journal,
            hang_on_usr1,
        } = self;
        let hang = Hang::default();
        if let Some(seconds) = hang_on_usr1 {
            let length = Duration::try_from_secs_f64(seconds).context("--hang-on-usr1")?;
            hang.on_signal(length).context("cannot wait for SIGUSR1")?;
        }
        let admission = match (admission, ticket_key) {
            (Whom::Open, _) => Admission::Open,
            (Whom::Ticket, Some(key)) => {
                let key: PublicKey = key.parse().context("the public key of tickets")?;
                Admission::Ticket(Verifier::new(key))
            }
            (Whom::Ticket, None) => {
                bail!("who admits by tickets needs their public key: GAMEKEEPER_TICKET_KEY")
            }
        };
        let stop = stop_on_signal().context("cannot wait for signals")?;
        let journal = journal.map(|it| Journal::begin(&it, "server")).transpose()?;
        let mut builder = match &journal {
            Some(journal) => {
                gamekeeper_server::Server::builder(Hanging::new(Recorded(journal.clone()), hang))
            }
            None => gamekeeper_server::Server::builder(Hanging::new(Arena, hang)),
        };
        builder = builder
            .control_port(control_port)
            .players_port(game_port)
            .admission(admission)
            .capacity(capacity)
            .state(State::from_environment().context("the fleet's state")?)
            .tick_rate(tick_rate)
            .patience(Duration::from_secs(grace));
        if let Some(threads) = threads {
            builder = builder.threads(threads);
        }
        if let Some(connections) = per_address {
            builder = builder.connections_per_address(connections);
        }
        let server = builder.bind().await?;
        if let Some(journal) = &journal {
            let pod = std::env::var("HOSTNAME").unwrap_or_default();
            journal.note(json!({ "what": "boot", "boot_id": server.boot_id(), "pod": pod }));
        }
        match server.run(stop).await? {
            Stopped::Empty => info!("all rooms are closed"),
            Stopped::WithRooms(rooms) => warn!(rooms, "rooms are left"),
        }
        Ok(ExitCode::SUCCESS)
    }
}
