//! What goes wrong, and only when it is told to.

use std::{future::Future, time::Duration};

use gamekeeper_testkit::{ClientOptions, Counting, CrashPoint, Entry, FakeApi, Fault, Faults, When};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    runtime::watcher,
};
use serde_json::json;
use tokio::time::{sleep, timeout};

use crate::support::{NAMESPACE, follow, heard, pod, pods, refusal};

fn faulty(api: &FakeApi) -> Api<Pod> {
    pods(&api.client_with(&ClientOptions::faulty("operator")))
}

async fn never<T>(future: impl Future<Output = T>) {
    assert!(timeout(Duration::from_hours(1), future).await.is_err(), "never answered");
}

fn is_there(api: &FakeApi, name: &str) -> bool {
    api.object("", "pods", NAMESPACE, name).is_some()
}

#[tokio::test(start_paused = true)]
async fn a_request_fails_before_or_after_it_took_effect() {
    let api = FakeApi::new(1);
    let pods = faulty(&api);
    api.set_faults(Faults { error_before: 1.0, ..Faults::default() });
    for _ in 0..8 {
        assert!(pods.create(&PostParams::default(), &pod("a")).await.is_err());
        assert!(!is_there(&api, "a"));
    }
    api.set_faults(Faults { error_after: 1.0, ..Faults::default() });
    for i in 0..8 {
        let name = format!("b{i}");
        assert!(pods.create(&PostParams::default(), &pod(&name)).await.is_err());
        assert!(is_there(&api, &name));
    }
    let faults: Vec<Option<Fault>> = api.log().iter().map(|it| it.fault).collect();
    for expected in [Fault::ErrorBefore, Fault::LostBefore, Fault::ErrorAfter, Fault::LostAfter] {
        assert!(faults.contains(&Some(expected)), "{}", api.tail(16));
    }
    crate::support::pods(&api.client()).create(&PostParams::default(), &pod("c")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_server_may_be_busy_contended_or_silent() {
    let api = FakeApi::new(1);
    let pods = faulty(&api);
    pods.create(&PostParams::default(), &pod("a")).await.unwrap();
    api.set_faults(Faults { too_many: 1.0, ..Faults::default() });
    assert_eq!(refusal(pods.get("a").await).code, 429);
    api.set_faults(Faults { conflict: 1.0, ..Faults::default() });
    let patch = Patch::Merge(json!({ "metadata": { "labels": { "x": "1" } } }));
    assert!(refusal(pods.patch("a", &PatchParams::default(), &patch).await).is_conflict());
    pods.delete("a", &DeleteParams::default()).await.unwrap();
    api.set_faults(Faults { hang: 1.0, ..Faults::default() });
    never(pods.get("a")).await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_request_arrives_even_if_its_client_is_gone() {
    let api = FakeApi::new(1);
    let pods = faulty(&api);
    let second = Duration::from_secs(1);
    api.set_faults(Faults { delay: second..second * 2, ..Faults::default() });
    let start = tokio::time::Instant::now();
    pods.create(&PostParams::default(), &pod("a")).await.unwrap();
    assert!((second..second * 3).contains(&start.elapsed()));
    let late = pod("b");
    let params = PostParams::default();
    assert!(timeout(Duration::from_millis(1), pods.create(&params, &late)).await.is_err());
    assert!(!is_there(&api, "b"));
    sleep(second * 2).await;
    assert!(is_there(&api, "b"));
}

#[tokio::test(start_paused = true)]
async fn only_a_read_that_allows_it_is_stale() {
    let api = FakeApi::new(1);
    let pods = faulty(&api);
    for i in 0..10 {
        pods.create(&PostParams::default(), &pod(&format!("a{i}"))).await.unwrap();
    }
    api.set_faults(Faults { stale_list: 1.0, ..Faults::default() });
    let mut counts = Vec::new();
    for _ in 0..20 {
        assert_eq!(pods.list(&ListParams::default()).await.unwrap().items.len(), 10, "a quorum read");
        counts.push(pods.list(&ListParams::default().match_any()).await.unwrap().items.len());
    }
    assert!(counts.iter().any(|it| *it < 10), "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_watch_may_be_late_or_drop_and_still_misses_nothing() {
    let api = FakeApi::new(1);
    let config = watcher::Config::default();
    let mut events = follow(faulty(&api), config);
    heard(&mut events).await;
    let ours = pods(&api.client());
    let lag = Duration::from_millis(1100);
    api.set_faults(Faults { watch_lag: lag..lag, ..Faults::default() });
    ours.create(&PostParams::default(), &pod("a")).await.unwrap();
    ours.create(&PostParams::default(), &pod("b")).await.unwrap();
    assert_eq!(heard(&mut events).await, [""; 0]);
    assert_eq!(heard(&mut events).await, ["+a", "+b"]);
    api.set_faults(Faults { watch_drop: 0.5, ..Faults::default() });
    let mut seen = Vec::new();
    for i in 0..20 {
        ours.create(&PostParams::default(), &pod(&format!("c{i}"))).await.unwrap();
        seen.extend(heard(&mut events).await);
    }
    // The watcher takes its time after errors.
    sleep(Duration::from_mins(2)).await;
    seen.extend(heard(&mut events).await);
    seen.retain(|it| !it.starts_with("error"));
    assert_eq!(seen, (0..20).map(|i| format!("+c{i}")).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn during_an_outage_nothing_is_reached_and_watches_break() {
    let api = FakeApi::new(1);
    let pods = faulty(&api);
    let mut events = follow(pods.clone(), watcher::Config::default());
    heard(&mut events).await;
    api.outage(Duration::from_mins(1));
    assert!(matches!(pods.list(&ListParams::default()).await, Err(kube::Error::Service(_))));
    crate::support::pods(&api.client()).create(&PostParams::default(), &pod("a")).await.unwrap();
    assert!(heard(&mut events).await.iter().all(|it| it.starts_with("error")));
    sleep(Duration::from_mins(2)).await;
    pods.list(&ListParams::default()).await.unwrap();
    assert!(heard(&mut events).await.contains(&"+a".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_client_can_be_killed_before_and_after_any_write() {
    for (point, survivors) in [(CrashPoint::before_write(2), 2), (CrashPoint::after_write(2), 3)] {
        let api = FakeApi::new(1);
        let (client, crashed) = api.crashing_client("operator", point);
        let pods = pods(&client);
        for i in 0..2 {
            pods.create(&PostParams::default(), &pod(&format!("a{i}"))).await.unwrap();
            pods.list(&ListParams::default()).await.unwrap();
        }
        assert!(!crashed.is_cancelled());
        never(pods.create(&PostParams::default(), &pod("a2"))).await;
        assert!(crashed.is_cancelled());
        never(pods.list(&ListParams::default())).await;
        assert_eq!(api.objects("", "pods").len(), survivors);
    }
    let point = CrashPoint { after: 1, when: When::After, counting: Counting::All };
    let (client, crashed) = FakeApi::new(1).crashing_client("operator", point);
    pods(&client).list(&ListParams::default()).await.unwrap();
    never(pods(&client).list(&ListParams::default())).await;
    assert!(crashed.is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn a_paused_client_sends_and_hears_when_it_wakes() {
    let api = FakeApi::new(1);
    let (client, pause) = api.pausable_client("operator");
    let mut events = follow(pods(&client), watcher::Config::default());
    heard(&mut events).await;
    pause.pause();
    let theirs = pods(&client);
    let stale = tokio::spawn(async move { theirs.create(&PostParams::default(), &pod("late")).await });
    let ours = pods(&api.client());
    ours.create(&PostParams::default(), &pod("a")).await.unwrap();
    assert_eq!(heard(&mut events).await, [""; 0]);
    assert!(pause.held() == 1 && !is_there(&api, "late"));
    pause.resume();
    stale.await.unwrap().unwrap();
    assert_eq!(heard(&mut events).await, ["+a", "+late"]);
}

#[tokio::test(start_paused = true)]
async fn the_log_tells_who_asked_what_and_what_came_of_it() {
    let api = FakeApi::new(1);
    let pods = pods(&api.client_with(&ClientOptions::sound("operator")));
    pods.create(&PostParams::default(), &pod("a")).await.unwrap();
    let mark = api.mark();
    pods.list(&ListParams::default()).await.unwrap();
    let patch = Patch::Merge(json!({ "metadata": { "labels": { "fleet": "arena" } } }));
    pods.patch("a", &PatchParams::default(), &patch).await.unwrap();
    pods.patch_status("a", &PatchParams::default(), &Patch::Merge(json!({ "status": { "message": "x" } })))
        .await
        .unwrap();
    let writes: Vec<(String, u16, bool)> =
        api.writes_since(mark).into_iter().map(|it| (it.resource, it.code, it.changed)).collect();
    assert_eq!(writes, [("pods".into(), 200, false), ("pods/status".into(), 200, true)]);
    let body = json!({ "apiVersion": "v1", "kind": "Pod", "spec": {} });
    pods.patch("b", &PatchParams::apply("op"), &Patch::Apply(body)).await.unwrap();
    crate::support::pods(&api.client()).delete("a", &DeleteParams::default()).await.unwrap();
    let used: Vec<String> = api
        .verbs_used("operator")
        .into_iter()
        .map(|(group, resource, verb)| format!("{group}{resource} {verb}"))
        .collect();
    assert_eq!(used, ["pods create", "pods list", "pods patch", "pods/status patch"]);
}

/// Some clients at work under faults, and what became of their requests.
async fn history(seed: u64) -> Vec<Entry> {
    let api = FakeApi::new(seed);
    let ms = Duration::from_millis(1);
    api.set_faults(Faults {
        error_before: 0.1,
        error_after: 0.1,
        too_many: 0.1,
        conflict: 0.1,
        delay: ms..ms * 50,
        ..Faults::default()
    });
    let workers = ["a", "b", "c"].map(|name| {
        let pods = pods(&api.client_with(&ClientOptions::faulty(name)));
        tokio::spawn(async move {
            for i in 0..30 {
                let name = format!("{name}{}", i % 7);
                // Failures are what this is about.
                let _ = pods.create(&PostParams::default(), &pod(&name)).await;
                let _ = pods.delete(&name, &DeleteParams::default()).await;
            }
        })
    });
    for worker in workers {
        worker.await.unwrap();
    }
    api.log()
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_makes_the_same_history() {
    let (first, second, other) = (history(42).await, history(42).await, history(43).await);
    assert_eq!(first, second);
    assert_ne!(first, other);
}
