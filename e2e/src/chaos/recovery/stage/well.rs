//! Whether all is well: no round begins before.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, ResourceExt as _};
use tokio::time::sleep;

use super::super::scene::{Scene, Server};
use super::super::{folder, store};
use super::{NO_FLEET, Scenery, Stage};
use crate::arena::PATIENCE;
use crate::clock::Moment;
use crate::wait::eventually;

/// How often is looked for servers that have failed.
const LOOK: Duration = Duration::from_millis(250);

/// What a server's log says when it has found the store: what it plays is saved from then on, and what others saved is found.
const REACHED: &str = "the store is reached";

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
            tokio::select! {
                settled = self.arena.settled(size.name) => settled?,
                never = self.relieve() => never,
            }
        }
        store::ready(self.arena.namespace().env()).await?;
        self.all_well().await
    }

    /// Removes servers that have failed: the fleet starts those in their place ever more slowly, as it does not know that their
    /// ends were ours. Goes on until it is dropped.
    async fn relieve<T>(&self) -> T {
        let pods: Api<Pod> = Api::namespaced(self.arena.namespace().env().client().clone(), self.namespace());
        let failed = ListParams::default().fields("status.phase=Failed");
        loop {
            for pod in pods.list(&failed).await.into_iter().flatten() {
                // It may be gone just now; else the next look finds it again.
                let _ = pods.delete(&pod.name_any(), &DeleteParams::default().grace_period(0)).await;
            }
            sleep(LOOK).await;
        }
    }

    /// Waits until all bots in all rooms play, and the rooms are saved and copied where they are to be.
    pub(super) async fn all_well(&mut self) -> Result<()> {
        if self.scenery.is_none() {
            return Ok(());
        }
        self.all_play().await?;
        self.all_have_found_the_store().await?;
        if self.manner.standby { self.all_mirrored().await } else { Ok(()) }
    }

    /// Waits until all servers have found the store, those without rooms too.
    async fn all_have_found_the_store(&self) -> Result<()> {
        eventually("all servers to find the store", PATIENCE, async || {
            for server in &self.scene().await?.servers {
                ensure!(self.log_of(server)?.contains(REACHED), "{} has not found it", server.pod);
            }
            Ok(())
        })
        .await
    }

    /// Waits until all servers with rooms send copies of them to a server on another node.
    async fn all_mirrored(&self) -> Result<()> {
        eventually("all rooms to be copied", PATIENCE, async || {
            let Scene { servers, .. } = self.scene().await?;
            for server in servers.iter().filter(|it| !it.rooms.is_empty()) {
                let log = self.log_of(server)?;
                let last = log.lines().rfind(|it| it.contains(MIRRORED)).unwrap_or_default();
                let is_there = |it: &&Server| it.node != server.node && last.contains(&format!("{}:", it.ip));
                ensure!(servers.iter().any(|it| is_there(&it)), "{} has no standby: {last}", server.pod);
            }
            Ok(())
        })
        .await
    }

    fn log_of(&self, server: &Server) -> Result<String> {
        let node = server.node.parse()?;
        Ok(folder::log_of(self.faults.cluster(), node, self.namespace(), &server.pod))
    }

    /// Waits until all bots in all rooms play.
    async fn all_play(&mut self) -> Result<()> {
        let scenery = self.scenery.as_mut().context(NO_FLEET)?;
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
