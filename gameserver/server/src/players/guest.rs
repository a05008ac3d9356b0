//! One connection of a player or spectator, from the handshake to its end.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use gamekeeper_player::{
    admission::Admission,
    frame::{self, Join, RefusedWhy, Role},
    limits,
    session::{
        Violation,
        server::{Admitted, Happening},
    },
};
use gamekeeper_room::{Ending, NotHeard, NotSeated, PlayerName, Presence};
use quinn::{Connection, Incoming, RecvStream, SendStream, VarInt, crypto::rustls::HandshakeData};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::{
    CLOSED_BY_SERVER,
    gate::Hashes,
    hold::Hold,
    line::{Line, Talk},
    strangers::{Crowded, Pass},
};
use crate::{
    audience::Viewer,
    clock::{Clock, time_of_day},
    place::Place,
    rooms::Rooms,
    standby,
};

/// From the first packet to the end of the handshake: three round trips of a slow path, and losses.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// Until a message that the game has no room for is offered again: about a tick.
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// What connections need of the server.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) rooms: Rooms,
    pub(crate) admission: Admission,
    pub(crate) clock: Clock,
    pub(crate) tick_rate: NonZeroU32,
    pub(crate) hashes: Hashes,
    /// Connections of one address.
    pub(crate) per_address: usize,
    /// Of those whose room is not here yet.
    pub(crate) hold: Hold,
    /// For other servers, which come in here, too.
    pub(crate) standby: Option<Arc<standby::Receiver>>,
}

/// Too many messages wait for the next tick.
struct Busy;

/// A guest that was let in.
struct Visit {
    place: Arc<Place>,
    name: PlayerName,
    /// Of a player; a spectator has no seat.
    presence: Option<Presence>,
    /// Nobody else may have the name when this guest is gone: it has a seat, or its ticket was used.
    keeps_name: bool,
}

/// Serves a connection that is asked for.
pub(super) async fn serve(incoming: Incoming, mut pass: Pass, host: Arc<Host>, stop: CancellationToken) {
    let Some(connection) = shake_hands(incoming).await else { return };
    if let Some(receiver) = host.standby.as_ref().filter(|_| speaks(&connection, standby::ALPN)) {
        return receiver.serve(connection, || pass.seated(), stop).await;
    }
    let since = host.clock.now();
    let Some((send, recv)) = first_stream(&connection).await else { return };
    let line = Line::new(connection, host.clock, since);
    let mut talk = Talk::new(line.clone(), send, recv);
    let Some(visit) = let_in(&host, &line, &mut talk, &mut pass).await else {
        return talk.say_goodbye().await;
    };
    let datagrams = tokio::spawn(line.clone().hear_all(visit.place.clone(), visit.presence));
    tokio::select! {
        () = talk.until_over(&visit) => (),
        () = stop.cancelled() => line.close(CLOSED_BY_SERVER, "the server stops"),
    }
    datagrams.abort();
    visit.end(&line);
    talk.say_goodbye().await;
}

/// A connection; none, if that takes too long.
async fn shake_hands(incoming: Incoming) -> Option<Connection> {
    let address = incoming.remote_address();
    match timeout(HANDSHAKE, async { incoming.accept()?.await }).await {
        Ok(Ok(connection)) => Some(connection),
        Ok(Err(error)) => {
            debug!(%address, %error, "no handshake");
            None
        }
        Err(_) => None,
    }
}

/// Whether that is what both agreed on in the handshake.
fn speaks(connection: &Connection, protocol: &[u8]) -> bool {
    let data = connection.handshake_data().and_then(|it| it.downcast::<HandshakeData>().ok());
    data.is_some_and(|it| it.protocol.as_deref() == Some(protocol))
}

/// The one stream that its client opens; none, if that takes too long.
async fn first_stream(connection: &Connection) -> Option<(SendStream, RecvStream)> {
    match timeout(limits::JOIN_WITHIN, connection.accept_bi()).await {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(_)) | Err(_) => {
            let violation = Violation::NoJoin;
            connection.close(VarInt::from_u32(violation.code()), b"no stream was opened");
            None
        }
    }
}

