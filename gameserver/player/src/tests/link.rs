//! A world of one client and some servers, with a network between them that loses, delays, doubles and mixes.
//! All of it follows from a seed.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ops::Range,
    time::Duration,
};

use jiff::Timestamp;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::{sessions, snapshots::state};
use crate::{
    admission::{Admission, Guests},
    frame::{Endpoint, Join, Place, Redirect, RefusedWhy},
    limits,
    session::{
        client::{self, LinkId},
        server::{self, Admitted},
    },
};

/// The uid of the room.
pub(super) const ROOM: &str = "u-1";

const STEP: Duration = Duration::from_millis(1);

/// What QUIC says of every path.
const ROUND_TRIP: Duration = Duration::from_millis(20);

/// After which QUIC gives up a connection.
const IDLE: Duration = Duration::from_secs(3);

/// What the network does to datagrams. Streams are only delayed.
#[derive(Clone, Debug)]
pub(super) struct Weather {
    pub(super) loss: f64,
    pub(super) doubled: f64,
    pub(super) delay_ms: Range<u64>,
}

#[derive(Debug)]
enum Parcel {
    Connected,
    Stream(Vec<u8>),
    Datagram(Vec<u8>),
    /// What QUIC sends by itself, such as an acknowledgement.
    Sign,
    /// The server closes the connection.
    Closed,
}

/// One server process: its connections, and the room if it has it.
pub(super) struct Server {
    pub(super) guests: Guests,
    links: HashMap<LinkId, server::Session>,
    /// Those whose Join waits for the room.
    held: Vec<(LinkId, Join)>,
    /// The connection that has the seat, and how far its inputs got.
    seat: Option<LinkId>,
    pub(super) input_ack: u64,
    /// The number of the last message that the game has heard.
    message_ack: u64,
    /// Messages that wait for the next tick, with their numbers.
    waiting: Vec<(u64, u64)>,
    pub(super) epoch: u64,
    pub(super) is_up: bool,
    /// It stands still: what comes waits.
    pub(super) is_paused: bool,
}

pub(super) struct World {
    pub(super) now: Duration,
    pub(super) client: client::Session,
    pub(super) servers: Vec<Server>,
    /// Which server ticks the room.
    pub(super) owner: usize,
    pub(super) tick: u64,
    /// Numbers of the inputs that came to the game.
    pub(super) played: Vec<u64>,
    pub(super) inputs: u64,
    /// Messages that the client said, and those that came to the game.
    pub(super) said: u64,
    pub(super) told: Vec<u64>,
    pub(super) shown: Vec<u64>,
    pub(super) happened: Vec<client::Happening>,
    pub(super) bytes_down: usize,
    pub(super) lost_inputs: u64,
    /// Servers that refuse whoever comes.
    pub(super) refuses: HashMap<usize, RefusedWhy>,
    /// Whether servers let those wait who ask for a room that is not there.
    pub(super) holds: bool,
    /// Where those are sent who wait, as soon as it is known.
    pub(super) sent_on_to: Option<usize>,
    /// Whether the client plays.
    pub(super) has_hands: bool,
    weather: Weather,
    rng: StdRng,
    routes: HashMap<LinkId, usize>,
    /// By time and number.
    under_way: BTreeMap<(Duration, u64), (LinkId, bool, Parcel)>,
    parcels: u64,
    /// When the last bytes of a stream arrive, by connection and direction.
    streams: HashMap<(LinkId, bool), Duration>,
    /// When something came last, by connection.
    heard: HashMap<LinkId, Duration>,
    /// Connections on which nothing arrives.
    mute: HashSet<LinkId>,
}

pub(super) fn endpoint(server: usize) -> Place {
    let port = 7000 + u16::try_from(server).unwrap();
    Place { endpoints: vec![Endpoint { address: "server".into(), port }], certificate_hashes: vec![] }
}

/// Servers, each by two addresses.
pub(super) fn endpoints(servers: &[usize]) -> Place {
    let port = |server: &usize| u16::try_from(*server).unwrap();
    let both = |it| [7000 + port(it), 8000 + port(it)];
    let endpoint = |port| Endpoint { address: "server".into(), port };
    Place { endpoints: servers.iter().flat_map(both).map(endpoint).collect(), certificate_hashes: vec![] }
}

