//! What is answered to what.

use super::*;

/// A host, and what it says in short.
struct Case {
    host: Host,
    now: Duration,
}

/// `duel@5`.
fn short(tenancy: &Tenancy) -> String {
    format!("{}@{}", tenancy.name, tenancy.epoch)
}

fn say(report: &Report) -> String {
    match report {
        Report::Welcome(Welcome { protocol, is_retired, is_draining, rooms }) => {
            let room = |it: &Hosted| format!(" {} {:?} {}", short(&it.tenancy), it.now.phase, it.now.players);
            let rooms: String = rooms.iter().map(room).collect();
            let flags = [(*is_retired, " retired"), (*is_draining, " draining")];
            let flags: String = flags.iter().filter(|it| it.0).map(|it| it.1).collect();
            format!("Welcome v{protocol}{flags}{rooms}")
        }
        Report::HelloRefused { why, highest_term } => format!("HelloRefused {why:?} {highest_term}"),
        Report::Opened(it) => format!("Opened {}", short(it)),
        Report::Refused { tenancy, why, current, message } => {
            assert!(!message.is_empty(), "a refusal says why");
            let current = current.map(|it| format!(" {it}")).unwrap_or_default();
            format!("Refused {} {why:?}{current}", short(tenancy))
        }
        Report::RoomState { tenancy, phase, players } => {
            format!("RoomState {} {phase:?} {players}", short(tenancy))
        }
        Report::Finished(it, ending) => format!("Finished {} {}", short(it), ending.values()["winner"]),
        Report::Closed(it) => format!("Closed {}", short(it)),
        Report::Draining(it) => format!("Draining {it}"),
        Report::Retired { is_retired, rooms } => format!("Retired {is_retired} {rooms}"),
        Report::Fault(it, message) => format!("Fault {} {message}", short(it)),
    }
}

fn show(action: &Action) -> String {
    match action {
        Action::Send(stream, report) => format!("{}: {}", stream.0, say(report)),
        Action::Beat(stream, _) => format!("beat {}", stream.0),
        Action::End(stream) => format!("end {}", stream.0),
        Action::Replace(stream) => format!("replace {}", stream.0),
        Action::Make(room, order) => format!("make {} {}", room.0, short(&order.tenancy)),
        Action::Run(room, tenancy) => format!("run {} {}", room.0, short(tenancy)),
        Action::Adopt(room, epoch) => format!("adopt {} {epoch}", room.0),
        Action::Shut(room) => format!("shut {}", room.0),
        Action::Drop(room) => format!("drop {}", room.0),
    }
}

impl Case {
    fn new(capacity: usize) -> Self {
        Self { host: Host::new(capacity), now: Duration::from_secs(100) }
    }

    /// One that an operator of term 7 talks to.
    fn greeted(capacity: usize) -> Self {
        let mut case = Self::new(capacity);
        assert_eq!(case.hello(1, 7), ["1: Welcome v1", "beat 1"]);
        case
    }

    fn on(&mut self, event: Event) -> Vec<String> {
        self.host.on(event, self.now).iter().map(show).collect()
    }

    fn hello(&mut self, stream: u64, term: u32) -> Vec<String> {
        let (stream, protocol) = (StreamId(stream), Some(1));
        self.on(Event::Greeted { stream, term, protocol, heartbeat: Duration::from_millis(100) })
    }

    /// On the latest stream.
    fn ask(&mut self, command: Command) -> Vec<String> {
        let stream = self.host.stream.unwrap_or(StreamId(99));
        self.on(Event::Asked(stream, command))
    }

    fn open(&mut self, name: &str, epoch: i64) -> Vec<String> {
        self.ask(Command::Open(order(name, epoch)))
    }

    fn close(&mut self, name: &str, epoch: i64) -> Vec<String> {
        self.ask(Command::Close(tenancy(name, epoch)))
    }

    fn made(&mut self, room: u64) -> Vec<String> {
        self.on(Event::Made { room: RoomNumber(room), outcome: Ok(()) })
    }

    fn not_made(&mut self, room: u64) -> Vec<String> {
        self.on(Event::Made { room: RoomNumber(room), outcome: Err("no such map".to_owned()) })
    }

    fn changed(&mut self, room: u64, state: RoomNow) -> Vec<String> {
        self.on(Event::Changed(RoomNumber(room), state))
    }

