//! Rooms that players wait for here, and that are not here: the operator is asked for them, and says where they are.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use gamekeeper_control::{
    Found,
    limits::{SOUGHT_MAX, UID_BYTES_MAX},
};
use gamekeeper_player::frame::{Place, Redirect};
use tokio::{
    sync::{Notify, mpsc},
    time::{sleep, timeout},
};

use super::fallbacks::merged;
use crate::desk::Note;

/// The operator is asked at most so often, for all that has come together meanwhile: nobody can make us flood it.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// What is still sought is asked for again so often: the operator may not have known the room, or have forgotten who sought it.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// How long a player may take to get to where it is sent: as long as it would be held there.
const GET_THERE_WITHIN: Duration = Duration::from_secs(4);

/// Who waits for what. A copy is another handle to the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seekers(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    book: Mutex<Book>,
    /// Something is new that the operator does not know.
    asks: Notify,
    /// The operator has found something.
    found: Notify,
}

#[derive(Debug, Default)]
struct Book {
    /// By uid. No more than players are held.
    sought: BTreeMap<String, Sought>,
    /// Those that the operator was not asked for yet.
    new: BTreeSet<String>,
}

#[derive(Debug, Default)]
struct Sought {
    /// How many wait for it.
    players: usize,
    elsewhere: Option<Redirect>,
}

/// Somebody who waits.
struct Seeker<'a> {
    seekers: &'a Seekers,
    room: &'a str,
}

impl Seekers {
    /// Waits until the operator says that the room is elsewhere, and where.
    pub(super) async fn seek(&self, room: &str) -> Redirect {
        let seeker = Seeker::new(self, room);
        loop {
            let mut found = std::pin::pin!(self.0.found.notified());
            // Before we look, or what comes between would be missed.
            found.as_mut().enable();
            if let Some(elsewhere) = seeker.elsewhere() {
                return elsewhere;
            }
            found.await;
        }
    }

    /// What the operator has found. Nothing, if nobody waits for it any more, or if no player gets in there.
    pub(crate) fn found(&self, found: Found) {
        let Found { tenancy, server } = found;
        let place = merged(vec![server]);
        let Ok(epoch) = u64::try_from(tenancy.epoch) else { return };
        if place == Place::default() {
            return;
        }
        let mut book = self.book();
        let Some(sought) = book.sought.get_mut(&tenancy.uid) else { return };
        let redirect = Redirect { room: tenancy.uid, epoch, place, deadline: GET_THERE_WITHIN };
        sought.elsewhere = Some(redirect);
        drop(book);
        self.0.found.notify_waiters();
    }

    /// Nothing is known to the operator that is there now.
    pub(crate) fn ask_anew(&self) {
        let mut book = self.book();
        let sought: Vec<String> = book.sought.keys().cloned().collect();
        book.new.extend(sought);
        drop(book);
        self.0.asks.notify_one();
    }

    /// Lets the desk ask the operator for what is sought, until the desk is gone.
    pub(crate) async fn ask(self, notes: mpsc::Sender<Note>) {
        loop {
            let rooms = self.next();
            if rooms.is_empty() {
                if timeout(ASK_AGAIN, self.0.asks.notified()).await.is_err() {
                    self.ask_anew();
                }
            } else if notes.send(Note::Sought(rooms)).await.is_ok() {
                sleep(ASK_EVERY).await;
            } else {
                return;
            }
        }
    }

    /// The rooms that the operator is to be asked for next.
    fn next(&self) -> Vec<String> {
        let mut book = self.book();
        std::iter::from_fn(|| book.new.pop_first()).filter(|it| may_be_uid(it)).take(SOUGHT_MAX).collect()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> Seeker<'a> {
    fn new(seekers: &'a Seekers, room: &'a str) -> Self {
        let mut book = seekers.book();
        let sought = book.sought.entry(room.to_owned()).or_default();
        sought.players += 1;
        if sought.players == 1 {
            book.new.insert(room.to_owned());
            seekers.0.asks.notify_one();
        }
        drop(book);
        Self { seekers, room }
    }

    fn elsewhere(&self) -> Option<Redirect> {
        self.seekers.book().sought.get(self.room)?.elsewhere.clone()
    }
}

impl Drop for Seeker<'_> {
    fn drop(&mut self) {
        let mut book = self.seekers.book();
        let Some(sought) = book.sought.get_mut(self.room) else { return };
        sought.players -= 1;
        if sought.players == 0 {
            book.sought.remove(self.room);
            book.new.remove(self.room);
        }
    }
}

/// Who knows its room by another name cannot be sent on: the operator knows rooms by uids.
fn may_be_uid(room: &str) -> bool {
    (1..=UID_BYTES_MAX).contains(&room.len())
}

