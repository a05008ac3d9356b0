//! One stream from the operator to a hollow server.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use gamekeeper_control::proto::{self, control_server::Control};
use gamekeeper_control::{Hello, HelloRefused, HelloRefusedWhy, PROTOCOL, ToOperator, ToServer};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpConnectInfo;
use tonic::{Request, Response, Status, Streaming};

use super::server::{Change, Server};
use super::{Registry, lock};

/// An answer for each place of a server, and beats.
const ANSWERS_MAX: usize = 256;

/// What the operator calls.
pub(super) struct Service {
    pub(super) registry: Arc<Registry>,
    /// Ends all streams.
    pub(super) end: CancellationToken,
}

type Answer = Result<proto::ServerMessage, Status>;

#[tonic::async_trait]
impl Control for Service {
    type AttachStream = ReceiverStream<Answer>;

    async fn attach(
        &self,
        request: Request<Streaming<proto::OperatorMessage>>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        let address = request.extensions().get::<TcpConnectInfo>().and_then(TcpConnectInfo::local_addr);
        let address = address.ok_or_else(|| Status::internal("a call from nowhere"))?.ip();
        let (answers, outgoing) = mpsc::channel(ANSWERS_MAX);
        let server = self.registry.server(address);
        let stream =
            Stream { registry: self.registry.clone(), server, incoming: request.into_inner(), answers };
        let end = self.end.clone();
        // It ends with its connection, or with the token.
        tokio::spawn(async move { end.run_until_cancelled(stream.talk()).await });
        Ok(Response::new(ReceiverStream::new(outgoing)))
    }
}

struct Stream {
    registry: Arc<Registry>,
    server: Arc<Mutex<Server>>,
    incoming: Streaming<proto::OperatorMessage>,
    answers: mpsc::Sender<Answer>,
}

/// Counts as linked until it is dropped.
struct Linked(Arc<Registry>);

impl Drop for Linked {
    fn drop(&mut self) {
        self.0.unlinked();
    }
}

/// The stream is over; nobody needs to know why.
struct Over;

impl Stream {
    async fn talk(mut self) {
        let Ok((heartbeat, end)) = self.greeted().await else { return };
        self.registry.linked();
        let _linked = Linked(self.registry.clone());
        tokio::select! {
            _ = self.converse(heartbeat) => (),
            () = end.cancelled() => {
                let _ = self.answers.try_send(Err(Status::aborted("there is another stream")));
            }
        }
    }

    async fn greeted(&mut self) -> Result<(Duration, CancellationToken), Over> {
        let Some(ToServer::Hello(hello)) = self.next().await? else {
            let (why, protocol) = (HelloRefusedWhy::Malformed, PROTOCOL..=PROTOCOL);
            self.say(ToOperator::HelloRefused(HelloRefused { why, highest_term: 0, protocol }))?;
            return Err(Over);
        };
        let Hello { heartbeat, .. } = hello;
        let greeted = lock(&self.server).greet(&hello);
        match greeted {
            Ok((welcome, end)) => {
                self.say(ToOperator::Welcome(welcome))?;
                Ok((heartbeat, end))
            }
            Err(refused) => {
                self.say(ToOperator::HelloRefused(refused))?;
                Err(Over)
            }
        }
    }

    async fn converse(&mut self, heartbeat: Duration) -> Result<(), Over> {
        let mut beat_at = Instant::now() + lock(&self.server).pace(heartbeat);
        loop {
            let message = tokio::select! {
                message = self.next() => message?,
                () = sleep_until(beat_at) => {
                    let beat = lock(&self.server).beat();
                    self.say(beat)?;
                    self.registry.beaten();
                    // From when it was due: the pace is what was asked for.
                    beat_at = (beat_at + lock(&self.server).pace(heartbeat)).max(Instant::now());
                    continue;
                }
            };
            let Some(command) = message else { continue };
            let (answer, change) = lock(&self.server).hear(command);
            match change {
                Change::None => {}
                Change::Opened(room) => self.registry.opened(&room),
                Change::Closed(room) => self.registry.closed(&room),
            }
            if let Some(answer) = answer {
                self.say(answer)?;
            }
            beat_at = beat_at.min(Instant::now() + lock(&self.server).pace(heartbeat));
        }
    }

    /// The next message; `None` for one that is not understood.
    async fn next(&mut self) -> Result<Option<ToServer>, Over> {
        let Ok(Some(message)) = self.incoming.message().await else { return Err(Over) };
        Ok(ToServer::parse(message).ok().flatten())
    }

    /// Who does not read is not waited for.
    fn say(&self, answer: ToOperator) -> Result<(), Over> {
        self.answers.try_send(Ok(answer.into())).map_err(|_| Over)
    }
}
