//! Whether our promises were kept: a pure function of what was seen.

mod doubled;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use gamekeeper_crds::GameRoomStatus;
use gamekeeper_crds::conditions::{self, FINISHED, PLACED, reason};
use gamekeeper_crds::room::{Phase, Recovery};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use tokio::time::Instant;

use super::evidence::{Case, Evidence};
use crate::arena::{LastSeen, Tenancy};

/// Nobody answers for so long on a machine that does much else at the same time: the match is not there.
const SILENCE: Duration = Duration::from_secs(10);

/// A match that ends this much before its time has ended in time: servers count ticks, and a last one may be missing.
const EARLY: Duration = Duration::from_millis(500);

/// Broken promises: for each the rooms that tell of it, and how.
#[derive(Debug, Default)]
pub struct Findings {
    /// Rooms that were judged.
    pub rooms: usize,
    /// Neither played to their end nor treated as their `recovery` says.
    pub lost: BTreeMap<String, String>,
    /// On two servers at once, or on one that had too many.
    pub doubled: BTreeMap<String, String>,
    /// Ended or begun anew before their time, on a server that we had not hit.
    pub ended_by_us: BTreeMap<String, String>,
    /// Published as running, and not where.
    pub homeless: BTreeMap<String, String>,
    /// Played again after their end, or failed, since nobody wrote it down: a drain takes pods that have ended at once, and with a
    /// plain server's pod goes its exit code. Nobody broke a promise, if no operator led meanwhile.
    pub unseen_ends: BTreeMap<String, String>,
}

impl Findings {
    /// Whether all promises were kept.
    pub fn is_clean(&self) -> bool {
        [&self.lost, &self.doubled, &self.ended_by_us, &self.homeless].iter().all(|it| it.is_empty())
    }
}

pub(super) fn judge(evidence: &Evidence) -> Findings {
    let Evidence { cases, hits, pods, doubled, told_to_end, until } = evidence;
    let of_book =
        |fouls: &[crate::arena::Foul]| fouls.iter().map(|it| (it.room.clone(), it.what.clone())).collect();
    let mut findings = Findings {
        rooms: cases.len(),
        lost: BTreeMap::new(),
        doubled: of_book(doubled),
        ended_by_us: BTreeMap::new(),
        homeless: BTreeMap::new(),
        unseen_ends: BTreeMap::new(),
    };
    let hits = Hits(hits);
    for case in cases {
        let name = || case.part.name.clone();
        findings.lost.extend(lost(case, hits).map(|why| (name(), why)));
        let homeless = case.is_homeless.then(|| "its status said that it runs, and not where".to_owned());
        findings.homeless.extend(homeless.map(|why| (name(), why)));
        findings.unseen_ends.extend(unseen_end(case, pods).map(|why| (name(), why)));
        findings.ended_by_us.extend(ended_by_us(case, hits, pods, *until).map(|why| (name(), why)));
    }
    // What the book says tells more of why.
    findings.ended_by_us.extend(of_book(told_to_end));
    findings.doubled.extend(doubled::doubled(cases, hits));
    findings
}

/// How pods were seen last, by uid.
type Pods = BTreeMap<String, LastSeen>;

/// What we have hit, and when.
#[derive(Clone, Copy)]
struct Hits<'a>(&'a BTreeMap<String, Instant>);

impl Hits<'_> {
    fn of(self, pod_uid: &str) -> Option<Instant> {
        self.0.get(pod_uid).copied()
    }

    fn before(self, pod_uid: &str, moment: Instant) -> bool {
        self.of(pod_uid).is_some_and(|it| it <= moment)
    }
}

/// How a room was lost, if it was.
fn lost(case: &Case, hits: Hits<'_>) -> Option<String> {
    let Some(status) = &case.end else { return Some("it is gone".to_owned()) };
    if case.part.recovery == Recovery::Fail && 0 < status.recoveries {
        return Some("it was played again, and its recovery is Fail".to_owned());
    }
    match status.phase {
        Phase::Finished => {
            let Some(last) = case.tenancies.last() else {
                return Some("it is finished, and was never published".to_owned());
            };
            let is_hit = hits.of(&last.pod_uid).is_some();
            let early = too_early(case, last, hits).filter(|_| is_hit);
            early.or_else(|| wrong_result(case, status))
        }
        Phase::Failed => {
            let (reason, message) = told(status, FINISHED);
            let as_wished = reason == reason::LOST && case.part.recovery == Recovery::Fail;
            (!as_wished).then(|| format!("it failed: {reason}: {message}"))
        }
        phase @ (Phase::Pending | Phase::Running | Phase::Recovering) => {
            let (reason, message) = told(status, PLACED);
            Some(format!("it is {phase:?} at the end: {reason}: {message}"))
        }
    }
}

/// A game that has results gives back the text that it was given.
fn wrong_result(case: &Case, status: &GameRoomStatus) -> Option<String> {
    let is_right = status.result.get("result") == Some(&case.part.name);
    (case.part.is_shared() && !is_right).then(|| format!("its result is {:?}", status.result))
}

