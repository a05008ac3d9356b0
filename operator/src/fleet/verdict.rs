//! What a fleet's conditions say: pure functions of what was observed and done.

use std::collections::BTreeMap;

use gamekeeper_crds::conditions::{ACCEPTED, AVAILABLE, DEGRADED, PROGRESSING, Verdict, reason};

use super::{
    Invalid,
    apply::Applied,
    observe::Observed,
    plan::{CRASH_LOOP_AFTER, Census, Plan},
};
use crate::{
    name::ObjectName,
    server::{Health, ServerPod, pod::Process},
};

/// Of a fleet whose spec cannot be carried out. Its servers stay as they are.
pub(super) fn invalid(error: &Invalid) -> Vec<Verdict> {
    vec![Verdict::new(ACCEPTED, false, reason::INVALID_SPEC, error.to_string())]
}

/// Of a fleet that another installation manages. Told as an event only: its status is theirs.
pub(super) fn managed_elsewhere(theirs: &ObjectName) -> String {
    format!(
        "the operator with the Lease {theirs} manages this fleet; let the two operators watch different namespaces"
    )
}

/// Of a fleet that is being deleted.
pub(super) fn deleting() -> Vec<Verdict> {
    vec![Verdict::new(
        PROGRESSING,
        true,
        reason::DELETING,
        "the fleet is being deleted, and its servers with it",
    )]
}

/// Of a fleet that was carried out.
pub(super) fn carried_out(observed: &Observed, newest: &str, plan: &Plan, applied: &Applied) -> Vec<Verdict> {
    if let Some(message) = &applied.template_refused {
        let message = format!("the API server refuses a pod made from spec.template: {message}");
        return vec![Verdict::new(ACCEPTED, false, reason::INVALID_TEMPLATE, message)];
    }
    let accepted = Verdict::new(ACCEPTED, true, reason::VALID, "the spec is carried out");
    vec![
        accepted,
        available(&plan.census),
        progressing(observed, newest, plan),
        degraded(observed, plan, applied),
    ]
}

fn available(census: &Census) -> Verdict {
    let Census { desired, ready, min_available, .. } = census;
    let message = format!("{ready} of {desired} servers are ready");
    if min_available <= ready {
        Verdict::new(AVAILABLE, true, reason::ENOUGH_READY, message)
    } else {
        Verdict::new(
            AVAILABLE,
            false,
            reason::TOO_FEW_READY,
            format!("{message}, at least {min_available} should be"),
        )
    }
}

fn progressing(observed: &Observed, newest: &str, plan: &Plan) -> Verdict {
    let Census { desired, active, ready, updated, busy, .. } = plan.census;
    let old = active.saturating_sub(updated);
    if 0 < old {
        let waiting = observed.servers.iter().filter(|it| it.is_busy && it.pod.revision != newest).count();
        let message = format!(
            "{updated} of {desired} servers are of revision {newest}; {old} older ones are left, {waiting} of them until their match is over"
        );
        return Verdict::new(PROGRESSING, true, reason::ROLLING_OUT, message);
    }
    if desired < active {
        let message =
            format!("{active} servers, {desired} wanted; {busy} have a match and stay until it is over");
        return Verdict::new(PROGRESSING, true, reason::SCALING_DOWN, message);
    }
    if active < desired || ready < desired {
        let message =
            format!("{ready} of {desired} servers are ready, {} are starting", active.saturating_sub(ready));
        return Verdict::new(PROGRESSING, true, reason::SCALING_UP, message);
    }
    Verdict::new(
        PROGRESSING,
        false,
        reason::COMPLETE,
        format!("all {desired} servers are of revision {newest} and ready"),
    )
}

/// The most telling of what may be wrong.
fn degraded(observed: &Observed, plan: &Plan, applied: &Applied) -> Verdict {
    let wrong = |reason, message| Verdict::new(DEGRADED, true, reason, message);
    if let Some(message) = &applied.create_refused {
        return wrong(reason::CREATE_REFUSED, format!("the API server refuses more servers: {message}"));
    }
    let active = || observed.servers.iter().filter(|it| !it.pod.is_deleting && it.pod.exit().is_none());
    let unschedulable = most_common(active().filter_map(|it| it.pod.unschedulable.clone()));
    if let Some((count, message)) = unschedulable {
        return if message.contains("free ports") {
            let hint = "give the operator a larger range of host ports, or add nodes";
            wrong(
                reason::PORTS_EXHAUSTED,
                format!("{count} servers find no node with their host ports free ({message}); {hint}"),
            )
        } else {
            wrong(reason::UNSCHEDULABLE, format!("{count} servers find no node: {message}"))
        };
    }
    let stuck = |pod: &ServerPod| match &pod.process {
        Process::Stuck { reason, message } => Some(format!("{reason}: {message}")),
        Process::Waiting | Process::Running | Process::Ended(_) => None,
    };
    if let Some((count, message)) = most_common(active().filter_map(|it| stuck(&it.pod))) {
        return wrong(reason::CANNOT_START, format!("{count} servers cannot start: {message}"));
    }
    // Why they fail, where we know it.
    if let Some((count, message)) = most_common(observed.troubles.iter().cloned()) {
        return wrong(
            reason::CONTROL_FAILING,
            format!("{count} servers cannot be talked to at spec.control.port: {message}"),
        );
    }
    if CRASH_LOOP_AFTER <= plan.census.failures {
        return wrong(reason::CRASH_LOOP, crash_loop(observed, &plan.census));
    }
    let mute = active().filter(|it| it.health == Health::Unhealthy).count();
    if 0 < mute {
        return wrong(
            reason::PROBE_FAILING,
            format!("{mute} servers run but are not ready any more: look at their probes and logs"),
        );
    }
    Verdict::new(DEGRADED, false, reason::HEALTHY, "nothing is wrong")
}

fn crash_loop(observed: &Observed, census: &Census) -> String {
    let ended = observed.servers.iter().filter_map(|it| Some((it, it.pod.exit()?)));
    let last = ended.max_by_key(|(it, _)| it.history.ended).map(|(it, exit)| {
        format!("server {} exited with code {}: see `kubectl logs {}`", it.pod.name, exit.code, it.pod.name)
    });
    let last = last.unwrap_or_else(|| "servers are not ready in time".to_owned());
    format!(
        "servers failed {} times in a row and are started ever more slowly ({} wait); {last}",
        census.failures, census.braked
    )
}

fn most_common(messages: impl Iterator<Item = String>) -> Option<(usize, String)> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for message in messages {
        *counts.entry(message).or_default() += 1;
    }
    let total = counts.values().sum();
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(message, _)| (total, message))
}
