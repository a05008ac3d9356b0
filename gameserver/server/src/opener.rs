//! Threads that make games, beside those that tick: what takes long here makes no room late.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError, mpsc as std_mpsc},
    thread,
    time::Duration,
};

use gamekeeper_player::admission::Guests;
use gamekeeper_room::{
    Checkpoint, Declined, Door, Epoch, Game, GameMaker, Room, Setup, Tenancy,
    host::{NotMade, RoomNumber},
    shortened,
};
use gamekeeper_store::Sealed;
use tokio::{runtime::Handle, sync::mpsc, time::sleep_until};
use tracing::{error, warn};

use crate::{
    clock::Clock,
    desk::{Made, Note},
    saved::Saved,
    vault::Found,
    worker::Frame,
};

/// Games that are made at once. One that takes its time must not hold up all others; more would take the time
/// of the rooms that tick.
const THREADS: usize = 2;

/// A game to be made.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) room: RoomNumber,
    pub(crate) setup: Setup,
    pub(crate) epoch: Epoch,
    /// Of a room that another server has lost.
    pub(crate) found: Option<Found>,
}

/// The threads that make games. A copy is another way to the same ones.
#[derive(Clone, Debug)]
pub(crate) struct Openers {
    wishes: std_mpsc::SyncSender<Wish>,
}

impl Openers {
    /// Starts them. They end when this is dropped.
    pub(crate) fn start(maker: &Arc<dyn GameMaker>, capacity: usize, frame: &Frame) -> io::Result<Self> {
        // A place for every room that there can be: the host counts those that are being made.
        let (sender, receiver) = std_mpsc::sync_channel(capacity);
        let receiver = Arc::new(Mutex::new(receiver));
        for number in 0..THREADS {
            let opener = Opener {
                maker: maker.clone(),
                wishes: receiver.clone(),
                notes: frame.notes.clone(),
                clock: frame.clock,
                runtime: Handle::current(),
            };
            let alive = frame.alive.clone();
            thread::Builder::new().name(format!("open-{number}")).spawn(move || {
                opener.run();
                drop(alive);
            })?;
        }
        Ok(Self { wishes: sender })
    }

    /// Asks for a game. The answer is [`Note::Made`].
    pub(crate) fn make(&self, wish: Wish) {
        let room = wish.room;
        if self.wishes.try_send(wish).is_err() {
            error!(number = room.0, "no thread makes games any more");
        }
    }
}

/// One of the threads.
struct Opener {
    maker: Arc<dyn GameMaker>,
    wishes: Arc<Mutex<std_mpsc::Receiver<Wish>>>,
    notes: mpsc::Sender<Note>,
    clock: Clock,
    /// For what waits: a thread does not.
    runtime: Handle,
}

impl Opener {
    fn run(self) {
        loop {
            // One of the threads waits in `recv`, the others for the lock.
            let wish = self.wishes.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(wish) = wish else { return };
            let (room, not_before) = (wish.room, wish.found.as_ref().map(|it| it.not_before));
            let outcome = self.make(&wish);
            if let Err(why) = &outcome {
                let Setup { name, namespace, .. } = &wish.setup;
                warn!(room = name, namespace, ?why, "a room could not be opened");
            }
            let note = Note::Made(room, outcome);
            match not_before.filter(|it| self.clock.now() < *it) {
                // The owner before may still tick.
                Some(at) => {
                    let (at, notes) = (self.clock.instant(at), self.notes.clone());
                    self.runtime.spawn(async move {
                        sleep_until(at).await;
                        let _ = notes.send(note).await;
                    });
                }
                None if self.notes.blocking_send(note).is_err() => return,
                None => (),
            }
        }
    }

    fn make(&self, Wish { room: _, setup, epoch, found }: &Wish) -> Result<Made, NotMade> {
        let fresh = |since| {
            let game = guarded("opened", || self.maker.open(setup)).map_err(NotMade::Declined)?;
            let (room, door) = (Box::new(Room::new(*epoch, game)), Door::new(setup.seats));
            Ok(Made { room, door, guests: Guests::default(), since, is_restored: false })
        };
        let Some(found) = found else { return fresh(self.clock.now()) };
        let (lost_epoch, since) = (found.lost_epoch, found.since);
        let Setup { namespace, name, uid, .. } = setup.clone();
        let tenancy = Tenancy { namespace, name, uid, epoch: *epoch };
        let no = |message: String| NotMade::Checkpoint(shortened(message));
        let Some(sealed) = found.newest(&tenancy).map_err(|it| no(it.to_string()))? else {
            return fresh(since);
        };
        if lost_epoch.is_some_and(|it| it < sealed.epoch) {
            return Err(no(format!("the checkpoint is of a later owner, epoch {}", sealed.epoch)));
        }
        self.restore(setup, *epoch, sealed, since)
    }

    fn restore(&self, setup: &Setup, epoch: Epoch, sealed: Sealed, since: Duration) -> Result<Made, NotMade> {
        let no = |message: String| NotMade::Checkpoint(shortened(message));
        let Checkpoint { schema, tick, epoch: saved_by, state } = sealed.checkpoint;
        let saved =
            Saved::decode(tick, &state).map_err(|it| no(format!("the checkpoint cannot be read: {it}")))?;
        let players = saved.players();
        let Saved { has_begun, occupants, guests: names, game, .. } = saved;
        let checkpoint = Checkpoint { schema, tick, epoch: saved_by, state: game.unwrap_or_default() };
        // What one build declines another one reads: it is said whose it was.
        let by =
            if sealed.build.is_empty() { String::new() } else { format!(" (saved by {})", sealed.build) };
        let game = guarded("restored", || self.maker.restore(setup, &checkpoint));
        let game = game.map_err(|it| no(format!("{it}{by}")))?;
        let mut guests = Guests::default();
        for guest in names {
            // As many as were let in before.
            let _ = guests.insert(guest);
        }
        let room = Box::new(Room::restored(epoch, tick, has_begun, players, game));
        let door = Door::restored(setup.seats, occupants);
        Ok(Made { room, door, guests, since, is_restored: true })
    }
}

/// What a maker makes, or why it does not.
fn guarded(
    what: &str,
    make: impl FnOnce() -> Result<Box<dyn Game>, Declined>,
) -> Result<Box<dyn Game>, String> {
    match catch_unwind(AssertUnwindSafe(make)) {
        Ok(made) => made.map_err(|it| it.to_string()),
        Err(panic) => Err(shortened(format!("the game panicked when it was {what}: {}", text_of(&*panic)))),
    }
}

/// What a panic said.
pub(crate) fn text_of(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}
