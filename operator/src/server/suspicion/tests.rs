//! The suspicions: one rule at a time, and seeded histories.

mod histories;
mod world;

use super::*;

const HANG_TIMEOUT: Duration = Duration::from_millis(300);

/// The suspicions, their clock, and short ways to talk to them.
struct Desk {
    suspicions: Suspicions,
    now: Instant,
    /// When the last attempt began.
    asked: Instant,
}

impl Desk {
    fn open() -> Self {
        let now = Instant::now();
        let mut desk = Self { suspicions: Suspicions::default(), now, asked: now };
        for (server, node) in [("a", "node-1"), ("b", "node-1"), ("c", "node-2")] {
            assert_eq!(desk.alive(server, node), []);
        }
        desk.pass(Duration::from_secs(7));
        desk
    }

    fn on(&mut self, event: Event) -> Vec<Command> {
        self.suspicions.on(event, self.now)
    }

    fn alive(&mut self, server: &str, node: &str) -> Vec<Command> {
        self.on(Event::Alive { server: server.into(), node: node.into() })
    }

    fn suspect(&mut self, server: &str, cause: Cause) -> Vec<Command> {
        self.asked = self.now;
        let node = if server == "c" { "node-2" } else { "node-1" };
        let event =
            Event::Suspected { server: server.into(), node: node.into(), cause, hang_timeout: HANG_TIMEOUT };
        self.on(event)
    }

    fn found(&mut self, whom: Whom, who: Who, finding: Finding) -> Vec<Command> {
        self.on(Event::Found { whom, who, finding, asked: self.asked })
    }

    /// Time passes, and every appointment is kept.
    fn pass(&mut self, time: Duration) -> Vec<Command> {
        let end = self.now + time;
        let mut commands = Vec::new();
        while let Some(at) = self.suspicions.next_wakeup().filter(|it| *it <= end) {
            self.now = at;
            commands.extend(self.on(Event::Tick));
        }
        self.now = end;
        commands
    }

    fn renewed(&mut self) {
        assert_eq!(self.on(Event::Renewed(self.now)), []);
    }

    fn heard(&mut self) {
        assert_eq!(self.on(Event::Heard(self.now)), []);
    }

    /// Nothing answers us nor witnesses, for so long.
    fn silence(&mut self, time: Duration) -> Vec<Command> {
        let mut commands = Vec::new();
        for _ in 0..time.as_millis() / 250 {
            self.asked = self.now;
            commands.extend(self.pass(Duration::from_millis(250)));
            for who in [Who::Us, Who::Witness] {
                for whom in [node_1(), server("a")] {
                    commands.extend(self.found(whom, who, Finding::Silent));
                }
            }
        }
        commands
    }
}

fn server(name: &str) -> Whom {
    Whom::Server(name.into())
}

fn just_before(time: Duration) -> Duration {
    time.saturating_sub(Duration::from_millis(1))
}

fn node_1() -> Whom {
    Whom::Node("node-1".into())
}

fn verdicts(commands: &[Command]) -> Vec<(&str, Verdict)> {
    let verdict = |it: &'_ Command| match it {
        Command::Lost { server, verdict, .. } => Some((server.clone(), *verdict)),
        _ => None,
    };
    let found: Vec<_> = commands.iter().filter_map(verdict).collect();
    found.into_iter().map(|(server, verdict)| (&*server.leak(), verdict)).collect()
}

#[test]
fn p3_i6_a_port_that_refuses_twice_proves_the_end_of_its_process() {
    for who in [Who::Us, Who::Witness] {
        let mut desk = Desk::open();
        let commands = desk.suspect("a", Cause::Broke);
        assert!(commands.contains(&Command::Ask(server("a"))), "{commands:?}");
        assert_eq!(verdicts(&desk.found(server("a"), Who::Us, Finding::Refused)), []);
        let commands = desk.pass(Duration::from_millis(50));
        assert!(commands.contains(&Command::Ask(server("a"))), "at once again: {commands:?}");
        let commands = desk.found(server("a"), who, Finding::Refused);
        assert_eq!(verdicts(&commands), [("a", Verdict::Proven)]);
        assert_eq!(verdicts(&desk.found(server("a"), who, Finding::Refused)), [], "once");
    }
}

