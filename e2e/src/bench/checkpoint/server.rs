//! A server in this process, and the bench as its operator.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use gamekeeper_control::proto::{self, control_client::ControlClient};
use gamekeeper_control::{Hello, PROTOCOL, ToOperator, ToServer};
use gamekeeper_server::{RunError, State, Stopped};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Endpoint;

use super::game::Ballast;
use super::{FENCE, INTERVAL, TICK_RATE};

/// As the operator asks for.
const HEARTBEAT: Duration = Duration::from_millis(100);

/// A server that runs.
pub(super) struct Server {
    stop: CancellationToken,
    running: JoinHandle<Result<Stopped, RunError>>,
    listening: JoinHandle<Result<()>>,
}

impl Server {
    /// With so many rooms open, on one thread.
    pub(super) async fn start(ballast: Ballast, url: Option<String>, rooms: usize) -> Result<Self> {
        let state = url.map(|url| State { url, checkpoint_interval: INTERVAL, fence_after: FENCE });
        let server = gamekeeper_server::Server::builder(ballast)
            .control_address(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .capacity(u32::try_from(rooms)?)
            .tick_rate(TICK_RATE)
            .threads(1)
            .patience(Duration::ZERO)
            .state(state)
            .bind()
            .await?;
        let (address, stop) = (server.control_address(), CancellationToken::new());
        let running = tokio::spawn(server.run(stop.clone()));
        let channel = Endpoint::from_shared(format!("http://{address}"))?.connect().await?;
        let (requests, outgoing) = mpsc::channel(rooms + 16);
        let hello = Hello {
            term: 1,
            identity: "bench".to_owned(),
            protocol: PROTOCOL..=PROTOCOL,
            heartbeat: HEARTBEAT,
        };
        requests.send(ToServer::Hello(hello).into()).await?;
        let mut answers =
            ControlClient::new(channel).attach(ReceiverStream::new(outgoing)).await?.into_inner();
        for room in 0..rooms {
            requests.send(open(room)?.into()).await?;
        }
        let mut opened = 0;
        while opened < rooms {
            let message = answers.message().await?.context("the server has ended")?;
            match ToOperator::parse(message)? {
                Some(ToOperator::Opened(_)) => opened += 1,
                Some(ToOperator::Refused(it)) => bail!("a room is not opened: {}", it.message),
                _ => (),
            }
        }
        let listening = tokio::spawn(async move {
            while let Some(message) = answers.message().await? {
                if let Some(ToOperator::Beat(beat)) = ToOperator::parse(message)? {
                    requests.send(ToServer::BeatEcho { sequence: beat.sequence }.into()).await?;
                }
            }
            Ok(())
        });
        Ok(Self { stop, running, listening })
    }

    /// Its rooms go with it.
    pub(super) async fn end(self) -> Result<()> {
        self.stop.cancel();
        self.running.await??;
        self.listening.abort();
        Ok(())
    }
}

fn open(room: usize) -> Result<ToServer> {
    let name = format!("room-{room}");
    let tenancy = proto::Tenancy {
        namespace: "bench".to_owned(),
        uid: format!("uid-of-{name}-{}", rand::random::<u64>()),
        name,
        epoch: 1,
    };
    let open = proto::Open {
        tenancy: Some(tenancy),
        seats: 16,
        parameters: [].into(),
        restore: None,
        reason: "bench".to_owned(),
    };
    Ok(ToServer::Open(open.try_into()?))
}
