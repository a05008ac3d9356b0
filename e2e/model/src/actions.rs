//! What may happen next.

use std::fmt;

use gamekeeper_operator::server::suspicion::Verdict;

use crate::{
    leader::View,
    model::{Model, START},
    words::News,
    world::{Adrift, Leads, NEVER, Pace, Pod, World},
};

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trouble {
    /// It comes, and so does its answer.
    None,
    /// It is lost.
    Lost,
    /// It comes, and its answer is lost.
    AnswerLost,
    /// It comes later, when nobody waits for it.
    Late,
}

/// Something happens. Operators, servers and rooms by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// An operator hears of a room's change.
    SeeRoom(u8, u8),
    /// An operator hears of a pod's change.
    SeePod(u8, u8),
    /// An operator's request, the nth of those that wait, is made.
    Ask(u8, u8, Trouble),
    /// A server hears a command of an operator.
    Hear(u8, u8),
    /// An operator hears a server.
    Listen(u8, u8),
    /// An operator greets a server.
    Dial(u8, u8),
    /// A server's call to the store, the nth of those that wait, is made.
    Call(u8, u8, Trouble),
    /// A room on a server has waited for the owner before.
    Waited(u8, u64),
    /// An operator looks for the term that is next.
    Stand(u8),
    /// An operator claims the lease.
    Claim(u8),
    /// An operator leads no more.
    StepDown(u8),
    /// Half of the fence's time passes.
    Pass,
    /// What was adrift, the nth of it, comes in.
    ComeIn(u8),
    /// A kubelet tells of the end of a server.
    Mourn(u8),
    /// Somebody deletes the pod of a server that is not heard.
    Delete(u8),
    /// An operator finds that others reach a server.
    FindCutOff(u8, u8),
    /// An operator finds that a server is lost, or believes so.
    Lose(u8, u8, Verdict),
    /// The same, of a server that is well.
    Mistake(u8, u8),
    /// An operator hears beats of a server again.
    Recognise(u8, u8),
    /// A server dies.
    Crash(u8),
    /// An operator dies; the nth of its requests was on its way.
    CrashOperator(u8, u8),
    /// A server stands still.
    StandStill(u8),
    /// The loop of a server stands still.
    Hang(u8),
    /// An operator stands still; the nth of its requests was on its way.
    Freeze(u8, u8),
    /// A server goes on.
    GoOn(u8),
    /// An operator goes on.
    Thaw(u8),
    /// A server is cut off from operators and store.
    Cut(u8),
    /// A server is cut off from operators, and the store hears it.
    Part(u8),
    /// A server is cut off no more.
    Heal(u8),
    /// The stream between an operator and a server breaks, with all that was on its way.
    Break(u8, u8),
    /// A command to a server comes twice.
    DoubleCommand(u8, u8),
    /// A server's word comes twice.
    DoubleNews(u8, u8),
    /// A match ends, the nth room of a server.
    End(u8, u64),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::SeeRoom(operator, room) => write!(f, "operator {operator} sees what became of room {room}"),
            Self::SeePod(operator, server) => {
                write!(f, "operator {operator} sees what became of pod {server}")
            }
            Self::Ask(operator, _, trouble) => {
                write!(f, "operator {operator} makes a request{}", of(trouble))
            }
            Self::Hear(operator, server) => write!(f, "server {server} hears operator {operator}"),
            Self::Listen(operator, server) => write!(f, "operator {operator} hears server {server}"),
            Self::Dial(operator, server) => write!(f, "operator {operator} greets server {server}"),
            Self::Call(server, _, trouble) => write!(f, "server {server} calls the store{}", of(trouble)),
            Self::Waited(server, _) => write!(f, "server {server} has waited for the owner before"),
            Self::Stand(operator) => write!(f, "operator {operator} stands for election"),
            Self::Claim(operator) => write!(f, "operator {operator} claims the lease"),
            Self::StepDown(operator) => write!(f, "operator {operator} steps down"),
            Self::Pass => write!(f, "half of the fence's time passes"),
            Self::ComeIn(_) => write!(f, "what was late comes in"),
            Self::Mourn(server) => write!(f, "the kubelet tells of the end of server {server}"),
            Self::Delete(server) => write!(f, "somebody deletes the pod of server {server}"),
            Self::Lose(operator, server, verdict) => {
                write!(f, "operator {operator} finds that server {server} is lost: {verdict:?}")
            }
            Self::Mistake(operator, server) => {
                write!(f, "operator {operator} finds, by mistake, that server {server} hangs")
            }
            Self::Recognise(operator, server) => {
                write!(f, "operator {operator} hears beats of server {server} again")
            }
            Self::Crash(server) => write!(f, "server {server} dies"),
            Self::CrashOperator(operator, NEVER) => write!(f, "operator {operator} dies"),
            Self::CrashOperator(operator, _) => {
                write!(f, "operator {operator} dies with a request on its way")
            }
            Self::StandStill(server) => write!(f, "server {server} stands still"),
            Self::Hang(server) => write!(f, "the loop of server {server} stands still"),
            Self::Freeze(operator, NEVER) => write!(f, "operator {operator} stands still"),
            Self::Freeze(operator, _) => {
                write!(f, "operator {operator} stands still with a request on its way")
            }
            Self::GoOn(server) => write!(f, "server {server} goes on"),
            Self::Thaw(operator) => write!(f, "operator {operator} goes on"),
            Self::Cut(server) => write!(f, "server {server} is cut off from operators and store"),
            Self::Part(server) => {
                write!(f, "server {server} is cut off from operators, and not from the store")
            }
            Self::FindCutOff(operator, server) => {
                write!(f, "operator {operator} finds that others reach server {server}")
            }
            Self::Heal(server) => write!(f, "server {server} is cut off no more"),
            Self::Break(operator, server) => {
                write!(f, "the stream of operator {operator} to server {server} breaks")
            }
            Self::DoubleCommand(operator, server) => {
                write!(f, "a command of operator {operator} to server {server} comes twice")
            }
            Self::DoubleNews(operator, server) => {
                write!(f, "a word of server {server} to operator {operator} comes twice")
            }
            Self::End(server, _) => write!(f, "a match ends on server {server}"),
        }
    }
}

