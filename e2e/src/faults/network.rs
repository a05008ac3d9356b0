//! Packets between two pods that do not arrive, and connections between them that break: by rules on the node of one of
//! them, where all that it sends and gets is forwarded.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::process::Command;
use tokio::time::sleep;

use crate::cluster::{Cluster, NodeNumber};
use crate::command::{output, output_of_input, program};

/// The chain with our rules, which is asked before all others.
const CHAIN: &str = "GAMEKEEPER-FAULTS";

/// Who forwards for pods. It is asked for whatever comes from a pod or goes to one.
const FORWARD: &str = "FORWARD";

/// Longer than a beat's interval, so that both ends send something into the gap; shorter than a hang.
const RESET_FOR: Duration = Duration::from_millis(250);

/// A pod, and those that it does not reach and that do not reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Where the pod is.
    pub node: NodeNumber,
    /// Its address.
    pub pod: IpAddr,
    /// The others' addresses.
    pub from: Vec<IpAddr>,
}

impl Partition {
    /// Drops all packets between them, from now on.
    pub(super) async fn begin(&self, cluster: &Cluster) -> Result<()> {
        self.put(cluster, "-j DROP").await
    }

    /// Breaks all TCP connections between them; new ones can be made a moment later.
    pub(super) async fn reset(&self, cluster: &Cluster) -> Result<()> {
        // Not what makes a new one: refused by a kernel is only who has died.
        self.put(cluster, "-p tcp --tcp-flags SYN,ACK ACK -j REJECT --reject-with tcp-reset").await?;
        sleep(RESET_FOR).await;
        mend(cluster, self.node).await
    }

    async fn put(&self, cluster: &Cluster, verdict: &str) -> Result<()> {
        let jump = [FORWARD, "-j", CHAIN];
        output_of_input(&mut inside(cluster, self.node, "iptables-restore")?, self.rules(verdict).as_bytes())
            .await?;
        let is_asked = output(inside(cluster, self.node, "iptables")?.arg("-C").args(jump)).await.is_ok();
        if !is_asked {
            output(inside(cluster, self.node, "iptables")?.arg("-I").args(jump)).await?;
        }
        Ok(())
    }

    /// All of the chain at once, so that no direction ends before the other.
    fn rules(&self, verdict: &str) -> String {
        let mut rules = format!("*filter\n:{CHAIN} - [0:0]\n");
        for other in &self.from {
            // Writing to a text cannot fail.
            let _ = writeln!(rules, "-A {CHAIN} -s {} -d {other} {verdict}", self.pod);
            let _ = writeln!(rules, "-A {CHAIN} -s {other} -d {} {verdict}", self.pod);
        }
        rules.push_str("COMMIT\n");
        rules
    }
}

/// Ends all partitions of a node. Harmless when there are none.
pub(super) async fn mend(cluster: &Cluster, node: NodeNumber) -> Result<()> {
    let shown = output(inside(cluster, node, "iptables")?.args(["-S", FORWARD])).await?;
    for _ in shown.lines().filter(|line| line.contains(CHAIN)) {
        output(inside(cluster, node, "iptables")?.args(["-D", FORWARD, "-j", CHAIN])).await?;
    }
    let is_there = output(inside(cluster, node, "iptables")?.args(["-S", CHAIN])).await.is_ok();
    if is_there {
        output(inside(cluster, node, "iptables")?.args(["-F", CHAIN])).await?;
        output(inside(cluster, node, "iptables")?.args(["-X", CHAIN])).await?;
    }
    Ok(())
}

/// A program of iptables in a node's network.
fn inside(cluster: &Cluster, node: NodeNumber, tool: &str) -> Result<Command> {
    let first = cluster.pid(&node.to_string()).with_context(|| format!("{node} is powered off"))?;
    let mut command = program("nsenter");
    command.args(["-t", &first.to_string(), "--net", tool, "--wait"]);
    if tool == "iptables-restore" {
        command.arg("--noflush");
    }
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_has_both_directions_of_each_pair() {
        let address = |last: u8| IpAddr::from([198, 18, 1, last]);
        let partition = Partition {
            node: NodeNumber::new(1).unwrap(),
            pod: address(2),
            from: vec![address(3), address(4)],
        };
        let rules = partition.rules("-j DROP");
        for (from, to) in [(2, 3), (3, 2), (2, 4), (4, 2)] {
            let rule = format!("-s {} -d {} -j DROP\n", address(from), address(to));
            assert!(rules.contains(&rule), "{rules}");
        }
        assert_eq!(rules.lines().count(), 3 + 4, "{rules}");
    }
}
