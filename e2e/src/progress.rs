//! What the harness is doing, on stderr: stdout belongs to what a command prints for others to use.

use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

/// How long a step may be silent: someone who waits for minutes wants to know that it is alive.
const SIGN_OF_LIFE: Duration = Duration::from_secs(30);

/// Prints one line.
pub fn say(line: &str) {
    eprintln!("{line}");
}

/// Does `work`, and tells before what it is and afterwards how long it took.
pub async fn step<T>(what: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    let start = Instant::now();
    say(&format!("{what} …"));
    let mut work = std::pin::pin!(work);
    let mut signs = interval_at(start + SIGN_OF_LIFE, SIGN_OF_LIFE);
    signs.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let result = loop {
        tokio::select! {
            result = &mut work => break result,
            _ = signs.tick() => say(&format!("{what} … {} s so far", start.elapsed().as_secs())),
        }
    };
    let outcome = if result.is_ok() { "done" } else { "failed" };
    say(&format!("{what}: {outcome} after {:.1} s", start.elapsed().as_secs_f64()));
    result
}
