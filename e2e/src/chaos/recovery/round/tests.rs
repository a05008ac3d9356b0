use super::super::journal::Shown;
use super::*;

fn shown(epoch: u64, tick: u64, ms: u64) -> Shown {
    Shown { epoch, tick, at: Moment(ms * 1_000_000) }
}

fn views(all: &[(&str, Shown)]) -> Views {
    let mut views = Views::default();
    all.iter().for_each(|(player, it)| views.saw("uid".to_owned(), (*player).to_owned(), *it));
    views
}

fn before(bots: usize) -> Before {
    Before { uid: "uid".to_owned(), bots, epoch: 1 }
}

const FAULT: Moment = Moment(100_000_000);

const GAP_MAX: Duration = Duration::from_secs(1);

#[test]
fn p4_a_room_is_played_again_when_its_last_player_plays_again() {
    let one = [("a", shown(1, 10, 90)), ("b", shown(1, 11, 95)), ("a", shown(2, 9, 500))];
    assert_eq!(again(&views(&one), &before(2), FAULT), Fate::Failed("1 of 2 players play again".to_owned()));
    let both = [&one[..], &[("b", shown(2, 12, 600))]].concat();
    let mut views = views(&both);
    let playing = Duration::from_millis(500);
    let afresh = Fate::Failed("its players are back, and the match began afresh".to_owned());
    assert_eq!(again(&views, &before(2), FAULT), afresh);
    // Ticks 9, 10 and 11 were seen and are played anew.
    views.was_restored("uid", 8, Moment(FAULT.0 + 1));
    let lost = Some(Duration::from_millis(100));
    assert_eq!(again(&views, &before(2), FAULT), Fate::Recovered { playing, lost });
}

#[test]
fn nothing_is_lost_where_the_newest_tick_was_restored() {
    let mut seen = views(&[("a", shown(1, 10, 90)), ("a", shown(2, 11, 500))]);
    seen.was_restored("uid", 10, Moment(FAULT.0 + 1));
    let (playing, lost) = (Duration::from_millis(400), Some(Duration::ZERO));
    assert_eq!(again(&seen, &before(1), FAULT), Fate::Recovered { playing, lost });
    // That was another fault's.
    seen.was_restored("uid", 10, Moment(FAULT.0 - 1));
    assert!(matches!(again(&seen, &before(1), FAULT), Fate::Failed(why) if why.contains("afresh")));
}

#[test]
fn a_room_that_was_not_hit_must_not_move_nor_stand_still() {
    let steady = [("a", shown(1, 10, 90)), ("a", shown(1, 11, 123))];
    assert_eq!(undisturbed(&views(&steady), &before(1), GAP_MAX), Fate::PlayedOn);
    let moved = [&steady[..], &[("a", shown(2, 12, 200))]].concat();
    assert!(
        matches!(undisturbed(&views(&moved), &before(1), GAP_MAX), Fate::Failed(why) if why.contains("from epoch 1 to 2"))
    );
    let still = [&steady[..], &[("a", shown(1, 12, 1200))]].concat();
    assert!(
        matches!(undisturbed(&views(&still), &before(1), GAP_MAX), Fate::Failed(why) if why.contains("1077 ms"))
    );
}

#[test]
fn p3_a_node_is_noticed_when_all_of_its_servers_are() {
    let step = |name: &str, server: &str, ms: u64| Step {
        step: name.to_owned(),
        mono_ns: ms * 1_000_000,
        server: Some(server.to_owned()),
        ..Step::default()
    };
    let steps = [
        step(NOTICED, "a", 150),
        step(CONFIRMED, "a", 300),
        step(CONFIRMED, "b", 400),
        step(CONFIRMED, "a", 900),
        step(CONFIRMED, "c", 950),
    ];
    let both = ["a", "b"];
    assert_eq!(until(CONFIRMED, &steps, &both, FAULT), Some(Duration::from_millis(300)));
    assert_eq!(until(NOTICED, &steps, &both, FAULT), Some(Duration::from_millis(50)));
    assert_eq!(until(CONFIRMED, &steps, &["d"], FAULT), None);
}
