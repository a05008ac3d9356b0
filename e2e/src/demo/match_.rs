//! A match as its players see it: an address, and a server that answers.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::time::Instant;

use super::rooms::Sighting;
use crate::udp::Player;
use crate::wait::eventually;

/// Longer than a datagram and its answer ever take; who hears nothing asks again.
const ANSWER: Duration = Duration::from_millis(500);

/// Datagrams may be lost, and a host port's rule is written a moment after the process runs.
const PLAYABLE: Duration = Duration::from_secs(10);

/// A match that is on.
#[derive(Debug)]
pub(super) struct Match {
    pub(super) room: String,
    pub(super) address: SocketAddr,
    pub(super) server: String,
    pub(super) epoch: i64,
    /// From its creation until its address could be read.
    pub(super) placed: Duration,
    /// What names the process that answers; empty before it was played.
    pub(super) boot: String,
    pub(super) player: Player,
    moves: u32,
}

impl Match {
    pub(super) async fn of(room: &str, seen: &Sighting, requested: Option<Instant>) -> Result<Self> {
        let address = address(room, seen)?;
        Ok(Self {
            room: room.to_owned(),
            address,
            server: seen.server.clone(),
            epoch: seen.epoch,
            placed: seen.changed.duration_since(requested.unwrap_or(seen.appeared)),
            boot: String::new(),
            player: Player::connect(address).await?,
            moves: 0,
        })
    }

    /// The room says that the match is elsewhere now.
    pub(super) async fn go_to(&mut self, seen: &Sighting) -> Result<()> {
        self.address = address(&self.room, seen)?;
        self.player = Player::connect(self.address).await?;
        self.server.clone_from(&seen.server);
        self.epoch = seen.epoch;
        self.boot.clear();
        Ok(())
    }

    /// Makes some moves, each of which one and the same process must answer.
    pub(super) async fn play(&mut self, rounds: u32) -> Result<()> {
        for _ in 0..rounds {
            self.moves += 1;
            let (what, text) =
                (format!("{} to be played at {}", self.room, self.address), format!("play {}", self.moves));
            let answer = eventually(&what, PLAYABLE, || self.player.ask(&text, ANSWER)).await.context(
                "players must reach the servers' host ports, 7000-7999 over UDP, from this machine",
            )?;
            let boot = answer.strip_prefix(&format!("played {} ", self.moves));
            let boot = boot.with_context(|| format!("{} answers {answer:?} to {text:?}", self.address))?;
            ensure!(self.boot.is_empty() || self.boot == boot, "another process answers for {}", self.room);
            boot.clone_into(&mut self.boot);
        }
        Ok(())
    }

    /// Tells the server that the match is over. It answers and ends; should the answer be lost, nobody is there to repeat it.
    pub(super) async fn finish(&self) -> Result<()> {
        self.player.tell("finish").await
    }
}

fn address(room: &str, seen: &Sighting) -> Result<SocketAddr> {
    let (address, port) =
        seen.endpoint.as_ref().with_context(|| format!("{room} runs and has no endpoint"))?;
    let ip: IpAddr =
        address.parse().with_context(|| format!("{address}, where {room} is, is no IP address"))?;
    Ok(SocketAddr::new(ip, *port))
}
