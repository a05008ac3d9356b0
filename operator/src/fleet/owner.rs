//! Whether a fleet is ours: two installations of the operator must not both manage it.
//!
//! The fleet's status names the Lease of the operator that manages it. Another one takes over only
//! when that Lease is gone or nobody renews it.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use gamekeeper_crds::{GameFleet, GameFleetStatus};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client, api::PostParams};
use tokio::time::Instant;

use crate::name::ObjectName;

/// A Lease that does not change for this long has no operator behind it: five of its durations.
const ABANDONED_AFTER: Duration = Duration::from_secs(15);

/// Decides whether fleets are ours.
pub struct Owner {
    client: Client,
    /// `namespace/name` of our Lease.
    lease: ObjectName,
    /// Other operators' leases: what they last said, and since when.
    seen: Mutex<HashMap<ObjectName, (Option<String>, Instant)>>,
}

/// Whose a fleet is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ownership {
    Ours,
    /// The Lease of the operator that manages it.
    Theirs(ObjectName),
}

impl Owner {
    /// For the operator with this Lease.
    pub fn new(client: Client, lease: ObjectName) -> Self {
        Self { client, lease, seen: Mutex::default() }
    }

    /// Whose `fleet` is. One that nobody manages becomes ours, by a compare-and-set; the fleet as it
    /// is then comes back with the answer.
    pub async fn claim(&self, fleet: &GameFleet) -> kube::Result<(Ownership, Option<GameFleet>)> {
        let named = fleet.status.as_ref().and_then(|it| it.managed_by.as_deref());
        if named == Some(&self.lease.to_string()) {
            return Ok((Ownership::Ours, None));
        }
        if let Some((namespace, name)) = named.and_then(|it| it.split_once('/')) {
            let theirs = ObjectName::new(namespace, name);
            if self.is_alive(&theirs).await? {
                return Ok((Ownership::Theirs(theirs), None));
            }
        }
        let mut claimed = fleet.clone();
        let status = claimed.status.get_or_insert_with(GameFleetStatus::default);
        status.managed_by = Some(self.lease.to_string());
        let name = ObjectName::of(fleet);
        let fleets = Api::<GameFleet>::namespaced(self.client.clone(), &name.namespace);
        let written = fleets.replace_status(&name.name, &PostParams::default(), &claimed).await?;
        Ok((Ownership::Ours, Some(written)))
    }

    async fn is_alive(&self, lease: &ObjectName) -> kube::Result<bool> {
        let leases = Api::<Lease>::namespaced(self.client.clone(), &lease.namespace);
        let spec = leases.get_opt(&lease.name).await?.and_then(|it| it.spec);
        let holder = spec.as_ref().and_then(|it| it.holder_identity.clone()).filter(|it| !it.is_empty());
        let Some(holder) = holder else { return Ok(false) };
        let renewed = spec.and_then(|it| it.renew_time).map(|it| format!("{holder} {}", it.0));
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let (last, since) = seen.entry(lease.clone()).or_insert_with(|| (renewed.clone(), now));
        if *last != renewed {
            (*last, *since) = (renewed, now);
        }
        Ok(now.duration_since(*since) < ABANDONED_AFTER)
    }
}
