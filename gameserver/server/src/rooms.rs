//! The players' way in, for the transport.

use std::{
    collections::{HashMap, VecDeque},
    pin::pin,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use gamekeeper_player::frame;
use gamekeeper_room::{Epoch, NotHeard, NotSeated, PlayerName, Presence, Tick, host::RoomNumber};

use tokio::{sync::Notify, time::timeout};

use crate::place::Place;

/// Matches whose end is remembered, for players who were not there to be told.
const OVER_MAX: usize = 256;

/// How often players who wait for a forsaken room are told whether it goes on.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The rooms of this process that players can enter. A copy is another handle to the same rooms.
#[derive(Clone, Debug, Default)]
pub struct Rooms(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    index: RwLock<Index>,
    /// A room has come.
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Index {
    places: HashMap<RoomNumber, Arc<Place>>,
    uids: HashMap<String, RoomNumber>,
    names: HashMap<String, Vec<RoomNumber>>,
    /// Those that are over, the newest last.
    over: VecDeque<Arc<Place>>,
    /// Where the rooms may be if this server is lost.
    fallbacks: frame::Place,
}

/// The way into one room. It never waits: not for a tick, and not for another player's packet.
///
/// It outlives the room: then nobody is seated and nothing is heard.
#[derive(Clone, Debug)]
pub struct Entrance(Arc<Place>);

impl Rooms {
    /// The room with this uid, unless a later owner has it and its thread has not dropped it yet.
    pub fn by_uid(&self, uid: &str) -> Option<Entrance> {
        let index = self.0.index.read().unwrap_or_else(PoisonError::into_inner);
        let place = index.uids.get(uid).and_then(|it| index.places.get(it));
        place.filter(|it| !it.is_lost()).cloned().map(Entrance)
    }

    /// The room with this name. Two namespaces may have one each, and a name may come back while its last
    /// room is still here: the one with the highest epoch is meant.
    pub fn by_name(&self, name: &str) -> Option<Entrance> {
        let index = self.0.index.read().unwrap_or_else(PoisonError::into_inner);
        let numbers = index.names.get(name)?;
        let places = numbers.iter().filter_map(|it| index.places.get(it)).filter(|it| !it.is_lost());
        places.max_by_key(|it| it.epoch()).cloned().map(Entrance)
    }

    /// A room with this uid or name whose match was played to its end here, not long ago.
    pub(crate) fn over(&self, room: &str) -> Option<Arc<Place>> {
        let index = self.0.index.read().unwrap_or_else(PoisonError::into_inner);
        let by_uid = index.over.iter().rev().find(|it| it.uid == room);
        by_uid.or_else(|| index.over.iter().rev().find(|it| it.name == room)).cloned()
    }

    pub(crate) fn insert(&self, place: Arc<Place>) {
        let mut index = self.0.index.write().unwrap_or_else(PoisonError::into_inner);
        index.uids.insert(place.uid.clone(), place.number);
        index.names.entry(place.name.clone()).or_default().push(place.number);
        index.places.insert(place.number, place);
        drop(index);
        self.0.arrived.notify_waiters();
    }

    /// Waits until a room of this uid or name can be entered, or is over.
    pub(crate) async fn arrival(&self, room: &str) {
        loop {
            let mut arrived = pin!(self.0.arrived.notified());
            // Before we look, or what comes between would be missed.
            arrived.as_mut().enable();
            if self.has(room) {
                return;
            }
            let is_forsaken = self.by_uid(room).or_else(|| self.by_name(room)).is_some();
            if is_forsaken {
                // It says nothing when it is not any more.
                let _ = timeout(LOOK_AGAIN, arrived).await;
            } else {
                arrived.await;
            }
        }
    }

    /// Whether there is anything to say to whoever asks for this room.
    pub(crate) fn has(&self, room: &str) -> bool {
        let found = self.by_uid(room).or_else(|| self.by_name(room));
        found.is_some_and(|it| !it.place().is_forsaken()) || self.over(room).is_some()
    }

    /// Where players are to look for their rooms if this server is lost.
    pub(crate) fn fallbacks(&self) -> frame::Place {
        self.0.index.read().unwrap_or_else(PoisonError::into_inner).fallbacks.clone()
    }

    /// Takes that in, and tells those who are there.
    pub(crate) fn set_fallbacks(&self, fallbacks: &frame::Place) {
        let mut index = self.0.index.write().unwrap_or_else(PoisonError::into_inner);
        if index.fallbacks == *fallbacks {
            return;
        }
        // First: who comes meanwhile reads it after having been entered.
        index.fallbacks = fallbacks.clone();
        let places: Vec<_> = index.places.values().cloned().collect();
        drop(index);
        places.iter().for_each(|it| it.audience.fallbacks(fallbacks));
    }

    /// Nobody comes in any more, and nothing more is heard from inside.
    pub(crate) fn remove(&self, number: RoomNumber) -> Option<Arc<Place>> {
        let mut index = self.0.index.write().unwrap_or_else(PoisonError::into_inner);
        let place = index.places.remove(&number)?;
        // Its uid may have come back already.
        if index.uids.get(&place.uid) == Some(&number) {
            index.uids.remove(&place.uid);
        }
        if let Some(numbers) = index.names.get_mut(&place.name) {
            numbers.retain(|it| *it != number);
            if numbers.is_empty() {
                index.names.remove(&place.name);
            }
        }
        place.door().shut();
        if place.ending().is_some() {
            if index.over.len() == OVER_MAX {
                index.over.pop_front();
            }
            index.over.push_back(place.clone());
        }
        Some(place)
    }

    pub(crate) fn get(&self, number: RoomNumber) -> Option<Arc<Place>> {
        self.0.index.read().unwrap_or_else(PoisonError::into_inner).places.get(&number).cloned()
    }
}

impl Entrance {
    /// A player comes.
    pub fn join(&self, player: &PlayerName) -> Result<Presence, NotSeated> {
        self.0.door().join(player)
    }

    /// A player goes.
    pub fn leave(&self, presence: Presence) {
        self.0.door().leave(presence);
    }

    /// A player sends something: at most 1,024 bytes, and between two ticks the last 32 of them count.
    pub fn input(&self, presence: Presence, input: &[u8]) -> Result<(), NotHeard> {
        self.0.door().input(presence, input)
    }

    pub(crate) fn place(&self) -> &Arc<Place> {
        &self.0
    }

    /// Of the `GameRoom`.
    pub fn namespace(&self) -> &str {
        &self.0.namespace
    }

    /// Of the `GameRoom`.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Of the `GameRoom`.
    pub fn uid(&self) -> &str {
        &self.0.uid
    }

    /// Under which the room is here.
    pub fn epoch(&self) -> Epoch {
        self.0.epoch()
    }

    /// The last one that was taken.
    pub fn tick(&self) -> Tick {
        self.0.tick()
    }
}

#[cfg(test)]
mod tests {
    use gamekeeper_room::{Door, Tenancy};

    use super::*;
    use crate::place::Company;

    fn place(number: u64, name: &str, uid: &str, epoch: i64) -> Arc<Place> {
        let tenancy = Tenancy {
            namespace: "games".to_owned(),
            name: name.to_owned(),
            uid: uid.to_owned(),
            epoch: Epoch(epoch),
        };
        Arc::new(Place::new(RoomNumber(number), tenancy, Company::new(Door::new(None))))
    }

    #[test]
    fn of_two_rooms_of_one_name_the_one_with_the_highest_epoch_is_meant() {
        let rooms = Rooms::default();
        for (number, uid, epoch) in [(1, "a", 3), (2, "b", 7), (3, "c", 5)] {
            rooms.insert(place(number, "duel", uid, epoch));
        }
        let uid = || rooms.by_name("duel").map(|it| it.uid().to_owned());
        assert_eq!(uid().as_deref(), Some("b"));
        rooms.remove(RoomNumber(2));
        assert_eq!(uid().as_deref(), Some("c"));
        rooms.remove(RoomNumber(1));
        rooms.remove(RoomNumber(3));
        assert_eq!(uid(), None);
        assert!(rooms.by_uid("a").is_none());
    }

    #[test]
    fn a_uid_that_came_back_is_the_newer_room() {
        let rooms = Rooms::default();
        rooms.insert(place(1, "duel", "a", 3));
        let old = rooms.by_uid("a").unwrap();
        rooms.insert(place(2, "duel", "a", 4));
        rooms.remove(RoomNumber(1));
        assert_eq!(rooms.by_uid("a").map(|it| it.epoch()), Some(Epoch(4)));
        let player = PlayerName::new("ann").unwrap();
        assert_eq!(old.join(&player), Err(NotSeated::Gone));
        assert!(rooms.by_name("duel").unwrap().join(&player).is_ok());
    }
}
