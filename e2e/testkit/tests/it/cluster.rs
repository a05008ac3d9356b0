//! The simulated cluster: pods find nodes, run, end, and go.

use std::time::Duration;

use gamekeeper_testkit::{
    FakeApi,
    sim::{Cluster, ClusterOptions},
};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::{NAMESPACE, object, pods};

fn plain(name: &str) -> Pod {
    server(name, &json!({}))
}

fn server(name: &str, change: &Value) -> Pod {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": name, "labels": { "fleet": "arena" } },
        "spec": { "restartPolicy": "Never", "containers": [{ "name": "game", "image": "arena:1" }] },
    });
    json_patch::merge(&mut pod["spec"], change);
    object(pod)
}

fn image(image: &str) -> Value {
    json!({ "containers": [{ "name": "game", "image": image }] })
}

fn host_port(port: u16) -> Value {
    let ports = json!([{ "containerPort": 7777, "hostPort": port, "protocol": "UDP" }]);
    json!({ "containers": [{ "name": "game", "image": "arena:1", "ports": ports }] })
}

struct World {
    api: FakeApi,
    pods: Api<Pod>,
    cluster: Cluster,
}

impl World {
    fn new(options: ClusterOptions) -> Self {
        let api = FakeApi::new(7);
        let cluster = Cluster::start(&api, options);
        Self { pods: pods(&api.client()), api, cluster }
    }

    async fn create(&self, pod: Pod) {
        self.pods.create(&PostParams::default(), &pod).await.unwrap();
    }

    async fn settled(&self, name: &str) -> Option<Pod> {
        sleep(Duration::from_secs(3)).await;
        self.pods.get_opt(name).await.unwrap()
    }

    fn nodes(&self) -> Api<Node> {
        Api::all(self.api.client())
    }

    fn running(&self) -> Vec<String> {
        self.cluster.running().into_iter().map(|it| it.name).collect()
    }
}

fn phase(pod: Option<&Pod>) -> &str {
    pod.and_then(|it| it.status.as_ref()?.phase.as_deref()).unwrap_or("gone")
}

fn condition<'a>(pod: Option<&'a Pod>, kind: &str) -> (&'a str, &'a str) {
    let conditions = pod.and_then(|it| it.status.as_ref()?.conditions.as_ref());
    let found = conditions.and_then(|it| it.iter().find(|it| it.type_ == kind)).expect("the condition");
    (&found.status, found.message.as_deref().unwrap_or_default())
}

fn exit_code(pod: Option<&Pod>) -> Option<i32> {
    let state = pod?.status.as_ref()?.container_statuses.as_ref()?[0].state.as_ref()?;
    state.terminated.as_ref().map(|it| it.exit_code)
}

fn waiting(pod: Option<&Pod>) -> Option<&str> {
    let state = pod?.status.as_ref()?.container_statuses.as_ref()?[0].state.as_ref()?;
    state.waiting.as_ref()?.reason.as_deref()
}

#[tokio::test(start_paused = true)]
async fn a_pod_gets_a_node_an_address_and_becomes_ready() {
    let world = World::new(ClusterOptions::default());
    world.create(server("a", &host_port(7001))).await;
    let pod = world.settled("a").await;
    assert_eq!(phase(pod.as_ref()), "Running");
    assert_eq!(condition(pod.as_ref(), "Ready").0, "True");
    assert_eq!(condition(pod.as_ref(), "PodScheduled").0, "True");
    let status = pod.unwrap().status.unwrap();
    let (ip, host) = (status.pod_ip.unwrap(), status.host_ip.unwrap());
    assert!(status.container_statuses.unwrap()[0].container_id.is_some() && status.start_time.is_some());

    let annotated = Patch::Merge(json!({ "metadata": { "annotations": { "room": "duel" } } }));
    world.pods.patch("a", &PatchParams::default(), &annotated).await.unwrap();
    let [running] = &world.cluster.running()[..] else { panic!("one process") };
    assert_eq!((running.annotations["room"].as_str(), &running.pod_ip), ("duel", &ip));
    for (ip, port, heard) in
        [(&ip, 7777, true), (&host, 7001, true), (&host, 7777, false), (&ip, 7001, false)]
    {
        assert_eq!(world.cluster.process_at(ip, port).is_some_and(|it| it.answers), heard, "{ip}:{port}");
    }
    world.cluster.hang(NAMESPACE, "a", true);
    assert!(!world.cluster.process_at(&ip, 7777).unwrap().answers);
    assert!(world.nodes().list(&kube::api::ListParams::default()).await.unwrap().items.len() == 2);
}

