//! Early arrivals: players whose room may be about to come here, because the server that had it is lost.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Semaphore, time::timeout};

use crate::rooms::Rooms;

/// Players who are held at the same time: those of a lost server, a few times over.
const HELD_MAX: usize = 1024;

/// Nobody is held for longer: by then a client has given up this attempt.
const HOLD_MAX: Duration = Duration::from_secs(6);

const _: () = assert!(HOLD_MAX.as_secs() < gamekeeper_player::limits::ANSWER_WITHIN.as_secs());

/// How long early arrivals wait, and how many. A copy is another handle to the same.
#[derive(Clone, Debug)]
pub(crate) struct Hold {
    patience: Duration,
    free: Arc<Semaphore>,
}

/// So many are held that one more is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Crowded;

impl Hold {
    /// Nobody is held if there is no patience.
    pub(crate) fn for_at_most(patience: Duration) -> Self {
        Self { patience: patience.min(HOLD_MAX), free: Arc::new(Semaphore::new(HELD_MAX)) }
    }

    /// Waits until there is something to say of the room, or for long enough.
    pub(super) async fn hold(&self, rooms: &Rooms, room: &str) -> Result<(), Crowded> {
        if self.patience.is_zero() || rooms.has(room) {
            return Ok(());
        }
        let _held = self.free.try_acquire().map_err(|_| Crowded)?;
        // Too late is no error: whoever asks then looks for the room, and does not find it.
        let _ = timeout(self.patience, rooms.arrival(room)).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use gamekeeper_room::{Door, Epoch, Tenancy, host::RoomNumber};
    use tokio::{
        task::JoinSet,
        time::{Instant, sleep},
    };

    use super::*;
    use crate::place::{Company, Place};

    const PATIENCE: Duration = Duration::from_secs(4);

    fn open(rooms: &Rooms) {
        let (namespace, name, uid) = ("games".to_owned(), "duel".to_owned(), "uid-1".to_owned());
        let tenancy = Tenancy { namespace, name, uid, epoch: Epoch(5) };
        rooms.insert(Arc::new(Place::new(RoomNumber(1), tenancy, Company::new(Door::new(None)))));
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_early_waits_until_the_room_comes_and_no_longer_than_it_may() {
        let (rooms, hold) = (Rooms::default(), Hold::for_at_most(PATIENCE));
        let since = Instant::now();
        let (held, ()) = tokio::join!(hold.hold(&rooms, "duel"), async {
            sleep(Duration::from_secs(1)).await;
            open(&rooms);
        });
        assert_eq!((held, since.elapsed()), (Ok(()), Duration::from_secs(1)));
        assert_eq!((hold.hold(&rooms, "uid-1").await, since.elapsed()), (Ok(()), Duration::from_secs(1)));
        assert_eq!(hold.hold(&rooms, "another").await, Ok(()));
        assert_eq!(since.elapsed(), Duration::from_secs(1) + PATIENCE);
        assert_eq!(Hold::for_at_most(Duration::ZERO).hold(&rooms, "another").await, Ok(()));
        assert_eq!(since.elapsed(), Duration::from_secs(1) + PATIENCE, "nobody is held");
    }

    #[tokio::test(start_paused = true)]
    async fn p8_no_more_are_held_than_there_are_places() {
        let (rooms, hold) = (Rooms::default(), Hold::for_at_most(PATIENCE));
        let mut held = JoinSet::new();
        for _ in 0..HELD_MAX {
            let (rooms, hold) = (rooms.clone(), hold.clone());
            held.spawn(async move { hold.hold(&rooms, "duel").await });
        }
        sleep(Duration::from_secs(1)).await;
        assert_eq!(hold.hold(&rooms, "duel").await, Err(Crowded));
        open(&rooms);
        assert!(held.join_all().await.iter().all(Result::is_ok));
        assert_eq!(hold.hold(&rooms, "another").await, Ok(()), "those who went make place");
    }
}
