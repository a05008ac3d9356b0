use super::*;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn outcome(round: u32, fates: &[(&str, Fate)]) -> Outcome {
    let fates = fates.iter().map(|(room, fate)| ((*room).to_owned(), fate.clone())).collect();
    let scenario = Scenario::ProcessCrash;
    let (noticed, detect) = (Some(ms(50)), Some(ms(100 + u64::from(round))));
    Outcome { scenario, round, noticed, detect, fates, took: ms(5000) }
}

fn nothing() -> Report {
    let (scenarios, gap_max) = (vec![Scenario::ProcessCrash], ms(1000));
    Report::new(&Plan {
        scenarios,
        rounds: 2,
        seed: 7,
        standby: true,
        store_down: false,
        mass_rooms: 300,
        gap_max,
    })
}

fn again(playing: u64, lost: u64) -> Fate {
    Fate::Recovered { playing: ms(playing), lost: Some(ms(lost)) }
}

#[test]
fn the_names_for_programs_are_fixed() {
    let mut report = nothing();
    report.add(outcome(1, &[("a", again(400, 33)), ("b", again(600, 66))]));
    report.add(outcome(2, &[("a", again(500, 100)), ("c", Fate::PlayedOn)]));
    assert!(report.is_clean());
    let expected = json!({
        "scenario": "process-crash", "rounds": 2,
        "detect_ms": { "p50": 101.0, "p99": 102.0, "max": 102.0 },
        "playing_ms": { "p50": 500.0, "p99": 600.0, "max": 600.0 },
        "lost_ms": { "p50": 66.0, "p99": 100.0, "max": 100.0 },
        "recovered": 3, "failed": 0, "violations": [],
    });
    let run = json!({
        "seed": 7, "standby": true, "store_down": false, "scenarios": [expected], "violations": [],
    });
    assert_eq!(report.json(), run);
}

#[test]
fn a_room_that_failed_a_round_that_broke_and_a_violation_each_spoil_a_run() {
    let mut report = nothing();
    report.add(outcome(1, &[("a", Fate::Failed("never seen again".to_owned()))]));
    assert!(!report.is_clean());
    assert!(report.table().contains("a: never seen again"));
    assert_eq!(report.json()["scenarios"][0]["failed"], 1);
    assert_eq!(report.json()["scenarios"][0]["playing_ms"]["p99"], Value::Null);

    let mut report = nothing();
    report.broken(Scenario::NodeCut, "no leader".to_owned());
    assert!(!report.is_clean());
    assert_eq!(report.json()["scenarios"][0]["failed"], 1);

    let mut report = nothing();
    report.violations(None, ["two owners".to_owned()]);
    assert!(!report.is_clean());
    assert_eq!(report.json()["violations"], json!(["two owners"]));
}

#[test]
fn who_watches_is_told_the_times_of_each_round() {
    let line = outcome(3, &[("a", again(400, 33)), ("b", Fate::Failed("gone".to_owned()))]).line();
    for part in ["process-crash 3", "sure after 103 ms", "the last after 400 ms", "33 ms", "b FAILED: gone"] {
        assert!(line.contains(part), "{line}");
    }
}
