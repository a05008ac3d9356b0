use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::{
    check,
    honest::{FENCE_MS, MS, Run, SURE_AFTER, run},
};
use crate::{
    History,
    journals::{Journal, Line, parse},
    measure::{STEPS, measure},
    record::{Record, Step},
    report::{Report, Spread},
    timeline,
};

/// How many runs.
fn seeds() -> std::ops::Range<u64> {
    0..std::env::var("HISTORIES").ok().and_then(|it| it.parse().ok()).unwrap_or(60)
}

#[test]
fn in_an_honest_run_nothing_is_found() {
    for seed in seeds() {
        let Run { journals, record, .. } = run(seed);
        assert_eq!(check(&journals, &record), [], "SEED {seed}");
    }
}

#[test]
fn what_is_measured_is_what_happened() {
    for seed in seeds() {
        let Run { journals, record, expected } = run(seed);
        let measured = measure(&History::of(&journals), &record);
        let found: Vec<_> = measured
            .iter()
            .map(|it| ((it.lost_ms.unwrap() * 0.03).round(), it.playing_ms.unwrap().floor()))
            .collect();
        #[allow(clippy::cast_precision_loss, reason = "small")]
        let expected: Vec<_> = expected.iter().map(|it| (it.0 as f64, it.1 as f64)).collect();
        assert_eq!(found, expected, "SEED {seed}");
        let report = Report::new(&record, &measured, &[]);
        assert!(report.is_good() && report.scenarios[0].recovered == expected.len(), "{report:?}");
        let (noticed, sure) =
            (report.scenarios[0].noticed_ms.unwrap(), report.scenarios[0].detect_ms.unwrap());
        assert!((20.0..=300.0).contains(&noticed.max));
        let after = f64::from(SURE_AFTER);
        assert_eq!((sure.p50, sure.max), (noticed.p50 + after, noticed.max + after), "P3 is about certainty");
        assert!(measured.iter().all(|it| it.overlap_ms < 1000.0));
    }
}

type Lie = fn(&mut Run);

/// The journals of servers that had the first room that was hit: its owner then, and the next one.
fn owners(run: &mut Run) -> [&mut Vec<Line>; 2] {
    let (uid, at) = (run.record.faults[0].rooms[0].clone(), run.record.faults[0].fault_mono_ns);
    let is_next = |it: &Line| it.what == "restored" && it.room == uid && at <= it.mono_ns;
    let next = run.journals.iter().position(|it| it.lines.iter().any(is_next)).unwrap();
    let had = |it: &Line| it.what == "tick" && it.room == uid && it.mono_ns <= at;
    let old = run.journals.iter().position(|it| it.lines.iter().any(had)).unwrap();
    let [old, next] = run.journals.get_disjoint_mut([old, next]).unwrap();
    [&mut old.lines, &mut next.lines]
}

fn hit(run: &Run) -> String {
    run.record.faults[0].rooms[0].clone()
}

fn is_tick(uid: &str) -> impl Fn(&&mut Line) -> bool {
    move |it| it.what == "tick" && it.room == uid
}

fn restored(run: &mut Run) -> &mut Line {
    let [_, new] = owners(run);
    new.iter_mut().find(|it| it.what == "restored").unwrap()
}

fn bots(run: &mut Run) -> &mut Vec<Line> {
    &mut run.journals.last_mut().unwrap().lines
}

/// The lines of one player of the room that was hit, after the fault.
fn after<'a>(run: &'a mut Run, what: &'static str) -> impl Iterator<Item = &'a mut Line> {
    let (uid, at) = (hit(run), run.record.faults[0].fault_mono_ns);
    let is_so =
        move |it: &&mut Line| it.what == what && it.player == "a" && it.room == uid && at <= it.mono_ns;
    bots(run).iter_mut().filter(is_so)
}

