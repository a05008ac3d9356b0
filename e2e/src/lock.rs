//! Locks between processes: two test binaries must not build, or bring up one cluster, at once.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::{Instant, sleep};

use crate::progress::say;

/// How often a taken lock is tried again.
const RETRY: Duration = Duration::from_millis(50);

/// Shorter waits are not worth a line.
const QUIET: Duration = Duration::from_secs(1);

/// A lock that is held until it is dropped or its process ends, whichever way it ends.
#[derive(Debug)]
pub struct FileLock {
    _file: File,
}

impl FileLock {
    /// Waits for the lock of `name`, which lies in the cache: unlike a state folder that is never removed.
    pub async fn acquire(name: &str) -> Result<Self> {
        let folder = crate::paths::cache()?.join("locks");
        tokio::fs::create_dir_all(&folder).await.with_context(|| format!("make {}", folder.display()))?;
        Self::acquire_file(&folder.join(name)).await
    }

    async fn acquire_file(path: &Path) -> Result<Self> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .with_context(|| format!("open the lock {}", path.display()))?;
        let start = Instant::now();
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) => sleep(RETRY).await,
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| format!("lock {}", path.display()));
                }
            }
            if !told && start.elapsed() > QUIET {
                told = true;
                say(&format!("waiting for another process that holds {}", path.display()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lock_has_one_holder_and_is_free_once_dropped() {
        let path = std::env::temp_dir().join(format!("gk-lock-test-{}", std::process::id()));
        let held = FileLock::acquire_file(&path).await.unwrap();
        let second = tokio::time::timeout(Duration::from_millis(200), FileLock::acquire_file(&path)).await;
        assert!(second.is_err(), "two holders of one lock");
        drop(held);
        FileLock::acquire_file(&path).await.unwrap();
        std::fs::remove_file(&path).unwrap();
    }
}
