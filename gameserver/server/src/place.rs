//! What the threads and the transport share of one room.

use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError,
    atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
};

use gamekeeper_player::admission::Guests;
use gamekeeper_room::{Build, Door, Ending, Epoch, Schema, Tenancy, Tick, host::RoomNumber};

use crate::{audience::Audience, custody::Custody};

/// A room's place in the process. The game itself is only on its thread.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) number: RoomNumber,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
    epoch: AtomicI64,
    tick: AtomicU64,
    is_closing: AtomicBool,
    is_forsaken: AtomicBool,
    ending: OnceLock<Arc<Ending>>,
    door: Mutex<Door>,
    guests: Mutex<Guests>,
    pub(crate) audience: Audience,
    /// Of a room that is kept in the store.
    pub(crate) custody: Option<Custody>,
    /// Of the game's saved state.
    pub(crate) schema: Schema,
    /// Which saves it.
    pub(crate) build: Build,
}

/// Who is in a room, and whose it is.
#[derive(Debug)]
pub(crate) struct Company {
    pub(crate) door: Door,
    pub(crate) guests: Guests,
    pub(crate) custody: Option<Custody>,
    pub(crate) schema: Schema,
    pub(crate) build: Build,
}

#[cfg(test)]
impl Company {
    /// Of a room that nobody has entered, and that is not kept in a store.
    pub(crate) fn new(door: Door) -> Self {
        Self {
            door,
            guests: Guests::default(),
            custody: None,
            schema: Schema::default(),
            build: Build::default(),
        }
    }
}

impl Place {
    pub(crate) fn new(number: RoomNumber, tenancy: Tenancy, company: Company) -> Self {
        let Tenancy { namespace, name, uid, epoch } = tenancy;
        let Company { door, guests, custody, schema, build } = company;
        Self {
            number,
            namespace,
            name,
            uid,
            epoch: AtomicI64::new(epoch.0),
            tick: AtomicU64::new(0),
            is_closing: AtomicBool::new(false),
            is_forsaken: AtomicBool::new(false),
            ending: OnceLock::new(),
            door: Mutex::new(door),
            guests: Mutex::new(guests),
            audience: Audience::default(),
            custody,
            schema,
            build,
        }
    }

    pub(crate) fn epoch(&self) -> Epoch {
        Epoch(self.epoch.load(Ordering::Relaxed))
    }

    pub(crate) fn adopt(&self, epoch: Epoch) {
        self.epoch.fetch_max(epoch.0, Ordering::Relaxed);
    }

    pub(crate) fn tick(&self) -> Tick {
        Tick(self.tick.load(Ordering::Relaxed))
    }

    pub(crate) fn ticked(&self, tick: Tick) {
        self.tick.store(tick.0, Ordering::Relaxed);
    }

    /// Its thread drops the room at the next visit.
    pub(crate) fn close(&self) {
        self.is_closing.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::Relaxed)
    }

    /// Whether a later owner has it.
    pub(crate) fn is_lost(&self) -> bool {
        self.custody.as_ref().is_some_and(Custody::is_lost)
    }

    /// Whether its players had better look for it elsewhere, and wait here meanwhile.
    pub(crate) fn is_forsaken(&self) -> bool {
        self.is_forsaken.load(Ordering::Acquire)
    }

    /// Notes whether it is forsaken. Returns whether that has just begun.
    pub(crate) fn forsake(&self, is_forsaken: bool) -> bool {
        !self.is_forsaken.swap(is_forsaken, Ordering::AcqRel) && is_forsaken
    }

    /// A later owner has it: its thread drops it at the next visit.
    pub(crate) fn lose_to(&self, owner: Epoch) {
        self.custody.iter().for_each(|it| it.lose_to(owner));
    }

    /// How its match ended, if it has: nobody comes in any more.
    pub(crate) fn ending(&self) -> Option<&Arc<Ending>> {
        self.ending.get()
    }

    pub(crate) fn set_over(&self, ending: Arc<Ending>) {
        // A match ends once.
        let _ = self.ending.set(ending);
    }

    /// Who may sit where, by the secrets that they came with. Held for moments only.
    pub(crate) fn guests(&self) -> MutexGuard<'_, Guests> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Held for moments only, and never while a game's code runs.
    pub(crate) fn door(&self) -> MutexGuard<'_, Door> {
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
