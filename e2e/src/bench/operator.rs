//! What the operator that leads uses meanwhile: CPU, memory, and requests as the API server counts them.

use anyhow::{Result, ensure};
use tokio::time::Instant;

use super::stage::{OPERATOR, Stage};
use super::writes;
use crate::chart;
use crate::cost;

/// The name of its counted writes.
const WRITES: &str = "gamekeeper-bench-operator";

/// The chart's schema for the Lease.
const LEASE_REQUESTS: &str = "gamekeeper-operator.gamekeeper-system";

/// The operator that leads, from some moment on.
pub(super) struct Leader<'a> {
    stage: &'a Stage,
    pid: u32,
    begun: Instant,
    before: Counted,
}

#[derive(Clone, Copy)]
struct Counted {
    writes: f64,
    lease_requests: f64,
    cpu_s: f64,
}

/// What it has used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Used {
    pub(super) seconds: f64,
    /// Without the Lease's.
    pub(super) writes: f64,
    pub(super) lease_requests: f64,
    pub(super) cpu_s: f64,
}

/// Has the writes of all operators counted, from now on until the stage is cleared.
pub(super) async fn count_writes(stage: &Stage) -> Result<()> {
    writes::count(&stage.prepared.kubectl, WRITES, chart::NAMESPACE, OPERATOR).await
}

impl<'a> Leader<'a> {
    /// From now on.
    pub(super) async fn watch(stage: &'a Stage) -> Result<Self> {
        let pid = stage.leader().await?;
        Ok(Self { stage, pid, begun: Instant::now(), before: counted(stage, pid).await? })
    }

    pub(super) fn process(&self) -> (String, u32) {
        ("operator".to_owned(), self.pid)
    }

    /// At this moment.
    pub(super) fn rss_mib(&self) -> Result<f64> {
        cost::rss_mib(self.pid)
    }

    /// So far. Fails if another one has taken the lead.
    pub(super) async fn used(&self) -> Result<Used> {
        ensure!(self.stage.leader().await? == self.pid, "another operator took the lead meanwhile");
        let (now, before) = (counted(self.stage, self.pid).await?, self.before);
        Ok(Used {
            seconds: self.begun.elapsed().as_secs_f64(),
            writes: now.writes - before.writes,
            lease_requests: now.lease_requests - before.lease_requests,
            cpu_s: now.cpu_s - before.cpu_s,
        })
    }
}

async fn counted(stage: &Stage, pid: u32) -> Result<Counted> {
    let [writes, lease_requests] = writes::so_far(&stage.client, [WRITES, LEASE_REQUESTS]).await?;
    Ok(Counted { writes, lease_requests, cpu_s: cost::cpu_s(pid)? })
}
