//! A Redis Cluster of three nodes.

use std::{process::Command, time::Duration};

use gamekeeper_store::{Options, Store, StoreError, Verdict, Written, room_key};
use tokio::time::Instant;

use super::server::{PASSWORD, Server, patient, sealed, take, tenancy, until, write, write_until_taken};

async fn cluster() -> Vec<Server> {
    let mut nodes = Vec::new();
    for _ in 0..3 {
        nodes.push(node().await);
    }
    let addresses: Vec<_> = nodes.iter().map(|it| format!("127.0.0.1:{}", it.port)).collect();
    let output = Command::new("redis-cli")
        .args(["--no-auth-warning", "-a", PASSWORD, "--cluster", "create"])
        .args(&addresses)
        .args(["--cluster-replicas", "0", "--cluster-yes"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    until("all nodes know all slots", || {
        nodes.iter().all(|it| it.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok"))
    })
    .await;
    nodes
}

/// The nodes talk to each other on a port 10000 above, which must exist, and be free.
async fn node() -> Server {
    loop {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let bus = if port > 30_000 { port - 10_000 } else { port + 10_000 };
        if std::net::TcpListener::bind(("127.0.0.1", bus)).is_ok() {
            let bus = bus.to_string();
            return Server::start_on(
                port,
                &[
                    "--cluster-enabled",
                    "yes",
                    "--cluster-port",
                    &bus,
                    "--cluster-require-full-coverage",
                    "no",
                ],
            )
            .await;
        }
    }
}

fn url(nodes: &[Server]) -> String {
    let hosts: Vec<_> = nodes.iter().map(|it| format!("127.0.0.1:{}", it.port)).collect();
    format!("redis-cluster://:{PASSWORD}@{}", hosts.join(","))
}

/// A room whose slot is on this node.
fn room_on(node: &Server, epoch: i64) -> gamekeeper_room::Tenancy {
    let uid = (0..1000)
        .map(|it| format!("u-{it}"))
        .find(|uid| !node.cli(&["HGETALL", &room_key(uid)]).contains("MOVED"))
        .unwrap();
    tenancy(&uid, epoch)
}

#[tokio::test]
async fn rooms_spread_over_a_cluster() {
    let nodes = cluster().await;
    // One node that answers is enough to find the others.
    let store = Store::connect(&url(&nodes[..1]), patient()).unwrap();
    let rooms = [room_on(&nodes[0], 5), room_on(&nodes[1], 5), room_on(&nodes[2], 5)];
    for (room, node) in rooms.iter().zip(&nodes) {
        assert_eq!(write(&store, room, 1).await, Ok(Verdict::Mine(Written::Stored)));
        assert_eq!(node.cli(&["HGET", &room_key(&room.uid), "epoch"]), "5");
        let next = tenancy(&room.uid, 6);
        assert_eq!(take(&store, &next, 0).await.open(&next), Ok(Some(sealed(room, 1))));
        assert_eq!(write(&store, room, 2).await, Ok(Verdict::Fenced { owner: next.epoch }));
        assert_eq!(store.finish(&next, b"p3").await, Ok(Verdict::Mine(())));
    }
    let wrong = Store::connect(&url(&nodes).replace(PASSWORD, "hunter2"), patient()).unwrap();
    let error = wrong.check(&rooms[0]).await.unwrap_err();
    assert!(matches!(error, StoreError::Denied(_)), "{error:?}");
    assert!(!format!("{error} {error:?} {wrong:?}").contains("hunter2"));
}

#[tokio::test]
async fn i8_a_node_that_is_gone_or_hangs_is_the_trouble_of_its_own_rooms() {
    let mut nodes = cluster().await;
    let short = Options { timeout: Duration::from_millis(500), ..Options::default() };
    let store = Store::connect(&url(&nodes), short).unwrap();
    let (well, ill) = (room_on(&nodes[0], 5), room_on(&nodes[2], 5));
    write_until_taken(&store, &well, 1).await;
    write_until_taken(&store, &ill, 1).await;
    nodes[2].signal("STOP");
    for tick in 2..5 {
        let began = Instant::now();
        let error = write(&store, &ill, tick).await.unwrap_err();
        assert!(error.is_transient(), "{error:?}");
        assert!(began.elapsed() < Duration::from_secs(2));
        write_until_taken(&store, &well, tick).await;
    }
    // Also for a server that starts only now.
    let fresh = Store::connect(&url(&nodes), short).unwrap();
    write_until_taken(&fresh, &well, 9).await;
    assert!(write(&fresh, &ill, 9).await.unwrap_err().is_transient());
    nodes[2].signal("CONT");
    write_until_taken(&store, &ill, 10).await;
    nodes[2].kill();
    let error = write(&store, &ill, 11).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    write_until_taken(&store, &well, 11).await;
    nodes[2].restart().await;
    write_until_taken(&store, &ill, 12).await;
}