impl World {
    pub(super) fn new(seed: u64, servers: usize, weather: Weather) -> Self {
        let now = Duration::from_secs(1);
        let server = |index: usize| Server {
            guests: Guests::default(),
            links: HashMap::new(),
            held: Vec::new(),
            seat: None,
            input_ack: 0,
            message_ack: 0,
            waiting: Vec::new(),
            epoch: 5 + index as u64,
            is_up: true,
            is_paused: false,
        };
        Self {
            now,
            client: client::Session::new(sessions::identity(), endpoint(0), now),
            servers: (0..servers).map(server).collect(),
            owner: 0,
            tick: 100,
            played: Vec::new(),
            inputs: 0,
            said: 0,
            told: Vec::new(),
            shown: Vec::new(),
            happened: Vec::new(),
            bytes_down: 0,
            lost_inputs: 0,
            refuses: HashMap::new(),
            holds: false,
            sent_on_to: None,
            has_hands: true,
            weather,
            rng: StdRng::seed_from_u64(seed),
            routes: HashMap::new(),
            under_way: BTreeMap::new(),
            parcels: 0,
            streams: HashMap::new(),
            heard: HashMap::new(),
            mute: HashSet::new(),
        }
    }

    pub(super) fn run(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.now += STEP;
            self.deliver();
            let millis = self.now.as_millis();
            if millis.is_multiple_of(33) {
                self.tick();
            }
            if self.has_hands && millis.is_multiple_of(16) && self.client.input(&[]).is_ok() {
                self.inputs += 1;
            }
            if self.has_hands && millis.is_multiple_of(200) {
                let next = self.said + 1;
                self.said += u64::from(self.client.message(&next.to_be_bytes()).is_ok());
            }
            if millis.is_multiple_of(limits::KEEP_ALIVE.as_millis()) {
                self.signs();
            }
            self.client_turn();
            self.servers_turn();
        }
    }

    /// Nothing arrives any more on the connections that there are.
    pub(super) fn silence(&mut self) {
        self.mute = self.routes.keys().copied().collect();
    }

    /// What is still under way arrives again.
    pub(super) fn speak(&mut self) {
        self.mute.clear();
    }

    /// Connections, and attempts at some.
    pub(super) fn connections(&self) -> usize {
        self.routes.len()
    }

    /// Keep-alives and their answers; and connections on which there were none are given up.
    fn signs(&mut self) {
        let mut links: Vec<_> = self.routes.iter().map(|(link, server)| (*link, *server)).collect();
        links.sort_unstable();
        for (link, server) in links {
            if self.heard.get(&link).is_some_and(|it| *it + IDLE <= self.now) {
                self.routes.remove(&link);
                self.client.lost(link, self.now);
            }
            let it = &self.servers[server];
            if it.links.contains_key(&link)
                && it.is_up
                && !it.is_paused
                && !self.rng.random_bool(self.weather.loss)
            {
                self.post(link, false, Parcel::Sign);
            }
        }
    }

    /// The connection in use breaks, and both ends hear of it.
    pub(super) fn cut(&mut self) {
        let links: Vec<_> = self.routes.drain().map(|(link, _)| link).collect();
        for link in links {
            self.client.lost(link, self.now);
        }
        self.under_way.clear();
    }

    /// Says something to the player at the server that has the room.
    pub(super) fn at_owner(&mut self, say: impl FnOnce(&mut server::Session, Duration)) {
        let server = &mut self.servers[self.owner];
        if let Some(session) = server.seat.and_then(|it| server.links.get_mut(&it)) {
            say(session, self.now);
        }
    }

    /// A new process, that knows nothing of its predecessor's connections.
    pub(super) fn restart(&mut self, server: usize) {
        let server = &mut self.servers[server];
        server.links.clear();
        server.held.clear();
        (server.seat, server.is_up, server.is_paused) = (None, true, false);
    }

    /// The room goes on elsewhere.
    pub(super) fn move_to(&mut self, server: usize) {
        let Server { input_ack, message_ack, ref guests, .. } = self.servers[self.owner];
        let guests: Vec<_> = guests.iter().collect();
        // What waits there no tick will take.
        self.servers[self.owner].waiting.clear();
        self.owner = server;
        (self.servers[server].input_ack, self.servers[server].message_ack) = (input_ack, message_ack);
        guests.into_iter().for_each(|it| self.servers[server].guests.insert(it).unwrap());
    }

    fn post(&mut self, link: LinkId, is_up: bool, parcel: Parcel) {
        let delay = Duration::from_millis(self.rng.random_range(self.weather.delay_ms.clone()));
        let mut at = self.now + delay;
        if !matches!(parcel, Parcel::Datagram(_)) {
            let last = self.streams.entry((link, is_up)).or_default();
            at = at.max(*last);
            *last = at;
        }
        self.parcels += 1;
        self.under_way.insert((at, self.parcels), (link, is_up, parcel));
    }

    fn post_datagram(&mut self, link: LinkId, is_up: bool, datagram: &[u8]) {
        if self.rng.random_bool(self.weather.loss) {
            return;
        }
        let copies = 1 + usize::from(self.rng.random_bool(self.weather.doubled));
        (0..copies).for_each(|_| self.post(link, is_up, Parcel::Datagram(datagram.to_vec())));
    }

    fn deliver(&mut self) {
        while let Some(entry) = self.under_way.first_entry().filter(|it| it.key().0 <= self.now) {
            let ((_, number), (link, is_up, parcel)) = entry.remove_entry();
            let Some(server) = self.routes.get(&link).copied().filter(|it| self.servers[*it].is_up) else {
                continue;
            };
            let is_mute = self.mute.contains(&link);
            let is_held = is_up && self.servers[server].is_paused;
            match parcel {
                // Lost; QUIC sends again what is on streams.
                Parcel::Datagram(_) | Parcel::Sign if is_mute => {}
                parcel if is_mute || is_held => {
                    // Later, and still before whatever was sent after it.
                    self.under_way.insert((self.now + STEP, number), (link, is_up, parcel));
                }
                parcel => self.arrive(server, link, is_up, &parcel),
            }
        }
    }

    fn arrive(&mut self, server: usize, link: LinkId, is_up: bool, parcel: &Parcel) {
        match is_up {
            true => self.up(server, link, parcel),
            false => {
                self.heard.insert(link, self.now);
                self.down(link, parcel);
            }
        }
    }

    fn up(&mut self, index: usize, link: LinkId, parcel: &Parcel) {
        let is_owner = index == self.owner;
        let server = &mut self.servers[index];
        let session = server.links.entry(link).or_insert_with(|| server::Session::new(self.now));
        match parcel {
            Parcel::Connected => self.post(link, false, Parcel::Connected),
            Parcel::Sign | Parcel::Closed => {}
            Parcel::Stream(bytes) => session.on_stream(bytes, self.now).unwrap(),
            // A server without the room, and a connection without the seat, play nothing.
            Parcel::Datagram(_) if !is_owner || server.seat != Some(link) => {}
            Parcel::Datagram(bytes) => {
                let played = &mut self.played;
                let before = session.counts().inputs.lost;
                session.on_datagram(bytes, self.now, |number, _| played.push(number)).unwrap();
                self.lost_inputs += session.counts().inputs.lost - before;
                server.input_ack = session.input_ack();
            }
        }
    }

    fn down(&mut self, link: LinkId, parcel: &Parcel) {
        match parcel {
            Parcel::Connected => {
                let server = u8::try_from(self.routes[&link]).unwrap();
                self.client.identified(link, [server; 32]);
                self.client.connected(link, self.now);
            }
            Parcel::Sign => self.client.heard(link, ROUND_TRIP, self.now),
            Parcel::Closed => {
                self.routes.remove(&link);
                self.client.replaced(link, self.now);
            }
            Parcel::Stream(bytes) => self.client.on_stream(link, bytes, self.now),
            Parcel::Datagram(bytes) => {
                if let Some(shown) = self.client.on_datagram(link, bytes, self.now) {
                    assert_eq!(shown.state, state(shown.tick, 1500), "tick {}", shown.tick);
                    self.shown.push(shown.tick);
                }
            }
        }
    }

    fn tick(&mut self) {
        let server = &mut self.servers[self.owner];
        if !server.is_up || server.is_paused {
            return;
        }
        self.tick += 1;
        let (tick, now) = (self.tick, self.now);
        for (number, message) in server.waiting.drain(..) {
            server.message_ack = number;
            self.told.push(message);
        }
        let Some(link) = server.seat else { return };
        let Some(session) = server.links.get_mut(&link) else { return };
        let mut datagrams = Vec::new();
        session.confirm(server.message_ack, now).unwrap();
        session.snapshot(tick, &state(tick, 1500), 1200, now, |it| datagrams.push(it.to_vec())).unwrap();
        for datagram in datagrams {
            self.bytes_down += datagram.len();
            self.post_datagram(link, false, &datagram);
        }
    }

    fn client_turn(&mut self) {
        let mut datagram = Vec::new();
        while let Some(link) = self.client.datagram(1200, self.now, &mut datagram) {
            self.post_datagram(link, true, &datagram);
        }
        if self.client.next_timeout().is_some_and(|it| it <= self.now) {
            self.client.on_timeout(self.now);
        }
        for link in self.routes.keys().copied().collect::<Vec<_>>() {
            let bytes = self.client.stream_output(link).to_vec();
            self.client.consumed(link, bytes.len());
            if !bytes.is_empty() {
                self.post(link, true, Parcel::Stream(bytes));
            }
        }
        while let Some(happening) = self.client.poll() {
            if let client::Happening::Connect { link, endpoint, .. } = &happening {
                let server = usize::from(endpoint.port % 1000);
                self.routes.insert(*link, server);
                self.post(*link, true, Parcel::Connected);
            }
            if let client::Happening::Close { link } = &happening {
                self.routes.remove(link);
            }
            self.happened.push(happening);
        }
    }

    fn servers_turn(&mut self) {
        let (mut posts, mut replaced) = (Vec::new(), Vec::new());
        for (index, server) in self.servers.iter_mut().enumerate().filter(|(_, it)| it.is_up && !it.is_paused)
        {
            let is_owner = index == self.owner;
            let mut asked = if is_owner { std::mem::take(&mut server.held) } else { Vec::new() };
            for (link, session) in &mut server.links {
                if !is_owner && server.seat == Some(*link) {
                    // What comes after the room has gone is for the server that has it.
                    continue;
                }
                while let Some(happening) = session.poll(self.now).unwrap() {
                    match happening {
                        server::Happening::Join(join) => asked.push((*link, join)),
                        server::Happening::Numbered(number, message) => {
                            let message = u64::from_be_bytes(message.try_into().unwrap());
                            let last = server.waiting.last().map_or(server.message_ack, |it| it.0);
                            server.waiting.extend((last < number).then_some((number, message)));
                        }
                        server::Happening::Message(_) | server::Happening::Leave => (),
                    }
                }
            }
            if self.holds && !is_owner {
                server.held.append(&mut asked);
                if let Some(there) = self.sent_on_to.filter(|it| *it != index) {
                    for (link, _) in server.held.drain(..) {
                        let (room, deadline) = (ROOM.into(), Duration::from_secs(4));
                        let redirect =
                            Redirect { room, epoch: 5 + there as u64, place: endpoint(there), deadline };
                        server.links.get_mut(&link).unwrap().send_on(redirect, self.now);
                    }
                }
            }
            let mut newest = None;
            for (link, join) in asked.into_iter().filter(|it| self.routes.contains_key(&it.0)) {
                let Some(session) = server.links.get_mut(&link) else { continue };
                if let Some(why) = self.refuses.get(&index) {
                    session.refuse(*why, "", self.now);
                    continue;
                }
                match server.guests.admit(&Admission::Open, &join, ROOM, Timestamp::UNIX_EPOCH) {
                    Ok(_) if is_owner => {
                        let (input_ack, epoch, tick) = (server.input_ack, server.epoch, self.tick);
                        let message_ack = server.message_ack;
                        let admitted =
                            Admitted { epoch, tick, input_ack, message_ack, ..sessions::admitted() };
                        session.admit(admitted, self.now).unwrap();
                        // Its client says them again.
                        server.waiting.clear();
                        // Who is let in later throws out who was let in before.
                        replaced.extend(newest.replace(link));
                    }
                    Ok(_) => session.refuse(RefusedWhy::NoSuchRoom, "", self.now),
                    Err(why) => session.refuse(why, "", self.now),
                }
            }
            for (link, session) in &mut server.links {
                let bytes = session.stream_output().to_vec();
                session.consumed(bytes.len());
                posts.extend((!bytes.is_empty()).then_some((*link, bytes)));
            }
            if let Some(before) = server.seat.filter(|_| newest.is_some()) {
                replaced.push(before);
            }
            server.seat = newest.or(server.seat);
        }
        for (link, bytes) in posts {
            self.post(link, false, Parcel::Stream(bytes));
        }
        for link in replaced {
            self.post(link, false, Parcel::Closed);
        }
    }
}