const LIES: [(&str, &str, Lie); 22] = [
    ("i1_a_tick_is_left_out", "was next", |run| {
        let [old, _] = owners(run);
        let at = old.iter().position(|it| it.what == "tick" && it.tick == 20).unwrap();
        old.remove(at);
    }),
    ("i1_a_tick_is_taken_twice", "was next", |run| {
        let [old, _] = owners(run);
        let at = old.iter().position(|it| it.what == "tick" && it.tick == 20).unwrap();
        old.insert(at, old[at].clone());
    }),
    ("i1_the_new_owner_goes_on_at_another_tick", "was next", |run| {
        let uid = hit(run);
        let [_, new] = owners(run);
        new.iter_mut().filter(is_tick(&uid)).for_each(|it| it.tick += 1);
    }),
    ("i1_both_tick_beyond_the_fence", "side by side", |run| {
        let (uid, at) = (hit(run), run.record.faults[0].fault_mono_ns);
        let [old, _] = owners(run);
        let last = old.iter_mut().filter(is_tick(&uid)).last().unwrap();
        last.mono_ns = at + 600 * MS + (FENCE_MS + 1) * MS;
    }),
    ("i1_two_servers_tick_under_one_epoch", "was ticked by", |run| {
        let uid = hit(run);
        let [_, new] = owners(run);
        new.iter_mut().filter(is_tick(&uid)).for_each(|it| it.epoch = Some(10));
    }),
    ("i2_the_new_owner_has_a_lower_epoch", "I2", |run| {
        let uid = hit(run);
        let [_, new] = owners(run);
        new.iter_mut().filter(is_tick(&uid)).for_each(|it| it.epoch = Some(9));
    }),
    ("i2_the_epoch_falls_within_a_stay", "has epoch", |run| {
        let uid = hit(run);
        let [_, new] = owners(run);
        new.iter_mut().filter(is_tick(&uid)).take(3).for_each(|it| it.epoch = Some(50));
    }),
    ("p4_the_state_is_another_one", "with the hash", |run| restored(run).hash = "00".to_owned()),
    ("p4_a_checkpoint_that_nobody_took", "its owner had none", |run| restored(run).from_epoch = Some(7)),
    ("p4_a_checkpoint_from_the_future", "before it was taken", |run| {
        let (uid, tick) = (hit(run), restored(run).from_tick);
        let [old, new] = owners(run);
        let made = new.iter().find(|it| it.what == "restored").unwrap().mono_ns;
        let late = old.iter_mut().filter(is_tick(&uid)).filter(|it| tick <= it.tick);
        late.zip(1..).for_each(|(it, number)| it.mono_ns = made + number * MS);
    }),
    ("p4_it_begins_anew", "began anew", |run| restored(run).what = "opened".to_owned()),
    ("p4_an_acknowledged_input_is_lost", "was acknowledged", |run| {
        let seat = &mut restored(run).seats[0];
        seat.newest = seat.newest.wrapping_sub(20);
    }),
    ("p4_all_inputs_of_a_seat_are_lost", "was acknowledged", |run| restored(run).seats.truncate(0)),
    ("p4_a_seat_is_another_one", "it had seat", |run| after(run, "joined").for_each(|it| it.seat = Some(5))),
    ("p4_a_bot_saw_something_wrong", "a wrong hash", |run| {
        let left = after(run, "left").next().unwrap();
        (left.what, left.reason) = ("failed".to_owned(), Some("a wrong hash".to_owned()));
    }),
    ("p4_a_bot_never_comes_back", "never came back", |run| {
        after(run, "shown").for_each(|it| it.player = "somebody".to_owned());
    }),
    ("i2_a_bot_is_let_in_under_a_lower_epoch", "was let in under", |run| {
        after(run, "joined").for_each(|it| it.epoch = Some(1));
    }),
    ("i1_a_tick_is_shown_again", "was shown tick", |run| {
        let first = after(run, "shown").next().unwrap().clone();
        let at = bots(run).iter().position(|it| *it == first).unwrap();
        bots(run).insert(at, first);
    }),
    ("p4_it_is_not_restored", "was not restored", |run| {
        let uid = hit(run);
        run.record.faults.truncate(1);
        for journal in &mut run.journals {
            journal
                .lines
                .retain(|it| it.room != uid || it.epoch.is_none_or(|it| it == 10) && it.what != "restored");
        }
    }),
    ("p3_it_is_restored_without_a_fault", "was not hit", |run| run.record.faults[0].rooms.clear()),
    ("a_full_journal_is_told", "is full", |run| run.journals[0].is_full = true),
    ("a_room_without_a_journal_is_told", "no journal knows", |run| {
        run.record.faults[0].rooms.push("uid-9".to_owned());
    }),
];