fn of(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::None => "",
        Trouble::Lost => ", which is lost",
        Trouble::AnswerLost => ", and the answer is lost",
        Trouble::Late => ", which will come late",
    }
}

impl Model {
    /// All that may happen next: what will happen if only one waits, and then what may as well not.
    pub fn actions(&mut self, world: &World) -> Vec<Action> {
        let mut actions = self.duties(world);
        let is_at_rest = actions.is_empty();
        self.faults(world, &mut actions);
        if is_at_rest && world.now < START + self.bounds.steps {
            actions.push(Action::Pass);
        }
        actions
    }

    /// What happens before any time passes, unless something is wrong.
    pub fn duties(&mut self, world: &World) -> Vec<Action> {
        let mut actions = Vec::new();
        for number in 0..2 {
            self.duties_of_operator(world, number, &mut actions);
        }
        for number in self.servers() {
            self.duties_of_server(world, number, &mut actions);
        }
        actions
    }

    fn duties_of_operator(&self, world: &World, number: u8, actions: &mut Vec<Action>) {
        let operator = self.operators.get(world.operators[usize::from(number)]);
        if operator.stands_since.is_some() {
            return;
        }
        let Some(leads) = &operator.leads else {
            match operator.claim {
                Some(_) => actions.push(Action::Claim(number)),
                None if operator.may_claim => actions.push(Action::Stand(number)),
                None => (),
            }
            return;
        };
        if leads.is_lost {
            actions.push(Action::StepDown(number));
        }
        let rooms = self.rooms().filter(|it| leads.stale_rooms >> it & 1 == 1);
        actions.extend(rooms.map(|it| Action::SeeRoom(number, it)));
        let pods = self.servers().filter(|it| leads.stale_pods >> it & 1 == 1);
        actions.extend(pods.map(|it| Action::SeePod(number, it)));
        let requests = 0..u8::try_from(leads.requests.len()).unwrap_or(u8::MAX);
        actions.extend(requests.map(|it| Action::Ask(number, it, Trouble::None)));
        for server in self.servers() {
            let index = usize::from(server);
            let (link, here) = (&leads.links[index], world.servers[index]);
            if !link.to_operator.is_empty() {
                actions.push(Action::Listen(number, server));
            } else if !leads.is_lost && !link.is_up && here.hears() && is_known(leads.views[index]) {
                actions.push(Action::Dial(number, server));
            }
            let is_well = here.hears() && here.pace == Pace::Goes;
            let is_doubted = leads.views[index] == View::Unhealthy || leads.lost >> server & 1 == 1;
            if link.is_up && link.to_operator.is_empty() && is_well && is_doubted {
                actions.push(Action::Recognise(number, server));
            }
            if link.is_up && !link.to_server.is_empty() && here.hears() {
                actions.push(Action::Hear(number, server));
            }
        }
    }

