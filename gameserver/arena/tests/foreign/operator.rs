//! An operator, as far as this server sees one: it opens one room and hears how it ended.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use gamekeeper_control::{
    Hello, PROTOCOL, Tenancy, ToOperator, ToServer,
    proto::{self, control_client::ControlClient},
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Streaming, transport::Endpoint};

use crate::soon;

/// More than is ever said here.
const REQUESTS: usize = 16;

pub(crate) struct Operator {
    requests: mpsc::Sender<proto::OperatorMessage>,
    answers: Streaming<proto::ServerMessage>,
}

impl Operator {
    pub(crate) async fn greet(address: SocketAddr) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let channel = soon("a connection", endpoint.connect()).await.expect("a connection");
        let (requests, outgoing) = mpsc::channel(REQUESTS);
        let answers = ControlClient::new(channel)
            .attach(ReceiverStream::new(outgoing))
            .await
            .expect("a stream")
            .into_inner();
        let mut operator = Self { requests, answers };
        operator.say(ToServer::Hello(Hello {
            term: 1,
            identity: "operator".to_owned(),
            protocol: PROTOCOL..=PROTOCOL,
            heartbeat: Duration::from_millis(100),
        }));
        operator.until("a welcome", |it| matches!(it, ToOperator::Welcome(_)).then_some(())).await;
        operator
    }

    /// Opens the room with the uid `uid-1`. What players know the server by is returned.
    pub(crate) async fn open(&mut self, parameters: &[(&str, &str)]) -> String {
        let tenancy = Tenancy {
            namespace: "games".to_owned(),
            name: "duel".to_owned(),
            uid: "uid-1".to_owned(),
            epoch: 1,
        };
        let parameters =
            parameters.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let tenancy = Some(tenancy.into());
        let open = proto::Open { tenancy, seats: 4, parameters, restore: None, reason: "placed".to_owned() };
        self.say(ToServer::Open(open.try_into().expect("a good Open")));
        let hashes =
            |it| if let ToOperator::Opened(opened) = it { Some(opened.certificate_hashes) } else { None };
        self.until("an open room", hashes).await.pop().expect("a certificate")
    }

    /// The result of the match.
    pub(crate) async fn finished(&mut self) -> BTreeMap<String, String> {
        let values = |it| if let ToOperator::Finished { result, .. } = it { Some(result) } else { None };
        self.until("the end of the match", values).await.into_iter().collect()
    }

    fn say(&self, message: ToServer) {
        self.requests.try_send(message.into()).expect("a stream");
    }

    async fn until<T>(&mut self, what: &str, pick: impl Fn(ToOperator) -> Option<T>) -> T {
        soon(what, async {
            loop {
                let message = self.answers.message().await.expect("a stream that did not break");
                let message =
                    ToOperator::parse(message.expect("a stream that did not end")).expect("a good message");
                if let Some(found) = message.and_then(&pick) {
                    return found;
                }
            }
        })
        .await
    }
}
