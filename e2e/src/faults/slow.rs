//! A program that answers late: it stands still most of the time.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::container::Container;
use super::signal::Signal;

/// How long it stands still at a time: long for who saves ten times a second, and short of what anybody takes for its end.
const STILL: Duration = Duration::from_millis(400);

/// How long it goes on between.
const BETWEEN: Duration = Duration::from_millis(100);

/// A program that is slowed down until this is ended.
#[derive(Debug)]
pub(super) struct Slowed {
    over: CancellationToken,
    task: JoinHandle<()>,
}

impl Slowed {
    pub(super) fn begin(container: Container) -> Self {
        let over = CancellationToken::new();
        let task = tokio::spawn(slow(container, over.clone()));
        Self { over, task }
    }

    /// Lets it go on as before.
    pub(super) async fn end(self) {
        self.over.cancel();
        // It ends by itself when told; a panic in it leaves nothing to do.
        let _ = self.task.await;
    }
}

async fn slow(container: Container, over: CancellationToken) {
    while !over.is_cancelled() && !container.has_ended() {
        // It may end at any moment, and then it is not slow any more.
        let _ = container.signal(Signal::Stop).await;
        let _ = over.run_until_cancelled(sleep(STILL)).await;
        let _ = container.signal(Signal::Cont).await;
        let _ = over.run_until_cancelled(sleep(BETWEEN)).await;
    }
}
