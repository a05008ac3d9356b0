//! What one hollow server knows, and how it answers.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use gamekeeper_control::{
    Beat, Hello, HelloRefused, HelloRefusedWhy, HostedRoom, Open, Opened, PROTOCOL, Refused, RefusedWhy,
    RoomPhase, Tenancy, ToOperator, ToServer, Welcome, agree,
};
use tokio_util::sync::CancellationToken;

/// More than the bench's fleets allow.
const CAPACITY: usize = 64;

/// Between beats without rooms, at least.
const EMPTY_PACE: Duration = Duration::from_secs(1);

/// A hollow server.
pub(super) struct Server {
    boot_id: String,
    highest_term: u32,
    is_draining: bool,
    is_retired: bool,
    /// By uid.
    rooms: HashMap<String, Tenancy>,
    beats: u64,
    /// Ends the stream that counts.
    stream: CancellationToken,
}

/// What a command has done to the server's rooms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    None,
    Opened(String),
    Closed(String),
}

impl Server {
    pub(super) fn new(address: &IpAddr) -> Self {
        Self {
            // A pod never has the address of another one before it.
            boot_id: format!("hollow-{address}"),
            highest_term: 0,
            is_draining: false,
            is_retired: false,
            rooms: HashMap::new(),
            beats: 0,
            stream: CancellationToken::new(),
        }
    }

    /// Answers a greeting. If it is accepted, the stream before ends, and this one with the token.
    pub(super) fn greet(&mut self, hello: &Hello) -> Result<(Welcome, CancellationToken), HelloRefused> {
        let refused = |why, highest_term| HelloRefused { why, highest_term, protocol: PROTOCOL..=PROTOCOL };
        if hello.term < self.highest_term {
            return Err(refused(HelloRefusedWhy::Term, self.highest_term));
        }
        let Some(protocol) = agree(hello.protocol.clone(), PROTOCOL..=PROTOCOL) else {
            return Err(refused(HelloRefusedWhy::Protocol, self.highest_term));
        };
        self.highest_term = hello.term;
        std::mem::take(&mut self.stream).cancel();
        let rooms = self.rooms.values().map(|tenancy| HostedRoom {
            tenancy: tenancy.clone(),
            phase: RoomPhase::Waiting,
            players: 0,
            result: None,
            ports: Vec::new(),
            certificate_hashes: Vec::new(),
        });
        let welcome = Welcome {
            boot_id: self.boot_id.clone(),
            protocol,
            features: [].into(),
            capacity: u32::try_from(CAPACITY).unwrap_or(u32::MAX),
            is_retired: self.is_retired,
            is_draining: self.is_draining,
            rooms: rooms.collect(),
            certificate_hashes: Vec::new(),
        };
        Ok((welcome, self.stream.clone()))
    }

    /// Carries out a command.
    pub(super) fn hear(&mut self, command: ToServer) -> (Option<ToOperator>, Change) {
        match command {
            ToServer::Open(open) => self.open(open),
            ToServer::Close(close) => self.close(close.tenancy),
            ToServer::Drain | ToServer::Undrain => {
                self.is_draining = command == ToServer::Drain;
                (Some(ToOperator::Draining(self.is_draining)), Change::None)
            }
            ToServer::Retire => {
                self.is_retired |= self.rooms.is_empty();
                let rooms = u32::try_from(self.rooms.len()).unwrap_or(u32::MAX);
                (Some(ToOperator::Retired { retired: self.is_retired, rooms }), Change::None)
            }
            // An echo needs no answer, and nothing else is sent that was not offered.
            _ => (None, Change::None),
        }
    }

    fn open(&mut self, Open { tenancy, .. }: Open) -> (Option<ToOperator>, Change) {
        let current = self.rooms.get(&tenancy.uid).map(|it| it.epoch);
        let why = match current {
            Some(epoch) if tenancy.epoch < epoch => Some(RefusedWhy::Epoch),
            None if self.is_retired => Some(RefusedWhy::Retired),
            None if self.is_draining => Some(RefusedWhy::Draining),
            None if CAPACITY <= self.rooms.len() => Some(RefusedWhy::Full),
            Some(_) | None => None,
        };
        if let Some(why) = why {
            return (Some(refused(tenancy, why, current)), Change::None);
        }
        let uid = tenancy.uid.clone();
        self.rooms.insert(uid.clone(), tenancy.clone());
        let opened = Opened { tenancy, ports: Vec::new(), certificate_hashes: Vec::new() };
        let change = if current.is_none() { Change::Opened(uid) } else { Change::None };
        (Some(ToOperator::Opened(opened)), change)
    }

