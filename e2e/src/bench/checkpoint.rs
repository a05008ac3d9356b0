//! What checkpoints cost: a server made with the SDK, its rooms kept in a Redis on this machine, beside the same server
//! without a store; and the store's writes beside bare SETs of the same bytes.

mod game;
mod meter;
mod redis;
mod server;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use gamekeeper_room::{Checkpoint, Epoch, Schema, Tenancy, Tick};
use gamekeeper_store::{Options, Sealed, Store, Verdict, envelope};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::statistics::{figure, median, rounded};
use crate::progress::say;
use game::Ballast;
use meter::Meter;
use redis::{Calls, Redis};
use server::Server;

/// Rooms of one server, on one thread: so one room's save can hold up another's tick.
const ROOMS: usize = 16;

/// Writes under way at once when the store itself is measured.
const CONCURRENCY: usize = 16;

/// As a usual fleet has them.
pub(super) const INTERVAL: Duration = Duration::from_millis(100);
pub(super) const FENCE: Duration = Duration::from_secs(1);
pub(super) const TICK_RATE: u32 = 30;

/// What to measure.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Of each room's state.
    pub state_kib: Vec<usize>,
    /// How often each side is measured; the median counts, and the longest hold of all.
    pub rounds: u8,
    /// How long a window is.
    pub window: Duration,
}

/// Measures the cost of checkpoints.
pub async fn checkpoint(plan: &Plan) -> Result<Value> {
    let redis = Redis::start().await?;
    let before = super::stage::load_average();
    let mut sizes = Vec::new();
    for state_kib in &plan.state_kib {
        sizes.push(of_size(plan, *state_kib, &redis).await?);
    }
    Ok(json!({
        "rooms": ROOMS,
        "tick_rate": TICK_RATE,
        "interval_ms": INTERVAL.as_millis(),
        "sizes": sizes,
        "load_average": { "before": before, "after": super::stage::load_average() },
    }))
}

async fn of_size(plan: &Plan, state_kib: usize, redis: &Redis) -> Result<Value> {
    let (mut overheads, mut cores, mut holds) = (Vec::new(), Vec::new(), Vec::new());
    let (mut ops, mut bytes, mut late) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=plan.rounds {
        say(&format!("{state_kib} KiB, round {round} of {}", plan.rounds));
        let without = window(plan.window, state_kib, redis, None).await?;
        let with = window(plan.window, state_kib, redis, Some(redis.url())).await?;
        ensure!(0 < with.saves, "nothing was saved");
        let seconds = plan.window.as_secs_f64();
        overheads.push((with.tick_cpu_s - without.tick_cpu_s) / seconds * 100.0);
        cores.push((with.cpu_s - without.cpu_s) / seconds * 100.0);
        holds.push(with.max_hold.as_secs_f64() * 1e6);
        ops.push(with.calls.writes / seconds);
        bytes.push(with.calls.bytes / seconds);
        late.push(with.ticks / without.ticks);
    }
    let (ours, raw) = throughput(state_kib, redis, plan.window).await?;
    Ok(json!({
        "state_kib": state_kib,
        // Of the time of the one thread that ticks all rooms.
        "overhead_percent": rounded(median(overheads)),
        "max_hold_us": rounded(holds.into_iter().fold(0.0, f64::max)),
        "bytes_per_s": median(bytes).round(),
        "store_ops_per_s": rounded(median(ops)),
        // Sealing and sending, by other threads.
        "process_core_percent": rounded(median(cores)),
        "ticks_ratio": rounded(median(late)),
        "store_writes_per_s_max": ours.round(),
        "raw_sets_per_s_max": raw.round(),
        "ratio": rounded(ours / raw),
    }))
}

/// What one server did in a window.
struct Window {
    tick_cpu_s: f64,
    cpu_s: f64,
    ticks: f64,
    saves: usize,
    max_hold: Duration,
    calls: Calls,
}

async fn window(length: Duration, state_kib: usize, redis: &Redis, url: Option<String>) -> Result<Window> {
    let ballast = Ballast::new(state_kib * 1024, ROOMS);
    let server = Server::start(ballast.clone(), url, ROOMS).await?;
    // Buffers are made and the first checkpoints are away.
    tokio::time::sleep(Duration::from_secs(1)).await;
    ballast.forget();
    let (meter, calls) = (Meter::start()?, redis.calls().await?);
    tokio::time::sleep(length).await;
    let (tick_cpu_s, cpu_s) = meter.read()?;
    let calls = redis.calls().await?.since(&calls);
    let (ticks, saves, max_hold) = ballast.counts();
    server.end().await?;
    Ok(Window { tick_cpu_s, cpu_s, ticks: figure(ticks), saves, max_hold, calls })
}

/// Writes a second of the store, and bare SETs of the same bytes over the same kind of connection.
async fn throughput(state_kib: usize, redis: &Redis, length: Duration) -> Result<(f64, f64)> {
    let store = Arc::new(Store::connect(&redis.url(), Options::default())?);
    let envelopes: Vec<Bytes> = (0..CONCURRENCY).map(|it| sealed(it, state_kib)).collect::<Result<_>>()?;
    let envelopes = Arc::new(envelopes);
    let ours = rate(length, |lane, number| {
        let (store, envelopes) = (store.clone(), envelopes.clone());
        async move {
            let envelope = envelopes.get(lane).cloned().unwrap_or_default();
            let verdict = store.write(&tenancy(lane), Tick(number), envelope).await?;
            ensure!(matches!(verdict, Verdict::Mine(_)), "the store does not take it: {verdict:?}");
            Ok(())
        }
    })
    .await?;
    let raw = redis.connection().await?;
    let raw = rate(length, |lane, _| {
        let (mut raw, envelopes) = (raw.clone(), envelopes.clone());
        async move { raw.set(lane, envelopes.get(lane).cloned().unwrap_or_default()).await }
    })
    .await?;
    Ok((ours, raw))
}

/// How often a second something is done by so many lanes, each waiting for its own answer.
async fn rate<F: Future<Output = Result<()>>>(
    length: Duration,
    call: impl Fn(usize, u64) -> F,
) -> Result<f64> {
    let (begun, call) = (Instant::now(), &call);
    let lanes = stream::iter(0..CONCURRENCY).map(|lane| async move {
        let mut count = 0;
        while begun.elapsed() < length {
            count += 1;
            call(lane, count).await?;
        }
        anyhow::Ok(count)
    });
    let counts: Vec<u64> = lanes.buffer_unordered(CONCURRENCY).try_collect().await?;
    let total = usize::try_from(counts.iter().sum::<u64>())?;
    Ok(figure(total) / begun.elapsed().as_secs_f64())
}

fn tenancy(lane: usize) -> Tenancy {
    let name = format!("lane-{lane}");
    Tenancy { namespace: "bench".to_owned(), uid: format!("uid-of-{name}"), name, epoch: Epoch(1) }
}

fn sealed(lane: usize, state_kib: usize) -> Result<Bytes> {
    let state = game::bytes(state_kib * 1024);
    let sealed = Sealed {
        uid: tenancy(lane).uid,
        epoch: Epoch(1),
        build: String::new(),
        captured_at: Duration::ZERO,
        checkpoint: Checkpoint { schema: Schema(1), tick: Tick(1), epoch: Epoch(1), state },
    };
    let mut out = Vec::new();
    envelope::encode(&sealed, &mut out)?;
    Ok(out.into())
}
