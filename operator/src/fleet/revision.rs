//! Revisions: one version of a fleet's servers, named after its content.

use std::fmt::Write as _;

use gamekeeper_crds::{GameFleet, fleet::State, labels};
use k8s_openapi::{
    api::apps::v1::ControllerRevision,
    apimachinery::pkg::{apis::meta::v1::OwnerReference, runtime::RawExtension},
};
use kube::api::ObjectMeta;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Characters of a revision's hash: 32 bits, which tell the few revisions of a fleet apart.
const HASH_LENGTH: usize = 8;

/// What makes a server's pod what it is.
///
/// Fields that come later go in only where they are set, so that an upgrade of the operator does
/// not make a new revision of every fleet.
fn content(fleet: &GameFleet) -> Value {
    let mut content = json!({ "template": fleet.spec.template, "ports": fleet.spec.ports });
    if let Some(control) = &fleet.spec.control {
        content["controlPort"] = json!(control.port);
    }
    // `Open` is left out: servers of earlier releases, which were not told, are open too, and an upgrade must
    // not replace them. Another Secret or key in it makes a new revision, since a server reads its environment
    // only once; what is in the Secret is not known here.
    if let Some(key) = fleet.spec.ticket_key() {
        content["ticketKey"] = json!(key);
    }
    // Servers are told over their streams whether there is a standby.
    if let Some(State { redis, checkpoint_interval, fence_after, standby: _ }) = &fleet.spec.state {
        content["stateUrl"] = json!(redis.url_secret_key_ref);
        content["checkpointInterval"] = json!(checkpoint_interval);
        content["fenceAfter"] = json!(fence_after);
    }
    content
}

/// The hash that names the fleet's newest revision.
pub fn hash(fleet: &GameFleet) -> String {
    // serde_json's maps are sorted: equal contents are equal texts.
    let digest = Sha256::digest(content(fleet).to_string().as_bytes());
    let mut hex = String::new();
    for byte in digest.iter().take(HASH_LENGTH / 2) {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// The object that remembers the fleet's newest revision.
pub fn build(fleet: &GameFleet, owner: OwnerReference, hash: &str, number: i64) -> ControllerRevision {
    let name = fleet.metadata.name.clone().unwrap_or_default();
    let labels = [(labels::FLEET, name.as_str()), (labels::REVISION, hash)];
    ControllerRevision {
        metadata: ObjectMeta {
            name: Some(format!("{name}-{hash}")),
            namespace: fleet.metadata.namespace.clone(),
            labels: Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        data: Some(RawExtension(content(fleet))),
        revision: number,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use gamekeeper_crds::fleet::{Admission, SecretKeyRef, Tickets};

    use super::*;

    fn fleet(image: &str, replicas: i32, port: i32) -> GameFleet {
        let fleet = json!({
            "apiVersion": "gamekeeper.dev/v1alpha1", "kind": "GameFleet", "metadata": { "name": "arena" },
            "spec": {
                "replicas": replicas, "admission": "Open",
                "ports": [{ "name": "game", "containerPort": port }],
                "template": { "spec": { "containers": [{ "name": "server", "image": image }] } },
            },
        });
        serde_json::from_value(fleet).unwrap()
    }

    #[test]
    fn a_revision_changes_with_what_its_pods_are_made_of_and_with_nothing_else() {
        let base = hash(&fleet("arena:1", 4, 7777));
        assert_eq!(base, hash(&fleet("arena:1", 40, 7777)));
        assert_ne!(base, hash(&fleet("arena:2", 4, 7777)));
        assert_ne!(base, hash(&fleet("arena:1", 4, 7778)));
    }

    #[test]
    fn p8_servers_are_replaced_when_a_fleet_asks_for_tickets_and_when_the_key_is_another_one() {
        let with_key = |name: &str, key: &str| {
            let mut fleet = fleet("arena:1", 4, 7777);
            fleet.spec.admission = Admission::Ticket;
            let key = SecretKeyRef { name: name.to_owned(), key: key.to_owned() };
            fleet.spec.tickets = Some(Tickets { public_key_secret_key_ref: key });
            hash(&fleet)
        };
        let hashes = [
            hash(&fleet("arena:1", 4, 7777)),
            with_key("one", "public"),
            with_key("two", "public"),
            with_key("one", "next"),
        ];
        assert_eq!(BTreeSet::from(hashes).len(), 4);
    }

    fn stored(secret: &str, interval: &str, fence_after: &str) -> GameFleet {
        let redis = json!({ "urlSecretKeyRef": { "name": secret } });
        let state = json!({ "redis": redis, "checkpointInterval": interval, "fenceAfter": fence_after });
        let mut fleet = fleet("arena:1", 4, 7777);
        fleet.spec.state = serde_json::from_value(state).unwrap();
        fleet
    }

    #[test]
    fn servers_are_replaced_when_what_they_were_told_of_the_store_changes() {
        let hashes = [
            hash(&fleet("arena:1", 4, 7777)),
            hash(&stored("redis", "100ms", "1s")),
            hash(&stored("other", "100ms", "1s")),
            hash(&stored("redis", "200ms", "1s")),
            hash(&stored("redis", "100ms", "2s")),
        ];
        assert_eq!(BTreeSet::from(hashes).len(), 5);
    }

    #[test]
    fn the_hash_is_the_same_in_every_version_of_the_operator() {
        // If this fails, an upgrade would replace every server of every fleet.
        assert_eq!(hash(&fleet("arena:1", 4, 7777)), "a12887c4");
        assert_eq!(hash(&stored("redis", "100ms", "1s")), "08cc8147");
    }
}
