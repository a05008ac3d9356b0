//! Asks every server that has a probe, at its period, and reports whoever's health changes.

use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

use tokio::{
    sync::{Semaphore, mpsc},
    task::{AbortHandle, JoinSet},
    time::{Instant, MissedTickBehavior},
};
use tracing::debug;

use crate::{logs, name::ObjectName};

use super::{
    health::{Answers, Health},
    probe::Probe,
};

/// Questions that may wait for their answer at once: each holds a socket.
const IN_FLIGHT_MAX: usize = 256;

/// A server that has not answered yet is asked more often, so that it is found ready soon.
const STARTING_PERIOD: Duration = Duration::from_millis(200);

/// Answers that wait for the operator's main loop. When it is full, probing slows down.
const REPORTS_MAX: usize = 1024;

/// A server's health has changed.
#[derive(Debug)]
pub struct Report {
    pub pod: ObjectName,
    pub uid: String,
    pub health: Health,
}

/// Asks every server that it was told of.
pub struct Prober {
    tasks: JoinSet<()>,
    running: HashMap<String, (Target, AbortHandle)>,
    slots: Arc<Semaphore>,
    reports: mpsc::Sender<Report>,
}

/// Whom to ask, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub pod: ObjectName,
    pub ip: IpAddr,
    pub probe: Arc<Probe>,
}

impl Prober {
    /// A prober that asks nobody yet, and where its reports come out.
    pub fn new() -> (Self, mpsc::Receiver<Report>) {
        let (reports, receiver) = mpsc::channel(REPORTS_MAX);
        let slots = Arc::new(Semaphore::new(IN_FLIGHT_MAX));
        (Self { tasks: JoinSet::new(), running: HashMap::new(), slots, reports }, receiver)
    }

    /// Asks the server `uid` from now on; again from the start if the target is another than before.
    pub fn watch(&mut self, uid: &str, target: Target) {
        while self.tasks.try_join_next().is_some() {}
        if self.running.get(uid).is_some_and(|(known, _)| *known == target) {
            return;
        }
        self.forget(uid);
        let task = ask_for_ever(uid.to_owned(), target.clone(), self.slots.clone(), self.reports.clone());
        let handle = self.tasks.spawn(task);
        self.running.insert(uid.to_owned(), (target, handle));
    }

    /// Stops asking the server `uid`.
    pub fn forget(&mut self, uid: &str) {
        if let Some((_, task)) = self.running.remove(uid) {
            task.abort();
        }
    }
}

async fn ask_for_ever(uid: String, target: Target, slots: Arc<Semaphore>, reports: mpsc::Sender<Report>) {
    let probe = &target.probe;
    let mut answers = Answers::new(probe.failure_threshold);
    let mut reported = Health::Unknown;
    let mut period = STARTING_PERIOD.min(probe.period);
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Ok(_slot) = slots.acquire().await else { return };
        let answer = probe.ask(target.ip).await;
        if let Err(error) = &answer {
            debug!(uid, error = logs::chain(error), "probe failed");
        }
        answers.note(answer.is_ok(), period + probe.timeout, Instant::now());
        let health = answers.health();
        if health != reported {
            reported = health;
            if reports.send(Report { pod: target.pod.clone(), uid: uid.clone(), health }).await.is_err() {
                return;
            }
        }
        let next = if health == Health::Starting { STARTING_PERIOD.min(probe.period) } else { probe.period };
        if next != period {
            period = next;
            ticks = tokio::time::interval_at(Instant::now() + period, period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
    }
}
