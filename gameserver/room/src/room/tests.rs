//! A small game, played through its whole life.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use proptest::prelude::*;

use super::*;
use crate::{Declined, Door, GameMaker, PlayerName, Setup};

/// Adds up what the players send, and ends when the sum has two nines. With `lazy`, it waits for them.
#[derive(Debug, Default)]
struct Sum {
    total: u64,
    ticks: u64,
    is_lazy: bool,
    counted: Option<Arc<AtomicU64>>,
}

impl Game for Sum {
    fn leave(&mut self, seat: Seat) -> Afterwards {
        if seat == Seat(0) { Afterwards::Kept } else { Afterwards::Freed }
    }

    fn tick(&mut self, turn: &Turn<'_>) -> Next {
        self.ticks += 1;
        for (seat, input) in turn.inputs() {
            // Depends on the order, on the seat and on the tick, so that a difference shows.
            let input = input.iter().fold(0, |sum, it| sum * 7 + u64::from(*it));
            self.total = (self.total * 31 + u64::from(seat.0) + input) % 100_003 + turn.tick.0;
        }
        match (self.total % 100 == 99, self.is_lazy) {
            (true, _) => Next::End(Ending::new([("total", self.total.to_string())]).unwrap()),
            (false, true) => Next::Wait,
            (false, false) => Next::Tick,
        }
    }

    fn snapshot(&self, seat: Option<Seat>, out: &mut Vec<u8>) {
        out.extend(format!("{} for {}", self.total, seat.map_or(0, |it| it.0)).bytes());
    }

    fn save(&self) -> Option<Vec<u8>> {
        Some([self.total.to_be_bytes(), self.ticks.to_be_bytes()].concat())
    }

    fn progress(&self) -> Option<u64> {
        self.counted.as_ref().map(|it| it.load(Ordering::Relaxed))
    }
}

struct SumMaker;

impl GameMaker for SumMaker {
    fn open(&self, setup: &Setup) -> Result<Box<dyn Game>, Declined> {
        let is_lazy = setup.parameters.contains_key("lazy");
        Ok(Box::new(Sum { is_lazy, ..Sum::default() }))
    }

    fn schema(&self) -> Schema {
        Schema(3)
    }

    fn restore(&self, _: &Setup, checkpoint: &Checkpoint) -> Result<Box<dyn Game>, Declined> {
        let number = |at: usize| {
            let bytes = checkpoint.state.get(at..at + 8).and_then(|it| it.try_into().ok());
            bytes.map(u64::from_be_bytes).ok_or_else(|| Declined::because("torn"))
        };
        match checkpoint.schema {
            Schema(3) => Ok(Box::new(Sum { total: number(0)?, ticks: number(8)?, ..Sum::default() })),
            Schema(other) => Err(Declined::because(format!("schema {other}"))),
        }
    }
}

fn setup() -> Setup {
    Setup {
        namespace: "games".into(),
        name: "duel".into(),
        uid: "uid-1".into(),
        seats: None,
        parameters: [].into(),
        tick_rate: 30.try_into().unwrap(),
    }
}

fn room(game: Sum) -> (Room, Door, Inbound) {
    (Room::new(Epoch(5), Box::new(game)), Door::new(None), Inbound::default())
}

fn advance(room: &mut Room, door: &mut Door, inbound: &mut Inbound) -> Advance {
    door.take(inbound);
    room.advance(inbound)
}

fn ann() -> PlayerName {
    PlayerName::new("ann").unwrap()
}

#[test]
fn a_room_waits_for_its_first_player_and_never_again() {
    let (mut room, mut door, mut inbound) = room(Sum::default());
    let mut phase = |room: &mut Room, door: &mut Door| {
        advance(room, door, &mut inbound);
        (room.now().phase, room.now().players)
    };
    assert_eq!(phase(&mut room, &mut door), (Phase::Waiting, 0));
    let here = door.join(&ann()).unwrap();
    assert_eq!(phase(&mut room, &mut door), (Phase::Playing, 1));
    door.leave(here);
    assert_eq!(phase(&mut room, &mut door), (Phase::Playing, 0));
    assert_eq!(room.tick(), Tick(3));
}

#[test]
fn the_end_is_final() {
    let (mut room, mut door, mut inbound) = room(Sum { total: 98, ..Sum::default() });
    let here = door.join(&ann()).unwrap();
    let mut sent = 0_u8;
    while room.now().phase != Phase::Finished {
        door.input(here, &[sent]).unwrap();
        advance(&mut room, &mut door, &mut inbound);
        sent = sent.wrapping_add(1);
    }
    let (tick, now) = (room.tick(), room.now().clone());
    assert!(now.ending.is_some());
    assert_eq!(now.players, 1);
    door.input(here, b"more").unwrap();
    let after = advance(&mut room, &mut door, &mut inbound);
    assert_eq!(after, Advance { ticked: false, progress: 0 });
    assert_eq!((room.tick(), room.now()), (tick, &now));
}