/// Waits for the Join and answers it.
async fn let_in(host: &Host, line: &Arc<Line>, talk: &mut Talk, pass: &mut Pass) -> Option<Visit> {
    let join = talk.next_join().await?;
    let mut may_come = Ok(());
    if host.hold.is_needed(&host.rooms, &join.room) {
        may_come = may_wait(host, &join, pass);
        if may_come.is_ok() {
            let elsewhere = tokio::select! {
                elsewhere = host.hold.hold(&host.rooms, &join.room) => elsewhere,
                // It went, and waits no more: it says nothing that anybody would want.
                _ = talk.next(|_| None::<()>) => return None,
            };
            if let Some(redirect) = elsewhere {
                debug!(room = join.room, epoch = redirect.epoch, "sends a player on");
                line.session().send_on(redirect, host.clock.now());
                return None;
            }
        }
    }
    match may_come.and_then(|()| admit(host, line, &join)) {
        Ok(visit) => {
            pass.seated();
            Some(visit)
        }
        Err((why, message)) => {
            debug!(room = join.room, ?why, "refused a player");
            line.session().refuse(why, &message, host.clock.now());
            None
        }
    }
}

/// Whether somebody may wait for a room that is not here yet.
fn may_wait(host: &Host, join: &Join, pass: &mut Pass) -> Result<(), (RefusedWhy, String)> {
    host.admission.may_wait(join).map_err(|why| (why, "this ticket is none for this fleet".to_owned()))?;
    pass.held()
        .map_err(|Crowded| (RefusedWhy::Busy, "too many wait for rooms that are not here yet".to_owned()))
}

/// Finds the room, and the player's place in it.
fn admit(host: &Host, line: &Arc<Line>, join: &Join) -> Result<Visit, (RefusedWhy, String)> {
    let no = |why: RefusedWhy, message: &str| (why, message.to_owned());
    let found = host.rooms.by_uid(&join.room).or_else(|| host.rooms.by_name(&join.room));
    let found = found.map(|it| it.place().clone()).or_else(|| host.rooms.over(&join.room));
    let place = found.ok_or_else(|| no(RefusedWhy::NoSuchRoom, "the room is not on this server"))?;
    if let Some(ending) = place.ending() {
        return Err(tell_end(host, line, &place, ending, join));
    }
    if place.is_forsaken() {
        // Who waited for it in vain goes on waiting elsewhere: to be let in would end that.
        return Err(no(
            RefusedWhy::Busy,
            "nobody who could tell reaches this server: the room may be elsewhere",
        ));
    }
    let (name, presence) = take_seat(host, &place, join)?;
    line.sit(presence.map(|it| it.seat()));
    let admitted = Admitted {
        seat: presence.map_or(0, |it| it.seat().0),
        player: name.as_str().to_owned(),
        epoch: u64::try_from(place.epoch().0).unwrap_or_default(),
        tick: place.tick().0,
        tick_rate: host.tick_rate.get(),
        input_ack: presence.map_or(0, |it| place.door().last_number(it)),
        message_ack: presence.map_or(0, |it| place.door().heard_message(it)),
        fallbacks: host.rooms.fallbacks(),
    };
    let told = admitted.fallbacks.clone();
    let keeps_name = presence.is_some() || !matches!(host.admission, Admission::Open);
    let visit = Visit { place, name, presence, keeps_name };
    // Told before shown, or the first snapshot would come before Joined.
    if line.session().admit(admitted, host.clock.now()).is_err() || !visit.place.audience.enter(line.clone())
    {
        visit.end(line);
        return Err(no(RefusedWhy::Full, "there are too many spectators"));
    }
    // A tick may have heard something in this moment, and nobody was there to be told.
    line.confirm(presence.map_or(0, |it| visit.place.door().heard_message(it)));
    let fallbacks = host.rooms.fallbacks();
    if fallbacks != told {
        // Others were named in this moment.
        line.fallbacks(&fallbacks);
    }
    if visit.place.ending().is_some() || visit.place.is_closing() || visit.place.is_forsaken() {
        // It ended or was forsaken in this moment, and who was there has been told before: this one is told when it asks again.
        line.go();
    }
    Ok(visit)
}

/// Whoever played, and was not there when the match ended, is told how; nobody else is let in.
fn tell_end(host: &Host, line: &Line, place: &Place, ending: &Ending, join: &Join) -> (RefusedWhy, String) {
    if let Some(player) = place.guests().knows(join) {
        let admitted = Admitted {
            seat: 0,
            player,
            epoch: u64::try_from(place.epoch().0).unwrap_or_default(),
            tick: place.tick().0,
            tick_rate: host.tick_rate.get(),
            input_ack: 0,
            message_ack: 0,
            fallbacks: frame::Place::default(),
        };
        let (mut session, now) = (line.session(), host.clock.now());
        // What is refused below changes nothing any more: the session is over.
        let _ = session.admit(admitted, now).and_then(|()| session.end(ending.values().clone(), now));
    }
    (RefusedWhy::Over, "the match is over".to_owned())
}