/// How a match ended that nothing of ours had hit, if it did so before its time.
fn ended_by_us(case: &Case, hits: Hits<'_>, pods: &Pods, until: Instant) -> Option<String> {
    for (before, next) in case.tenancies.iter().zip(case.tenancies.iter().skip(1)) {
        let goes_on = before.boot.is_some() && before.boot == next.boot;
        let ended = before.ended.map_or(next.from, |it| it.at);
        if !goes_on && !hits.before(&before.pod_uid, ended) && !has_ended_well(case, before, pods) {
            let state = pods.get(&before.pod_uid).map_or("never seen", |it| it.words.as_str());
            return Some(format!(
                "it went from {} to {}, and we had not hit {}: {state}",
                before.pod, next.pod, before.pod
            ));
        }
    }
    if let Some((from, to)) = case.heard.iter().find_map(|it| it.fell) {
        return Some(format!("it fell from tick {from} to {to} in the same process"));
    }
    let not_hit = |it: &&Tenancy| hits.of(&it.pod_uid).is_none();
    if let Some(why) = case.tenancies.iter().filter(not_hit).find_map(|it| silent(case, it, hits, until)) {
        return Some(why);
    }
    let last = case.tenancies.last().filter(not_hit)?;
    let status = case.end.as_ref()?;
    match status.phase {
        Phase::Failed => {
            let (reason, message) = told(status, FINISHED);
            let state = pods.get(&last.pod_uid).map_or("never seen", |it| it.words.as_str());
            (reason == reason::LOST && !has_ended_well(case, last, pods))
                .then(|| format!("it is lost with {}, which we had not hit: {message}: {state}", last.pod))
        }
        Phase::Finished => too_early(case, last, hits),
        Phase::Pending | Phase::Running | Phase::Recovering => None,
    }
}

/// Whether a plain server's match was ended by its player, and its process saw that.
fn has_ended_well(case: &Case, tenancy: &Tenancy, pods: &Pods) -> bool {
    let is_told = !case.part.is_shared() && case.told.contains_key(&tenancy.epoch);
    is_told && pods.get(&tenancy.pod_uid).is_some_and(|it| it.has_succeeded)
}

/// Where a match was over, and was played again, or failed because it may not be.
fn unseen_end(case: &Case, pods: &Pods) -> Option<String> {
    let (last, followed) = case.tenancies.split_last()?;
    let is_lost =
        case.end.as_ref().is_some_and(|it| it.phase == Phase::Failed && told(it, FINISHED).0 == reason::LOST);
    let unseen = followed.iter().chain(is_lost.then_some(last));
    let over = unseen.into_iter().find(|it| has_ended_well(case, it, pods))?;
    Some(format!("its end on {} was not seen", over.pod))
}

/// Whether a match that is finished cannot have come to its end.
fn too_early(case: &Case, last: &Tenancy, hits: Hits<'_>) -> Option<String> {
    if !case.part.is_shared() {
        let is_told = case.told.contains_key(&last.epoch);
        return (!is_told).then(|| "it is finished, and its player had not ended it".to_owned());
    }
    let ended = last.ended?.at;
    let lasted = ended.saturating_duration_since(earliest_begin(case, last, hits));
    (lasted + EARLY < case.part.life)
        .then(|| format!("it is finished after {lasted:?}, and its life is {:?}", case.part.life))
}

/// Whether nobody answered for a match that should have been on.
fn silent(case: &Case, tenancy: &Tenancy, hits: Hits<'_>, until: Instant) -> Option<String> {
    let ended = tenancy.ended.map_or(until, |it| it.at);
    let should_last = if case.part.is_shared() {
        earliest_begin(case, tenancy, hits) + case.part.life
    } else {
        case.told.get(&tenancy.epoch).copied().unwrap_or(ended)
    };
    let heard = case.heard_last(tenancy).unwrap_or(tenancy.from);
    let silence = ended.min(should_last).saturating_duration_since(heard);
    (SILENCE < silence)
        .then(|| format!("nobody answered for it on {} for {silence:?} of its life", tenancy.pod))
}

/// A match cannot begin before its room was made, nor before the server that it had before was hit.
fn earliest_begin(case: &Case, tenancy: &Tenancy, hits: Hits<'_>) -> Instant {
    let before = case.tenancies.iter().take_while(|it| it.epoch < tenancy.epoch).last();
    let hit = before.and_then(|it| hits.of(&it.pod_uid));
    hit.map_or(case.created, |it| it.max(case.created))
}

/// What a condition says: its reason and message.
fn told<'a>(status: &'a GameRoomStatus, type_: &str) -> (&'a str, &'a str) {
    let condition = conditions::find(&status.conditions, type_);
    condition.map_or(("", ""), |Condition { reason, message, .. }| (reason, message))
}
