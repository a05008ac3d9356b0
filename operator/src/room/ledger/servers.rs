//! The ledger's servers: what each has, what is under way for it, and what it still takes.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use gamekeeper_control::{CloseWhy, Fallback, Feature, HostedRoom, RoomPhase, Welcome};
use tokio::time::Instant;

use super::{Command, Outcome, RETRY, tables::Tables};
use crate::{
    room::{
        FleetView, ServerState, ServerView,
        tenancy::{Keeping, Tenancy},
    },
    server::suspicion::Verdict,
    terms::Epoch,
};

/// A server that refused a room although it seemed to have a place is left alone for so long.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);

/// A server, and what is under way for it.
#[derive(Clone, Debug)]
pub(super) struct ServerEntry {
    pub(super) view: ServerView,
    /// What a controlled server has said since we lead; `None`: nothing yet.
    pub(super) link: Option<Link>,
    /// Rooms that are on their way to it.
    pub(super) promised: BTreeSet<String>,
    /// A command about a plain server, or a question about a room of it, is under way.
    pub(super) is_busy: bool,
    /// Its pod is being deleted by us; whether that succeeds is not known yet.
    pub(super) is_releasing: bool,
    /// It was asked to retire: no more rooms.
    pub(super) is_retiring: bool,
    failures: u32,
    pub(super) retry_at: Option<Instant>,
    /// Servers that its players were told to go to, by their uids.
    pub(super) fallbacks: Vec<String>,
    /// The server that has copies of its rooms, by its uid.
    pub(super) standby: Option<String>,
    /// Rooms that it has, and that a quorum read did not find.
    pub(super) orphans: BTreeSet<String>,
    /// It is lost, although its pod stands.
    pub(super) verdict: Option<Verdict>,
    /// It is not, and we do not reach it.
    pub(super) cut_off: Option<super::attempts::CutOff>,
}

/// What a controlled server says.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) boot_id: String,
    capacity: usize,
    features: BTreeSet<Feature>,
    certificate_hashes: Vec<String>,
    /// What it was told of its fallbacks on this stream.
    pub(super) fallbacks: Option<Vec<Fallback>>,
    /// What is known of copies on this stream.
    pub(super) copies: super::standbys::Copies,
    pub(super) is_retired: bool,
    pub(super) is_draining: bool,
    /// It can be talked to now.
    pub(super) is_up: bool,
    pub(super) guests: BTreeMap<String, Guest>,
    /// It refused a room not long ago.
    refused_until: Option<Instant>,
}

/// A room on a controlled server.
#[derive(Clone, Debug)]
pub(super) struct Guest {
    pub(super) hosted: HostedRoom,
    /// Since when it waits for its first player, as far as we saw.
    pub(super) waiting_since: Option<Instant>,
    /// It was told to close.
    is_closing: bool,
    /// What it says of the room's checkpoints.
    saved: Saved,
}

/// What a server says of the checkpoints of a room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Saved {
    #[default]
    Unheard,
    Yes,
    /// The store does not take them, for this reason.
    Failing(String),
}

impl Link {
    /// Whether it opens rooms from their checkpoints.
    pub(super) fn restores(&self) -> bool {
        self.offers(Feature::Restore)
    }

    /// Whether it has offered to do this.
    pub(super) fn offers(&self, feature: Feature) -> bool {
        self.features.contains(&feature)
    }

    /// Whether it has a standby and is one for others, if it is told to.
    pub(super) fn stands_by(&self) -> bool {
        self.features.contains(&Feature::Standby)
    }

    /// By which players know it, whatever room they are in.
    pub(super) fn certificate_hashes(&self) -> Vec<String> {
        self.certificate_hashes.clone()
    }
}

impl ServerEntry {
    pub(super) fn new(view: ServerView) -> Self {
        Self {
            view,
            link: None,
            promised: BTreeSet::new(),
            is_busy: false,
            is_releasing: false,
            is_retiring: false,
            failures: 0,
            retry_at: None,
            fallbacks: Vec::new(),
            standby: None,
            orphans: BTreeSet::new(),
            verdict: None,
            cut_off: None,
        }
    }

    /// Whether nothing is under way for it, and no pause after a failure either.
    pub(super) fn can_act(&self, now: Instant) -> bool {
        !self.is_busy && self.retry_at.is_none_or(|it| it <= now)
    }