#[test]
fn i6_one_refusal_proves_nothing_when_the_next_attempt_succeeds() {
    let mut desk = Desk::open();
    desk.suspect("a", Cause::Broke);
    desk.found(server("a"), Who::Us, Finding::Refused);
    desk.found(server("a"), Who::Us, Finding::Connected);
    assert_eq!(verdicts(&desk.found(server("a"), Who::Us, Finding::Refused)), []);
    desk.alive("a", "node-1");
    // A late answer to a question of before.
    desk.pass(Duration::from_millis(100));
    let asked = desk.asked;
    desk.suspect("a", Cause::Broke);
    desk.asked = asked;
    for _ in 0..3 {
        assert_eq!(verdicts(&desk.found(server("a"), Who::Us, Finding::Refused)), []);
    }
}

#[test]
fn p3_i6_a_kernel_that_answers_for_a_server_that_does_not_is_a_hang() {
    for (cause, certain) in
        [(Cause::Quiet, CONFIRM), (Cause::Broke, HANG_TIMEOUT + CONFIRM), (Cause::Unheard, GREETING)]
    {
        let mut desk = Desk::open();
        desk.suspect("a", cause);
        desk.found(server("a"), Who::Us, Finding::Connected);
        assert_eq!(verdicts(&desk.pass(just_before(certain))), [], "{cause:?}");
        assert_eq!(verdicts(&desk.pass(LOOK_EVERY)), [("a", Verdict::Hang)], "{cause:?}");
    }
}

#[test]
fn i6_a_beat_in_the_last_moment_ends_the_suspicion() {
    let mut desk = Desk::open();
    desk.suspect("a", Cause::Quiet);
    desk.found(server("a"), Who::Us, Finding::Connected);
    assert_eq!(verdicts(&desk.pass(just_before(CONFIRM))), []);
    assert_eq!(desk.alive("a", "node-1"), [], "nobody was told of more than a suspicion");
    assert_eq!(desk.pass(Duration::from_mins(1)), []);
}

#[test]
fn i6_a_hang_becomes_a_proof_when_the_process_is_killed_and_ends_when_it_is_back() {
    let mut desk = Desk::open();
    desk.suspect("a", Cause::Quiet);
    desk.found(server("a"), Who::Us, Finding::Connected);
    desk.pass(Duration::from_secs(1));
    desk.found(server("a"), Who::Us, Finding::Refused);
    let commands = desk.found(server("a"), Who::Us, Finding::Refused);
    assert_eq!(verdicts(&commands), [("a", Verdict::Proven)]);
    assert_eq!(desk.alive("a", "node-1"), [Command::Back { server: "a".into() }]);
}

#[test]
fn p3_i6_a_node_of_which_nothing_answers_is_presumed_lost_with_all_its_servers() {
    let mut desk = Desk::open();
    let mut commands = desk.suspect("a", Cause::Quiet);
    commands.extend(desk.suspect("b", Cause::Broke));
    assert!(commands.contains(&Command::Ask(node_1())), "{commands:?}");
    desk.pass(Duration::from_millis(1));
    desk.renewed();
    let commands = desk.silence(Duration::from_millis(750));
    assert!(commands.contains(&Command::AskWitnesses { whom: node_1(), node: "node-1".into() }));
    assert_eq!(verdicts(&commands), []);
    let both = [("a", Verdict::Presumed), ("b", Verdict::Presumed)];
    assert_eq!(verdicts(&desk.silence(Duration::from_millis(500))), both);
}

#[test]
fn i6_without_a_witness_a_node_is_given_more_time() {
    let mut desk = Desk::open();
    desk.suspect("a", Cause::Quiet);
    desk.pass(Duration::from_millis(1));
    desk.renewed();
    for (time, expected) in [(2900, vec![]), (200, vec![("a", Verdict::Presumed)])] {
        desk.asked = desk.now;
        desk.found(node_1(), Who::Us, Finding::Silent);
        assert_eq!(verdicts(&desk.pass(Duration::from_millis(time))), expected);
    }
}

