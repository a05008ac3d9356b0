//! Etcd, the API server, the controllers and the scheduler: plain processes of the machine.

use anyhow::Result;

use super::pki::Pki;
use super::{Cluster, Component};
use crate::files::write_whole;
use crate::paths;

/// Below this grace period nodes are looked at every second instead of every five.
const SHORT_GRACE_S: u16 = 20;

impl Cluster {
    /// Starts one component of the control plane or of a node, unless it runs.
    pub(crate) async fn start_component(&self, component: Component) -> Result<()> {
        let arguments = match component {
            Component::Etcd => self.etcd()?,
            Component::ApiServer => self.api_server()?,
            Component::ControllerManager => self.controller_manager()?,
            Component::Scheduler => self.scheduler()?,
            Component::Containerd(node) => return self.start_containerd(node).await,
            Component::Kubelet(node) => return self.start_kubelet(node).await,
            Component::KubeProxy(node) => return self.start_kube_proxy(node).await,
        };
        self.processes.start(&component.name(), arguments).await.map(drop)
    }

    pub(super) fn pki(&self) -> Pki<'_> {
        Pki::new(&self.state, self.slot)
    }

    /// The command line of a program of ours.
    pub(super) fn command_line(program: &str, arguments: &[String]) -> Result<Vec<String>> {
        let mut line = vec![paths::bin()?.join(program).display().to_string()];
        line.extend_from_slice(arguments);
        Ok(line)
    }

    fn file(&self, name: &str) -> String {
        self.state.join(name).display().to_string()
    }

    fn key(&self, name: &str) -> String {
        self.pki().file(name).display().to_string()
    }

    fn etcd(&self) -> Result<Vec<String>> {
        let port = self.slot.etcd_port();
        let (clients, peers) = (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{}", port + 1));
        Self::command_line(
            "etcd",
            &[
                format!("--data-dir={}", self.file("etcd")),
                // It survives SIGKILL, not the machine's crash: then the cluster is gone anyway.
                "--unsafe-no-fsync".to_owned(),
                format!("--listen-client-urls={clients}"),
                format!("--advertise-client-urls={clients}"),
                format!("--listen-peer-urls={peers}"),
                format!("--initial-advertise-peer-urls={peers}"),
                format!("--initial-cluster=default={peers}"),
            ],
        )
    }

    fn api_server(&self) -> Result<Vec<String>> {
        let address = self.slot.api_address();
        let evict_after = self.options.evict_after_s;
        Self::command_line(
            "kube-apiserver",
            &[
                format!("--etcd-servers=http://127.0.0.1:{}", self.slot.etcd_port()),
                format!("--bind-address={address}"),
                format!("--advertise-address={address}"),
                "--secure-port=6443".to_owned(),
                format!("--service-cluster-ip-range={}", self.slot.services()),
                // The machine itself has no kube-proxy: calls of webhooks go to a Service's endpoints, not to its address.
                "--enable-aggregator-routing".to_owned(),
                format!("--client-ca-file={}", self.key("ca.crt")),
                format!("--tls-cert-file={}", self.key("apiserver.crt")),
                format!("--tls-private-key-file={}", self.key("apiserver.key")),
                "--service-account-issuer=https://kubernetes.default.svc.cluster.local".to_owned(),
                format!("--service-account-key-file={}", self.key("sa.key")),
                format!("--service-account-signing-key-file={}", self.key("sa.key")),
                "--authorization-mode=Node,RBAC".to_owned(),
                "--enable-admission-plugins=NodeRestriction".to_owned(),
                "--allow-privileged".to_owned(),
                "--kubelet-preferred-address-types=InternalIP".to_owned(),
                format!("--kubelet-certificate-authority={}", self.key("ca.crt")),
                format!("--kubelet-client-certificate={}", self.key("apiserver-kubelet.crt")),
                format!("--kubelet-client-key={}", self.key("apiserver-kubelet.key")),
                // The time of eviction is a toleration that pods get when they are created.
                format!("--default-not-ready-toleration-seconds={evict_after}"),
                format!("--default-unreachable-toleration-seconds={evict_after}"),
            ],
        )
    }

    fn controller_manager(&self) -> Result<Vec<String>> {
        let grace = self.options.node_grace_s;
        let look = if grace < SHORT_GRACE_S { 1 } else { 5 };
        Self::command_line(
            "kube-controller-manager",
            &[
                format!("--bind-address={}", self.slot.api_address()),
                format!("--kubeconfig={}", self.file("kube-controller-manager.kubeconfig")),
                "--leader-elect=false".to_owned(),
                "--use-service-account-credentials".to_owned(),
                format!("--service-account-private-key-file={}", self.key("sa.key")),
                format!("--root-ca-file={}", self.key("ca.crt")),
                format!("--node-monitor-grace-period={grace}s"),
                format!("--node-monitor-period={look}s"),
                // By default 20 requests a second: the 40 pods of a test would take seconds to be made.
                "--kube-api-qps=200".to_owned(),
                "--kube-api-burst=400".to_owned(),
            ],
        )
    }

    fn scheduler(&self) -> Result<Vec<String>> {
        let config = self.state.join("kube-scheduler.yaml");
        let content = serde_json::json!({
            "apiVersion": "kubescheduler.config.k8s.io/v1",
            "kind": "KubeSchedulerConfiguration",
            "leaderElection": {"leaderElect": false},
            "clientConnection": {"kubeconfig": self.file("kube-scheduler.kubeconfig"), "qps": 200, "burst": 400},
        });
        write_whole(&config, &serde_json::to_vec_pretty(&content)?)?;
        let address = format!("--bind-address={}", self.slot.api_address());
        Self::command_line("kube-scheduler", &[address, format!("--config={}", config.display())])
    }
}
