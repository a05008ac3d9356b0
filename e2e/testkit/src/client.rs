//! Clients: what stands between `kube` and the server's state. Here requests are held, lost, late,
//! or the last ones of a client that is killed.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::stream;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use kube::client::Body;
use tokio::{
    sync::{oneshot, watch},
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{
    api::FakeApi,
    call::Call,
    faults::{Fault, Plan},
    log::Verb,
    verbs::Outcome,
    watch::{BOOKMARK_EVERY, Feed, Signal},
};

/// What a client is like.
#[derive(Clone, Debug, Default)]
pub struct ClientOptions {
    /// Its name in the log.
    pub name: String,
    /// Whether the faults concern it.
    pub faulty: bool,
    /// When it is killed.
    pub crash: Option<CrashPoint>,
}

impl ClientOptions {
    /// A client that suffers all faults.
    pub fn faulty(name: &str) -> Self {
        Self { name: name.into(), faulty: true, crash: None }
    }

    /// A client whose requests all arrive. It may still be forbidden what it asks, and an outage concerns it.
    pub fn sound(name: &str) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Killed there.
    #[must_use]
    pub fn crashing(self, point: CrashPoint) -> Self {
        Self { crash: Some(point), ..self }
    }
}

/// When a client is killed: at the request that comes after so many others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrashPoint {
    /// So many requests are answered.
    pub after: usize,
    /// Whether the next one still takes effect.
    pub when: When,
    /// Which requests count.
    pub counting: Counting,
}

/// Whether the last request of a killed client takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Killed before it was sent.
    Before,
    /// Killed before the answer was read.
    After,
}

/// Which requests bring a client nearer to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counting {
    /// Every request.
    All,
    /// Those that may change something.
    Writes,
}

impl CrashPoint {
    /// The write after `after` others is not sent any more.
    pub fn before_write(after: usize) -> Self {
        Self { after, when: When::Before, counting: Counting::Writes }
    }

    /// The write after `after` others takes effect, and its answer is never read.
    pub fn after_write(after: usize) -> Self {
        Self { after, when: When::After, counting: Counting::Writes }
    }
}

/// A client with its strings.
#[derive(Clone)]
pub struct Connection {
    /// For the code under test.
    pub client: kube::Client,
    /// Cancelled when the client is killed: drop its tasks.
    pub crashed: CancellationToken,
    /// Holds its requests.
    pub pause: PauseHandle,
}

/// Stops a client as SIGSTOP stops a process: what it sends while paused is sent when it wakes, and
/// what it is told meanwhile it hears then.
#[derive(Clone, Debug)]
pub struct PauseHandle {
    is_paused: watch::Sender<bool>,
    held: Arc<AtomicUsize>,
}

impl PauseHandle {
    fn new() -> Self {
        Self { is_paused: watch::Sender::new(false), held: Arc::default() }
    }

    /// From now on nothing is sent or received.
    pub fn pause(&self) {
        self.is_paused.send_replace(true);
    }

    /// Sends what was held.
    pub fn resume(&self) {
        self.is_paused.send_replace(false);
    }

    /// Whether it is paused now.
    pub fn is_paused(&self) -> bool {
        *self.is_paused.borrow()
    }

    /// How many requests are waiting to be sent.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    async fn awake(&self) {
        // We hold the sender ourselves, so this cannot fail.
        let _ = self.is_paused.subscribe().wait_for(|it| !it).await;
    }

    /// Waits as a request that has not been sent.
    async fn awake_to_send(&self) {
        if self.is_paused() {
            let count = Held::new(&self.held);
            self.awake().await;
            drop(count);
        }
    }
}

/// Counts a request for as long as it waits.
struct Held<'a>(&'a AtomicUsize);

impl<'a> Held<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How long a refusal takes at least. Time stands still in a test while anything can run: who retries
/// at once would keep it from ever passing.
pub(crate) const REFUSAL: Duration = Duration::from_millis(1);

type ResponseBody = UnsyncBoxBody<Bytes, io::Error>;

/// A client's way to the server.
#[derive(Clone)]
pub(crate) struct Line {
    api: FakeApi,
    caller: usize,
    crash: Option<CrashPoint>,
    counted: Arc<AtomicUsize>,
    crashed: CancellationToken,
    pause: PauseHandle,
}

impl FakeApi {
    pub(crate) fn open(&self, options: &ClientOptions, is_trusted: bool) -> Connection {
        let caller = self.state().add_caller(&options.name, options.faulty, is_trusted);
        let line = Line {
            api: self.clone(),
            caller,
            crash: options.crash,
            counted: Arc::default(),
            crashed: CancellationToken::new(),
            pause: PauseHandle::new(),
        };
        let (crashed, pause) = (line.crashed.clone(), line.pause.clone());
        let service = tower::service_fn(move |request| line.clone().serve(request));
        Connection { client: kube::Client::new(service, "default"), crashed, pause }
    }
}

