//! Commands that go to controlled servers, and what comes back over their links.

use std::{
    collections::VecDeque,
    net::{IpAddr, SocketAddr},
    sync::{Arc, atomic::Ordering},
};

use gamekeeper_control::{Close, Mirror, Open, Restore, Tenancy, ToServer, Token};
use gamekeeper_crds::GameRoom;
use sha2::{Digest as _, Sha256};
use tracing::{debug, info};

use super::{Driver, Word};
use crate::{
    cache::Cached as _,
    metrics::{Outcome, RoomAction},
    name::ObjectName,
    room::{
        Command, Event,
        ledger::{LinkNews, MirrorTo},
    },
    server::{
        Health, ServerPod,
        link::{Report, Target, What},
        pod::Process,
        suspicion::{self, Cause},
    },
    terms::Epoch,
    world::fleet_of,
};

impl Driver {
    /// Gives a command to the link that it is for; others come back. What the ledger must know at once is
    /// added to `events`.
    pub(super) fn order(&mut self, command: Command, events: &mut VecDeque<Event>) -> Option<Command> {
        let (server_uid, sent) = match command {
            Command::Open { room, server, epoch, restore } => {
                if restore.is_some_and(|it| !it.owner_silent.is_zero()) {
                    let ObjectName { namespace, name } = room.key();
                    debug!(namespace, room = name, server = server.pod_name, epoch = epoch.0, "asked for");
                } else if room.status.as_ref().is_some_and(|it| it.epoch != 0) {
                    let fence = restore.as_ref().is_some_and(|it| it.fence);
                    placed_anew(&room, &server.pod_name, epoch, fence);
                }
                let sent = self.links.send(&server.uid, ToServer::Open(open(&room, epoch, restore)));
                self.count_order(RoomAction::Open, sent.is_ok());
                (server.uid, sent)
            }
            Command::Close { server_uid, tenancy, why } => {
                let sent = self.links.send(&server_uid, ToServer::Close(Close { tenancy, why }));
                self.count_order(RoomAction::Close, sent.is_ok());
                (server_uid, sent)
            }
            Command::TellFallbacks { server_uid, servers } => {
                let sent = self.links.send(&server_uid, ToServer::Fallbacks(servers));
                (server_uid, sent)
            }
            Command::TellFound { server_uid, found } => {
                let sent = self.links.send(&server_uid, ToServer::Found(found));
                (server_uid, sent)
            }
            Command::StandBy { server_uid, wards } => {
                let tokens = wards.iter().map(|it| self.token(&server_uid, it)).collect();
                let sent = self.links.send(&server_uid, ToServer::StandBy(tokens));
                (server_uid, sent)
            }
            Command::Mirror { server_uid, to } => {
                let mirror = to.and_then(|it| self.mirror(&server_uid, it));
                let sent = self.links.send(&server_uid, ToServer::Mirror(mirror));
                (server_uid, sent)
            }
            Command::Drain { server_uid, is_on } => {
                let drain = if is_on { ToServer::Drain } else { ToServer::Undrain };
                let sent = self.links.send(&server_uid, drain);
                (server_uid, sent)
            }
            Command::Retire { server_uid } => {
                let sent = self.links.send(&server_uid, ToServer::Retire);
                (server_uid, sent)
            }
            Command::Greet { server_uid } => {
                let sent = self.links.greet(&server_uid);
                (server_uid, sent)
            }
            Command::TellTaken(taken) => {
                self.tell_taken(&taken);
                return None;
            }
            command => return Some(command),
        };
        if sent.is_err() {
            // Greeted anew, it says what it has; until then it gets nothing.
            self.links.renew(&server_uid);
            self.watch.broke(&server_uid);
            events.push_back(Event::Link { server_uid, news: LinkNews::Lost });
        }
        None
    }

    /// What a server shows to its standby: nobody else can know it, and nothing has to be remembered.
    fn token(&self, standby_uid: &str, ward_uid: &str) -> Token {
        let mut hash = Sha256::new();
        // Uids have a length of their own: no two pairs are the same text.
        for part in [&self.secret[..], standby_uid.as_bytes(), b"/", ward_uid.as_bytes()] {
            hash.update(part);
        }
        Token(hash.finalize().into())
    }

    fn mirror(&self, server_uid: &str, to: MirrorTo) -> Option<Mirror> {
        let MirrorTo { standby_uid, pod, port, certificate_hashes } = to;
        let world = self.world.read();
        let ip =
            world.pods.get(&pod).filter(|it| it.uid == standby_uid)?.ip.as_ref()?.parse::<IpAddr>().ok()?;
        info!(
            server_uid,
            standby = pod.name,
            namespace = pod.namespace,
            "copies of a server's rooms go to a standby"
        );
        let token = self.token(&standby_uid, server_uid);
        Some(Mirror { address: SocketAddr::new(ip, port), certificate_hashes, token })
    }

