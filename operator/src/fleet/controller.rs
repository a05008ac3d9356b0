//! The driver of fleets: runs the five steps for every fleet that something happened to.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{FutureExt as _, Stream, StreamExt as _};
use gamekeeper_crds::GameFleet;
use kube::{
    Client,
    runtime::{
        applier,
        controller::{self, Action, ReconcileRequest},
        reflector::{ObjectRef, Store},
    },
};
use tokio::{sync::mpsc, time::Instant};
use tracing::{debug, warn};

use super::{
    Serving, Valid, apply, observe,
    owner::{Owner, Ownership},
    plan::{self, Doomed},
    ports::Ranges,
    report::{self, Report},
    revision, verdict,
};
use crate::{
    backoff::Backoff,
    cache::Cached as _,
    clock::Clock,
    driver::Word,
    events::{Events, Notice},
    logs,
    metrics::{Metrics, Outcome},
    name::ObjectName,
    server::ServerPod,
    world::Shared,
};

/// Fleets worked on at once.
const RECONCILES_MAX: u16 = 8;

/// How soon a fleet is looked at again after something was done to it.
const PROGRESS: Duration = Duration::from_millis(20);

/// How soon a fleet that another operator manages is looked at again.
const LOOK_AGAIN_AT_THEIRS: Duration = Duration::from_secs(5);

/// How soon after a refusal more pods are tried.
const REFUSED: Backoff = Backoff { first: Duration::from_secs(1), ceiling: Duration::from_secs(30) };

/// What every reconciliation may use.
pub struct Context {
    pub client: Client,
    pub world: Shared,
    pub ranges: Ranges,
    pub clock: Clock,
    pub metrics: Metrics,
    pub events: Events,
    pub owner: Owner,
    /// To the main loop.
    pub words: mpsc::UnboundedSender<Word>,
    pub failures: Mutex<HashMap<ObjectName, u32>>,
    pub written: Mutex<HashMap<ObjectName, Instant>>,
}

