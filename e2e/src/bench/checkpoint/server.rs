//! A server in this process, and the bench as its operator.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Result;
use gamekeeper_control::{ToOperator, ToServer, proto};
use gamekeeper_server::{RunError, State, Stopped};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::Endpoint;

use super::super::attached::Attached;
use super::game::Ballast;
use super::{FENCE, INTERVAL, TICK_RATE};

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
        let mut attached = Attached::to(channel, rooms).await?;
        for room in 0..rooms {
            attached.open(tenancy(room), BTreeMap::new()).await?;
        }
        attached.opened(rooms).await?;
        let Attached { requests, mut answers } = attached;
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

fn tenancy(room: usize) -> proto::Tenancy {
    let name = format!("room-{room}");
    let uid = format!("uid-of-{name}-{}", rand::random::<u64>());
    proto::Tenancy { namespace: "bench".to_owned(), uid, name, epoch: 1 }
}
