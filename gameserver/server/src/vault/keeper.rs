//! What keeps one room in the store: it asks for what is to be saved, seals and writes it, and hears whose the room is.

use std::{pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use gamekeeper_control::proto;
use gamekeeper_room::{
    Checkpoint, Epoch, Tenancy, Tick,
    host::{Event, Saving},
};
use gamekeeper_store::{
    Checkpointer, Sealed, Store, StoreError, Verdict, Written,
    checkpointer::{Action, Pace},
    envelope,
};
use jiff::Timestamp;
use prost::Message as _;
use tokio::{
    sync::{mpsc, watch},
    task::spawn_blocking,
    time::{sleep, timeout},
};
use tracing::{debug, info, warn};

use super::mirroring::{Mirroring, Outcome, Want};
use crate::{
    clock::{Clock, time_of_day},
    desk::Note,
    place::Place,
    saved::Saved,
    standby::{Broken, Line, Sent},
};

/// A state from this size on is sealed by a thread for what takes long: half a millisecond, in which other rooms'
/// packets would wait.
const LARGE: usize = 128 * 1024;

/// The result of a match is told to the store so often, with a pause between: for a minute.
const RESULT_ATTEMPTS: u32 = 60;
const RESULT_PAUSE: Duration = Duration::from_secs(1);

/// Between two questions that the store did not answer.
const QUESTION_PAUSE: Duration = Duration::from_millis(50);

/// The standby is told of a room's end for so long. It forgets by itself, too.
const END_WITHIN: Duration = Duration::from_secs(1);

/// A thread that does not save its room for so long hangs. By then the operator has given the room away, if it has
/// noticed. Not earlier: the question is a sign of life, and a new owner waits for the last one.
const STUCK_AFTER: Duration = Duration::from_millis(600);

/// Between two questions about a room whose thread hangs.
const STUCK_PAUSE: Duration = Duration::from_millis(200);

/// The task.
pub(super) struct Keeper {
    store: Arc<Store>,
    clock: Clock,
    place: Arc<Place>,
    notes: mpsc::Sender<Note>,
    checkpointer: Checkpointer<(Tick, Bytes)>,
    /// The checkpointer waits for the room to be saved.
    is_asked: bool,
    /// When to ask whose the room is, if its thread has not saved it by then.
    doubt_at: Option<Duration>,
    mirroring: Mirroring,
    line: Option<watch::Receiver<Option<Line>>>,
    has_begun: bool,
    /// Somebody was told that the room cannot be saved.
    is_unfit: bool,
    /// Why the store took nothing.
    trouble: String,
}

/// What came of a call.
enum Answer {
    /// Of a checkpoint of this tick, sent at this time.
    Written { tick: Tick, sent_at: Duration, answer: Result<Verdict<Written>, StoreError> },
    /// Of the question whose the room is.
    Checked { sent_at: Duration, answer: Result<Verdict<()>, StoreError> },
    /// Of a copy for the standby.
    Mirrored(Result<Sent, Broken>),
}

type Call = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// The room is another's, or its match is over elsewhere.
struct Gone(Epoch);

impl Keeper {
    pub(super) fn new(
        store: Arc<Store>,
        pace: Pace,
        clock: Clock,
        place: Arc<Place>,
        since: Duration,
        notes: mpsc::Sender<Note>,
        line: Option<watch::Receiver<Option<Line>>>,
    ) -> Self {
        Self {
            store,
            clock,
            place,
            notes,
            checkpointer: Checkpointer::new(pace, since),
            is_asked: false,
            doubt_at: None,
            mirroring: Mirroring::new(),
            line,
            has_begun: false,
            is_unfit: false,
            trouble: String::new(),
        }
    }

    /// Until the room is gone from its thread, or another's.
    pub(super) async fn run(mut self, mut saved: mpsc::Receiver<Saved>) {
        if let Err(Gone(owner)) = self.keep(&mut saved).await {
            warn!(
                room = self.place.name,
                namespace = self.place.namespace,
                epoch = self.place.epoch().0,
                owner = owner.0,
                "the store has given the room to a later owner"
            );
            self.place.lose_to(owner);
            // At once: the thread that ticks may hang, and then its players would stay.
            self.place.audience.go_if_free();
            return self.end_copies().await;
        }
        if self.place.ending().is_some() || self.place.is_closing() {
            tokio::join!(self.end_copies(), self.finish());
        }
    }

    async fn keep(&mut self, saved: &mut mpsc::Receiver<Saved>) -> Result<(), Gone> {
        let place = self.place.clone();
        let Some(custody) = &place.custody else { return Ok(()) };
        // One of each at most: a checkpoint under way must not hold up a question.
        let (mut write, mut check, mut copy): (Option<Call>, Option<Call>, Option<Call>) = (None, None, None);
        self.look_for_standby();
        loop {
            while let Some(action) = self.checkpointer.poll(self.clock.now()) {
                match action {
                    Action::Save => {
                        self.is_asked = true;
                        self.doubt_at = Some(self.clock.now().saturating_add(STUCK_AFTER));
                        custody.want_save();
                    }
                    Action::Write(envelope) => write = Some(self.write(envelope)),
                    Action::Failing => self.tell(Saving::Failing(self.trouble.clone())).await,
                    Action::Recovered => self.tell(Saving::Recovered).await,
                    Action::Fenced { owner } => return Err(Gone(owner)),
                    Action::Finished => return Err(Gone(place.epoch())),
                }
            }
            if check.is_none() && custody.has_question() {
                check = Some(self.check(Duration::ZERO));
            }
            if check.is_none() && self.doubt_at.is_some_and(|it| it <= self.clock.now()) {
                self.doubt_at = Some(self.clock.now().saturating_add(STUCK_PAUSE));
                check = Some(self.check(Duration::ZERO));
            }
            match self.mirroring.wants(self.clock.now()) {
                Some(Want::AfterTick) => custody.want_copy(),
                Some(Want::Now) => custody.want_save(),
                None => (),
            }
            let doubt_at = self.doubt_at.filter(|_| check.is_none());
            let due = [self.checkpointer.next_due(), self.mirroring.next_due(), doubt_at];
            let due = due.into_iter().flatten().min();
            let due = due.map(|it| self.clock.instant(it));
            tokio::select! {
                room = saved.recv() => match room {
                    Some(room) => self.take_in(room, &mut check, &mut copy).await,
                    None => return Ok(()),
                },
                answer = wait(&mut write) => {
                    write = None;
                    self.hear(answer).await?;
                }
                answer = wait(&mut check) => {
                    let is_answered = matches!(answer, Answer::Checked { answer: Ok(_), .. });
                    check = None;
                    self.hear(answer).await?;
                    if !is_answered && custody.has_question() {
                        check = Some(self.check(QUESTION_PAUSE));
                    }
                }
                answer = wait(&mut copy) => {
                    copy = None;
                    self.hear(answer).await?;
                }
                () = standby_changed(&mut self.line) => {
                    copy = None;
                    self.look_for_standby();
                }
                () = custody.question.notified() => (),
                () = crate::desk::until(due) => (),
            }
        }
    }

    /// The room was saved: for the store if that has asked, for the standby if its path is free.
    async fn take_in(&mut self, room: Saved, check: &mut Option<Call>, copy: &mut Option<Call>) {
        let is_asked = std::mem::take(&mut self.is_asked);
        self.doubt_at = self.doubt_at.filter(|_| !is_asked);
        let is_copied = self.mirroring.saved(self.clock.now());
        if !is_asked && !is_copied {
            return;
        }
        let envelope = self.seal(room).await;
        if is_asked && envelope.is_none() && check.is_none() {
            // It cannot be saved; but the store can tell whose it is.
            *check = Some(self.check(Duration::ZERO));
        }
        if is_copied {
            *copy = self.mirror(envelope.as_ref());
        }
        if is_asked {
            self.checkpointer.saved(envelope);
        }
    }

    async fn hear(&mut self, answer: Answer) -> Result<(), Gone> {
        let Some(custody) = &self.place.custody else { return Ok(()) };
        match answer {
            Answer::Written { tick, sent_at, answer } => {
                if answer.as_ref().is_ok_and(|it| matches!(it, Verdict::Mine(_))) {
                    custody.accepted(sent_at);
                }
                if let Err(error) = &answer {
                    self.trouble = error.to_string();
                }
                self.checkpointer.answered(&answer, self.clock.now());
                let is_first = !self.has_begun && answer.is_ok_and(|it| matches!(it, Verdict::Mine(_)));
                if is_first {
                    self.has_begun = true;
                    self.tell(Saving::Begun(tick)).await;
                }
                Ok(())
            }
            Answer::Checked { sent_at, answer } => match answer {
                Ok(Verdict::Mine(())) => {
                    custody.accepted(sent_at);
                    Ok(())
                }
                Ok(Verdict::Fenced { owner } | Verdict::Finished { owner, .. }) => Err(Gone(owner)),
                Err(_) => {
                    custody.unanswered(sent_at);
                    Ok(())
                }
            },
            Answer::Mirrored(answer) => {
                let outcome = match answer {
                    Ok(Sent::Kept) => Outcome::Kept,
                    // It says so to people, itself.
                    Ok(Sent::Full) => Outcome::Full,
                    Err(error) => {
                        debug!(room = self.place.name, %error, "a copy did not reach the standby");
                        Outcome::Broken
                    }
                };
                self.mirroring.answered(outcome, self.clock.now());
                Ok(())
            }
        }
    }

    fn tenancy(&self) -> Tenancy {
        let Place { namespace, name, uid, .. } = &*self.place;
        let epoch = self.place.epoch();
        Tenancy { namespace: namespace.clone(), name: name.clone(), uid: uid.clone(), epoch }
    }

    fn write(&self, envelope: (Tick, Bytes)) -> Call {
        let (store, tenancy, sent_at) = (self.store.clone(), self.tenancy(), self.clock.now());
        let (tick, envelope) = envelope;
        Box::pin(async move {
            let answer = store.write(&tenancy, tick, envelope).await;
            Answer::Written { tick, sent_at, answer }
        })
    }

    fn check(&self, after: Duration) -> Call {
        let (store, tenancy, clock) = (self.store.clone(), self.tenancy(), self.clock);
        Box::pin(async move {
            sleep(after).await;
            let sent_at = clock.now();
            let answer = store.check(&tenancy).await;
            Answer::Checked { sent_at, answer }
        })
    }

    /// Sends a copy to the standby, if there is anything to send.
    fn mirror(&mut self, envelope: Option<&(Tick, Bytes)>) -> Option<Call> {
        let line = self.line.as_ref().and_then(|it| it.borrow().clone());
        let call = line.zip(envelope.map(|it| it.1.clone())).map(|(line, envelope)| {
            let call: Call = Box::pin(async move { Answer::Mirrored(line.send(envelope).await) });
            call
        });
        if call.is_none() {
            self.mirroring.answered(Outcome::Broken, self.clock.now());
        }
        call
    }

    fn look_for_standby(&mut self) {
        let is_reached = self.line.as_mut().is_some_and(|it| it.borrow_and_update().is_some());
        self.mirroring.reached(is_reached);
    }

    /// Nobody is to go on from what this server has sent.
    async fn end_copies(&self) {
        let Some(line) = self.line.as_ref().and_then(|it| it.borrow().clone()) else { return };
        let told = timeout(END_WITHIN, line.end(&self.place.uid, self.place.epoch())).await;
        if !matches!(told, Ok(Ok(()))) {
            debug!(room = self.place.name, "the standby was not told of a room's end");
        }
    }

    /// The envelope; `None`: there is none, and people know why.
    async fn seal(&mut self, room: Saved) -> Option<(Tick, Bytes)> {
        let size = room.game.as_ref()?.len();
        let (tick, uid, epoch) = (room.tick, self.place.uid.clone(), self.place.epoch());
        let (schema, build) = (self.place.schema, self.place.build);
        let seal = move || {
            let checkpoint = Checkpoint { schema, tick: room.tick, epoch, state: room.encode() };
            let captured_at = Duration::try_from(time_of_day().duration_since(Timestamp::UNIX_EPOCH));
            let captured_at = captured_at.unwrap_or_default();
            let build = build.name().to_owned();
            let sealed = Sealed { uid, epoch, build, captured_at, checkpoint };
            let mut envelope = Vec::new();
            envelope::encode(&sealed, &mut envelope).map(|()| Bytes::from(envelope))
        };
        let envelope = if size < LARGE { Some(seal()) } else { spawn_blocking(seal).await.ok() };
        match envelope? {
            Ok(envelope) => Some((tick, envelope)),
            Err(unfit) => {
                if !std::mem::replace(&mut self.is_unfit, true) {
                    warn!(room = self.place.name, namespace = self.place.namespace, %unfit, "a room cannot be saved");
                    self.tell(Saving::Failing(format!("the room cannot be saved: {unfit}"))).await;
                }
                None
            }
        }
    }

    async fn tell(&self, news: Saving) {
        // The desk is gone: so is the operator.
        let _ = self.notes.send(Note::Room(Event::Saving(self.place.number, news))).await;
    }

    /// The room is gone from its thread. A match that is over is over in the store, too: whoever may own it next is told
    /// the result instead of playing it again.
    async fn finish(&self) {
        let Some(ending) = self.place.ending() else { return };
        let result = proto::Result { values: ending.values().clone() }.encode_to_vec();
        let tenancy = self.tenancy();
        for _ in 0..RESULT_ATTEMPTS {
            match self.store.finish(&tenancy, &result).await {
                Ok(_) => return,
                Err(error) if error.is_transient() => sleep(RESULT_PAUSE).await,
                Err(error) => return warn!(room = tenancy.name, %error, "the store does not take the result"),
            }
        }
        info!(room = tenancy.name, namespace = tenancy.namespace, "the store was not told the result");
    }
}

/// When there is another standby, or none any more.
async fn standby_changed(line: &mut Option<watch::Receiver<Option<Line>>>) {
    let is_over = match line {
        Some(it) => it.changed().await.is_err(),
        None => true,
    };
    if is_over {
        std::future::pending::<()>().await;
    }
}

/// What comes of a call; never, if there is none.
async fn wait(call: &mut Option<Call>) -> Answer {
    match call {
        Some(call) => call.await,
        None => std::future::pending().await,
    }
}