    fn close(&mut self, tenancy: Tenancy) -> (Option<ToOperator>, Change) {
        let current = self.rooms.get(&tenancy.uid).map(|it| it.epoch);
        if current.is_some_and(|it| tenancy.epoch < it) {
            return (Some(refused(tenancy, RefusedWhy::Epoch, current)), Change::None);
        }
        let closed = self.rooms.remove(&tenancy.uid);
        let change = closed.map_or(Change::None, |it| Change::Closed(it.uid));
        (Some(ToOperator::Closed(tenancy)), change)
    }

    /// The next sign of life, with the progress that a game would have made.
    pub(super) fn beat(&mut self) -> ToOperator {
        self.beats += 1;
        let tick_p99 = Duration::from_micros(100);
        ToOperator::Beat(Beat { sequence: self.beats, progress: self.beats, tick_p99, load_permille: 100 })
    }

    /// Between beats.
    pub(super) fn pace(&self, heartbeat: Duration) -> Duration {
        if self.rooms.is_empty() { heartbeat.max(EMPTY_PACE) } else { heartbeat }
    }
}

fn refused(tenancy: Tenancy, why: RefusedWhy, current: Option<i64>) -> ToOperator {
    let current_epoch = current.unwrap_or_default();
    ToOperator::Refused(Refused { tenancy, why, current_epoch, message: String::new() })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::Ipv4Addr;

    use gamekeeper_control::{Close, CloseWhy};

    use super::*;

    fn tenancy(room: usize, epoch: i64) -> Tenancy {
        let text = format!("room-{room}");
        Tenancy { namespace: "games".to_owned(), name: text.clone(), uid: text, epoch }
    }

    fn open(room: usize, epoch: i64) -> ToServer {
        let (tenancy, parameters) = (tenancy(room, epoch), BTreeMap::new());
        ToServer::Open(Open { tenancy, seats: 2, parameters, restore: None, reason: String::new() })
    }

    fn close(room: usize, epoch: i64) -> ToServer {
        ToServer::Close(Close { tenancy: tenancy(room, epoch), why: CloseWhy::Deleted })
    }

    fn server() -> Server {
        Server::new(&Ipv4Addr::LOCALHOST.into())
    }

    #[test]
    fn a_room_is_open_from_its_open_to_its_close() {
        let mut server = server();
        assert_eq!(server.hear(open(1, 5)).1, Change::Opened("room-1".to_owned()));
        assert_eq!(server.hear(open(1, 6)).1, Change::None, "it was open already");
        let (answer, change) = server.hear(close(1, 5));
        assert!(
            matches!(answer, Some(ToOperator::Refused(it)) if (it.why, it.current_epoch) == (RefusedWhy::Epoch, 6))
        );
        assert_eq!(change, Change::None);
        assert_eq!(server.hear(close(1, 6)).1, Change::Closed("room-1".to_owned()));
        let (answer, change) = server.hear(close(1, 6));
        assert!(matches!(answer, Some(ToOperator::Closed(_))));
        assert_eq!(change, Change::None);
    }

    #[test]
    fn a_full_server_refuses_and_one_with_rooms_does_not_retire() {
        let mut server = server();
        for room in 0..CAPACITY {
            server.hear(open(room, 1));
        }
        let (answer, _) = server.hear(open(CAPACITY, 1));
        assert!(matches!(answer, Some(ToOperator::Refused(it)) if it.why == RefusedWhy::Full));
        let (answer, _) = server.hear(ToServer::Retire);
        assert_eq!(answer, Some(ToOperator::Retired { retired: false, rooms: 64 }));
    }

    #[test]
    fn the_higher_term_has_the_stream() {
        let mut server = server();
        let hello = |term| Hello {
            term,
            identity: String::new(),
            protocol: PROTOCOL..=PROTOCOL,
            heartbeat: Duration::from_millis(100),
        };
        let (_, first) = server.greet(&hello(2)).unwrap();
        assert_eq!(server.greet(&hello(1)).unwrap_err().highest_term, 2);
        assert!(!first.is_cancelled());
        let (_, second) = server.greet(&hello(2)).unwrap();
        assert!(first.is_cancelled() && !second.is_cancelled());
    }
}
