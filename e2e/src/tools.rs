//! What a cluster is made of, built once: Debian packages, Go programs, base images.

mod go;
mod packages;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::command::{output, program};
use crate::image::{self, Image};
use crate::lock::FileLock;
use crate::{hash, paths};

pub(crate) use go::go;

/// The images that every node has.
#[derive(Clone, Debug)]
pub struct BaseImages {
    /// The sandbox of every pod.
    pub pause: Image,
    /// The cluster's DNS.
    pub coredns: Image,
    /// A shell, for tests that look from a pod's place.
    pub busybox: Image,
}

/// Builds what is missing, one process at a time; does nothing when all is there.
pub async fn ensure() -> Result<BaseImages> {
    let _lock = FileLock::acquire("build").await?;
    packages::ensure().await?;
    let bin = paths::bin()?;
    for program in go::programs()? {
        program.ensure(&bin).await?;
    }
    ensure_pause(&bin).await?;
    Ok(BaseImages {
        pause: base_image("pause", &bin.join("pause")).await?,
        coredns: base_image("coredns", &bin.join("coredns")).await?,
        busybox: base_image("busybox", Path::new("/bin/busybox")).await?,
    })
}

/// A client program for a cluster that is not ours: the one that its owner uses, else our own.
pub async fn client(name: &str) -> Result<PathBuf> {
    if let Some(path) = find(name) {
        return Ok(path);
    }
    let bin = paths::bin()?;
    let _lock = FileLock::acquire("build").await?;
    for program in go::programs()? {
        if program.makes(name) {
            program.ensure(&bin).await?;
        }
    }
    Ok(bin.join(name))
}

/// The program `name` in PATH.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// The first process of a node and of a pod's sandbox; it waits and reaps.
async fn ensure_pause(bin: &Path) -> Result<()> {
    const FLAGS: [&str; 3] = ["-Os", "-static", "-s"];
    let source = paths::cluster_sources().join("pause.c");
    let text = std::fs::read_to_string(&source).with_context(|| format!("read {}", source.display()))?;
    let stamp = Stamp::new(bin, "pause", &format!("{FLAGS:?} {text}")).await?;
    if stamp.is_current(&["pause"]) {
        return Ok(());
    }
    let part = bin.join(".pause.part");
    output(program("gcc").args(FLAGS).arg("-o").arg(&part).arg(&source)).await?;
    std::fs::rename(&part, bin.join("pause")).context("put pause in its place")?;
    stamp.write()
}

async fn base_image(name: &str, content: &Path) -> Result<Image> {
    let dockerfile = paths::cluster_sources().join(format!("{name}.Dockerfile"));
    image::build_of_files(name, &dockerfile, &[(content, name)]).await
}

/// Remembers of what sources programs were built.
struct Stamp {
    path: PathBuf,
    sources: String,
    bin: PathBuf,
}

impl Stamp {
    async fn new(bin: &Path, name: &str, sources: &str) -> Result<Self> {
        std::fs::create_dir_all(bin).with_context(|| format!("make {}", bin.display()))?;
        let path = bin.join(format!(".{name}.stamp"));
        Ok(Self { path, sources: hash::text(sources).await?, bin: bin.to_owned() })
    }

    fn is_current(&self, programs: &[&str]) -> bool {
        std::fs::read_to_string(&self.path).is_ok_and(|stamp| stamp == self.sources)
            && programs.iter().all(|program| self.bin.join(program).exists())
    }

    fn write(&self) -> Result<()> {
        std::fs::write(&self.path, &self.sources).with_context(|| format!("write {}", self.path.display()))
    }
}

/// Fails unless we are root, with `what` as the reason.
pub fn need_root(what: &str) -> Result<()> {
    use std::os::unix::fs::MetadataExt as _;

    let us = std::fs::metadata("/proc/self").context("look at /proc/self")?;
    if us.uid() != 0 {
        bail!("{what} needs root: run this as root, or set KUBECONFIG to a cluster of yours");
    }
    Ok(())
}
