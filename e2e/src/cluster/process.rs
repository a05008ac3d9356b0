//! Starting, finding and ending the processes of a cluster.
//!
//! A process is known by its pid file, and believed to be ours only if the cluster's state folder is in its command
//! line: a pid that was given to another process since is never signalled. Everything started here carries a mark in its
//! environment too, by which `down` finds what a harness started that was killed before it wrote the pid file.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use crate::command::{output, program};
use crate::files::{make_folder, missing_is_fine, write_whole};

/// The mark in the environment; its value is the state folder.
const MARK: &str = "GAMEKEEPER_CLUSTER";

/// Daemons get this and nothing of the caller's environment.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How long a process may take to appear behind its wrapper, or to end, on a busy machine.
const APPEAR: Duration = Duration::from_secs(10);

/// How often is looked.
const LOOK: Duration = Duration::from_millis(10);

/// How much of the last line of a log an error repeats.
const LAST_WORDS: usize = 400;

/// How a process is started inside of something.
pub(super) struct Start {
    /// Such as nsenter or unshare, which stay and fork: their child is the process to know.
    pub(super) wrapper: Vec<String>,
    /// The program and its arguments.
    pub(super) arguments: Vec<String>,
    /// What a script's command line is once it has replaced itself; empty when it does not.
    pub(super) becomes: Vec<String>,
    /// What an earlier one may have left that would be taken for the new one's.
    pub(super) stale: Option<PathBuf>,
}

/// The processes of one cluster.
#[derive(Clone, Debug)]
pub(crate) struct Processes {
    state: PathBuf,
}

impl Processes {
    pub(super) fn new(state: &Path) -> Self {
        Self { state: state.to_owned() }
    }

    /// The mark, as a variable.
    pub(crate) fn mark(&self) -> (&'static str, &Path) {
        (MARK, &self.state)
    }

    /// The process `name`, if it runs.
    pub(crate) fn pid(&self, name: &str) -> Option<u32> {
        let pid = fs::read_to_string(self.pid_file(name)).ok()?.trim().parse().ok()?;
        // A process that has ended and is not reaped has an empty command line.
        contains(&command_line(pid)?, self.state.join("").as_os_str().as_bytes()).then_some(pid)
    }

    pub(crate) fn is_alive(&self, name: &str) -> bool {
        self.pid(name).is_some()
    }

    pub(super) fn pid_file(&self, name: &str) -> PathBuf {
        self.state.join(format!("{name}.pid"))
    }

    fn log_file(&self, name: &str) -> PathBuf {
        self.state.join("log").join(format!("{name}.log"))
    }

    /// Starts `arguments` as `name` in the background, unless it runs.
    pub(super) async fn start(&self, name: &str, arguments: Vec<String>) -> Result<u32> {
        self.start_inside(name, Start { wrapper: Vec::new(), arguments, becomes: Vec::new(), stale: None })
            .await
    }

    /// The same behind a wrapper.
    pub(super) async fn start_inside(&self, name: &str, start: Start) -> Result<u32> {
        let Start { wrapper, arguments, becomes, stale } = start;
        let running = || find(&arguments).or_else(|| find(&becomes));
        if let Some(pid) = self.pid(name) {
            return Ok(pid);
        }
        // Started by a harness that was killed before it could write down the pid.
        if let Some(pid) = running() {
            return self.remember(name, pid);
        }
        stale.map_or(Ok(()), fs::remove_file).or_else(missing_is_fine)?;
        make_folder(&self.state.join("log"))?;
        let log = self.log_file(name);
        let log = fs::OpenOptions::new().create(true).append(true).open(&log);
        let log = log.with_context(|| format!("open the log of {name}"))?;
        // setsid: a Ctrl-C for the harness is not for the cluster.
        let mut command = Command::new("setsid");
        command.args(&wrapper).args(&arguments).env_clear().env("PATH", PATH).env(MARK, &self.state);
        command.current_dir("/").stdin(Stdio::null()).stderr(log.try_clone()?).stdout(log);
        let mut child = command.spawn().with_context(|| format!("start {name}"))?;
        let deadline = Instant::now() + APPEAR;
        loop {
            if let Some(pid) = running() {
                return self.remember(name, pid);
            }
            if child.try_wait()?.is_some() || Instant::now() > deadline {
                bail!("{name} did not start: {}", self.last_words(name));
            }
            sleep(LOOK).await;
        }
    }

