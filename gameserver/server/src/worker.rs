//! Threads that tick: many rooms each, at a fixed rate, and nothing that a room does ends more than itself.

mod seated;
mod standstill;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc as std_mpsc,
    },
    thread,
    time::Duration,
};

use gamekeeper_room::Pace;
use tokio::sync::mpsc;
use tracing::{error, warn};

use crate::{audience::Screen, clock::Clock, desk::Note, measure::Measure, pulse::Pulse};
pub(crate) use seated::Seated;
use seated::{Moment, Visit};
use standstill::Standstill;

/// How long a thread without rooms sleeps when no beat is due: it is woken for everything else.
const IDLE_SLEEP: Duration = Duration::from_mins(1);

/// When a beat is due and another thread has not moved yet, it is asked again after this time.
const BEAT_RETRY: Duration = Duration::from_millis(10);

/// What a thread is told.
#[derive(Debug)]
pub(crate) enum Task {
    /// Tick this room.
    Room(Box<Seated>),
    /// Look at the time of the next beat.
    Knock,
}

/// The threads that tick, as the desk sees them. Dropped, they end, and so do their rooms.
#[derive(Debug)]
pub(crate) struct Workers {
    threads: Vec<Thread>,
    pulse: Arc<Pulse>,
}

/// The way to one thread.
#[derive(Debug)]
struct Thread {
    tasks: std_mpsc::SyncSender<Task>,
    /// A knock is on its way: one is enough, and many would take the room of rooms.
    is_knocked: Arc<AtomicBool>,
}

/// What a thread needs.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) clock: Clock,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) notes: mpsc::Sender<Note>,
    pub(crate) tick_rate: std::num::NonZeroU32,
    /// Dropped with the last thread.
    pub(crate) alive: mpsc::Sender<()>,
}

impl Workers {
    /// Starts so many threads.
    pub(crate) fn start(threads: usize, capacity: usize, frame: &Frame) -> io::Result<Self> {
        let start = |number| {
            // All rooms that there can be, and a knock: a room has its place until its thread has let it go.
            let (tasks, received) = std_mpsc::sync_channel(capacity + 1);
            let is_knocked = Arc::<AtomicBool>::default();
            let (frame, alive, knocked) = (frame.clone(), frame.alive.clone(), is_knocked.clone());
            thread::Builder::new().name(format!("tick-{number}")).spawn(move || {
                Worker::new(number, received, knocked, frame).run();
                drop(alive);
            })?;
            Ok(Thread { tasks, is_knocked })
        };
        let threads = (0..threads).map(start).collect::<io::Result<_>>()?;
        Ok(Self { threads, pulse: frame.pulse.clone() })
    }

    /// Gives a room to the thread with the fewest.
    pub(crate) fn run(&self, room: Seated) {
        let thread = self.pulse.idlest();
        // Before the thread knows: one that stands still must not seem to have nothing to do.
        self.pulse.give(thread);
        let sent = self.threads.get(thread).map(|it| it.tasks.try_send(Task::Room(Box::new(room))).is_ok());
        if sent != Some(true) {
            // The beats stop, and that says it.
            error!(thread, "a thread takes no rooms any more");
        }
    }

    /// Has all threads look at the time of the next beat.
    pub(crate) fn knock(&self) {
        for thread in &self.threads {
            if !thread.is_knocked.swap(true, Ordering::Relaxed) {
                // Full: it will look anyway.
                let _ = thread.tasks.try_send(Task::Knock);
            }
        }
    }
}

/// One thread.
struct Worker {
    number: usize,
    tasks: std_mpsc::Receiver<Task>,
    is_knocked: Arc<AtomicBool>,
    frame: Frame,
    rooms: Vec<Seated>,
    pace: Pace,
    measure: Measure,
    screen: Screen,
    standstill: Standstill,
    #[cfg(feature = "count-allocations")]
    told: Duration,
}

impl Worker {
    fn new(
        number: usize,
        tasks: std_mpsc::Receiver<Task>,
        is_knocked: Arc<AtomicBool>,
        frame: Frame,
    ) -> Self {
        let now = frame.clock.now();
        let pace = Pace::new(frame.tick_rate, now);
        Self {
            number,
            tasks,
            is_knocked,
            frame,
            rooms: Vec::new(),
            pace,
            measure: Measure::new(now),
            screen: Screen::default(),
            standstill: Standstill::new(now),
            #[cfg(feature = "count-allocations")]
            told: now,
        }
    }

