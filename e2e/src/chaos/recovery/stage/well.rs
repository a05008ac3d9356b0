//! Whether all is well: no round begins before.

use anyhow::{Result, ensure};

use super::super::scene::{Scene, Server};
use super::super::{folder, store};
use super::{Scenery, Stage};
use crate::arena::PATIENCE;
use crate::clock::Moment;
use crate::wait::eventually;

/// What a server's log says when its standby takes copies, with the standby's address.
const MIRRORED: &str = "rooms are copied to the standby";

impl Stage {
    /// Waits until everything is as before a fault.
    pub(in super::super) async fn whole(&mut self) -> Result<()> {
        tokio::select! {
            available = self.operators.available() => available?,
            never = self.operators.relieve() => never,
        }
        if let Some(Scenery { size, .. }) = &self.scenery {
            self.arena.settled(size.name).await?;
        }
        store::ready(self.arena.namespace().env()).await?;
        self.all_well().await
    }

    /// Waits until all bots in all rooms play, and the rooms are copied where they are to be.
    pub(super) async fn all_well(&mut self) -> Result<()> {
        self.all_play().await?;
        if self.manner.standby { self.all_mirrored().await } else { Ok(()) }
    }

    /// Waits until all servers with rooms send copies of them to a server on another node.
    async fn all_mirrored(&self) -> Result<()> {
        let (cluster, namespace) = (self.faults.cluster(), self.namespace());
        eventually("all rooms to be copied", PATIENCE, async || {
            let Scene { servers, .. } = self.scene().await?;
            for server in servers.iter().filter(|it| !it.rooms.is_empty()) {
                let log = folder::log_of(cluster, server.node.parse()?, namespace, &server.pod);
                let last = log.lines().rfind(|it| it.contains(MIRRORED)).unwrap_or_default();
                let is_there = |it: &&Server| it.node != server.node && last.contains(&format!("{}:", it.ip));
                ensure!(servers.iter().any(|it| is_there(&it)), "{} has no standby: {last}", server.pod);
            }
            Ok(())
        })
        .await
    }

    /// Waits until all bots in all rooms play.
    async fn all_play(&mut self) -> Result<()> {
        let Some(scenery) = &mut self.scenery else { return Ok(()) };
        let (rooms, sight) = (&self.rooms, tokio::sync::Mutex::new(&mut scenery.sight));
        eventually("all bots to play", PATIENCE, async || {
            let mut sight = sight.lock().await;
            let (views, now) = (sight.look()?, Moment::now());
            for (name, (uid, bots)) in rooms {
                let playing = views.playing(uid, now);
                ensure!(playing == *bots, "{playing} of {bots} bots play in {name}");
            }
            Ok(())
        })
        .await
    }
}