#[test]
fn every_lie_is_found() {
    for (name, text, lie) in LIES {
        for seed in 0..20 {
            let mut run = run(seed);
            lie(&mut run);
            let found = check(&run.journals, &run.record);
            let texts: Vec<_> = found.iter().map(ToString::to_string).collect();
            assert!(texts.iter().any(|it| it.contains(text)), "{name}, SEED {seed}: {texts:#?}");
        }
    }
}

#[test]
fn a_room_that_is_restored_twice_after_one_fault_is_found() {
    let mut run = run(3);
    // The later faults are forgotten, so that all restores answer the first one.
    let uid = hit(&run);
    run.record.faults.truncate(1);
    let [_, new] = owners(&mut run);
    let again: Vec<Line> = new.iter().filter(|it| it.room == uid).take(5).cloned().collect();
    run.journals.push(Journal { name: "server-x".to_owned(), lines: again, is_full: false });
    let texts: Vec<_> = check(&run.journals, &run.record).iter().map(ToString::to_string).collect();
    assert!(texts.iter().any(|it| it.contains("times after one fault")), "{texts:#?}");
}

/// Swaps, drops, doubles or shifts ticks of a server. The last one of a server may be missing: it was killed.
fn tamper(run: &mut Run, random: &mut StdRng) -> String {
    let servers = run.journals.len() - 1;
    let ticks = |it: &Journal| {
        let all = it.lines.iter().enumerate().filter(|(_, it)| it.what == "tick");
        let last = |room: &str| it.lines.iter().rposition(|it| it.what == "tick" && it.room == room);
        all.filter(|(index, it)| last(&it.room) != Some(*index)).map(|(index, _)| index).collect::<Vec<_>>()
    };
    loop {
        let number = random.random_range(0..servers);
        let places = ticks(&run.journals[number]);
        if places.len() < 10 {
            continue;
        }
        let at = places[random.random_range(0..places.len())];
        let lines = &mut run.journals[number].lines;
        let what = ["swap", "drop", "double", "shift"][random.random_range(0..4)];
        match what {
            "swap" => {
                let room = lines[at].room.clone();
                let other =
                    (at + 1..lines.len()).find(|it| lines[*it].what == "tick" && lines[*it].room == room);
                lines.swap(at, other.unwrap());
            }
            "drop" => drop(lines.remove(at)),
            "double" => lines.insert(at, lines[at].clone()),
            // From here on, all is said to be one tick later.
            _ => {
                let room = lines[at].room.clone();
                lines[at..].iter_mut().filter(|it| it.room == room).for_each(|it| it.tick += 1);
            }
        }
        return format!("{what} line {at} of server {number}");
    }
}

#[test]
fn no_tampering_with_ticks_goes_unseen() {
    for seed in seeds() {
        let mut random = StdRng::seed_from_u64(seed);
        let mut run = run(seed);
        let what = tamper(&mut run, &mut random);
        assert_ne!(check(&run.journals, &run.record), [], "SEED {seed}: {what}");
    }
}

#[test]
fn only_the_last_line_of_a_journal_may_be_torn() {
    let good = b"{\"mono_ns\":1,\"what\":\"tick\",\"room\":\"a\",\"epoch\":3,\"tick\":1,\"hash\":\"0f\"}\n";
    let torn = [good.as_slice(), b"{\"mono_ns\":2,\"wh"].concat();
    assert_eq!(parse("server-1", &torn).unwrap().lines.len(), 1);
    let broken = [b"{\"mono_ns\":2,\"wh\n".as_slice(), good].concat();
    assert!(parse("server-1", &broken).unwrap_err().to_string().contains("line 1"));
    let full = [good.as_slice(), b"{\"what\":\"full\"}\n"].concat();
    assert!(parse("server-1", &full).unwrap().is_full);
}

