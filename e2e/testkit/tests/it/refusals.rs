//! What the server refuses, and in which words.

use gamekeeper_testkit::{ClientOptions, FakeApi, Verb};
use kube::api::{EvictParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::support::{NAMESPACE, object, of_kind, pod, pods, refusal, room, rooms, run};

#[tokio::test(start_paused = true)]
async fn every_refusal_is_known_to_kube_by_its_kind() {
    let api = FakeApi::new(1);
    let pods = pods(&api.client());
    let missing = refusal(pods.get("a").await);
    assert!(missing.is_not_found());
    assert_eq!(missing.message, "pods \"a\" not found");
    assert_eq!(missing.details.unwrap().kind, "pods");

    pods.create(&PostParams::default(), &pod("a")).await.unwrap();
    let twice = refusal(pods.create(&PostParams::default(), &pod("a")).await);
    assert!(twice.is_already_exists() && !twice.is_conflict());

    assert!(refusal(pods.create(&PostParams::default(), &pod("Not_A_Name")).await).is_invalid());
    let mut labelled = pod("b");
    labelled.metadata.labels = Some([("room".to_owned(), "x".repeat(64))].into());
    assert!(refusal(pods.create(&PostParams::default(), &labelled).await).is_invalid());
    let moved = Patch::Merge(json!({ "spec": { "hostNetwork": true } }));
    assert!(refusal(pods.patch("a", &PatchParams::default(), &moved).await).is_invalid());
}

#[tokio::test(start_paused = true)]
async fn an_epoch_never_falls_and_a_match_that_is_over_stays_over() {
    let api = FakeApi::new(1);
    let rooms = rooms(&api.client());
    rooms.create(&PostParams::default(), &room("duel")).await.unwrap();
    let status = |it: serde_json::Value| {
        let rooms = rooms.clone();
        async move {
            rooms.patch_status("duel", &PatchParams::default(), &Patch::Merge(json!({ "status": it }))).await
        }
    };
    status(json!({ "epoch": (1_i64 << 32) + 7, "phase": "Running" })).await.unwrap();
    assert!(refusal(status(json!({ "epoch": (1_i64 << 32) + 6 })).await).is_invalid());
    assert!(refusal(status(json!(null)).await).is_invalid());
    status(json!({ "phase": "Finished" })).await.unwrap();
    assert!(refusal(status(json!({ "phase": "Recovering" })).await).is_invalid());
}

#[tokio::test(start_paused = true)]
async fn a_quota_counts_the_pods_that_have_not_ended() {
    let api = FakeApi::new(1);
    let pods = pods(&api.client());
    api.set_pod_quota(NAMESPACE, 1);
    pods.create(&PostParams::default(), &pod("a")).await.unwrap();
    let refused = refusal(pods.create(&PostParams::default(), &pod("b")).await);
    assert!(refused.is_forbidden());
    assert!(
        refused.message.contains("exceeded quota: pods, requested: pods=1, used: pods=1, limited: pods=1")
    );
    api.edit("", "pods", NAMESPACE, "a", |it| it["status"]["phase"] = json!("Failed"));
    pods.create(&PostParams::default(), &pod("b")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_forbidden_verb_is_refused_until_it_is_allowed_again() {
    let api = FakeApi::new(1);
    let restricted = pods(&api.client_with(&ClientOptions::sound("operator")));
    api.forbid(Verb::List, "pods");
    api.forbid(Verb::Patch, "pods/status");
    let refused = refusal(restricted.list(&ListParams::default()).await);
    assert!(
        refused.is_forbidden() && refused.message.contains("cannot list resource \"pods\""),
        "{refused:?}"
    );
    pods(&api.client()).list(&ListParams::default()).await.unwrap();
    restricted.create(&PostParams::default(), &pod("a")).await.unwrap();
    let status = Patch::Merge(json!({ "status": {} }));
    assert!(refusal(restricted.patch_status("a", &PatchParams::default(), &status).await).is_forbidden());
    api.allow(Verb::List, "pods");
    restricted.list(&ListParams::default()).await.unwrap();

    api.forbid(Verb::Create, "pods");
    let body = json!({ "apiVersion": "v1", "kind": "Pod", "spec": {} });
    let made = restricted.patch("b", &PatchParams::apply("op"), &Patch::Apply(body)).await;
    assert!(refusal(made).is_forbidden(), "an apply that creates needs the right to create");
}

#[tokio::test(start_paused = true)]
async fn an_eviction_asks_the_disruption_budget() {
    let api = FakeApi::new(1);
    let pods = pods(&api.client());
    let budgets = of_kind(&api.client(), "policy/v1", "PodDisruptionBudget");
    for name in ["a", "b"] {
        pods.create(&PostParams::default(), &pod(name)).await.unwrap();
        run(&api, name);
    }
    pods.create(&PostParams::default(), &pod("pending")).await.unwrap();
    let budget = |least: i64| {
        object(json!({
            "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": { "name": "arena" },
            "spec": { "minAvailable": least, "selector": { "matchLabels": { "fleet": "arena" } } },
        }))
    };
    budgets.create(&PostParams::default(), &budget(i64::from(i32::MAX))).await.unwrap();
    let refused = refusal(pods.evict("a", &EvictParams::default()).await);
    assert_eq!((refused.code, refused.reason.as_str()), (429, "TooManyRequests"));
    let cause = &refused.details.unwrap().causes[0];
    assert_eq!(
        cause.message,
        "The disruption budget arena needs 2147483647 healthy pods and has 2 currently"
    );
    pods.evict("pending", &EvictParams::default()).await.unwrap();

    budgets
        .patch("arena", &PatchParams::default(), &Patch::Merge(json!({ "spec": { "minAvailable": 1 } })))
        .await
        .unwrap();
    pods.evict("a", &EvictParams::default()).await.unwrap();
    assert!(pods.get("a").await.unwrap().metadata.deletion_timestamp.is_some());
    assert_eq!(refusal(pods.evict("b", &EvictParams::default()).await).code, 429);
}
