//! An operator, as far as a server sees one.

use std::{net::SocketAddr, time::Duration};

use gamekeeper_control::{
    Beat, Close, CloseWhy, Hello, PROTOCOL, RoomState, Tenancy, ToOperator, ToServer, Welcome, limits,
    proto::{self, control_client::ControlClient},
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming, transport::Endpoint};

use super::soon;

/// Often enough for tests to be quick.
pub(crate) const HEARTBEAT: Duration = Duration::from_millis(25);

/// One stream.
pub(crate) struct Operator {
    pub(crate) requests: mpsc::Sender<proto::OperatorMessage>,
    pub(crate) answers: Streaming<proto::ServerMessage>,
    /// Beats that it reads are echoed.
    pub(crate) echoes: bool,
}

pub(crate) fn tenancy(name: &str, epoch: i64) -> Tenancy {
    Tenancy { namespace: "games".to_owned(), name: name.to_owned(), uid: format!("uid-of-{name}"), epoch }
}

pub(crate) fn open(name: &str, epoch: i64) -> ToServer {
    Operator::open_with(name, epoch, &[])
}

pub(crate) fn close(name: &str, epoch: i64) -> ToServer {
    ToServer::Close(Close { tenancy: tenancy(name, epoch), why: CloseWhy::Deleted })
}

impl Operator {
    /// A stream that has not said anything yet.
    pub(crate) async fn attach(address: SocketAddr) -> Self {
        Self::attach_with(address, |it| it).await
    }

    pub(crate) async fn attach_with(address: SocketAddr, change: impl FnOnce(Endpoint) -> Endpoint) -> Self {
        let endpoint = change(Endpoint::from_shared(format!("http://{address}")).unwrap());
        let channel = soon("a connection", endpoint.connect()).await.expect("a connection");
        let mut client = ControlClient::new(channel).max_decoding_message_size(limits::MESSAGE_BYTES_MAX);
        let (requests, outgoing) = mpsc::channel(1024);
        let answers = soon("the beginning of a stream", client.attach(ReceiverStream::new(outgoing))).await;
        Self { requests, answers: answers.expect("a stream").into_inner(), echoes: false }
    }

    /// A stream that is welcome.
    pub(crate) async fn greet(address: SocketAddr, term: u32) -> (Self, Welcome) {
        let mut operator = Self::attach(address).await;
        operator.say(Self::hello(term)).await;
        match operator.next().await {
            ToOperator::Welcome(welcome) => (operator, welcome),
            other => panic!("not a welcome: {other:?}"),
        }
    }

    pub(crate) fn hello(term: u32) -> ToServer {
        let identity = "operator-7_00c0ffee".to_owned();
        ToServer::Hello(Hello { term, identity, protocol: PROTOCOL..=PROTOCOL + 3, heartbeat: HEARTBEAT })
    }

    pub(crate) fn open_with(name: &str, epoch: i64, parameters: &[(&str, &str)]) -> ToServer {
        let parameters =
            parameters.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let tenancy = Some(tenancy(name, epoch).into());
        let open = proto::Open { tenancy, seats: 3, parameters, restore: None, reason: "placed".to_owned() };
        ToServer::Open(open.try_into().expect("a good Open"))
    }

    pub(crate) async fn say(&self, message: ToServer) {
        self.say_raw(message.into()).await;
    }

    pub(crate) async fn say_raw(&self, message: proto::OperatorMessage) {
        soon("room in the stream", self.requests.send(message)).await.expect("a stream");
    }

    /// The next message.
    pub(crate) async fn next(&mut self) -> ToOperator {
        let message = soon("a message", self.answers.message()).await;
        let message = message.expect("a stream that did not break").expect("a stream that did not end");
        let message = ToOperator::parse(message).expect("a good message").expect("a known message");
        if let ToOperator::Beat(beat) = &message
            && self.echoes
        {
            self.say(ToServer::BeatEcho { sequence: beat.sequence }).await;
        }
        message
    }

    /// The next message for which `pick` finds something.
    pub(crate) async fn until<T>(&mut self, what: &str, mut pick: impl FnMut(&ToOperator) -> Option<T>) -> T {
        let found = async {
            loop {
                if let Some(found) = pick(&self.next().await) {
                    return found;
                }
            }
        };
        soon(what, found).await
    }

    /// The next message that is not said unasked.
    pub(crate) async fn answer(&mut self) -> ToOperator {
        let is_unasked = |it: &ToOperator| matches!(it, ToOperator::Beat(_) | ToOperator::Sought(_));
        self.until("an answer", |it| (!is_unasked(it)).then(|| it.clone())).await
    }

    /// Says something and waits for the answer.
    pub(crate) async fn ask(&mut self, message: ToServer) -> ToOperator {
        self.say(message).await;
        self.answer().await
    }

    /// Opens a room.
    pub(crate) async fn open(&mut self, name: &str, epoch: i64) {
        match self.ask(open(name, epoch)).await {
            ToOperator::Opened(opened) => assert_eq!(opened.tenancy, tenancy(name, epoch)),
            other => panic!("not opened: {other:?}"),
        }
    }

    pub(crate) async fn beat(&mut self) -> Beat {
        let beat = |it: &ToOperator| if let ToOperator::Beat(beat) = it { Some(*beat) } else { None };
        self.until("a beat", beat).await
    }

    pub(crate) async fn room_state(&mut self) -> RoomState {
        let state =
            |it: &ToOperator| if let ToOperator::RoomState(it) = it { Some(it.clone()) } else { None };
        self.until("a state", state).await
    }

    /// How the stream ends, after whatever is still on its way.
    pub(crate) async fn end(&mut self) -> Code {
        let end = async {
            loop {
                match self.answers.message().await {
                    Ok(Some(_)) => (),
                    Ok(None) => return Code::Ok,
                    Err(status) => return status.code(),
                }
            }
        };
        soon("the end of the stream", end).await
    }
}
