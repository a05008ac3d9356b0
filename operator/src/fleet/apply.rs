//! Step 4: carries a plan out.

use std::sync::atomic::{AtomicBool, Ordering};

use futures::{StreamExt as _, stream};
use gamekeeper_crds::labels;
use k8s_openapi::{
    api::{
        apps::v1::ControllerRevision,
        core::v1::Pod,
        policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec},
    },
    apimachinery::pkg::{
        apis::meta::v1::{LabelSelector, OwnerReference},
        util::intstr::IntOrString,
    },
};
use kube::{
    Api, Resource as _,
    api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams, Preconditions, Request},
    core::Status,
};
use serde_json::Value;
use tracing::info;

use super::{
    Context, Valid,
    observe::Observed,
    plan::{Doomed, Plan},
    pod::{self, Particulars},
    ports::Allocator,
    revision,
};
use crate::{
    FIELD_MANAGER,
    cache::Cached as _,
    driver::Word,
    metrics::Outcome,
    server::ServerPod,
    world::{Budget, Revision},
};

/// Pods created or deleted at once: each request in flight is a connection of its own.
const WRITES_IN_FLIGHT: usize = 16;

/// The largest integer that a PDB takes: no eviction leaves that many pods.
///
/// An integer is compared with the pods there are. `maxUnavailable: 0` would be computed from the
/// scale subresource, and allow evictions during a surge.
const ALL_OF_THEM: i32 = i32::MAX;