#[test]
fn a_record_is_read_as_the_runner_writes_it() {
    let fault = r#"{"scenario":"node-cut","round":2,"fault_mono_ns":9,"fault":"cut","rooms":["u"],"fence_ms":1000,"interval_ms":100}"#;
    let step = r#"{"step":"placed","mono_ns":9,"room":"room-1","server":"pod","kind":"Hang"}"#;
    let whole = Record::parse(format!(r#"{{"faults":[{fault}],"steps":[{step}]}}"#).as_bytes()).unwrap();
    assert_eq!((whole.faults[0].scenario.as_str(), whole.steps[0].step.as_str()), ("node-cut", "placed"));
    assert_eq!(Record::parse(format!("[{fault}]").as_bytes()).unwrap().faults, whole.faults);
}

#[test]
fn a_spread_is_made_of_what_was_measured() {
    let spread = Spread::of((1..=200).map(f64::from)).unwrap();
    assert_eq!((spread.p50, spread.p99, spread.max), (100.0, 198.0, 200.0));
    assert_eq!(Spread::of([7.04]).map(|it| (it.p50, it.p99, it.max)), Some((7.0, 7.0, 7.0)));
    assert_eq!(Spread::of([]), None);
}

#[test]
fn the_report_has_the_names_that_were_promised() {
    let Run { journals, record, .. } = run(1);
    let measured = measure(&History::of(&journals), &record);
    let report = Report::new(&record, &measured, &check(&journals, &record));
    let value = serde_json::to_value(&report).unwrap();
    let scenario = value["scenarios"][0].as_object().unwrap();
    let names = [
        "detect_ms",
        "failed",
        "lost_ms",
        "playing_ms",
        "recovered",
        "rounds",
        "scenario",
        "steps",
        "violations",
    ];
    assert_eq!(scenario.keys().collect::<Vec<_>>(), names);
    let spread: Vec<_> = scenario["lost_ms"].as_object().unwrap().keys().collect();
    assert_eq!(spread, ["max", "p50", "p99"]);
}

#[test]
fn all_steps_are_measured_from_the_fault() {
    let Run { journals, mut record, .. } = run(1);
    let fault = record.faults[0].clone();
    let of_operators = ["noticed", "confirmed", "placed", "fenced", "status"];
    record.steps = of_operators
        .into_iter()
        .zip([7, 11, 13, 17, 19])
        .map(|(step, ms)| Step {
            step: step.to_owned(),
            mono_ns: fault.fault_mono_ns + ms * 1_000_000,
            room: Some(fault.rooms[0].clone()),
            ..Step::default()
        })
        .collect();
    let measured = measure(&History::of(&journals), &record);
    let report = Report::new(&record, &measured, &[]);
    let steps = &report.scenarios[0].steps;
    assert_eq!(steps.iter().map(|it| it.step.as_str()).collect::<Vec<_>>(), STEPS);
    let at = |step: &str| steps.iter().find(|it| it.step == step).unwrap().ms.max;
    assert_eq!(of_operators.map(at).to_vec(), vec![7.0, 11.0, 13.0, 17.0, 19.0]);
    assert!(at("restored") <= at("ticking") && at("ticking") <= at("playing"));
    for table in [report.steps(), report.table(&measured)] {
        assert!(STEPS.into_iter().all(|it| table.contains(it)), "{table}");
    }
}

#[test]
fn a_timeline_shows_both_owners_and_the_fault() {
    let Run { journals, record, .. } = run(2);
    let history = History::of(&journals);
    let mut bytes = Vec::new();
    let measured = measure(&history, &record);
    timeline::draw(&history, &record, &record.faults[0], &measured, &mut bytes).unwrap();
    if let Ok(path) = std::env::var("TIMELINE") {
        std::fs::write(path, &bytes).unwrap();
    }
    let mut reader = png::Decoder::new(std::io::Cursor::new(&bytes)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut pixels).unwrap();
    for colour in [[0x1f, 0x6f, 0xb4], [0x2a, 0x9d, 0x3a], [0xd0, 0x20, 0x20]] {
        let count = pixels.chunks(3).filter(|it| *it == colour).count();
        assert!(20 < count, "{colour:02x?}: {count} pixels");
    }
}
