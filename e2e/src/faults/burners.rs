//! Threads that take all the time of the machine that they get. They are in a control group of their own: so they have a
//! share of the time as a node has one, however many processes are on it.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::process::Child;

use crate::cluster::Cluster;
use crate::command::program;
use crate::wait::eventually;

/// How long killed processes may take to leave their group.
const DEADLINE: Duration = Duration::from_secs(10);

/// Moves itself into control groups, and is busy.
const BURNER: &str = r#"for group; do echo $$ >"$group/cgroup.procs" || exit; done
while :; do :; done"#;

/// Those of a cluster.
#[derive(Debug)]
pub(super) struct Burners(Vec<Child>);

impl Burners {
    pub(super) fn begin(cluster: &Cluster, threads: usize) -> Result<Self> {
        let groups = cluster.burners()?;
        let (mark, state) = cluster.mark();
        let burner = |_| {
            let mut shell = program("sh");
            shell.args(["-c", BURNER, "burner"]).args(&groups).env(mark, state);
            shell.stdout(Stdio::null()).spawn().context("start what burns time")
        };
        (0..threads).map(burner).collect::<Result<_>>().map(Self)
    }

    /// Ends them.
    pub(super) async fn end(&mut self, cluster: &Cluster) -> Result<()> {
        for child in &mut self.0 {
            child.kill().await.context("end what burns time")?;
        }
        let removed = || std::future::ready(cluster.remove_burners());
        eventually("the control group of what burnt time to be empty", DEADLINE, removed).await
    }
}
