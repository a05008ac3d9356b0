//! CPU of this process, and of its thread that ticks.

use std::fs;

use anyhow::{Context as _, Result};

const NANOSECONDS: f64 = 1e9;

/// From here on.
pub(super) struct Meter {
    ticking: f64,
    all: f64,
}

impl Meter {
    pub(super) fn start() -> Result<Self> {
        let (ticking, all) = now()?;
        Ok(Self { ticking, all })
    }

    /// Seconds of CPU: of the thread that ticks, and of all threads.
    pub(super) fn read(&self) -> Result<(f64, f64)> {
        let (ticking, all) = now()?;
        Ok((ticking - self.ticking, all - self.all))
    }
}

/// Threads that have ended since are not in it: none does while a window is measured.
fn now() -> Result<(f64, f64)> {
    let (mut ticking, mut all) = (None, 0.0);
    for task in fs::read_dir("/proc/self/task").context("list our threads")? {
        let path = task.context("list our threads")?.path();
        let Ok(schedule) = fs::read_to_string(path.join("schedstat")) else { continue };
        let used: f64 = schedule.split(' ').next().unwrap_or_default().parse().context("time on a CPU")?;
        all += used / NANOSECONDS;
        if fs::read_to_string(path.join("comm")).is_ok_and(|it| it.trim() == "tick-0") {
            ticking = Some(used / NANOSECONDS);
        }
    }
    Ok((ticking.context("no thread ticks")?, all))
}
