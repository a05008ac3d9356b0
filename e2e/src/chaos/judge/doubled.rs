//! Rooms that two servers answered for at once.
//!
//! A server that was hit may answer for a while, and so may one that has got its port: only answers count that came from
//! where the status said, and not after the server there was hit.

use std::collections::BTreeMap;

use super::Hits;
use crate::arena::Tenancy;
use crate::chaos::evidence::{Case, Heard};

/// The rooms that were, and how.
pub(super) fn doubled(cases: &[Case], hits: Hits<'_>) -> BTreeMap<String, String> {
    let processes = Processes::of(cases, hits);
    let mut found = BTreeMap::new();
    for case in cases {
        let heard: Vec<_> = case.heard.iter().filter(|it| processes.count(case, it)).collect();
        let why = if case.part.is_shared() { shared(case, &heard) } else { plain(&heard) };
        found.extend(why.map(|why| (case.part.name.clone(), why)));
        found.extend(processes.with_two_rooms(case, &heard).map(|why| (case.part.name.clone(), why)));
    }
    found
}

/// Of a server that knows the epochs of its rooms.
fn shared(case: &Case, heard: &[&Heard]) -> Option<String> {
    let mut boots = BTreeMap::new();
    let mut highest = 0;
    for it in heard {
        let epoch = it.epoch.unwrap_or_default();
        let published = tenancy(case, it.asked).and_then(|it| it.boot.as_ref());
        if epoch < it.asked {
            return Some(format!("{} answers under epoch {epoch} where {} is published", it.boot, it.asked));
        }
        if let Some(published) = published.filter(|boot| epoch == it.asked && **boot != it.boot) {
            return Some(format!("{} answers under epoch {epoch}, which {published} has", it.boot));
        }
        let first = boots.entry(epoch).or_insert(&it.boot);
        if **first != it.boot {
            return Some(format!("{first} and {} answer under epoch {epoch}", it.boot));
        }
        if epoch < highest {
            return Some(format!(
                "{} answers under epoch {epoch} after another did under {highest}",
                it.boot
            ));
        }
        highest = epoch;
    }
    None
}

/// Of a server whose process is its match.
fn plain(heard: &[&Heard]) -> Option<String> {
    let mut boots = BTreeMap::new();
    for it in heard {
        let first = boots.entry(it.asked).or_insert(&it.boot);
        if **first != it.boot {
            return Some(format!("{first} and {} answer where epoch {} is published", it.boot, it.asked));
        }
    }
    None
}

/// Which process belongs to which pod, as far as players saw it; and which room a plain one has.
struct Processes<'a> {
    pods: BTreeMap<&'a str, &'a str>,
    rooms: BTreeMap<&'a str, &'a str>,
    hits: Hits<'a>,
}

impl<'a> Processes<'a> {
    fn of(cases: &'a [Case], hits: Hits<'a>) -> Self {
        let mut processes = Self { pods: BTreeMap::new(), rooms: BTreeMap::new(), hits };
        let all = cases.iter().flat_map(|case| case.heard.iter().map(move |heard| (case, heard)));
        let mut all: Vec<_> = all.collect();
        all.sort_by_key(|(_, heard)| heard.first);
        for (case, heard) in all {
            let Some(tenancy) = tenancy(case, heard.asked) else { continue };
            if processes.count(case, heard) {
                processes.pods.entry(&heard.boot).or_insert(&tenancy.pod_uid);
                processes.rooms.entry(&heard.boot).or_insert(&case.part.name);
            }
        }
        processes
    }

    /// Whether an answer says something of the server that the status named.
    fn count(&self, case: &Case, heard: &Heard) -> bool {
        let asked = tenancy(case, heard.asked).map(|it| it.pod_uid.as_str());
        let answered = self.pods.get(heard.boot.as_str()).copied();
        !asked.into_iter().chain(answered).any(|it| self.hits.before(it, heard.first))
    }

    /// A plain server that another room has too.
    fn with_two_rooms(&self, case: &Case, heard: &[&Heard]) -> Option<String> {
        let other =
            |it: &&&Heard| self.rooms.get(it.boot.as_str()).is_some_and(|room| *room != case.part.name);
        let it = heard.iter().filter(|_| !case.part.is_shared()).find(other)?;
        Some(format!("{} has it and {}", it.boot, self.rooms.get(it.boot.as_str())?))
    }
}

fn tenancy(case: &Case, epoch: i64) -> Option<&Tenancy> {
    case.tenancies.iter().find(|it| it.epoch == epoch)
}
