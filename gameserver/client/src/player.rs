//! A player's stay in a room.

use std::{collections::BTreeMap, pin::Pin, time::Duration};

use bytes::Bytes;
use gamekeeper_player::{
    frame::{Credentials, Joined, Place, Redirect, Refused, Role, Secret},
    session::client::{Happening, Identity, LinkId, NotSent, Session, State},
};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, Sleep, sleep_until},
};

use crate::{
    link::{Link, NEWS_MAX, News},
    statistics::Statistics,
};

/// Whoever waits for nothing looks again after this time.
const IDLE: Duration = Duration::from_mins(1);

/// Who wants to play where.
#[derive(Clone, Debug)]
pub struct Stay(Identity);

impl Stay {
    /// A player of the room with this uid or name.
    ///
    /// # Panics
    ///
    /// If the operating system has no random numbers.
    pub fn new(room: impl Into<String>, credentials: Credentials) -> Self {
        let secret = Secret(rand::random());
        Self(Identity { room: room.into(), role: Role::Player, credentials, secret })
    }

    /// Only to watch.
    #[must_use]
    pub fn as_spectator(mut self) -> Self {
        self.0.role = Role::Spectator;
        self
    }

    /// With the secret of an earlier run of the program, to get the same seat.
    #[must_use]
    pub fn with_secret(mut self, secret: Secret) -> Self {
        self.0.secret = secret;
        self
    }

    /// What proves later that it is the same player.
    pub fn secret(&self) -> Secret {
        self.0.secret
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// In the room, for the first time or again: maybe on another server, and at an earlier tick than before.
    Joined(Joined),
    /// There is something to see: [`Player::shown`].
    Shown {
        /// After which tick.
        tick: u64,
    },
    /// From the game, for certain.
    Message(Vec<u8>),
    /// The room moves; the player follows it.
    Redirected(Redirect),
    /// The connection was lost, or was silent for so long that another one has taken its place; the player
    /// tries to come back, or is back already. A silence that ends by itself is not told.
    Lost,
    /// Not let in. Nothing more happens.
    Refused(Refused),
    /// Another program has taken the seat with this one's secret. Nothing more happens: whoever came back would throw
    /// it out, and be thrown out again.
    Replaced,
    /// The match is over. Nothing more happens.
    Ended(BTreeMap<String, String>),
    /// The room is not to be found. Nothing more happens.
    GaveUp,
    /// Gone, as was wanted. Nothing more happens.
    Left,
}

/// A player, or a spectator.
#[derive(Debug)]
pub struct Player {
    endpoint: quinn::Endpoint,
    session: Session,
    start: Instant,
    links: Vec<Link>,
    /// The one over which the room is played.
    main: Option<LinkId>,
    tasks: JoinSet<()>,
    news: mpsc::Receiver<News>,
    tell: mpsc::Sender<News>,
    alarm: Pin<Box<Sleep>>,
    shown: Vec<u8>,
    last_tick: Option<u64>,
    datagram: Vec<u8>,
    statistics: Statistics,
}

/// What ended a wait.
enum Woken {
    Datagram(Bytes),
    News(News),
    Alarm,
}

impl Player {
    /// Begins to join. To be called within a tokio runtime.
    pub fn join(endpoint: quinn::Endpoint, stay: Stay, place: Place) -> Self {
        let (tell, news) = mpsc::channel(NEWS_MAX);
        Self {
            endpoint,
            session: Session::new(stay.0, place, Duration::ZERO),
            start: Instant::now(),
            links: Vec::new(),
            main: None,
            tasks: JoinSet::new(),
            news,
            tell,
            alarm: Box::pin(sleep_until(Instant::now())),
            shown: Vec::new(),
            last_tick: None,
            datagram: Vec::new(),
            statistics: Statistics::default(),
        }
    }

    /// Waits for what happens next. Nothing is lost if the wait is given up.
    pub async fn next(&mut self) -> Event {
        loop {
            while let Some(happening) = self.session.poll() {
                if let Some(event) = self.heed(happening) {
                    return event;
                }
            }
            self.send();
            if let Some(event) = self.wait().await {
                return event;
            }
        }
    }

    /// What was shown last: the bytes that the game wrote.
    pub fn shown(&self) -> &[u8] {
        &self.shown
    }

    /// Does something. It is sent at once, and again until it has arrived. Returns its number.
    pub fn input(&mut self, input: &[u8]) -> Result<u64, NotSent> {
        let number = self.session.input(input)?;
        self.send();
        Ok(number)
    }

    /// Inputs up to this one have arrived, or were given up.
    pub fn acknowledged(&self) -> u64 {
        self.session.acknowledged()
    }

    /// Sends something for the game that must arrive.
    pub fn message(&mut self, message: &[u8]) -> Result<(), NotSent> {
        self.session.message(message)?;
        self.send();
        Ok(())
    }

    /// Goes for good. [`next`](Self::next) says when that has arrived.
    pub fn leave(&mut self) {
        self.session.leave();
        self.send();
    }

    /// Where the player is.
    pub fn state(&self) -> State {
        self.session.state()
    }

