//! The fleet's `state`: where rooms' checkpoints are kept, and how often.

use std::{env, time::Duration};

use gamekeeper_store::BadUrl;

/// As the operator tells the server, with `spec.state`.
const URL: &str = "GAMEKEEPER_STATE_URL";
const INTERVAL: &str = "GAMEKEEPER_CHECKPOINT_INTERVAL_MS";
const FENCE: &str = "GAMEKEEPER_FENCE_AFTER_MS";

/// Where rooms' checkpoints are kept, and how often: the fleet's `spec.state`.
#[derive(Clone)]
pub struct State {
    /// Of Redis: `redis://…`, `rediss://…`, `redis-cluster://…` or `rediss-cluster://…`.
    pub url: String,
    /// A room is saved so often.
    pub checkpoint_interval: Duration,
    /// A server that nobody has heard for so long freezes its rooms, and a new owner waits so long for one that may
    /// still be alive.
    pub fence_after: Duration,
}

/// What is wrong with a fleet's `state`.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A variable of the environment is not what the operator would set.
    #[error(
        "{0} is not a number of milliseconds from 1 to 60000: the operator sets it as in the fleet's spec.state"
    )]
    Variable(&'static str),
    /// The times do not go together.
    #[error(
        "checkpoints every {} ms and a fence of {} ms: the fence must be twice as long at least",
        .interval.as_millis(),
        .fence.as_millis()
    )]
    Times {
        /// Of checkpoints.
        interval: Duration,
        /// The fence.
        fence: Duration,
    },
    /// The address cannot be read.
    #[error("the address of the store, {URL}")]
    Url(#[source] BadUrl),
}

impl State {
    /// What the operator says in the environment; `None`: the fleet has no `state`.
    pub fn from_environment() -> Result<Option<Self>, StateError> {
        let Ok(url) = env::var(URL) else { return Ok(None) };
        let milliseconds = |name: &'static str, usual: u64| match env::var(name) {
            Err(_) => Ok(Duration::from_millis(usual)),
            Ok(text) => text
                .parse()
                .ok()
                .filter(|it| (1..=60_000).contains(it))
                .map(Duration::from_millis)
                .ok_or(StateError::Variable(name)),
        };
        let (checkpoint_interval, fence_after) = (milliseconds(INTERVAL, 100)?, milliseconds(FENCE, 1000)?);
        Ok(Some(Self { url, checkpoint_interval, fence_after }))
    }
}

/// Without the address, which has a password.
impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { url: _, checkpoint_interval, fence_after } = self;
        f.debug_struct("State")
            .field("checkpoint_interval", checkpoint_interval)
            .field("fence_after", fence_after)
            .finish_non_exhaustive()
    }
}
