//! Beats: when one is due, and whether it may be sent.
//!
//! A beat says that *all* rooms move, so it is sent only if every thread that has rooms has visited one
//! since the last beat. Whichever of them comes last sends it. A thread that stands still keeps all others
//! from sending: the silence is the message. A thread without rooms has nothing to prove; if no thread has
//! any, whichever wakes first sends the beat of an empty server.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use gamekeeper_control::{Beat, ToOperator};
use gamekeeper_room::host::StreamId;

use crate::{clock::Clock, measure::Figures, outbox::Outbox};

/// A server without rooms beats at most this often.
const EMPTY_HEARTBEAT: Duration = Duration::from_secs(1);

/// Until an operator says how often it wants beats.
const USUAL_HEARTBEAT: Duration = Duration::from_millis(100);

/// Beats whose echo may still come. One that is older says nothing of now.
const ECHOES_AWAITED: usize = 64;

/// Nobody listens.
const NEVER: u64 = u64::MAX;

/// The signs of life of a process.
#[derive(Debug)]
pub(crate) struct Pulse {
    clock: Clock,
    threads: Vec<ThreadPulse>,
    progress: AtomicU64,
    /// Rooms in any state.
    is_hosting: AtomicBool,
    /// When the next beat is due, in microseconds: what threads look at, without the lock.
    due: AtomicU64,
    /// When the last beat that was echoed had been sent, in microseconds: what an echo says is as old as that.
    heard: AtomicU64,
    /// How often beats are wanted, in microseconds.
    heartbeat: AtomicU64,
    beater: Mutex<Beater>,
}

/// What one thread that ticks says of itself.
#[derive(Debug, Default)]
struct ThreadPulse {
    /// Those that were given to it, whether it has noticed or not.
    rooms: AtomicUsize,
    has_moved: AtomicBool,
    tick_p99_us: AtomicU64,
    load: AtomicU32,
}

/// What is known of the stream that counts, and of the last beat.
#[derive(Debug)]
struct Beater {
    listener: Option<Listener>,
    sequence: u64,
    last: Duration,
    /// When the latest beats were sent, by their sequence.
    sent: VecDeque<(u64, Duration)>,
}

/// Who hears the beats.
#[derive(Debug)]
struct Listener {
    stream: StreamId,
    outbox: Outbox,
    heartbeat: Duration,
    /// The first beat that it can have heard.
    first: u64,
}

/// When the operator was heard last, for what depends on being heard.
#[derive(Clone, Debug)]
pub struct Contact(Arc<Pulse>);

impl Contact {
    /// How old the last beat is that was echoed; `None` if none ever was.
    pub fn silence(&self) -> Option<Duration> {
        self.0.heard_at().map(|it| self.0.clock.now().saturating_sub(it))
    }
}

impl Pulse {
    /// Of so many threads.
    pub(crate) fn new(clock: Clock, threads: usize) -> Arc<Self> {
        Arc::new(Self {
            clock,
            threads: (0..threads).map(|_| ThreadPulse::default()).collect(),
            progress: AtomicU64::new(0),
            is_hosting: AtomicBool::new(false),
            due: AtomicU64::new(NEVER),
            heard: AtomicU64::new(NEVER),
            heartbeat: AtomicU64::new(micros(USUAL_HEARTBEAT)),
            beater: Mutex::new(Beater {
                listener: None,
                sequence: 0,
                last: Duration::ZERO,
                sent: VecDeque::with_capacity(ECHOES_AWAITED),
            }),
        })
    }

    pub(crate) fn contact(self: &Arc<Self>) -> Contact {
        Contact(self.clone())
    }

    // What the desk says.

    /// Beats go to this stream from now on; the first one at once.
    pub(crate) fn attach(&self, stream: StreamId, outbox: Outbox, heartbeat: Duration, now: Duration) {
        let mut beater = self.beater();
        let first = beater.sequence.saturating_add(1);
        beater.listener = Some(Listener { stream, outbox, heartbeat, first });
        self.heartbeat.store(micros(heartbeat), Ordering::Relaxed);
        // What moved while nobody listened proves nothing now.
        self.threads.iter().for_each(|it| it.has_moved.store(false, Ordering::Relaxed));
        self.due.store(micros(now), Ordering::Relaxed);
    }

    /// This stream hears no more beats.
    pub(crate) fn detach(&self, stream: StreamId) {
        let mut beater = self.beater();
        if beater.listener.as_ref().is_some_and(|it| it.stream == stream) {
            beater.listener = None;
            self.due.store(NEVER, Ordering::Relaxed);
        }
    }

    /// Whether there is a room, in any state. `true`: the threads should look when the next beat is due.
    pub(crate) fn host(&self, is_hosting: bool) -> bool {
        if self.is_hosting.swap(is_hosting, Ordering::Relaxed) == is_hosting || !is_hosting {
            return false;
        }
        let beater = self.beater();
        if let Some(listener) = &beater.listener {
            let due = micros(beater.last.saturating_add(listener.heartbeat));
            self.due.fetch_min(due, Ordering::Relaxed);
        }
        true
    }