#[cfg(test)]
mod tests {
    use gamekeeper_control::{Endpoint, Fallback, Tenancy, Transport};
    use tokio::task::JoinSet;

    use super::*;

    fn found(uid: &str, port: u16) -> Found {
        let (namespace, name) = ("games".to_owned(), "duel".to_owned());
        let tenancy = Tenancy { namespace, name, uid: uid.to_owned(), epoch: 7 };
        let (name, address) = ("game".to_owned(), "198.18.0.2".to_owned());
        let endpoints = vec![Endpoint { name, protocol: Transport::Udp, address, port }];
        let certificate_hashes = vec![format!("sha256:{}", "0f".repeat(32))];
        Found { tenancy, server: Fallback { endpoints, certificate_hashes } }
    }

    fn seek(seekers: &Seekers, room: &'static str) -> impl Future<Output = Redirect> + use<> {
        let seekers = seekers.clone();
        async move { seekers.seek(room).await }
    }

    #[tokio::test(start_paused = true)]
    async fn p4_all_who_wait_for_a_room_are_sent_where_it_is_and_it_is_asked_for_once() {
        let (seekers, (notes, mut desk)) = (Seekers::default(), mpsc::channel(1));
        let asks = tokio::spawn(seekers.clone().ask(notes));
        let mut waiting = JoinSet::new();
        (0..3).for_each(|_| drop(waiting.spawn(seek(&seekers, "uid-1"))));
        let other = tokio::spawn(seek(&seekers, "uid-2"));
        let mut sought = Vec::new();
        while sought.len() < 2 {
            let Some(Note::Sought(rooms)) = desk.recv().await else { panic!("nobody is asked") };
            sought.extend(rooms);
        }
        assert_eq!(sought, ["uid-1", "uid-2"]);
        seekers.found(found("uid-1", 7));
        let sent = waiting.join_all().await;
        assert!(sent.iter().all(|it| it.epoch == 7 && it.place.endpoints[0].port == 7), "{sent:?}");
        assert!(!other.is_finished(), "it waits for another room");
        // A leader that has just come knows nothing of it.
        seekers.ask_anew();
        assert!(matches!(desk.recv().await, Some(Note::Sought(rooms)) if rooms == ["uid-2"]));
        other.abort();
        assert!(other.await.is_err());
        assert!(seekers.book().sought.is_empty(), "nobody waits any more");
        drop(desk);
        seekers.book().new.insert("uid-3".to_owned());
        seekers.0.asks.notify_one();
        asks.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_sought_for_long_is_asked_for_again() {
        let (seekers, (notes, mut desk)) = (Seekers::default(), mpsc::channel(1));
        tokio::spawn(seekers.clone().ask(notes));
        let _waiting = tokio::spawn(seek(&seekers, "uid-1"));
        let since = tokio::time::Instant::now();
        for turn in 0..3 {
            assert!(matches!(desk.recv().await, Some(Note::Sought(rooms)) if rooms == ["uid-1"]));
            assert!(ASK_AGAIN * turn <= since.elapsed(), "{:?}", since.elapsed());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_found_before_somebody_came_is_forgotten() {
        let seekers = Seekers::default();
        seekers.found(found("uid-1", 7));
        let waiting = tokio::spawn(seek(&seekers, "uid-1"));
        sleep(ASK_EVERY).await;
        assert!(!waiting.is_finished(), "it may be elsewhere by now");
        seekers.found(Found {
            server: Fallback { endpoints: vec![], certificate_hashes: vec![] },
            ..found("uid-1", 7)
        });
        sleep(ASK_EVERY).await;
        assert!(!waiting.is_finished(), "nobody gets in there");
        seekers.found(found("uid-1", 8));
        assert_eq!(waiting.await.unwrap().place.endpoints[0].port, 8);
    }

    #[tokio::test(start_paused = true)]
    async fn p8_the_operator_is_not_flooded_whoever_comes() {
        let (seekers, (notes, mut desk)) = (Seekers::default(), mpsc::channel(1));
        tokio::spawn(seekers.clone().ask(notes));
        let rooms: Vec<String> = (0..1000).map(|it| format!("uid-{it}")).collect();
        let long = "x".repeat(UID_BYTES_MAX + 1);
        let _seekers: Vec<_> = rooms.iter().chain([&long]).map(|it| Seeker::new(&seekers, it)).collect();
        let since = tokio::time::Instant::now();
        let mut sizes = Vec::new();
        while sizes.iter().sum::<usize>() < 1000 {
            let Some(Note::Sought(rooms)) = desk.recv().await else { panic!("nobody is asked") };
            sizes.push(rooms.len());
        }
        assert_eq!(sizes, [256, 256, 256, 232]);
        assert!(3 * ASK_EVERY <= since.elapsed());
        assert!(seekers.next().is_empty(), "what is no uid is not asked for");
    }
}
