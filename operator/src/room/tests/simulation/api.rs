//! What the API server does with the commands of a leader, and what it answers.

use super::*;

impl Simulation {
    /// What the API server does.
    pub(super) fn call(&mut self, command: &Command) -> Outcome {
        match command {
            Command::Claim { room, server, epoch } => {
                let Some(pod) = self.pods.get(&server.uid) else { return Outcome::Conflict };
                // The resourceVersion is that of the view: nothing may have changed.
                if pod.view.claim != server.claim || pod.view.is_deleting || pod.view.state != server.state {
                    self.seen.insert("a claim came too late");
                    return Outcome::Conflict;
                }
                self.seen.insert(if pod.view.claim.is_some() {
                    "a server was claimed again"
                } else {
                    "a server was claimed"
                });
                self.writes += 1;
                let claimed = claimed_by(&pod.view, room, *epoch);
                self.change_pod(&server.uid, |it| it.claim = claimed.claim);
                Outcome::Done
            }
            Command::WriteStatus { room, status, .. } => self.write_status(room, status),
            Command::Release { server_uid, epoch, .. } => {
                let claim = self.pods.get(server_uid).and_then(|it| it.view.claim.as_ref());
                if claim.is_some_and(|it| it.epoch != *epoch) {
                    self.seen.insert("a release came too late");
                    return Outcome::Conflict;
                }
                self.check_release(server_uid);
                self.writes += 1;
                self.seen.insert("a server was released");
                if self.pods.contains_key(server_uid) {
                    self.remove_pod(server_uid);
                }
                Outcome::Done
            }
            Command::DeleteRoom { room } => {
                let name = room.metadata.name.as_deref().unwrap();
                self.writes += 1;
                if self.rooms.get(name).is_some_and(|it| it.metadata.uid == room.metadata.uid) {
                    self.seen.insert("a room was deleted after its time");
                    self.remove_room(name);
                }
                Outcome::Done
            }
            Command::AskForServer { .. }
            | Command::AskForRoom { .. }
            | Command::TellLoss { .. }
            | Command::TellTaken(_)
            | Command::StepDown
            | Command::Open { .. }
            | Command::Close { .. }
            | Command::Drain { .. }
            | Command::Retire { .. }
            | Command::TellFallbacks { .. }
            | Command::TellFound { .. }
            | Command::StandBy { .. }
            | Command::Mirror { .. }
            | Command::Greet { .. } => Outcome::Done,
        }
    }

    pub(super) fn write_status(
        &mut self,
        room: &GameRoom,
        status: &gamekeeper_crds::GameRoomStatus,
    ) -> Outcome {
        let name = room.metadata.name.as_deref().unwrap();
        let Some(current) = self.rooms.get(name).cloned() else { return Outcome::Conflict };
        if current.metadata.uid != room.metadata.uid || version_of(&current) != version_of(room) {
            self.seen.insert("a status was written too late");
            return Outcome::Conflict;
        }
        let before = current.status.clone().unwrap_or_default();
        assert!(before.epoch <= status.epoch, "I2: an epoch fell from {} to {}", before.epoch, status.epoch);
        assert!(!before.phase.is_over(), "a match that is over was changed");
        self.check_that_no_match_is_given_up(&current, &before, status);
        self.writes += 1;
        if conditions::find(&status.conditions, FINISHED).is_some_and(|it| it.reason == reason::UNCLAIMED) {
            self.seen.insert("nobody came to a room");
        }
        self.seen.insert(match status.phase {
            Phase::Pending => "a room was told to wait",
            Phase::Running if 0 < status.recoveries => "a room was placed again",
            Phase::Running => "a room was placed",
            Phase::Recovering => "a room lost its server and found no other",
            Phase::Finished => "a match was finished",
            Phase::Failed => "a match was lost",
        });
        if status.phase == Phase::Running {
            // I4: who reads an address may connect: the server has the room, or has just died with it.
            let uid = &status.server.as_ref().unwrap().pod_uid;
            let process = self.processes.get(uid);
            assert!(
                process.is_none_or(|it| it.had(status.epoch)),
                "I4: {name} was published on a server that never had it"
            );
            let claim = self.pods.get(uid).and_then(|it| it.view.claim.as_ref());
            assert!(
                claim.is_none_or(|it| Some(&it.room_uid) == current.metadata.uid.as_ref()),
                "I4: {name} was published on a server of another room"
            );
        }
        let version = self.next_version();
        let mut written = current;
        written.status = Some(status.clone());
        written.metadata.resource_version = Some(version.to_string());
        self.put_room(written, "a status was written");
        Outcome::Done
    }

