//! An operator: opens rooms, hears of them, and closes them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

use gamekeeper_control::{
    Close, CloseWhy, Hello, PROTOCOL, Tenancy, ToOperator, ToServer, limits,
    proto::{self, control_client::ControlClient},
};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Streaming, transport::Endpoint};

use super::soon;

const HEARTBEAT: Duration = Duration::from_millis(500);

/// Of a room that is opened for the first time.
const EPOCH: i64 = 5;

/// One stream.
pub(crate) struct Operator {
    requests: mpsc::Sender<proto::OperatorMessage>,
    told: watch::Receiver<Told>,
}

/// What the server has said, by the names of rooms.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    pub(crate) opened: BTreeMap<String, Vec<String>>,
    pub(crate) players: BTreeMap<String, u32>,
    pub(crate) closed: BTreeSet<String>,
}

/// A room as the server knows it.
pub(crate) fn uid(name: &str) -> String {
    format!("uid-of-{name}")
}

fn tenancy(name: &str, epoch: i64) -> Tenancy {
    Tenancy { namespace: "games".to_owned(), name: name.to_owned(), uid: uid(name), epoch }
}

impl Operator {
    pub(crate) async fn greet(server: SocketAddr) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{server}")).unwrap();
        let channel = soon("a connection", endpoint.connect()).await.expect("a connection");
        let mut client = ControlClient::new(channel).max_decoding_message_size(limits::MESSAGE_BYTES_MAX);
        let (requests, outgoing) = mpsc::channel(1024);
        let identity = "operator-7_00c0ffee".to_owned();
        let hello = Hello { term: 1, identity, protocol: PROTOCOL..=PROTOCOL, heartbeat: HEARTBEAT };
        requests.send(ToServer::Hello(hello).into()).await.unwrap();
        let answers = soon("a stream", client.attach(ReceiverStream::new(outgoing))).await.unwrap();
        let (tell, told) = watch::channel(Told::default());
        tokio::spawn(listen(answers.into_inner(), requests.clone(), tell));
        Self { requests, told }
    }

    /// Opens a room and returns the hashes by which players know the server.
    pub(crate) async fn open(&self, name: &str, seats: u32, seconds: u32) -> Vec<String> {
        self.open_under(name, EPOCH, seats, seconds, None).await
    }

    /// The same under this epoch, and from the store if it is to be restored.
    pub(crate) async fn open_under(
        &self,
        name: &str,
        epoch: i64,
        seats: u32,
        seconds: u32,
        restore: Option<proto::Restore>,
    ) -> Vec<String> {
        let parameters = [("seconds".to_owned(), seconds.to_string())].into();
        let tenancy = Some(tenancy(name, epoch).into());
        let open = proto::Open { tenancy, seats, parameters, restore, reason: "placed".to_owned() };
        let open = ToServer::Open(open.try_into().expect("a good Open"));
        self.requests.send(open.into()).await.expect("a stream");
        let told = self.until("a room", |it| it.opened.contains_key(name)).await;
        told.opened.get(name).cloned().unwrap_or_default()
    }

    /// Closes rooms and waits until they are gone.
    pub(crate) async fn close(&self, names: &[&str]) {
        for name in names {
            let close = Close { tenancy: tenancy(name, EPOCH), why: CloseWhy::Deleted };
            self.requests.send(ToServer::Close(close).into()).await.expect("a stream");
        }
        self.until("all rooms closed", |it| it.closed.len() == names.len()).await;
    }

    /// Waits until the server has said enough.
    pub(crate) async fn until(&self, what: &str, is_enough: impl FnMut(&Told) -> bool) -> Told {
        let mut told = self.told.clone();
        soon(what, told.wait_for(is_enough)).await.expect("a stream").clone()
    }
}

async fn listen(
    mut answers: Streaming<proto::ServerMessage>,
    requests: mpsc::Sender<proto::OperatorMessage>,
    tell: watch::Sender<Told>,
) {
    while let Ok(Some(message)) = answers.message().await {
        let message = ToOperator::parse(message).expect("a good message").expect("a known message");
        let answer = match message {
            ToOperator::Beat(beat) => Some(ToServer::BeatEcho { sequence: beat.sequence }),
            ToOperator::Opened(it) => {
                tell.send_modify(|told| drop(told.opened.insert(it.tenancy.name, it.certificate_hashes)));
                None
            }
            ToOperator::RoomState(it) => {
                tell.send_modify(|told| _ = told.players.insert(it.tenancy.name, it.players));
                None
            }
            ToOperator::Closed(tenancy) => {
                tell.send_modify(|told| _ = told.closed.insert(tenancy.name));
                None
            }
            ToOperator::Refused(refused) => panic!("{refused:?}"),
            _ => None,
        };
        if let Some(answer) = answer
            && requests.send(answer.into()).await.is_err()
        {
            return;
        }
    }
}
