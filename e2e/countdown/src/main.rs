//! `countdown`: a game server with many rooms, whose matches last for a while and say something at the end.
//!
//! A room's parameters, both optional:
//!
//! - `seconds`: how long the match lasts; without it, until it is told to end
//! - `result`: a text that comes back as result `result`, beside the number of `ticks`
//!
//! Players send UDP datagrams of text, all rooms on one port:
//!
//! ```text
//! ROOM hello   → ROOM BOOT EPOCH TICK   if the room is open here; BOOT names this process
//! ROOM end     →                        and the match is over
//! ROOM crash   →                        and the process ends badly, with code 3
//! ```

mod game;
mod packets;

use std::{io, time::Duration};

use anyhow::Context as _;
use clap::Parser;
use gamekeeper_server::{Server, Stopped, stop_on_signal};
use tokio::net::UdpSocket;
use tracing::{info, warn};

use game::Countdowns;
use packets::Packets;

/// A game server of countdowns, for trying out Gamekeeper and for its end-to-end tests.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Where the operator connects, by TCP.
    #[arg(long, default_value_t = 9600)]
    control_port: u16,
    /// Where players play, by UDP.
    #[arg(long, default_value_t = 7777)]
    game_port: u16,
    /// How many rooms to host, 1 to 4096.
    #[arg(long, default_value_t = 16)]
    capacity: u32,
    /// Ticks per second.
    #[arg(long, default_value_t = 30)]
    tick_rate: u32,
    /// How many seconds rooms are played on after SIGTERM.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    grace: Duration,
    /// After how many seconds a room's tick hangs, to see what becomes of a server that does.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    hang_after: Option<Duration>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let Args { control_port, game_port, capacity, tick_rate, grace, hang_after } = Args::parse();
    tracing_subscriber::fmt().with_writer(io::stderr).init();
    let stop = stop_on_signal().context("cannot wait for signals")?;
    // Both ports are bound before anything runs.
    let socket = bind(game_port).await.with_context(|| format!("cannot have the game port {game_port}"))?;
    let countdowns = Countdowns::new(hang_after);
    let server = Server::builder(countdowns.clone())
        .control_port(control_port)
        .capacity(capacity)
        .tick_rate(tick_rate)
        .patience(grace)
        .bind()
        .await?;
    let packets = Packets::new(socket, server.boot_id().to_owned(), server.rooms(), countdowns);
    let playing = tokio::spawn(packets.serve());
    let stopped = server.run(stop).await?;
    // Players play on for as long as rooms do.
    playing.abort();
    match stopped {
        Stopped::Empty => info!("all rooms are closed"),
        Stopped::WithRooms(rooms) => warn!(rooms, "rooms are left"),
    }
    Ok(())
}

/// All addresses, of both kinds where there is IPv6.
async fn bind(port: u16) -> io::Result<UdpSocket> {
    match UdpSocket::bind(("::", port)).await {
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => UdpSocket::bind(("0.0.0.0", port)).await,
        bound => bound,
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|it| it.to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_makes_sense() {
        Args::command().debug_assert();
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        assert!(seconds("-1").is_err() && seconds("soon").is_err());
    }
}
