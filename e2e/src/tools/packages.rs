//! Debian packages: the containers' runtime, the network plugins, and the programs that the harness calls.

use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::{find, need_root};
use crate::command::{output, program, run};
use crate::progress::step;

/// What is installed, and what for.
const PACKAGES: [(&str, &str); 14] = [
    ("buildah", "images"),
    ("busybox-static", "an image with a shell"),
    ("conntrack", "kube-proxy and hostPorts of UDP"),
    ("containerd", "the containers of nodes"),
    ("containernetworking-plugins", "the network of pods"),
    ("gcc", "the first process of a node"),
    ("iproute2", "links and routes"),
    ("iptables", "kube-proxy and hostPorts"),
    ("libc6-dev", "the first process of a node"),
    ("openssl", "certificates"),
    ("procps", "sysctl and kill"),
    ("redis-server", "the image of the chart's Redis"),
    ("runc", "the containers of nodes"),
    ("util-linux", "unshare and nsenter"),
];

/// While this file says so, packages do not start services: only their programs are used.
const POLICY: &str = "/usr/sbin/policy-rc.d";
const NO_SERVICES: &str = "#!/bin/sh\n# Put here by gamekeeper while it installs packages.\nexit 101\n";

/// How long to wait for another apt, in seconds.
const APT_LOCK_TIMEOUT: &str = "DPkg::Lock::Timeout=600";

/// Installs what is missing.
pub(super) async fn ensure() -> Result<()> {
    let missing = missing().await?;
    if missing.is_empty() {
        return Ok(());
    }
    need_root(&format!("installing {}", missing.join(" ")))?;
    step(&format!("installing {}", missing.join(" ")), install(&missing)).await
}

async fn missing() -> Result<Vec<&'static str>> {
    if find("dpkg-query").is_none() || find("apt-get").is_none() {
        let needed: Vec<_> = PACKAGES.iter().map(|(name, what)| format!("{name} ({what})")).collect();
        bail!(
            "a local cluster needs Debian 12 or what is like it, for these packages: {}; \
             elsewhere set KUBECONFIG to a cluster of yours",
            needed.join(", ")
        );
    }
    let mut query = program("dpkg-query");
    query.args(["--show", "--showformat", "${Package} ${db:Status-Status}\n"]);
    query.args(PACKAGES.map(|(name, _)| name));
    // It fails when it does not know one of them, and still prints the others.
    let printed = query.output().await.context("cannot run dpkg-query")?.stdout;
    let printed = String::from_utf8_lossy(&printed);
    let is_installed = |name: &str| printed.lines().any(|line| line == format!("{name} installed"));
    Ok(PACKAGES.into_iter().map(|(name, _)| name).filter(|name| !is_installed(name)).collect())
}

async fn install(packages: &[&str]) -> Result<()> {
    let ours = !Path::new(POLICY).exists();
    if ours {
        use std::os::unix::fs::PermissionsExt as _;

        std::fs::write(POLICY, NO_SERVICES).with_context(|| format!("write {POLICY}"))?;
        std::fs::set_permissions(POLICY, std::fs::Permissions::from_mode(0o755))?;
    }
    let installed = apt(packages).await;
    // Also what an installation of ours left that was killed.
    if ours || std::fs::read_to_string(POLICY).is_ok_and(|text| text == NO_SERVICES) {
        std::fs::remove_file(POLICY).with_context(|| format!("remove {POLICY}"))?;
    }
    installed
}

async fn apt(packages: &[&str]) -> Result<()> {
    output(program("apt-get").args(["-qq", "-o", APT_LOCK_TIMEOUT, "update"])).await?;
    let mut install = program("apt-get");
    install.args(["-qq", "-y", "-o", APT_LOCK_TIMEOUT, "install", "--no-install-recommends"]);
    run(install.args(packages).env("DEBIAN_FRONTEND", "noninteractive")).await
}
