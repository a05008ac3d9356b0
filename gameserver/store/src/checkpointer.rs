//! When a room is saved, and when that is written: of one room, pure.
//!
//! One write is under way at most, and one checkpoint waits at most: a newer one takes its place. So a slow store
//! costs the room neither memory nor ticks, only the age of what could be restored.

use std::time::Duration;

use gamekeeper_room::Epoch;

use crate::{StoreError, Verdict, Written, backoff::pause_after};

#[cfg(test)]
mod tests;

/// The times of a fleet's `state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// A checkpoint so often.
    pub interval: Duration,
    /// When the store took nothing for so long, somebody is told; and an owner that nobody hears stops.
    pub fence_after: Duration,
}

/// What is to be done. `C` is a checkpoint, sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action<C> {
    /// Save the room now, and hand it in by [`Checkpointer::saved`].
    Save,
    /// Write this, and say by [`Checkpointer::answered`] what became of it.
    Write(C),
    /// Tell the operator: the store took nothing for `fence_after`.
    Failing,
    /// Tell the operator: it takes checkpoints again.
    Recovered,
    /// Stop the room: it is another owner's. Nothing comes after this.
    Fenced {
        /// The epoch of that owner, to be named to the operator.
        owner: Epoch,
    },
    /// The room has ended in the store. Nothing comes after this.
    Finished,
}

/// When one room is saved and written. Times are since any moment that stays the same.
#[derive(Clone, Debug)]
pub struct Checkpointer<C> {
    pace: Pace,
    save_at: Duration,
    is_saving: bool,
    /// The newest one that was not written yet.
    pending: Option<C>,
    /// When the write that is under way was sent.
    sent_at: Option<Duration>,
    /// In a row.
    failures: u32,
    retry_at: Duration,
    last_accepted_at: Duration,
    failing_since: Option<Duration>,
    has_told: bool,
    has_ended: bool,
    /// What is to be said before anything else is done.
    news: Option<Action<C>>,
}

impl<C> Checkpointer<C> {
    /// Of a room that is to be saved from now on. `taken_at`: when the room was asked for at the store, which is the
    /// first that the store heard of this owner.
    pub fn new(pace: Pace, taken_at: Duration) -> Self {
        Self {
            pace,
            save_at: taken_at,
            is_saving: false,
            pending: None,
            sent_at: None,
            failures: 0,
            retry_at: taken_at,
            last_accepted_at: taken_at,
            failing_since: None,
            has_told: false,
            has_ended: false,
            news: None,
        }
    }

    /// What is to be done now. To be asked until there is nothing.
    pub fn poll(&mut self, now: Duration) -> Option<Action<C>> {
        if self.news.is_some() {
            return self.news.take();
        }
        if self.tell_at().is_some_and(|it| it <= now) {
            self.has_told = true;
            return Some(Action::Failing);
        }
        if self.next_save().is_some_and(|it| it <= now) {
            self.is_saving = true;
            self.save_at = now.saturating_add(self.pace.interval);
            return Some(Action::Save);
        }
        if self.next_write().is_some_and(|it| it <= now) {
            self.sent_at = Some(now);
            self.failing_since.get_or_insert(now);
            return self.pending.take().map(Action::Write);
        }
        None
    }

    /// When [`poll`](Self::poll) is worth the next call, if nothing else happens first.
    pub fn next_due(&self) -> Option<Duration> {
        match self.news {
            Some(_) => Some(Duration::ZERO),
            None => [self.tell_at(), self.next_save(), self.next_write()].into_iter().flatten().min(),
        }
    }

    /// The room was saved; `None`: there is nothing to be saved this time. An older checkpoint that still waits is
    /// dropped.
    pub fn saved(&mut self, checkpoint: Option<C>) {
        self.is_saving = false;
        if checkpoint.is_some() && !self.has_ended {
            self.pending = checkpoint;
        }
    }

    /// What became of the write. A checkpoint that was not taken is not written again: there will be a newer one.
    pub fn answered(&mut self, answer: &Result<Verdict<Written>, StoreError>, now: Duration) {
        let Some(sent_at) = self.sent_at.take() else { return };
        match answer {
            Ok(Verdict::Mine(Written::Stored | Written::Older { .. })) => self.accepted(sent_at),
            Ok(Verdict::Fenced { owner }) => self.end(Action::Fenced { owner: *owner }),
            Ok(Verdict::Finished { .. }) => self.end(Action::Finished),
            Err(_) => {
                self.failures = self.failures.saturating_add(1);
                self.retry_at = now.saturating_add(pause_after(self.failures));
            }
        }
    }

    /// When the last write was sent that the store took, or else when the room was taken. An owner that nobody hears
    /// counts `fence_after` from here: the store, which counts from when the write came in, is never earlier.
    pub fn last_accepted_at(&self) -> Duration {
        self.last_accepted_at
    }

    /// When the first write was sent of which none was taken since. `None`: all is well.
    pub fn failing_since(&self) -> Option<Duration> {
        self.failing_since
    }

    fn accepted(&mut self, sent_at: Duration) {
        self.last_accepted_at = sent_at;
        self.failing_since = None;
        self.failures = 0;
        if self.has_told {
            self.has_told = false;
            self.news = Some(Action::Recovered);
        }
    }

    fn end(&mut self, last: Action<C>) {
        self.has_ended = true;
        self.pending = None;
        self.news = Some(last);
    }

    fn tell_at(&self) -> Option<Duration> {
        let is_due = !self.has_told && !self.has_ended;
        self.failing_since.filter(|_| is_due).map(|it| it.saturating_add(self.pace.fence_after))
    }

    /// While the store is left alone, nothing is saved either: it would be old when it is written.
    fn next_save(&self) -> Option<Duration> {
        (!self.is_saving && !self.has_ended).then(|| self.save_at.max(self.retry_at))
    }

    fn next_write(&self) -> Option<Duration> {
        (self.pending.is_some() && self.sent_at.is_none()).then_some(self.retry_at)
    }
}
