//! The watches, merged into one stream. One unreadable object stops none of them.

use futures::{Stream, StreamExt as _, stream, stream::BoxStream};
use gamekeeper_crds::{GameFleet, GameRoom, labels};
use k8s_openapi::api::{
    apps::v1::ControllerRevision,
    core::v1::{Node, Pod},
    policy::v1::PodDisruptionBudget,
};
use kube::{
    Api, Client, ResourceExt as _,
    core::DeserializeGuard,
    runtime::{WatchStreamExt as _, watcher, watcher::Event},
};
use serde::de::DeserializeOwned;
use tracing::{debug, error, warn};

use crate::{
    cache::Seen,
    metrics::{Kind, Metrics},
    name::ObjectName,
    server,
    server::ServerPod,
    terms::{scoped, scopes},
    world::{Budget, Revision},
};

/// Kinds of objects that are watched in every watched namespace.
pub const NAMESPACED_KINDS: usize = 5;

#[allow(clippy::large_enum_variant, reason = "one at a time is moved once from a watch to a cache")]
/// News of one watch; the number says of which namespace's.
#[derive(Debug)]
pub enum News {
    Fleet(usize, Seen<GameFleet>),
    Room(usize, Seen<GameRoom>),
    Pod(usize, Seen<ServerPod>),
    Revision(usize, Seen<Revision>),
    Budget(usize, Seen<Budget>),
    Node(Seen<server::Node>),
}

/// Watches all that concerns us in `namespaces`, or everywhere if there are none.
pub fn everything(
    client: &Client,
    namespaces: &[String],
    metrics: &Metrics,
) -> impl Stream<Item = News> + use<> {
    let ours = || watcher::Config::default().labels(labels::FLEET);
    let all = watcher::Config::default;
    let mut streams: Vec<BoxStream<'static, News>> = Vec::new();
    for (scope, namespace) in scopes(namespaces).into_iter().enumerate() {
        let fleets =
            watch::<GameFleet, _, _>(scoped(client, namespace), all(), Kind::GameFleet, metrics, Some);
        streams.push(fleets.map(move |it| News::Fleet(scope, it)).boxed());
        let rooms = watch::<GameRoom, _, _>(scoped(client, namespace), all(), Kind::GameRoom, metrics, Some);
        streams.push(rooms.map(move |it| News::Room(scope, it)).boxed());
        let pods = watch::<Pod, _, _>(scoped(client, namespace), ours(), Kind::Pod, metrics, |it| {
            ServerPod::parse(&it)
        });
        streams.push(pods.map(move |it| News::Pod(scope, it)).boxed());
        let revisions = watch::<ControllerRevision, _, _>(
            scoped(client, namespace),
            ours(),
            Kind::ControllerRevision,
            metrics,
            |it| Revision::parse(&it),
        );
        streams.push(revisions.map(move |it| News::Revision(scope, it)).boxed());
        let budgets = watch::<PodDisruptionBudget, _, _>(
            scoped(client, namespace),
            ours(),
            Kind::PodDisruptionBudget,
            metrics,
            |it| Budget::parse(&it),
        );
        streams.push(budgets.map(move |it| News::Budget(scope, it)).boxed());
    }
    let nodes = watch::<Node, _, _>(Api::all(client.clone()), all(), Kind::Node, metrics, |it| {
        Some(server::Node::parse(&it))
    });
    streams.push(nodes.map(News::Node).boxed());
    stream::select_all(streams)
}

/// One watch, its objects parsed; whatever `parse` does not take is left out.
fn watch<K, T, P>(
    api: Api<DeserializeGuard<K>>,
    config: watcher::Config,
    kind: Kind,
    metrics: &Metrics,
    parse: P,
) -> impl Stream<Item = Seen<T>> + Send + use<K, T, P>
where
    K: kube::Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned + Send + Sync + 'static,
    T: Send + 'static,
    P: Fn(K) -> Option<T> + Send + 'static,
{
    let metrics = metrics.clone();
    let readable = move |object: DeserializeGuard<K>| match object.0 {
        Ok(mut object) => {
            object.managed_fields_mut().clear();
            parse(object)
        }
        Err(invalid) => {
            error!(?kind, name = invalid.metadata.name, namespace = invalid.metadata.namespace, error = %invalid.error,
                "an object cannot be read and is ignored");
            None
        }
    };
    watcher(api, config).default_backoff().filter_map(move |event| {
        let seen = match event {
            Ok(Event::Init) => Some(Seen::Listing),
            Ok(Event::InitApply(object)) => readable(object).map(Seen::Listed),
            Ok(Event::InitDone) => Some(Seen::Complete),
            Ok(Event::Apply(object)) => readable(object).map(Seen::Set),
            Ok(Event::Delete(object)) => {
                object.uid().map(|uid| Seen::Gone { key: ObjectName::of(&object), uid })
            }
            Err(error) => {
                metrics.watch_failed(kind);
                // Expired watches are everyday life; the watcher lists again by itself.
                match &error {
                    watcher::Error::WatchError(status) if status.code == 410 => {
                        debug!(?kind, %error, "watch expired");
                    }
                    _ => warn!(?kind, %error, "watch failed"),
                }
                None
            }
        };
        std::future::ready(seen)
    })
}
