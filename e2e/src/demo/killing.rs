//! A server is killed in front of whoever watches, and its matches go on elsewhere.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::future::try_join_all;
use gamekeeper_crds::room::Phase;
use tokio::time::Instant;

use super::rooms::{Rooms, Sighting};
use super::stage::{NAMESPACE, Stage};
use crate::faults::{self, Signal, Victim};
use crate::progress::say;
use crate::target::Reached;

/// Far more than it takes: what takes longer is told, and the demo fails.
const BACK: Duration = Duration::from_secs(30);

/// Kills the server with the most matches. Returns how long it took, for each of them, until its new address could be read.
pub(super) async fn kill_the_fullest(
    stage: &Stage,
    rooms: &Rooms,
    matches: &[(String, Sighting, usize)],
) -> Result<HashMap<String, Duration>> {
    let mut count: HashMap<&str, usize> = HashMap::new();
    for (_, seen, _) in matches {
        *count.entry(&seen.server).or_default() += 1;
    }
    let fullest = count.into_iter().max_by_key(|(server, rooms)| (*rooms, std::cmp::Reverse(*server)));
    let (server, _) = fullest.context("there is no match")?;
    let hit: Vec<_> = matches.iter().filter(|it| it.1.server == server).collect();
    say(&format!("\nthe server {server} is killed, in the middle of {} matches", hit.len()));
    let killed = Instant::now();
    match &stage.prepared.cluster {
        Reached::Ours(cluster) => {
            faults::signal(cluster, &Victim::pod(NAMESPACE, server), Signal::Kill).await?;
        }
        Reached::Foreign { .. } => {
            let delete = ["delete", "pod", server, "--grace-period=0", "--force", "--wait=false"];
            stage.kubectl.run(&delete).await?;
        }
    }
    let back = hit.iter().map(|(name, before, _)| async move {
        let is_back = |it: &Sighting| it.phase == Phase::Running && before.epoch < it.epoch;
        let there = rooms.until(name, "to be played elsewhere", BACK, is_back).await?;
        let took = there.changed.duration_since(killed);
        say(&format!("  {name} is played on {} after {} ms", there.server, took.as_millis()));
        anyhow::Ok((name.clone(), took))
    });
    Ok(try_join_all(back).await?.into_iter().collect())
}