    fn gone(&mut self, room: u64) -> Vec<String> {
        self.on(Event::Gone(RoomNumber(room)))
    }

    fn broke(&mut self, room: u64) -> Vec<String> {
        self.on(Event::Broke { room: RoomNumber(room), message: "it broke".to_owned() })
    }

    /// Opens a room that is not here, and returns its number.
    fn opened(&mut self, name: &str, epoch: i64) -> u64 {
        let asked = self.open(name, epoch);
        let number = self.host.table.find(&format!("uid-of-{name}")).unwrap().0.0;
        assert_eq!(asked, [format!("make {number} {name}@{epoch}")]);
        let run = format!("run {number} {name}@{epoch}");
        let stream = self.host.stream.unwrap().0;
        assert_eq!(self.made(number), [run, format!("{stream}: Opened {name}@{epoch}")]);
        number
    }

    /// Opens a room and plays it to its end.
    fn finished(&mut self, name: &str, epoch: i64) -> u64 {
        let number = self.opened(name, epoch);
        let stream = self.host.stream.unwrap().0;
        let finished = [
            format!("shut {number}"),
            format!("{stream}: RoomState {name}@{epoch} Finished 3"),
            format!("{stream}: Finished {name}@{epoch} ann"),
        ];
        assert_eq!(self.changed(number, over(3, "ann")), finished);
        number
    }

    fn pass(&mut self, millis: u64) -> Vec<String> {
        self.now += Duration::from_millis(millis);
        if self.host.next_due().is_none_or(|it| self.now < it) {
            return vec!["nothing due".to_owned()];
        }
        self.on(Event::TimePassed)
    }
}

const NOTHING: [&str; 0] = [];

#[test]
fn a_lower_term_is_refused_and_a_higher_or_the_same_one_replaces_the_stream() {
    let mut case = Case::greeted(3);
    assert_eq!(case.hello(2, 6), ["2: HelloRefused Term 7", "end 2"]);
    assert_eq!(case.hello(3, 7), ["replace 1", "3: Welcome v1", "beat 3"]);
    assert_eq!(case.hello(4, 9), ["replace 3", "4: Welcome v1", "beat 4"]);
    assert_eq!(case.hello(5, 8), ["5: HelloRefused Term 9", "end 5"]);
    case.on(Event::StreamEnded(StreamId(4)));
    assert_eq!(case.hello(6, 8), ["6: HelloRefused Term 9", "end 6"], "a term outlives its stream");
    assert_eq!(case.hello(7, 9), ["7: Welcome v1", "beat 7"]);
}

#[test]
fn a_stream_that_does_not_count_has_no_effect() {
    let mut case = Case::greeted(3);
    let number = case.opened("duel", 5);
    case.hello(2, 8);
    for command in [
        Command::Open(order("other", 6)),
        Command::Close(tenancy("duel", 9)),
        Command::Drain(true),
        Command::Retire,
        Command::Unsupported { tenancy: tenancy("duel", 9), message: "no".to_owned() },
    ] {
        assert_eq!(case.on(Event::Asked(StreamId(1), command.clone())), NOTHING, "{command:?}");
        assert_eq!(case.on(Event::Asked(StreamId(77), command.clone())), NOTHING, "{command:?}");
    }
    case.on(Event::StreamEnded(StreamId(1)));
    let state = case.changed(number, state(Phase::Playing, 2));
    assert_eq!(state, ["2: RoomState duel@5 Playing 2"], "the end of an old stream is no news");
}

#[test]
fn an_operator_of_another_protocol_is_refused_and_its_term_not_noted() {
    let mut case = Case::greeted(3);
    let hello = |term| Event::Greeted {
        stream: StreamId(2),
        term,
        protocol: None,
        heartbeat: Duration::from_secs(1),
    };
    assert_eq!(case.on(hello(8)), ["2: HelloRefused Protocol 7", "end 2"]);
    assert_eq!(case.open("duel", 5), ["make 1 duel@5"], "the stream before goes on");
}

#[test]
fn a_garbled_stream_ends_and_is_told_so() {
    let mut case = Case::greeted(3);
    assert_eq!(case.on(Event::Garbled(StreamId(2))), ["2: HelloRefused Malformed 7", "end 2"]);
    assert_eq!(case.on(Event::Garbled(StreamId(1))), ["1: HelloRefused Malformed 7", "end 1"]);
    assert_eq!(case.on(Event::Asked(StreamId(1), Command::Drain(true))), NOTHING);
    assert_eq!(Case::new(1).on(Event::Garbled(StreamId(1))), ["1: HelloRefused Malformed 0", "end 1"]);
}