    /// This thread gets a room.
    pub(crate) fn give(&self, thread: usize) {
        if let Some(it) = self.threads.get(thread) {
            it.rooms.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The thread with the fewest rooms.
    pub(crate) fn idlest(&self) -> usize {
        let rooms = self.threads.iter().map(|it| it.rooms.load(Ordering::Relaxed));
        rooms.enumerate().min_by_key(|(_, rooms)| *rooms).map_or(0, |(thread, _)| thread)
    }

    /// A beat was echoed.
    pub(crate) fn heard(&self, stream: StreamId, sequence: u64) {
        let beater = self.beater();
        let Some(listener) = beater.listener.as_ref().filter(|it| it.stream == stream) else { return };
        // An echo of what was never sent says nothing.
        let sent = beater.sent.iter().find(|it| it.0 == sequence && listener.first <= sequence);
        if let Some((_, sent_at)) = sent {
            self.heard.store(micros(*sent_at), Ordering::Relaxed);
        }
    }

    /// When the last beat was sent that the operator has echoed.
    pub(crate) fn heard_at(&self) -> Option<Duration> {
        let heard = self.heard.load(Ordering::Relaxed);
        (heard != NEVER).then(|| Duration::from_micros(heard))
    }

    /// How often beats are wanted. The operator takes more than twice as long without one for a hang, so a thread that
    /// stood still for one has not been given up yet.
    pub(crate) fn heartbeat(&self) -> Duration {
        Duration::from_micros(self.heartbeat.load(Ordering::Relaxed))
    }

    // What the threads that tick say.

    /// When the next beat is due; `None` if nobody listens.
    pub(crate) fn due(&self) -> Option<Duration> {
        let due = self.due.load(Ordering::Relaxed);
        (due != NEVER).then(|| Duration::from_micros(due))
    }

    /// This thread has visited a room.
    pub(crate) fn moved(&self, thread: usize, progress: u64, now: Duration) {
        self.progress.fetch_add(progress, Ordering::Relaxed);
        if let Some(it) = self.threads.get(thread) {
            it.has_moved.store(true, Ordering::Relaxed);
        }
        self.beat_if_due(now);
    }

    /// A room of this thread is gone.
    pub(crate) fn let_go(&self, thread: usize) {
        if let Some(it) = self.threads.get(thread) {
            it.rooms.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// What this thread has measured.
    pub(crate) fn publish(&self, thread: usize, figures: Figures) {
        if let Some(it) = self.threads.get(thread) {
            it.tick_p99_us.store(micros(figures.tick_p99), Ordering::Relaxed);
            it.load.store(figures.load, Ordering::Relaxed);
        }
    }

    /// Sends a beat, if one is due and all rooms move.
    pub(crate) fn beat_if_due(&self, now: Duration) {
        if micros(now) < self.due.load(Ordering::Relaxed) {
            return;
        }
        let mut beater = match self.beater.try_lock() {
            Ok(beater) => beater,
            Err(TryLockError::Poisoned(error)) => error.into_inner(),
            // Another thread is at it, or the desk: there is another visit soon.
            Err(TryLockError::WouldBlock) => return,
        };
        // It may have been sent meanwhile.
        if micros(now) < self.due.load(Ordering::Relaxed) {
            return;
        }
        let hosts = |it: &&ThreadPulse| 0 < it.rooms.load(Ordering::Relaxed);
        if self.threads.iter().filter(hosts).any(|it| !it.has_moved.load(Ordering::Relaxed)) {
            return;
        }
        if !self.threads.iter().any(|it| hosts(&it)) {
            // Rooms that are being opened or are finished want nothing, and that was done.
            self.progress.fetch_add(1, Ordering::Relaxed);
        }
        self.threads.iter().for_each(|it| it.has_moved.store(false, Ordering::Relaxed));
        self.beat(&mut beater, now);
    }

    fn beat(&self, beater: &mut Beater, now: Duration) {
        let Some(listener) = &beater.listener else { return };
        beater.sequence += 1;
        if beater.sent.len() == ECHOES_AWAITED {
            beater.sent.pop_front();
        }
        beater.sent.push_back((beater.sequence, now));
        let slowest = self.threads.iter().map(|it| it.tick_p99_us.load(Ordering::Relaxed)).max();
        let beat = Beat {
            sequence: beater.sequence,
            progress: self.progress.load(Ordering::Relaxed),
            tick_p99: Duration::from_micros(slowest.unwrap_or_default()),
            load_permille: self
                .threads
                .iter()
                .map(|it| it.load.load(Ordering::Relaxed))
                .max()
                .unwrap_or_default(),
        };
        let is_hosting = self.is_hosting.load(Ordering::Relaxed);
        let period = if is_hosting { listener.heartbeat } else { listener.heartbeat.max(EMPTY_HEARTBEAT) };
        if listener.outbox.send(ToOperator::Beat(beat)) {
            // On the grid, so that a late beat does not make all later ones late.
            let planned = Duration::from_micros(self.due.load(Ordering::Relaxed)).saturating_add(period);
            let next = if planned <= now { now.saturating_add(period) } else { planned };
            self.due.store(micros(next), Ordering::Relaxed);
        } else {
            beater.listener = None;
            self.due.store(NEVER, Ordering::Relaxed);
        }
        beater.last = now;
    }

    fn beater(&self) -> MutexGuard<'_, Beater> {
        self.beater.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whole microseconds, and never [`NEVER`].
fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(NEVER).min(NEVER - 1)
}

#[cfg(test)]
mod tests;
