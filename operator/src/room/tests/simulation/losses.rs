//! Servers that fall silent without an end: they hang, are cut off, or die before their kubelet tells; and what a leader's
//! suspicions say of them.

use std::{cell::RefCell, rc::Rc};

use super::*;
use crate::server::suspicion::Verdict;

/// Whether rooms were opened with a fence, by their epochs.
pub(super) type Fences = Rc<RefCell<BTreeMap<i64, bool>>>;

/// What is the matter with servers.
#[derive(Default)]
pub(super) struct Losses {
    /// Neither they nor their rooms move.
    hanging: BTreeSet<String>,
    /// They play on, and no leader hears them.
    cut: BTreeSet<String>,
    /// Of those that are cut off: the store does not hear them either, and so they are frozen.
    silent: BTreeSet<String>,
    /// Who owns each room by the store: the server, and under which epoch.
    owners: BTreeMap<String, (String, i64)>,
    /// Servers and epochs of rooms on them that some leader believed to be lost.
    doubted: BTreeSet<(String, i64)>,
    /// Servers that some leader judged.
    judged: BTreeSet<String>,
    pub(super) fences: Fences,
}

impl Losses {
    /// Whether it does nothing, or nothing that a leader hears of.
    pub(super) fn is_frozen(&self, uid: &str) -> bool {
        self.hanging.contains(uid) || self.cut.contains(uid)
    }

    /// Whether it plays on, and no leader hears it.
    pub(super) fn is_cut(&self, uid: &str) -> bool {
        self.cut.contains(uid) && !self.hanging.contains(uid)
    }

    /// Whether it can be greeted.
    pub(super) fn is_reachable(&self, uid: &str) -> bool {
        !self.is_frozen(uid)
    }

    /// Whether the store hears this server now.
    fn is_heard(&self, uid: &str) -> bool {
        !self.hanging.contains(uid) && !self.silent.contains(uid)
    }

    /// The epoch of a later owner of a room by the store, of which this server hears.
    pub(super) fn later_owner(&self, uid: &str, room: &str, epoch: i64) -> Option<i64> {
        let (_, owner) = self.owners.get(room).filter(|it| epoch < it.1)?;
        self.is_heard(uid).then_some(*owner)
    }

    pub(super) fn is_doubted(&self, uid: &str, epoch: i64) -> bool {
        self.doubted.contains(&(uid.to_owned(), epoch))
    }
}

impl Simulation {
    /// A server falls silent, or a leader finds that one has, or it is back.
    pub(super) fn doubt(&mut self) {
        let uids: Vec<String> = self.pods.values().filter(|it| it.view.is_controlled).map(uid_of).collect();
        // Rather those with players: of others nothing can be lost.
        let played: Vec<String> = self.rooms.values().filter_map(published_on).collect();
        let played: Vec<String> = uids.iter().filter(|it| played.contains(it)).cloned().collect();
        let among = if played.is_empty() || self.rng.random_bool(0.5) { &uids } else { &played };
        let Some(uid) = among.choose(&mut self.rng).cloned() else { return };
        match self.rng.random_range(0..8) {
            0 => self.hang(&uid),
            1 => self.cut(&uid),
            2 => self.die_unseen(&uid),
            3 => self.come_back(&uid),
            4 => self.replace_lost(&uid),
            _ => self.judge(&uid),
        }
    }

    fn hang(&mut self, uid: &str) {
        if self.processes.contains_key(uid) {
            self.seen.insert("a server hung");
            self.losses.hanging.insert(uid.to_owned());
        }
    }

    fn cut(&mut self, uid: &str) {
        if self.processes.contains_key(uid) {
            self.seen.insert("a server was cut off");
            self.break_links(uid);
            self.losses.cut.insert(uid.to_owned());
            if self.rng.random_bool(0.5) {
                self.losses.silent.insert(uid.to_owned());
            }
        }
    }

    /// Its kernel closes its connections; the kubelet has not told yet.
    fn die_unseen(&mut self, uid: &str) {
        if self.processes.contains_key(uid) {
            self.seen.insert("a server died unseen");
            self.end_process(uid);
        }
    }

    fn come_back(&mut self, uid: &str) {
        self.losses.cut.remove(uid);
        self.losses.silent.remove(uid);
        if !self.losses.hanging.remove(uid) {
            return;
        }
        self.seen.insert("a server that hung is back");
        let now = self.now();
        for leader in &mut self.leaders {
            // Its beats come over the stream that never broke.
            if leader.links.get(uid).is_some_and(servers::Link::is_up) {
                leader.take(0, Event::ServerBack { server_uid: uid.to_owned() }, now);
            }
        }
    }

