//! What is answered to what.

mod rooms;
mod streams;

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
        Report::RoomState { tenancy, phase, players, checkpoint } => {
            let saved = checkpoint.map(|it| format!(" saved {}", it.0)).unwrap_or_default();
            format!("RoomState {} {phase:?} {players}{saved}", short(tenancy))
        }
        Report::CheckpointFailed(it, message) => format!("CheckpointFailed {} {message}", short(it)),
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

    fn restore(&mut self, name: &str, epoch: i64) -> Vec<String> {
        let restore = Restore { lost_epoch: None, fence: true, ended_epoch: None, owner_silent: None };
        self.ask(Command::Open(Order { restore: Some(restore), ..order(name, epoch) }))
    }

    fn close(&mut self, name: &str, epoch: i64) -> Vec<String> {
        self.ask(Command::Close(tenancy(name, epoch)))
    }

    fn made(&mut self, room: u64) -> Vec<String> {
        self.on(Event::Made { room: RoomNumber(room), outcome: Ok(()) })
    }

    fn not_made(&mut self, room: u64) -> Vec<String> {
        self.not_made_because(room, NotMade::Declined("no such map".to_owned()))
    }

    fn not_made_because(&mut self, room: u64, why: NotMade) -> Vec<String> {
        self.on(Event::Made { room: RoomNumber(room), outcome: Err(why) })
    }

    fn saving(&mut self, room: u64, news: Saving) -> Vec<String> {
        self.on(Event::Saving(RoomNumber(room), news))
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