    /// Whether a controlled server can be talked to now.
    pub(super) fn is_linked(&self) -> bool {
        self.link.as_ref().is_some_and(|it| it.is_up)
    }

    /// Whether it can be talked to now, and has offered to do this.
    pub(super) fn is_offering(&self, feature: Feature) -> bool {
        self.link.as_ref().is_some_and(|it| it.is_up && it.offers(feature))
    }

    /// Uids of the rooms that it has.
    pub(super) fn rooms(&self) -> impl Iterator<Item = &String> {
        let claim = self.view.claim.as_ref().filter(|_| !self.view.is_controlled);
        claim.map(|it| &it.room_uid).into_iter().chain(self.link.iter().flat_map(|it| it.guests.keys()))
    }

    /// The room with this uid, if it has it.
    pub(super) fn tenancy(&self, room_uid: &str) -> Option<Tenancy<'_>> {
        if let Some(link) = &self.link {
            let guest = link.guests.get(room_uid).filter(|it| !it.is_closing)?;
            let epoch = Epoch(guest.hosted.tenancy.epoch);
            let hosted = Some((&guest.hosted, link.boot_id.as_str()));
            let keeping = match &guest.saved {
                _ if !link.restores() => Keeping::Nothing,
                Saved::Unheard => Keeping::Unheard,
                Saved::Yes => Keeping::Saved,
                Saved::Failing(why) => Keeping::Failing(why),
            };
            return Some(Tenancy { is_reachable: link.is_up, hosted, keeping, ..self.tenancy_under(epoch) });
        }
        let claim = self.view.claim.as_ref().filter(|it| it.room_uid == room_uid && !self.is_releasing)?;
        Some(self.tenancy_under(claim.epoch))
    }

    /// As of a plain server.
    fn tenancy_under(&self, epoch: Epoch) -> Tenancy<'_> {
        Tenancy {
            server: &self.view,
            epoch,
            is_reachable: true,
            hosted: None,
            keeping: Keeping::Nothing,
            lost: None,
            is_given_up: false,
        }
    }

    /// Whether it is about to let go of the room.
    pub(super) fn is_letting_go_of(&self, room_uid: &str) -> bool {
        let guest = self.link.as_ref().and_then(|it| it.guests.get(room_uid));
        self.is_releasing || guest.is_some_and(|it| it.is_closing)
    }

    /// How many rooms it has, and how many more it takes now.
    pub(super) fn places(&self, fleet: &FleetView, now: Instant) -> (usize, usize) {
        let (rooms, promised) = (self.rooms().count(), self.promised.len());
        let view = &self.view;
        // Published addresses must work: without one there is nothing to publish (I4).
        if view.state != ServerState::Ready || view.endpoints.is_empty() || self.verdict.is_some() {
            return (rooms, 0);
        }
        let capacity = match &self.link {
            Some(link) if self.takes_rooms(link, now) => link.capacity.min(fleet.max_rooms),
            None if !view.is_controlled && !self.is_busy => 1,
            Some(_) | None => 0,
        };
        (rooms, capacity.saturating_sub(rooms + promised))
    }

    fn takes_rooms(&self, link: &Link, now: Instant) -> bool {
        let is_closed = link.is_retired || link.is_draining || self.is_retiring;
        link.is_up && !is_closed && link.refused_until.is_none_or(|it| it <= now)
    }
}

impl Tables {
    pub(super) fn set_server(&mut self, view: ServerView) {
        let uid = view.uid.clone();
        let mut entry = match self.unlink_server(&uid) {
            Some(entry) => entry,
            None => ServerEntry::new(view.clone()),
        };
        // Somebody may have removed the claim: then its room must look after itself. Players may have been told
        // of a controlled server that we never heard.
        self.due.extend(entry.rooms().cloned());
        self.due.extend(self.published_on.get(&uid).into_iter().flatten().cloned());
        entry.view = view;
        self.link_server(entry);
    }

