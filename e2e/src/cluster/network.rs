//! Links and routes between the machine and the nodes. All of it can be done again over what is there.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::{Cluster, NodeNumber, Slot};
use crate::command::{output, output_of_input, program};
use crate::files::write_whole;
use crate::paths;
use crate::wait::eventually;

const FORWARDING: &str = "/proc/sys/net/ipv4/ip_forward";

/// How long the kernel may take to remove the link of a node that has ended.
const LINK_GONE: Duration = Duration::from_secs(10);

/// The machine's side: a bridge for the nodes, and forwarding.
pub(super) async fn ensure_bridge(slot: Slot) -> Result<()> {
    let bridge = slot.bridge();
    if !exists(&bridge) {
        output(program("ip").args(["link", "add", &bridge, "type", "bridge"])).await?;
    }
    let address = slot.api_address();
    batch(&mut program("ip"), &format!("addr replace {address}/24 dev {bridge}\nlink set {bridge} up\n"))
        .await?;
    allow_forwarding()
}

impl Cluster {
    /// A node's link, addresses and routes, whatever of them is there.
    pub(super) async fn ensure_link(&self, node: NodeNumber, first_process: u32) -> Result<()> {
        let link = self.slot.link(node);
        if !self.has_eth0(first_process).await {
            let process = first_process.to_string();
            eventually(&format!("the link of {node}"), LINK_GONE, || async {
                // That of a node that has ended vanishes a moment later than the node.
                if exists(&link) {
                    let _ = output(program("ip").args(["link", "del", &link])).await;
                }
                let peer = ["type", "veth", "peer", "name", "eth0", "netns", &process];
                output(program("ip").args(["link", "add", &link]).args(peer)).await
            })
            .await?;
        }
        let address = self.slot.node_address(node);
        let pods = self.slot.pods(node);
        let bridge = self.slot.bridge();
        let outside = format!("link set {link} master {bridge} up\nroute replace {pods} via {address}\n");
        batch(&mut program("ip"), &outside).await?;

        let mut inside = vec![
            format!("addr replace {address}/24 dev eth0"),
            "link set eth0 up".to_owned(),
            format!("route replace default via {}", self.slot.api_address()),
            // Each pod has a route of its own; without this a packet to one that is gone would go in circles.
            format!("route replace blackhole {pods}"),
        ];
        inside.extend(self.nodes().filter(|other| *other != node).map(|other| {
            format!("route replace {} via {}", self.slot.pods(other), self.slot.node_address(other))
        }));
        let mut ip = program("nsenter");
        ip.args(["-t", &first_process.to_string(), "--net", "ip"]);
        batch(&mut ip, &(inside.join("\n") + "\n")).await
    }

    async fn has_eth0(&self, first_process: u32) -> bool {
        let mut look = program("nsenter");
        look.args(["-t", &first_process.to_string(), "--net", "ip", "link", "show", "eth0"]);
        output(&mut look).await.is_ok()
    }
}

/// Takes a node's link down or up.
pub(crate) async fn set_link(slot: Slot, node: NodeNumber, state: &str) -> Result<()> {
    output(program("ip").args(["link", "set", &slot.link(node), state])).await.map(drop)
}

/// Has the machine itself answer at the slot's spare addresses, whoever of the cluster asks. A bridge's routes end with
/// it, so that `down` needs to know nothing of this.
pub(super) async fn answer_at_spare(slot: Slot) -> Result<()> {
    let (range, bridge) = (slot.spare().range(), slot.bridge());
    output(program("ip").args(["route", "replace", "local", &range, "dev", &bridge])).await.map(drop)
}

/// Ends [`answer_at_spare`], whether or not it was in force.
pub(super) async fn forget_spare(slot: Slot) -> Result<()> {
    let range = slot.spare().range();
    let shown = output(program("ip").args(["route", "show", "table", "local", "exact", &range])).await?;
    if shown.trim().is_empty() {
        return Ok(());
    }
    output(program("ip").args(["route", "del", "local", &range])).await.map(drop)
}

/// Removes all links of a slot; their routes go with them.
pub(super) async fn remove(slot: Slot) -> Result<()> {
    for link in links(slot)? {
        let deleted = output(program("ip").args(["link", "del", &link])).await;
        // The link of a node that has just ended may have gone by itself.
        if exists(&link) {
            deleted?;
        }
    }
    restore_forwarding()
}

/// The links of a slot.
pub(super) fn links(slot: Slot) -> Result<Vec<String>> {
    let mut links = Vec::new();
    for entry in fs::read_dir("/sys/class/net").context("list the links")? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.starts_with(&slot.link_prefix()) {
            links.push(name);
        }
    }
    Ok(links)
}

async fn batch(ip: &mut tokio::process::Command, lines: &str) -> Result<()> {
    output_of_input(ip.args(["-batch", "-"]), lines.as_bytes()).await.map(drop)
}

fn exists(link: &str) -> bool {
    Path::new("/sys/class/net").join(link).exists()
}

/// The machine's setting is kept beside the cache's locks, as it is one for all slots.
fn allow_forwarding() -> Result<()> {
    let setting = fs::read_to_string(FORWARDING).with_context(|| format!("read {FORWARDING}"))?;
    if setting.trim() == "1" {
        return Ok(());
    }
    write_whole(&paths::cache()?.join("ip_forward"), setting.as_bytes())?;
    fs::write(FORWARDING, "1").with_context(|| format!("write {FORWARDING}"))
}

/// Puts the machine's setting back with the last cluster.
fn restore_forwarding() -> Result<()> {
    let kept = paths::cache()?.join("ip_forward");
    if !kept.exists() || Slot::all().any(|slot| exists(&slot.bridge())) {
        return Ok(());
    }
    fs::write(FORWARDING, fs::read(&kept)?).with_context(|| format!("write {FORWARDING}"))?;
    fs::remove_file(&kept).with_context(|| format!("remove {}", kept.display()))
}
