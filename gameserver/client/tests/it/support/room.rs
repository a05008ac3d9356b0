//! A room of one seat, that is shown thirty times a second to whoever came last.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use gamekeeper_player::{frame::Place, session::server::Happening};
use quinn::VarInt;
use tokio::{sync::watch, task::JoinSet, time::interval};

use super::{Guest, Server};

const TICK: Duration = Duration::from_millis(33);

/// The same player has come by another connection.
const REPLACED: VarInt = VarInt::from_u32(6);

/// What is known of the player, wherever the room is.
#[derive(Debug, Default)]
pub(crate) struct Book {
    /// The numbers of inputs, as they came to the game.
    pub(crate) inputs: Vec<u64>,
    /// Messages, as they came to the game.
    pub(crate) messages: Vec<Vec<u8>>,
    pub(crate) message_ack: u64,
    /// Connections that were asked for.
    pub(crate) connections: usize,
    /// Connections that are gone.
    pub(crate) gone: usize,
    /// Nothing is shown.
    pub(crate) is_quiet: bool,
    pub(crate) tick: u64,
}

/// A room on a server; gone when it is dropped.
pub(crate) struct Room {
    pub(crate) place: Place,
    is_here: watch::Sender<bool>,
    _task: JoinSet<()>,
}

impl Room {
    /// On a new server.
    pub(crate) fn open(epoch: u64, fallbacks: Place, book: Arc<Mutex<Book>>) -> Self {
        Self::begin(epoch, true, fallbacks, book)
    }

    /// On a new server that does not have it yet, and holds those who ask for it.
    pub(crate) fn soon(epoch: u64, book: Arc<Mutex<Book>>) -> Self {
        Self::begin(epoch, false, Place::default(), book)
    }

    /// Now the server has it.
    pub(crate) fn open_now(&self) {
        self.is_here.send_replace(true);
    }

    fn begin(epoch: u64, is_here: bool, fallbacks: Place, book: Arc<Mutex<Book>>) -> Self {
        let (server, is_here) = (Server::new(epoch), watch::Sender::new(is_here));
        let (place, mut task) = (server.place(), JoinSet::new());
        task.spawn(serve(server, is_here.subscribe(), fallbacks, book));
        Self { place, is_here, _task: task }
    }
}

async fn serve(server: Server, is_here: watch::Receiver<bool>, fallbacks: Place, book: Arc<Mutex<Book>>) {
    let (server, newest) = (Arc::new(server), watch::Sender::new(0_u64));
    let mut guests = JoinSet::new();
    while let Some(incoming) = server.endpoint.accept().await {
        let (server, newest, book) = (server.clone(), newest.clone(), book.clone());
        let (fallbacks, mut is_here) = (fallbacks.clone(), is_here.clone());
        book.lock().unwrap().connections += 1;
        guests.spawn(async move {
            let known = || {
                let book = book.lock().unwrap();
                (book.inputs.last().copied().unwrap_or_default(), book.message_ack)
            };
            let here = async { drop(is_here.wait_for(|it| *it).await) };
            let Some(guest) = server.let_in_after(here, incoming, known, fallbacks).await else { return };
            newest.send_modify(|it| *it += 1);
            play(guest, newest.subscribe(), &book).await;
        });
    }
}

async fn play(mut guest: Guest, mut newest: watch::Receiver<u64>, book: &Mutex<Book>) {
    let mut bytes = [0; 1024];
    newest.mark_unchanged();
    let mut ticks = interval(TICK);
    let mut is_read = false;
    loop {
        tokio::select! {
            datagram = guest.connection.read_datagram() => {
                let mut book = book.lock().unwrap();
                let Ok(datagram) = datagram else {
                    book.gone += 1;
                    return;
                };
                let now = guest.start.elapsed();
                guest.session.on_datagram(&datagram, now, |number, _| book.inputs.push(number)).unwrap();
            }
            length = guest.recv.read(&mut bytes), if !is_read => {
                let Ok(Some(length)) = length else {
                    // Who says nothing more may watch.
                    is_read = true;
                    continue;
                };
                guest.session.on_stream(&bytes[..length], guest.start.elapsed()).unwrap();
                while let Some(happening) = guest.session.poll(guest.start.elapsed()).unwrap() {
                    let Happening::Numbered(number, message) = happening else { continue };
                    let message = message.to_vec();
                    let mut book = book.lock().unwrap();
                    if book.message_ack < number {
                        book.message_ack = number;
                        book.messages.push(message);
                    }
                    guest.session.confirm(book.message_ack, guest.start.elapsed()).unwrap();
                }
                guest.flush().await;
            }
            _ = ticks.tick() => {
                let mut book = book.lock().unwrap();
                book.tick += 1;
                if !book.is_quiet {
                    guest.show(book.tick, &[7; 100]);
                }
            }
            _ = newest.changed() => return guest.connection.close(REPLACED, b""),
        }
    }
}
