//! Metrics. Labels are enums: their number never grows with fleets, rooms or servers.

use std::sync::{Arc, atomic::AtomicU64};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use tokio::time::Instant;

/// What became of something we did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Outcome {
    Applied,
    Waiting,
    Skipped,
    Failed,
}

/// Kinds that are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Kind {
    GameFleet,
    GameRoom,
    Pod,
    Node,
    ControllerRevision,
    PodDisruptionBudget,
}

/// What is done for rooms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum RoomAction {
    Claim,
    Open,
    Close,
    WriteStatus,
    Ask,
    Release,
    Delete,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RoomLabel {
    action: RoomAction,
    outcome: Outcome,
}

/// What a fleet or room is, counted over all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum ServerState {
    Ready,
    NotReady,
    Busy,
}

/// How a server was lost although its pod stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Loss {
    Proven,
    Hang,
    Presumed,
    CutOff,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LossLabel {
    kind: Loss,
}

/// A room's state, counted over all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum RoomState {
    Running,
    Pending,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ServerLabel {
    state: ServerState,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RoomStateLabel {
    state: RoomState,
}

/// Seconds from a room's creation to its `Running`: from one status write on an idle cluster to a
/// minute in the queue.
const PLACEMENT_BUCKETS: [f64; 12] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// Seconds of one reconciliation: from nothing to do to thousands of pods.
const RECONCILE_BUCKETS: [f64; 9] = [0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 10.0];

/// All metrics of the process.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    is_leader: Gauge,
    term: Gauge,
    server_creations: Family<OutcomeLabel, Counter>,
    server_deletions: Family<OutcomeLabel, Counter>,
    reconciliations: Family<OutcomeLabel, Counter>,
    reconcile_seconds: Histogram,
    fleet_status_writes: Family<OutcomeLabel, Counter>,
    room_actions: Family<RoomLabel, Counter>,
    rooms_lost: Counter,
    server_losses: Family<LossLabel, Counter>,
    servers_cut_off: Counter,
    placement_seconds: Histogram,
    watch_failures: Family<KindLabel, Counter>,
    servers: Family<ServerLabel, Gauge<i64>>,
    rooms: Family<RoomStateLabel, Gauge<i64>>,
    writes_queued: Gauge<f64, AtomicU64>,
}

/// Measures until it is dropped, so that early returns count too.
pub struct Timer<'a> {
    histogram: &'a Histogram,
    since: Instant,
}

impl Drop for Timer<'_> {
    fn drop(&mut self) {
        self.histogram.observe(self.since.elapsed().as_secs_f64());
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut inner = Inner {
            registry: Registry::with_prefix("gamekeeper"),
            is_leader: Gauge::default(),
            term: Gauge::default(),
            server_creations: Family::default(),
            server_deletions: Family::default(),
            reconciliations: Family::default(),
            reconcile_seconds: Histogram::new(RECONCILE_BUCKETS),
            fleet_status_writes: Family::default(),
            room_actions: Family::default(),
            rooms_lost: Counter::default(),
            server_losses: Family::default(),
            servers_cut_off: Counter::default(),
            placement_seconds: Histogram::new(PLACEMENT_BUCKETS),
            watch_failures: Family::default(),
            servers: Family::default(),
            rooms: Family::default(),
            writes_queued: Gauge::default(),
        };
        inner.register();
        Self(Arc::new(inner))
    }
}