    /// Takes in what a server says when it is greeted. Returns the rooms that were on their way to it.
    pub(super) fn greeted(&mut self, uid: &str, welcome: Welcome, now: Instant) -> BTreeSet<String> {
        let Some(mut entry) = self.unlink_server(uid) else { return BTreeSet::new() };
        self.due.extend(entry.rooms().cloned());
        let mut before = entry.link.take().map(|it| it.guests).unwrap_or_default();
        let guests = welcome.rooms.into_iter().map(|hosted| {
            let since = before.remove(&hosted.tenancy.uid).and_then(|it| it.waiting_since);
            (hosted.tenancy.uid.clone(), Guest::new(hosted, since, now))
        });
        entry.link = Some(Link {
            boot_id: welcome.boot_id,
            capacity: usize::try_from(welcome.capacity).unwrap_or(usize::MAX),
            features: welcome.features,
            certificate_hashes: welcome.certificate_hashes,
            fallbacks: None,
            copies: super::standbys::Copies::default(),
            is_retired: welcome.is_retired,
            is_draining: welcome.is_draining,
            is_up: true,
            guests: guests.collect(),
            refused_until: None,
        });
        entry.is_retiring = false;
        let promised = std::mem::take(&mut entry.promised);
        self.link_server(entry);
        let published = self.published_on.get(uid).into_iter().flatten().cloned();
        self.due.extend(published);
        promised
    }

    /// Takes in that a server cannot be talked to. What it has, it still has (I6).
    pub(super) fn link_lost(&mut self, uid: &str) -> BTreeSet<String> {
        let Some(entry) = self.servers.get_mut(uid) else { return BTreeSet::new() };
        entry.is_retiring = false;
        if let Some(link) = &mut entry.link {
            link.is_up = false;
            link.guests.values_mut().for_each(|it| it.is_closing = false);
        }
        let promised = std::mem::take(&mut entry.promised);
        self.changed.insert(entry.view.fleet.clone());
        promised
    }

    /// Takes in what a server says of one of its rooms.
    pub(super) fn hosted(&mut self, uid: &str, hosted: HostedRoom, now: Instant) {
        let Some(entry) = self.servers.get_mut(uid) else { return };
        let Some(link) = &mut entry.link else { return };
        let room_uid = hosted.tenancy.uid.clone();
        let Some(guest) = link.guests.get_mut(&room_uid) else {
            link.guests.insert(room_uid.clone(), Guest::new(hosted, None, now));
            return self.guest_came(uid, &room_uid);
        };
        let is_same = guest.hosted.tenancy.epoch == hosted.tenancy.epoch;
        if is_same && guest.hosted.phase != hosted.phase {
            self.changed.insert(entry.view.fleet.clone());
        }
        let (is_closing, saved) = (is_same && guest.is_closing, std::mem::take(&mut guest.saved));
        *guest = Guest { is_closing, saved, ..Guest::new(hosted, guest.waiting_since, now) };
        self.due.insert(room_uid);
    }

    /// Takes in what a server says of the checkpoints of one of its rooms.
    pub(super) fn saved(&mut self, uid: &str, tenancy: &gamekeeper_control::Tenancy, saved: Saved) {
        if let Some(guest) = self.guest_mut(uid, tenancy).filter(|it| it.saved != saved) {
            guest.saved = saved;
            self.due.insert(tenancy.uid.clone());
        }
    }

    /// Takes in that the store has a checkpoint. That it takes more, when it did not, is said otherwise.
    pub(super) fn first_saved(&mut self, uid: &str, tenancy: &gamekeeper_control::Tenancy) {
        if self.guest_mut(uid, tenancy).is_some_and(|it| it.saved == Saved::Unheard) {
            self.saved(uid, tenancy, Saved::Yes);
        }
    }

    fn guest_mut(&mut self, uid: &str, tenancy: &gamekeeper_control::Tenancy) -> Option<&mut Guest> {
        let guest = self.servers.get_mut(uid)?.link.as_mut()?.guests.get_mut(&tenancy.uid)?;
        Some(guest).filter(|it| it.hosted.tenancy.epoch == tenancy.epoch)
    }

    /// Takes in that a server does not have a room any more.
    pub(super) fn unhosted(&mut self, uid: &str, tenancy: &gamekeeper_control::Tenancy) {
        let room_uid = tenancy.uid.as_str();
        self.due.insert(room_uid.to_owned());
        let Some(link) = self.servers.get_mut(uid).and_then(|it| it.link.as_mut()) else { return };
        // It may be there again meanwhile, under a higher epoch.
        let is_gone = |it: &Guest| it.hosted.tenancy.epoch <= tenancy.epoch;
        if link.guests.get(room_uid).is_some_and(is_gone) {
            link.guests.remove(room_uid);
            self.guest_went(uid, room_uid);
        }
    }

