//! Kubelets: they take pods, run processes, report, and let pods go.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::{
    RunningPod,
    core::{Action, Core, pod_uid},
    process::{Process, Stage},
};
use crate::{resource::Key, rules::is_over, verbs::delete::DeleteOptions};

/// How long an image of the name `crash` runs.
const CRASH_AFTER: Duration = Duration::from_millis(50);
/// From the first failed pull to the back-off.
const PULL_BACKOFF: Duration = Duration::from_secs(10);

impl Core {
    /// Takes in a pod that has this node.
    pub(super) fn sync_pod(&mut self, node: &str, pod: &Arc<Value>) {
        let Some(host) = self.nodes.get_mut(node).filter(|it| !it.is_cut) else { return };
        let uid = pod_uid(pod);
        let is_deleting = pod["metadata"]["deletionTimestamp"].is_string();
        if let Some(process) = self.processes.get_mut(&uid) {
            process.pod = Arc::clone(pod);
        } else if !is_over(pod) {
            let process = host.adopt(node, pod, self.api.now());
            let is_new = process.stage == Stage::Starting;
            self.processes.insert(uid.clone(), process);
            if is_new && !is_deleting {
                self.plan(&self.options.start.clone(), Action::Take(uid.clone()));
            }
        }
        if is_deleting {
            self.stop(&uid, pod);
        }
    }

    /// Begins to end a process whose pod is being deleted.
    fn stop(&mut self, uid: &str, pod: &Value) {
        let Some(process) = self.processes.get_mut(uid) else {
            // It ended before we were there.
            return self.plan_release(pod);
        };
        if process.is_stopping {
            return;
        }
        process.is_stopping = true;
        if process.has_ended() {
            return self.plan_release(pod);
        }
        let grace = pod["metadata"]["deletionGracePeriodSeconds"].as_u64().unwrap_or(0);
        let grace = Duration::from_secs(grace);
        // Who hangs does not hear SIGTERM either.
        let hangs = process.hangs;
        let wished = crate::faults::draw(&self.options.stop, &mut self.rng);
        let (delay, code) =
            if hangs || grace < wished { (grace, 137) } else { (wished, self.options.code_on_term) };
        self.plan_in(delay, Action::End { uid: uid.to_owned(), code });
    }

    pub(super) fn take(&mut self, uid: &str) {
        let now = self.api.now();
        let Some(process) = self.processes.get_mut(uid).filter(|it| it.stage == Stage::Starting) else {
            return;
        };
        process.taken = Some(now);
        let is_missing = process.is_image("bad-image");
        self.report(uid);
        let uid = uid.to_owned();
        let next = if is_missing { Action::FailPull { uid, again: false } } else { Action::Run(uid) };
        self.plan(&self.options.start.clone(), next);
    }

    pub(super) fn fail_pull(&mut self, uid: &str, again: bool) {
        let Some(process) = self.processes.get_mut(uid).filter(|it| !it.has_ended()) else { return };
        process.stage = Stage::NoImage { again };
        self.report(uid);
        if !again {
            self.plan_in(PULL_BACKOFF, Action::FailPull { uid: uid.to_owned(), again: true });
        }
    }

    pub(super) fn run(&mut self, uid: &str) {
        let since = self.api.now();
        let ready = self.options.ready.clone();
        let Some(process) = self.processes.get_mut(uid).filter(|it| it.stage == Stage::Starting) else {
            return;
        };
        process.stage = Stage::Running { since };
        let will_be_ready = !process.is_image("never-ready");
        let crashes = process.is_image("crash");
        process.is_ready = will_be_ready && ready.is_empty() && ready.start.is_zero();
        let is_ready = process.is_ready;
        self.report(uid);
        if crashes {
            self.plan_in(CRASH_AFTER, Action::End { uid: uid.to_owned(), code: 1 });
        }
        if will_be_ready && !is_ready {
            self.plan(&ready, Action::Ready(uid.to_owned()));
        }
    }

    pub(super) fn make_ready(&mut self, uid: &str) {
        if let Some(process) = self.processes.get_mut(uid).filter(|it| it.is_running()) {
            process.is_ready = true;
            self.report(uid);
        }
    }

