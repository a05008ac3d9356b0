//! Container images without a registry: built from a Dockerfile into an archive, given to nodes by the cluster.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use tokio::process::Command;

use crate::command::{output, program};
use crate::files::{make_folder, missing_is_fine};
use crate::lock::FileLock;
use crate::progress::step;
use crate::{hash, paths};

/// Builds share buildah's store and a folder for their context, so they take turns.
const LOCK: &str = "images";

/// An image in an archive. Its tag is the hash of what it was built of, so that a new one is never taken for an old one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    name: String,
    tag: String,
    archive: PathBuf,
}

impl Image {
    /// The repository, for charts that want it apart from the tag: `localhost/NAME`.
    pub fn repository(&self) -> String {
        format!("localhost/{}", self.name)
    }

    /// The tag: the content's hash.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// What a pod asks for: `localhost/NAME:HASH`, with `imagePullPolicy: Never`.
    pub fn reference(&self) -> String {
        format!("{}:{}", self.repository(), self.tag)
    }

    /// The same image for people and examples: `localhost/NAME:dev` is what was loaded last.
    pub fn dev_reference(&self) -> String {
        format!("{}:dev", self.repository())
    }

    pub(crate) fn archive(&self) -> &Path {
        &self.archive
    }
}

/// Builds the image `name` of a Dockerfile and a folder of files, unless it was built of the same ones.
pub async fn build(name: &str, dockerfile: &Path, folder: &Path) -> Result<Image> {
    let _lock = FileLock::acquire(LOCK).await?;
    build_locked(name, dockerfile, folder).await
}

/// The same, of single files: each with its path in the build's context.
pub async fn build_of_files(
    name: &str,
    dockerfile: &Path,
    files: &[(&Path, impl AsRef<Path>)],
) -> Result<Image> {
    let _lock = FileLock::acquire(LOCK).await?;
    let folder = paths::cache()?.join("context");
    // What a killed build left.
    std::fs::remove_dir_all(&folder).or_else(missing_is_fine)?;
    make_folder(&folder)?;
    for (file, name) in files {
        let copy = folder.join(name);
        copy.parent().map_or(Ok(()), make_folder)?;
        std::fs::copy(file, copy).with_context(|| format!("copy {}", file.display()))?;
    }
    let image = build_locked(name, dockerfile, &folder).await?;
    std::fs::remove_dir_all(&folder).with_context(|| format!("remove {}", folder.display()))?;
    Ok(image)
}

async fn build_locked(name: &str, dockerfile: &Path, folder: &Path) -> Result<Image> {
    let text =
        std::fs::read_to_string(dockerfile).with_context(|| format!("read {}", dockerfile.display()))?;
    let content = hash::folder(folder).await?;
    let tag = hash::text(&format!("{name}\n{content}\n{text}")).await?;
    let archives = paths::cache()?.join("images");
    let archive = archives.join(format!("{name}-{tag}.tar"));
    let image = Image { name: name.to_owned(), tag, archive };
    if !image.archive.exists() {
        make_folder(&archives)?;
        step(&format!("building image {}", image.reference()), make(&image, dockerfile, folder)).await?;
        forget_older(&archives, &image)?;
    }
    Ok(image)
}

async fn make(image: &Image, dockerfile: &Path, folder: &Path) -> Result<()> {
    let reference = image.reference();
    // No network, no daemon, no mounts; a fixed time, so that the same files make the same image.
    output(
        buildah()?
            .args([
                "build",
                "--isolation",
                "chroot",
                "--timestamp",
                "0",
                "--quiet",
                "--tag",
                &reference,
                "--file",
            ])
            .arg(dockerfile)
            .arg(folder),
    )
    .await?;
    let part = image.archive.with_extension("part");
    // It refuses to write over what a killed build left.
    if part.exists() {
        std::fs::remove_file(&part).with_context(|| format!("remove {}", part.display()))?;
    }
    let target = format!("docker-archive:{}:{reference}", part.display());
    output(buildah()?.args(["push", "--quiet", &reference, &target])).await?;
    output(buildah()?.args(["rmi", "--force", &reference])).await?;
    std::fs::rename(&part, &image.archive).with_context(|| format!("name {}", image.archive.display()))
}

/// Buildah with a store of its own in the cache: the machine's images are not ours to touch.
fn buildah() -> Result<Command> {
    let store = paths::cache()?.join("buildah");
    let mut buildah = program("buildah");
    buildah.args(["--storage-driver", "vfs", "--root"]).arg(store.join("root"));
    buildah.arg("--runroot").arg(store.join("run"));
    Ok(buildah)
}

/// Archives of earlier builds: nodes have what they need of them, and a new node gets the new ones.
fn forget_older(archives: &Path, image: &Image) -> Result<()> {
    const KEPT: usize = 4;
    let prefix = format!("{}-", image.name);
    let mut older = Vec::new();
    for entry in std::fs::read_dir(archives)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // `a-b-HASH.tar` is no archive of `a`.
        let is_ours = name.strip_prefix(&prefix).is_some_and(|rest| !rest.contains('-'));
        if is_ours && entry.path() != image.archive {
            older.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    older.sort();
    // A few stay: another checkout may be using them.
    let surplus = older.len().saturating_sub(KEPT);
    for (_, path) in older.into_iter().take(surplus) {
        std::fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))?;
    }
    Ok(())
}