#[test]
fn i6_whoever_answers_anybody_is_not_presumed_lost_but_told_to_be_out_of_reach() {
    for (whom, who, is_reached) in
        [(node_1(), Who::Us, false), (node_1(), Who::Witness, false), (server("a"), Who::Witness, true)]
    {
        for finding in [Finding::Connected, Finding::Refused] {
            if finding == Finding::Refused && is_reached {
                continue;
            }
            let mut desk = Desk::open();
            desk.suspect("a", Cause::Quiet);
            let mut commands = Vec::new();
            for _ in 0..20 {
                desk.asked = desk.now;
                desk.renewed();
                commands.extend(desk.pass(ASK_EVERY));
                desk.found(server("a"), Who::Us, Finding::Silent);
                desk.found(node_1(), Who::Us, Finding::Silent);
                commands.extend(desk.found(whom.clone(), who, finding));
            }
            assert_eq!(verdicts(&commands), [], "{whom:?}");
            let told = commands.iter().filter_map(|it| match it {
                Command::CutOff { server, node, is_reached, since, noticed } => {
                    assert_eq!(*noticed - *since, HANG_TIMEOUT, "it was quiet for so long before");
                    Some((server.as_str(), node.as_str(), *is_reached))
                }
                _ => None,
            });
            assert_eq!(told.collect::<Vec<_>>(), [("a", "node-1", is_reached)], "{whom:?}: {commands:?}");
            assert_eq!(desk.alive("a", "node-1"), [Command::Back { server: "a".into() }]);
        }
    }
}

#[test]
fn i6_who_is_cut_off_itself_presumes_nothing() {
    let mut desk = Desk::open();
    desk.renewed();
    desk.pass(Duration::from_millis(1));
    desk.suspect("a", Cause::Quiet);
    assert_eq!(verdicts(&desk.silence(Duration::from_mins(1))), [], "the lease was not renewed since");
    desk.renewed();
    // What was asked before says nothing: we are back, and the answer may be on its way.
    desk.asked = desk.asked.checked_sub(Duration::from_millis(1)).unwrap();
    assert_eq!(verdicts(&desk.found(node_1(), Who::Us, Finding::Silent)), []);
    assert_eq!(verdicts(&desk.pass(LOOK_EVERY)), []);
    assert_eq!(verdicts(&desk.silence(Duration::from_millis(500))), [("a", Verdict::Presumed)]);
}

#[test]
fn i6_when_several_nodes_are_silent_the_operator_looks_at_itself_first() {
    for is_heard in [false, true] {
        let mut desk = Desk::open();
        desk.suspect("a", Cause::Quiet);
        desk.suspect("c", Cause::Quiet);
        desk.pass(Duration::from_millis(1));
        desk.renewed();
        if is_heard {
            desk.heard();
        }
        desk.asked = desk.now;
        desk.found(Whom::Node("node-2".into()), Who::Us, Finding::Silent);
        let commands = desk.silence(Duration::from_millis(1500));
        let expected: &[_] = if is_heard { &[("a", Verdict::Presumed)] } else { &[] };
        assert_eq!(verdicts(&commands), expected);
        let commands = desk.silence(DOUBT_MYSELF_MOST);
        assert_eq!(verdicts(&commands).len(), 2 - expected.len(), "not for ever");
    }
}

#[test]
fn i6_when_several_servers_hang_the_operator_looks_at_itself_first() {
    for is_heard in [false, true] {
        let mut desk = Desk::open();
        for server_name in ["a", "c"] {
            desk.suspect(server_name, Cause::Quiet);
            desk.found(server(server_name), Who::Us, Finding::Connected);
        }
        desk.pass(Duration::from_millis(10));
        if is_heard {
            desk.heard();
        }
        let commands = desk.pass(Duration::from_millis(200));
        assert_eq!(verdicts(&commands).len(), if is_heard { 2 } else { 0 });
        let commands = desk.pass(DOUBT_MYSELF);
        assert_eq!(verdicts(&commands).len(), if is_heard { 0 } else { 2 }, "not for ever");
    }
}