    fn count_order(&self, action: RoomAction, is_sent: bool) {
        self.metrics.room_action(action, if is_sent { Outcome::Applied } else { Outcome::Failed });
    }

    /// Links to a controlled server whose process runs.
    pub(super) fn link(&mut self, pod: &ServerPod) {
        let serving = self.world.read().serving.get(&fleet_of(pod)).cloned();
        let ip = pod.ip.as_ref().and_then(|it| it.parse::<IpAddr>().ok());
        match (serving, ip, pod.control_port) {
            (Some(serving), Some(ip), Some(port)) if pod.process == Process::Running => {
                let target = Target {
                    pod: pod.key(),
                    address: SocketAddr::new(ip, port),
                    heartbeat: serving.heartbeat,
                    hang_timeout: serving.hang_timeout,
                };
                let is_new = self.links.target(&pod.uid).is_none();
                if self.links.watch(&pod.uid, target) {
                    // The new link will say what the server has; until then it is out of reach.
                    self.tell(vec![Event::Link { server_uid: pod.uid.clone(), news: LinkNews::Lost }]);
                    self.watch.broke(&pod.uid);
                }
                let is_unheard = || {
                    let ledger = &self.world.read().ledger;
                    ledger.is_published_on(&pod.uid) && ledger.link(&pod.uid).is_none()
                };
                // A leader before us has left rooms there; of others nothing can be lost yet (I5).
                if is_new && is_unheard() {
                    self.suspect(pod, Cause::Unheard);
                }
            }
            _ => self.unlink(&pod.uid),
        }
    }

    /// Ends the link to a server, which then cannot be talked to.
    pub(super) fn unlink(&mut self, uid: &str) {
        if self.links.forget(uid) {
            self.suspicion(suspicion::Event::Gone { server: uid.to_owned() });
            self.world.write().set_pulse(uid, Health::Unknown);
            self.tell(vec![Event::Link { server_uid: uid.to_owned(), news: LinkNews::Lost }]);
        }
    }

    pub(super) fn take_link_report(&mut self, report: Report) {
        let Report { pod, uid, what } = report;
        let pod = self.world.read().pods.get(&pod).filter(|it| it.uid == uid).cloned();
        // Gone meanwhile.
        let Some(pod) = pod else { return };
        match what {
            What::News(news) => {
                // Also one that only the store remembers, and that a server was refused for.
                self.heard_term.fetch_max(news.latest_term(), Ordering::Relaxed);
                let is_lost = matches!(news, LinkNews::Lost);
                self.tell(vec![Event::Link { server_uid: uid.clone(), news }]);
                if is_lost {
                    self.set_pulse(&pod, Health::Unhealthy);
                    self.suspect(&pod, Cause::Broke);
                }
            }
            What::Health(health) => {
                self.set_pulse(&pod, health);
                match health {
                    Health::Unhealthy => self.suspect(&pod, Cause::Quiet),
                    _ => self.alive(&pod),
                }
            }
            What::Dialled(finding, asked) => self.dialled(&uid, finding, asked),
            What::Answered => self.alive(&pod),
            What::Witnessed(result) => self.witnessed(&uid, result),
            What::Trouble(why) => {
                debug!(namespace = pod.namespace, server = pod.name, why, "a server cannot be greeted");
                self.world.write().set_trouble(&uid, why);
                self.trigger(&fleet_of(&pod));
            }
        }
    }

    fn set_pulse(&mut self, pod: &Arc<ServerPod>, health: Health) {
        self.world.write().set_pulse(&pod.uid, health);
        self.server_changed(pod);
    }

    pub(super) fn take_word(&mut self, word: Word) {
        match word {
            Word::Fleet(fleet) => self.take_fleet(&fleet),
            Word::Server(pod) => {
                let pod = self.world.read().pods.get(&pod).cloned();
                if let Some(pod) = pod {
                    self.server_changed(&pod);
                }
            }
            Word::Unneeded(server_uid) => self.tell(vec![Event::Unneeded { server_uid }]),
        }
    }
}

/// Tells that a room goes on on another server.
pub(super) fn placed_anew(room: &GameRoom, server: &str, epoch: Epoch, fence: bool) {
    let ObjectName { namespace, name } = room.key();
    info!(namespace, room = name, server, epoch = epoch.0, fence, "placed anew");
}

fn open(room: &GameRoom, epoch: Epoch, restore: Option<Restore>) -> Open {
    let key = room.key();
    Open {
        tenancy: Tenancy {
            namespace: key.namespace,
            name: key.name,
            uid: room.uid().to_owned(),
            epoch: epoch.0,
        },
        seats: room.spec.seats.and_then(|it| u32::try_from(it).ok()).unwrap_or_default(),
        parameters: room.spec.parameters.clone(),
        restore,
        reason: String::new(),
    }
}
