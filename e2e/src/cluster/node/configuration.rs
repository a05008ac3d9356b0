//! What a node's programs are told.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::cluster::{Cluster, NodeNumber};
use crate::files::write_whole;
use crate::tools::BaseImages;

impl Cluster {
    pub(super) fn write_configuration(&self, node: NodeNumber, images: &BaseImages) -> Result<()> {
        let folder = self.node_folder(node);
        let files = [
            ("cni/10-net.conflist", to_text(&self.network_configuration(node))?),
            ("containerd.toml", self.containerd_configuration(node, images)?),
            ("kubelet.json", to_text(&self.kubelet_configuration(node))?),
        ];
        files.iter().try_for_each(|(name, content)| write_whole(&folder.join(name), content.as_bytes()))
    }

    /// The plug-in `ptp` and not `bridge`: pods on one node reach each other through the node's own forwarding, so
    /// Services work between them whether or not the kernel has `br_netfilter`.
    fn network_configuration(&self, node: NodeNumber) -> Value {
        let ranges = json!([[{"subnet": self.slot.pods(node)}]]);
        json!({
            "cniVersion": "0.4.0",
            "name": "net",
            "plugins": [
                {"type": "ptp", "ipMasq": false,
                 "ipam": {"type": "host-local", "ranges": ranges, "routes": [{"dst": "0.0.0.0/0"}]}},
                {"type": "portmap", "capabilities": {"portMappings": true}},
            ],
        })
    }

    fn containerd_configuration(&self, node: NodeNumber, images: &BaseImages) -> Result<String> {
        let folder = self.node_folder(node).display().to_string();
        // Where the state lies on an overlay itself, as in containers, there can be no second one.
        let mounts = fs::read_to_string("/proc/self/mountinfo").context("list the mounts")?;
        let snapshotter = if is_on_overlay(&mounts, &folder) { "native" } else { "overlayfs" };
        // restrict_oom_score_adj: without CAP_SYS_RESOURCE a score below our own cannot be set.
        Ok(format!(
            r#"version = 2
[grpc]
address = "{folder}/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
path = "/var/lib/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{sandbox}"
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{folder}/cni"
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "{snapshotter}"
"#,
            sandbox = images.pause.reference(),
        ))
    }

    fn kubelet_configuration(&self, node: NodeNumber) -> Value {
        let pki = self.pki();
        let grace = self.options.node_grace_s;
        json!({
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": self.slot.node_address(node),
            "authentication": {
                "x509": {"clientCAFile": pki.file("ca.crt")},
                "webhook": {"enabled": true},
                "anonymous": {"enabled": false},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": pki.file(&format!("{node}.crt")),
            "tlsPrivateKeyFile": pki.file(&format!("{node}.key")),
            "containerRuntimeEndpoint": format!("unix://{}/containerd.sock", self.node_folder(node).display()),
            "volumePluginDir": "/var/lib/kubelet/volume-plugins",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": format!("/{}", self.slot.cgroup(node)),
            "failCgroupV1": false,
            "failSwapOn": false,
            "clusterDNS": [self.slot.dns()],
            "clusterDomain": "cluster.local",
            // Names outside of the cluster do not resolve, on purpose.
            "resolvConf": "",
            // Where programs are killed all the time, nobody waits for minutes until they are started again.
            "featureGates": {"KubeletCrashLoopBackOffMax": true},
            "crashLoopBackOff": {"maxContainerRestartPeriod": "1s"},
            "maxPods": 250,
            "serializeImagePulls": false,
            // Nobody could pull again what was loaded.
            "imageGCHighThresholdPercent": 100,
            "evictionHard": {"memory.available": "100Mi"},
            // Renewed every quarter of its duration, which must be well within the grace period.
            "nodeLeaseDurationSeconds": u32::from(grace) * 4 / 5,
            "nodeStatusUpdateFrequency": format!("{}s", if grace < 20 { grace.div_ceil(4) } else { 5 }),
        })
    }
}

fn to_text(value: &Value) -> Result<String> {
    serde_json::to_string_pretty(value).context("write JSON")
}

/// Does `path` lie on an overlay file system? `mounts` as in /proc/self/mountinfo.
fn is_on_overlay(mounts: &str, path: &str) -> bool {
    let of_path = mounts.lines().filter_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let point = place.split(' ').nth(4)?;
        Path::new(path).starts_with(point).then_some((point.len(), kind.starts_with("overlay ")))
    });
    of_path.max_by_key(|(length, _)| *length).is_some_and(|(_, overlay)| overlay)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_mount_of_a_path_says_whether_it_is_an_overlay() {
        let mounts =
            "1 0 0:1 / / rw - overlay overlay rw\n2 1 8:1 / /tmp rw,relatime shared:1 - ext4 /dev/sda rw\n";
        assert!(is_on_overlay(mounts, "/var/x"));
        assert!(!is_on_overlay(mounts, "/tmp/x"));
        assert!(is_on_overlay(mounts, "/tmpx"));
    }
}