#[test]
fn open_is_idempotent_and_epochs_only_grow() {
    let mut case = Case::greeted(3);
    let number = case.opened("duel", 5);
    assert_eq!(case.open("duel", 5), ["1: Opened duel@5"]);
    assert_eq!(case.open("duel", 4), ["1: Refused duel@4 Epoch 5"]);
    assert_eq!(case.open("duel", 6), [format!("adopt {number} 6"), "1: Opened duel@6".to_owned()]);
    assert_eq!(case.open("duel", 5), ["1: Refused duel@5 Epoch 6"]);
    assert_eq!(case.changed(number, state(Phase::Playing, 1)), ["1: RoomState duel@6 Playing 1"]);
}

#[test]
fn a_room_that_is_being_opened_answers_the_latest_open() {
    let mut case = Case::greeted(3);
    assert_eq!(case.open("duel", 5), ["make 1 duel@5"]);
    assert_eq!(case.open("duel", 5), NOTHING, "one answer is enough");
    assert_eq!(case.open("duel", 6), ["1: Refused duel@5 Epoch 6"]);
    assert_eq!(case.made(1), ["run 1 duel@6", "1: Opened duel@6"]);
}

#[test]
fn a_game_that_declines_is_refused_and_forgotten() {
    let mut case = Case::greeted(1);
    case.open("duel", 5);
    assert_eq!(case.not_made(1), ["1: Refused duel@5 Parameters"]);
    assert_eq!(case.host.rooms(), 0);
    case.opened("other", 6);
}

#[test]
fn a_server_has_no_more_rooms_than_it_can_host() {
    let mut case = Case::greeted(2);
    let number = case.opened("one", 5);
    assert_eq!(case.open("two", 6), ["make 2 two@6"]);
    assert_eq!(case.open("three", 7), ["1: Refused three@7 Full"]);
    assert_eq!(case.open("one", 8).last().unwrap(), "1: Opened one@8", "it is here already");
    assert_eq!(case.close("one", 8), [format!("drop {number}")]);
    assert_eq!(case.open("three", 9), ["1: Refused three@9 Full"], "not gone yet");
    assert_eq!(case.gone(number), ["1: Closed one@8"]);
    assert_eq!(case.open("three", 10), ["make 3 three@10"]);
}

#[test]
fn close_ends_a_room_in_every_state_and_is_idempotent() {
    let mut case = Case::greeted(9);
    assert_eq!(case.close("never", 5), ["1: Closed never@5"]);

    let live = case.opened("live", 5);
    assert_eq!(case.close("live", 4), ["1: Refused live@4 Epoch 5"]);
    assert_eq!(case.close("live", 5), [format!("drop {live}")]);
    assert_eq!(case.close("live", 5), NOTHING, "one answer, when it is gone");
    assert_eq!(case.close("live", 6), NOTHING);
    assert_eq!(case.gone(live), ["1: Closed live@5", "1: Closed live@6"]);
    assert_eq!(case.close("live", 5), ["1: Closed live@5"]);

    let opening = live + 1;
    case.open("opening", 5);
    assert_eq!(case.close("opening", 5), ["1: Refused opening@5 UnknownRoom"]);
    assert_eq!(case.made(opening), [format!("run {opening} opening@5"), format!("drop {opening}")]);
    assert_eq!(case.gone(opening), ["1: Closed opening@5"]);

    let failing = opening + 1;
    case.open("failing", 5);
    case.close("failing", 7);
    assert_eq!(case.not_made(failing), ["1: Closed failing@7"]);

    case.finished("finished", 5);
    assert_eq!(case.close("finished", 4), ["1: Refused finished@4 Epoch 5"]);
    assert_eq!(case.close("finished", 5), ["1: Closed finished@5"]);
    assert_eq!(case.host.rooms(), 0);
}

