use std::sync::Mutex;

use gamekeeper_player::frame;
use gamekeeper_room::{Door, Ending, Epoch, Game, Messages, Next, PlayerName, Seat, Tenancy, Tick, Turn};

use super::*;
use crate::{audience::Viewer, custody::Custody, place::Company};

struct Match(u64);

impl Game for Match {
    fn tick(&mut self, turn: &Turn<'_>) -> Next {
        if turn.tick.0 < self.0 { Next::Tick } else { Next::End(Ending::default()) }
    }
}

/// Waits for its players, and says back what they say.
#[derive(Default)]
struct Echo(Vec<u8>);

impl Game for Echo {
    fn tick(&mut self, turn: &Turn<'_>) -> Next {
        self.0 = turn.messages().map(|it| it.1).collect::<Vec<_>>().concat();
        Next::Wait
    }

    fn snapshot(&self, _: Option<Seat>, out: &mut Vec<u8>) {
        out.push(0);
    }

    fn messages(&mut self, out: &mut Messages) {
        if !self.0.is_empty() {
            out.push(None, self.0.clone()).unwrap();
        }
    }
}

/// Writes down what the player on the first seat sees.
#[derive(Default)]
struct Watcher(Mutex<Vec<String>>);

impl Watcher {
    fn saw(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    fn sees(&self, what: String) {
        self.0.lock().unwrap().push(what);
    }
}

impl Viewer for Watcher {
    fn seat(&self) -> Option<Seat> {
        Some(Seat(0))
    }

    fn show(&self, tick: Tick, _: &[u8]) {
        self.sees(format!("tick {}", tick.0));
    }

    fn confirm(&self, number: u64) {
        self.sees(format!("heard {number}"));
    }

    fn tell(&self, body: &[u8]) {
        self.sees(String::from_utf8_lossy(body).into_owned());
    }