    /// Brings the indices up to date; by one room, since a server may have thousands.
    fn guest_came(&mut self, uid: &str, room_uid: &str) {
        let Some(entry) = self.servers.get(uid) else { return };
        self.tenancies.entry(room_uid.to_owned()).or_default().insert(uid.to_owned());
        match self.rooms.contains_key(room_uid) {
            true => self.due.insert(room_uid.to_owned()),
            false => self.suspects.insert((uid.to_owned(), room_uid.to_owned())),
        };
        if let Some(node) = entry.view.node.as_ref().filter(|_| entry.view.is_alive()) {
            *self.rooms_on.entry(node.clone()).or_default() += 1;
        }
        self.changed.insert(entry.view.fleet.clone());
    }

    fn guest_went(&mut self, uid: &str, room_uid: &str) {
        let Some(entry) = self.servers.get(uid) else { return };
        self.suspects.remove(&(uid.to_owned(), room_uid.to_owned()));
        if let Some(servers) = self.tenancies.get_mut(room_uid) {
            servers.remove(uid);
            if servers.is_empty() {
                self.tenancies.remove(room_uid);
            }
        }
        let node = entry.view.node.as_ref().filter(|_| entry.view.is_alive());
        if let Some(count) = node.and_then(|it| self.rooms_on.get_mut(it)) {
            *count = count.saturating_sub(1);
        }
        self.changed.insert(entry.view.fleet.clone());
    }

    /// Takes in that a server did not take a room.
    pub(super) fn refused(&mut self, uid: &str, room_uid: &str, now: Instant) {
        let Some(entry) = self.servers.get_mut(uid) else { return };
        entry.promised.remove(room_uid);
        if let Some(link) = &mut entry.link {
            link.refused_until = Some(now + REFUSED_PAUSE);
        }
        self.changed.insert(entry.view.fleet.clone());
        self.wake("", now + REFUSED_PAUSE);
    }

    pub(super) fn remove_server(&mut self, uid: &str) -> BTreeSet<String> {
        self.keep_origin(uid);
        self.not_cut_off(uid);
        let Some(entry) = self.unlink_server(uid) else { return BTreeSet::new() };
        // Who is published there must ask; a tenancy alone brings its room here, the status may too.
        self.due.extend(entry.rooms().cloned());
        self.due.extend(self.published_on.get(uid).into_iter().flatten().cloned());
        entry.promised
    }

    fn link_server(&mut self, entry: ServerEntry) {
        let uid = entry.view.uid.clone();
        let mut rooms = 0;
        for room in entry.rooms() {
            rooms += 1;
            self.tenancies.entry(room.clone()).or_default().insert(uid.clone());
            match self.rooms.contains_key(room) {
                true => self.due.insert(room.clone()),
                false => self.suspects.insert((uid.clone(), room.clone())),
            };
        }
        if let Some(node) = entry.view.node.as_ref().filter(|_| entry.view.is_alive()) {
            *self.rooms_on.entry(node.clone()).or_default() += rooms;
        }
        self.servers_of.entry(entry.view.fleet.clone()).or_default().insert(uid.clone());
        self.changed.insert(entry.view.fleet.clone());
        self.servers.insert(uid, entry);
    }

    fn unlink_server(&mut self, uid: &str) -> Option<ServerEntry> {
        let entry = self.servers.remove(uid)?;
        if let Some(servers) = self.servers_of.get_mut(&entry.view.fleet) {
            servers.remove(uid);
            if servers.is_empty() {
                self.servers_of.remove(&entry.view.fleet);
            }
        }
        let mut rooms = 0;
        for room in entry.rooms() {
            rooms += 1;
            self.suspects.remove(&(uid.to_owned(), room.clone()));
            if let Some(servers) = self.tenancies.get_mut(room) {
                servers.remove(uid);
                if servers.is_empty() {
                    self.tenancies.remove(room);
                }
            }
        }
        let node = entry.view.node.as_ref().filter(|_| entry.view.is_alive());
        if let Some(count) = node.and_then(|it| self.rooms_on.get_mut(it)) {
            *count = count.saturating_sub(rooms);
        }
        self.changed.insert(entry.view.fleet.clone());
        Some(entry)
    }

