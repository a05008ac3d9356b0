//! Conditions: their types, their reasons, and how one is set.
//!
//! Types and reasons are the API's vocabulary; clients tolerate those they do not know.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// `GameFleet`: the spec can be carried out.
pub const ACCEPTED: &str = "Accepted";
/// `GameFleet`: as many servers are ready as are wanted, but for those that a rollout may take away.
pub const AVAILABLE: &str = "Available";
/// `GameFleet`: servers are being started, replaced or removed.
pub const PROGRESSING: &str = "Progressing";
/// `GameFleet`: something needs a person.
pub const DEGRADED: &str = "Degraded";

/// `GameRoom`: the room has a server, or the reason why not.
pub const PLACED: &str = "Placed";
/// `GameRoom`: the room's state outlives its server.
pub const CHECKPOINTED: &str = "Checkpointed";
/// `GameRoom`: the match is over. For `kubectl wait --for=condition=Finished`.
pub const FINISHED: &str = "Finished";

/// Reasons, by the condition that carries them.
pub mod reason {
    /// Accepted: the spec is carried out.
    pub const VALID: &str = "Valid";
    /// Accepted: the message says what to change.
    pub const INVALID_SPEC: &str = "InvalidSpec";
    /// Accepted: the API server refused a pod made from the template.
    pub const INVALID_TEMPLATE: &str = "InvalidTemplate";
    /// Accepted: another installation of the operator manages this fleet.
    pub const MANAGED_ELSEWHERE: &str = "ManagedElsewhere";

    /// Available: enough servers are ready.
    pub const ENOUGH_READY: &str = "EnoughReady";
    /// Available: too few servers are ready.
    pub const TOO_FEW_READY: &str = "TooFewReady";

    /// Progressing: servers are being started.
    pub const SCALING_UP: &str = "ScalingUp";
    /// Progressing: servers are being removed, or wait until their match ends.
    pub const SCALING_DOWN: &str = "ScalingDown";
    /// Progressing: servers of an older revision are being replaced.
    pub const ROLLING_OUT: &str = "RollingOut";
    /// Progressing: everything is as wanted.
    pub const COMPLETE: &str = "Complete";
    /// Progressing: the fleet is being deleted.
    pub const DELETING: &str = "Deleting";

    /// Degraded: nothing is wrong.
    pub const HEALTHY: &str = "Healthy";
    /// Degraded: the API server refuses new pods (quota, a namespace that ends, a webhook).
    pub const CREATE_REFUSED: &str = "CreateRefused";
    /// Degraded: new servers fail again and again and are started ever more slowly.
    pub const CRASH_LOOP: &str = "CrashLoop";
    /// Degraded: an image cannot be pulled or a container cannot be created.
    pub const CANNOT_START: &str = "CannotStart";
    /// Degraded: servers run but do not answer their probe.
    pub const PROBE_FAILING: &str = "ProbeFailing";
    /// Degraded: servers do not speak the control protocol.
    pub const CONTROL_FAILING: &str = "ControlFailing";
    /// Degraded: the scheduler finds no node for some servers.
    pub const UNSCHEDULABLE: &str = "Unschedulable";
    /// Degraded: the range of host ports is too small.
    pub const PORTS_EXHAUSTED: &str = "PortsExhausted";

    /// Placed: the room has a server.
    pub const PLACED: &str = "Placed";
    /// Placed: there is no such fleet.
    pub const NO_FLEET: &str = "NoFleet";
    /// Placed: the fleet is being deleted or was not accepted.
    pub const FLEET_NOT_READY: &str = "FleetNotReady";
    /// Placed: no server has room; the message counts why.
    pub const NO_CAPACITY: &str = "NoCapacity";
    /// Placed: no server carries the labels that the room asks for.
    pub const NO_MATCHING_SERVER: &str = "NoMatchingServer";
    /// Placed: the server is lost, a new one is being looked for.
    pub const SERVER_LOST: &str = "ServerLost";
    /// Placed: the server's node is out of reach, so that nobody can say whether the match goes on.
    pub const SERVER_UNREACHABLE: &str = "ServerUnreachable";
    /// Placed: a server could not restore the match from its checkpoint; it is tried again.
    pub const RESTORE_FAILED: &str = "RestoreFailed";
    /// Placed: the match is over.
    pub const OVER: &str = "Over";

    /// Checkpointed: the fleet has no store.
    pub const NO_STATE_STORE: &str = "NoStateStore";
    /// Checkpointed: the server does not restore matches.
    pub const NOT_OFFERED: &str = "NotOffered";
    /// Checkpointed: the first checkpoint is not there yet.
    pub const NO_CHECKPOINT_YET: &str = "NoCheckpointYet";
    /// Checkpointed: the store has a checkpoint, and takes more.
    pub const CHECKPOINTED: &str = "Checkpointed";
    /// Checkpointed: the store does not take checkpoints.
    pub const STORE_FAILING: &str = "StoreFailing";