    fn fallbacks(&self, _: &frame::Place) {}
    fn end(&self, _: &Ending) {}
    fn go(&self) {}
    fn replaced(&self) {}
}

const LIMIT: Duration = Duration::from_millis(100);

fn seated(ticks: u64) -> (Arc<Place>, Seated) {
    seated_in(ticks, Company::new(Door::new(None)), None)
}

fn seated_in(ticks: u64, company: Company, keeper: Option<mpsc::Sender<Saved>>) -> (Arc<Place>, Seated) {
    seated_with(Box::new(Match(ticks)), company, keeper)
}

fn seated_with(
    game: Box<dyn Game>,
    company: Company,
    keeper: Option<mpsc::Sender<Saved>>,
) -> (Arc<Place>, Seated) {
    let (namespace, name, uid) = ("games".to_owned(), "duel".to_owned(), "uid-1".to_owned());
    let tenancy = Tenancy { namespace, name, uid, epoch: Epoch(5) };
    let place = Arc::new(Place::new(RoomNumber(1), tenancy, company));
    let room = Box::new(Room::new(Epoch(5), game));
    (place.clone(), Seated::new(place, room, keeper, None))
}

/// At this time, by a thread that is or is not late.
fn visit_at(seated: &mut Seated, ms: u64, is_late: bool) -> Advance {
    let now = Duration::from_millis(ms);
    // What the tick itself takes is none of most tests.
    let moment = Moment { clock: Clock::start(), now, heard: None, is_late, limit: LIMIT };
    seated.visit(Visit::Tick, &mut Screen::default(), &moment)
}

/// By a thread that takes longer than it may.
fn visit_slowly(seated: &mut Seated) -> Advance {
    let (clock, now, limit) = (Clock::start(), Duration::ZERO, Duration::ZERO);
    let moment = Moment { clock, now, heard: None, is_late: false, limit };
    seated.visit(Visit::Tick, &mut Screen::default(), &moment)
}

fn visit(seated: &mut Seated) -> Advance {
    visit_at(seated, 0, false)
}

fn kept() -> (Arc<Place>, Seated, mpsc::Receiver<Saved>) {
    kept_with(Box::new(Match(100)))
}

fn kept_with(game: Box<dyn Game>) -> (Arc<Place>, Seated, mpsc::Receiver<Saved>) {
    let custody = Some(Custody::new(Duration::from_secs(1), Duration::ZERO));
    let (keeper, saved) = mpsc::channel(1);
    let company = Company { custody, ..Company::new(Door::new(None)) };
    let (place, seated) = seated_with(game, company, Some(keeper));
    (place, seated, saved)
}

#[test]
fn i7_what_a_tick_that_took_too_long_has_brought_is_shown_when_the_room_is_known_to_be_ours() {
    let (place, mut seated, _saved) = kept_with(Box::new(Echo::default()));
    let ann = place.door().join(&PlayerName::new("ann").unwrap()).unwrap();
    let watcher = Arc::new(Watcher::default());
    assert!(place.audience.enter(watcher.clone()));
    place.door().message(ann, 7, b"hello").unwrap();
    assert!(visit_slowly(&mut seated).ticked);
    assert!(!visit_at(&mut seated, 10, false).ticked);
    assert_eq!(watcher.saw(), [""; 0], "it may be another's by now");
    assert_eq!(place.door().heard_message(ann), 0);
    place.custody.as_ref().unwrap().accepted(Duration::from_millis(500));
    assert!(!visit_at(&mut seated, 510, false).ticked, "it waits for its players");
    assert_eq!(watcher.saw(), ["heard 7", "hello", "tick 1"]);
    visit_at(&mut seated, 520, false);
    assert_eq!(watcher.saw(), [""; 0], "once");
    place.door().message(ann, 8, b"bye").unwrap();
    assert!(visit_at(&mut seated, 530, false).ticked);
    assert_eq!(watcher.saw(), ["heard 8", "bye", "tick 2"]);
}

#[test]
fn i7_an_end_that_took_too_long_is_told_when_the_room_is_known_to_be_ours_and_else_not() {
    for is_ours in [true, false] {
        let (place, mut seated, _saved) = kept_with(Box::new(Match(1)));
        let (notes, mut desk) = mpsc::channel(2);
        visit_slowly(&mut seated);
        assert!(seated.tell(&notes));
        assert!(place.ending().is_none() && desk.try_recv().is_err(), "it may be another's by now");
        match is_ours {
            true => place.custody.as_ref().unwrap().accepted(Duration::from_millis(500)),
            false => place.lose_to(Epoch(9)),
        }
        visit_at(&mut seated, 510, false);
        seated.tell(&notes);
        assert_eq!(place.ending().is_some(), is_ours);
        let Ok(Note::Room(event)) = desk.try_recv() else { panic!("not told") };
        let is_finished = matches!(event, Event::Changed(_, RoomNow { phase: Phase::Finished, .. }));
        assert_eq!(is_finished, is_ours, "{event:?}");
    }
}

#[test]
fn i7_a_room_that_nobody_hears_of_freezes_and_goes_on() {
    let (place, mut seated, _saved) = kept();
    let custody = place.custody.as_ref().unwrap();
    assert!(visit_at(&mut seated, 999, false).ticked);
    let frozen = visit_at(&mut seated, 1000, false);
    assert_eq!(frozen, Advance { ticked: false, progress: 1 }, "the thread itself is well");
    custody.accepted(Duration::from_millis(900));
    assert!(!visit_at(&mut seated, 1001, false).ticked, "that was before it froze");
    assert!(!place.is_forsaken());
    assert!(!visit_at(&mut seated, 2001, false).ticked);
    assert!(place.is_forsaken(), "its players look for it elsewhere");
    custody.accepted(Duration::from_secs(2));
    assert!(visit_at(&mut seated, 2002, false).ticked);
    assert!(!place.is_forsaken());
    assert_eq!(place.tick().0, 2);
}

#[test]
fn i7_after_a_standstill_nothing_moves_until_the_store_has_answered() {
    let (place, mut seated, _saved) = kept();
    let custody = place.custody.as_ref().unwrap();
    assert!(!visit_at(&mut seated, 300, true).ticked);
    assert!(custody.has_question());
    assert!(!visit_at(&mut seated, 310, false).ticked);
    custody.accepted(Duration::from_millis(305));
    assert!(!custody.has_question());
    assert!(visit_at(&mut seated, 320, false).ticked);
}

#[test]
fn i1_a_room_that_a_later_owner_has_is_dropped_without_a_tick() {
    let (place, mut seated, _saved) = kept();
    place.lose_to(Epoch(9));
    assert!(!visit_at(&mut seated, 10, false).ticked);
    let (notes, mut desk) = mpsc::channel(1);
    assert!(!seated.tell(&notes));
    let Ok(Note::Room(Event::Broke { message, .. })) = desk.try_recv() else { panic!("not told") };
    assert!(message.contains("epoch 9"), "{message}");
}

#[test]
fn p4_a_room_is_saved_when_its_keeper_asks_and_the_keeper_hears_of_its_end() {
    let (place, mut seated, mut saved) = kept();
    visit_at(&mut seated, 0, false);
    assert!(saved.try_recv().is_err(), "nobody asked");
    place.custody.as_ref().unwrap().want_save();
    visit_at(&mut seated, 10, false);
    assert_eq!(saved.try_recv().unwrap().tick.0, 2);
    visit_at(&mut seated, 20, false);
    assert!(saved.try_recv().is_err(), "it was asked for once");
    place.close();
    visit_at(&mut seated, 30, false);
    assert_eq!(saved.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
}

#[test]
fn p4_a_copy_is_taken_after_a_tick_and_serves_the_store_too() {
    let (place, mut seated, mut saved) = kept();
    let custody = place.custody.as_ref().unwrap();
    let look = |seated: &mut Seated| {
        let moment =
            Moment { clock: Clock::start(), now: Duration::ZERO, heard: None, is_late: false, limit: LIMIT };
        seated.visit(Visit::Look, &mut Screen::default(), &moment);
    };
    custody.want_copy();
    look(&mut seated);
    assert!(saved.try_recv().is_err(), "nothing has changed since the last one");
    custody.want_save();
    visit(&mut seated);
    assert_eq!(saved.try_recv().unwrap().tick.0, 1);
    visit(&mut seated);
    assert!(saved.try_recv().is_err(), "one was enough for both");
    // While the keeper is busy, nothing is saved in vain, and nothing is forgotten.
    custody.want_copy();
    visit(&mut seated);
    custody.want_save();
    visit(&mut seated);
    assert_eq!(saved.try_recv().unwrap().tick.0, 3);
    look(&mut seated);
    assert_eq!(saved.try_recv().unwrap().tick.0, 4);
}

#[test]
fn a_room_goes_on_under_the_epoch_of_its_place() {
    let (place, mut seated) = seated(100);
    place.adopt(Epoch(9));
    place.adopt(Epoch(8));
    visit(&mut seated);
    let State::Live { room, .. } = &seated.state else { panic!("it is over") };
    assert_eq!((room.epoch(), room.tick(), place.tick()), (Epoch(9), room.tick(), room.tick()));
}

#[test]
fn the_end_is_told_when_the_desk_has_time_and_once() {
    let (_, mut seated) = seated(1);
    let (notes, mut desk) = mpsc::channel(1);
    notes.try_send(Note::Room(Event::Gone(RoomNumber(7)))).unwrap();
    visit(&mut seated);
    assert!(seated.tell(&notes), "the queue is full: later");
    visit(&mut seated);
    assert!(desk.try_recv().is_ok());
    assert!(!seated.tell(&notes));
    assert!(!seated.tell(&notes));
    let Ok(Note::Room(Event::Changed(_, now))) = desk.try_recv() else { panic!("not told") };
    assert_eq!(now.phase, Phase::Finished);
    assert!(desk.try_recv().is_err());
}

#[test]
fn a_room_that_is_closed_takes_no_more_ticks() {
    let (place, mut seated) = seated(100);
    visit(&mut seated);
    place.close();
    visit(&mut seated);
    assert_eq!(place.tick().0, 1);
    let (notes, mut desk) = mpsc::channel(1);
    assert!(!seated.tell(&notes));
    assert!(matches!(desk.try_recv(), Ok(Note::Room(Event::Gone(RoomNumber(1))))));
}
