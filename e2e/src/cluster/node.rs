//! A node: a first process in mount, pid, uts and network namespaces of its own, and in them containerd, the kubelet
//! and kube-proxy. When the first process gets SIGKILL, the kernel ends every process, mount and link of the node: that is
//! both a power cut and the whole clean-up.

mod configuration;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::cgroups::Groups;
use super::process::{Start, signal_kill};
use super::{Cluster, Component, NodeNumber, cgroups};
use crate::command::{output, program};
use crate::files::make_folder;
use crate::image::Image;
use crate::paths;
use crate::tools::BaseImages;
use crate::wait::eventually;

/// What sets up a node from inside.
const INIT: &str = include_str!("../../cluster/node.sh");

const INIT_DEADLINE: Duration = Duration::from_secs(10);
const END_DEADLINE: Duration = Duration::from_secs(30);
const CONTAINERD_DEADLINE: Duration = Duration::from_secs(30);

/// On a busy machine ctr gives up after ten seconds.
const IMPORT_DEADLINE: Duration = Duration::from_mins(1);

impl Cluster {
    /// Starts what of a node needs no API server, so that it can go on while that starts, and gives it its images.
    pub(super) async fn start_node(&self, node: NodeNumber, images: &BaseImages) -> Result<()> {
        let folder = self.node_folder(node);
        for inner in ["cni", "var-log", "var-lib"] {
            make_folder(&folder.join(inner))?;
        }
        let address = self.slot.node_address(node).to_string();
        self.pki().ensure_node(&node.to_string(), &address).await?;
        let first_process = self.start_first_process(node).await?;
        self.ensure_link(node, first_process).await?;
        cgroups::ensure(&self.slot.cgroup(node))?;
        self.write_configuration(node, images)?;
        self.start_containerd(node).await?;
        for image in [&images.pause, &images.coredns, &images.busybox] {
            self.import(node, image).await?;
        }
        Ok(())
    }

    /// A node's data and configuration.
    pub(super) fn node_folder(&self, node: NodeNumber) -> PathBuf {
        self.state.join(node.to_string())
    }

    /// Where the logs of its pods are, also while it is off.
    pub(crate) fn pod_logs(&self, node: NodeNumber) -> PathBuf {
        self.node_folder(node).join("var-log/pods")
    }

    async fn start_first_process(&self, node: NodeNumber) -> Result<u32> {
        let (name, folder) = (node.to_string(), self.node_folder(node).display().to_string());
        let pause = paths::bin()?.join("pause").display().to_string();
        let script = ["sh", "-c", INIT, "gamekeeper-node", &folder, &name, &pause];
        let wrapper = [
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--uts",
            "--net",
            "--mount-proc",
            "--propagation",
            "private",
        ];
        let start = Start {
            wrapper: wrapper.map(str::to_owned).to_vec(),
            arguments: script.map(str::to_owned).to_vec(),
            becomes: vec![pause.clone(), folder],
            stale: None,
        };
        let pid = self.processes.start_inside(&name, start).await?;
        eventually(&format!("{name} to be set up"), INIT_DEADLINE, || async {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let is_set_up = line.split(|byte| *byte == 0).next() == Some(pause.as_bytes());
            ensure!(is_set_up, "its first process says: {}", self.processes.last_words(&name));
            Ok(())
        })
        .await?;
        Ok(pid)
    }

    /// Ends the node and all that runs on it.
    pub(crate) async fn cut_power(&self, node: NodeNumber) -> Result<()> {
        let first_process = self.processes.pid(&node.to_string());
        let first_process = first_process.with_context(|| format!("{node} is powered off already"))?;
        signal_kill(&[first_process]).await?;
        let groups = Groups::of_node(self.slot, node);
        eventually(&format!("{node} to end"), END_DEADLINE, || async {
            // What is frozen ends only when it is thawed, and must not live for a moment then.
            signal_kill(&groups.processes()?).await?;
            groups.thaw()?;
            // The first process of a pid namespace ends last.
            ensure!(
                !Path::new(&format!("/proc/{first_process}")).exists(),
                "some of its processes are still there"
            );
            Ok(())
        })
        .await
    }

