//! Reading and writing objects.

use std::time::Duration;

use gamekeeper_testkit::FakeApi;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions},
    core::PartialObjectMeta,
};
use serde_json::{Value, json};

use crate::support::{NAMESPACE, fleet, fleets, object, of_kind, pod, pods, refusal, room, rooms, run};

fn version(it: &impl kube::ResourceExt) -> u64 {
    it.resource_version().unwrap().parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_created_object_gets_its_identity_and_keeps_it() {
    let api = FakeApi::new(1);
    let rooms = rooms(&api.client());
    let made = rooms.create(&PostParams::default(), &room("duel")).await.unwrap();
    assert_eq!(made.namespace().as_deref(), Some(NAMESPACE));
    assert_eq!(made.metadata.generation, Some(1));
    assert_eq!(made.creation_timestamp().unwrap().0.to_string(), "2026-01-01T00:00:00Z");
    tokio::time::sleep(Duration::from_secs(90)).await;

    rooms.delete("duel", &DeleteParams::default()).await.unwrap();
    let again = rooms.create(&PostParams::default(), &room("duel")).await.unwrap();
    assert_ne!(made.uid(), again.uid(), "a uid never comes back");
    assert_eq!(again.creation_timestamp().unwrap().0.to_string(), "2026-01-01T00:01:30Z");
    assert!(version(&made) < version(&again));

    let mut nameless = room("");
    nameless.metadata.name = None;
    nameless.metadata.generate_name = Some("duel-".into());
    let named = rooms.create(&PostParams::default(), &nameless).await.unwrap();
    assert!(named.name_any().starts_with("duel-") && named.name_any().len() == 10);
}

#[tokio::test(start_paused = true)]
async fn status_and_the_rest_are_written_apart() {
    let api = FakeApi::new(1);
    let rooms = rooms(&api.client());
    let mut made = room("duel");
    made.data["status"] = json!({ "phase": "Running" });
    let made = rooms.create(&PostParams::default(), &made).await.unwrap();
    assert_eq!(made.data.get("status"), None, "born without a status");

    let both = Patch::Merge(json!({ "spec": { "priority": 7 }, "status": { "phase": "Running" } }));
    let after = rooms.patch_status("duel", &PatchParams::default(), &both).await.unwrap();
    assert_eq!(
        (&after.data["status"]["phase"], &after.data["spec"]["priority"]),
        (&json!("Running"), &Value::Null)
    );
    assert_eq!(after.metadata.generation, Some(1));

    let both = Patch::Merge(json!({ "spec": { "priority": 7 }, "status": { "phase": "Pending" } }));
    let after = rooms.patch("duel", &PatchParams::default(), &both).await.unwrap();
    assert_eq!(
        (&after.data["status"]["phase"], &after.data["spec"]["priority"]),
        (&json!("Running"), &json!(7))
    );
    assert_eq!(after.metadata.generation, Some(2));

    let mut whole = after.clone();
    whole.data["status"] = json!({ "phase": "Finished" });
    whole.data["spec"]["priority"] = json!(9);
    let after = rooms.replace_status("duel", &PostParams::default(), &whole).await.unwrap();
    assert_eq!(
        (&after.data["status"]["phase"], &after.data["spec"]["priority"]),
        (&json!("Finished"), &json!(7))
    );
}

#[tokio::test(start_paused = true)]
async fn a_write_from_a_stale_read_is_refused() {
    let api = FakeApi::new(1);
    let pods = pods(&api.client());
    let first = pods.create(&PostParams::default(), &pod("a")).await.unwrap();
    let labelled = Patch::Merge(json!({ "metadata": { "labels": { "x": "1" } } }));
    pods.patch("a", &PatchParams::default(), &labelled).await.unwrap();

    assert!(refusal(pods.replace("a", &PostParams::default(), &first).await).is_conflict());
    for guard in [json!({ "resourceVersion": first.resource_version() }), json!({ "uid": "another" })] {
        let mut claim =
            json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "annotations": { "room": "duel" } } });
        claim["metadata"].as_object_mut().unwrap().extend(guard.as_object().unwrap().clone());
        let merged = pods.patch("a", &PatchParams::default(), &Patch::Merge(&claim)).await;
        assert!(refusal(merged).is_conflict());
        let applied = pods.patch("a", &PatchParams::apply("test"), &Patch::Apply(&claim)).await;
        assert!(refusal(applied).is_conflict());
    }
    let now = pods.get("a").await.unwrap();
    assert!(now.annotations().is_empty());
    let guarded = json!({ "metadata": { "uid": now.uid(), "resourceVersion": now.resource_version(), "annotations": { "room": "duel" } } });
    pods.patch("a", &PatchParams::default(), &Patch::Merge(guarded)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_json_patch_tests_before_it_writes() {
    let api = FakeApi::new(1);
    let pods = pods(&api.client());
    pods.create(&PostParams::default(), &pod("a")).await.unwrap();
    let patch = |expected: &str| {
        Patch::<()>::Json(object(json!([
            { "op": "test", "path": "/metadata/labels/fleet", "value": expected },
            { "op": "replace", "path": "/metadata/labels/fleet", "value": "other" },
        ])))
    };
    assert!(refusal(pods.patch("a", &PatchParams::default(), &patch("wrong")).await).is_invalid());
    let after = pods.patch("a", &PatchParams::default(), &patch("arena")).await.unwrap();
    assert_eq!(after.labels()["fleet"], "other");
}

#[tokio::test(start_paused = true)]
async fn an_apply_creates_then_changes_then_does_nothing() {
    let api = FakeApi::new(1);
    let fleets = fleets(&api.client());
    let apply = |spec: Value| {
        let body = json!({ "apiVersion": "gamekeeper.dev/v1alpha1", "kind": "GameFleet", "metadata": { "name": "arena", "labels": null }, "spec": spec });
        let fleets = fleets.clone();
        async move { fleets.patch("arena", &PatchParams::apply("op"), &Patch::Apply(body)).await }
    };
    let made = apply(json!({ "replicas": 3, "paused": true })).await.unwrap();
    let other = Patch::Merge(json!({ "spec": { "foreign": 1 } }));
    fleets.patch("arena", &PatchParams::default(), &other).await.unwrap();
    let after = apply(json!({ "replicas": 4 })).await.unwrap();
    assert_eq!(after.data["spec"], json!({ "replicas": 4, "foreign": 1 }), "what is no longer applied goes");
    assert!(version(&made) < version(&after));
    let same = apply(json!({ "replicas": 4 })).await.unwrap();
    assert_eq!(version(&same), version(&after));

    let missing = json!({ "apiVersion": "gamekeeper.dev/v1alpha1", "kind": "GameFleet", "status": {} });
    let status = fleets.patch_status("none", &PatchParams::apply("op"), &Patch::Apply(missing)).await;
    assert!(refusal(status).is_not_found());
    let theirs =
        json!({ "apiVersion": "gamekeeper.dev/v1alpha1", "kind": "GameFleet", "spec": { "replicas": 9 } });
    let disputed = fleets.patch("arena", &PatchParams::apply("other"), &Patch::Apply(&theirs)).await;
    assert!(refusal(disputed).is_conflict());
    fleets.patch("arena", &PatchParams::apply("other").force(), &Patch::Apply(&theirs)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn lists_select_by_labels_and_fields_and_come_in_pages_of_one_state() {
    let api = FakeApi::new(1);
    let pods = pods(&api.client());
    for (name, build) in [("a", "1"), ("b", "2"), ("c", "2"), ("d", "3")] {
        let mut pod = pod(name);
        pod.labels_mut().insert("build".into(), build.into());
        pods.create(&PostParams::default(), &pod).await.unwrap();
    }
    let names = |params: ListParams| {
        let pods = pods.clone();
        async move {
            pods.list(&params).await.unwrap().iter().map(kube::ResourceExt::name_any).collect::<String>()
        }
    };
    let labelled = |it: &str| ListParams::default().labels(it);
    assert_eq!(names(labelled("build=2")).await, "bc");
    assert_eq!(names(labelled("build!=2,fleet")).await, "ad");
    assert_eq!(names(labelled("build in (1, 3),fleet=arena")).await, "ad");
    assert_eq!(names(labelled("build notin (1,2)")).await, "d");
    assert_eq!(names(labelled("!build")).await, "");
    assert_eq!(names(ListParams::default().fields("metadata.name=c")).await, "c");
    let unknown = pods.list(&ListParams::default().fields("spec.secret=1")).await;
    assert_eq!(refusal(unknown).code, 400);

    let first = pods.list(&ListParams::default().limit(3)).await.unwrap();
    pods.delete("d", &DeleteParams::default()).await.unwrap();
    let token = first.metadata.continue_.clone().unwrap();
    let rest = pods.list(&ListParams::default().limit(3).continue_token(&token)).await.unwrap();
    assert_eq!((first.items.len(), rest.items[0].name_any().as_str()), (3, "d"));
    assert_eq!(first.metadata.resource_version, rest.metadata.resource_version);
    api.compact();
    let expired = pods.list(&ListParams::default().continue_token(&token)).await;
    assert_eq!((refusal(expired).reason.as_str()), "Expired");
}

#[tokio::test(start_paused = true)]
async fn metadata_alone_can_be_had_and_cluster_scoped_objects_live_beside_the_others() {
    let api = FakeApi::new(1);
    let node = json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": "node-1" }, "status": { "phase": "x" } });
    api.insert(node);
    let nodes: Api<Node> = Api::all(api.client());
    nodes.cordon("node-1").await.unwrap();
    let node = nodes.get("node-1").await.unwrap();
    assert_eq!(node.spec.unwrap().unschedulable, Some(true));
    pods(&api.client()).create(&PostParams::default(), &pod("a")).await.unwrap();
    let metadata: Api<PartialObjectMeta<Pod>> = Api::all(api.client());
    assert_eq!(metadata.list(&ListParams::default()).await.unwrap().items[0].labels()["fleet"], "arena");
}

#[tokio::test(start_paused = true)]
async fn a_deletion_waits_for_finalizers_and_for_grace() {
    let api = FakeApi::new(1);
    let pods = pods(&api.client());
    let mut kept = pod("kept");
    kept.finalizers_mut().push("test/hold".into());
    pods.create(&PostParams::default(), &kept).await.unwrap();
    let marked = pods.delete("kept", &DeleteParams::default()).await.unwrap().unwrap_left();
    assert!(marked.metadata.deletion_timestamp.is_some());
    let more = Patch::Merge(json!({ "metadata": { "finalizers": ["test/hold", "test/late"] } }));
    assert!(refusal(pods.patch("kept", &PatchParams::default(), &more).await).is_invalid());
    let freed = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
    pods.patch("kept", &PatchParams::default(), &freed).await.unwrap();
    assert!(pods.get_opt("kept").await.unwrap().is_none());

    pods.create(&PostParams::default(), &pod("unbound")).await.unwrap();
    assert!(pods.delete("unbound", &DeleteParams::default()).await.unwrap().is_right());

    pods.create(&PostParams::default(), &pod("bound")).await.unwrap();
    run(&api, "bound");
    let marked = pods.delete("bound", &DeleteParams::default()).await.unwrap().unwrap_left();
    assert_eq!(marked.metadata.deletion_grace_period_seconds, Some(30));
    assert_eq!(marked.metadata.deletion_timestamp.unwrap().0.to_string(), "2026-01-01T00:00:30Z");
    pods.delete("bound", &DeleteParams::default().grace_period(60)).await.unwrap();
    let still = pods.get("bound").await.unwrap();
    assert_eq!(still.metadata.deletion_grace_period_seconds, Some(30), "grace is only ever shortened");
    assert!(pods.delete("bound", &DeleteParams::default().grace_period(0)).await.unwrap().is_right());
}

#[tokio::test(start_paused = true)]
async fn a_deletion_with_preconditions_hits_no_other_object() {
    let api = FakeApi::new(1);
    let pods = pods(&api.client());
    let made = pods.create(&PostParams::default(), &pod("a")).await.unwrap();
    let delete = |uid: Option<String>, resource_version: Option<String>| {
        DeleteParams::default().preconditions(Preconditions { uid, resource_version })
    };
    for params in [delete(Some("another".into()), None), delete(made.uid(), Some("1000".into()))] {
        assert!(refusal(pods.delete("a", &params).await).is_conflict());
    }
    pods.delete("a", &delete(made.uid(), made.resource_version())).await.unwrap();
    assert!(refusal(pods.get("a").await).is_not_found());
}

#[tokio::test(start_paused = true)]
async fn what_is_owned_follows_its_owner() {
    let api = FakeApi::new(1);
    let (fleets, pods) = (fleets(&api.client()), pods(&api.client()));
    let owned = |name: &str, uid: &str| {
        let mut pod = pod(name);
        pod.owner_references_mut().push(object(json!({
            "apiVersion": "gamekeeper.dev/v1alpha1", "kind": "GameFleet", "name": "arena", "uid": uid, "controller": true,
        })));
        pod
    };
    let uid = fleets.create(&PostParams::default(), &fleet("arena")).await.unwrap().uid().unwrap();
    pods.create(&PostParams::default(), &owned("a", &uid)).await.unwrap();
    pods.create(&PostParams::default(), &owned("b", &uid)).await.unwrap();
    run(&api, "b");
    fleets.delete("arena", &DeleteParams::background()).await.unwrap();
    assert!(pods.get_opt("a").await.unwrap().is_none());
    assert!(pods.get("b").await.unwrap().metadata.deletion_timestamp.is_some(), "gracefully");
    // A late create for an owner that has gone.
    pods.create(&PostParams::default(), &owned("late", &uid)).await.unwrap();
    assert!(pods.get_opt("late").await.unwrap().is_none());

    let uid = fleets.create(&PostParams::default(), &fleet("arena")).await.unwrap().uid().unwrap();
    pods.create(&PostParams::default(), &owned("c", &uid)).await.unwrap();
    run(&api, "c");
    fleets.delete("arena", &DeleteParams::foreground()).await.unwrap();
    assert!(fleets.get("arena").await.unwrap().metadata.deletion_timestamp.is_some());
    api.erase("", "pods", NAMESPACE, "c");
    assert!(fleets.get_opt("arena").await.unwrap().is_none(), "the owner goes last");

    let uid = fleets.create(&PostParams::default(), &fleet("arena")).await.unwrap().uid().unwrap();
    pods.create(&PostParams::default(), &owned("d", &uid)).await.unwrap();
    fleets.delete("arena", &DeleteParams::orphan()).await.unwrap();
    assert!(pods.get("d").await.unwrap().owner_references().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_namespace_takes_its_contents_with_it_and_takes_in_no_more() {
    let api = FakeApi::new(1);
    let namespaces: Api<Namespace> = Api::all(api.client());
    let games = object(json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } }));
    namespaces.create(&PostParams::default(), &games).await.unwrap();
    let (pods, rooms) = (pods(&api.client()), rooms(&api.client()));
    pods.create(&PostParams::default(), &pod("a")).await.unwrap();
    rooms.create(&PostParams::default(), &room("duel")).await.unwrap();
    run(&api, "a");
    namespaces.delete(NAMESPACE, &DeleteParams::default()).await.unwrap();
    assert!(rooms.get_opt("duel").await.unwrap().is_none());
    let refused = refusal(pods.create(&PostParams::default(), &pod("b")).await);
    assert!(
        refused.is_forbidden() && refused.message.contains("because it is being terminated"),
        "{refused:?}"
    );
    assert_eq!(refused.details.unwrap().causes[0].reason, "NamespaceTerminating");
    pods.delete("a", &DeleteParams::default().grace_period(0)).await.unwrap();
    assert!(namespaces.get_opt(NAMESPACE).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_fleet_is_scaled_through_its_subresource() {
    let api = FakeApi::new(1);
    let fleets = fleets(&api.client());
    fleets.create(&PostParams::default(), &fleet("arena")).await.unwrap();
    let status = Patch::Merge(json!({ "status": { "replicas": 2, "selector": "fleet=arena" } }));
    fleets.patch_status("arena", &PatchParams::default(), &status).await.unwrap();
    let scale = fleets.get_scale("arena").await.unwrap();
    assert_eq!(scale.spec.unwrap().replicas, Some(3));
    assert_eq!(scale.status.as_ref().map(|it| it.replicas), Some(2));
    assert_eq!(scale.status.unwrap().selector.as_deref(), Some("fleet=arena"));
    let wanted = Patch::Merge(json!({ "spec": { "replicas": 40 } }));
    fleets.patch_scale("arena", &PatchParams::default(), &wanted).await.unwrap();
    let fleet = fleets.get("arena").await.unwrap();
    assert_eq!((&fleet.data["spec"]["replicas"], fleet.metadata.generation), (&json!(40), Some(2)));
}

#[tokio::test(start_paused = true)]
async fn events_and_leases_need_no_special_case() {
    let api = FakeApi::new(1);
    let leases = of_kind(&api.client(), "coordination.k8s.io/v1", "Lease");
    let lease = object(json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": { "name": "gamekeeper" }, "spec": { "holderIdentity": "a" },
    }));
    let made = leases.create(&PostParams::default(), &lease).await.unwrap();
    let mut taken = made.clone();
    taken.data["spec"]["holderIdentity"] = json!("b");
    leases.replace("gamekeeper", &PostParams::default(), &taken).await.unwrap();
    assert!(refusal(leases.replace("gamekeeper", &PostParams::default(), &made).await).is_conflict());
    taken.metadata.resource_version = None;
    assert!(refusal(leases.replace("gamekeeper", &PostParams::default(), &taken).await).is_invalid());
}
