//! Watches a stage all the time and remembers every broken promise.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use gamekeeper_crds::{GameRoom, room::Phase};
use gamekeeper_testkit::FakeApi;
use serde::Deserialize as _;
use serde_json::Value;
use tokio::task::JoinHandle;

/// How often it looks.
const EVERY: Duration = Duration::from_millis(10);

/// What histories let a controlled server host.
const ROOMS_PER_SERVER: usize = 3;

/// Watches until it is asked.
pub(crate) struct Checker {
    broken: Arc<Mutex<Vec<String>>>,
    excused: Arc<Mutex<BTreeSet<String>>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Memory {
    /// By room uid: name, and the pod on which it runs.
    matches: BTreeMap<String, (String, String)>,
    epochs: BTreeMap<String, i64>,
    over: BTreeSet<String>,
}

impl Checker {
    pub(crate) fn start(api: &FakeApi) -> Self {
        let (broken, excused) =
            (Arc::<Mutex<Vec<String>>>::default(), Arc::<Mutex<BTreeSet<String>>>::default());
        let task = tokio::spawn({
            let (api, broken, excused) = (api.clone(), broken.clone(), excused.clone());
            async move {
                let mut memory = Memory::default();
                let mut version = 0;
                loop {
                    tokio::time::sleep(EVERY).await;
                    // Most of the time nothing happens.
                    if std::mem::replace(&mut version, api.version()) == api.version() {
                        continue;
                    }
                    let found = memory.look(&api, &excused.lock().unwrap());
                    broken.lock().unwrap().extend(found);
                }
            }
        });
        Self { broken, excused, task }
    }

    /// Somebody else ends this pod's match.
    pub(crate) fn excuse(&self, pod: &str) {
        self.excused.lock().unwrap().insert(pod.to_owned());
    }

    /// Fails if a promise was broken.
    pub(crate) fn assert_kept(self, context: &str) {
        self.task.abort();
        let broken = self.broken.lock().unwrap();
        assert!(broken.is_empty(), "{context}: {broken:#?}");
    }
}

impl Memory {
    fn look(&mut self, api: &FakeApi, excused: &BTreeSet<String>) -> Vec<String> {
        let pods = api.view("", "pods");
        let mut broken = Vec::new();
        let mut hosts: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut matches = BTreeMap::new();
        let rooms = api.view("gamekeeper.dev", "gamerooms");
        for room in &rooms {
            let room: GameRoom = GameRoom::deserialize(&**room).unwrap();
            let (name, uid) = (room.metadata.name.clone().unwrap(), room.metadata.uid.clone().unwrap());
            let status = room.status.unwrap_or_default();
            let epoch = self.epochs.insert(uid.clone(), status.epoch).unwrap_or_default();
            if status.epoch < epoch {
                broken.push(format!("I2: the epoch of {name} fell from {epoch} to {}", status.epoch));
            }
            if self.over.contains(&uid) && !status.phase.is_over() {
                broken.push(format!("a match that was over is {:?}: {name}", status.phase));
            }
            if status.phase.is_over() {
                self.over.insert(uid.clone());
            }
            if status.phase == Phase::Running {
                let server = status.server.unwrap();
                let most = if server.boot_id.is_some() { ROOMS_PER_SERVER } else { 1 };
                let pod = server.pod_name;
                let there = hosts.entry(pod.clone()).or_default();
                there.push(name.clone());
                if most < there.len() {
                    broken.push(format!("P2: {there:?} are all published on {pod}"));
                }
                matches.insert(uid, (name, pod));
            }
        }
        for (uid, (name, pod)) in &self.matches {
            let still = matches.get(uid).is_some_and(|(_, now)| now == pod);
            let exists = !self.over.contains(uid) && rooms.iter().any(|it| it["metadata"]["uid"] == **uid);
            let found = pods.iter().find(|it| it["metadata"]["name"] == **pod);
            let lives = found.is_some_and(|it| !has_ended(it));
            let is_deleting = found.is_none_or(|it| it["metadata"]["deletionTimestamp"].is_string());
            if exists && !excused.contains(pod) && (is_deleting || (!still && lives)) {
                broken.push(format!("P6: the match {name} on {pod} was ended by us"));
            }
        }
        self.matches = matches;
        broken
    }
}

fn has_ended(pod: &Value) -> bool {
    let containers = pod["status"]["containerStatuses"].as_array();
    containers.is_some_and(|it| it.iter().any(|it| it["state"]["terminated"].is_object()))
        || matches!(pod["status"]["phase"].as_str(), Some("Failed" | "Succeeded"))
}
