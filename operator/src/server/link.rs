//! The link to one controlled server: one stream, greeted, kept alive, and made anew when it breaks.

mod heard;
mod talk;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use gamekeeper_control::{
    Finding, Hello, HelloRefused, HelloRefusedWhy, Malformed, PROTOCOL, ProbeResult, ToOperator, ToServer,
    Welcome, limits,
    proto::{self, control_client::ControlClient},
};
use hyper_util::rt::TokioIo;
use tokio::{
    sync::{Semaphore, mpsc},
    time::{Instant, sleep_until, timeout},
};
use tonic::{Streaming, transport::Endpoint};
use tracing::{debug, info};

use super::{
    Health,
    connector::{Connection, Connector},
    reach,
};
use crate::{backoff::Backoff, logs, name::ObjectName, room::ledger::LinkNews, terms::Epoch};
pub(super) use heard::Heard;
use talk::Talk;

/// From dialling to the server's Welcome.
const GREET_TIMEOUT: Duration = Duration::from_secs(3);

/// The part of it until the server's kernel answers.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Between dials. A server that is starting is dialled often, so that it takes rooms soon.
const REDIAL: Backoff = Backoff { first: Duration::from_millis(50), ceiling: Duration::from_secs(5) };

/// Dials that fail before people are told: a server needs a second or two until it listens.
const TROUBLE_AFTER: u32 = 6;

/// A link that lasted so long has not failed because of how it begins.
const STABLE_AFTER: Duration = Duration::from_secs(10);

/// Commands on their way to one server: a room for each of its places, and some more.
pub(super) const COMMANDS_MAX: usize = 1024;

/// Nobody leads so often: a term that is so far above ours is not one.
const TERM_LEAP_MAX: u32 = 1_000_000;

/// HTTP/2's window for what comes from one server: a Welcome with many rooms passes in a few turns.
const WINDOW_BYTES: u32 = 64 * 1024;

/// What the link tells the main loop.
#[derive(Debug)]
pub struct Report {
    pub pod: ObjectName,
    pub uid: String,
    pub what: What,
}

/// What a link has to tell.
#[derive(Debug)]
pub enum What {
    /// For the ledger.
    News(LinkNews),
    /// The rooms of the server move, or stand still.
    Health(Health),
    /// The server cannot be greeted: why.
    Trouble(String),
    /// The server was dialled, at this time, and could not be greeted.
    Dialled(Finding, Instant),
    /// The server answers, although it cannot be greeted.
    Answered,
    /// What it found of another server, or a node.
    Witnessed(ProbeResult),
}

/// Whom to talk to, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub pod: ObjectName,
    pub address: SocketAddr,
    pub heartbeat: Duration,
    pub hang_timeout: Duration,
}

/// What all links have in common.
#[derive(Clone, Debug)]
pub struct Common {
    pub connector: Connector,
    pub term: u32,
    pub identity: String,
    pub(super) dials: Arc<Semaphore>,
    pub(super) reports: mpsc::Sender<Report>,
    pub(super) heard: Heard,
}

/// One link.
pub(super) struct Link {
    pub(super) uid: String,
    pub(super) target: Target,
    pub(super) common: Common,
}

/// What the main loop wants of a link.
#[derive(Debug)]
pub(super) enum Order {
    Send(ToServer),
    /// Break the stream, if there is one, and greet the server anew, without a pause.
    Greet,
}

