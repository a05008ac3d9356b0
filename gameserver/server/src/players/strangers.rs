//! Who is at the gate: connections are counted, in all and by address, so that nobody takes the place of all.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Connections of the whole process. Each may cost some tens of kilobytes.
pub(crate) const CONNECTIONS_MAX: usize = 16_384;

/// Connections that have no seat yet, of the whole process: they cost a handshake each.
pub(crate) const STRANGERS_MAX: usize = 512;

/// When there are more strangers than this, an address has to show that it hears us before we do anything for
/// it: that takes a round trip, which nobody pays in quiet times.
pub(crate) const VALIDATE_ABOVE: usize = 64;

/// Connections of one address, where nobody says otherwise. A household or a dormitory has one address.
pub(crate) const OF_ONE_ADDRESS_MAX: usize = 256;

/// Connections of one address that have no seat yet: friends who come together, not more.
pub(crate) const STRANGERS_OF_ONE_ADDRESS_MAX: usize = 64;

/// Connections whose room is not here yet, of the whole process: the players of a lost server, a few times over. They cost
/// memory, and nothing else.
pub(crate) const HELD_MAX: usize = 1024;

/// The same, of one address: a node may be lost with all the players of a dormitory.
pub(crate) const HELD_OF_ONE_ADDRESS_MAX: usize = 256;

/// The book of all connections.
#[derive(Clone, Debug)]
pub(crate) struct Strangers(Arc<Mutex<Book>>);

#[derive(Debug)]
struct Book {
    of_one_address_max: usize,
    all: Count,
    by_address: HashMap<IpAddr, Count>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    connections: usize,
    strangers: usize,
    held: usize,
}

/// What becomes of a connection that is asked for.
#[derive(Debug)]
pub(crate) enum Answer {
    /// It is counted for as long as this is kept.
    Come(Pass),
    /// Show first that you hear us.
    Prove,
    /// There are too many, here or of this address.
    Refuse,
}

/// A connection that is counted.
#[derive(Debug)]
pub(crate) struct Pass {
    book: Strangers,
    address: IpAddr,
    stay: Stay,
}

/// How far somebody has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stay {
    /// It has said nothing that counts.
    Stranger,
    /// It waits for its room.
    Held,
    /// It has a seat.
    Seated,
}

/// So many wait for their rooms that one more may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Crowded;

impl Strangers {
    /// So many connections of one address may come.
    pub(crate) fn new(of_one_address_max: usize) -> Self {
        let book = Book { of_one_address_max, all: Count::default(), by_address: HashMap::new() };
        Self(Arc::new(Mutex::new(book)))
    }

    /// Whether one more from this address may come.
    pub(crate) fn ask(&self, from: IpAddr, is_proven: bool) -> Answer {
        let address = neighbourhood(from);
        let mut book = self.book();
        let here = book.by_address.get(&address).copied().unwrap_or_default();
        let is_quiet = book.all.strangers < VALIDATE_ABOVE && here.strangers < STRANGERS_OF_ONE_ADDRESS_MAX;
        if !is_proven && !is_quiet {
            // Whoever only pretends to have this address must not use up what it may have.
            return Answer::Prove;
        }
        let is_full = CONNECTIONS_MAX <= book.all.connections
            || STRANGERS_MAX <= book.all.strangers
            || book.of_one_address_max <= here.connections
            || STRANGERS_OF_ONE_ADDRESS_MAX <= here.strangers;
        if is_full {
            return Answer::Refuse;
        }
        for count in book.counts(address) {
            count.connections += 1;
            count.strangers += 1;
        }
        Answer::Come(Pass { book: self.clone(), address, stay: Stay::Stranger })
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn counts(&mut self, address: IpAddr) -> [&mut Count; 2] {
        [&mut self.all, self.by_address.entry(address).or_default()]
    }
}

impl Pass {
    /// It waits for its room now, which takes nobody's place at the gate.
    pub(super) fn held(&mut self) -> Result<(), Crowded> {
        let mut book = self.book.book();
        let here = book.by_address.get(&self.address).copied().unwrap_or_default();
        if HELD_MAX <= book.all.held || HELD_OF_ONE_ADDRESS_MAX <= here.held {
            return Err(Crowded);
        }
        self.stay.become_in(Stay::Held, book.counts(self.address));
        Ok(())
    }

