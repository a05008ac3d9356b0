//! The players' side of a room: who sits where, and what they sent since the last tick.
//!
//! The transport puts in, the next tick takes out; neither waits for the other. What a tick has not seen is
//! bounded, whatever players do: who comes and goes ten times between two ticks has come or gone once.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    num::NonZeroU32,
};

use crate::{PlayerName, Presence, Seat};

/// The most seats of a room, as in `GameRoom.spec.seats`; a room that does not say has as many.
pub const SEATS_MAX: u32 = 1024;

/// The longest input in bytes: it fits into one datagram on every path.
pub const INPUT_BYTES_MAX: usize = 1024;

/// Inputs of one seat that wait for the next tick. When there are more, the oldest is dropped: what a player
/// wants now is worth more than what it wanted before. At 60 ticks a second that is 1,900 inputs a second,
/// and a server that stood still for half a second loses nothing of a client that sends 60.
pub const INPUTS_MAX: usize = 32;

/// Messages of one seat that wait for the next tick. None is dropped for a newer one: the next waits outside.
pub const MESSAGES_WAIT_MAX: usize = 32;

/// Players that gave up their seats and are remembered, for what they say not to be heard twice.
const FREED_MAX: usize = 256;

/// Inputs whose memory is kept for the next ones: two of every seat of a usual room.
const SPARE_MAX: usize = 128;

/// Who sits where in one room, and what they sent.
#[derive(Debug)]
pub struct Door {
    limit: u32,
    chairs: BTreeMap<Seat, Chair>,
    seats: HashMap<PlayerName, Seat>,
    arrivals: u64,
    /// Arrivals up to this one were before the room was restored here.
    restored: u64,
    is_shut: bool,
    /// Up to which message those were heard whose seats went to others, the newest last: they may come again.
    freed: VecDeque<(PlayerName, u64)>,
    /// Memory of inputs that were taken, for those to come: nothing is allocated while players play on.
    spare: Vec<Vec<u8>>,
}

/// A seat that was given to a player.
#[derive(Debug)]
struct Chair {
    player: PlayerName,
    /// `None`: not there at the moment.
    arrival: Option<u64>,
    /// What the game was told last.
    is_known: bool,
    /// The game was told of this player once, and says what becomes of the seat.
    was_known: bool,
    inputs: VecDeque<Vec<u8>>,
    /// The highest number of an input, where its transport numbers them.
    last_number: u64,
    /// The same, of the inputs that a tick has taken: what waits is in no checkpoint.
    taken_number: u64,
    messages: VecDeque<(u64, Vec<u8>)>,
    /// The highest number of a message, where its transport numbers them.
    last_message: u64,
    /// The same, of those that a tick has taken.
    taken_message: u64,
    /// The same, of those whose tick is done: the player may forget them.
    heard_message: u64,
}

/// A seat and its player, as a checkpoint keeps them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occupant {
    /// Where.
    pub seat: Seat,
    /// Who.
    pub player: PlayerName,
    /// The game thinks that the player is there.
    pub is_there: bool,
    /// The highest number of the inputs that a tick has taken; 0 if its transport does not number them.
    pub last_number: u64,
    /// The same of messages.
    pub last_message: u64,
}

/// Up to which number a seat's messages have been heard, and need not be said again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Whose.
    pub seat: Seat,
    /// The number of the last one.
    pub number: u64,
}

/// What a tick takes in, and what it gives back. Kept from tick to tick for its memory.
#[derive(Debug, Default)]
pub struct Inbound {
    /// Who came.
    pub arrived: Vec<(Seat, PlayerName)>,
    /// Who went.
    pub left: Vec<Seat>,
    /// What was sent, seat by seat, each in order.
    pub inputs: Vec<(Seat, Vec<u8>)>,
    /// What was said for certain, likewise.
    pub messages: Vec<(Seat, Vec<u8>)>,
    /// Seats that the game gives to others: told to the door when it is asked next.
    pub freed: Vec<Seat>,
}

/// Why a player gets no seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NotSeated {
    /// The match is over, or the room is elsewhere.
    #[error("the room is not here any more")]
    Gone,
    /// Every seat has a player.
    #[error("all seats are taken")]
    Full,
}

/// Why an input is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NotHeard {
    /// The match is over, or the room is elsewhere.
    #[error("the room is not here any more")]
    Gone,
    /// The player left, or has come again by another connection.
    #[error("another arrival of this player counts, or none")]
    Replaced,
    /// More than 1,024 bytes.
    #[error("an input of {0} bytes is too long")]
    TooLong(usize),
    /// As many messages as may wait for the next tick do: say it again then.
    #[error("too many messages wait for the next tick")]
    Busy,
}

impl Chair {
    /// Of a player who is not there yet.
    fn new(player: PlayerName) -> Self {
        Self {
            player,
            arrival: None,
            is_known: false,
            was_known: false,
            inputs: VecDeque::new(),
            last_number: 0,
            taken_number: 0,
            messages: VecDeque::new(),
            last_message: 0,
            taken_message: 0,
            heard_message: 0,
        }
    }

