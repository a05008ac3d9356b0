//! What users, players and machines do.

use super::*;

impl Simulation {
    pub(super) fn create_room(&mut self) {
        let name = format!("room-{}", self.rng.random_range(0..self.room_names));
        if self.rooms.contains_key(&name) {
            return;
        }
        let version = self.next_version();
        let recoveries: &[&str] =
            if self.begins_with_matches() { &["Restore"] } else { &["Restart", "Restore", "Fail"] };
        let recovery = *recoveries.choose(&mut self.rng).unwrap();
        let change = json!({
            "metadata": { "uid": format!("room-uid-{version}"), "resourceVersion": version.to_string() },
            "spec": { "recovery": recovery, "priority": self.rng.random_range(0..3), "ttlSecondsAfterFinished": 5 },
        });
        self.put_room(room(&name, change), "a room was created");
    }

    pub(super) fn put_room(&mut self, room: GameRoom, what: &'static str) {
        self.seen.insert(what);
        let version = version_of(&room);
        for leader in &mut self.leaders {
            leader.room_news.push_back((version, Event::Room(Arc::new(room.clone()))));
        }
        self.rooms.insert(room.metadata.name.clone().unwrap(), room);
    }

    pub(super) fn delete_room(&mut self) {
        let names: Vec<String> = self.rooms.keys().cloned().collect();
        if let Some(name) = names.choose(&mut self.rng) {
            self.remove_room(name);
        }
    }

    pub(super) fn remove_room(&mut self, name: &str) {
        let Some(room) = self.rooms.remove(name) else { return };
        self.seen.insert("a room was deleted");
        let version = self.next_version();
        for leader in &mut self.leaders {
            leader.room_news.push_back((version, Event::RoomGone(Arc::new(room.clone()))));
        }
    }

    pub(super) fn start_server(&mut self) {
        if SERVERS <= self.live_servers() {
            return;
        }
        let version = self.next_version();
        let node = format!("node-{}", self.rng.random_range(0..2));
        let mut view = server(&format!("server-{version}"), &node);
        view.state = ServerState::Starting;
        view.is_controlled = self.begins_with_matches() || self.rng.random_bool(0.5);
        if view.is_controlled {
            self.processes.insert(view.uid.clone(), servers::Process::new(format!("boot-{version}")));
        }
        self.pods.insert(view.uid.clone(), Pod { view: view.clone(), version });
        self.spread(&view.uid);
    }

    pub(super) fn server_changes(&mut self) {
        let uids: Vec<String> = self.pods.keys().cloned().collect();
        let Some(uid) = uids.choose(&mut self.rng).cloned() else { return };
        let view = self.pods[&uid].view.clone();
        let state = match (view.state, self.rng.random_range(0..10)) {
            (
                ServerState::Starting
                | ServerState::Unhealthy
                | ServerState::Draining
                | ServerState::Unreachable,
                _,
            ) => ServerState::Ready,
            (ServerState::Ready, 0..4) if view.claim.is_some() && !view.is_controlled => {
                ServerState::Ended(Exit { code: 0 })
            }
            (ServerState::Ready, 4..7) => ServerState::Ended(Exit { code: 137 }),
            (ServerState::Ready, 7) => ServerState::Unhealthy,
            (ServerState::Ready, 8) => ServerState::Draining,
            (ServerState::Ready, _) => ServerState::Unreachable,
            // Its fleet replaces it.
            (ServerState::Ended(_), _) if self.is_mourned(&view) => {
                return self.remove_pod(&uid);
            }
            (ServerState::Ended(_), _) => return,
        };
        self.change_pod(&uid, |it| it.state = state);
    }

    /// Whether it has failed, and no room counts on it any more.
    fn is_mourned(&self, view: &ServerView) -> bool {
        if view.is_controlled {
            return !self.rooms.values().any(|it| is_published_on(it, &view.uid));
        }
        let Some(claim) = view.claim.as_ref() else { return true };
        if !view.has_failed() {
            return false;
        }
        let room = self.rooms.get(&claim.room_name);
        let status = room
            .filter(|it| it.metadata.uid.as_ref() == Some(&claim.room_uid))
            .and_then(|it| it.status.as_ref());
        !status.is_some_and(|it| it.phase == Phase::Running && it.epoch == claim.epoch.0)
    }

    /// Somebody deletes the pod by force, or its node is gone for good.
    pub(super) fn lose_server(&mut self) {
        let uids: Vec<String> = self.pods.keys().cloned().collect();
        if let Some(uid) = uids.choose(&mut self.rng) {
            self.seen.insert("a pod was deleted by somebody else");
            self.remove_pod(uid);
        }
    }

    pub(super) fn change_pod(&mut self, uid: &str, change: impl FnOnce(&mut ServerView)) {
        let version = self.next_version();
        let pod = self.pods.get_mut(uid).unwrap();
        change(&mut pod.view);
        let has_ended = !pod.view.is_alive();
        pod.version = version;
        if has_ended {
            self.end_process(uid);
        }
        self.spread(uid);
    }

    pub(super) fn spread(&mut self, uid: &str) {
        let pod = &self.pods[uid];
        for leader in &mut self.leaders {
            leader.pod_news.push_back((pod.version, Event::Server(pod.view.clone())));
        }
    }

    pub(super) fn remove_pod(&mut self, uid: &str) {
        self.pods.remove(uid);
        self.end_process(uid);
        let version = self.next_version();
        for leader in &mut self.leaders {
            leader.pod_news.push_back((version, Event::ServerGone(uid.to_owned())));
        }
    }
}

fn is_published_on(room: &GameRoom, uid: &str) -> bool {
    let status = room.status.as_ref().filter(|it| it.phase == Phase::Running);
    status.and_then(|it| it.server.as_ref()).is_some_and(|it| it.pod_uid == uid)
}