    /// It has a seat now.
    pub(crate) fn seated(&mut self) {
        self.stay.become_in(Stay::Seated, self.book.book().counts(self.address));
    }
}

impl Count {
    /// How many are so far, where that is counted.
    fn of(&mut self, stay: Stay) -> Option<&mut usize> {
        match stay {
            Stay::Stranger => Some(&mut self.strangers),
            Stay::Held => Some(&mut self.held),
            Stay::Seated => None,
        }
    }
}

impl Stay {
    fn become_in(&mut self, next: Self, counts: [&mut Count; 2]) {
        for count in counts {
            count.of(*self).into_iter().for_each(|it| *it -= 1);
            count.of(next).into_iter().for_each(|it| *it += 1);
        }
        *self = next;
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.seated();
        let mut book = self.book.book();
        for count in book.counts(self.address) {
            count.connections -= 1;
        }
        if book.by_address.get(&self.address).is_some_and(|it| it.connections == 0) {
            book.by_address.remove(&self.address);
        }
    }
}

/// What one customer of a provider has: an IPv4 address, or 64 bits of IPv6.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(it) => {
            let [a, b, c, d, ..] = it.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        it @ IpAddr::V4(_) => it,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        [198, 18, 0, last].into()
    }

    fn come(book: &Strangers, from: IpAddr) -> Option<Pass> {
        match book.ask(from, true) {
            Answer::Come(pass) => Some(pass),
            Answer::Prove | Answer::Refuse => None,
        }
    }

    #[test]
    fn p8_one_address_does_not_take_the_place_of_others() {
        let book = Strangers::new(OF_ONE_ADDRESS_MAX);
        let flood: Vec<Pass> = (0..10_000).filter_map(|_| come(&book, address(1))).collect();
        assert_eq!(flood.len(), STRANGERS_OF_ONE_ADDRESS_MAX);
        assert!(come(&book, address(2)).is_some());
        drop(flood);
        assert!(come(&book, address(1)).is_some());
        assert!(book.book().by_address.is_empty(), "those who went are forgotten");
    }

    #[test]
    fn p8_under_load_an_address_is_to_be_proven() {
        let book = Strangers::new(OF_ONE_ADDRESS_MAX);
        assert!(matches!(book.ask(address(1), false), Answer::Come(_)));
        let crowd: Vec<Pass> =
            (0..VALIDATE_ABOVE).filter_map(|it| come(&book, address(u8::try_from(it).unwrap()))).collect();
        assert!(matches!(book.ask(address(200), false), Answer::Prove));
        assert!(matches!(book.ask(address(200), true), Answer::Come(_)));
        drop(crowd);
        assert!(matches!(book.ask(address(200), false), Answer::Come(_)));
    }

    #[test]
    fn p8_who_has_a_seat_is_no_stranger_and_counts_all_the_same() {
        let book = Strangers::new(OF_ONE_ADDRESS_MAX);
        let mut seated = Vec::new();
        while let Some(mut pass) = come(&book, address(1)) {
            pass.seated();
            seated.push(pass);
        }
        assert_eq!(seated.len(), OF_ONE_ADDRESS_MAX);
    }

    #[test]
    fn p8_who_waits_for_its_room_takes_nobodys_place_and_not_all_of_those_for_waiting() {
        let book = Strangers::new(CONNECTIONS_MAX);
        let mut held = Vec::new();
        let hold = |from: u8| {
            let mut pass = come(&book, address(from)).unwrap();
            pass.held().map(|()| pass)
        };
        (0..HELD_OF_ONE_ADDRESS_MAX).for_each(|_| held.push(hold(1).unwrap()));
        assert_eq!(hold(1).err(), Some(Crowded), "of this address");
        for from in (2..).take(HELD_MAX / HELD_OF_ONE_ADDRESS_MAX - 1) {
            (0..HELD_OF_ONE_ADDRESS_MAX).for_each(|_| held.push(hold(from).unwrap()));
        }
        assert_eq!(hold(99).err(), Some(Crowded), "in all");
        assert!(matches!(book.ask(address(1), false), Answer::Come(_)), "it is quiet at the gate");
        held.iter_mut().for_each(Pass::seated);
        assert!(hold(1).is_ok());
        drop(held);
        assert!(book.book().by_address.is_empty());
    }

    #[test]
    fn p8_addresses_of_one_customer_are_one() {
        let of = |text: &str| neighbourhood(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2:ffff::1"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:198.18.0.1"), of("198.18.0.1"));
    }
}