    pub(super) fn answer_server(&mut self, uid: &str, outcome: Outcome, now: Instant) {
        let Some(entry) = self.servers.get_mut(uid) else { return };
        (entry.is_busy, entry.is_releasing) = (false, false);
        entry.failures = if outcome == Outcome::Failed { entry.failures.saturating_add(1) } else { 0 };
        let pause = if outcome == Outcome::Failed { RETRY.after(entry.failures) } else { Duration::ZERO };
        entry.retry_at = Some(now + pause);
        // Its rooms are looked at again, and what it has of unknown rooms with whatever comes next.
        let rooms: Vec<String> = entry.rooms().filter(|it| self.rooms.contains_key(*it)).cloned().collect();
        for room in &rooms {
            self.wake(room, now + pause);
        }
        self.wake("", now + pause);
    }

    /// Makes a server let go of a room, unless that is under way: deletes the pod of a plain server, closes
    /// the room on a controlled one.
    ///
    /// A server that has failed is left to its fleet, which replaces it not faster than the brake allows.
    pub(super) fn release(
        &mut self,
        uid: &str,
        room_uid: &str,
        why: CloseWhy,
        now: Instant,
    ) -> Option<Command> {
        let entry = self.servers.get_mut(uid)?;
        if entry.view.is_controlled {
            let link = entry.link.as_mut().filter(|it| it.is_up)?;
            let guest = link.guests.get_mut(room_uid).filter(|it| !it.is_closing)?;
            guest.is_closing = true;
            let tenancy = guest.hosted.tenancy.clone();
            return Some(Command::Close { server_uid: uid.to_owned(), tenancy, why });
        }
        if entry.view.is_deleting || entry.view.has_failed() || !entry.can_act(now) {
            return None;
        }
        let epoch = entry.view.claim.as_ref()?.epoch;
        (entry.is_busy, entry.is_releasing) = (true, true);
        Some(Command::Release { server_uid: uid.to_owned(), pod: entry.view.pod(), epoch })
    }

    /// Asks a controlled server to retire, if nothing is on it or on its way.
    pub(super) fn retire(&mut self, uid: &str) -> Option<Command> {
        let entry = self.servers.get_mut(uid)?;
        let has_rooms = entry.rooms().next().is_some() || !entry.promised.is_empty();
        let link = entry.link.as_ref().filter(|it| it.is_up && !it.is_retired)?;
        if has_rooms || entry.is_retiring || self.published_on.contains_key(uid) {
            return None;
        }
        debug_assert!(link.guests.is_empty(), "guests are rooms");
        entry.is_retiring = true;
        Some(Command::Retire { server_uid: uid.to_owned() })
    }

    pub(super) fn retired(&mut self, uid: &str, is_retired: bool) {
        let Some(entry) = self.servers.get_mut(uid) else { return };
        entry.is_retiring = false;
        if let Some(link) = &mut entry.link {
            link.is_retired |= is_retired;
        }
        self.changed.insert(entry.view.fleet.clone());
    }

    pub(super) fn draining(&mut self, uid: &str, is_draining: bool) {
        let Some(entry) = self.servers.get_mut(uid) else { return };
        if let Some(link) = &mut entry.link {
            link.is_draining = is_draining;
        }
        self.changed.insert(entry.view.fleet.clone());
    }

    /// Tells a controlled server to drain, or not to, when that is not what it does.
    pub(super) fn drain(&mut self, uid: &str) -> Option<Command> {
        let entry = self.servers.get_mut(uid)?;
        let is_wanted = match entry.view.state {
            ServerState::Draining => true,
            ServerState::Ready => false,
            // Whether it may have rooms is not known, or does not matter.
            _ => return None,
        };
        let link = entry.link.as_mut().filter(|it| it.is_up && it.is_draining != is_wanted)?;
        // Until it says so itself: it is told once.
        link.is_draining = is_wanted;
        Some(Command::Drain { server_uid: uid.to_owned(), is_on: is_wanted })
    }
}

impl Guest {
    /// What was said of its checkpoints on an earlier stream is said again; until then the status has it.
    fn new(hosted: HostedRoom, waiting_since: Option<Instant>, now: Instant) -> Self {
        let is_waiting = hosted.phase == RoomPhase::Waiting;
        let waiting_since = if is_waiting { waiting_since.or(Some(now)) } else { None };
        Self { hosted, waiting_since, is_closing: false, saved: Saved::Unheard }
    }
}
