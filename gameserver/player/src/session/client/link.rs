//! One connection.

use std::time::Duration;

use super::{LinkId, State};
use crate::{
    Malformed,
    frame::{Endpoint, Join, Place, ToServer},
    lane::{Inbox, Outbox},
    limits, snapshots,
};

/// One connection, or an attempt at one.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) id: LinkId,
    /// Where it leads, and by which certificates its server is known.
    pub(super) at: Place,
    /// Its server's certificate, if it is known: two addresses may lead to one server.
    pub(super) server: Option<[u8; limits::CERTIFICATE_HASH_BYTES]>,
    phase: Phase,
    pub(super) inbox: Inbox,
    pub(super) outbox: Outbox,
    pub(super) snapshots: snapshots::Receiver,
    /// There is an input that was never sent.
    pub(super) is_due: bool,
    /// Since when there is a snapshot that was not acknowledged.
    unacknowledged_since: Option<Duration>,
    sent_at: Duration,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Connecting {
        connect_by: Duration,
    },
    /// Connected; whether it is needed will be seen.
    Settling {
        join_at: Duration,
    },
    Joining {
        answer_by: Duration,
    },
    Playing,
}

impl Link {
    pub(super) fn new(id: LinkId, at: Place, connect_by: Duration, now: Duration) -> Self {
        Self {
            id,
            at,
            server: None,
            phase: Phase::Connecting { connect_by },
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            snapshots: snapshots::Receiver::default(),
            is_due: false,
            unacknowledged_since: None,
            sent_at: now,
        }
    }

    pub(super) fn state(&self) -> State {
        match self.phase {
            Phase::Connecting { .. } | Phase::Settling { .. } => State::Connecting,
            Phase::Joining { .. } => State::Joining,
            Phase::Playing => State::Playing,
        }
    }

    pub(super) fn endpoint(&self) -> Option<&Endpoint> {
        self.at.endpoints.first()
    }

    /// Connected; says nothing before it has to.
    pub(super) fn settle(&mut self, join_at: Duration) {
        if let Phase::Connecting { .. } = self.phase {
            self.phase = Phase::Settling { join_at };
        }
    }

    /// Whether it has waited long enough to say Join.
    pub(super) fn is_settled(&self, now: Duration) -> bool {
        matches!(self.phase, Phase::Settling { join_at } if join_at <= now)
    }

    pub(super) fn is_settling(&self) -> bool {
        matches!(self.phase, Phase::Settling { .. })
    }

    pub(super) fn join(&mut self, join: Join, now: Duration) {
        let (Phase::Connecting { .. } | Phase::Settling { .. }) = self.phase else { return };
        self.phase = Phase::Joining { answer_by: now.saturating_add(limits::ANSWER_WITHIN) };
        // The first frame always fits.
        self.outbox.push(limits::OUTBOX_BYTES_MAX, |out| ToServer::Join(join).encode(out));
    }

    /// In the room.
    pub(super) fn joined(&mut self) {
        self.phase = Phase::Playing;
        self.is_due = true;
    }

    pub(super) fn on_datagram(&mut self, datagram: &[u8], now: Duration) -> Result<bool, Malformed> {
        let is_shown = self.snapshots.datagram(datagram)?.is_some();
        if is_shown && self.unacknowledged_since.is_none() {
            self.unacknowledged_since = Some(now);
        }
        Ok(is_shown)
    }

    /// When the next datagram is due. `is_waiting`: there are inputs that are not acknowledged.
    pub(super) fn datagram_at(&self, is_waiting: bool) -> Option<Duration> {
        match self.phase {
            Phase::Connecting { .. } | Phase::Settling { .. } | Phase::Joining { .. } => None,
            Phase::Playing if self.is_due => Some(Duration::ZERO),
            Phase::Playing => {
                let again = is_waiting.then(|| self.sent_at.saturating_add(limits::RESEND_AFTER));
                let ack = self.unacknowledged_since.map(|it| it.saturating_add(limits::ACKNOWLEDGE_AFTER));
                again.into_iter().chain(ack).min()
            }
        }
    }

    /// A datagram was sent, with the newest inputs and the newest acknowledgement.
    pub(super) fn sent(&mut self, now: Duration) {
        self.is_due = false;
        self.unacknowledged_since = None;
        self.sent_at = now;
    }

    /// When the next answer must be there; never, once it plays.
    pub(super) fn answer_by(&self) -> Duration {
        match self.phase {
            Phase::Connecting { connect_by: by } | Phase::Joining { answer_by: by } => by,
            Phase::Settling { .. } | Phase::Playing => Duration::MAX,
        }
    }

    /// When something is to be done, apart from datagrams.
    pub(super) fn next_timeout(&self) -> Duration {
        match self.phase {
            Phase::Settling { join_at } => join_at,
            Phase::Connecting { .. } | Phase::Joining { .. } | Phase::Playing => self.answer_by(),
        }
    }
}