    /// Finished: the match is being played, or has not begun.
    pub const NOT_FINISHED: &str = "NotFinished";
    /// Finished: the server ended the match.
    pub const COMPLETED: &str = "Completed";
    /// Finished: no player came in time.
    pub const UNCLAIMED: &str = "Unclaimed";
    /// Finished: the game does not take these parameters or seats.
    pub const REFUSED: &str = "Refused";
    /// Finished: the server was lost and the room's `recovery` is `Fail`.
    pub const LOST: &str = "Lost";
    /// Finished: the room's servers crashed or hung again and again, each soon after it came there.
    pub const POISONED: &str = "Poisoned";
}

/// Longest message of a condition. The API allows 32 KiB; a person reads less.
const MESSAGE_MAX: usize = 1024;

/// What a condition says, without the bookkeeping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The condition's type.
    pub type_: &'static str,
    /// `True`, `False`, or `None` for `Unknown`.
    pub status: Option<bool>,
    /// One of [`reason`].
    pub reason: &'static str,
    /// For a person: what is the matter, and what to do.
    pub message: String,
}

impl Verdict {
    /// A verdict of type `type_`.
    pub fn new(type_: &'static str, status: bool, reason: &'static str, message: impl Into<String>) -> Self {
        Self { type_, status: Some(status), reason, message: message.into() }
    }
}

/// The `conditions` that follow from `before` when `verdicts` are found at `now`.
///
/// Others' conditions stay; `lastTransitionTime` moves only when a status changes. Sorted by type, so
/// that equal contents are equal lists.
pub fn next(
    before: &[Condition],
    verdicts: &[Verdict],
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let mut next: BTreeMap<String, Condition> =
        before.iter().map(|it| (it.type_.clone(), it.clone())).collect();
    for verdict in verdicts {
        let status = match verdict.status {
            Some(true) => "True",
            Some(false) => "False",
            None => "Unknown",
        };
        let since = next.get(verdict.type_).filter(|it| it.status == status);
        let last_transition_time = since.map_or(Time(now), |it| it.last_transition_time.clone());
        let condition = Condition {
            type_: verdict.type_.to_owned(),
            status: status.to_owned(),
            reason: verdict.reason.to_owned(),
            message: shorten(&verdict.message),
            observed_generation: generation,
            last_transition_time,
        };
        next.insert(condition.type_.clone(), condition);
    }
    next.into_values().collect()
}

/// The condition of type `type_`, if there is one.
pub fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|it| it.type_ == type_)
}

fn shorten(message: &str) -> String {
    match message.char_indices().nth(MESSAGE_MAX) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_transition_time_moves_only_with_the_status() {
        let first = next(&[], &[Verdict::new(PLACED, false, reason::NO_CAPACITY, "0 of 4")], Some(1), at(10));
        let second =
            next(&first, &[Verdict::new(PLACED, false, reason::NO_FLEET, "no fleet")], Some(1), at(20));
        assert_eq!(second[0].last_transition_time, Time(at(10)));
        assert_eq!(second[0].reason, reason::NO_FLEET);
        let third = next(&second, &[Verdict::new(PLACED, true, reason::PLACED, "")], Some(1), at(30));
        assert_eq!(third[0].last_transition_time, Time(at(30)));
    }

    #[test]
    fn conditions_of_others_stay() {
        let theirs = next(&[], &[Verdict::new(DEGRADED, false, reason::HEALTHY, "")], None, at(1));
        let both = next(&theirs, &[Verdict::new(ACCEPTED, true, reason::VALID, "")], None, at(2));
        assert_eq!(both.len(), 2);
    }

    #[test]
    fn a_message_has_an_end() {
        let long = next(&[], &[Verdict::new(PLACED, false, reason::NO_FLEET, "ä".repeat(5000))], None, at(1));
        assert_eq!(long[0].message.chars().count(), MESSAGE_MAX + 1);
    }

    #[test]
    fn the_manual_lists_every_type_and_reason() {
        let manual = include_str!("../../docs/operations.md");
        let table = manual.split("<!-- conditions:begin -->").nth(1).unwrap();
        let constants = include_str!("conditions.rs").lines().filter_map(|it| {
            let value = it.trim().strip_prefix("pub const ")?.split_once(": &str = \"")?.1;
            value.strip_suffix("\";")
        });
        let constants: Vec<&str> = constants.collect();
        assert!(20 < constants.len());
        for constant in constants {
            assert!(table.contains(&format!("`{constant}`")), "{constant} is not in docs/operations.md");
        }
    }
}
