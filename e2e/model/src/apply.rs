//! What comes of what happens.

use gamekeeper_operator::server::suspicion::Verdict;

use crate::{
    actions::{Action, Trouble},
    intern::Id,
    leader::{Answer, Input, Request, View},
    model::Model,
    process,
    scene::{Broken, Scene},
    world::{Adrift, NEVER, Pace, Pod, World},
};

impl Model {
    /// The world after this.
    pub fn apply(&mut self, world: &World, action: Action) -> Result<World, Broken> {
        let mut scene = Scene::new(self, *world);
        match action {
            Action::Pass => scene.pass(),
            Action::SeeRoom(operator, room) => scene.see_room(operator, room),
            Action::SeePod(operator, server) => scene.see_pod(operator, server),
            Action::Ask(operator, request, trouble) => scene.make_request(operator, request, trouble),
            Action::Stand(operator) => scene.stand(operator),
            Action::Claim(operator) => scene.claim(operator),
            Action::StepDown(operator) => scene.dismiss(operator),
            Action::Hear(operator, server) => scene.hear_next(operator, server),
            Action::Listen(operator, server) => scene.listen(operator, server),
            Action::Dial(operator, server) => scene.dial(operator, server),
            Action::Call(server, call, trouble) => scene.make_call(server, call, trouble),
            Action::Waited(server, number) => scene.tell_server(server, process::Input::Waited(number)),
            Action::ComeIn(number) => scene.come_in(number),
            Action::Mourn(server) => scene.change_pod(server, Pod::Ended),
            Action::Lose(operator, server, verdict) => {
                if let Some(leads) = scene.leads(operator) {
                    leads.hung |= u8::from(verdict == Verdict::Hang) << server;
                }
                scene.lose(operator, server, verdict);
            }
            Action::FindCutOff(operator, server) => scene.find_cut_off(operator, server),
            Action::Recognise(operator, server) => scene.recognise(operator, server),
            fault => scene.go_wrong(fault),
        }
        scene.echo();
        let after = scene.end()?;
        self.judge(after)
    }
}