    /// A leader's suspicions come to an end.
    fn judge(&mut self, uid: &str) {
        let index = self.rng.random_range(0..self.leaders.len());
        let leader = &self.leaders[index];
        // While a link is up only a hang can be found.
        let is_up = leader.links.get(uid).is_some_and(servers::Link::is_up);
        let has_words = leader.links.get(uid).is_some_and(servers::Link::has_words);
        if !leader.knows(uid) || (has_words && !self.losses.is_cut(uid)) {
            return;
        }
        if has_words {
            return self.hear_out(index, uid);
        }
        if self.losses.is_cut(uid) && !is_up && self.processes.contains_key(uid) && self.rng.random_bool(0.8)
        {
            // A witness reaches it.
            self.seen.insert("a server was out of our reach");
            let (now, server_uid) = (self.now(), uid.to_owned());
            let event = Event::ServerCutOff { server_uid, since: now.instant, noticed: now.instant };
            self.leaders[index].take(0, event, now);
            // Such a time may be over before anything else happens.
            self.pass(Duration::from_millis(1100));
            if self.rng.random_bool(0.5) {
                self.talk_for_a_while(index);
            }
            return;
        }
        let verdict = match self.processes.get(uid) {
            None if is_up => return,
            None => Verdict::Proven,
            Some(_) if self.losses.hanging.contains(uid) && is_up => Verdict::Hang,
            Some(_) if self.losses.is_frozen(uid) && !is_up => Verdict::Presumed,
            Some(_) => return,
        };
        self.losses.judged.insert(uid.to_owned());
        self.seen.insert(match verdict {
            Verdict::Proven => "a loss was proven",
            Verdict::Hang => "a hang was found",
            Verdict::Presumed => "a loss was presumed",
        });
        if verdict != Verdict::Proven {
            let epochs: Vec<i64> = self.processes[uid].tenancies().map(|it| it.epoch.0).collect();
            self.losses.doubted.extend(epochs.into_iter().map(|it| (uid.to_owned(), it)));
        }
        let now = self.now();
        self.leaders[index].take(0, Event::ServerLost { server_uid: uid.to_owned(), verdict }, now);
    }

    /// A leader and its servers, as far as they hear each other, before anything else happens.
    fn talk_for_a_while(&mut self, index: usize) {
        let uids: Vec<String> =
            self.processes.keys().filter(|it| self.losses.is_reachable(it)).cloned().collect();
        for uid in uids.iter().cycle().take(4 * uids.len()) {
            self.hear_of(index, uid);
            self.do_chore(uid);
            self.answer_of(index, uid);
        }
    }

    /// A leader hears the last words of a link.
    fn hear_out(&mut self, index: usize, uid: &str) {
        while self.leaders[index].links.get(uid).is_some_and(servers::Link::has_words) {
            self.answer_of(index, uid);
        }
    }

    /// A fleet replaces a server that is lost for long, as soon as nobody counts on it (I9).
    fn replace_lost(&mut self, uid: &str) {
        let Some(leader) = self.leaders.iter().find(|it| it.is_current) else { return };
        let is_lost = self.losses.is_frozen(uid) && self.losses.judged.contains(uid);
        if !is_lost || leader.ledger.is_busy(uid) || !leader.room_news.is_empty() {
            return;
        }
        let is_published = |room: &GameRoom| {
            let status = room.status.as_ref().filter(|it| it.phase == Phase::Running);
            status.and_then(|it| it.server.as_ref()).is_some_and(|it| it.pod_uid == uid)
        };
        assert!(!self.rooms.values().any(is_published), "I9: {uid} is removed, and players were sent there");
        self.seen.insert("a lost server was replaced");
        self.remove_pod(uid);
    }

    /// A server has a room, and its calls make it the owner by the store, unless a later one is.
    pub(super) fn own(&mut self, uid: &str, room: &str, epoch: i64) {
        let owner = self.losses.owners.entry(room.to_owned()).or_insert_with(|| (uid.to_owned(), epoch));
        if owner.1 < epoch {
            *owner = (uid.to_owned(), epoch);
        }
    }

    /// What the store says to whoever wants to have the room if its owner is silent: whether it may.
    pub(super) fn bid(&mut self, uid: &str, room: &str, epoch: i64) -> bool {
        let Some((owner, of_owner)) = self.losses.owners.get(room).cloned() else { return false };
        let plays = self.processes.contains_key(&owner) && self.losses.is_heard(&owner);
        if owner != uid && plays {
            self.seen.insert("an owner was not silent");
            return false;
        }
        self.seen.insert("a room was taken from a silent owner");
        self.losses.doubted.insert((owner, of_owner));
        self.own(uid, room, epoch);
        true
    }

    /// Whoever can come back does, and kubelets tell of the others.
    pub(super) fn end_all_doubts(&mut self) {
        let uids: Vec<String> = self.pods.values().filter(|it| it.view.is_controlled).map(uid_of).collect();
        for uid in uids {
            self.come_back(&uid);
            if !self.processes.contains_key(&uid) && self.pods[&uid].view.is_alive() {
                self.change_pod(&uid, |it| it.state = ServerState::Ended(Exit { code: 137 }));
            }
        }
    }
}

fn uid_of(pod: &Pod) -> String {
    pod.view.uid.clone()
}

/// The server that players were told of.
fn published_on(room: &GameRoom) -> Option<String> {
    let status = room.status.as_ref().filter(|it| it.phase == Phase::Running)?;
    Some(status.server.as_ref()?.pod_uid.clone())
}
