//! The plan, case by case, and what holds for every fleet.

use std::collections::BTreeMap;

use gamekeeper_crds::fleet::PlacementStrategy;
use proptest::prelude::*;

use super::*;
use crate::{
    server::{
        Claim,
        pod::{Exit, Process},
    },
    terms::Epoch,
};

const NEW: &str = "new";
const OLD: &str = "old";

fn valid(desired: usize, max_surge: usize, max_unavailable: usize) -> Valid {
    Valid {
        desired,
        max_surge,
        max_unavailable,
        serving: Arc::default(),
        start_timeout: Duration::from_mins(1),
        strategy: PlacementStrategy::Packed,
        history_limit: 10,
        template: gamekeeper_crds::PodTemplate::default(),
    }
}

/// A ready server of the newest revision.
fn server(name: &str, now: Instant) -> Server {
    let pod = ServerPod {
        namespace: "games".into(),
        name: name.into(),
        uid: format!("uid-{name}"),
        resource_version: "7".into(),
        fleet: "arena".into(),
        revision: NEW.into(),
        labels: BTreeMap::new(),
        node: Some("node-1".into()),
        ip: None,
        host_ports: Vec::new(),
        control_port: None,
        claim: None,
        failures: 0,
        is_deleting: false,
        is_ready: true,
        process: Process::Running,
        unschedulable: None,
    };
    let history = History { scheduled: Some(now), ready: Some(now), ..History::default() };
    Server {
        pod: Arc::new(pod),
        health: Health::Ready,
        history,
        is_busy: false,
        is_quiet: false,
        link: None,
        is_on_cordoned_node: false,
        has_better_ports: false,
    }
}

impl Server {
    fn with(mut self, change: impl FnOnce(&mut ServerPod)) -> Self {
        change(Arc::make_mut(&mut self.pod));
        self
    }

    fn old(self) -> Self {
        self.with(|it| it.revision = OLD.into())
    }

    fn busy(mut self) -> Self {
        let claim = Claim { room_name: "duel".into(), room_uid: "r".into(), epoch: Epoch::new(1, 1) };
        self.is_busy = true;
        self.with(|it| it.claim = Some(claim))
    }

    /// A controlled server that talks to us.
    fn linked(mut self) -> Self {
        self.link = Some(LinkState { is_up: true, is_retired: false });
        self.with(|it| it.control_port = Some(9600))
    }

    fn retired(mut self) -> Self {
        self = self.linked();
        self.link = Some(LinkState { is_up: true, is_retired: true });
        self
    }

    fn starting(mut self, since: Instant) -> Self {
        self.health = Health::Starting;
        self.history = History { scheduled: Some(since), unready: Some(since), ..History::default() };
        self.with(|it| it.is_ready = false)
    }

    fn ended(mut self, code: i32, failures: u32, at: Instant) -> Self {
        self.health = Health::Starting;
        self.history.ended = Some(at);
        self.with(|it| (it.process, it.failures) = (Process::Ended(Exit { code }), failures))
    }

    /// Its room was told of its end.
    fn mourned(mut self) -> Self {
        self.is_busy = false;
        self
    }

    fn cordoned(mut self) -> Self {
        self.is_on_cordoned_node = true;
        self
    }
}

fn deleted(plan: &Plan) -> Vec<&str> {
    plan.delete.iter().map(|it| it.pod_name.as_str()).collect()
}

#[test]
fn a_fleet_grows_to_what_is_wanted() {
    let now = Instant::now();
    let made = plan(&valid(4, 1, 1), NEW, &[server("a", now)], now);
    assert_eq!((made.create, made.delete), (vec![0, 0, 0], vec![]));
}

#[test]
fn p6_scaling_down_removes_empty_servers_only() {
    let now = Instant::now();
    let servers = [server("a", now).busy(), server("b", now), server("c", now).busy(), server("d", now)];
    let plan = plan(&valid(1, 1, 1), NEW, &servers, now);
    assert_eq!(deleted(&plan), ["b", "d"]);
    assert_eq!(plan.create, [0; 0]);
    assert_eq!(plan.census.busy, 2);
}

#[test]
fn packed_empties_the_node_with_the_fewest_rooms_first() {
    let now = Instant::now();
    let on = |server: Server, node: &str| server.with(|it| it.node = Some(node.into()));
    let servers = [
        on(server("a", now).busy(), "node-2"),
        on(server("b", now), "node-2"),
        on(server("c", now), "node-1"),
    ];
    assert_eq!(deleted(&plan(&valid(2, 1, 1), NEW, &servers, now)), ["c"]);
}