impl Scene<'_> {
    /// Time passes: leaders renew, candidates look, and everybody looks at the clock.
    fn pass(&mut self) {
        self.world.now += 1;
        let now = self.world.now;
        for operator in 0..2 {
            if let Some(leads) = self.leads(operator) {
                leads.hung = 0;
            }
            if self.operator(operator).stands_since.is_some() {
                continue;
            }
            let Some((lease, term, is_lost)) = self.leads(operator).map(|it| (it.lease, it.term, it.is_lost))
            else {
                continue;
            };
            if !is_lost && self.world.lease == lease {
                let identity = self.operator(operator).identity;
                let lease = self.model.claimed(lease, identity, term, now);
                self.world.lease = lease;
                if let Some(leads) = self.leads(operator) {
                    (leads.lease, leads.renewed) = (lease, now);
                }
            } else if let Some(leads) = self.leads(operator) {
                leads.is_lost = true;
            }
        }
        for operator in 0..2 {
            self.look(operator);
        }
        for server in self.model.servers() {
            if !matches!(self.world.servers[usize::from(server)].pace, Pace::Stands(_)) {
                self.tell_server(server, process::Input::Passed);
            }
        }
        for operator in 0..2 {
            if self.operator(operator).acts().is_some() {
                self.miss_beats(operator);
                self.tell_leader(operator, Input::Passed);
            }
        }
    }

    fn look(&mut self, operator: u8) {
        let (lease, now) = (self.world.lease, self.world.now);
        let it = self.operator(operator);
        if it.stands_since.is_some() || it.leads.is_some() || it.claim.is_some() {
            return;
        }
        let (before, identity) = (it.sightings, it.identity);
        let (after, is_free) = self.model.look(before, lease, identity, now);
        let it = self.operator(operator);
        (it.sightings, it.may_claim) = (after, is_free);
    }

    /// A leader notices which servers gave no sign of life since the last step.
    fn miss_beats(&mut self, operator: u8) {
        for server in self.model.servers() {
            let index = usize::from(server);
            let is_silent = self.world.servers[index].pace != Pace::Goes;
            let Some(leads) = self.leads(operator) else { return };
            if is_silent && leads.links[index].is_up && leads.views[index] == View::Ready {
                self.see(operator, server, View::Unhealthy);
            }
        }
    }

    fn see_room(&mut self, operator: u8, room: u8) {
        if let Some(leads) = self.leads(operator) {
            leads.stale_rooms &= !(1 << room);
        }
        self.tell_leader(operator, Input::Room(self.world.rooms[usize::from(room)]));
    }

    fn see_pod(&mut self, operator: u8, server: u8) {
        let Some(leads) = self.leads(operator) else { return };
        leads.stale_pods &= !(1 << server);
        let view = match self.world.pods[usize::from(server)] {
            Pod::Runs => return,
            Pod::Ended => View::Ended,
            Pod::Gone => View::None,
        };
        // The driver ends the link to what runs no more, before it tells the ledger.
        self.break_link(operator, server, false);
        if let Some(link) = self.link(operator, server) {
            link.to_operator.clear();
        }
        self.tell_leader(operator, Input::LinkLost(server));
        self.see(operator, server, view);
    }

    fn make_request(&mut self, operator: u8, index: u8, trouble: Trouble) {
        let Some(leads) = self.leads(operator) else { return };
        let request = leads.requests.remove(usize::from(index));
        let mut trouble = trouble;
        if trouble != Trouble::None {
            self.world.left.messages -= 1;
        } else if !self.may_write(operator) && is_write(request) {
            trouble = Trouble::Lost;
        }
        match trouble {
            Trouble::None => {
                let is_done = self.ask(request);
                self.answer(operator, request, if is_done { Answer::Done } else { Answer::Conflict }, true);
            }
            Trouble::Lost => self.answer(operator, request, Answer::Failed, false),
            Trouble::AnswerLost => {
                self.ask(request);
                self.answer(operator, request, Answer::Failed, false);
            }
            Trouble::Late => {
                self.set_adrift(Adrift::Request(request));
                self.answer(operator, request, Answer::Failed, false);
            }
        }
    }

    /// A leader is told what became of a request, after what is the case now.
    fn answer(&mut self, operator: u8, request: Request, answer: Answer, knows: bool) {
        match request {
            Request::WriteStatus { room, .. } | Request::DeleteRoom { room } => {
                if knows {
                    self.see_room(operator, room);
                }
                self.tell_leader(operator, Input::RoomAnswer(room, answer));
            }
            Request::AskForServer { room, server } => {
                if knows && self.world.pods[usize::from(server)] == Pod::Gone {
                    self.see_pod(operator, server);
                    self.tell_leader(operator, Input::ServerAbsent(room, server));
                }
                self.tell_leader(operator, Input::RoomAnswer(room, answer));
            }
            Request::AskForRoom { server, room } => {
                if knows {
                    self.see_room(operator, room);
                }
                self.tell_leader(operator, Input::ServerAnswer(server, answer));
            }
        }
    }

    fn stand(&mut self, operator: u8) {
        // Somebody may have claimed it since the last look.
        self.look(operator);
        if !self.operator(operator).may_claim {
            return;
        }
        let (world, heard) = (self.world, self.operator(operator).heard);
        let term = self.model.next_term(&world, heard);
        let it = self.operator(operator);
        (it.claim, it.may_claim) = (Some((world.lease, term)), false);
    }

    fn claim(&mut self, operator: u8) {
        let Some((lease, term)) = self.operator(operator).claim.take() else { return };
        if self.world.lease == lease {
            let identity = self.operator(operator).identity;
            self.world.lease = self.model.claimed(lease, identity, term, self.world.now);
            self.elect(operator, term);
        }
    }

    fn hear_next(&mut self, operator: u8, server: u8) {
        let Some(link) = self.link(operator, server) else { return };
        if link.to_server.is_empty() {
            return;
        }
        let command = link.to_server.remove(0);
        self.hear(operator, server, command);
    }

    fn listen(&mut self, operator: u8, server: u8) {
        use crate::words::News;
        let Some(link) = self.link(operator, server) else { return };
        if link.to_operator.is_empty() {
            return;
        }
        let news = link.to_operator.remove(0);
        let Some(view) = self.leads(operator).map(|it| it.views[usize::from(server)]) else { return };
        if matches!(view, View::None | View::Ended) {
            return;
        }
        match news {
            News::Lost => {
                self.tell_leader(operator, Input::LinkLost(server));
                self.see(operator, server, View::Unhealthy);
            }
            News::Said { report, term, is_welcome } => {
                let it = self.operator(operator);
                it.heard = it.heard.max(term);
                self.tell_leader(operator, Input::Link(server, report));
                if is_welcome {
                    self.see(operator, server, View::Ready);
                    if let Some(leads) = self.leads(operator) {
                        leads.lost &= !(1 << server);
                        leads.cut_off &= !(1 << server);
                    }
                    self.take_for_empty(operator);
                    self.close_later_owners(operator);
                }
            }
        }
    }

    pub(crate) fn lose(&mut self, operator: u8, server: u8, verdict: Verdict) {
        if let Some(leads) = self.leads(operator) {
            leads.lost |= 1 << server;
        }
        self.see(operator, server, View::Unhealthy);
        self.tell_leader(operator, Input::Lost(server, verdict));
    }

    /// Others reach it.
    fn find_cut_off(&mut self, operator: u8, server: u8) {
        if let Some(leads) = self.leads(operator) {
            leads.cut_off |= 1 << server;
        }
        self.see(operator, server, View::Unhealthy);
        self.tell_leader(operator, Input::CutOff(server));
    }

    /// It beats again.
    fn recognise(&mut self, operator: u8, server: u8) {
        let Some(leads) = self.leads(operator) else { return };
        let was_lost = leads.lost >> server & 1 == 1;
        leads.lost &= !(1 << server);
        self.see(operator, server, View::Ready);
        if was_lost {
            self.tell_leader(operator, Input::Back(server));
        }
    }

    fn dial(&mut self, operator: u8, server: u8) {
        let here = self.world.servers[usize::from(server)];
        let before = self.model.sights_of(&here).listener;
        let it = self.operator(operator);
        // Another than the one that the server knows, if that is ours.
        it.parity[usize::from(server)] = before == Some(operator);
        let stream = it.stream(operator, server);
        let Some(leads) = &mut it.leads else { return };
        let term = leads.term;
        let link = &mut leads.links[usize::from(server)];
        link.to_server.clear();
        link.is_up = true;
        self.tell_server(server, process::Input::Greeted(stream, term));
    }

    fn make_call(&mut self, server: u8, index: u8, trouble: Trouble) {
        let here = self.world.servers[usize::from(server)];
        let sights = self.model.sights_of(&here);
        let Some((number, room, epoch, call, _)) = sights.calls.get(usize::from(index)).copied() else {
            return;
        };
        let mut trouble = trouble;
        if trouble != Trouble::None {
            self.world.left.messages -= 1;
        } else if !here.reaches_store() {
            trouble = Trouble::Lost;
        }
        match trouble {
            Trouble::None => {
                let reply = self.call(server, room, epoch, call);
                return self.tell_server(server, process::Input::Answered(number, call, reply));
            }
            Trouble::Lost => (),
            Trouble::AnswerLost => {
                self.call(server, room, epoch, call);
            }
            Trouble::Late => self.set_adrift(Adrift::Call(server, room, epoch, call)),
        }
        self.tell_server(server, process::Input::Unanswered(number, call));
    }

    fn come_in(&mut self, number: u8) {
        let mut adrift = (**self.model.adrift.get(self.world.adrift)).clone();
        let thing = adrift.remove(usize::from(number));
        self.world.adrift = self.model.adrift.id(adrift);
        match thing {
            Adrift::Call(server, room, epoch, call) => {
                self.call(server, room, epoch, call);
            }
            Adrift::Request(request) => {
                self.ask(request);
            }
        }
    }

    /// The nth request of an operator was on its way when it could do no more.
    pub(crate) fn send_last(&mut self, operator: u8, index: u8) -> Option<Request> {
        let leads = self.leads(operator).filter(|_| index != NEVER)?;
        let request = leads.requests.remove(usize::from(index));
        self.set_adrift(Adrift::Request(request));
        Some(request)
    }

    /// A leader that stood still goes on, if it still leads.
    pub(crate) fn thaw(&mut self, operator: u8) {
        let (lease, now): (Id, u8) = (self.world.lease, self.world.now);
        self.operator(operator).stands_since = None;
        let Some(leads) = self.leads(operator) else { return };
        let is_late = crate::model::TIMING.validity() <= crate::words::time(now - leads.renewed);
        leads.is_lost |= is_late || leads.lease != lease;
        let unanswered = std::mem::take(&mut leads.unanswered);
        for request in unanswered {
            self.answer(operator, request, Answer::Failed, false);
        }
    }
}

fn is_write(request: Request) -> bool {
    matches!(request, Request::WriteStatus { .. } | Request::DeleteRoom { .. })
}
