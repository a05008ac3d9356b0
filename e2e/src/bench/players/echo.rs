//! The raw limits: servers that send a packet for each that they get, over bare QUIC and bare UDP, and players for them.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Subcommand, ValueEnum};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};

use super::load::{Packets, Reading, WARM_UP, on_core};
use super::trust::Anybody;
use crate::bench::statistics::figure;
use crate::cost::cpu_s;

/// As the arena ticks, and its bots send.
const PERIOD: Duration = Duration::from_nanos(1_000_000_000 / 30);

/// Players of one process come within this time, and so are not in step.
const COMING: Duration = Duration::from_secs(1);

const SECONDS_MARGIN: u64 = 2;

/// What carries the packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// A bare quinn endpoint, its datagrams.
    Quic,
    /// A bare socket.
    Udp,
}

/// One side of an echo, a process of its own.
#[derive(Debug, Subcommand)]
pub enum Echo {
    /// Answers every packet with one of --down bytes; prints its port
    Server {
        /// What carries the packets
        #[arg(long, value_enum)]
        kind: Kind,
        /// Bytes of an answer
        #[arg(long)]
        down: usize,
    },
    /// Sends 30 packets of --up bytes a second for each player
    Players {
        /// What carries the packets
        #[arg(long, value_enum)]
        kind: Kind,
        /// Of the server, on loopback
        #[arg(long)]
        port: u16,
        /// How many players
        #[arg(long)]
        players: usize,
        /// Bytes of a question
        #[arg(long)]
        up: usize,
        /// How long they ask
        #[arg(long)]
        seconds: u64,
    },
}

impl Echo {
    /// Until it is killed, or its time is over.
    pub async fn run(self) -> Result<()> {
        match self {
            Self::Server { kind: Kind::Quic, down } => quic_server(down).await,
            Self::Server { kind: Kind::Udp, down } => udp_server(down).await,
            Self::Players { kind, port, players, up, seconds } => {
                let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
                let until = Instant::now() + Duration::from_secs(seconds);
                let mut all = JoinSet::new();
                let endpoint = quic_endpoint()?;
                for number in 0..players {
                    let begin = COMING.mul_f64(figure(number) / figure(players));
                    match kind {
                        Kind::Quic => all.spawn(quic_player(endpoint.clone(), server, begin, up, until)),
                        Kind::Udp => all.spawn(udp_player(server, begin, up, until)),
                    };
                }
                while let Some(done) = all.join_next().await {
                    done??;
                }
                Ok(())
            }
        }
    }
}

/// An echo under the same load, with packets of the same size.
pub(super) async fn measure(
    program: &Path,
    kind: Kind,
    players: usize,
    packets: Packets,
    window: Duration,
) -> Result<Reading> {
    let name = kind.to_possible_value().map(|it| it.get_name().to_owned()).unwrap_or_default();
    let mut server = on_core(0, program);
    server.args(["echo", "server", "--kind", &name, "--down", &packets.down.to_string()]);
    let mut server = server.stdout(Stdio::piped()).spawn().context("start the echo")?;
    let mut said = BufReader::new(server.stdout.take().context("the echo has no stdout")?).lines();
    let port = said.next_line().await?.context("the echo has ended")?;
    let seconds = (WARM_UP + window).as_secs() + SECONDS_MARGIN;
    let mut bots = on_core(1, program);
    bots.args(["echo", "players", "--kind", &name, "--port", &port, "--players", &players.to_string()]);
    bots.args(["--up", &packets.up.to_string(), "--seconds", &seconds.to_string()]);
    let mut bots = bots.spawn().context("start the echo's players")?;
    let (server_pid, bots_pid) =
        (server.id().context("the echo has ended")?, bots.id().context("its players have ended")?);
    sleep(WARM_UP).await;
    let (of_server, of_bots) = (cpu_s(server_pid)?, cpu_s(bots_pid)?);
    sleep(window).await;
    let (of_server, of_bots) = (cpu_s(server_pid)? - of_server, cpu_s(bots_pid)? - of_bots);
    let status = bots.wait().await?;
    server.kill().await?;
    let seconds = window.as_secs_f64();
    Ok(Reading {
        cpu_us_per_player_s: of_server * 1e6 / seconds / figure(players),
        server_percent: 100.0 * of_server / seconds,
        bots_percent: 100.0 * of_bots / seconds,
        tick_p99_ms: 0.0,
        bytes_down_per_player_s: 0.0,
        bytes_down_per_player_tick: 0.0,
        snapshot_bytes_per_player_tick: 0.0,
        packets,
        is_verified: status.success(),
    })
}

async fn quic_server(down: usize) -> Result<()> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let tls = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)?;
    let config = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
    let endpoint = quinn::Endpoint::server(config, (Ipv4Addr::LOCALHOST, 0).into())?;
    println!("{}", endpoint.local_addr()?.port());
    let answer = bytes::Bytes::from(vec![7; down]);
    while let Some(incoming) = endpoint.accept().await {
        let answer = answer.clone();
        tokio::spawn(async move {
            let Ok(connection) = incoming.await else { return };
            while connection.read_datagram().await.is_ok() {
                // Of a player that has gone.
                let _ = connection.send_datagram(answer.clone());
            }
        });
    }
    Ok(())
}

async fn udp_server(down: usize) -> Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("{}", socket.local_addr()?.port());
    let (mut buffer, answer) = ([0; 2048], vec![7; down]);
    loop {
        // An answer to a player that has gone comes back as an error.
        let Ok((_, from)) = socket.recv_from(&mut buffer).await else { continue };
        let _ = socket.send_to(&answer, from).await;
    }
}

fn quic_endpoint() -> Result<quinn::Endpoint> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        .with_no_client_auth();
    let mut endpoint = quinn::Endpoint::client((Ipv4Addr::LOCALHOST, 0).into())?;
    endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?)));
    Ok(endpoint)
}

async fn quic_player(
    by: quinn::Endpoint,
    server: SocketAddr,
    begin: Duration,
    up: usize,
    until: Instant,
) -> Result<()> {
    sleep(begin).await;
    let connection = by.connect(server, "localhost")?.await?;
    let packet = bytes::Bytes::from(vec![7; up]);
    let mut turns = interval(PERIOD);
    turns.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut over = std::pin::pin!(sleep_until(until));
    loop {
        tokio::select! {
            read = connection.read_datagram() => drop(read?),
            _ = turns.tick() => connection.send_datagram(packet.clone())?,
            () = &mut over => return Ok(()),
        }
    }
}

async fn udp_player(server: SocketAddr, begin: Duration, up: usize, until: Instant) -> Result<()> {
    sleep(begin).await;
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    socket.connect(server).await?;
    let (packet, mut buffer) = (vec![7; up], [0; 2048]);
    let mut turns = interval(PERIOD);
    turns.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut over = std::pin::pin!(sleep_until(until));
    loop {
        tokio::select! {
            read = socket.recv(&mut buffer) => drop(read?),
            _ = turns.tick() => drop(socket.send(&packet).await?),
            () = &mut over => return Ok(()),
        }
    }
}
