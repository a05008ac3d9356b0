//! The rooms of both sides: our own kind, and one that is the same but for its group, of which the operator knows nothing.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use gamekeeper_crds::room::Recovery;
use gamekeeper_crds::{GROUP, GameRoom, GameRoomSpec, GameRoomStatus};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ObjectMeta, PostParams};
use kube::core::{ApiResource, Object, TypeMeta};
use kube::{Api, CustomResourceExt as _};
use serde_json::json;

use super::FLEET;
use crate::bench::stage::{LABEL, NAMESPACE, Stage};
use crate::wait::eventually;

/// The cluster role of requesters and of the bare loop.
pub(super) const ROLE: &str = "gamekeeper-bench-rooms";

/// The group of the bare loop's rooms, as long as ours.
const RAW_GROUP: &str = "bare-loops.dev";

const _: () = assert!(RAW_GROUP.len() == GROUP.len());

/// The API server serves a new kind within a second.
const SERVED: Duration = Duration::from_secs(30);

/// A room of either group.
pub(super) type Room = Object<GameRoomSpec, GameRoomStatus>;

/// Whose rooms.
#[derive(Clone, Debug)]
pub(super) struct Group(ApiResource);

impl Group {
    pub(super) fn ours() -> Self {
        Self(GameRoom::api_resource())
    }

    pub(super) fn raw() -> Self {
        let Self(ours) = Self::ours();
        Self(ApiResource {
            group: RAW_GROUP.to_owned(),
            api_version: format!("{RAW_GROUP}/{}", ours.version),
            ..ours
        })
    }

    pub(super) fn resource(&self) -> &ApiResource {
        &self.0
    }

    /// What its objects say of themselves, but not when they come out of a list.
    pub(super) fn types(&self) -> TypeMeta {
        TypeMeta { api_version: self.0.api_version.clone(), kind: self.0.kind.clone() }
    }

    /// A room to be asked for.
    pub(super) fn room(&self, name: &str) -> Room {
        let spec = GameRoomSpec {
            fleet_name: FLEET.to_owned(),
            server_selector: None,
            priority: 0,
            parameters: [("map".to_owned(), "harbour".to_owned())].into(),
            seats: Some(8),
            recovery: Recovery::Restore,
            ttl_seconds_after_finished: 60,
        };
        Room::new(name, &self.0, spec).within(NAMESPACE)
    }

    /// Has the API server serve the bare loop's kind, and makes the role with rights on both.
    pub(super) async fn define_raw(stage: &Stage) -> Result<()> {
        let plural = &Self::raw().0.plural;
        let role = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": { "name": ROLE, "labels": { LABEL: "true" } },
            "rules": [{
                "apiGroups": [GROUP, RAW_GROUP],
                "resources": [plural, format!("{plural}/status")],
                "verbs": ["create", "get", "list", "watch", "update"],
            }],
        });
        stage.kubectl.apply(&role.to_string()).await?;
        // As it is in the cluster, with whatever the chart made of it.
        let crds: Api<CustomResourceDefinition> = Api::all(stage.client.clone());
        let mut crd = crds.get(GameRoom::crd_name()).await?;
        let raw = format!("{plural}.{RAW_GROUP}");
        crd.metadata = ObjectMeta {
            name: Some(raw.clone()),
            labels: Some([(LABEL.to_owned(), "true".to_owned())].into()),
            ..ObjectMeta::default()
        };
        RAW_GROUP.clone_into(&mut crd.spec.group);
        crd.status = None;
        crds.create(&PostParams::default(), &crd).await.context("define the bare loop's rooms")?;
        eventually("the bare loop's rooms to be served", SERVED, async || {
            let list = stage.kubectl.run(&["get", &raw, "--output=name"]).await?;
            ensure!(list.is_empty(), "there are some");
            Ok(())
        })
        .await
    }
}