impl Inner {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("leader", "1 while this process leads", self.is_leader.clone());
        registry.register("term", "The number of this process's leadership", self.term.clone());
        registry.register("server_creations", "Pods that were to be created", self.server_creations.clone());
        registry.register(
            "server_deletions",
            "Pods that were to be deleted by fleets",
            self.server_deletions.clone(),
        );
        registry.register(
            "fleet_reconciliations",
            "Fleets that were looked at",
            self.reconciliations.clone(),
        );
        registry.register(
            "fleet_reconcile_seconds",
            "Time to look at a fleet once",
            self.reconcile_seconds.clone(),
        );
        registry.register(
            "fleet_status_writes",
            "Statuses of fleets written",
            self.fleet_status_writes.clone(),
        );
        registry.register("room_actions", "What was done for rooms", self.room_actions.clone());
        registry.register("rooms_lost", "Rooms whose server was lost", self.rooms_lost.clone());
        registry.register(
            "server_losses",
            "Controlled servers found to be lost before their pods ended",
            self.server_losses.clone(),
        );
        registry.register(
            "servers_cut_off",
            "Controlled servers that were out of the operator's reach and not lost",
            self.servers_cut_off.clone(),
        );
        registry.register(
            "room_placement_seconds",
            "Time from a room's creation to its first Running",
            self.placement_seconds.clone(),
        );
        registry.register(
            "watch_failures",
            "Watches that broke and began again",
            self.watch_failures.clone(),
        );
        registry.register("servers", "Servers of all fleets", self.servers.clone());
        registry.register("rooms", "Rooms of all fleets", self.rooms.clone());
        registry.register(
            "room_writes_queued",
            "Writes for rooms that wait for a free request",
            self.writes_queued.clone(),
        );
    }
}

impl Metrics {
    /// All metrics in the text format of `OpenMetrics`.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.0.registry)?;
        Ok(text)
    }

    pub fn leading(&self, term: Option<u32>) {
        self.0.is_leader.set(term.is_some().into());
        self.0.term.set(term.unwrap_or_default().into());
    }

    pub fn server_created(&self, outcome: Outcome) {
        self.0.server_creations.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    pub fn server_deleted(&self, outcome: Outcome) {
        self.0.server_deletions.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    pub fn reconciled(&self, outcome: Outcome) {
        self.0.reconciliations.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    pub fn reconcile_timer(&self) -> Timer<'_> {
        Timer { histogram: &self.0.reconcile_seconds, since: Instant::now() }
    }

    pub fn fleet_status_written(&self, outcome: Outcome) {
        self.0.fleet_status_writes.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    pub fn room_action(&self, action: RoomAction, outcome: Outcome) {
        self.0.room_actions.get_or_create(&RoomLabel { action, outcome }).inc();
    }

    pub fn room_lost(&self) {
        self.0.rooms_lost.inc();
    }

    pub fn server_lost(&self, kind: Loss) {
        self.0.server_losses.get_or_create(&LossLabel { kind }).inc();
    }

    pub fn server_cut_off(&self) {
        self.0.servers_cut_off.inc();
    }

    pub fn room_placed(&self, seconds: f64) {
        self.0.placement_seconds.observe(seconds);
    }

    pub fn watch_failed(&self, kind: Kind) {
        self.0.watch_failures.get_or_create(&KindLabel { kind }).inc();
    }

    pub fn servers(&self, state: ServerState, count: usize) {
        self.0.servers.get_or_create(&ServerLabel { state }).set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub fn rooms(&self, state: RoomState, count: usize) {
        self.0.rooms.get_or_create(&RoomStateLabel { state }).set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub fn writes_queued(&self, count: usize) {
        self.0.writes_queued.set(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_lists_every_metric_with_its_meaning() {
        let manual = include_str!("../../docs/operations.md");
        let metrics = Metrics::default();
        // A family without a member is not written.
        metrics.server_created(Outcome::Applied);
        metrics.server_deleted(Outcome::Applied);
        metrics.reconciled(Outcome::Applied);
        metrics.fleet_status_written(Outcome::Applied);
        metrics.room_action(RoomAction::Claim, Outcome::Applied);
        metrics.watch_failed(Kind::Pod);
        metrics.server_lost(Loss::Hang);
        metrics.servers(ServerState::Ready, 1);
        metrics.rooms(RoomState::Running, 1);
        let metrics = metrics.encode().unwrap();
        let helps = metrics.lines().filter_map(|it| it.strip_prefix("# HELP ")?.split_once(' '));
        let helps: Vec<(&str, &str)> = helps.collect();
        assert!(10 < helps.len());
        for (name, meaning) in helps {
            let row = manual.lines().find(|it| it.starts_with(&format!("| `{name}")));
            let row = row.unwrap_or_else(|| panic!("{name} is not in docs/operations.md"));
            assert!(row.contains(meaning.trim_end_matches('.')), "{row} does not say: {meaning}");
        }
    }
}