/// A step failed; the fleet is tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to learn who manages the fleet")]
    Claim(#[source] kube::Error),
    #[error(transparent)]
    Apply(#[from] apply::Error),
    #[error(transparent)]
    Report(#[from] report::Error),
}

/// Runs until `triggers` ends or the future is dropped.
pub async fn run(
    store: Store<GameFleet>,
    triggers: impl Stream<Item = ObjectRef<GameFleet>> + Send + 'static,
    context: Arc<Context>,
) {
    let requests = triggers.map(|it| Ok::<ReconcileRequest<GameFleet>, std::convert::Infallible>(it.into()));
    let config = controller::Config::default().concurrency(RECONCILES_MAX);
    applier(|fleet, context| reconcile(fleet, context).boxed(), on_error, context, store, requests, config)
        .for_each(|result| {
            match result {
                Ok((fleet, action)) => debug!(%fleet, ?action, "reconciled"),
                // `on_error` has logged it, or the fleet is gone.
                Err(controller::Error::ReconcilerFailed(..) | controller::Error::ObjectNotFound(_)) => (),
                Err(error) => warn!(%error, "controller trouble"),
            }
            std::future::ready(())
        })
        .await;
}

async fn reconcile(fleet: Arc<GameFleet>, context: Arc<Context>) -> Result<Action, Error> {
    let _timer = context.metrics.reconcile_timer();
    let name = fleet.key();
    let Some(fleet) = context.world.read().fleets.get(&name).cloned() else {
        return Ok(Action::await_change());
    };
    // Whose it is comes first: the claim may change the fleet's status.
    if fleet.metadata.deletion_timestamp.is_none()
        && let Ownership::Theirs(theirs) = context.own(&fleet).await?
    {
        context.disown(&fleet, &theirs).await;
        return Ok(Action::requeue(LOOK_AGAIN_AT_THEIRS));
    }
    let Some(observed) = observe::observe(&context.world.read(), &name, &context.ranges) else {
        return Ok(Action::await_change());
    };
    if observed.fleet.metadata.deletion_timestamp.is_some() {
        let report = Report { verdicts: verdict::deleting(), carried_out: None };
        report::report(&context, &observed, report).await?;
        return Ok(Action::await_change());
    }
    let valid = match Valid::of(&observed.fleet, &context.ranges) {
        Ok(valid) => valid,
        Err(error) => {
            // A spec that was accepted before still counts; a new leader knows of none.
            if !context.world.read().serving.contains_key(&name) {
                context.make_known(&name, &Arc::new(Serving::of_invalid(&observed.fleet)));
            }
            let report = Report { verdicts: verdict::invalid(&error), carried_out: None };
            report::report(&context, &observed, report).await?;
            return Ok(Action::await_change());
        }
    };
    context.make_known(&name, &valid.serving);
    let newest = revision::hash(&observed.fleet);
    let now = Instant::now();
    let plan = plan::plan(&valid, &newest, &observed.servers, now);
    let applied = apply::apply(&context, &observed, &valid, &newest, &plan).await;
    let verdicts = verdict::carried_out(&observed, &newest, &plan, &applied);
    let carried_out = applied.template_refused.is_none().then_some((&plan.census, newest.as_str()));
    let rewrite = report::report(&context, &observed, Report { verdicts, carried_out }).await?;
    let refused = applied.create_refused.is_some();
    applied.error.map_or(Ok(()), Err)?;
    let again = match refused {
        true => Some(REFUSED.after(context.count_failure(&name))),
        false => {
            context.forget_failures(&name);
            None
        }
    };
    let wake = plan.wake.map(|it| it.saturating_duration_since(now));
    // What was done is not in the status yet: the caches know it already.
    let progress = (0 < applied.created + applied.deleted).then_some(PROGRESS);
    let next = [again, wake, rewrite, progress].into_iter().flatten().min();
    Ok(next.map_or_else(Action::await_change, Action::requeue))
}

#[allow(clippy::needless_pass_by_value, reason = "the signature is kube's")]
fn on_error(fleet: Arc<GameFleet>, error: &Error, context: Arc<Context>) -> Action {
    let name = fleet.key();
    let pause = Backoff::API.after(context.count_failure(&name));
    context.metrics.reconciled(Outcome::Failed);
    let is_conflict = match error {
        Error::Claim(kube::Error::Api(status)) => status.is_conflict(),
        Error::Report(error) => {
            std::error::Error::source(error).and_then(|it| it.downcast_ref::<kube::Error>()).is_some_and(
                |it| matches!(it, kube::Error::Api(status) if status.is_conflict() || status.is_not_found()),
            )
        }
        Error::Claim(_) | Error::Apply(_) => false,
    };
    if is_conflict {
        // Somebody else wrote the fleet: the watch brings it in a moment.
        debug!(namespace = name.namespace, fleet = name.name, "the fleet has changed meanwhile");
    } else {
        warn!(
            namespace = name.namespace,
            fleet = name.name,
            error = logs::chain(error),
            ?pause,
            "failed to reconcile a fleet"
        );
    }
    Action::requeue(pause)
}

impl Context {
    async fn own(&self, fleet: &GameFleet) -> Result<Ownership, Error> {
        let (ownership, written) = self.owner.claim(fleet).await.map_err(Error::Claim)?;
        if let Some(written) = written {
            self.world.write().fleets.note(written);
        }
        Ok(ownership)
    }

    async fn disown(&self, fleet: &GameFleet, theirs: &ObjectName) {
        let name = fleet.key();
        let was_ours = self.world.write().serving.remove(&name).is_some();
        let note = verdict::managed_elsewhere(theirs);
        warn!(namespace = name.namespace, fleet = name.name, lease = %theirs, "another operator manages this fleet");
        let reason = gamekeeper_crds::conditions::reason::MANAGED_ELSEWHERE;
        self.events.fleet(fleet, &Notice { is_warning: true, reason, note }).await;
        // Only if it is news: the main loop looks at the fleet's servers, and that brings us here again.
        if was_ours {
            self.say(Word::Fleet(name));
        }
    }

    /// Lets the ledger place rooms on the fleet.
    fn make_known(&self, name: &ObjectName, serving: &Arc<Serving>) {
        let known = self.world.write().serving.insert(name.clone(), serving.clone());
        if known.as_ref() != Some(serving) {
            self.say(Word::Fleet(name.clone()));
        }
    }

    /// Tells the main loop something.
    pub(super) fn say(&self, word: Word) {
        // The main loop ends only together with us.
        let _ = self.words.send(word);
    }

    /// Notes what a deletion has left of a pod.
    pub(super) fn note_deleted(&self, namespace: &str, doomed: &Doomed, left: Option<ServerPod>) {
        let mut world = self.world.write();
        match left {
            Some(pod) => drop(world.pods.note(pod)),
            None => drop(world.pods.note_gone(&ObjectName::new(namespace, &doomed.pod_name), &doomed.uid)),
        }
    }

    /// How long to wait with the next status, if one was written less than `every` ago.
    pub(super) fn status_pause(&self, name: &ObjectName, now: Instant, every: Duration) -> Option<Duration> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let last = written.get(name).map(|it| now.duration_since(*it));
        match last.and_then(|it| every.checked_sub(it)).filter(|it| !it.is_zero()) {
            Some(pause) => Some(pause),
            None => {
                written.insert(name.clone(), now);
                None
            }
        }
    }

    fn count_failure(&self, name: &ObjectName) -> u32 {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry(name.clone()).or_default();
        *count = count.saturating_add(1);
        *count
    }

    fn forget_failures(&self, name: &ObjectName) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }
}