/// The name under which somebody is here, and its seat. Who gets none leaves no name behind: names that never sat
/// would fill the book.
fn take_seat(
    host: &Host,
    place: &Place,
    join: &Join,
) -> Result<(PlayerName, Option<Presence>), (RefusedWhy, String)> {
    // One at a time, or somebody else's seat could be under a name that is being forgotten.
    let mut guests = place.guests();
    if guests.is_full(join.role) && matches!(host.admission, Admission::Open) {
        // Those whose seats the game has given to others.
        guests.retain(join.role, |name| place.door().knows(name));
    }
    let name = guests
        .admit(&host.admission, join, &place.uid, time_of_day())
        .map_err(|why| (why, in_words(why).to_owned()))?;
    let sit = || {
        let name = PlayerName::new(&name).map_err(|it| (RefusedWhy::Malformed, it.to_string()))?;
        let presence = match join.role {
            Role::Spectator => None,
            Role::Player => Some(place.door().join(&name).map_err(|it| match it {
                NotSeated::Full => (RefusedWhy::Full, "all seats are taken".to_owned()),
                NotSeated::Gone => (RefusedWhy::Over, "the match is over".to_owned()),
            })?),
        };
        Ok((name, presence))
    };
    sit().inspect_err(|_| guests.forget(join.role, &name))
}

/// For a person who wonders.
fn in_words(why: RefusedWhy) -> &'static str {
    match why {
        RefusedWhy::Full => "there are too many guests",
        RefusedWhy::NotAdmitted => "this fleet asks for a ticket that is signed with its key, or for none",
        RefusedWhy::TicketExpired => "the ticket is not good at this time",
        RefusedWhy::TicketForAnotherRoom => "the ticket is for another room",
        RefusedWhy::TicketUsed => "another client has come with this ticket",
        RefusedWhy::NameTaken => "another client has this name",
        RefusedWhy::NoSuchRoom
        | RefusedWhy::ProtocolVersion
        | RefusedWhy::Over
        | RefusedWhy::Busy
        | RefusedWhy::Malformed
        | RefusedWhy::Unknown(_) => "not admitted",
    }
}

impl Visit {
    /// Hands a message to the game, for its next tick; when that is done, it is confirmed.
    fn hear(&self, line: &Line, number: u64, message: &[u8]) -> Result<(), Busy> {
        let Some(presence) = self.presence else {
            // No game listens to those who watch, so there is nothing to wait for.
            line.confirm(number);
            return Ok(());
        };
        match self.place.door().message(presence, number, message) {
            Err(NotHeard::Busy) => Err(Busy),
            // What is not heard is not confirmed either, and said again: by the connection that counts,
            Err(NotHeard::Replaced) => {
                line.replaced();
                Ok(())
            }
            // or where the room is.
            Ok(()) | Err(NotHeard::Gone | NotHeard::TooLong(_)) => Ok(()),
        }
    }

    fn end(&self, line: &Arc<Line>) {
        let viewer: Arc<dyn Viewer> = line.clone();
        self.place.audience.leave(&viewer);
        if let Some(presence) = self.presence {
            self.place.door().leave(presence);
        }
        if !self.keeps_name {
            self.place.guests().forget(Role::Spectator, self.name.as_str());
        }
    }
}

impl Talk {
    /// Waits for what a client says first.
    async fn next_join(&mut self) -> Option<Join> {
        self.next(|happening| match happening {
            Happening::Join(join) => Some(join),
            Happening::Message(_) | Happening::Numbered(..) | Happening::Leave => None,
        })
        .await
    }

    /// Moves bytes until the session or the connection is over.
    async fn until_over(&mut self, visit: &Visit) {
        while let Some((number, message)) = self.next_message().await {
            while let Err(Busy) = visit.hear(self.line(), number, &message) {
                // Nothing is read meanwhile, so the client has to wait.
                tokio::select! {
                    () = sleep(BUSY_PAUSE) => (),
                    () = self.closed() => return,
                }
            }
        }
    }

    /// Waits for a message, with its number; 0: it has none.
    async fn next_message(&mut self) -> Option<(u64, Vec<u8>)> {
        self.next(|happening| match happening {
            Happening::Numbered(number, message) => Some((number, message.to_vec())),
            Happening::Message(message) => Some((0, message.to_vec())),
            Happening::Join(_) | Happening::Leave => None,
        })
        .await
    }
}