#[tokio::test(start_paused = true)]
async fn a_process_ends_with_its_code_and_stays_ended() {
    let world = World::new(ClusterOptions::default());
    for name in ["done", "failed", "killed"] {
        world.create(plain(name)).await;
    }
    world.settled("done").await;
    assert!(world.cluster.exit(NAMESPACE, "done", 0));
    assert!(world.cluster.exit(NAMESPACE, "failed", 3));
    assert!(world.cluster.kill(NAMESPACE, "killed"));
    assert!(world.running().is_empty(), "true at once");
    assert_eq!(phase(world.pods.get_opt("done").await.unwrap().as_ref()), "Running", "reported later");
    for (name, expected, code) in
        [("done", "Succeeded", 0), ("failed", "Failed", 3), ("killed", "Failed", 137)]
    {
        let pod = world.settled(name).await;
        assert_eq!((phase(pod.as_ref()), exit_code(pod.as_ref())), (expected, Some(code)));
        assert_eq!(condition(pod.as_ref(), "Ready").0, "False");
    }
    assert!(!world.cluster.exit(NAMESPACE, "done", 1), "it runs no more");
    world.pods.delete("done", &DeleteParams::default()).await.unwrap();
    assert!(world.pods.get_opt("done").await.unwrap().is_none(), "nothing to wait for");
}

#[tokio::test(start_paused = true)]
async fn images_decide_what_containers_do() {
    let world = World::new(ClusterOptions::default());
    for name in ["crash", "never-ready", "bad-image"] {
        world.create(server(name, &image(&format!("registry.test/games/{name}:1")))).await;
    }
    let crashed = world.settled("crash").await;
    assert_eq!((phase(crashed.as_ref()), exit_code(crashed.as_ref())), ("Failed", Some(1)));
    let never = world.settled("never-ready").await;
    assert_eq!((phase(never.as_ref()), condition(never.as_ref(), "Ready").0), ("Running", "False"));
    let bad = world.settled("bad-image").await;
    assert_eq!((phase(bad.as_ref()), waiting(bad.as_ref())), ("Pending", Some("ErrImagePull")));
    sleep(Duration::from_secs(10)).await;
    assert_eq!(waiting(world.settled("bad-image").await.as_ref()), Some("ImagePullBackOff"));
}

