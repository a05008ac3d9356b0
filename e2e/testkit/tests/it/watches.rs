//! Watches miss nothing, and end when they must.

use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use gamekeeper_testkit::{ClientOptions, FakeApi, Faults};
use kube::{
    api::{DeleteParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams},
    runtime::watcher,
};
use serde_json::json;

use crate::support::{follow, heard, pod, pods};

#[tokio::test(start_paused = true)]
async fn a_watcher_sees_every_change_once_and_in_order() {
    let api = FakeApi::new(1);
    let pods = pods(&api.client());
    pods.create(&PostParams::default(), &pod("a")).await.unwrap();
    let mut events = follow(pods.clone(), watcher::Config::default());
    assert_eq!(heard(&mut events).await, ["list", "+a", "done"]);
    pods.create(&PostParams::default(), &pod("b")).await.unwrap();
    let labelled = Patch::Merge(json!({ "metadata": { "labels": { "x": "1" } } }));
    pods.patch("a", &PatchParams::default(), &labelled).await.unwrap();
    pods.patch("a", &PatchParams::default(), &labelled).await.unwrap();
    pods.delete("b", &DeleteParams::default()).await.unwrap();
    assert_eq!(heard(&mut events).await, ["+b", "+a", "-b"], "a write that changes nothing makes no event");
    // Longer than a watch lasts: it goes on where it was, without listing again.
    tokio::time::sleep(Duration::from_mins(20)).await;
    pods.create(&PostParams::default(), &pod("c")).await.unwrap();
    assert_eq!(heard(&mut events).await, ["+c"]);
}

#[tokio::test(start_paused = true)]
async fn an_object_that_starts_or_stops_to_match_comes_or_goes() {
    let api = FakeApi::new(1);
    let pods = pods(&api.client());
    let mut events = follow(pods.clone(), watcher::Config::default().labels("state=free"));
    assert_eq!(heard(&mut events).await, ["list", "done"]);
    pods.create(&PostParams::default(), &pod("a")).await.unwrap();
    assert_eq!(heard(&mut events).await, [""; 0]);
    for (state, expected) in [("free", "+a"), ("busy", "-a"), ("free", "+a")] {
        let patch = Patch::Merge(json!({ "metadata": { "labels": { "state": state } } }));
        pods.patch("a", &PatchParams::default(), &patch).await.unwrap();
        assert_eq!(heard(&mut events).await, [expected]);
    }
    pods.delete("a", &DeleteParams::default()).await.unwrap();
    assert_eq!(heard(&mut events).await, ["-a"]);
}

#[tokio::test(start_paused = true)]
async fn a_streaming_list_ends_with_a_bookmark() {
    let api = FakeApi::new(1);
    let pods = pods(&api.client());
    let (changed, ()) = tokio::join!(api.changed_since(0), async {
        pods.create(&PostParams::default(), &pod("a")).await.unwrap();
    });
    assert_eq!((changed, api.view("", "pods").len()), (api.version(), 1));
    let mut events = follow(pods.clone(), watcher::Config::default().streaming_lists());
    assert_eq!(heard(&mut events).await, ["list", "+a", "done"]);
    pods.delete("a", &DeleteParams::default()).await.unwrap();
    assert_eq!(heard(&mut events).await, ["-a"]);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_watch_gets_bookmarks_and_ends_in_time() {
    let api = FakeApi::new(1);
    let pods = pods(&api.client());
    let mut elsewhere = pod("a");
    elsewhere.metadata.labels = None;
    let made = pods.create(&PostParams::default(), &elsewhere).await.unwrap();
    let params = WatchParams::default().labels("x=1").timeout(150);
    let events = pods.watch(&params, &made.metadata.resource_version.unwrap()).await.unwrap();
    let versions: Vec<String> = events
        .map_ok(|event| match event {
            WatchEvent::Bookmark(it) => it.metadata.resource_version,
            other => panic!("{other:?}"),
        })
        .try_collect()
        .await
        .unwrap();
    assert_eq!(versions, ["1", "1"]);
}

#[tokio::test(start_paused = true)]
async fn a_watch_from_a_forgotten_version_is_told_so_and_the_watcher_lists_again() {
    let api = FakeApi::new(1);
    let pods = pods(&api.client());
    let first = pods.create(&PostParams::default(), &pod("a")).await.unwrap();
    pods.create(&PostParams::default(), &pod("b")).await.unwrap();
    api.compact();
    let version = first.metadata.resource_version.unwrap();
    let events: Vec<_> = pods.watch(&WatchParams::default(), &version).await.unwrap().collect().await;
    assert!(matches!(&events[..], [Ok(WatchEvent::Error(status))] if status.code == 410), "{events:?}");

    let faulty = crate::support::pods(&api.client_with(&ClientOptions::faulty("operator")));
    let mut events = follow(faulty, watcher::Config::default());
    assert_eq!(heard(&mut events).await, ["list", "+a", "+b", "done"]);
    api.set_faults(Faults { gone: 1.0, ..Faults::default() });
    api.drop_watches();
    tokio::time::sleep(Duration::from_secs(10)).await;
    api.set_faults(Faults::default());
    tokio::time::sleep(Duration::from_mins(2)).await;
    let heard = heard(&mut events).await;
    assert!(heard.ends_with(&["list".into(), "+a".into(), "+b".into(), "done".into()]), "{heard:?}");
}