#[test]
fn p5_a_rollout_surges_and_leaves_busy_servers_until_their_match_ends() {
    let now = Instant::now();
    let servers = [
        server("a", now).old().busy(),
        server("b", now).old(),
        server("c", now).old(),
        server("d", now).old(),
    ];
    let first = plan(&valid(4, 1, 1), NEW, &servers, now);
    assert_eq!((first.create.len(), deleted(&first).len()), (1, 1), "one more, and one may be missing");
    assert!(!deleted(&first).contains(&"a"));
    let servers = [
        server("a", now).old().busy(),
        server("w", now),
        server("x", now),
        server("y", now),
        server("z", now),
    ];
    let last = plan(&valid(4, 1, 1), NEW, &servers, now);
    assert_eq!((last.create.len(), deleted(&last)), (0, vec![]), "the old one plays on beside four new ones");
}

#[test]
fn a_failed_server_is_replaced_at_once_and_then_ever_more_slowly() {
    let now = Instant::now();
    for (failures, pause) in [(0, 0), (1, 1), (2, 2), (3, 4), (20, 300)] {
        let servers = [server("a", now).ended(1, failures, now)];
        let early = plan(&valid(1, 1, 1), NEW, &servers, now);
        if 0 < pause {
            assert_eq!((early.create.len(), deleted(&early)), (0, vec![]), "after {failures} failures");
            assert_eq!(early.wake, Some(now + Duration::from_secs(pause)));
        }
        let due = plan(&valid(1, 1, 1), NEW, &servers, now + Duration::from_secs(pause));
        assert_eq!((due.create, due.delete.len()), (vec![failures + 1], 1), "after {failures} failures");
    }
}

#[test]
fn a_server_that_was_ready_for_long_starts_the_count_of_failures_anew() {
    let now = Instant::now();
    let end = now + Duration::from_mins(5);
    let servers = [server("a", now).ended(1, 9, end)];
    assert_eq!(plan(&valid(1, 1, 1), NEW, &servers, end).create, [1]);
}

#[test]
fn a_new_revision_does_not_wait_for_the_failures_of_an_older_one() {
    let now = Instant::now();
    let servers = [server("a", now).old().ended(1, 9, now)];
    let made = plan(&valid(1, 1, 1), NEW, &servers, now);
    assert_eq!(
        (made.census.failures, deleted(&made), made.create.as_slice()),
        (0, vec!["a"], [0].as_slice())
    );
}

#[test]
fn who_has_stood_for_long_has_ended_the_crash_loop() {
    let now = Instant::now();
    let servers = [server("a", now).with(|it| it.failures = 9)];
    let early = plan(&valid(1, 1, 1), NEW, &servers, now);
    assert_eq!((early.census.failures, early.wake), (9, Some(now + Duration::from_mins(5))));
    let late = plan(&valid(1, 1, 1), NEW, &servers, now + Duration::from_mins(5));
    assert_eq!((late.census.failures, late.wake), (0, None));
}

#[test]
fn an_ended_server_with_a_claim_is_the_ledgers_and_is_replaced_at_once() {
    let now = Instant::now();
    let servers = [server("a", now).busy().ended(0, 0, now)];
    let plan = plan(&valid(1, 1, 1), NEW, &servers, now);
    assert_eq!((plan.create, plan.delete), (vec![0], vec![]));
}

#[test]
fn a_server_that_failed_under_its_match_is_braked_like_any_other_once_its_room_was_told() {
    let now = Instant::now();
    let later = now + Duration::from_secs(4);
    let failed = || server("a", now).busy().ended(1, 3, now);
    let early = plan(&valid(1, 1, 1), NEW, &[failed()], later);
    assert_eq!((early.create, early.delete), (vec![], vec![]), "its room is still to be told");
    let braked = plan(&valid(1, 1, 1), NEW, &[failed().mourned()], now);
    assert_eq!((braked.create, braked.delete, braked.wake), (vec![], vec![], Some(later)));
    let due = plan(&valid(1, 1, 1), NEW, &[failed().mourned()], later);
    assert_eq!((due.create.as_slice(), deleted(&due)), ([4].as_slice(), vec!["a"]));
    let unwanted = plan(&valid(0, 1, 1), NEW, &[failed(), failed().mourned()], now);
    assert_eq!(unwanted.delete.len(), 1, "of a fleet scaled to nothing only the one that nobody asks for");
}

#[test]
fn i9_a_controlled_server_retires_before_it_is_removed() {
    let now = Instant::now();
    let asked = plan(&valid(0, 1, 1), NEW, &[server("a", now).linked()], now);
    assert_eq!((deleted(&asked), asked.retire.clone()), (vec![], vec!["uid-a".to_owned()]));
    let agreed = plan(&valid(0, 1, 1), NEW, &[server("a", now).retired()], now);
    assert_eq!((deleted(&agreed), agreed.retire.clone()), (vec!["a"], vec![]));
    let wanted = plan(&valid(1, 1, 1), NEW, &[server("a", now).retired()], now);
    assert_eq!((deleted(&wanted), wanted.create.len()), (vec!["a"], 1), "it is good for nothing any more");
}