#[test]
fn i6_who_stood_still_begins_anew() {
    let mut desk = Desk::open();
    desk.suspect("a", Cause::Quiet);
    desk.found(server("a"), Who::Us, Finding::Connected);
    desk.pass(Duration::from_millis(100));
    // Nobody kept the appointment.
    desk.now += STANDSTILL + LOOK_EVERY + Duration::from_millis(1);
    let commands = desk.on(Event::Tick);
    assert_eq!(verdicts(&commands), []);
    assert!(commands.contains(&Command::Ask(server("a"))), "asked anew: {commands:?}");
    // What was asked before counts for nothing.
    desk.found(server("a"), Who::Us, Finding::Connected);
    assert_eq!(verdicts(&desk.pass(Duration::from_millis(400))), []);
    desk.asked = desk.now;
    desk.found(server("a"), Who::Us, Finding::Connected);
    assert_eq!(verdicts(&desk.pass(just_before(CONFIRM))), []);
    assert_eq!(verdicts(&desk.pass(LOOK_EVERY)), [("a", Verdict::Hang)]);
}

#[test]
fn i6_whoever_is_within_reach_again_is_greeted_anew_before_it_is_judged() {
    // Also without a stream: its link may pause for seconds before it dials again.
    for (cause, certain) in [
        (Cause::Quiet, HANG_TIMEOUT + CONFIRM),
        (Cause::Broke, HANG_TIMEOUT + CONFIRM),
        (Cause::Unheard, GREETING),
    ] {
        let mut desk = Desk::open();
        desk.suspect("a", cause);
        desk.found(server("a"), Who::Us, Finding::Silent);
        desk.pass(Duration::from_millis(900));
        let greet = Command::Greet { server: "a".into() };
        assert!(desk.found(server("a"), Who::Us, Finding::Connected).contains(&greet), "{cause:?}");
        assert!(!desk.found(server("a"), Who::Us, Finding::Connected).contains(&greet), "once");
        assert_eq!(verdicts(&desk.pass(just_before(certain))), []);
        assert_eq!(verdicts(&desk.pass(LOOK_EVERY)), [("a", Verdict::Hang)]);
    }
}

#[test]
fn i6_the_loss_of_a_node_with_many_servers_is_found_with_few_attempts() {
    let mut desk = Desk::open();
    let names: Vec<String> = (0..300).map(|it| format!("s{it:03}")).collect();
    let mut commands = Vec::new();
    for name in &names {
        commands.extend(desk.suspect(name, Cause::Quiet));
    }
    desk.pass(Duration::from_millis(1));
    desk.renewed();
    for _ in 0..5 {
        desk.asked = desk.now;
        commands.extend(desk.pass(ASK_EVERY));
        commands.extend(desk.found(node_1(), Who::Us, Finding::Silent));
        commands.extend(desk.found(node_1(), Who::Witness, Finding::Silent));
    }
    assert_eq!(verdicts(&commands).len(), names.len());
    let attempts = commands.iter().filter(|it| matches!(it, Command::Ask(_) | Command::AskWitnesses { .. }));
    assert!(attempts.count() < 60);
}

#[test]
fn i5_a_leader_that_hears_nobody_yet_tells_of_it_only_when_it_has_looked() {
    let mut desk = Desk::open();
    let commands = desk.suspect("a", Cause::Unheard);
    assert!(!commands.iter().any(|it| matches!(it, Command::Tell { .. })), "{commands:?}");
    let commands = desk.found(server("a"), Who::Us, Finding::Silent);
    assert!(commands.iter().any(|it| matches!(it, Command::Tell { .. })), "{commands:?}");
}

#[test]
fn whoever_has_ended_is_not_suspected_any_more() {
    let mut desk = Desk::open();
    desk.suspect("a", Cause::Broke);
    assert_eq!(desk.on(Event::Gone { server: "a".into() }), []);
    assert_eq!(desk.found(server("a"), Who::Us, Finding::Refused), []);
    assert_eq!(desk.pass(Duration::from_mins(1)), []);
    assert_eq!(desk.suspicions.next_wakeup(), None);
}
