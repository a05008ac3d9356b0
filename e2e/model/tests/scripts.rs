//! The store of the search answers as the scripts do in a real Redis, on the same clock.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests, with their helpers")]

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
};

use gamekeeper_model::store::{Call, Reply, Row};
use gamekeeper_store::scripts::{CHECK, FINISH, TAKE, WRITE};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use redis::{Connection, Value};

/// Rooms, and calls about each.
const ROOMS: u64 = 300;
const CALLS: usize = 30;

/// Ends with its test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start() -> (Server, Connection) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let server = Server(child.expect("redis-server is in the PATH; if not: apt-get install redis-server"));
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
    for _ in 0..20_000 {
        if let Ok(connection) = client.get_connection() {
            return (server, connection);
        }
        std::thread::yield_now();
    }
    panic!("redis-server does not answer");
}

/// The script, with a clock that we set.
fn at(script: &str, now: u64) -> String {
    let (asks, ours) = ("redis.call('TIME')", format!("{{{}, {}}}", now / 1000, now % 1000 * 1000));
    assert_eq!(script.matches(asks).count(), 1, "how the scripts ask for the time");
    script.replace(asks, &ours)
}

fn call(redis: &mut Connection, key: &str, epoch: i64, call: Call, now: u64) -> Reply {
    let (script, arguments): (&str, Vec<String>) = match call {
        Call::Write(tick) => (WRITE, vec![tick.to_string(), "envelope".to_owned()]),
        Call::Take(fence, silence) => (TAKE, vec![fence.to_string(), silence.to_string()]),
        Call::Check => (CHECK, vec![]),
        Call::Finish(result) => (FINISH, vec![result.to_string()]),
    };
    let mut command = redis::cmd("EVAL");
    command.arg(at(script, now)).arg(1).arg(key).arg(epoch).arg(86_400_000).arg(arguments);
    let Value::Array(answer) = command.query(redis).unwrap() else { panic!("no array") };
    let number = |at: usize| redis::from_redis_value::<Option<i64>>(answer[at].clone()).unwrap();
    let count = |at: usize| u64::try_from(number(at).unwrap()).unwrap();
    match redis::from_redis_value::<String>(answer[0].clone()).unwrap().as_str() {
        "fenced" => Reply::Fenced(number(1).unwrap()),
        "finished" => Reply::Finished(number(1).unwrap(), u8::try_from(count(2)).unwrap()),
        "stored" => Reply::Stored,
        "older" => Reply::Older(count(1)),
        "taken" => Reply::Taken(count(1), count(2), number(3)),
        "alive" => Reply::Alive(number(1), count(2)),
        "mine" => Reply::Mine,
        "recorded" => Reply::Recorded,
        other => panic!("{other}"),
    }
}

#[test]
fn i1_the_store_of_the_search_answers_as_redis_does() {
    let (_server, mut redis) = start();
    let seed: u64 = std::env::var("SEED").ok().and_then(|it| it.parse().ok()).unwrap_or(0);
    println!("SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    for room in 0..ROOMS {
        let (key, mut row, mut now) = (format!("room-{room}"), Row::default(), 5_000_u64);
        for step in 0..CALLS {
            now += [0, 1, 999, 1000, 2000][random.random_range(0..5)];
            let epoch = i64::from(random.random_range(1..3)) << 32 | i64::from(random.random_range(8..12));
            let asked = match random.random_range(0..20) {
                0 => Call::Finish(random.random_range(1..4)),
                1..6 => {
                    let mut time = || [0, 1000, 2000][random.random_range(0..3)];
                    Call::Take(time(), time())
                }
                6..9 => Call::Check,
                _ => Call::Write(random.random_range(8..12)),
            };
            let (real, ours) = (call(&mut redis, &key, epoch, asked, now), row.call(epoch, asked, now));
            assert_eq!(ours, real, "call {step} of room {room}: {asked:?} under {epoch:#x} at {now}");
        }
    }
}