    /// P6: while a server plays the room that its players were told is there, nothing else is published.
    fn check_that_no_match_is_given_up(
        &self,
        room: &GameRoom,
        before: &gamekeeper_crds::GameRoomStatus,
        after: &gamekeeper_crds::GameRoomStatus,
    ) {
        let Some(server) = before.server.as_ref().filter(|_| before.phase == Phase::Running) else { return };
        let uid = room.metadata.uid.as_deref().unwrap();
        let plays = match (self.processes.get(&server.pod_uid), self.pods.get(&server.pod_uid)) {
            (Some(process), _) => process.tenancies().any(|it| it.uid == uid && it.epoch.0 == before.epoch),
            (None, Some(pod)) => {
                let claim = pod.view.claim.as_ref().filter(|_| pod.view.is_alive());
                claim.is_some_and(|it| it.room_uid == uid && it.epoch.0 == before.epoch)
            }
            (None, None) => false,
        };
        let stays = after.phase == Phase::Running
            && after.epoch == before.epoch
            && after.server.as_ref().is_some_and(|it| it.pod_uid == server.pod_uid);
        let is_unclaimed =
            conditions::find(&after.conditions, FINISHED).is_some_and(|it| it.reason == reason::UNCLAIMED);
        let name = room.metadata.name.as_deref().unwrap();
        // I6, I7: unless its server was believed to be lost, and then only with the store's fence between the two.
        let is_doubted = self.losses.is_doubted(&server.pod_uid, before.epoch);
        assert!(
            !plays || stays || is_unclaimed || is_doubted,
            "P6: {name} plays on, and is given up: {after:?}"
        );
        let is_controlled = after.server.as_ref().is_some_and(|it| it.boot_id.is_some());
        let is_restored = is_controlled && room.spec.recovery == Recovery::Restore;
        if plays && !stays && after.phase == Phase::Running && is_restored {
            let fence = self.losses.fences.borrow().get(&after.epoch).copied();
            assert_eq!(fence, Some(true), "I7: {name} is played twice without a fence: {after:?}");
        }
    }

    /// What the driver tells the ledger after a call: first what is the case, then the outcome.
    pub(super) fn answers(&self, command: &Command, outcome: Outcome, knows: bool) -> Vec<(u64, Event)> {
        let mut answers = Vec::new();
        let room_answer =
            |room: &GameRoom| (0, Event::RoomAnswer { uid: room.metadata.uid.clone().unwrap(), outcome });
        match command {
            Command::Claim { room, server, .. } => {
                answers.extend(knows.then(|| self.pod_now(&server.uid)));
                answers.push(room_answer(room));
            }
            Command::WriteStatus { room, .. } | Command::DeleteRoom { room } => {
                if knows {
                    answers.push(self.room_now(room.metadata.name.as_deref().unwrap(), room));
                }
                answers.push(room_answer(room));
            }
            Command::AskForServer { room_uid, server_uid, .. } => {
                if outcome == Outcome::Done {
                    answers.push(self.pod_now(server_uid));
                    if !self.pods.contains_key(server_uid) {
                        answers.push((
                            0,
                            Event::ServerAbsent {
                                room_uid: room_uid.clone(),
                                server_uid: server_uid.clone(),
                            },
                        ));
                    }
                }
                answers.push((0, Event::RoomAnswer { uid: room_uid.clone(), outcome }));
            }
            Command::AskForRoom { server_uid, room, room_uid } => {
                if outcome == Outcome::Done {
                    let found =
                        self.rooms.get(&room.name).filter(|it| it.metadata.uid.as_ref() == Some(room_uid));
                    match found {
                        Some(found) => {
                            answers.push((version_of(found), Event::Room(Arc::new(found.clone()))));
                        }
                        None => answers.push((
                            0,
                            Event::RoomAbsent { server_uid: server_uid.clone(), room_uid: room_uid.clone() },
                        )),
                    }
                }
                answers.push((0, Event::ServerAnswer { uid: server_uid.clone(), outcome }));
            }
            Command::Release { server_uid, .. } => {
                answers.extend((outcome != Outcome::Failed).then(|| self.pod_now(server_uid)));
                answers.push((0, Event::ServerAnswer { uid: server_uid.clone(), outcome }));
            }
            Command::TellLoss { .. }
            | Command::TellTaken(_)
            | Command::StepDown
            | Command::Open { .. }
            | Command::Close { .. }
            | Command::Drain { .. }
            | Command::Retire { .. }
            | Command::TellFallbacks { .. }
            | Command::TellFound { .. }
            | Command::StandBy { .. }
            | Command::Mirror { .. }
            | Command::Greet { .. } => (),
        }
        answers
    }

    pub(super) fn pod_now(&self, uid: &str) -> (u64, Event) {
        match self.pods.get(uid) {
            Some(pod) => (pod.version, Event::Server(pod.view.clone())),
            None => (self.version, Event::ServerGone(uid.to_owned())),
        }
    }

    pub(super) fn room_now(&self, name: &str, asked: &GameRoom) -> (u64, Event) {
        let found = self.rooms.get(name).filter(|it| it.metadata.uid == asked.metadata.uid);
        match found {
            Some(room) => (version_of(room), Event::Room(Arc::new(room.clone()))),
            None => (self.version, Event::RoomGone(Arc::new(asked.clone()))),
        }
    }
}