    fn duties_of_server(&mut self, world: &World, number: u8, actions: &mut Vec<Action>) {
        let server = world.servers[usize::from(number)];
        if matches!(server.pace, Pace::Stands(_)) {
            return;
        }
        let sights = self.sights_of(&server);
        for (index, (.., from)) in (0..).zip(sights.calls.iter()) {
            if *from <= world.now {
                actions.push(Action::Call(number, index, Trouble::None));
            }
        }
        for room in &sights.rooms {
            if room.waits_until.is_some_and(|it| it <= world.now) {
                actions.push(Action::Waited(number, room.number));
            }
        }
    }

    fn faults(&mut self, world: &World, actions: &mut Vec<Action>) {
        for (index, thing) in (0..).zip(self.adrift.get(world.adrift).iter()) {
            let arrives = match thing {
                Adrift::Call(server, ..) => world.servers[usize::from(*server)].reaches_store(),
                Adrift::Request(_) => true,
            };
            actions.extend(arrives.then_some(Action::ComeIn(index)));
        }
        for number in self.servers() {
            self.faults_of_server(world, number, actions);
        }
        for number in 0..2 {
            self.faults_of_operator(world, number, actions);
        }
    }

    fn faults_of_server(&mut self, world: &World, number: u8, actions: &mut Vec<Action>) {
        let (left, now, index) = (world.left, world.now, usize::from(number));
        let server = world.servers[index];
        let Some(_) = server.process else {
            if world.pods[index] == Pod::Runs && server.cut_since.is_none() {
                actions.push(Action::Mourn(number));
            }
            return;
        };
        let lasts = match server.pace {
            Pace::Stands(since) | Pace::Hangs(since) => Some(since),
            Pace::Goes => None,
        };
        if lasts.is_some_and(|it| it < now) {
            actions.push(Action::GoOn(number));
        }
        if server.cut_since.is_some_and(|it| it < now) {
            actions.push(Action::Heal(number));
        }
        let is_out_of_reach = [lasts, server.cut_since].iter().flatten().any(|it| *it < now);
        if 0 < left.deletions && is_out_of_reach && world.pods[index] == Pod::Runs {
            actions.push(Action::Delete(number));
        }
        if 0 < left.crashes {
            actions.push(Action::Crash(number));
        }
        if 0 < left.pauses && server.pace == Pace::Goes {
            actions.extend([Action::StandStill(number), Action::Hang(number)]);
        }
        if 0 < left.cuts && server.cut_since.is_none() {
            actions.push(Action::Cut(number));
        }
        if 0 < left.partings && server.cut_since.is_none() {
            actions.push(Action::Part(number));
        }
        let sights = self.sights_of(&server);
        if 0 < left.messages && !matches!(server.pace, Pace::Stands(_)) && server.reaches_store() {
            for (call, (.., from)) in (0..).zip(sights.calls.iter()) {
                if *from <= now {
                    let troubles = [Trouble::Lost, Trouble::AnswerLost, Trouble::Late];
                    actions.extend(troubles.map(|it| Action::Call(number, call, it)));
                }
            }
        }
        if 0 < left.ends && server.pace == Pace::Goes {
            let ending = sights.rooms.iter().filter(|it| it.ticks);
            actions.extend(ending.map(|it| Action::End(number, it.number)));
        }
    }