    /// Forgets the messages that wait: whoever comes says them again. A program that was started anew does not know them, and
    /// gives their numbers to others.
    fn hears_again(&mut self) {
        self.messages.retain(|(number, _)| *number == 0);
        self.last_message = self.taken_message;
    }
}

impl Inbound {
    /// Nothing happened since the last tick.
    pub fn is_empty(&self) -> bool {
        self.arrived.is_empty() && self.left.is_empty() && self.inputs.is_empty() && self.messages.is_empty()
    }
}

impl Door {
    /// Of a room with so many seats.
    pub fn new(seats: Option<NonZeroU32>) -> Self {
        Self {
            limit: seats.map_or(SEATS_MAX, |it| it.get().min(SEATS_MAX)),
            chairs: BTreeMap::new(),
            seats: HashMap::new(),
            arrivals: 0,
            restored: 0,
            is_shut: false,
            freed: VecDeque::new(),
            spare: Vec::new(),
        }
    }

    /// Of a room that was restored, with the seats that are taken. Who was there still is, as far as the game
    /// knows, until [`dismiss`](Self::dismiss): a player that comes back before has never been away.
    pub fn restored(seats: Option<NonZeroU32>, occupants: impl IntoIterator<Item = Occupant>) -> Self {
        let mut door = Self::new(seats);
        for Occupant { seat, player, is_there, last_number, last_message } in occupants {
            if door.limit <= seat.0 || door.seats.contains_key(&player) || door.chairs.contains_key(&seat) {
                continue;
            }
            door.arrivals += 1;
            door.seats.insert(player.clone(), seat);
            let chair = Chair {
                arrival: is_there.then_some(door.arrivals),
                is_known: is_there,
                was_known: true,
                last_number,
                taken_number: last_number,
                last_message,
                taken_message: last_message,
                heard_message: last_message,
                ..Chair::new(player)
            };
            door.chairs.insert(seat, chair);
        }
        door.restored = door.arrivals;
        door
    }

    /// Who sat here when the room was restored and has not come back is not there any more.
    pub fn dismiss(&mut self) {
        let restored = std::mem::take(&mut self.restored);
        for chair in self.chairs.values_mut().filter(|it| it.arrival.is_some_and(|it| it <= restored)) {
            chair.arrival = None;
        }
    }

    /// All seats that are taken, as of the last tick.
    pub fn occupants(&self) -> impl Iterator<Item = Occupant> {
        // Of whom the game does not know yet, its state says nothing either.
        self.chairs.iter().filter(|(_, it)| it.was_known).map(|(seat, chair)| Occupant {
            seat: *seat,
            player: chair.player.clone(),
            is_there: chair.is_known,
            last_number: chair.taken_number,
            last_message: chair.taken_message,
        })
    }

    /// A player comes: to the seat that waits for it, or to the first one that is free.
    pub fn join(&mut self, player: &PlayerName) -> Result<Presence, NotSeated> {
        if self.is_shut {
            return Err(NotSeated::Gone);
        }
        let seat = match self.seats.get(player) {
            Some(seat) => *seat,
            None => self.free_seat().ok_or(NotSeated::Full)?,
        };
        self.arrivals += 1;
        let chair = self.chairs.entry(seat).or_insert_with(|| {
            let before = self.freed.iter().position(|it| it.0 == *player);
            let heard = before.and_then(|it| self.freed.remove(it)).map_or(0, |it| it.1);
            Chair { taken_message: heard, heard_message: heard, ..Chair::new(player.clone()) }
        });
        chair.arrival = Some(self.arrivals);
        chair.hears_again();
        self.seats.insert(player.clone(), seat);
        Ok(Presence { seat, arrival: self.arrivals })
    }

    /// Whether a seat is this player's, there or not.
    pub fn knows(&self, player: &str) -> bool {
        PlayerName::new(player).is_ok_and(|it| self.seats.contains_key(&it))
    }

    /// A player goes. Nothing happens if it has come again meanwhile.
    pub fn leave(&mut self, presence: Presence) {
        if let Some(chair) = self.chair(presence) {
            chair.arrival = None;
        }
    }

    /// A player sends something that its client has numbered.
    pub fn numbered_input(&mut self, presence: Presence, number: u64, input: &[u8]) -> Result<(), NotHeard> {
        self.input(presence, input)?;
        if let Some(chair) = self.chair(presence) {
            chair.last_number = chair.last_number.max(number);
        }
        Ok(())
    }

    /// The highest number of what this player has sent, by this connection or one before: its client goes on
    /// after it. 0: nothing yet.
    pub fn last_number(&mut self, presence: Presence) -> u64 {
        self.chair(presence).map_or(0, |it| it.last_number)
    }

    /// A player sends something.
    pub fn input(&mut self, presence: Presence, input: &[u8]) -> Result<(), NotHeard> {
        self.listens(input)?;
        let mut kept = self.spare.pop().unwrap_or_default();
        let Some(chair) = self.chair(presence) else {
            self.spare.push(kept);
            return Err(NotHeard::Replaced);
        };
        if chair.inputs.len() == INPUTS_MAX {
            chair.inputs.pop_front();
        }
        kept.clear();
        kept.extend_from_slice(input);
        chair.inputs.push_back(kept);
        Ok(())
    }