    /// How good the path is.
    pub fn statistics(&self) -> Statistics {
        let mut statistics = self.statistics;
        statistics.inputs_given_up = self.session.inputs_given_up();
        if let Some(connection) = self.connection() {
            let of_path = connection.stats();
            statistics.round_trip = of_path.path.rtt;
            statistics.packets_sent = of_path.path.sent_packets;
            statistics.packets_lost = of_path.path.lost_packets;
            statistics.datagrams_received = of_path.udp_rx.datagrams;
            statistics.bytes_received = of_path.udp_rx.bytes;
            statistics.datagrams_sent = of_path.udp_tx.datagrams;
            statistics.bytes_sent = of_path.udp_tx.bytes;
        }
        statistics
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn connection(&self) -> Option<&quinn::Connection> {
        let main = self.main?;
        self.links.iter().find(|it| it.id == main)?.connection.as_ref()
    }

    /// Does what the session wants, and says what is to be told.
    fn heed(&mut self, happening: Happening) -> Option<Event> {
        Some(match happening {
            Happening::Connect { link, endpoint, certificate_hashes } => {
                let (by, tell) = (self.endpoint.clone(), self.tell.clone());
                let begun = Link::begin(link, endpoint, certificate_hashes, by, tell, &mut self.tasks);
                self.links.push(begun);
                return None;
            }
            Happening::Close { link } => {
                self.send();
                self.forget(link).into_iter().for_each(Link::close);
                return None;
            }
            Happening::Joined(joined) => {
                // Another server counts from where it was left, and what is shown there is the truth.
                self.last_tick = None;
                self.main = self.session.main();
                if let Some(link) = self.links.iter_mut().find(|it| Some(it.id) == self.main) {
                    link.has_joined = true;
                }
                Event::Joined(joined)
            }
            Happening::Message(message) => Event::Message(message),
            Happening::Redirected(redirect) => Event::Redirected(redirect),
            Happening::Lost => {
                self.statistics.losses += 1;
                Event::Lost
            }
            Happening::Refused(refused) => Event::Refused(refused),
            Happening::Ended(result) => Event::Ended(result),
            Happening::Replaced => Event::Replaced,
            Happening::GaveUp => Event::GaveUp,
            Happening::Left => Event::Left,
        })
    }

    /// Hands on whatever is to be sent.
    fn send(&mut self) {
        let now = self.now();
        for link in &self.links {
            let output = self.session.stream_output(link.id);
            let Some(stream) = link.stream.as_ref().filter(|_| !output.is_empty()) else { continue };
            // When it is full, what waits stays with the session.
            if stream.try_send(output.to_vec()).is_ok() {
                let count = output.len();
                self.session.consumed(link.id, count);
            }
        }
        let Some(budget) = self.connection().and_then(quinn::Connection::max_datagram_size) else { return };
        while let Some(id) = self.session.datagram(budget, now, &mut self.datagram) {
            let link = self.links.iter().find(|it| it.id == id);
            if let Some(connection) = link.and_then(|it| it.connection.as_ref()) {
                // When the path is full, the oldest that waits is dropped for it: it has less than this one.
                let _ = connection.send_datagram(Bytes::copy_from_slice(&self.datagram));
            }
        }
    }

    /// Tells what QUIC heard from the server and kept to itself.
    fn listen(&mut self) {
        let now = self.now();
        if let Some(main) = self.main
            && let Some(link) = self.links.iter_mut().find(|it| it.id == main)
            && let Some(round_trip) = link.heard()
        {
            self.session.heard(main, round_trip, now);
        }
    }

    /// Waits for one thing.
    async fn wait(&mut self) -> Option<Event> {
        let due = self.start + self.session.next_timeout().unwrap_or_else(|| self.now() + IDLE);
        if self.alarm.deadline() != due {
            self.alarm.as_mut().reset(due);
        }
        let connection = self.connection().cloned();
        let datagram = async {
            if let Some(connection) = &connection
                && let Ok(datagram) = connection.read_datagram().await
            {
                return datagram;
            }
            // That a connection is lost is told by its link, after the last words on its stream.
            std::future::pending().await
        };
        let woken = tokio::select! {
            datagram = datagram => Woken::Datagram(datagram),
            Some(news) = self.news.recv() => Woken::News(news),
            () = &mut self.alarm => Woken::Alarm,
        };
        // First, since who has been heard needs no other connection.
        self.listen();
        match woken {
            Woken::Datagram(datagram) => return self.on_datagram(&datagram),
            Woken::News(news) => self.on_news(news),
            Woken::Alarm => {
                let now = self.now();
                self.session.on_timeout(now);
            }
        }
        None
    }

    fn on_datagram(&mut self, datagram: &[u8]) -> Option<Event> {
        let now = self.now();
        self.statistics.snapshot_bytes += datagram.len() as u64;
        let shown = self.session.on_datagram(self.main?, datagram, now)?;
        self.shown.clear();
        self.shown.extend_from_slice(shown.state);
        let tick = shown.tick;
        self.statistics.showed(tick, self.last_tick.replace(tick));
        Some(Event::Shown { tick })
    }

    fn on_news(&mut self, news: News) {
        match news {
            News::Connected(id, connection, certificate, stream) => {
                if let Some(link) = self.links.iter_mut().find(|it| it.id == id) {
                    (link.connection, link.stream) = (Some(connection), Some(stream));
                    let now = self.now();
                    if let Some(certificate) = certificate {
                        self.session.identified(id, certificate);
                    }
                    self.session.connected(id, now);
                }
            }
            News::Bytes(id, bytes) => {
                let now = self.now();
                self.session.on_stream(id, &bytes, now);
            }
            News::Lost(id) => self.on_lost(id),
            News::Replaced(id) => {
                if self.forget(id).is_some() {
                    let now = self.now();
                    self.session.replaced(id, now);
                }
            }
        }
    }

    fn on_lost(&mut self, id: LinkId) {
        if self.forget(id).is_some() {
            let now = self.now();
            self.session.lost(id, now);
        }
    }

    fn forget(&mut self, id: LinkId) -> Option<Link> {
        let index = self.links.iter().position(|it| it.id == id)?;
        if self.main == Some(id) {
            self.main = None;
        }
        Some(self.links.swap_remove(index))
    }
}