    /// Until the desk has gone.
    fn run(mut self) {
        loop {
            let task = match self.tasks.try_recv() {
                Ok(task) => Some(task),
                Err(std_mpsc::TryRecvError::Disconnected) => return,
                Err(std_mpsc::TryRecvError::Empty) => match self.tick_or_wait() {
                    Ok(task) => task,
                    Err(std_mpsc::RecvError) => return,
                },
            };
            match task {
                Some(Task::Room(room)) => self.take_in(*room),
                Some(Task::Knock) => self.is_knocked.store(false, Ordering::Relaxed),
                None => (),
            }
        }
    }

    fn take_in(&mut self, room: Seated) {
        if self.rooms.is_empty() {
            // The time without rooms is not one to be made up for.
            self.pace = Pace::new(self.frame.tick_rate, self.frame.clock.now());
        }
        self.rooms.push(room);
    }

    /// Does what is due, or waits until something is or a task comes.
    fn tick_or_wait(&mut self) -> Result<Option<Task>, std_mpsc::RecvError> {
        let now = self.frame.clock.now();
        if let Some(figures) = self.measure.figures(now) {
            #[cfg(feature = "count-allocations")]
            crate::allocations::tell(now, &mut self.told);
            self.frame.pulse.publish(self.number, figures);
            if 0 < figures.skipped {
                warn!(
                    thread = self.number,
                    skipped = figures.skipped,
                    load = figures.load,
                    "ticks were left out: the server is late"
                );
            }
        }
        let due = if self.rooms.is_empty() { None } else { self.pace.take(now) };
        if let Some(due) = due {
            self.visit_all(Visit::Tick, now);
            self.measure.round(due.skipped);
            return Ok(None);
        }
        let beat = self.frame.pulse.due();
        if beat.is_some_and(|it| it <= now) {
            // Between two ticks there is nothing to do, and that is said after a look at every room.
            self.visit_all(Visit::Look, now);
            self.frame.pulse.beat_if_due(now);
        }
        let next_beat = self.frame.pulse.due().unwrap_or(Duration::MAX);
        let next_tick = if self.rooms.is_empty() { Duration::MAX } else { self.pace.next() };
        // A beat that others hold up is theirs to send: asking all the time would not hasten it.
        let pause = self.pace.period().min(BEAT_RETRY);
        let next_beat = if next_beat <= now { now.saturating_add(pause) } else { next_beat };
        let wait = next_beat.min(next_tick).saturating_sub(now).min(IDLE_SLEEP);
        self.standstill.expect(now.saturating_add(wait));
        match self.tasks.recv_timeout(wait) {
            Ok(task) => Ok(Some(task)),
            Err(std_mpsc::RecvTimeoutError::Timeout) => Ok(None),
            Err(std_mpsc::RecvTimeoutError::Disconnected) => Err(std_mpsc::RecvError),
        }
    }

    fn visit_all(&mut self, visit: Visit, now: Duration) {
        let Self { number, frame, rooms, measure, screen, standstill, .. } = self;
        let mut before = now;
        // Two atomics for all rooms: whoever was heard while they are visited is heard at the next visit.
        let (heard, limit) = (frame.pulse.heard_at(), frame.pulse.heartbeat());
        rooms.retain_mut(|seated| {
            let moment = Moment {
                clock: frame.clock,
                now: before,
                heard,
                is_late: standstill.is(before, limit),
                limit,
            };
            #[cfg(feature = "count-allocations")]
            let visited = crate::allocations::counted(|| seated.visit(visit, screen, &moment));
            #[cfg(not(feature = "count-allocations"))]
            let visited = seated.visit(visit, screen, &moment);
            let after = frame.clock.now();
            if visited.ticked {
                measure.room(after.saturating_sub(before));
                #[cfg(feature = "count-allocations")]
                crate::allocations::ticked();
            }
            before = after;
            let is_gone = !seated.tell(&frame.notes);
            if is_gone {
                frame.pulse.let_go(*number);
            }
            frame.pulse.moved(*number, visited.progress, after);
            !is_gone
        });
        // What comes next, comes at once; and a round that took long is a standstill for all rooms.
        standstill.expect(now);
    }
}
