//! Tells servers which other has copies of their rooms, and for whom they keep some.
//!
//! A server's standby is the first on another node of those that its players would go to. The standby hears of it first,
//! and says where it takes copies; then the server hears it.

use std::collections::{BTreeMap, BTreeSet};

use gamekeeper_control::{StandingBy, limits::TOKENS_MAX};

use super::{
    Command, Ledger,
    servers::{Link, ServerEntry},
};
use crate::name::ObjectName;

/// Where copies go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirrorTo {
    /// The standby, by its uid.
    pub standby_uid: String,
    /// And its pod, at whose own address it is reached.
    pub pod: ObjectName,
    pub port: u16,
    pub certificate_hashes: Vec<String>,
}

/// What was said of copies on one stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Copies {
    /// For whom the server was told to keep some; `None`: it was told nothing.
    wards: Option<BTreeSet<String>>,
    /// Where it takes them.
    standing_by: Option<StandingBy>,
    /// It was told where to send its own, or that it need not.
    is_mirror_told: bool,
    mirror: Option<MirrorTo>,
}

impl ServerEntry {
    fn copies(&self) -> Option<&Copies> {
        self.link.as_ref().filter(|it| it.is_up && it.stands_by()).map(|it| &it.copies)
    }
}

impl Ledger {
    /// A server has said where it takes copies.
    pub(super) fn stands_by(&mut self, uid: &str, standing_by: StandingBy, commands: &mut Vec<Command>) {
        let Some(entry) = self.tables.server_entry_mut(uid) else { return };
        let fleet = entry.view.fleet.clone();
        if let Some(link) = &mut entry.link {
            link.copies.standing_by = Some(standing_by);
        }
        self.tell_standbys_of(&fleet, commands);
    }

    pub(super) fn tell_standbys_of(&mut self, name: &ObjectName, commands: &mut Vec<Command>) {
        let Some(fleet) = self.tables.fleet(name).filter(|it| it.is_ours) else { return };
        let chosen = if fleet.has_standbys { self.standbys_of(name) } else { BTreeMap::new() };
        let servers: Vec<String> = self.tables.servers_of(name).map(|it| it.view.uid.clone()).collect();
        for uid in &servers {
            if let Some(entry) = self.tables.server_entry_mut(uid) {
                entry.standby = chosen.get(uid).cloned();
            }
        }
        let mut wards: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for (ward, standby) in &chosen {
            wards.entry(standby).or_default().insert(ward.clone());
        }
        for uid in &servers {
            let wards = wards.remove(uid.as_str()).unwrap_or_default();
            let Some(link) = self.telling(uid, |it| it.wards.as_ref() != Some(&wards)) else { continue };
            link.copies.wards = Some(wards.clone());
            let wards = wards.into_iter().collect();
            commands.push(Command::StandBy { server_uid: uid.clone(), wards });
        }
        for uid in &servers {
            let to = match chosen.get(uid).map(|it| self.mirror_to(it)) {
                // It has not said yet where; until then all is as it was.
                Some(None) => continue,
                to => to.flatten(),
            };
            let Some(link) = self.telling(uid, |it| !it.is_mirror_told || it.mirror != to) else { continue };
            (link.copies.is_mirror_told, link.copies.mirror) = (true, to.clone());
            commands.push(Command::Mirror { server_uid: uid.clone(), to });
        }
    }

    /// Which server is whose standby, by their uids. Each has so many at most.
    fn standbys_of(&self, name: &ObjectName) -> BTreeMap<String, String> {
        let (mut chosen, mut loads) = (BTreeMap::new(), BTreeMap::<&str, usize>::new());
        for server in self.tables.servers_of(name).filter(|it| it.view.is_alive()) {
            let is_far = |it: &ServerEntry| it.view.node.is_some() && it.view.node != server.view.node;
            let standby = match server.copies() {
                Some(_) => {
                    let others = server.fallbacks.iter().filter_map(|it| self.tables.server_entry(it));
                    let mut fit = others.filter(|it| it.copies().is_some() && is_far(it));
                    fit.find(|it| loads.get(it.view.uid.as_str()).copied().unwrap_or_default() < TOKENS_MAX)
                }
                // It does not talk to us, and may talk to its standby all the same.
                None => server.standby.as_ref().and_then(|it| self.tables.server_entry(it)),
            };
            if let Some(standby) = standby {
                *loads.entry(standby.view.uid.as_str()).or_default() += 1;
                chosen.insert(server.view.uid.clone(), standby.view.uid.clone());
            }
        }
        chosen
    }

    fn mirror_to(&self, standby: &str) -> Option<MirrorTo> {
        let entry = self.tables.server_entry(standby)?;
        let StandingBy { certificate_hashes, port } = entry.copies()?.standing_by.clone()?;
        let (standby_uid, pod) = (standby.to_owned(), entry.view.pod());
        Some(MirrorTo { standby_uid, pod, port, certificate_hashes })
    }

    /// The link to a server that has to be told something.
    fn telling(&mut self, uid: &str, is_news: impl FnOnce(&Copies) -> bool) -> Option<&mut Link> {
        let entry = self.tables.server_entry_mut(uid)?;
        entry.copies().is_some_and(is_news).then_some(entry.link.as_mut()).flatten()
    }
}
