//! Hashes of files and folders: what is unchanged is not built again.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::command::{output, output_of_input, program};

/// Long enough to never meet by chance, short enough for an image tag that people read.
const LENGTH: usize = 16;

/// The hash of a text.
pub async fn text(text: &str) -> Result<String> {
    // sha256sum and not a crate: unoptimised, as tests are, a crate needs seconds for a program of 50 MB.
    let printed = output_of_input(&mut program("sha256sum"), text.as_bytes()).await?;
    Ok(printed.chars().take(LENGTH).collect())
}

/// The hash of a folder's files: their names, contents and whether they can be executed.
pub async fn folder(folder: &Path) -> Result<String> {
    let mut files = BTreeMap::new();
    collect(folder, &mut files)?;
    if files.is_empty() {
        return text("").await;
    }
    let mut sums = program("sha256sum");
    sums.current_dir(folder).arg("--");
    for file in files.keys() {
        let relative = file.strip_prefix(folder).unwrap_or(file);
        sums.arg(Path::new(".").join(relative));
    }
    let mut sums = output(&mut sums).await?;
    for executable in files.values() {
        sums.push(if *executable { 'x' } else { '-' });
    }
    text(&sums).await
}

fn collect(folder: &Path, files: &mut BTreeMap<PathBuf, bool>) -> Result<()> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let metadata = std::fs::metadata(&path).with_context(|| format!("look at {}", path.display()))?;
        if metadata.is_dir() {
            collect(&path, files)?;
        } else {
            files.insert(path, metadata.permissions().mode() & 0o111 != 0);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn a_folders_hash_changes_with_content_name_and_mode_and_with_nothing_else() {
        let root = std::env::temp_dir().join(format!("gk-hash-test-{}", std::process::id()));
        fs::create_dir_all(root.join("inner")).unwrap();
        fs::write(root.join("inner/a"), "one").unwrap();
        let first = folder(&root).await.unwrap();
        fs::write(root.join("inner/a"), "one").unwrap();
        assert_eq!(folder(&root).await.unwrap(), first);
        fs::write(root.join("inner/a"), "two").unwrap();
        let second = folder(&root).await.unwrap();
        fs::rename(root.join("inner/a"), root.join("inner/b")).unwrap();
        let third = folder(&root).await.unwrap();
        fs::set_permissions(root.join("inner/b"), fs::Permissions::from_mode(0o755)).unwrap();
        let fourth = folder(&root).await.unwrap();
        fs::remove_dir_all(&root).unwrap();
        let mut all = vec![first, second, third, fourth];
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 4);
    }
}