#[test]
fn i5_a_controlled_server_that_was_not_heard_yet_is_not_scaled_away() {
    let now = Instant::now();
    let mut unheard = server("a", now).linked();
    (unheard.link, unheard.health) = (None, Health::Unknown);
    let early = plan(&valid(0, 1, 1), NEW, &[unheard.clone()], now);
    assert_eq!((deleted(&early), early.retire.clone()), (vec![], vec![]));
    let late = plan(&valid(0, 1, 1), NEW, &[unheard], now + Duration::from_mins(1));
    assert_eq!(deleted(&late), ["a"], "it was not ready in time, and no room is known to be on it");
}

#[test]
fn p6_controlled_servers_with_rooms_are_drained_when_they_are_too_many_or_too_old() {
    let now = Instant::now();
    let busy = |name: &str| server(name, now).busy().linked();
    let shrunk = plan(&valid(1, 0, 1), NEW, &[busy("a"), busy("b"), busy("c")], now);
    assert_eq!((shrunk.drain.len(), deleted(&shrunk), shrunk.retire.len()), (2, vec![], 0));
    let old = [busy("a").old(), busy("b").old(), server("c", now).linked()];
    let rolling = plan(&valid(3, 0, 1), NEW, &old, now);
    assert_eq!(rolling.drain.len(), 1, "two of three have to take rooms: {rolling:?}");
    assert_eq!(plan(&valid(3, 0, 1), NEW, &[busy("a"), busy("b"), busy("c")], now).drain.len(), 0);
}

#[test]
fn a_server_that_is_not_ready_in_time_has_failed() {
    let now = Instant::now();
    let servers = [server("a", now).starting(now)];
    let early = plan(&valid(1, 1, 1), NEW, &servers, now + Duration::from_secs(59));
    assert_eq!((early.create.len(), early.wake), (0, Some(now + Duration::from_mins(1))));
    let late = plan(&valid(1, 1, 1), NEW, &servers, now + Duration::from_mins(1));
    assert_eq!((late.create, late.delete[0].why), (vec![1], "it was not ready in time"));
}

#[test]
fn i6_when_all_servers_fall_silent_at_once_the_operator_doubts_itself() {
    let now = Instant::now();
    let silent = |name| {
        let mut server = server(name, now);
        (server.health, server.history.unready) = (Health::Unhealthy, Some(now));
        server
    };
    assert_eq!(deleted(&plan(&valid(2, 1, 1), NEW, &[silent("a"), server("b", now)], now)), ["a"]);
    assert_eq!(deleted(&plan(&valid(2, 1, 1), NEW, &[silent("a"), silent("b")], now)), [""; 0]);
    let later = now + Duration::from_mins(1);
    assert_eq!(deleted(&plan(&valid(2, 1, 1), NEW, &[silent("a"), silent("b")], later)).len(), 2);
}

#[test]
fn servers_leave_a_cordoned_node_when_others_stand_in_for_them() {
    let now = Instant::now();
    let servers = [server("a", now).cordoned(), server("b", now).cordoned().busy()];
    let first = plan(&valid(2, 1, 0), NEW, &servers, now);
    assert_eq!(
        (first.create.len(), deleted(&first)),
        (1, vec![]),
        "the busy one stays, the free one is replaced first"
    );
    let servers = [server("a", now).cordoned(), server("b", now).cordoned().busy(), server("c", now)];
    assert_eq!(deleted(&plan(&valid(2, 1, 0), NEW, &servers, now)), ["a"]);
}

#[test]
fn a_pod_that_lacks_a_free_port_is_made_again_if_there_is_a_better_one() {
    let now = Instant::now();
    let stuck = |is_better| {
        let mut server = server("a", now).with(|it| (it.node, it.is_ready) = (None, false));
        server.health = Health::Starting;
        server.history = History { unschedulable: Some(now), ..History::default() };
        server.has_better_ports = is_better;
        server
    };
    let later = now + PORT_PATIENCE;
    assert_eq!(plan(&valid(1, 1, 1), NEW, &[stuck(false)], later).delete, []);
    assert_eq!(plan(&valid(1, 1, 1), NEW, &[stuck(true)], now).delete, []);
    assert_eq!(deleted(&plan(&valid(1, 1, 1), NEW, &[stuck(true)], later)), ["a"]);
}

/// Any server at all.
fn any_server(now: Instant) -> impl Strategy<Value = Server> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), 0..6u8, 0..5u32);
    (0..1_000_000u32, flags).prop_map(
        move |(id, (is_old, is_busy, is_cordoned, is_deleting, state, failures))| {
            let mut it = server(&format!("s{id}"), now).with(|it| {
                it.is_deleting = is_deleting;
                it.failures = failures;
                it.node = Some(format!("node-{}", id % 3));
            });
            it.is_on_cordoned_node = is_cordoned;
            it = if is_old { it.old() } else { it };
            it = if is_busy { it.busy() } else { it };
            match state {
                0 => it.starting(now),
                1 => it.ended(1, failures, now),
                3 => it.ended(1, failures, now).mourned(),
                2 => {
                    it.health = Health::Unhealthy;
                    it
                }
                _ => it,
            }
        },
    )
}

