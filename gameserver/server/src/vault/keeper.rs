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
use tokio::{sync::mpsc, task::spawn_blocking, time::sleep};
use tracing::{info, warn};

use crate::{
    clock::{Clock, time_of_day},
    desk::Note,
    place::Place,
    saved::Saved,
};

/// A state from this size on is sealed by a thread for what takes long: half a millisecond, in which other rooms'
/// packets would wait.
const LARGE: usize = 128 * 1024;

/// The result of a match is told to the store so often, with a pause between: for a minute.
const RESULT_ATTEMPTS: u32 = 60;
const RESULT_PAUSE: Duration = Duration::from_secs(1);

/// Between two questions that the store did not answer.
const QUESTION_PAUSE: Duration = Duration::from_millis(50);

/// The task.
pub(super) struct Keeper {
    store: Arc<Store>,
    clock: Clock,
    place: Arc<Place>,
    notes: mpsc::Sender<Note>,
    checkpointer: Checkpointer<(Tick, Bytes)>,
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
    ) -> Self {
        Self {
            store,
            clock,
            place,
            notes,
            checkpointer: Checkpointer::new(pace, since),
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
            return self.place.lose_to(owner);
        }
        self.finish().await;
    }

    async fn keep(&mut self, saved: &mut mpsc::Receiver<Saved>) -> Result<(), Gone> {
        let place = self.place.clone();
        let Some(custody) = &place.custody else { return Ok(()) };
        // One of each at most: a checkpoint under way must not hold up a question.
        let (mut write, mut check): (Option<Call>, Option<Call>) = (None, None);
        loop {
            while let Some(action) = self.checkpointer.poll(self.clock.now()) {
                match action {
                    Action::Save => custody.want_save(),
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
            let due = self.checkpointer.next_due().map(|it| self.clock.instant(it));
            tokio::select! {
                room = saved.recv() => match room {
                    Some(room) => {
                        let envelope = self.seal(room).await;
                        if envelope.is_none() && check.is_none() {
                            // It cannot be saved; but the store can tell whose it is.
                            check = Some(self.check(Duration::ZERO));
                        }
                        self.checkpointer.saved(envelope);
                    }
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
                () = custody.question.notified() => (),
                () = crate::desk::until(due) => (),
            }
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
                    custody.unanswered(self.clock.now());
                    Ok(())
                }
            },
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

    /// The envelope; `None`: there is none, and people know why.
    async fn seal(&mut self, room: Saved) -> Option<(Tick, Bytes)> {
        let size = room.game.as_ref()?.len();
        let (tick, uid, epoch) = (room.tick, self.place.uid.clone(), self.place.epoch());
        let schema = self.place.schema;
        let seal = move || {
            let checkpoint = Checkpoint { schema, tick: room.tick, epoch, state: room.encode() };
            let captured_at = Duration::try_from(time_of_day().duration_since(Timestamp::UNIX_EPOCH));
            let captured_at = captured_at.unwrap_or_default();
            let sealed = Sealed { uid, epoch, build: String::new(), captured_at, checkpoint };
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
    async fn finish(self) {
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

/// What comes of a call; never, if there is none.
async fn wait(call: &mut Option<Call>) -> Answer {
    match call {
        Some(call) => call.await,
        None => std::future::pending().await,
    }
}
