//! Threads that make games, beside those that tick: what takes long here makes no room late.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError, mpsc as std_mpsc},
    thread,
};

use gamekeeper_room::{Door, Game, GameMaker, Room, Setup, host::RoomNumber, shortened};
use tokio::sync::mpsc;
use tracing::{error, warn};

use crate::{
    desk::{Made, Note},
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
    pub(crate) epoch: gamekeeper_room::Epoch,
}

/// The threads that make games.
#[derive(Debug)]
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
            let (maker, receiver) = (maker.clone(), receiver.clone());
            let (notes, alive) = (frame.notes.clone(), frame.alive.clone());
            thread::Builder::new().name(format!("open-{number}")).spawn(move || {
                make_all(&*maker, &receiver, &notes);
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

fn make_all(maker: &dyn GameMaker, wishes: &Mutex<std_mpsc::Receiver<Wish>>, notes: &mpsc::Sender<Note>) {
    loop {
        // One of the threads waits in `recv`, the others for the lock.
        let wish = wishes.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Wish { room, setup, epoch }) = wish else { return };
        let outcome = make(maker, &setup)
            .map(|game| Made { room: Box::new(Room::new(epoch, game)), door: Door::new(setup.seats) });
        if let Err(message) = &outcome {
            warn!(room = setup.name, namespace = setup.namespace, message, "a room could not be opened");
        }
        if notes.blocking_send(Note::Made(room, outcome)).is_err() {
            return;
        }
    }
}

fn make(maker: &dyn GameMaker, setup: &Setup) -> Result<Box<dyn Game>, String> {
    match catch_unwind(AssertUnwindSafe(|| maker.open(setup))) {
        Ok(opened) => opened.map_err(|it| it.to_string()),
        Err(panic) => Err(shortened(format!("the game panicked when it was opened: {}", text_of(&*panic)))),
    }
}

/// What a panic said.
pub(crate) fn text_of(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}
