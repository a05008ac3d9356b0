use proptest::prelude::*;
use rand::{SeedableRng, rngs::StdRng};

use super::*;
use crate::tests::Play;

fn shown(world: &World) -> Vec<u8> {
    let mut out = Vec::new();
    world.show(&mut out);
    out
}

/// In the middle of a match.
fn some() -> World {
    let mut random = StdRng::seed_from_u64(9);
    let mut play = Play::full(8, &[("map", "harbour"), ("score", "99")]);
    for _ in 0..400 {
        play.send_anything(&mut random);
        play.tick();
    }
    play.world().clone()
}

#[test]
fn what_is_shown_is_read_again() {
    let world = some();
    let bytes = shown(&world);
    assert_eq!(bytes.len(), world.shown_bytes());
    let read = World::of_shown(&bytes).unwrap();
    assert_eq!(read, world);
    assert_eq!(read.hash(), world.hash());
}

#[test]
fn a_full_room_fits_into_a_datagram() {
    assert_eq!(shown_bytes(16), 469);
    assert_eq!(shown_bytes(32), 837);
}

#[test]
fn every_field_has_its_place() {
    let bytes = shown(&some());
    assert_eq!(bytes[..3], [LAYOUT, 1, 8]);
    assert_eq!(bytes[3..9], [0x10, 0x0e, 0, 0, 99, 0], "3,600 ticks, up to 99");
    assert_eq!(bytes[13..17], [0xff, 0, 0, 0]);
    let end = bytes.len();
    assert_eq!(bytes[end - 16..end - 12], 400_u32.to_le_bytes());
    assert_eq!(bytes[end - 12..end - 8], 390_u32.to_le_bytes());
}

#[test]
fn showing_again_needs_no_more_memory() {
    let world = some();
    let mut out = shown(&world);
    let before = (out.as_ptr(), out.capacity());
    out.clear();
    world.show(&mut out);
    assert_eq!((out.as_ptr(), out.capacity()), before);
}

#[test]
fn a_state_of_another_length_is_none() {
    let mut bytes = shown(&some());
    for length in 0..bytes.len() {
        assert!(World::of_shown(&bytes[..length]).is_err(), "{length}");
    }
    bytes.push(0);
    assert!(World::of_shown(&bytes).is_err());
}

proptest! {
    #[test]
    fn there_is_one_way_to_write_a_state_and_none_breaks_a_step(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = shown(&some());
        for (index, byte) in changes {
            *index.get_mut(&mut bytes) = byte;
        }
        // As somebody would who means harm.
        let check = check(&bytes, 8);
        let place = check_place(8).unwrap();
        bytes[place].copy_from_slice(&check);
        if let Ok(mut world) = World::of_shown(&bytes) {
            prop_assert_eq!(shown(&world), bytes);
            let given = world.players.map(|it| it.given);
            (0..100).for_each(|_| world.step(&given));
            prop_assert!(World::of_shown(&shown(&world)).is_ok());
            prop_assert!(world.shots().count() <= 8 && world.ranking().count() <= 8);
        }
    }

    #[test]
    fn random_bytes_are_no_trouble(bytes in prop::collection::vec(any::<u8>(), 0..1000)) {
        let _ = World::of_shown(&bytes);
    }
}