    fn faults_of_operator(&mut self, world: &World, number: u8, actions: &mut Vec<Action>) {
        let (left, now) = (world.left, world.now);
        let operator = self.operators.get(world.operators[usize::from(number)]).clone();
        if let Some(since) = operator.stands_since {
            actions.extend((since < now).then_some(Action::Thaw(number)));
            return;
        }
        let Some(leads) = &operator.leads else { return };
        self.losses(world, number, leads, actions);
        let requests = u8::try_from(leads.requests.len()).unwrap_or(u8::MAX);
        let sent = || (0..requests).chain([NEVER]);
        if 0 < left.crashes {
            actions.extend(sent().map(|it| Action::CrashOperator(number, it)));
        }
        if 0 < left.pauses {
            actions.extend(sent().map(|it| Action::Freeze(number, it)));
        }
        if left.messages == 0 {
            return;
        }
        for request in 0..requests {
            let troubles = [Trouble::Lost, Trouble::AnswerLost, Trouble::Late];
            actions.extend(troubles.map(|it| Action::Ask(number, request, it)));
        }
        for server in self.servers() {
            let link = &leads.links[usize::from(server)];
            if !link.is_up {
                continue;
            }
            let (has_commands, has_news) = (!link.to_server.is_empty(), !link.to_operator.is_empty());
            actions.extend((has_commands || has_news).then_some(Action::Break(number, server)));
            actions.extend(has_commands.then_some(Action::DoubleCommand(number, server)));
            // A link that is welcomed twice breaks.
            let is_word = matches!(link.to_operator.first(), Some(News::Said { is_welcome: false, .. }));
            actions.extend(is_word.then_some(Action::DoubleNews(number, server)));
        }
    }
}

impl Model {
    /// What a leader may find out, or believe, of servers whose pods stand.
    fn losses(&mut self, world: &World, operator: u8, leads: &Leads, actions: &mut Vec<Action>) {
        for server in self.servers() {
            let index = usize::from(server);
            let (link, here) = (&leads.links[index], world.servers[index]);
            let is_lost = leads.lost >> server & 1 == 1;
            if is_lost || !is_known(leads.views[index]) || !link.to_operator.is_empty() {
                continue;
            }
            let lasts = |since: u8| since < world.now;
            let has_hung = leads.hung >> server & 1 == 1;
            let is_reached = self.bounds.is_reached || here.keeps_store;
            let verdict = match (here.process, here.cut_since, here.pace) {
                (Some(_), Some(since), _) if is_reached => {
                    let is_known = leads.cut_off >> server & 1 == 1;
                    if !is_known && !link.is_up && lasts(since) {
                        actions.push(Action::FindCutOff(operator, server));
                    }
                    continue;
                }
                (None, Some(_), _) if is_reached => Verdict::Proven,
                (_, Some(since), _) if !link.is_up && lasts(since) => Verdict::Presumed,
                (None, None, _) => Verdict::Proven,
                (Some(_), None, Pace::Stands(since) | Pace::Hangs(since)) if lasts(since) && !has_hung => {
                    Verdict::Hang
                }
                (Some(process), None, Pace::Goes) if 0 < world.left.alarms && link.is_up => {
                    // It takes longer to be mistaken than to call the store.
                    if self.sights(process).calls.is_empty() {
                        actions.push(Action::Mistake(operator, server));
                    }
                    continue;
                }
                _ => continue,
            };
            actions.push(Action::Lose(operator, server, verdict));
        }
    }
}

fn is_known(view: View) -> bool {
    !matches!(view, View::None | View::Ended)
}
