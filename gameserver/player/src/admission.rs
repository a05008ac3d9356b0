//! Who is let into a room.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::{
    frame::{Credentials, Join, RefusedWhy, Role, Secret},
    limits,
    ticket::{BadTicket, Ticket, Verifier},
};

/// Whom a fleet lets in, as in `GameFleet.spec.admission`.
#[derive(Clone, Debug)]
pub enum Admission {
    /// Everybody, by the name that they give.
    Open,
    /// Who has a ticket.
    Ticket(Verifier),
}

/// The players and spectators of one room, each bound to the secret of the client that came first. They stay
/// until they are forgotten, longer than connections and tickets.
#[derive(Debug, Default)]
pub struct Guests {
    players: HashMap<String, Secret>,
    spectators: HashMap<String, Secret>,
}

/// Somebody who was let in before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest {
    /// What they do here.
    pub role: Role,
    /// Who they are.
    pub player: String,
    /// Proves that they are the same.
    pub secret: Secret,
}

impl Admission {
    /// Whether somebody may wait for a room that is not here yet: where tickets are asked for, who has one. Which room
    /// it is for, and whether it has expired, is looked at when the room is here.
    pub fn may_wait(&self, join: &Join) -> Result<(), RefusedWhy> {
        match self.read(join, &join.room) {
            // The room may have been asked for by its name, which is in no ticket.
            Ok(_) | Err(RefusedWhy::TicketForAnotherRoom) => Ok(()),
            Err(why) => Err(why),
        }
    }

    /// Who somebody says to be, and the ticket that says so, where one is asked for.
    fn read(&self, join: &Join, room: &str) -> Result<(String, Option<Ticket>), RefusedWhy> {
        match (self, &join.credentials) {
            (Self::Open, Credentials::Open(player)) => Ok((player.clone(), None)),
            (Self::Ticket(verifier), Credentials::Ticket(token)) => {
                let ticket = verifier.read(token, room)?;
                Ok((ticket.player.clone(), Some(ticket)))
            }
            // Nobody checks tickets here, so what they say is worth nothing.
            (Self::Open, Credentials::Ticket(_)) | (Self::Ticket(_), Credentials::Open(_)) => {
                Err(RefusedWhy::NotAdmitted)
            }
        }
    }
}

impl Guests {
    /// Lets somebody into the room with this uid, for the first time or again, and says by which name. Who
    /// comes again takes the place of their own earlier connection.
    pub fn admit(
        &mut self,
        admission: &Admission,
        join: &Join,
        room: &str,
        now: Timestamp,
    ) -> Result<String, RefusedWhy> {
        let (player, ticket) = admission.read(join, room)?;
        let taken = if ticket.is_some() { RefusedWhy::TicketUsed } else { RefusedWhy::NameTaken };
        let has_expired = ticket.and_then(|it| it.check_time(now).err());
        match self.book(join.role).get(&player) {
            // A place outlives its ticket.
            Some(known) if *known == join.secret => return Ok(player),
            Some(_) => return Err(taken),
            None => {}
        }
        if let Some(bad) = has_expired {
            return Err(bad.into());
        }
        self.insert(Guest { role: join.role, player: player.clone(), secret: join.secret })?;
        Ok(player)
    }

    /// Takes in somebody who was let in elsewhere, before the room moved here.
    pub fn insert(&mut self, guest: Guest) -> Result<(), RefusedWhy> {
        let Guest { role, player, secret } = guest;
        if self.is_full(role) && !self.book(role).contains_key(&player) {
            return Err(RefusedWhy::Full);
        }
        self.book(role).insert(player, secret);
        Ok(())
    }

    /// Whether it is who was let in before, by this secret. Says nothing of tickets that were not used yet.
    pub fn knows(&mut self, join: &Join) -> Option<String> {
        let book = self.book(join.role);
        book.iter().find(|(_, known)| **known == join.secret).map(|(player, _)| player.clone())
    }

    /// The name is free again. With tickets, that is not before the match is over or the ticket has expired,
    /// or a second client could use it.
    pub fn forget(&mut self, role: Role, player: &str) {
        self.book(role).remove(player);
    }

    /// Whether nobody new gets in.
    pub fn is_full(&mut self, role: Role) -> bool {
        limits::GUESTS_MAX <= self.book(role).len()
    }

    /// Forgets those who do not stay; see [`forget`](Self::forget).
    pub fn retain(&mut self, role: Role, mut stays: impl FnMut(&str) -> bool) {
        self.book(role).retain(|player, _| stays(player));
    }

    /// All, for the server that the room moves to.
    pub fn iter(&self) -> impl Iterator<Item = Guest> {
        let of = |role, book: &HashMap<String, Secret>| {
            let guest = move |(player, secret): (&String, &Secret)| Guest {
                role,
                player: player.clone(),
                secret: *secret,
            };
            book.iter().map(guest).collect::<Vec<_>>()
        };
        of(Role::Player, &self.players).into_iter().chain(of(Role::Spectator, &self.spectators))
    }

    /// Spectators have names of their own: to watch a friend takes nobody's seat.
    fn book(&mut self, role: Role) -> &mut HashMap<String, Secret> {
        match role {
            Role::Player => &mut self.players,
            Role::Spectator => &mut self.spectators,
        }
    }
}

impl From<BadTicket> for RefusedWhy {
    fn from(bad: BadTicket) -> Self {
        match bad {
            BadTicket::Malformed | BadTicket::Forged | BadTicket::TooLongLived => Self::NotAdmitted,
            BadTicket::Expired | BadTicket::NotYetValid => Self::TicketExpired,
            BadTicket::OtherRoom => Self::TicketForAnotherRoom,
        }
    }
}
