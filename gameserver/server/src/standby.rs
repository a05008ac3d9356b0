//! Copies of rooms, straight from one server to another: this one's to its standby, and others' to this one.
//!
//! The operator says who stands by for whom. A standby keeps the newest copy of each room in memory, and goes on from it when
//! the room's owner has ended for certain, whether the store can be reached or not.

mod copies;
mod receiver;
mod sender;
mod wire;

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use gamekeeper_control::{Mirror, Token};
use quinn::Endpoint;
use tokio::{sync::watch, time::interval};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
pub(crate) use receiver::Receiver;
pub(crate) use sender::{Broken, Line, Sent};
pub(crate) use wire::ALPN;

/// How often copies that nobody renews are looked for.
const SWEEP: Duration = Duration::from_secs(1);

/// How copies of rooms go, for whoever watches. It outlives the server.
#[derive(Clone, Debug)]
pub struct Standing(Option<Standby>);

impl Standing {
    /// Whether a standby takes copies of this server's rooms now. `false` where there is none, too.
    pub fn is_mirrored(&self) -> bool {
        self.0.as_ref().is_some_and(|it| it.line.borrow().is_some())
    }

    /// Of how many rooms of other servers there are copies here.
    pub fn copies(&self) -> usize {
        self.0.as_ref().map_or(0, |it| it.receiver.rooms())
    }
}

/// Both ends. A copy is another handle to the same ones.
#[derive(Clone, Debug)]
pub(crate) struct Standby {
    receiver: Arc<Receiver>,
    orders: watch::Sender<Option<Mirror>>,
    line: watch::Sender<Option<Line>>,
}

impl Standby {
    /// For nobody yet.
    pub(crate) fn new(clock: Clock) -> Self {
        let receiver = Receiver::new(clock, copies::BYTES_MAX);
        Self { receiver, orders: watch::Sender::new(None), line: watch::Sender::new(None) }
    }

    pub(crate) fn standing(of: Option<&Self>) -> Standing {
        Standing(of.cloned())
    }

    /// Where copies come in.
    pub(crate) fn receiver(&self) -> &Arc<Receiver> {
        &self.receiver
    }

    /// The way out, if there is one.
    pub(crate) fn line(&self) -> watch::Receiver<Option<Line>> {
        self.line.subscribe()
    }

    /// Whom to stand by for.
    pub(crate) fn expect(&self, tokens: &[Token]) {
        self.receiver.expect(tokens);
    }

    /// Where to send copies. One that is there already is not disturbed.
    pub(crate) fn mirror(&self, to: Option<Mirror>) {
        self.orders.send_if_modified(|it| {
            let is_other = *it != to;
            *it = to;
            is_other
        });
    }

    /// Keeps the way out up, from this endpoint, until `stop` is cancelled.
    pub(crate) async fn run(self, endpoint: Endpoint, stop: CancellationToken) {
        let mut sweep = interval(SWEEP);
        let sweeping = async {
            loop {
                sweep.tick().await;
                self.receiver.drop_old();
            }
        };
        tokio::select! {
            () = sender::run(endpoint, self.orders.subscribe(), self.line.clone(), stop) => (),
            () = sweeping => (),
        }
    }
}