#[test]
fn a_game_that_waits_is_left_alone_until_something_happens() {
    let (mut room, mut door, mut inbound) = room(Sum { is_lazy: true, ..Sum::default() });
    let (busy, idle) = (Advance { ticked: true, progress: 1 }, Advance { ticked: false, progress: 1 });
    let mut advance = |door: &mut Door| advance(&mut room, door, &mut inbound);
    assert_eq!(advance(&mut door), busy, "the first tick is for everybody");
    assert_eq!(advance(&mut door), idle);
    let here = door.join(&ann()).unwrap();
    assert_eq!(advance(&mut door), busy);
    assert_eq!(advance(&mut door), idle);
    door.input(here, b"x").unwrap();
    assert_eq!(advance(&mut door), busy);
    door.leave(here);
    assert_eq!(advance(&mut door), busy);
    assert_eq!(advance(&mut door), idle, "waiting is progress");
}

#[test]
fn a_game_that_counts_for_itself_makes_progress_when_it_counts() {
    let counted = Arc::new(AtomicU64::new(10));
    let (mut room, mut door, mut inbound) = room(Sum { counted: Some(counted.clone()), ..Sum::default() });
    let mut progress = |count| {
        counted.store(count, Ordering::Relaxed);
        advance(&mut room, &mut door, &mut inbound).progress
    };
    assert_eq!([10, 10, 12, 3, 12, 13].map(&mut progress), [10, 0, 2, 0, 0, 1]);
}

#[test]
fn a_seat_that_the_game_frees_is_told_to_the_door() {
    let (mut room, mut door, mut inbound) = room(Sum::default());
    let ann = door.join(&ann()).unwrap();
    let ben = door.join(&PlayerName::new("ben").unwrap()).unwrap();
    advance(&mut room, &mut door, &mut inbound);
    door.leave(ann);
    door.leave(ben);
    advance(&mut room, &mut door, &mut inbound);
    assert_eq!(inbound.freed, [Seat(1)]);
    advance(&mut room, &mut door, &mut inbound);
    assert_eq!(door.join(&PlayerName::new("cid").unwrap()).unwrap().seat(), Seat(1));
}

#[test]
fn a_room_keeps_the_highest_epoch() {
    let (mut room, ..) = room(Sum::default());
    let epochs = [4, 7, 6, 7].map(|it| {
        room.adopt(Epoch(it));
        room.epoch().0
    });
    assert_eq!(epochs, [5, 7, 7, 7]);
}

#[test]
fn a_checkpoint_of_another_schema_is_the_makers_to_judge() {
    let checkpoint = Checkpoint { schema: Schema(2), tick: Tick(9), epoch: Epoch(4), state: vec![0; 16] };
    assert_eq!(SumMaker.restore(&setup(), &checkpoint).err(), Some(Declined::because("schema 2")));
    let plain = |_: &Setup| -> Result<Box<dyn Game>, Declined> { Ok(Box::new(Sum::default())) };
    assert!(
        plain.restore(&setup(), &checkpoint).is_err(),
        "a maker that is only a function restores nothing"
    );
}

proptest! {
    #[test]
    fn the_same_inputs_make_the_same_match_also_from_a_checkpoint(
        inputs in prop::collection::vec((0..3_u8, any::<u8>()), 0..60),
        saved_after in 0..60_usize,
    ) {
        let play = |room: &mut Room, from: usize, to: usize| {
            for (seat, input) in inputs.iter().take(to).skip(from) {
                let mut inbound = Inbound::default();
                inbound.inputs.push((Seat((*seat).into()), vec![*input]));
                room.advance(&mut inbound);
            }
        };
        let open = || Room::new(Epoch(1), SumMaker.open(&setup()).unwrap());
        // The owner is another one, and nothing else.
        let state = |room: &Room| room.checkpoint(Schema(3)).map(|it| it.state);
        let end = |room: &Room| (room.tick(), state(room), room.now().ending.clone());
        let (mut one, mut two) = (open(), open());
        play(&mut one, 0, 60);
        play(&mut two, 0, saved_after);
        if two.now().phase != Phase::Finished {
            let checkpoint = two.checkpoint(SumMaker.schema()).unwrap();
            let game = SumMaker.restore(&setup(), &checkpoint).unwrap();
            two = Room::restored(Epoch(2), checkpoint.tick, false, 0, game);
            play(&mut two, saved_after, 60);
        }
        prop_assert_eq!(end(&one), end(&two));
        let mut seen = Vec::new();
        one.snapshot(Some(Seat(1)), &mut seen);
        prop_assert!(seen.ends_with(b" for 1"));
    }
}