/// Why a stream could not be had, or ended.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("no connection")]
    Connect(#[source] io::Error),
    #[error("the server does not speak HTTP/2")]
    Http(#[source] tonic::transport::Error),
    #[error("the stream broke")]
    Stream(#[source] Box<tonic::Status>),
    #[error("the server ended the stream")]
    Ended,
    #[error("the server did not answer the greeting in time")]
    Late,
    #[error("the server did not answer a command in time")]
    Unanswered,
    #[error("the server takes no more commands: it does not read them")]
    Full,
    #[error("the server sent a malformed message")]
    Malformed(#[source] Malformed),
    #[error("the server began with something else than a greeting")]
    Rude,
    #[error("the server refused the greeting: {0:?}")]
    Refused(HelloRefused),
    #[error("the server names a term far above ours: {0}")]
    Term(u32),
    #[error("it is to be greeted anew")]
    Anew,
    #[error("the operator is stopping")]
    Stopping,
}

/// A stream that was greeted.
struct Stream {
    requests: mpsc::Sender<proto::OperatorMessage>,
    answers: Streaming<proto::ServerMessage>,
    welcome: Welcome,
}

impl Link {
    /// Keeps the link until the task is aborted.
    pub(super) async fn keep(self, mut orders: mpsc::Receiver<Order>) {
        let mut failures = 0_u32;
        loop {
            let dialled = Instant::now();
            let greeted = tokio::select! {
                biased;
                greeted = self.greet() => greeted,
                () = told_to_greet(&mut orders) => Err(Broken::Anew),
            };
            let began = Instant::now();
            let why = match greeted {
                Ok(stream) => {
                    info!(server = %self.target.pod, boot = stream.welcome.boot_id, rooms = stream.welcome.rooms.len(), "linked");
                    let why = self.talk(stream, &mut orders).await;
                    if self.tell(What::News(LinkNews::Lost)).await.is_err() {
                        return;
                    }
                    info!(server = %self.target.pod, error = logs::chain(&why), "unlinked");
                    why
                }
                Err(why) => {
                    debug!(server = %self.target.pod, error = logs::chain(&why), "cannot link");
                    if self.tell_finding(&why, dialled).await.is_err() {
                        return;
                    }
                    if self.tell_trouble(&why, failures).await.is_err() {
                        return;
                    }
                    why
                }
            };
            failures = match why {
                Broken::Stopping => return,
                Broken::Anew => 0,
                // At once: whether it is still there is what everybody waits to know.
                _ if STABLE_AFTER <= began.elapsed() => 0,
                _ => failures.saturating_add(1),
            };
            if 0 < failures {
                tokio::select! {
                    () = tokio::time::sleep(REDIAL.after(failures)) => (),
                    () = told_to_greet(&mut orders) => failures = 0,
                }
            }
        }
    }

    async fn tell(&self, what: What) -> Result<(), Broken> {
        let report = Report { pod: self.target.pod.clone(), uid: self.uid.clone(), what };
        self.common.reports.send(report).await.map_err(|_| Broken::Stopping)
    }

    /// Tells what dialling says of the server's life.
    async fn tell_finding(&self, why: &Broken, dialled: Instant) -> Result<(), Broken> {
        let what = match why {
            Broken::Connect(error) => What::Dialled(reach::finding::<()>(&Err(error.kind().into())), dialled),
            // Its kernel answers, and it says nothing.
            Broken::Late | Broken::Http(_) | Broken::Stream(_) | Broken::Ended => {
                What::Dialled(Finding::Connected, dialled)
            }
            // It says something, if not what it should: it lives.
            Broken::Malformed(_) | Broken::Rude | Broken::Refused(_) | Broken::Term(_) => What::Answered,
            Broken::Unanswered | Broken::Full | Broken::Anew | Broken::Stopping => return Ok(()),
        };
        self.tell(what).await
    }

    async fn tell_trouble(&self, why: &Broken, failures: u32) -> Result<(), Broken> {
        if let Broken::Refused(refused) = why
            && refused.why == HelloRefusedWhy::Term
            && refused.highest_term.saturating_sub(self.common.term) <= TERM_LEAP_MAX
        {
            return self.tell(What::News(LinkNews::Succeeded(refused.highest_term))).await;
        }
        // One that is only starting does not listen yet.
        if failures < TROUBLE_AFTER || matches!(why, Broken::Anew) {
            return Ok(());
        }
        self.tell(What::Trouble(logs::chain(why))).await
    }

    async fn greet(&self) -> Result<Stream, Broken> {
        let dials = self.common.dials.clone();
        // Bounded: thousands of servers at once would else be thousands of handshakes.
        let Ok(_slot) = dials.acquire().await else { return Err(Broken::Stopping) };
        match timeout(GREET_TIMEOUT, self.dial()).await {
            Ok(greeted) => greeted,
            Err(_) => Err(Broken::Late),
        }
    }

    async fn dial(&self) -> Result<Stream, Broken> {
        let mut stream = Some(self.connect().await.map_err(Broken::Connect)?);
        let connect = tower::service_fn(move |_| {
            // Once: whoever breaks it dials anew, and says so.
            let stream = stream.take().map(TokioIo::new).ok_or(io::ErrorKind::NotConnected);
            async move { stream.map_err(io::Error::from) }
        });
        let endpoint = Endpoint::from_static("http://server")
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .buffer_size(1);
        let channel = endpoint.connect_with_connector(connect).await.map_err(Broken::Http)?;
        let mut client = ControlClient::new(channel).max_decoding_message_size(limits::MESSAGE_BYTES_MAX);
        let (requests, outgoing) = mpsc::channel(COMMANDS_MAX);
        let hello = Hello {
            term: self.common.term,
            identity: self.common.identity.clone(),
            protocol: PROTOCOL..=PROTOCOL,
            heartbeat: self.target.heartbeat,
        };
        let _ = requests.try_send(ToServer::Hello(hello).into());
        let outgoing = tokio_stream::wrappers::ReceiverStream::new(outgoing);
        let answers = client.attach(outgoing).await.map_err(|it| Broken::Stream(Box::new(it)))?;
        let mut answers = answers.into_inner();
        match next(&mut answers).await? {
            Some(ToOperator::Welcome(welcome)) => {
                self.check_terms(&welcome)?;
                Ok(Stream { requests, answers, welcome })
            }
            Some(ToOperator::HelloRefused(refused)) => Err(Broken::Refused(refused)),
            _ => Err(Broken::Rude),
        }
    }

    async fn connect(&self) -> io::Result<Box<dyn Connection>> {
        let connecting = self.common.connector.connect(self.target.address);
        timeout(CONNECT_TIMEOUT, connecting).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    fn check_terms(&self, welcome: &Welcome) -> Result<(), Broken> {
        let highest = welcome.rooms.iter().map(|it| Epoch(it.tenancy.epoch).term()).max().unwrap_or_default();
        match highest.saturating_sub(self.common.term) <= TERM_LEAP_MAX {
            true => Ok(()),
            false => Err(Broken::Term(highest)),
        }
    }

    /// Until the stream breaks.
    async fn talk(&self, stream: Stream, orders: &mut mpsc::Receiver<Order>) -> Broken {
        match self.converse(stream, orders).await {
            Ok(never) => match never {},
            Err(why) => why,
        }
    }

    async fn converse(
        &self,
        stream: Stream,
        orders: &mut mpsc::Receiver<Order>,
    ) -> Result<std::convert::Infallible, Broken> {
        let Stream { requests, mut answers, welcome } = stream;
        // What was meant for the stream before is answered by the Welcome.
        while orders.try_recv().is_ok() {}
        let mut talk = Talk::new(requests, self.target.hang_timeout, &welcome, self.common.heard.clone());
        self.tell(What::News(LinkNews::Welcome(welcome))).await?;
        self.tell(What::Health(Health::Ready)).await?;
        let mut alarm = std::pin::pin!(sleep_until(talk.deadline()));
        loop {
            tokio::select! {
                biased;
                answer = next(&mut answers) => {
                    if let Some(answer) = answer? {
                        for what in talk.hear(answer)? {
                            self.tell(what).await?;
                        }
                    }
                }
                order = orders.recv() => match order {
                    Some(Order::Send(command)) => talk.say(command)?,
                    Some(Order::Greet) => return Err(Broken::Anew),
                    None => return Err(Broken::Stopping),
                },
                () = &mut alarm => {
                    let planned = alarm.deadline();
                    if let Some(health) = talk.look(planned)? {
                        self.tell(What::Health(health)).await?;
                    }
                    alarm.as_mut().reset(talk.deadline().max(Instant::now() + Duration::from_millis(1)));
                }
            }
            // A beat only puts it off, which is seen when the alarm goes; a room or a command may bring it forward.
            let due = talk.deadline();
            if due < alarm.deadline() {
                alarm.as_mut().reset(due);
            }
        }
    }
}

/// Until it is to be greeted anew. What else is ordered meanwhile is answered by its next Welcome.
async fn told_to_greet(orders: &mut mpsc::Receiver<Order>) {
    loop {
        match orders.recv().await {
            Some(Order::Greet) => return,
            Some(Order::Send(_)) => (),
            // Nobody wants the link any more, and its task is about to be ended.
            None => std::future::pending().await,
        }
    }
}

/// The next message that we understand; `None` for one that we do not.
async fn next(answers: &mut Streaming<proto::ServerMessage>) -> Result<Option<ToOperator>, Broken> {
    let message = answers.message().await.map_err(|it| Broken::Stream(Box::new(it)))?.ok_or(Broken::Ended)?;
    ToOperator::parse(message).map_err(Broken::Malformed)
}
