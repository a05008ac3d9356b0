//! The Go programs of a cluster, each pinned by a `go.mod` of ours.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use tokio::process::Command;

use super::{Stamp, find};
use crate::command::{program, run};
use crate::files::missing_is_fine;
use crate::paths;
use crate::progress::step;

/// Where Go's own installer puts it, should PATH not say.
const USUAL_GO: &str = "/usr/local/go/bin/go";

/// Programs that are built in one go from one module.
pub(super) struct Programs {
    folder: PathBuf,
    name: &'static str,
    /// What is made, and of which packages.
    makes: Vec<(&'static str, &'static str)>,
    link_flags: String,
}

/// All of them.
pub(super) fn programs() -> Result<[Programs; 4]> {
    let kubernetes = version("kubernetes", "k8s.io/kubernetes")?;
    let helm = version("helm", "helm.sh/helm/v4")?;
    Ok([
        Programs::new(
            "kubernetes",
            &kubernetes_flags(&kubernetes),
            &[
                ("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
                ("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager"),
                ("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"),
                ("kubelet", "k8s.io/kubernetes/cmd/kubelet"),
                ("kube-proxy", "k8s.io/kubernetes/cmd/kube-proxy"),
                ("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
            ],
        ),
        Programs::new("etcd", "", &[("etcd", "go.etcd.io/etcd/server/v3")]),
        Programs::new(
            "helm",
            &format!("-X helm.sh/helm/v4/internal/version.version={helm}"),
            &[("helm", "helm.sh/helm/v4/cmd/helm")],
        ),
        Programs::new("coredns", "", &[("coredns", ".")]),
    ])
}

/// The Go tool, in an environment of its own: the user's workspace and flags are for the user's code.
pub(crate) fn go() -> Result<Command> {
    let usual = Some(PathBuf::from(USUAL_GO)).filter(|path| path.is_file());
    let go = find("go").or(usual).context(
        "Go is missing (neither in PATH nor in /usr/local/go): install it from https://go.dev/dl, 1.26 or newer",
    )?;
    let mut command = program(go);
    command.env("CGO_ENABLED", "0").env("GOWORK", "off").env_remove("GOFLAGS");
    Ok(command)
}

impl Programs {
    fn new(name: &'static str, link_flags: &str, makes: &[(&'static str, &'static str)]) -> Self {
        let folder = paths::cluster_sources().join(name);
        // -s -w: nobody debugs these, and a third of their size are symbols.
        Self { folder, name, makes: makes.to_vec(), link_flags: format!("-s -w {link_flags}") }
    }

    pub(super) fn makes(&self, program: &str) -> bool {
        self.makes.iter().any(|(name, _)| *name == program)
    }

    /// Builds them unless they are there and their sources and flags are the same.
    pub(super) async fn ensure(&self, bin: &Path) -> Result<()> {
        let mut sources = format!("{} {:?}", self.link_flags, self.makes);
        for file in ["go.mod", "go.sum", "main.go", "tools.go"] {
            sources.push_str(&std::fs::read_to_string(self.folder.join(file)).unwrap_or_default());
        }
        let stamp = Stamp::new(bin, self.name, &sources).await?;
        let names: Vec<_> = self.makes.iter().map(|(name, _)| *name).collect();
        if stamp.is_current(&names) {
            return Ok(());
        }
        step(&format!("building {} (minutes, when Go's cache is cold)", names.join(" ")), self.build(bin))
            .await?;
        stamp.write()
    }

    async fn build(&self, bin: &Path) -> Result<()> {
        // Built aside and renamed: a cluster may be running the old ones.
        let part = bin.join(format!(".{}.part", self.name));
        std::fs::remove_dir_all(&part).or_else(missing_is_fine)?;
        std::fs::create_dir_all(&part).with_context(|| format!("make {}", part.display()))?;
        let mut build = go()?;
        build.current_dir(&self.folder).args(["build", "-trimpath", "-ldflags", &self.link_flags, "-o"]);
        match self.makes.as_slice() {
            // One package may have another name than the program.
            [(name, package)] => build.arg(part.join(name)).arg(package),
            many => build.arg(&part).args(many.iter().map(|(_, package)| package)),
        };
        run(&mut build).await?;
        for (name, _) in &self.makes {
            std::fs::rename(part.join(name), bin.join(name))
                .with_context(|| format!("no {name} was built"))?;
        }
        std::fs::remove_dir_all(&part).context("remove the emptied folder of a build")
    }
}

/// The version of `module` that a go.mod of ours pins: versions are written once.
fn version(name: &str, module: &str) -> Result<String> {
    let file = paths::cluster_sources().join(name).join("go.mod");
    let text = std::fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
    required(&text, module).with_context(|| format!("{} does not require {module}", file.display()))
}

fn required(go_mod: &str, module: &str) -> Option<String> {
    go_mod.lines().find_map(|line| {
        let line = line.trim().trim_start_matches("require ");
        let (name, version) = line.split_once(' ')?;
        (name == module).then(|| version.split(' ').next().unwrap_or(version).to_owned())
    })
}

/// An unstamped build calls itself `v0.0.0-master+$Format:%H$`, and charts that look at the server's version refuse.
fn kubernetes_flags(version: &str) -> String {
    let mut numbers = version.trim_start_matches('v').split('.');
    let (major, minor) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"]
        .map(|package| {
            format!(
                "-X {package}.gitVersion={version} -X {package}.gitMajor={major} -X {package}.gitMinor={minor} \
                 -X {package}.gitTreeState=clean -X {package}.buildDate=1970-01-01T00:00:00Z"
            )
        })
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pinned_version_is_found_in_both_forms_of_a_requirement() {
        let text = "module m\n\nrequire a.b/c v1.2.3\n\nrequire (\n\tx.y/z v0.1.0 // indirect\n)\n";
        assert_eq!(required(text, "a.b/c").unwrap(), "v1.2.3");
        assert_eq!(required(text, "x.y/z").unwrap(), "v0.1.0");
        assert_eq!(required(text, "x.y"), None);
    }

    #[test]
    fn kubernetes_is_told_its_version() {
        assert!(version("kubernetes", "k8s.io/kubernetes").unwrap().starts_with("v1.34."));
        let flags = kubernetes_flags("v1.34.4");
        assert!(flags.contains("gitMajor=1 ") && flags.contains("gitMinor=34 "), "{flags}");
    }
}
