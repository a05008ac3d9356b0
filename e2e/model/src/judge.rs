//! What must hold in every world, and in one that is left in peace.

use gamekeeper_crds::room::Phase;

use crate::{
    actions::Action,
    bounds::FENCE,
    model::Model,
    process::Sight,
    scene::{Broken, Scene},
    world::{Left, NEVER, Pace, Pod, World},
};

/// A world that is left in peace is at rest within so many steps.
const PEACE: u8 = 30;

/// And nobody does more than so much on the way there.
const DUTIES_MAX: usize = 2_000;

impl Model {
    /// I1: two servers tick a room for its players for less than the fence's time, and not for a moment, unless the older
    /// one was waited for and lives by the operator's word alone: the store did not answer it last, and counts from an
    /// earlier one (I8). A match that is over is ticked no more: the same holds.
    pub(crate) fn judge(&mut self, mut world: World) -> Result<World, Broken> {
        for room in self.rooms() {
            let index = usize::from(room);
            let Ticking { told, all, is_excused } = self.ticking(&world, room);
            let is_over = self.status(world.rooms[index]).phase.is_over();
            let is_at_once = |servers: u8| 2 <= servers.count_ones() + u32::from(is_over && servers != 0);
            world.overlap[index] = match world.overlap[index] {
                _ if !is_at_once(told) => NEVER,
                NEVER => world.now,
                since => since,
            };
            let is_too_long = is_at_once(told) && FENCE <= world.now - world.overlap[index];
            let (promise, servers, what) = match is_over {
                true => ("I3", told, "is over, and is ticked for its players"),
                false => ("I1", all, "is ticked for its players by two servers"),
            };
            if is_too_long || (is_at_once(servers) && !is_excused) {
                return Err(Broken { promise, what: format!("room {room} {what} of {servers:#b} (bits)") });
            }
        }
        Ok(world)
    }

    /// The servers that tick a room for players.
    fn ticking(&mut self, world: &World, room: u8) -> Ticking {
        let (mut told, mut all, mut oldest) = (0, 0, (i64::MAX, false));
        for server in self.servers() {
            let index = usize::from(server);
            if world.servers[index].pace != Pace::Goes {
                continue;
            }
            let is_told = world.told[usize::from(room)] >> server & 1 == 1;
            let sights = self.sights_of(&world.servers[index]);
            let may_be_played = |it: &&Sight| it.room == room && it.ticks && (is_told || it.is_restored);
            for it in sights.rooms.iter().filter(may_be_played) {
                all |= 1 << server;
                told |= u8::from(is_told) << server;
                oldest = oldest.min((it.epoch, it.is_unanswered));
            }
        }
        let (epoch, is_unanswered) = oldest;
        Ticking { told, all, is_excused: is_unanswered && epoch < world.waited[usize::from(room)] }
    }

    /// The world with all that went wrong mended.
    pub fn mended(&mut self, world: &World) -> Result<World, Broken> {
        let mut scene = Scene::new(self, *world);
        scene.world.left = Left::NONE;
        scene.world.adrift = scene.model.adrift.id(Vec::new());
        for server in scene.model.servers() {
            let here = scene.world.servers[usize::from(server)];
            if here.cut_since.is_some() {
                scene.heal(server);
            }
            if here.pace != Pace::Goes {
                scene.go_on(server);
            }
            match scene.world.pods[usize::from(server)] {
                Pod::Runs if here.process.is_none() => scene.change_pod(server, Pod::Ended),
                // The kubelet ends what has no pod any more.
                Pod::Gone if here.process.is_some() => scene.crash(server),
                _ => (),
            }
        }
        for operator in 0..2 {
            if scene.operator(operator).stands_since.is_some() {
                scene.thaw(operator);
            }
        }
        scene.echo();
        let after = scene.end()?;
        self.judge(after)
    }

    /// P7: a mended world comes to rest by itself, with every room where its players were told that it is. Returns the
    /// worlds on the way, up to one that `is_known`.
    pub fn rest(
        &mut self,
        world: &World,
        way: &mut Vec<Action>,
        is_known: impl Fn(&World) -> bool,
    ) -> Result<Vec<World>, Broken> {
        let (mut world, mut worlds) = (*world, Vec::new());
        let end = world.now + PEACE;
        loop {
            if is_known(&world) {
                return Ok(worlds);
            }
            worlds.push(world);
            if DUTIES_MAX < worlds.len() {
                let what = "what has to be done has no end".to_owned();
                return Err(Broken { promise: "P7", what });
            }
            let duties = self.duties(&world);
            let next = match duties.first() {
                Some(duty) => *duty,
                None if self.unsettled(&world).is_none() => return Ok(worlds),
                None if end <= world.now => {
                    let what = self.unsettled(&world).unwrap_or_default();
                    return Err(Broken { promise: "P7", what });
                }
                None => Action::Pass,
            };
            way.push(next);
            world = self.apply(&world, next)?;
        }
    }

    /// What is not as it should be in a world at rest.
    pub fn unsettled(&mut self, world: &World) -> Option<String> {
        let leads = |it: &u32| self.operators.get(*it).leads.is_some();
        if world.operators.iter().filter(|it| leads(it)).count() != 1 {
            return Some("not one operator leads".to_owned());
        }
        for room in self.rooms() {
            let status = self.status(world.rooms[usize::from(room)]);
            let mut has_it = 0_u8;
            let mut is_ticked = false;
            for server in self.servers() {
                let sights = self.sights_of(&world.servers[usize::from(server)]);
                for it in sights.rooms.iter().filter(|it| it.room == room) {
                    has_it |= 1 << server;
                    is_ticked |= it.ticks && it.epoch == status.epoch && status.server == Some(server);
                }
            }
            let is_played = status.phase == Phase::Running && is_ticked && has_it.is_power_of_two();
            // A room that took three servers down is not placed again.
            let taken_down = self.bounds.crashes + self.bounds.alarms + self.bounds.pauses;
            let may_fail = status.phase == Phase::Finished || 3 <= taken_down;
            let is_over = status.phase.is_over() && may_fail && has_it == 0;
            // A crowd of servers that are dead or deleted is no place to play.
            let has_place = world
                .pods
                .iter()
                .zip(&world.servers)
                .any(|(pod, server)| *pod == Pod::Runs && server.process.is_some());
            let waits = !has_place && !status.phase.is_over();
            if !(is_played || is_over || waits) {
                return Some(format!("room {room} is {status:?}, and servers {has_it:#b} (bits) have it"));
            }
        }
        None
    }
}

/// Who ticks a room, as bits.
struct Ticking {
    /// Where players were told that it is.
    told: u8,
    /// And where it goes on for them, so that they may come by what they were told of where to go next.
    all: u8,
    /// They may, for a moment.
    is_excused: bool,
}

const _: () = assert!(0 < FENCE, "an overlap has a length");
