//! Programs for images `FROM scratch`: static ones in Rust and in Go, and Debian's with the libraries that they load.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tokio::process::Command;

use crate::command::{program, run};
use crate::files::{make_folder, part};
use crate::lock::FileLock;
use crate::{command, hash, paths, tools};

/// Variables that cargo sets for the process it runs. Build scripts that watch them would run again and again if a
/// cargo under a cargo saw them.
const OF_THE_OUTER_CARGO: [&str; 6] =
    ["CARGO_PKG_", "CARGO_BIN_", "CARGO_MANIFEST_", "CARGO_CRATE_", "CARGO_PRIMARY_", "CARGO_ENCODED_"];

/// Builds a program of this workspace for release, without any library to load.
pub async fn rust(package: &str, binary: &str) -> Result<PathBuf> {
    rust_together([(package, binary)]).await.map(|[path]| path)
}

/// The same, of several: each the name of a package and of a binary in it. One after the other would build again what both
/// need, wherever they choose other features of it.
pub async fn rust_together<const N: usize>(programs: [(&str, &str); N]) -> Result<[PathBuf; N]> {
    let target = host_triple().await?;
    let mut build = cargo();
    build.args(["build", "--quiet", "--release"]);
    for (package, binary) in programs {
        build.args(["--package", package, "--bin", binary]);
    }
    // With --target the flags are not for build scripts and derive macros, which cannot be static.
    build.args(["--target", &target, "--message-format", "json-render-diagnostics"]);
    build.env("RUSTFLAGS", "-C target-feature=+crt-static").stderr(std::process::Stdio::inherit());
    let messages = build.output().await.context("cannot run cargo")?;
    if !messages.status.success() {
        bail!("cargo cannot build {programs:?}: see above");
    }
    let messages = String::from_utf8_lossy(&messages.stdout);
    let mut paths = programs.map(|_| PathBuf::new());
    for (path, (_, binary)) in paths.iter_mut().zip(programs) {
        *path =
            executable(&messages, binary).with_context(|| format!("cargo did not say where {binary} is"))?;
    }
    Ok(paths)
}

/// Builds a variant of a program of this workspace, with a feature of its package, apart from the usual one.
pub async fn rust_with(package: &str, binary: &str, feature: &str) -> Result<PathBuf> {
    let mut build = cargo();
    build.args([
        "build",
        "--quiet",
        "--release",
        "--package",
        package,
        "--bin",
        binary,
        "--features",
        feature,
    ]);
    build.arg("--target-dir").arg(paths::repository().join("target").join(feature));
    build.args(["--message-format", "json-render-diagnostics"]).stderr(std::process::Stdio::inherit());
    let messages = build.output().await.context("cannot run cargo")?;
    if !messages.status.success() {
        bail!("cargo cannot build {package} with {feature}: see above");
    }
    let messages = String::from_utf8_lossy(&messages.stdout);
    executable(&messages, binary).with_context(|| format!("cargo did not say where {binary} is"))
}

/// Builds the Go program in `folder`, without any library to load.
pub async fn go(folder: &Path, name: &str) -> Result<PathBuf> {
    let _lock = FileLock::acquire("go").await?;
    // Checkouts that differ do not overwrite each other's.
    let folder_of_out = paths::cache()?.join("go").join(hash::folder(folder).await?);
    let out = folder_of_out.join(name);
    if out.exists() {
        return Ok(out);
    }
    make_folder(&folder_of_out)?;
    let part = part(&out);
    let mut build = tools::go()?;
    build.current_dir(folder).args(["build", "-trimpath", "-ldflags", "-s -w", "-o"]).arg(&part).arg(".");
    run(&mut build).await?;
    std::fs::rename(&part, &out).with_context(|| format!("put {} in its place", out.display()))?;
    Ok(out)
}

/// Programs of Debian, and all files that they need to run in an image with nothing else in it: the libraries and what
/// loads them. Each is in the same place there.
pub async fn debian(programs: &[&str]) -> Result<BTreeSet<PathBuf>> {
    let mut files = BTreeSet::new();
    for name in programs {
        let path = Path::new("/usr/bin").join(name);
        let listed = command::output(program("ldd").arg(&path)).await?;
        let loaded = libraries(&listed).with_context(|| format!("what {} loads", path.display()))?;
        files.extend(loaded);
        files.insert(path);
    }
    Ok(files)
}

fn cargo() -> Command {
    let mut cargo = program(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(paths::repository());
    for (name, _) in std::env::vars_os() {
        if OF_THE_OUTER_CARGO.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            cargo.env_remove(name);
        }
    }
    cargo
}

async fn host_triple() -> Result<String> {
    let printed = command::output(program("rustc").arg("-vV").current_dir(paths::repository())).await?;
    let host = printed.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc did not name its host")
}

/// What cargo's messages say about where `binary` is.
fn executable(messages: &str, binary: &str) -> Option<PathBuf> {
    messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find_map(|message| {
        let ours = message["target"]["name"] == binary;
        message["executable"].as_str().filter(|_| ours).map(PathBuf::from)
    })
}

/// The files in what `ldd` printed.
fn libraries(listed: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for line in listed.lines().map(str::trim) {
        // `NAME => PATH (ADDRESS)`, `PATH (ADDRESS)` of what loads the others; the kernel's own has no path.
        let what = line.split_once(" => ").map_or(line, |(_, found)| found);
        if what.starts_with("not found") {
            bail!("{line}");
        }
        if let Some((path, _)) = what.split_once(" (").filter(|(path, _)| path.starts_with('/')) {
            files.push(PathBuf::from(path));
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_loads_is_found_and_what_is_missing_is_told() {
        let listed = "\tlinux-vdso.so.1 (0x00007f)\n\tlibm.so.6 => /lib/x/libm.so.6 (0x00007f)\n\t/lib64/ld.so.2 (0x00007f)\n";
        assert_eq!(libraries(listed).unwrap(), [Path::new("/lib/x/libm.so.6"), Path::new("/lib64/ld.so.2")]);
        assert!(libraries("\tlibgone.so.1 => not found\n").unwrap_err().to_string().contains("libgone"));
    }

    #[test]
    fn the_executable_is_the_one_of_the_asked_binary() {
        let messages = concat!(
            "not json\n",
            r#"{"reason":"compiler-artifact","target":{"name":"other"},"executable":"/t/other"}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"ours"},"executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"ours"},"executable":"/t/ours"}"#,
        );
        assert_eq!(executable(messages, "ours"), Some(PathBuf::from("/t/ours")));
    }
}
