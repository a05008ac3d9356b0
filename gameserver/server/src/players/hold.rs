//! Early arrivals: players whose room may be about to come here, because the server that had it is lost.

use std::time::Duration;

use gamekeeper_player::frame::Redirect;
use tokio::time::sleep;

use super::seekers::Seekers;
use crate::rooms::Rooms;

/// Nobody is held for longer: by then a client has given up this attempt.
const HOLD_MAX: Duration = Duration::from_secs(6);

const _: () = assert!(HOLD_MAX.as_secs() < gamekeeper_player::limits::ANSWER_WITHIN.as_secs());

/// How long early arrivals wait, and what for.
#[derive(Clone, Debug)]
pub(crate) struct Hold {
    patience: Duration,
    seekers: Seekers,
}

impl Hold {
    /// Nobody is held if there is no patience.
    pub(crate) fn for_at_most(patience: Duration, seekers: Seekers) -> Self {
        Self { patience: patience.min(HOLD_MAX), seekers }
    }

    /// Whether there is nothing to say of the room, and it may be worth to wait.
    pub(super) fn is_needed(&self, rooms: &Rooms, room: &str) -> bool {
        !self.patience.is_zero() && !rooms.has(room)
    }

    /// Waits until there is something to say of the room, or for long enough: who asks then looks for it, and may not find
    /// it. Or until it is known that it is elsewhere: where.
    pub(super) async fn hold(&self, rooms: &Rooms, room: &str) -> Option<Redirect> {
        tokio::select! {
            () = rooms.arrival(room) => None,
            elsewhere = self.seekers.seek(room) => Some(elsewhere),
            () = sleep(self.patience) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gamekeeper_room::{Door, Epoch, Tenancy, host::RoomNumber};
    use tokio::time::Instant;

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
        let (rooms, hold) = (Rooms::default(), Hold::for_at_most(PATIENCE, Seekers::default()));
        let since = Instant::now();
        assert!(hold.is_needed(&rooms, "duel"));
        let (held, ()) = tokio::join!(hold.hold(&rooms, "duel"), async {
            sleep(Duration::from_secs(1)).await;
            open(&rooms);
        });
        assert_eq!((held, since.elapsed()), (None, Duration::from_secs(1)));
        assert!(!hold.is_needed(&rooms, "uid-1") && !hold.is_needed(&rooms, "duel"));
        assert!(hold.is_needed(&rooms, "another"));
        assert_eq!(hold.hold(&rooms, "another").await, None);
        assert_eq!(since.elapsed(), Duration::from_secs(1) + PATIENCE);
        let impatient = Hold::for_at_most(Duration::ZERO, Seekers::default());
        assert!(!impatient.is_needed(&rooms, "another"), "nobody is held");
    }
}
