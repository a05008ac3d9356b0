//! Epochs and terms: `epoch = term << 32 | counter` (I2).

use gamekeeper_crds::{GameRoom, labels};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client,
    api::ListParams,
    core::{DeserializeGuard, PartialObjectMeta},
};

/// Objects per page of a list, so that a page stays below a few MiB.
const PAGE: u32 = 500;

/// The number of a room's tenancy on a server. The higher one owns the room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(pub i64);

impl Epoch {
    /// The epoch that is the `counter`th of `term`.
    pub fn new(term: u32, counter: u32) -> Self {
        Self((i64::from(term) << 32) | i64::from(counter))
    }

    /// The leadership under which this epoch began.
    pub fn term(self) -> u32 {
        u32::try_from(self.0 >> 32).unwrap_or_default()
    }
}

/// Gives out epochs of one leadership.
#[derive(Clone, Debug)]
pub struct Epochs {
    term: u32,
    counter: u32,
}

impl Epochs {
    /// For the leadership with this term.
    pub fn of(term: u32) -> Self {
        Self { term, counter: 0 }
    }

    /// An epoch above all that were ever given out.
    pub fn issue(&mut self) -> Epoch {
        self.counter += 1;
        Epoch::new(self.term, self.counter)
    }
}

/// The highest term that any room's status or any server's claim names.
pub(crate) async fn highest(client: &Client, namespaces: &[String]) -> kube::Result<u32> {
    let mut highest = 0;
    for namespace in scopes(namespaces) {
        let rooms = scoped::<DeserializeGuard<GameRoom>>(client, namespace);
        let epochs = |room: DeserializeGuard<GameRoom>| Some(Epoch(room.0.ok()?.status?.epoch));
        highest = highest.max(fold(&rooms, ListParams::default(), epochs).await?);

        let pods = scoped::<PartialObjectMeta<Pod>>(client, namespace);
        let params = ListParams::default().labels(labels::FLEET);
        let claims = |pod: PartialObjectMeta<Pod>| {
            Some(Epoch(pod.metadata.annotations?.get(labels::EPOCH)?.parse().ok()?))
        };
        highest = highest.max(fold(&pods, params, claims).await?);
    }
    Ok(highest)
}

/// The namespaces to ask one by one: all at once, or each that is watched.
pub(crate) fn scopes(namespaces: &[String]) -> Vec<Option<&str>> {
    if namespaces.is_empty() { vec![None] } else { namespaces.iter().map(|it| Some(it.as_str())).collect() }
}

/// The API of a namespaced kind in one namespace, or in all.
pub(crate) fn scoped<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
    K::DynamicType: Default,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

async fn fold<K>(api: &Api<K>, params: ListParams, epoch: impl Fn(K) -> Option<Epoch>) -> kube::Result<u32>
where
    K: Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    let mut highest = 0;
    let mut params = params.limit(PAGE);
    loop {
        let page = api.list(&params).await?;
        let terms = page.items.into_iter().filter_map(|it| Some(epoch(it)?.term()));
        highest = highest.max(terms.max().unwrap_or_default());
        match page.metadata.continue_.filter(|it| !it.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(highest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i2_epochs_of_a_later_term_are_higher_than_all_of_an_earlier() {
        assert!(Epoch::new(3, u32::MAX) < Epoch::new(4, 0));
        assert_eq!(Epoch::new(3, 1).0, 12_884_901_889);
        assert_eq!(Epoch::new(3, 1).term(), 3);
        let mut epochs = Epochs::of(3);
        assert!(epochs.issue() < epochs.issue());
    }
}