    pub(super) async fn start_containerd(&self, node: NodeNumber) -> Result<()> {
        let folder = self.node_folder(node);
        let config = folder.join("containerd.toml").display().to_string();
        let arguments = vec!["containerd".to_owned(), "-c".to_owned(), config];
        // ctr is slow to understand that nobody listens to an old socket.
        let stale = Some(folder.join("containerd.sock"));
        self.start_in_node(Component::Containerd(node), arguments, stale).await?;
        let name = Component::Containerd(node).name();
        eventually(&format!("{name} to answer"), CONTAINERD_DEADLINE, || async {
            ensure!(self.processes.is_alive(&name), "it ended: {}", self.processes.last_words(&name));
            self.ctr(node, &["version"]).await.map(drop)
        })
        .await
    }

    pub(super) async fn start_kubelet(&self, node: NodeNumber) -> Result<()> {
        let arguments = [
            format!("--config={}", self.node_folder(node).join("kubelet.json").display()),
            format!("--kubeconfig={}", self.state.join(format!("{node}.kubeconfig")).display()),
            format!("--hostname-override={node}"),
            format!("--node-ip={}", self.slot.node_address(node)),
        ];
        self.start_in_node(Component::Kubelet(node), Self::command_line("kubelet", &arguments)?, None).await
    }

    pub(super) async fn start_kube_proxy(&self, node: NodeNumber) -> Result<()> {
        let kubeconfig = self.state.join("kube-proxy.kubeconfig");
        let mut arguments = vec![
            "--proxy-mode=iptables".to_owned(),
            format!("--kubeconfig={}", kubeconfig.display()),
            format!("--hostname-override={node}"),
            "--cluster-cidr=198.18.0.0/16".to_owned(),
            // Without CAP_SYS_RESOURCE, as in containers, a score below our own cannot be set.
            "--oom-score-adj=0".to_owned(),
        ];
        // These settings are the machine's, not the node's; 0 leaves them alone.
        for setting in ["max-per-core", "tcp-timeout-established", "tcp-timeout-close-wait"] {
            arguments.push(format!("--conntrack-{setting}=0"));
        }
        self.start_in_node(Component::KubeProxy(node), Self::command_line("kube-proxy", &arguments)?, None)
            .await
    }

    async fn start_in_node(
        &self,
        component: Component,
        arguments: Vec<String>,
        stale: Option<PathBuf>,
    ) -> Result<()> {
        let (Component::Containerd(node) | Component::Kubelet(node) | Component::KubeProxy(node)) = component
        else {
            bail!("{component} is not part of a node");
        };
        let off = || format!("{node} is powered off: `up` starts it");
        let first_process = self.processes.pid(&node.to_string()).with_context(off)?.to_string();
        let wrapper = ["nsenter", "-t", &first_process, "--mount", "--pid", "--uts", "--net", "--wd=/", "--"];
        let wrapper = wrapper.map(str::to_owned).to_vec();
        let start = Start { wrapper, arguments, becomes: Vec::new(), stale };
        self.processes.start_inside(&component.name(), start).await.map(drop)
    }

    /// Asks a node's containerd.
    pub(crate) async fn ctr(&self, node: NodeNumber, arguments: &[&str]) -> Result<String> {
        let socket = self.node_folder(node).join("containerd.sock");
        output(program("ctr").arg("--address").arg(socket).args(["--namespace", "k8s.io"]).args(arguments))
            .await
    }

    pub(super) async fn import(&self, node: NodeNumber, image: &Image) -> Result<()> {
        let reference = image.reference();
        eventually(&format!("{node} to take {reference}"), IMPORT_DEADLINE, || async {
            let had = self.ctr(node, &["images", "list", "--quiet", &format!("name=={reference}")]).await?;
            if had.trim().is_empty() {
                let archive = image.archive().display().to_string();
                self.ctr(node, &["images", "import", &archive]).await?;
            }
            self.ctr(node, &["images", "tag", "--force", &reference, &image.dev_reference()]).await
        })
        .await
        .map(drop)
    }
}