#[test]
fn a_room_that_ends_while_it_is_closed_is_closed() {
    let mut case = Case::greeted(9);
    for (name, ended) in [("one", true), ("two", false)] {
        let number = case.opened(name, 5);
        case.close(name, 5);
        assert_eq!(case.changed(number, state(Phase::Playing, 1)), NOTHING);
        let last = if ended { case.changed(number, over(1, "ann")) } else { case.broke(number) };
        assert_eq!(last, [format!("1: Closed {name}@5")]);
        assert_eq!(case.gone(number), NOTHING);
    }
}

#[test]
fn a_closed_room_may_come_back_before_it_is_gone() {
    let mut case = Case::greeted(2);
    let first = case.opened("duel", 5);
    case.close("duel", 5);
    assert_eq!(case.open("duel", 4), ["1: Refused duel@4 Epoch 5"], "its epoch does not fall");
    let second = case.opened("duel", 6);
    assert_ne!(first, second);
    assert_eq!(case.gone(first), ["1: Closed duel@5"]);
    assert_eq!(case.changed(second, state(Phase::Playing, 1)), ["1: RoomState duel@6 Playing 1"]);
}

#[test]
fn a_draining_server_takes_no_new_rooms_and_keeps_its_own() {
    let mut case = Case::greeted(3);
    case.opened("duel", 5);
    assert_eq!(case.ask(Command::Drain(true)), ["1: Draining true"]);
    assert_eq!(case.ask(Command::Drain(true)), ["1: Draining true"]);
    assert_eq!(case.open("other", 6), ["1: Refused other@6 Draining"]);
    assert_eq!(case.open("duel", 7).last().unwrap(), "1: Opened duel@7");
    assert_eq!(case.hello(2, 7)[1], "2: Welcome v1 draining duel@7 Waiting 0");
    assert_eq!(case.ask(Command::Drain(false)), ["2: Draining false"]);
    case.opened("other", 8);
}

#[test]
fn a_stopping_server_drains_whatever_the_operator_says() {
    let mut case = Case::greeted(3);
    assert_eq!(case.on(Event::Stopping), ["1: Draining true"]);
    assert_eq!(case.ask(Command::Drain(false)), ["1: Draining true"]);
    assert_eq!(case.open("duel", 5), ["1: Refused duel@5 Draining"]);
}

#[test]
fn a_server_retires_only_without_rooms_and_for_ever() {
    let mut case = Case::greeted(3);
    case.finished("done", 4);
    let live = case.opened("live", 5);
    case.open("opening", 6);
    assert_eq!(case.ask(Command::Retire), ["1: Retired false 3"]);
    case.close("done", 4);
    case.not_made(live + 1);
    case.close("live", 5);
    assert_eq!(case.ask(Command::Retire), ["1: Retired false 1"], "not gone yet");
    case.gone(live);
    assert_eq!(case.ask(Command::Retire), ["1: Retired true 0"]);
    assert_eq!(case.ask(Command::Retire), ["1: Retired true 0"]);
    assert_eq!(case.open("duel", 7), ["1: Refused duel@7 Retired"]);
    assert_eq!(case.ask(Command::Drain(false)), ["1: Draining false"]);
    assert_eq!(case.open("duel", 8), ["1: Refused duel@8 Retired"]);
    assert_eq!(case.close("duel", 8), ["1: Closed duel@8"]);
    assert_eq!(case.hello(2, 9)[1], "2: Welcome v1 retired");
}

#[test]
fn a_result_is_repeated_every_second_until_it_is_closed() {
    let mut case = Case::greeted(3);
    let number = case.finished("duel", 5);
    assert_eq!(case.pass(999), ["nothing due"]);
    assert_eq!(case.pass(1), ["1: Finished duel@5 ann"]);
    assert_eq!(case.pass(1000), ["1: Finished duel@5 ann"]);
    assert_eq!(case.changed(number, over(0, "ben")), NOTHING, "nothing changes it any more");
    assert_eq!(case.open("duel", 6), ["1: Finished duel@6 ann"]);
    assert_eq!(case.pass(1000), ["1: Finished duel@6 ann"]);
    case.close("duel", 6);
    assert_eq!(case.pass(1000), ["nothing due"]);
}

