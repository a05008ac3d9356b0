//! Step 5: the fleet's status and events, from what was observed and what became of the plan.

use std::time::Duration;

use gamekeeper_crds::{
    GameFleet, GameFleetStatus,
    conditions::{self, ACCEPTED, DEGRADED, Verdict},
    labels,
};
use kube::{Api, api::PostParams};
use tokio::time::Instant;

use super::{Context, observe::Observed, plan::Census};
use crate::{events::Notice, metrics::Outcome};

/// Statuses of a fleet are written at most this often, unless a condition turns: a fleet that grows
/// by thousands would else write as many statuses as pods.
const WRITE_EVERY: Duration = Duration::from_millis(500);

/// The status could not be written.
#[derive(Debug, thiserror::Error)]
#[error("failed to write the status")]
pub struct Error(#[source] kube::Error);

/// What the status is made of.
pub(super) struct Report<'a> {
    pub(super) verdicts: Vec<Verdict>,
    /// Of a fleet that was carried out.
    pub(super) carried_out: Option<(&'a Census, &'a str)>,
}

/// Brings the fleet's status up to date. `Some`: it was written a moment ago; write again then.
pub(super) async fn report(
    context: &Context,
    observed: &Observed,
    report: Report<'_>,
) -> Result<Option<Duration>, Error> {
    let before = observed.fleet.status.clone().unwrap_or_default();
    let status = next(context, observed, &before, &report);
    if status == before {
        return Ok(None);
    }
    let turned = turned(&before, &status, &report.verdicts);
    let now = Instant::now();
    if let Some(wait) = context.status_pause(&observed.name, now, WRITE_EVERY).filter(|_| turned.is_empty()) {
        return Ok(Some(wait));
    }
    let mut fleet = GameFleet::clone(&observed.fleet);
    fleet.status = Some(status);
    let fleets = Api::<GameFleet>::namespaced(context.client.clone(), &observed.name.namespace);
    let written = fleets.replace_status(&observed.name.name, &PostParams::default(), &fleet).await;
    context.metrics.fleet_status_written(if written.is_ok() { Outcome::Applied } else { Outcome::Failed });
    let written = written.map_err(Error)?;
    context.world.write().fleets.note(written);
    for verdict in turned {
        context.events.fleet(&observed.fleet, &notice(verdict)).await;
    }
    Ok(None)
}

fn next(
    context: &Context,
    observed: &Observed,
    before: &GameFleetStatus,
    report: &Report<'_>,
) -> GameFleetStatus {
    let generation = observed.fleet.metadata.generation;
    let now = context.clock.now();
    let mut status = before.clone();
    status.observed_generation = generation;
    status.conditions = conditions::next(&before.conditions, &report.verdicts, generation, now);
    status.selector = Some(format!("{}={}", labels::FLEET, observed.name.name));
    status.rooms = observed.rooms;
    if let Some((census, newest)) = report.carried_out {
        let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        status.desired_replicas = number(census.desired);
        status.replicas = number(census.active);
        status.ready_replicas = number(census.ready);
        status.updated_replicas = number(census.updated);
        status.update_revision = Some(newest.to_owned());
        if census.updated == census.active || status.current_revision.is_none() {
            status.current_revision = Some(newest.to_owned());
        }
    }
    status
}

/// Verdicts whose status or reason is news: worth a write at once, and an event.
fn turned<'a>(
    before: &GameFleetStatus,
    after: &GameFleetStatus,
    verdicts: &'a [Verdict],
) -> Vec<&'a Verdict> {
    let reason = |status: &GameFleetStatus, type_: &str| {
        conditions::find(&status.conditions, type_).map(|it| (it.status.clone(), it.reason.clone()))
    };
    verdicts.iter().filter(|it| reason(before, it.type_) != reason(after, it.type_)).collect()
}

fn notice(verdict: &Verdict) -> Notice {
    let is_bad = match verdict.type_ {
        DEGRADED => verdict.status == Some(true),
        ACCEPTED => verdict.status == Some(false),
        _ => false,
    };
    Notice { is_warning: is_bad, reason: verdict.reason, note: verdict.message.clone() }
}
