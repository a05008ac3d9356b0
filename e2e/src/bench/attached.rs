//! The bench as the operator of one server: what is the same whatever is measured.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use gamekeeper_control::proto::control_client::ControlClient;
use gamekeeper_control::{Hello, Opened, PROTOCOL, ToOperator, ToServer, limits, proto};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

/// As the operator asks for.
const HEARTBEAT: Duration = Duration::from_millis(100);

/// What may wait to be sent beside a request for each room.
const BESIDE: usize = 16;

/// Seats of a room.
const SEATS: u32 = 16;

/// Both ways of the stream to a server.
pub(super) struct Attached {
    pub(super) requests: mpsc::Sender<proto::OperatorMessage>,
    pub(super) answers: Streaming<proto::ServerMessage>,
}

impl Attached {
    /// Greets a server that is to have so many rooms.
    pub(super) async fn to(channel: Channel, rooms: usize) -> Result<Self> {
        let (requests, outgoing) = mpsc::channel(2 * rooms + BESIDE);
        let (identity, protocol) = ("bench".to_owned(), PROTOCOL..=PROTOCOL);
        let hello = Hello { term: 1, identity, protocol, heartbeat: HEARTBEAT };
        requests.send(ToServer::Hello(hello).into()).await?;
        let mut client = ControlClient::new(channel).max_decoding_message_size(limits::MESSAGE_BYTES_MAX);
        let answers = client.attach(ReceiverStream::new(outgoing)).await?.into_inner();
        Ok(Self { requests, answers })
    }

    /// Asks for a room.
    pub(super) async fn open(
        &self,
        tenancy: proto::Tenancy,
        parameters: BTreeMap<String, String>,
    ) -> Result<()> {
        let parameters = parameters.into_iter().collect();
        let (tenancy, reason) = (Some(tenancy), "bench".to_owned());
        let open = proto::Open { tenancy, seats: SEATS, parameters, restore: None, reason };
        self.requests.send(ToServer::Open(open.try_into()?).into()).await?;
        Ok(())
    }

    /// Waits until so many rooms are open, and returns what the server said of each.
    pub(super) async fn opened(&mut self, count: usize) -> Result<Vec<Opened>> {
        let mut opened = Vec::new();
        while opened.len() < count {
            let message = self.answers.message().await?.context("the server has ended")?;
            match ToOperator::parse(message)? {
                Some(ToOperator::Opened(it)) => opened.push(it),
                Some(ToOperator::Refused(it)) => bail!("a room is not opened: {}", it.message),
                _ => (),
            }
        }
        Ok(opened)
    }
}
