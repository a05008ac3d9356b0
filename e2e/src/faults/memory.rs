//! A container that runs out of memory: the kernel ends it, and its node is told why.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::time::{Instant, sleep};

use super::container::Container;
use crate::clock::Moment;
use crate::cluster::{Cluster, processes_of, signal_kill};
use crate::command::program;

/// What is left to the container and the eaters: little, so that it is gone at once.
const LEFT_MIB: u64 = 8;

/// Eaters of a mebibyte each: none is large enough to be the victim itself.
const EATERS: u64 = 2 * LEFT_MIB;

/// How long the kernel may take to choose its victim.
const DEADLINE: Duration = Duration::from_secs(10);

/// How often is looked: the moment of the fault is known as exactly as this.
const LOOK: Duration = Duration::from_millis(1);

/// Moves itself into a control group, and begins so many programs that take memory and keep it for a while: `tail` keeps the
/// last lines, and this is one without an end.
const EATER: &str = r#"echo $$ >"$1/cgroup.procs" || exit
for _ in $(seq "$2"); do
  { head -c 1048576 /dev/zero; sleep 10; } | tail >/dev/null &
done
wait"#;

/// The files of a limit, and of what is used, in both versions of control groups.
const FILES: [(&str, &str); 2] =
    [("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")];

/// Lets a container run out of memory, and returns when it was seen alive for the last time: others may hear of its end before
/// us. Its limit ends with it.
pub(super) async fn exhaust(cluster: &Cluster, container: &Container) -> Result<Moment> {
    for (limit, used) in FILES {
        if let Some(group) = container.group_with(cluster, limit)? {
            return exhaust_group(container, &group, limit, used).await;
        }
    }
    bail!("the container has no control group that limits memory: is the controller `memory` there?")
}

async fn exhaust_group(container: &Container, group: &Path, limit: &str, used: &str) -> Result<Moment> {
    let used: u64 = read(&group.join(used))?.parse().context("the memory that a container uses")?;
    let limit = group.join(limit);
    let before = read(&limit)?;
    // The eater is not to be the victim. A higher score may be set by everybody.
    let score = format!("/proc/{}/oom_score_adj", container.pid);
    fs::write(&score, "1000").with_context(|| format!("write {score}"))?;
    write(&limit, &(used + (LEFT_MIB << 20)).to_string())?;
    let own = processes_of(&[group.to_owned()]);
    let mut eater = program("sh")
        .args(["-c", EATER, "eater"])
        .arg(group)
        .arg(EATERS.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("start what takes the memory")?;
    let deadline = Instant::now() + DEADLINE;
    let mut alive_at = Moment::now();
    let has_ended = loop {
        let now = Moment::now();
        if container.has_ended() {
            break true;
        }
        if deadline < Instant::now() {
            break false;
        }
        alive_at = now;
        sleep(LOOK).await;
    };
    // In any case: who is left there holds up the container's end.
    eater.kill().await.context("end what takes the memory")?;
    let mut left = processes_of(&[group.to_owned()]);
    left.retain(|pid| !own.contains(pid));
    signal_kill(&left).await?;
    if !has_ended {
        write(&limit, &before).context("give the container its memory back")?;
        bail!("the container {} did not run out of memory within {DEADLINE:?}", container.id);
    }
    Ok(alive_at)
}

fn read(path: &Path) -> Result<String> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    Ok(text.trim().to_owned())
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("write {text} to {}", path.display()))
}
