//! Signals to containers.

use std::str::FromStr;

use anyhow::{Error, Result, bail, ensure};

use super::container::{Container, Victim, find};
use crate::cluster::Cluster;
use crate::command::{output, program};

/// What a container's first process is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// It ends at once.
    Kill,
    /// It stands still, until told to continue.
    Stop,
    /// It goes on.
    Cont,
    /// It is asked to end.
    Term,
    /// The first signal for a program's own use: the arena's ticks stand still when it was started with
    /// `--hang-on-usr1`; others end.
    Usr1,
}

impl Signal {
    const ALL: [Self; 5] = [Self::Kill, Self::Stop, Self::Cont, Self::Term, Self::Usr1];

    /// Its name, without `SIG`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kill => "KILL",
            Self::Stop => "STOP",
            Self::Cont => "CONT",
            Self::Term => "TERM",
            Self::Usr1 => "USR1",
        }
    }
}

impl FromStr for Signal {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match Self::ALL.into_iter().find(|signal| signal.name() == text) {
            Some(signal) => Ok(signal),
            None => bail!("{text} is none of {}", Self::ALL.map(Self::name).join(", ")),
        }
    }
}

impl Container {
    /// Signals its first process, without asking containerd: it arrives within a few milliseconds.
    pub async fn signal(&self, signal: Signal) -> Result<()> {
        // Its number may be another process's by now.
        ensure!(!self.has_ended(), "the container {} has ended already", self.id);
        output(program("kill").args(["-s", signal.name(), &self.pid.to_string()])).await.map(drop)
    }
}

/// Sends a signal to the first process of a container.
pub async fn signal(cluster: &Cluster, victim: &Victim, signal: Signal) -> Result<()> {
    let (node, task) = find(cluster, victim).await?;
    let name = format!("SIG{}", signal.name());
    cluster.ctr(node, &["tasks", "kill", "--signal", &name, &task]).await.map(drop)
}

/// Stops all processes of a container at once; they cannot notice.
pub async fn freeze(cluster: &Cluster, victim: &Victim) -> Result<()> {
    let (node, task) = find(cluster, victim).await?;
    cluster.ctr(node, &["tasks", "pause", &task]).await.map(drop)
}

/// Ends a [`freeze`].
pub async fn unfreeze(cluster: &Cluster, victim: &Victim) -> Result<()> {
    let (node, task) = find(cluster, victim).await?;
    cluster.ctr(node, &["tasks", "resume", &task]).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_found_by_its_name() {
        assert!(Signal::ALL.into_iter().all(|it| it.name().parse::<Signal>().unwrap() == it));
        assert!("HUP".parse::<Signal>().unwrap_err().to_string().contains("KILL, STOP"));
    }
}
