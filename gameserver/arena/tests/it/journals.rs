//! A server is killed, another one goes on, and the checker finds nothing wrong in what all of them wrote down.

use gamekeeper_checker::{History, Limits, Record, journals, measure::measure, rules};
use gamekeeper_control::proto;
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;
use tokio::time::{Duration, sleep};

use crate::support::{Bots, Operator, Redis, Room, Server, uid};

/// How long a match is.
const SECONDS: u32 = 8;

fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap() * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_a_match_outlives_its_server_and_the_journals_tell() {
    let folder = std::env::temp_dir().join(format!("arena-journals-{}", std::process::id()));
    let path = folder.to_str().unwrap();
    let redis = Redis::start(&[]).await;
    let arguments = ["--journal", path];
    let environment = [("GAMEKEEPER_STATE_URL", &*redis.url())];
    let one = Server::start_with(&arguments, &environment).await;
    let two = Server::start_with(&arguments, &environment).await;
    let (first, second) = (Operator::greet(one.control).await, Operator::greet(two.control).await);
    let restore = |lost_epoch| Some(proto::Restore { lost_epoch, ..Default::default() });
    let hashes = first.open_under("duel", 5, 4, SECONDS, restore(0)).await;
    let others = second.open("spare", 2, SECONDS).await;
    let room = Room { name: "duel".to_owned(), bots: 3, tickets: Vec::new() };
    let places = [one.players, two.players];
    let bots = Bots::start_with(&arguments, &places, &[hashes, others].concat(), &[room]).await;
    first.until("all bots in their seats", |it| it.players.values().sum::<u32>() == 3).await;
    sleep(Duration::from_millis(2500)).await;

    let fault = monotonic_ns();
    one.kill().await;
    second.open_under("duel", 6, 4, SECONDS, restore(5)).await;
    let played = bots.played().await;

    let record = json!([{
        "scenario": "process-crash", "round": 1, "fault_mono_ns": fault, "rooms": [uid("duel")],
        "fence_ms": 1000, "interval_ms": 100,
    }]);
    let record = Record::parse(record.to_string().as_bytes()).unwrap();
    let history = History::of(&journals::read(&folder).unwrap());
    let measured = measure(&history, &record);
    println!("{measured:#?}");
    println!("{played:#?}");
    assert!(played.iter().all(|it| it["verified"] == true && it["ended"] == true && it["takeovers"] == 1));
    // A busy machine is late with its checkpoints.
    assert_eq!(rules::check(&history, &record, Limits { margin_ms: 200 }), []);
    let duel = &history.rooms[&uid("duel")];
    assert_eq!((duel.stays.len(), duel.players.len()), (2, 3));
    assert!(measured[0].playing_ms.is_some_and(|it| it < 5000.0), "{measured:?}");
    std::fs::remove_dir_all(&folder).unwrap();
}