    fn remember(&self, name: &str, pid: u32) -> Result<u32> {
        write_whole(&self.pid_file(name), pid.to_string().as_bytes())?;
        Ok(pid)
    }

    /// Ends the process `name` at once; fails when it does not run.
    pub(crate) async fn kill(&self, name: &str) -> Result<()> {
        let pid = self.pid(name).with_context(|| format!("{name} does not run"))?;
        signal_kill(&[pid]).await?;
        // Whoever starts it again must not take the one that is ending for it.
        let deadline = Instant::now() + APPEAR;
        while !has_ended(pid) {
            if Instant::now() > deadline {
                bail!("{name} has not ended {APPEAR:?} after SIGKILL");
            }
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// Ends all processes that were ever started for this cluster. Those in the namespaces of nodes end with them.
    pub(super) async fn kill_all(&self) -> Result<()> {
        let mut pids: Vec<_> = self.names().iter().filter_map(|name| self.pid(name)).collect();
        pids.extend(self.marked().into_iter().map(|(pid, _)| pid));
        signal_kill(&pids).await
    }

    /// The names of all that was started.
    fn names(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(&self.state) else { return Vec::new() };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names.filter_map(|name| name.strip_suffix(".pid").map(str::to_owned)).collect()
    }

    /// All processes with the mark, with their command lines; what pods run has it not.
    pub(super) fn marked(&self) -> Vec<(u32, String)> {
        let mut mark = format!("{MARK}=").into_bytes();
        mark.extend(self.state.as_os_str().as_bytes());
        pids()
            .filter_map(|pid| {
                let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
                if !environment.split(|byte| *byte == 0).any(|entry| entry == mark) {
                    return None;
                }
                Some((pid, String::from_utf8_lossy(&command_line(pid)?).replace('\0', " ")))
            })
            .collect()
    }

    /// The last line that `name` printed, for an error.
    pub(super) fn last_words(&self, name: &str) -> String {
        let log = self.log_file(name);
        let text = fs::read_to_string(&log).unwrap_or_default();
        let line: String =
            text.lines().last().unwrap_or("it printed nothing").chars().take(LAST_WORDS).collect();
        format!("{line} (see {})", log.display())
    }
}

/// The process with exactly this command line.
fn find(arguments: &[String]) -> Option<u32> {
    if arguments.is_empty() {
        return None;
    }
    let mut wanted = arguments.join("\0").into_bytes();
    wanted.push(0);
    pids().find(|pid| command_line(*pid).is_some_and(|line| line == wanted))
}

fn pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// Whether nothing of a process is left but what its parent has to reap. Its memory goes before its sockets do,
/// and its first thread before the others: an empty command line is not enough.
fn has_ended(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return true };
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    let threads = fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    matches!(state, Some('Z' | 'X')) && threads <= 1
}

fn command_line(pid: u32) -> Option<Vec<u8>> {
    fs::read(format!("/proc/{pid}/cmdline")).ok()
}

/// Ends processes at once. Those that ended by themselves meanwhile are no failure.
pub(crate) async fn signal_kill(pids: &[u32]) -> Result<()> {
    let is_there = |pid: &u32| command_line(*pid).is_some_and(|line| !line.is_empty());
    let deadline = Instant::now() + APPEAR;
    let mut left = pids.to_vec();
    while !left.is_empty() {
        let killed = output(program("kill").args(["-s", "KILL"]).args(left.iter().map(u32::to_string))).await;
        match killed {
            Ok(_) => break,
            Err(error) if deadline < Instant::now() => return Err(error),
            // One of them was gone. Of the others we know no more than that they were told.
            Err(_) => left.retain(is_there),
        }
        sleep(LOOK).await;
    }
    Ok(())
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
