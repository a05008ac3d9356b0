//! The harness itself: a cluster comes up, can be broken and repaired, and leaves nothing.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::time::timeout;

use super::{Cluster, Component, NodeNumber, Slot, Wish, leftovers};
use crate::faults::{self, Signal, Victim};
use crate::kubectl::Kubectl;
use crate::lock::FileLock;
use crate::progress::say;
use crate::target::Reached;
use crate::testenv::udp_server_image;
use crate::tools;
use crate::udp::Player;
use crate::wait::eventually;

/// Nobody's but these tests'.
const SLOT: &str = "15";

const PORT: u16 = 7777;
const DEADLINE: Duration = Duration::from_mins(1);
const ANSWER: Duration = Duration::from_secs(1);

const WISH: Wish = Wish { nodes: Some(2), node_grace: None, evict_after: None };

/// What the tests of this file have in common: one of them at a time, and nothing of an earlier run.
async fn empty_slot() -> Result<(Slot, FileLock)> {
    let lock = FileLock::acquire("harness-test").await?;
    let slot: Slot = SLOT.parse()?;
    Cluster::down(slot).await?;
    Ok((slot, lock))
}

#[tokio::test]
async fn a_cluster_runs_pods_can_be_broken_and_leaves_nothing() -> Result<()> {
    let (slot, _lock) = empty_slot().await?;
    let cluster = Cluster::up(slot, WISH).await?;
    assert!(!leftovers(slot)?.is_empty(), "the check sees nothing at all");
    let image = udp_server_image().await?;
    cluster.load(&image).await?;
    let kubectl = Kubectl::of(&Reached::Ours(cluster.clone())).await?;
    kubectl.apply(&server(&image.reference())).await?;
    let node = NodeNumber::new(1)?;
    let player = Player::connect(SocketAddr::from((slot.node_address(node), PORT))).await?;
    let victim = Victim::pod("default", "udp");
    let first = played(&player).await?;

    faults::signal(&cluster, &victim, Signal::Kill).await?;
    eventually("another process to answer", DEADLINE, || async {
        let second = boot(&player).await?;
        ensure!(second != first, "it is the same");
        Ok(())
    })
    .await?;

    faults::freeze(&cluster, &victim).await?;
    assert!(boot(&player).await.is_err(), "a frozen server answers");
    faults::unfreeze(&cluster, &victim).await?;
    played(&player).await?;

    faults::cut(&cluster, node).await?;
    assert!(boot(&player).await.is_err(), "a node that is cut off answers");
    faults::join(&cluster, node).await?;
    played(&player).await?;

    faults::restart(&cluster, Component::Etcd).await?;
    faults::kill(&cluster, Component::ApiServer).await?;
    faults::kill(&cluster, Component::Kubelet(node)).await?;
    let cluster = Cluster::up(slot, Wish::default()).await?;
    played(&player).await?;

    // Frozen processes do not end when killed, and the node's end waits for all of its processes.
    faults::freeze(&cluster, &victim).await?;
    faults::power_off(&cluster, node).await?;
    assert!(boot(&player).await.is_err(), "a node without power answers");
    Cluster::up(slot, Wish::default()).await?;
    played(&player).await?;
    faults::freeze(&cluster, &victim).await?;

    Cluster::down(slot).await?;
    assert_eq!(leftovers(slot)?, Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn what_a_crashed_harness_left_is_taken_over_or_cleaned() -> Result<()> {
    let (slot, _lock) = empty_slot().await?;
    // Else the first crash would come while programs are built.
    tools::ensure().await?;
    for after_ms in [200, 700, 2_000] {
        let crashed = timeout(Duration::from_millis(after_ms), Cluster::up(slot, WISH)).await;
        say(&format!("a crash after {after_ms} ms: {}", crashed.is_err()));
        Cluster::up(slot, WISH).await.with_context(|| format!("after a crash after {after_ms} ms"))?;
        Cluster::down(slot).await?;
    }

    let cluster = Cluster::up(slot, WISH).await?;
    let started = daemons(&cluster);
    for name in ["etcd", "node-1", "node-2.containerd", "node-2.kubelet"] {
        std::fs::remove_file(cluster.processes.pid_file(name))?;
    }
    Cluster::up(slot, WISH).await?;
    eventually("nothing to run twice", DEADLINE, async || {
        let now = daemons(&cluster);
        ensure!(now == started, "{now:#?} and not {started:#?}");
        Ok(())
    })
    .await?;

    // Against those who go on writing there.
    eventually("the state folder to be gone", DEADLINE, async || {
        Ok(std::fs::remove_dir_all(cluster.state())?)
    })
    .await?;
    Cluster::up(slot, WISH).await.context("after the state folder was removed")?;
    Cluster::down(slot).await?;
    assert_eq!(leftovers(slot)?, Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn a_folder_that_is_no_clusters_state_is_not_removed() -> Result<()> {
    let (slot, _lock) = empty_slot().await?;
    let precious = slot.state()?.join("precious");
    std::fs::create_dir_all(slot.state()?)?;
    std::fs::write(&precious, "")?;
    let refused = format!("{:#}", Cluster::down(slot).await.unwrap_err());
    assert!(refused.contains("is not the state of a cluster"), "{refused}");
    assert!(Cluster::up(slot, WISH).await.is_err());
    assert!(precious.exists());
    std::fs::remove_dir_all(slot.state()?)?;
    Ok(())
}

/// What the harness started, without what that has started in its turn.
fn daemons(cluster: &Cluster) -> Vec<String> {
    let all = cluster.processes.marked().into_iter().map(|(_, line)| line);
    let mut daemons: Vec<_> =
        all.filter(|line| line.starts_with("containerd ") || line.contains("gamekeeper/bin/")).collect();
    daemons.sort();
    daemons
}

/// Waits until the server answers, and returns its boot id.
async fn played(player: &Player) -> Result<String> {
    eventually("the UDP server to answer", DEADLINE, || boot(player)).await
}

async fn boot(player: &Player) -> Result<String> {
    let answer = player.ask("play 1", ANSWER).await?;
    answer.strip_prefix("played 1 ").map(str::to_owned).with_context(|| format!("it answered {answer:?}"))
}

fn server(image: &str) -> String {
    serde_json::json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "udp"},
        "spec": {
            "nodeName": "node-1",
            "containers": [{
                "name": "server",
                "image": image,
                "ports": [{"containerPort": PORT, "hostPort": PORT, "protocol": "UDP"}],
            }],
        },
    })
    .to_string()
}