impl Line {
    async fn serve(self, request: Request<Body>) -> Result<Response<ResponseBody>, kube::Error> {
        let (parts, body) = request.into_parts();
        let body = body.collect_bytes().await?;
        let call = match Call::parse(&parts, &body) {
            Ok(call) => call,
            Err(failure) => return Ok(response(failure.code, &failure.status())),
        };
        self.pause.awake_to_send().await;
        let end = self.end(call.verb);
        if self.crashed.is_cancelled() {
            return std::future::pending().await;
        }
        if end == Some(When::Before) {
            self.api.state().perform(self.caller, &call, Some(Fault::CrashBefore));
            self.crashed.cancel();
            return std::future::pending().await;
        }
        let plan = self.plan(&call, end);
        let outcome = self.travel(call, plan).await;
        if matches!(outcome, None | Some(Outcome::Failure(_))) {
            sleep(REFUSAL).await;
        }
        if plan.fault == Some(Fault::CrashAfter) {
            self.crashed.cancel();
        }
        if self.crashed.is_cancelled() {
            return std::future::pending().await;
        }
        self.pause.awake().await;
        match plan.fault {
            Some(Fault::HangBefore | Fault::HangAfter) => std::future::pending().await,
            Some(Fault::LostBefore | Fault::LostAfter) => Err(broken()),
            _ => outcome.map_or_else(|| Err(broken()), |it| Ok(self.respond(it))),
        }
    }

    /// Whether this request is the client's last one.
    fn end(&self, verb: Verb) -> Option<When> {
        let point = self.crash?;
        if point.counting == Counting::Writes && !verb.is_write() {
            return None;
        }
        let nth = self.counted.fetch_add(1, Ordering::Relaxed);
        (nth == point.after).then_some(point.when)
    }

    fn plan(&self, call: &Call, end: Option<When>) -> Plan {
        let mut state = self.api.state();
        let faults = state.faults.clone();
        let caller = &mut state.callers[self.caller];
        let mut plan = if caller.faulty {
            faults.plan(&mut caller.rng, call.verb, call.allows_stale(), call.may_expire())
        } else {
            Plan::default()
        };
        if end.is_some() {
            plan.fault = Some(Fault::CrashAfter);
        }
        plan
    }

    /// The request's way there and back; none if the server is out of reach. A request that is on
    /// its way arrives, even if the client that sent it is gone by then.
    async fn travel(&self, call: Call, plan: Plan) -> Option<Outcome> {
        if plan.there.is_zero() {
            let outcome = self.arrive(&call, plan);
            if !plan.back.is_zero() {
                sleep(plan.back).await;
            }
            return outcome;
        }
        let (sender, receiver) = oneshot::channel();
        let line = self.clone();
        tokio::spawn(async move {
            sleep(plan.there).await;
            let outcome = line.arrive(&call, plan);
            sleep(plan.back).await;
            // A client that was killed meanwhile reads nothing.
            let _ = sender.send(outcome);
        });
        receiver.await.ok().flatten()
    }

    fn arrive(&self, call: &Call, plan: Plan) -> Option<Outcome> {
        let mut state = self.api.state();
        let is_cut = state.outage().is_some() && !state.callers[self.caller].is_trusted;
        let fault = if is_cut { Some(Fault::Outage) } else { plan.fault };
        let outcome = state.perform(self.caller, call, fault);
        (!is_cut).then_some(outcome)
    }

    fn respond(&self, outcome: Outcome) -> Response<ResponseBody> {
        match outcome {
            Outcome::Object(done) => response(done.code, &done.body),
            Outcome::Failure(failure) => response(failure.code, &failure.status()),
            Outcome::Watch(feed) => {
                let next_bookmark = Instant::now() + BOOKMARK_EVERY;
                let events = Events { line: self.clone(), feed, next_bookmark };
                let frames = stream::unfold(Some(events), |it| async {
                    let mut events = it?;
                    let frame = events.next().await?;
                    let is_last = frame.is_err();
                    Some((frame, (!is_last).then_some(events)))
                });
                Response::new(StreamBody::new(frames).boxed_unsync())
            }
        }
    }
}

/// A watch's events on their way to the client.
struct Events {
    line: Line,
    feed: Feed,
    next_bookmark: Instant,
}

impl Events {
    async fn next(&mut self) -> Option<io::Result<Frame<Bytes>>> {
        let signal = loop {
            tokio::select! {
                biased;
                signal = self.feed.signals.recv() => break signal?,
                () = sleep_until(self.feed.ends) => break Signal::End,
                () = sleep_until(self.next_bookmark), if self.feed.wants_bookmarks => {
                    self.next_bookmark += BOOKMARK_EVERY;
                    self.line.api.state().bookmark(self.feed.id);
                }
            }
        };
        if let Signal::Line { due, .. } = &signal
            && Instant::now() < *due
        {
            sleep_until(*due).await;
        }
        self.line.pause.awake().await;
        if self.line.crashed.is_cancelled() {
            return std::future::pending().await;
        }
        match signal {
            Signal::Line { text, .. } => Some(Ok(Frame::data(text))),
            Signal::End => None,
            Signal::Reset => Some(Err(reset())),
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.line.api.forget_watch(self.feed.id);
    }
}

fn response(code: u16, body: &serde_json::Value) -> Response<ResponseBody> {
    let code = StatusCode::from_u16(code).expect("our own codes are valid");
    let body = Full::from(body.to_string()).map_err(|it| match it {}).boxed_unsync();
    Response::builder().status(code).body(body).expect("a code and a body make a response")
}

fn reset() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "the connection was reset")
}

fn broken() -> kube::Error {
    kube::Error::Service(Box::new(reset()))
}
