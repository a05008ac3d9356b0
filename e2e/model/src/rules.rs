//! Rules of leaders that are broken on purpose: by what a leader is told, or by its commands.

use gamekeeper_operator::terms::Epoch;

use crate::{
    bounds::Rule,
    leader::{Input, View},
    scene::Scene,
    words::{Command, Restore},
};

impl Scene<'_> {
    /// Unheard is not absent (I5).
    pub(crate) fn take_for_empty(&mut self, operator: u8) {
        if self.model.rule != Rule::UnheardIsAbsent {
            return;
        }
        for server in self.model.servers() {
            if self.leads(operator).is_some_and(|it| it.views[usize::from(server)] == View::Starting) {
                self.tell_leader(operator, Input::TakenForEmpty(server));
            }
        }
    }

    /// Whoever was sent a room and did not refuse it may have it (I1).
    pub(crate) fn without_rule(&mut self, command: Command) -> Command {
        match command {
            Command::Open { room, epoch, restore: Some(Restore { fence: true, if_silent: false }) }
                if self.model.rule == Rule::UnansweredIsRefused && self.is_owner_dead(room) =>
            {
                Command::Open { room, epoch, restore: Some(Restore { fence: false, if_silent: false }) }
            }
            command => command,
        }
    }

    fn is_owner_dead(&mut self, room: u8) -> bool {
        let owner = self.model.status(self.world.rooms[usize::from(room)]).server;
        owner.is_some_and(|it| self.world.servers[usize::from(it)].process.is_none())
    }

    /// The store decides between a published owner and a later one that an earlier leader chose (I3).
    pub(crate) fn close_later_owners(&mut self, operator: u8) {
        if self.model.rule != Rule::PublishedWins {
            return;
        }
        for room in self.model.rooms() {
            let status = self.model.status(self.world.rooms[usize::from(room)]);
            let is_published = |server, epoch| status.server == Some(server) && status.epoch == epoch;
            let Some(term) = self.leads(operator).map(|it| it.term) else { return };
            let owners = self.heard_owners(operator, room);
            if !owners.iter().any(|(server, epoch)| is_published(*server, *epoch)) {
                continue;
            }
            let is_later = |epoch: i64| status.epoch < epoch && Epoch(epoch).term() < term;
            for (server, epoch) in owners.into_iter().filter(|(_, epoch)| is_later(*epoch)) {
                if let Some(link) = self.link(operator, server) {
                    link.to_server.push(Command::Close { room, epoch });
                }
            }
        }
    }

    /// Who has a room of those that a leader talks to, and under which epochs.
    fn heard_owners(&mut self, operator: u8, room: u8) -> Vec<(u8, i64)> {
        let mut owners = Vec::new();
        for server in self.model.servers() {
            let sights = self.model.sights_of(&self.world.servers[usize::from(server)]);
            let is_well = |it: View, is_up: bool| it == View::Ready && is_up;
            let index = usize::from(server);
            if self.leads(operator).is_some_and(|it| is_well(it.views[index], it.links[index].is_up)) {
                let here = sights.rooms.iter().filter(|it| it.room == room && it.is_running);
                owners.extend(here.map(|it| (server, it.epoch)));
            }
        }
        owners
    }
}