/// What could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to try the template")]
    Try(#[source] kube::Error),
    #[error("failed to create a revision")]
    CreateRevision(#[source] kube::Error),
    #[error("failed to delete a revision")]
    DeleteRevision(#[source] kube::Error),
    #[error("failed to apply the disruption budget")]
    ApplyBudget(#[source] kube::Error),
    #[error("failed to create a server's pod")]
    CreatePod(#[source] kube::Error),
    #[error("failed to delete a server's pod")]
    DeletePod(#[source] kube::Error),
}

/// What became of a plan.
#[derive(Debug, Default)]
pub(super) struct Applied {
    pub created: usize,
    pub deleted: usize,
    /// The API server refuses a pod made from the template: the reason.
    pub template_refused: Option<String>,
    /// The API server refuses more pods: the reason.
    pub create_refused: Option<String>,
    /// The first thing that failed otherwise, to be tried again.
    pub error: Option<Error>,
}

/// Carries `plan` out.
pub(super) async fn apply(
    context: &Context,
    observed: &Observed,
    valid: &Valid,
    hash: &str,
    plan: &Plan,
) -> Applied {
    let mut applied = Applied::default();
    let result = async {
        if !observed.revisions.iter().any(|it| it.hash == hash) {
            if let Some(refusal) = try_template(context, observed, hash).await? {
                applied.template_refused = Some(refusal);
                return Ok(());
            }
            create_revision(context, observed, hash).await?;
        }
        protect(context, observed).await?;
        // First the new ones: what is removed is stood in for.
        create(context, observed, hash, plan, &mut applied).await?;
        give_notice(context, observed, plan);
        delete(context, observed, plan, &mut applied).await?;
        forget_revisions(context, observed, valid, hash).await
    };
    applied.error = result.await.err();
    applied
}

fn owner(observed: &Observed) -> OwnerReference {
    let mut owner =
        observed.fleet.controller_owner_ref(&()).expect("an object from the API server has a name and a uid");
    // Blocking needs a permission on the fleet's finalizers, for a nicety that we do not use.
    owner.block_owner_deletion = None;
    owner
}

/// Asks the API server whether it would take a pod of this template; a bad spec never half-applies.
async fn try_template(context: &Context, observed: &Observed, hash: &str) -> Result<Option<String>, Error> {
    let particulars = Particulars { host_ports: vec![None; observed.fleet.spec.ports.len()], failures: 0 };
    let pod = pod::build(&observed.fleet, &owner(observed), hash, &particulars);
    let dry_run = PostParams { dry_run: true, field_manager: Some(FIELD_MANAGER.into()) };
    match post(context, observed, &pod, &dry_run).await {
        Ok(_) => Ok(None),
        Err(kube::Error::Api(status)) if status.is_invalid() || status.code == 400 => {
            Ok(Some(status.message.clone()))
        }
        // Refused for another reason (quota, an ending namespace): the template may still be good.
        Err(kube::Error::Api(status)) if status.is_forbidden() => Ok(None),
        Err(error) => Err(Error::Try(error)),
    }
}

/// Creates a pod from JSON: the template is passed on as it is, not retyped.
async fn post(context: &Context, observed: &Observed, pod: &Value, params: &PostParams) -> kube::Result<Pod> {
    let url = Pod::url_path(&(), Some(&observed.name.namespace));
    let body = serde_json::to_vec(pod).map_err(kube::Error::SerdeError)?;
    let request = Request::new(url).create(params, body).map_err(kube::Error::BuildRequest)?;
    context.client.request(request).await
}

async fn create_revision(context: &Context, observed: &Observed, hash: &str) -> Result<(), Error> {
    let number = observed.revisions.last().map_or(0, |it| it.number) + 1;
    let revision = revision::build(&observed.fleet, owner(observed), hash, number);
    let revisions = Api::<ControllerRevision>::namespaced(context.client.clone(), &observed.name.namespace);
    match revisions.create(&PostParams::default(), &revision).await {
        Ok(created) => {
            if let Some(created) = Revision::parse(&created) {
                context.world.write().revisions.note(created);
            }
            info!(
                namespace = observed.name.namespace,
                fleet = observed.name.name,
                revision = hash,
                number,
                "new revision"
            );
            Ok(())
        }
        // Made by us before the cache heard of it, or of a deleted namesake and soon collected.
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
        Err(error) => Err(Error::CreateRevision(error)),
    }
}

/// Evictions wait: a drain must not end matches.
async fn protect(context: &Context, observed: &Observed) -> Result<(), Error> {
    let name = &observed.name;
    let is_right =
        |it: &Budget| it.min_available == Some(ALL_OF_THEM) && it.selects.as_ref() == Some(&name.name);
    if observed.budget.as_deref().is_some_and(is_right) {
        return Ok(());
    }
    let labels = [(labels::FLEET.to_owned(), name.name.clone())];
    let budget = PodDisruptionBudget {
        metadata: ObjectMeta {
            name: Some(name.name.clone()),
            namespace: Some(name.namespace.clone()),
            labels: Some(labels.clone().into()),
            owner_references: Some(vec![owner(observed)]),
            ..ObjectMeta::default()
        },
        spec: Some(PodDisruptionBudgetSpec {
            min_available: Some(IntOrString::Int(ALL_OF_THEM)),
            selector: Some(LabelSelector { match_labels: Some(labels.into()), ..LabelSelector::default() }),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    };
    let budgets = Api::<PodDisruptionBudget>::namespaced(context.client.clone(), &name.namespace);
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let applied =
        budgets.patch(&name.name, &params, &Patch::Apply(&budget)).await.map_err(Error::ApplyBudget)?;
    if let Some(applied) = Budget::parse(&applied) {
        context.world.write().budgets.note(applied);
    }
    Ok(())
}

async fn create(
    context: &Context,
    observed: &Observed,
    hash: &str,
    plan: &Plan,
    applied: &mut Applied,
) -> Result<(), Error> {
    let uid = observed.fleet.metadata.uid.as_deref().unwrap_or_default();
    let turn = context.clock.now().as_millisecond().unsigned_abs();
    let mut allocator = Allocator::new(&context.ranges, observed.port_uses.clone(), uid, turn);
    let owner = owner(observed);
    let pods: Vec<Value> = plan
        .create
        .iter()
        .map(|failures| {
            let host_ports = allocator.next(&observed.fleet.spec.ports);
            pod::build(&observed.fleet, &owner, hash, &Particulars { host_ports, failures: *failures })
        })
        .collect();
    let params = PostParams { field_manager: Some(FIELD_MANAGER.into()), ..PostParams::default() };
    // What one pod is refused for, the next would be too. Those under way are waited for: a request
    // that is dropped may have taken effect.
    let (params, stop) = (&params, &AtomicBool::new(false));
    let post_one = |pod: Value| async move {
        if stop.load(Ordering::Relaxed) { None } else { Some(post(context, observed, &pod, params).await) }
    };
    let mut answers = stream::iter(pods).map(post_one).buffer_unordered(WRITES_IN_FLIGHT);
    let mut failure = None;
    while let Some(answer) = answers.next().await {
        let Some(answer) = answer else { continue };
        let outcome = if answer.is_ok() { Outcome::Applied } else { Outcome::Failed };
        context.metrics.server_created(outcome);
        match answer {
            Ok(pod) => {
                applied.created += 1;
                if let Some(pod) = ServerPod::parse(&pod) {
                    context.world.write().pods.note(pod);
                }
                continue;
            }
            Err(kube::Error::Api(status)) if is_refusal(&status) => {
                applied.create_refused = Some(status.message.clone());
            }
            Err(error) => failure = Some(Error::CreatePod(error)),
        }
        stop.store(true, Ordering::Relaxed);
    }
    failure.map_or(Ok(()), Err)
}

fn is_refusal(status: &Status) -> bool {
    status.is_forbidden() || status.is_invalid()
}

async fn delete(
    context: &Context,
    observed: &Observed,
    plan: &Plan,
    applied: &mut Applied,
) -> Result<(), Error> {
    let pods = Api::<Pod>::namespaced(context.client.clone(), &observed.name.namespace);
    let pods = &pods;
    let delete = |doomed: Doomed| async move {
        let answer = delete_one(pods, &doomed).await;
        (doomed, answer)
    };
    let mut answers = stream::iter(plan.delete.clone()).map(delete).buffer_unordered(WRITES_IN_FLIGHT);
    let mut failure = None;
    while let Some((doomed, answer)) = answers.next().await {
        match answer {
            Ok(deleted) => {
                applied.deleted += 1;
                context.metrics.server_deleted(Outcome::Applied);
                info!(
                    namespace = observed.name.namespace,
                    fleet = observed.name.name,
                    server = doomed.pod_name,
                    why = doomed.why,
                    "removed a server"
                );
                context.note_deleted(&observed.name.namespace, &doomed, deleted);
            }
            // It has changed meanwhile, perhaps it was claimed: look again.
            Err(kube::Error::Api(status)) if status.is_conflict() => {
                context.metrics.server_deleted(Outcome::Skipped);
            }
            Err(kube::Error::Api(status)) if status.is_not_found() => {
                context.note_deleted(&observed.name.namespace, &doomed, None);
            }
            Err(error) => {
                context.metrics.server_deleted(Outcome::Failed);
                failure = Some(Error::DeletePod(error));
            }
        }
    }
    failure.map_or(Ok(()), Err)
}

/// Tells the main loop which servers are to get no more rooms, and which are to agree to their removal.
fn give_notice(context: &Context, observed: &Observed, plan: &Plan) {
    let changed = context.world.write().set_drained(&observed.name, &plan.drain);
    for server in observed.servers.iter().filter(|it| changed.contains(&it.pod.uid)) {
        context.say(Word::Server(server.pod.key()));
    }
    for uid in &plan.retire {
        context.say(Word::Unneeded(uid.clone()));
    }
}

/// Deletes a pod if nobody has claimed it since we looked. What is left of it comes back.
async fn delete_one(pods: &Api<Pod>, doomed: &Doomed) -> kube::Result<Option<ServerPod>> {
    let unchanged = Preconditions {
        uid: Some(doomed.uid.clone()),
        resource_version: Some(doomed.resource_version.clone()),
    };
    let params = DeleteParams { preconditions: Some(unchanged), ..DeleteParams::default() };
    let answer = pods.delete(&doomed.pod_name, &params).await?;
    Ok(answer.left().and_then(|it| ServerPod::parse(&it)).filter(|it| it.is_deleting))
}

/// Deletes revisions that no server has and history does not need.
async fn forget_revisions(
    context: &Context,
    observed: &Observed,
    valid: &Valid,
    hash: &str,
) -> Result<(), Error> {
    let is_used = |it: &&std::sync::Arc<Revision>| {
        it.hash == hash || observed.servers.iter().any(|server| server.pod.revision == it.hash)
    };
    let unused: Vec<_> = observed.revisions.iter().filter(|it| !is_used(it)).collect();
    let surplus = unused.len().saturating_sub(valid.history_limit);
    let revisions = Api::<ControllerRevision>::namespaced(context.client.clone(), &observed.name.namespace);
    for revision in unused.into_iter().take(surplus) {
        match revisions.delete(&revision.name.name, &DeleteParams::default()).await {
            Ok(_) => (),
            Err(kube::Error::Api(status)) if status.is_not_found() => (),
            Err(error) => return Err(Error::DeleteRevision(error)),
        }
        context.world.write().revisions.note_gone(&revision.name, &revision.uid);
    }
    Ok(())
}