#[test]
fn a_phase_is_told_at_once_and_players_once_a_second() {
    let mut case = Case::greeted(3);
    let number = case.opened("duel", 5);
    assert_eq!(case.changed(number, state(Phase::Playing, 1)), ["1: RoomState duel@5 Playing 1"]);
    assert_eq!(case.changed(number, state(Phase::Playing, 2)), NOTHING);
    assert_eq!(case.pass(600), ["nothing due"]);
    assert_eq!(case.changed(number, state(Phase::Playing, 3)), NOTHING);
    assert_eq!(case.pass(400), ["1: RoomState duel@5 Playing 3"]);
    assert_eq!(case.pass(5000), ["nothing due"]);
    assert_eq!(case.changed(number, state(Phase::Playing, 4)), ["1: RoomState duel@5 Playing 4"]);
    assert_eq!(case.changed(number, state(Phase::Playing, 5)), NOTHING);
    assert_eq!(case.changed(number, state(Phase::Playing, 4)), NOTHING, "as it was");
    assert_eq!(case.pass(1000), ["nothing due"]);
}

#[test]
fn a_room_that_breaks_is_gone_and_its_fault_told() {
    let mut case = Case::greeted(1);
    let number = case.opened("duel", 5);
    assert_eq!(case.broke(number), [format!("shut {number}"), "1: Fault duel@5 it broke".to_owned()]);
    assert_eq!(case.host.rooms(), 0);
    case.opened("duel", 5);
}

#[test]
fn a_welcome_says_all_and_owes_nothing_of_what_the_stream_before_asked() {
    let mut case = Case::greeted(9);
    let live = case.opened("live", 5);
    case.changed(live, state(Phase::Playing, 1));
    case.changed(live, state(Phase::Playing, 2));
    case.finished("done", 6);
    case.open("opening", 7);
    case.open("declined", 8);
    let leaving = case.opened("leaving", 9);
    case.close("leaving", 9);
    let all = "live@5 Playing 2 done@6 Finished 3 opening@7 Opening 0 declined@8 Opening 0";
    assert_eq!(
        case.hello(2, 7),
        ["replace 1".to_owned(), format!("2: Welcome v1 {all}"), "beat 2".to_owned()]
    );
    assert_eq!(case.gone(leaving), NOTHING, "whoever asked is not there any more");
    assert_eq!(
        case.made(live + 2),
        [format!("run {} opening@7", live + 2), "2: RoomState opening@7 Waiting 0".to_owned()]
    );
    assert_eq!(case.not_made(live + 3), ["2: Fault declined@8 no such map"]);
    assert_eq!(case.pass(1000), ["2: Finished done@6 ann"], "players were told by the welcome");
}

#[test]
fn rooms_go_on_while_nobody_listens() {
    let mut case = Case::greeted(9);
    let live = case.opened("live", 5);
    let broken = case.opened("broken", 6);
    let leaving = case.opened("leaving", 7);
    case.finished("done", 8);
    case.close("leaving", 7);
    case.on(Event::StreamEnded(StreamId(1)));
    assert_eq!(case.pass(5000), ["nothing due"]);
    assert_eq!(case.changed(live, state(Phase::Playing, 4)), NOTHING);
    assert_eq!(case.broke(broken), [format!("shut {broken}")]);
    assert_eq!(case.gone(leaving), NOTHING);
    assert_eq!(case.on(Event::Stopping), NOTHING);
    assert_eq!(case.hello(2, 7), ["2: Welcome v1 draining live@5 Playing 4 done@8 Finished 3", "beat 2"]);
}

#[test]
fn what_was_not_offered_is_refused_with_the_epoch_that_is_here() {
    let mut case = Case::greeted(3);
    case.opened("duel", 5);
    let unsupported = |name, epoch| Command::Unsupported {
        tenancy: tenancy(name, epoch),
        message: "moves were not offered".to_owned(),
    };
    assert_eq!(case.ask(unsupported("duel", 6)), ["1: Refused duel@6 Unsupported 5"]);
    assert_eq!(case.ask(unsupported("other", 6)), ["1: Refused other@6 Unsupported"]);
}

#[test]
fn closes_of_a_room_that_does_not_go_are_not_collected_for_ever() {
    let mut case = Case::greeted(3);
    let number = case.opened("duel", 1);
    case.close("duel", 1);
    for epoch in 2..=16 {
        assert_eq!(case.close("duel", epoch), NOTHING);
    }
    assert_eq!(case.close("duel", 17), ["1: Refused duel@17 Unsupported"]);
    assert_eq!(case.close("duel", 16), NOTHING);
    assert_eq!(case.gone(number).len(), 16);
}