    /// Ends a process. That is the truth at once; the API hears of it later.
    pub(super) fn end(&mut self, uid: &str, code: i32) {
        let at = self.api.now();
        let Some(process) = self.processes.get_mut(uid) else { return };
        let since = match process.stage {
            Stage::Ended { .. } => return,
            Stage::Running { since } => Some(since),
            Stage::Starting | Stage::NoImage { .. } => None,
        };
        process.stage = Stage::Ended { since, code, at };
        process.is_ready = false;
        self.plan_report(uid);
    }

    /// Writes the status of a process's pod, as far as the node is heard.
    pub(super) fn report(&mut self, uid: &str) {
        let Some(process) = self.processes.get(uid).filter(|it| !self.is_cut(&it.node)) else { return };
        let now = self.api.now();
        let key = key_of(&process.pod);
        let process = process.clone();
        self.api.edit_key(&key, |pod| {
            // A pod of the same name may have come in between.
            if pod["metadata"]["uid"] == *uid {
                pod["status"] = process.status(&pod["status"], now);
            }
        });
        if process.has_ended() && process.is_stopping {
            self.plan_release(&process.pod);
        }
    }

    fn plan_release(&mut self, pod: &Value) {
        let node = pod["spec"]["nodeName"].as_str().unwrap_or_default().to_owned();
        let release = Action::Release { uid: pod_uid(pod), key: key_of(pod), node };
        self.plan(&self.options.report.clone(), release);
    }

    /// Lets a pod go whose process has ended and that is being deleted.
    pub(super) fn release(&mut self, uid: &str, key: &Key, node: &str) {
        if !self.is_cut(node) {
            self.api.delete_key(key, &DeleteOptions::now(uid));
        }
    }

    pub(super) fn end_by_name(&mut self, namespace: &str, name: &str, code: i32) -> bool {
        let is_it = |it: &Process| it.is_named(namespace, name) && it.is_running();
        let found = self.processes.iter().find(|(_, it)| is_it(it)).map(|(uid, _)| uid.clone());
        found.inspect(|uid| self.end(uid, code)).is_some()
    }

    pub(super) fn hang(&mut self, namespace: &str, name: &str, hangs: bool) -> bool {
        let mut found =
            self.processes.values_mut().filter(|it| it.is_named(namespace, name) && it.is_running());
        found.next().map(|it| it.hangs = hangs).is_some()
    }

    pub(super) fn running(&self) -> Vec<RunningPod> {
        let running = self.processes.values().filter(|it| it.is_running());
        running.map(|it| self.seen(it)).collect()
    }

    pub(super) fn process_at(&self, ip: &str, port: u16) -> Option<RunningPod> {
        let mut heard = self.processes.values().filter(|it| it.is_running() && !self.is_cut(&it.node));
        heard.find(|it| it.listens_at(ip, port)).map(|it| self.seen(it))
    }

    fn seen(&self, process: &Process) -> RunningPod {
        let pod = self.api.state().get(&key_of(&process.pod));
        process.seen(pod.as_deref())
    }
}

pub(super) fn key_of(pod: &Value) -> Key {
    let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
    Key::pod(&text(&pod["metadata"]["namespace"]), &text(&pod["metadata"]["name"]))
}

/// The object that a kubelet registers.
pub(super) fn node_object(name: &str, number: usize, pods: usize, external: bool, since: &str) -> Value {
    let mut addresses = vec![
        json!({ "type": "InternalIP", "address": internal_ip(number) }),
        json!({ "type": "Hostname", "address": name }),
    ];
    if external {
        addresses.push(json!({ "type": "ExternalIP", "address": format!("203.0.113.{number}") }));
    }
    let pods = pods.to_string();
    let ready = json!({
        "type": "Ready", "status": "True", "reason": "KubeletReady", "lastTransitionTime": since,
    });
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": { "name": name, "labels": { "kubernetes.io/hostname": name, "kubernetes.io/os": "linux" } },
        "spec": {},
        "status": {
            "addresses": addresses,
            "conditions": [ready],
            "capacity": { "pods": pods },
            "allocatable": { "pods": pods },
        },
    })
}

pub(super) fn internal_ip(number: usize) -> String {
    format!("10.0.0.{number}")
}