    /// A player says something that is to be heard for certain, once: what has come before, by this connection or another,
    /// is not heard again. `number`: as in [`Occupant::last_message`]; 0 if it has none, and is always heard.
    pub fn message(&mut self, presence: Presence, number: u64, message: &[u8]) -> Result<(), NotHeard> {
        self.listens(message)?;
        let chair = self.chair(presence).ok_or(NotHeard::Replaced)?;
        if number != 0 && number <= chair.last_message {
            return Ok(());
        }
        if chair.messages.len() == MESSAGES_WAIT_MAX {
            return Err(NotHeard::Busy);
        }
        chair.messages.push_back((number, message.to_vec()));
        chair.last_message = chair.last_message.max(number);
        Ok(())
    }

    /// Up to which number this player's messages have been heard: a message waits for a tick, and until that is done the
    /// room may still be lost with it.
    pub fn heard_message(&mut self, presence: Presence) -> u64 {
        self.chair(presence).map_or(0, |it| it.heard_message)
    }

    /// The last tick is done, and players may be told: writes what has been heard by it, by seat; over what `out` had.
    pub fn ticked(&mut self, out: &mut Vec<Heard>) {
        out.clear();
        for (seat, chair) in self.chairs.iter_mut().filter(|(_, it)| it.heard_message < it.taken_message) {
            chair.heard_message = chair.taken_message;
            out.push(Heard { seat: *seat, number: chair.heard_message });
        }
    }

    /// Nobody comes in any more, and nothing more is heard.
    pub fn shut(&mut self) {
        self.is_shut = true;
        self.chairs.clear();
        self.seats.clear();
    }

    /// What happened since the last time. First, `inbound.freed` is carried out.
    pub fn take(&mut self, inbound: &mut Inbound) {
        for seat in inbound.freed.drain(..) {
            // Who has come back meanwhile keeps it.
            if self.chairs.get(&seat).is_some_and(|it| it.arrival.is_none() && !it.is_known)
                && let Some(chair) = self.chairs.remove(&seat)
            {
                self.seats.remove(&chair.player);
                remember(&mut self.freed, chair);
            }
        }
        inbound.arrived.clear();
        inbound.left.clear();
        let room = SPARE_MAX.saturating_sub(self.spare.len());
        self.spare.extend(inbound.inputs.drain(..).map(|it| it.1).take(room));
        inbound.messages.clear();
        for (seat, chair) in &mut self.chairs {
            let is_there = chair.arrival.is_some();
            if is_there && !chair.is_known {
                inbound.arrived.push((*seat, chair.player.clone()));
            } else if !is_there && chair.is_known {
                inbound.left.push(*seat);
            }
            // Of somebody whom the game has never seen, it hears nothing.
            if is_there || chair.is_known {
                inbound.inputs.extend(chair.inputs.drain(..).map(|it| (*seat, it)));
                inbound.messages.extend(chair.messages.drain(..).map(|it| (*seat, it.1)));
                chair.taken_message = chair.last_message;
            } else {
                // Messages wait until it is seen.
                chair.inputs.clear();
            }
            chair.is_known = is_there;
            chair.was_known |= is_there;
            chair.taken_number = chair.last_number;
        }
        // Who came and went between two ticks would keep a seat of which no game knows, and which none frees.
        let seats = &mut self.seats;
        for (_, chair) in self.chairs.extract_if(.., |_, it| it.arrival.is_none() && !it.was_known) {
            seats.remove(&chair.player);
            remember(&mut self.freed, chair);
        }
    }

    /// Whether anything so long is heard at all.
    fn listens(&self, bytes: &[u8]) -> Result<(), NotHeard> {
        match bytes.len() {
            _ if self.is_shut => Err(NotHeard::Gone),
            length if INPUT_BYTES_MAX < length => Err(NotHeard::TooLong(length)),
            _ => Ok(()),
        }
    }

    /// The chair, if this arrival of its player is the one that counts.
    fn chair(&mut self, presence: Presence) -> Option<&mut Chair> {
        self.chairs.get_mut(&presence.seat).filter(|it| it.arrival == Some(presence.arrival))
    }

    fn free_seat(&self) -> Option<Seat> {
        // Seats come in order, so the first gap is the first number that does not match.
        let mut next = 0;
        for seat in self.chairs.keys() {
            if seat.0 != next {
                break;
            }
            next += 1;
        }
        (next < self.limit).then_some(Seat(next))
    }
}

/// Keeps of a chair that is no more what its player is not to say twice.
fn remember(freed: &mut VecDeque<(PlayerName, u64)>, chair: Chair) {
    if chair.taken_message == 0 {
        return;
    }
    if freed.len() == FREED_MAX {
        freed.pop_front();
    }
    freed.push_back((chair.player, chair.taken_message));
}

#[cfg(test)]
mod tests;