#[tokio::test(start_paused = true)]
async fn a_deleted_pod_ends_before_it_goes() {
    let stop = Duration::from_secs(5)..Duration::from_secs(6);
    let world = World::new(ClusterOptions { stop, ..ClusterOptions::default() });
    for name in ["slow", "short", "starting"] {
        world.create(plain(name)).await;
    }
    sleep(Duration::from_millis(22)).await;
    world.pods.delete("starting", &DeleteParams::default()).await.unwrap();
    world.settled("slow").await;
    world.pods.delete("slow", &DeleteParams::default()).await.unwrap();
    world.pods.delete("short", &DeleteParams::default().grace_period(1)).await.unwrap();
    assert_eq!(phase(world.settled("slow").await.as_ref()), "Running");
    assert!(world.settled("short").await.is_none());
    assert!(world.settled("slow").await.is_none());
    assert!(world.settled("starting").await.is_none());
    assert!(world.running().is_empty());

    world.create(plain("gone")).await;
    world.settled("gone").await;
    world.pods.delete("gone", &DeleteParams::default().grace_period(0)).await.unwrap();
    assert!(world.settled("gone").await.is_none() && world.running().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_finds_no_node_says_why_and_waits() {
    let world = World::new(ClusterOptions::default());
    for name in ["a", "b", "c"] {
        world.create(server(name, &host_port(7001))).await;
    }
    let pods = [world.settled("a").await, world.settled("b").await, world.settled("c").await];
    let waits =
        pods.iter().flatten().find(|it| it.status.as_ref().unwrap().phase.as_deref() == Some("Pending"));
    let waits = waits.expect("two nodes, three pods, one port").clone();
    let (status, message) = condition(Some(&waits), "PodScheduled");
    let expected = "0/2 nodes are available: 2 node(s) didn't have free ports for the requested pod ports.";
    assert_eq!((status, message), ("False", expected));
    let runs = world.running()[0].clone();
    world.pods.delete(&runs, &DeleteParams::default()).await.unwrap();
    let pod = world.settled(&waits.name_any()).await;
    assert_eq!(phase(pod.as_ref()), "Running");

    world.cluster.cordon("node-1");
    world.cluster.cut("node-2");
    sleep(Duration::from_secs(41)).await;
    world.create(plain("d")).await;
    let pod = world.settled("d").await;
    let expected = "0/2 nodes are available: 1 node(s) had untolerated taint \
        {node.kubernetes.io/unreachable: }, 1 node(s) were unschedulable.";
    assert_eq!(condition(pod.as_ref(), "PodScheduled").1, expected);
    world.cluster.uncordon("node-1");
    assert_eq!(phase(world.settled("d").await.as_ref()), "Running");
}

#[tokio::test(start_paused = true)]
async fn pods_are_spread_packed_or_refused_as_they_ask() {
    let world = World::new(ClusterOptions { nodes: 3, pods_per_node: 3, ..ClusterOptions::default() });
    let term = json!([{ "weight": 100, "podAffinityTerm": {
        "labelSelector": { "matchLabels": { "fleet": "arena" } }, "topologyKey": "kubernetes.io/hostname",
    } }]);
    let affinity = |kind: &str| json!({ "affinity": { kind: { "preferredDuringSchedulingIgnoredDuringExecution": term } } });
    let nodes = || {
        let mut nodes: Vec<String> = world.cluster.running().into_iter().map(|it| it.node).collect();
        nodes.sort();
        nodes
    };
    for name in ["a", "b", "c"] {
        world.create(server(name, &affinity("podAntiAffinity"))).await;
        world.settled(name).await;
    }
    assert_eq!(nodes(), ["node-1", "node-2", "node-3"]);
    for name in ["d", "e"] {
        world.create(server(name, &affinity("podAffinity"))).await;
        world.settled(name).await;
    }
    assert_eq!(nodes().iter().filter(|it| *it == "node-1").count(), 3, "{:?}", nodes());
    let here = json!({ "nodeSelector": { "kubernetes.io/hostname": "node-1" } });
    world.create(server("f", &here)).await;
    let pod = world.settled("f").await;
    let expected =
        "0/3 nodes are available: 1 Too many pods, 2 node(s) didn't match Pod's node affinity/selector.";
    assert_eq!(condition(pod.as_ref(), "PodScheduled").1, expected);
}

#[tokio::test(start_paused = true)]
async fn a_cut_node_runs_on_unheard_until_it_joins() {
    let world = World::new(ClusterOptions { nodes: 1, ..ClusterOptions::default() });
    for name in ["deleted", "ended", "kept"] {
        world.create(plain(name)).await;
    }
    world.settled("kept").await;
    world.cluster.cut("node-1");
    world.pods.delete("deleted", &DeleteParams::default()).await.unwrap();
    world.cluster.exit(NAMESPACE, "ended", 0);
    sleep(Duration::from_mins(1)).await;
    let node = world.nodes().get("node-1").await.unwrap();
    assert_eq!(node.status.unwrap().conditions.unwrap()[0].status, "Unknown");
    let mut running = world.running();
    running.sort();
    assert_eq!(running, ["deleted", "kept"]);
    assert!(world.settled("deleted").await.is_some(), "nobody is there to finish the deletion");
    let ended = world.settled("ended").await;
    assert_eq!((phase(ended.as_ref()), condition(ended.as_ref(), "Ready").0), ("Running", "False"));

    world.cluster.join("node-1");
    assert!(world.settled("deleted").await.is_none());
    assert_eq!(phase(world.settled("ended").await.as_ref()), "Succeeded");
    assert_eq!(condition(world.settled("kept").await.as_ref(), "Ready").0, "True");
    let node = world.nodes().get("node-1").await.unwrap();
    assert_eq!(node.status.unwrap().conditions.unwrap()[0].status, "True");
}

#[tokio::test(start_paused = true)]
async fn the_pods_of_a_node_that_is_long_silent_are_deleted_and_run_until_it_hears_of_it() {
    let world = World::new(ClusterOptions { nodes: 1, ..ClusterOptions::default() });
    world.create(plain("a")).await;
    world.settled("a").await;
    world.cluster.cut("node-1");
    sleep(Duration::from_mins(6)).await;
    assert!(world.settled("a").await.unwrap().metadata.deletion_timestamp.is_some());
    world.pods.delete("a", &DeleteParams::default().grace_period(0)).await.unwrap();
    world.create(plain("a")).await;
    assert_eq!(phase(world.settled("a").await.as_ref()), "Pending");
    assert_eq!(world.running(), ["a"], "the old one, by force gone from the API only");
    world.cluster.join("node-1");
    assert_eq!(phase(world.settled("a").await.as_ref()), "Running");
    assert_eq!(world.running(), ["a"]);

    world.cluster.power_off("node-1");
    assert!(world.running().is_empty());
    world.cluster.join("node-1");
    assert_eq!(exit_code(world.settled("a").await.as_ref()), Some(137));
}

#[tokio::test(start_paused = true)]
async fn a_cluster_adopts_what_runs_and_finishes_what_was_begun() {
    let api = FakeApi::new(7);
    let pod = |name: &str, phase: &str, deleting: bool| {
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": name, "namespace": NAMESPACE },
            "spec": { "nodeName": "node-1", "containers": [{ "name": "game", "image": "arena:1" }] },
            "status": { "phase": phase, "podIP": "10.1.0.99", "conditions": [{ "type": "Ready", "status": "True" }] },
        });
        if deleting {
            pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:30Z");
            pod["metadata"]["deletionGracePeriodSeconds"] = json!(30);
        }
        api.insert(pod);
    };
    pod("runs", "Running", false);
    pod("ends", "Running", true);
    pod("ended", "Failed", true);
    pod("begins", "Pending", false);
    let cluster = Cluster::start(&api, ClusterOptions::default());
    assert!(cluster.running().iter().any(|it| it.name == "runs" && it.answers && it.pod_ip == "10.1.0.99"));
    sleep(Duration::from_secs(3)).await;
    let mut left: Vec<(String, String)> = Vec::new();
    for pod in api.objects("", "pods") {
        let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
        left.push((text(&pod["metadata"]["name"]), text(&pod["status"]["phase"])));
    }
    assert_eq!(left, [("begins".into(), "Running".into()), ("runs".into(), "Running".into())]);
}

