//! What is sent over one stream: a queue that never makes anybody wait, and the ways in which it ends.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use gamekeeper_control::{ToOperator, proto};
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};
use tonic::Status;

/// Messages that wait for a stream, beside those that all rooms may have to say at once.
const QUEUE_MIN: usize = 256;

/// For each room that can be here: its state, its result, an answer and another one.
const QUEUE_PER_ROOM: usize = 4;

/// The way into a stream. Its policy: when the queue is full, nobody reads, and the stream is aborted; the
/// next Welcome makes it good.
#[derive(Clone, Debug)]
pub(crate) struct Outbox {
    queue: mpsc::Sender<proto::ServerMessage>,
    end: End,
}

/// How a stream ends before its other side ends it.
#[derive(Clone, Debug)]
pub(crate) struct End {
    status: Arc<Mutex<Option<Status>>>,
    /// Nothing more of the queue is sent.
    pub(crate) aborted: CancellationToken,
    /// Nothing more comes into the queue. Who reads from the stream stops.
    pub(crate) finished: CancellationToken,
    /// Nothing more can be sent: all was, or the connection is gone.
    pub(crate) gone: CancellationToken,
}

/// What tonic sends.
pub(crate) struct Outgoing {
    queue: mpsc::Receiver<proto::ServerMessage>,
    end: End,
    aborted: Pin<Box<WaitForCancellationFutureOwned>>,
    is_over: bool,
    _gone: DropGuard,
}

/// A stream of a server that can host so many rooms.
pub(crate) fn outbox(capacity: usize) -> (Outbox, Outgoing) {
    let (sender, receiver) = mpsc::channel(QUEUE_MIN + QUEUE_PER_ROOM * capacity);
    let end = End {
        status: Arc::default(),
        aborted: CancellationToken::new(),
        finished: CancellationToken::new(),
        gone: CancellationToken::new(),
    };
    let outgoing = Outgoing {
        queue: receiver,
        end: end.clone(),
        aborted: Box::pin(end.aborted.clone().cancelled_owned()),
        is_over: false,
        _gone: end.gone.clone().drop_guard(),
    };
    (Outbox { queue: sender, end }, outgoing)
}

impl Outbox {
    /// Queues a message. `false`: it cannot be sent, and the stream is over.
    pub(crate) fn send(&self, message: ToOperator) -> bool {
        let sent = !self.end.aborted.is_cancelled() && self.queue.try_send(message.into()).is_ok();
        if !sent {
            self.abort(Status::resource_exhausted("the server's messages are not read"));
        }
        sent
    }

    /// Ends the stream at once, whatever is queued.
    pub(crate) fn abort(&self, status: Status) {
        self.end.status.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(status);
        self.end.aborted.cancel();
        self.end.finished.cancel();
    }

    /// Ends the stream after what is queued, as soon as no outbox of it is left.
    pub(crate) fn finish(&self) {
        self.end.finished.cancel();
    }

    pub(crate) fn end(&self) -> &End {
        &self.end
    }
}

impl Stream for Outgoing {
    type Item = Result<proto::ServerMessage, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        if self.aborted.as_mut().poll(cx).is_ready() {
            self.is_over = true;
            let status = self.end.status.lock().unwrap_or_else(PoisonError::into_inner).take();
            return Poll::Ready(status.map(Err));
        }
        self.queue.poll_recv(cx).map(|it| it.map(Ok))
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// How many messages come, and how the stream ends, if it does.
    fn read(outgoing: &mut Outgoing) -> (usize, Option<Result<(), tonic::Code>>) {
        let mut context = Context::from_waker(Waker::noop());
        let mut messages = 0;
        loop {
            match Pin::new(&mut *outgoing).poll_next(&mut context) {
                Poll::Ready(Some(Ok(_))) => messages += 1,
                Poll::Ready(Some(Err(status))) => return (messages, Some(Err(status.code()))),
                Poll::Ready(None) => return (messages, Some(Ok(()))),
                Poll::Pending => return (messages, None),
            }
        }
    }

    #[test]
    fn what_is_sent_comes_and_the_stream_ends_after_it() {
        let (outbox, mut outgoing) = outbox(1);
        assert!(outbox.send(ToOperator::Draining(true)));
        assert_eq!(read(&mut outgoing), (1, None));
        let (end, other) = (outbox.end().clone(), outbox.clone());
        assert!(outbox.send(ToOperator::Draining(false)));
        outbox.finish();
        drop((outbox, other));
        assert!(end.finished.is_cancelled() && !end.aborted.is_cancelled());
        assert_eq!(read(&mut outgoing), (1, Some(Ok(()))));
        drop(outgoing);
        assert!(end.gone.is_cancelled());
    }

    #[test]
    fn a_queue_that_overflows_ends_the_stream_and_says_why() {
        let (outbox, mut outgoing) = outbox(1);
        for _ in 0..QUEUE_MIN + QUEUE_PER_ROOM {
            assert!(outbox.send(ToOperator::Draining(true)));
        }
        assert!(!outbox.send(ToOperator::Draining(true)));
        assert!(outbox.end().finished.is_cancelled(), "the reader stops too");
        // What is queued is not sent any more: the next Welcome makes it good.
        assert_eq!(read(&mut outgoing), (0, Some(Err(tonic::Code::ResourceExhausted))));
        assert_eq!(read(&mut outgoing), (0, Some(Ok(()))));
        assert!(!outbox.send(ToOperator::Draining(true)), "for ever");
    }

    #[test]
    fn the_first_reason_counts() {
        let (outbox, mut outgoing) = outbox(1);
        outbox.abort(Status::aborted("replaced"));
        outbox.abort(Status::resource_exhausted("not read"));
        assert_eq!(read(&mut outgoing), (0, Some(Err(tonic::Code::Aborted))));
    }
}