/// What the plan does to the servers; what it starts becomes ready.
fn carried_out(servers: &[Server], plan: &Plan, round: usize, now: Instant) -> Vec<Server> {
    let is_doomed = |it: &Server| plan.delete.iter().any(|doomed| doomed.uid == it.pod.uid);
    let mut next: Vec<Server> =
        servers.iter().filter(|it| !is_doomed(it) && !it.pod.is_deleting).cloned().collect();
    for server in &mut next {
        if server.is_active() && server.health == Health::Starting {
            (server.health, server.history.ready) = (Health::Ready, Some(now));
        }
        // Its room is told.
        server.is_busy &= !server.has_failed();
    }
    let new = plan.create.iter().enumerate();
    next.extend(new.map(|(index, failures)| {
        server(&format!("new-{round}-{index}"), now).with(|it| it.failures = *failures)
    }));
    next
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn p5_p6_no_plan_ends_a_match_and_every_fleet_comes_to_rest(
        seeds in proptest::collection::vec(any_server(Instant::now()), 0..12),
        desired in 0..8usize,
        surge in 0..3usize,
        unavailable in 0..3usize,
    ) {
        let now = Instant::now();
        let valid = valid(desired, surge, if surge == 0 { unavailable.max(1) } else { unavailable });
        let mut servers = seeds;
        servers.sort_by_key(|it| it.pod.name.clone());
        servers.dedup_by_key(|it| it.pod.name.clone());
        let mut now = now;
        for round in 0.. {
            prop_assert!(round < 60, "no rest: {:?}", plan(&valid, NEW, &servers, now));
            let made = plan(&valid, NEW, &servers, now);
            for doomed in &made.delete {
                let server = servers.iter().find(|it| it.pod.uid == doomed.uid).unwrap();
                prop_assert!(!server.is_busy, "P6: a match is ended");
                prop_assert!(!server.pod.is_deleting, "deleted twice");
            }
            let staying = servers.iter().filter(|it| it.is_active() && !it.is_leaving()).count();
            prop_assert!(made.create.len() + staying <= (desired + surge).max(staying) + made.delete.len(), "too many are started");
            let is_told = servers.iter().all(|it| !it.is_busy || !it.has_failed());
            if is_told && made.create.is_empty() && made.delete.is_empty() && made.wake.is_none() {
                break;
            }
            servers = carried_out(&servers, &made, round, now);
            now = made.wake.unwrap_or(now).max(now);
        }
        let picture: Vec<_> = servers.iter().map(|it| (&it.pod.name, &it.pod.revision, it.is_busy, it.is_active(), it.health, it.is_on_cordoned_node)).collect();
        let busy = servers.iter().filter(|it| it.is_active() && it.is_busy).count();
        let active = servers.iter().filter(|it| it.is_active()).count();
        let old_busy = servers.iter().filter(|it| it.is_active() && it.is_busy && !it.is_of(NEW)).count();
        // Someone ready stands in for a server that is not and cannot go because of its match.
        let unready = servers.iter().filter(|it| it.is_active() && it.is_busy && !it.is_ready()).count();
        prop_assert!(active <= desired.max(busy) + unready + if 0 < old_busy { surge } else { 0 }, "too many at rest: {picture:?}");
        prop_assert!(desired.min(active) == desired, "too few at rest: {picture:?}");
        prop_assert!(0 < unready || servers.iter().all(|it| it.is_busy || !it.is_active() || it.is_of(NEW)), "an old server without a match is left: {picture:?}");
    }
}

#[test]
fn i9_a_controlled_server_that_falls_silent_is_given_time_to_come_back() {
    let now = Instant::now();
    let quiet = |is_up| {
        let mut server = server("a", now).linked();
        (server.health, server.history.unready, server.is_quiet) = (Health::Unhealthy, Some(now), true);
        server.link = Some(LinkState { is_up, is_retired: false });
        server
    };
    for is_up in [false, true] {
        let servers = [quiet(is_up), server("b", now)];
        let early = plan(&valid(2, 1, 1), NEW, &servers, now + Duration::from_secs(59));
        assert_eq!((early.create.len(), early.delete.len(), early.retire.len()), (0, 0, 0));
        let late = plan(&valid(2, 1, 1), NEW, &servers, now + Duration::from_mins(1));
        assert_eq!((late.create.len(), late.delete.len() + late.retire.len()), (1, 1));
    }
}
