//! The rules of the election, without a client: when a lease is free, and what the next claim says.
//!
//! - A lease is free when its holder has not renewed it for its duration *as seen by our clock*. The
//!   time stamps in it are never compared with our time, so that clocks may differ and jump.
//! - A lease that is gone is not free at once: its holder may not have noticed yet. It must be
//!   missing for as long as it would have been held (I2: a deleted Lease harms nothing).
//! - Every claim is a compare-and-set, and a claim of a new leader carries a higher term.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::api::ObjectMeta;
use tokio::time::Instant;

/// The three times of an election.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// How long a silent leader keeps the lease.
    pub lease: Duration,
    /// From one renewal to the next, and from one look of a candidate to the next.
    pub renew: Duration,
    /// How long one renewal may take.
    pub deadline: Duration,
}

impl Timing {
    /// Short, because rooms wait while nobody leads.
    pub const DEFAULT: Self = Self {
        lease: Duration::from_secs(3),
        renew: Duration::from_secs(1),
        deadline: Duration::from_millis(1500),
    };

    /// How long after the start of its last good renewal a leader may still write.
    pub const fn validity(&self) -> Duration {
        self.renew.saturating_add(self.deadline)
    }
}

const _: () = {
    let timing = Timing::DEFAULT;
    assert!(
        timing.validity().as_millis() < timing.lease.as_millis(),
        "a leader stops before its lease is free"
    );
};

/// What a candidate has seen of the lease.
#[derive(Clone, Debug, Default)]
pub struct Sightings {
    last: Option<Sighting>,
}

/// A lease as last seen, and since when it looks like that.
#[derive(Clone, Debug)]
struct Sighting {
    holder: Option<String>,
    renewed: Option<MicroTime>,
    duration: Option<Duration>,
    since: Instant,
}

impl Sightings {
    /// Whether `lease`, as read at `now`, may be claimed by `identity`.
    pub fn is_free(&mut self, lease: Option<&Lease>, identity: &str, timing: &Timing, now: Instant) -> bool {
        let spec = lease.and_then(|it| it.spec.as_ref());
        let holder = spec.and_then(|it| it.holder_identity.clone()).filter(|it| !it.is_empty());
        let renewed = spec.and_then(|it| it.renew_time.clone());
        let seconds = spec.and_then(|it| it.lease_duration_seconds).and_then(|it| u64::try_from(it).ok());
        let duration = seconds.map(Duration::from_secs);
        let is_same = |it: &Sighting| (&it.holder, &it.renewed) == (&holder, &renewed);
        if !self.last.as_ref().is_some_and(is_same) {
            // Of a lease that is gone we remember for how long its last holder had it.
            let duration = duration.or_else(|| self.last.as_ref().and_then(|it| it.duration));
            self.last = Some(Sighting { holder: holder.clone(), renewed, duration, since: now });
        }
        let Some(sighting) = &self.last else { return false };
        let unchanged = now.duration_since(sighting.since);
        match (lease, holder) {
            (Some(_), None) => true,
            (Some(_), Some(holder)) if holder == identity => true,
            _ => sighting.duration.unwrap_or(timing.lease) <= unchanged,
        }
    }
}

/// The lease as `identity` claims or renews it; `current` is what the claim replaces.
///
/// `leaseTransitions` is the term.
pub fn claim(
    name: &str,
    current: Option<&Lease>,
    identity: &str,
    term: u32,
    timing: &Timing,
    now: Timestamp,
) -> Lease {
    let spec = current.and_then(|it| it.spec.as_ref());
    let held = spec.filter(|it| it.holder_identity.as_deref() == Some(identity));
    let now = MicroTime(now);
    Lease {
        metadata: current.map_or_else(
            || ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
            |it| it.metadata.clone(),
        ),
        spec: Some(LeaseSpec {
            acquire_time: held.and_then(|it| it.acquire_time.clone()).or_else(|| Some(now.clone())),
            holder_identity: Some(identity.to_owned()),
            lease_duration_seconds: i32::try_from(timing.lease.as_secs()).ok(),
            lease_transitions: Some(i32::try_from(term).unwrap_or(i32::MAX)),
            renew_time: Some(now),
            ..LeaseSpec::default()
        }),
    }
}

/// The term of the next leader: above all that the lease, the epochs of rooms and claims, and servers name (I2). The Lease
/// may have been deleted or restored from a backup.
pub fn next_term(lease: Option<&Lease>, named: u32, heard: u32) -> u32 {
    1 + named.max(heard).max(term_of(lease))
}

/// The term that a lease names.
fn term_of(lease: Option<&Lease>) -> u32 {
    let transitions = lease.and_then(|it| it.spec.as_ref()?.lease_transitions);
    transitions.and_then(|it| u32::try_from(it).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMING: Timing = Timing::DEFAULT;

    fn held_by(holder: &str, renewed: i64) -> Lease {
        claim("lease", None, holder, 7, &TIMING, Timestamp::from_second(renewed).unwrap())
    }

    #[test]
    fn i2_a_lease_is_free_only_when_it_stood_still_for_its_duration() {
        let start = Instant::now();
        let mut seen = Sightings::default();
        let lease = held_by("a", 1);
        assert!(!seen.is_free(Some(&lease), "b", &TIMING, start));
        assert!(!seen.is_free(Some(&lease), "b", &TIMING, start + Duration::from_millis(2999)));
        let renewed = held_by("a", 2);
        assert!(!seen.is_free(Some(&renewed), "b", &TIMING, start + Duration::from_secs(3)));
        assert!(seen.is_free(Some(&renewed), "b", &TIMING, start + Duration::from_secs(6)));
    }

    #[test]
    fn i2_a_deleted_lease_is_not_free_before_its_holder_must_have_stopped() {
        let start = Instant::now();
        let mut seen = Sightings::default();
        // Another version of the operator may keep it for longer than we would.
        let mut lease = held_by("a", 1);
        lease.spec.as_mut().unwrap().lease_duration_seconds = Some(10);
        assert!(!seen.is_free(Some(&lease), "b", &TIMING, start));
        assert!(!seen.is_free(None, "b", &TIMING, start + Duration::from_secs(1)));
        assert!(!seen.is_free(None, "b", &TIMING, start + Duration::from_millis(10_999)));
        assert!(seen.is_free(None, "b", &TIMING, start + Duration::from_secs(11)));
    }

    #[test]
    fn a_lease_that_was_given_up_or_is_ours_is_free_at_once() {
        let mut seen = Sightings::default();
        let mut lease = held_by("a", 1);
        assert!(seen.is_free(Some(&lease), "a", &TIMING, Instant::now()));
        lease.spec.as_mut().unwrap().holder_identity = None;
        assert!(seen.is_free(Some(&lease), "b", &TIMING, Instant::now()));
    }

    #[test]
    fn the_clocks_in_a_lease_do_not_matter() {
        let start = Instant::now();
        let mut seen = Sightings::default();
        for (step, renewed) in [(0, 1_000_000), (1, 5), (2, 2_000_000)] {
            let now = start + Duration::from_secs(step);
            assert!(!seen.is_free(Some(&held_by("a", renewed)), "b", &TIMING, now));
        }
    }
}