#[tokio::test(start_paused = true)]
async fn during_an_outage_the_cluster_reports_nothing_and_catches_up() {
    let world = World::new(ClusterOptions::default());
    world.create(plain("a")).await;
    world.settled("a").await;
    world.api.outage(Duration::from_mins(1));
    world.cluster.kill(NAMESPACE, "a");
    assert_eq!(phase(world.settled("a").await.as_ref()), "Running");
    sleep(Duration::from_mins(1)).await;
    assert_eq!(phase(world.settled("a").await.as_ref()), "Failed");
}

#[tokio::test(start_paused = true)]
async fn pods_of_a_node_that_was_removed_are_removed() {
    let world = World::new(ClusterOptions { nodes: 1, ..ClusterOptions::default() });
    world.create(plain("a")).await;
    world.settled("a").await;
    world.nodes().delete("node-1", &DeleteParams::default()).await.unwrap();
    sleep(Duration::from_mins(1)).await;
    assert!(world.settled("a").await.is_none());
}

/// A life of many pods, as the API saw it.
async fn life(seed: u64) -> Vec<Value> {
    let api = FakeApi::new(seed);
    let cluster = Cluster::start(&api, ClusterOptions::default());
    let pods = pods(&api.client());
    for i in 0..40 {
        pods.create(&PostParams::default(), &plain(&format!("p{i}"))).await.unwrap();
    }
    sleep(Duration::from_secs(2)).await;
    for i in 0..20 {
        cluster.kill(NAMESPACE, &format!("p{i}"));
        pods.delete(&format!("p{}", i + 20), &DeleteParams::default()).await.unwrap();
    }
    sleep(Duration::from_millis(100)).await;
    api.objects("", "pods")
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_makes_the_same_life() {
    let (first, second, other) = (life(1).await, life(1).await, life(2).await);
    assert_eq!(first, second);
    assert_ne!(first, other);
}
