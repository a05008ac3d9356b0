//! What may go wrong, and how it ends.

use gamekeeper_operator::server::suspicion::Verdict;

use crate::{
    actions::Action,
    process,
    scene::Scene,
    words::News,
    world::{Pace, Pod, Server},
};

impl Scene<'_> {
    pub(crate) fn go_wrong(&mut self, fault: Action) {
        match fault {
            Action::Crash(server) => {
                self.world.left.crashes -= 1;
                self.crash(server);
            }
            Action::CrashOperator(operator, request) => {
                self.world.left.crashes -= 1;
                self.send_last(operator, request);
                self.dismiss(operator);
                let it = self.operator(operator);
                (it.heard, it.identity) = (0, it.identity + 2);
            }
            Action::StandStill(server) => {
                self.world.left.pauses -= 1;
                self.world.servers[usize::from(server)].pace = Pace::Stands(self.world.now);
            }
            Action::Hang(server) => {
                self.world.left.pauses -= 1;
                self.world.servers[usize::from(server)].pace = Pace::Hangs(self.world.now);
                self.tell_server(server, process::Input::LoopHangs);
            }
            Action::Freeze(operator, request) => {
                self.world.left.pauses -= 1;
                let sent = self.send_last(operator, request);
                if let Some(leads) = self.leads(operator) {
                    leads.unanswered.extend(sent);
                }
                self.operator(operator).stands_since = Some(self.world.now);
            }
            Action::Delete(server) => {
                self.world.left.deletions -= 1;
                self.change_pod(server, Pod::Gone);
            }
            Action::Mistake(operator, server) => {
                self.world.left.alarms -= 1;
                self.lose(operator, server, Verdict::Hang);
            }
            Action::GoOn(server) => self.go_on(server),
            Action::Thaw(operator) => self.thaw(operator),
            Action::Cut(server) => {
                self.world.left.cuts -= 1;
                self.cut(server);
            }
            Action::Part(server) => self.part(server),
            Action::Heal(server) => self.heal(server),
            Action::Break(operator, server) => {
                self.world.left.messages -= 1;
                self.break_link(operator, server, false);
            }
            Action::DoubleCommand(operator, server) => {
                self.world.left.messages -= 1;
                if let Some(link) = self.link(operator, server) {
                    link.to_server.insert(0, link.to_server[0]);
                }
            }
            Action::DoubleNews(operator, server) => {
                self.world.left.messages -= 1;
                if let Some(link) = self.link(operator, server) {
                    link.to_operator.insert(0, link.to_operator[0]);
                }
            }
            Action::End(server, number) => {
                self.world.left.ends -= 1;
                self.tell_server(server, process::Input::Over(number));
            }
            _ => (),
        }
    }

    pub(crate) fn crash(&mut self, server: u8) {
        let here = &mut self.world.servers[usize::from(server)];
        *here = Server { process: None, pace: Pace::Goes, ..*here };
        for told in &mut self.world.told {
            *told &= !(1 << server);
        }
        for operator in 0..2 {
            // What it has said comes still.
            if let Some(link) = self.link(operator, server).filter(|it| it.is_up) {
                link.is_up = false;
                link.to_server.clear();
                link.to_operator.push(News::Lost);
            }
        }
    }

    pub(crate) fn go_on(&mut self, server: u8) {
        self.world.servers[usize::from(server)].pace = Pace::Goes;
        self.tell_server(server, process::Input::GoesOn);
        if self.world.servers[usize::from(server)].hears() {
            self.notice_stream(server);
        }
    }

    /// From the operators alone.
    fn part(&mut self, server: u8) {
        self.world.left.partings -= 1;
        self.world.servers[usize::from(server)].keeps_store = true;
        self.cut(server);
    }

    fn cut(&mut self, server: u8) {
        self.world.servers[usize::from(server)].cut_since = Some(self.world.now);
        for operator in 0..2 {
            self.break_link(operator, server, false);
        }
    }

    pub(crate) fn heal(&mut self, server: u8) {
        let here = &mut self.world.servers[usize::from(server)];
        (here.cut_since, here.keeps_store) = (None, false);
        if self.world.servers[usize::from(server)].hears() {
            self.notice_stream(server);
        }
    }
}
