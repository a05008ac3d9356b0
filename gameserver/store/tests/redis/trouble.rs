//! Redis dies, hangs, forgets, refuses.

use std::{net::TcpListener, time::Duration};

use gamekeeper_store::{Options, Store, StoreError, Verdict, Written, room_key};
use tokio::time::{Instant, sleep};

use super::server::{PASSWORD, Server, patient, sealed, take, tenancy, until, write, write_until_taken};

/// Impatient, to see what is given up.
const SHORT: Options = Options {
    timeout: Duration::from_millis(400),
    lifetime: Duration::from_hours(1),
    replica_wait: Duration::from_millis(50),
    calls_max: 4,
};

/// What a call may take above its limit on a busy machine.
const SLACK: Duration = Duration::from_millis(1_500);

#[tokio::test]
async fn i8_a_killed_store_comes_back_with_what_it_had() {
    let mut server = Server::start(&[]).await;
    let (store, room) = (server.store(), tenancy("u-1", 5));
    write(&store, &room, 1).await.unwrap();
    server.kill();
    for _ in 0..20 {
        let error = write(&store, &room, 2).await.unwrap_err();
        assert!(matches!(error, StoreError::Unreachable(_)), "{error:?}");
        assert!(error.is_transient());
    }
    server.restart().await;
    write_until_taken(&store, &room, 3).await;
    let next = tenancy("u-1", 6);
    assert_eq!(take(&store, &next, 0).await.open(&next), Ok(Some(sealed(&room, 3))));
    // A restart that no call noticed: the first one after it is made again, on a new connection.
    server.kill();
    server.restart().await;
    assert_eq!(write(&store, &next, 4).await, Ok(Verdict::Mine(Written::Stored)));
    assert_eq!(write(&store, &room, 4).await, Ok(Verdict::Fenced { owner: next.epoch }), "not forgotten");
}

#[tokio::test]
async fn the_store_may_come_up_later() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let store = Store::connect(&format!("redis://:{PASSWORD}@127.0.0.1:{port}"), patient()).unwrap();
    let error = store.check(&tenancy("u-1", 1)).await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable(_)), "{error:?}");
    let _server = Server::start_on(port, &[]).await;
    write_until_taken(&store, &tenancy("u-1", 1), 1).await;
}

#[tokio::test]
async fn attempts_to_connect_are_few_and_calls_in_between_fail_at_once() {
    // Takes connections, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    silent.set_nonblocking(true).unwrap();
    let port = silent.local_addr().unwrap().port();
    let store = Store::connect(&format!("redis://:{PASSWORD}@127.0.0.1:{port}"), SHORT).unwrap();
    let (began, mut attempts, mut calls) = (Instant::now(), 0, 0);
    while attempts < 4 {
        let error = write(&store, &tenancy("u-1", 1), 1).await.unwrap_err();
        assert_eq!(error, StoreError::Timeout(SHORT.timeout / 2));
        calls += 1;
        attempts += std::iter::from_fn(|| silent.accept().ok()).count();
        sleep(Duration::from_millis(1)).await;
    }
    // Each took half of the timeout, and there were pauses of 50, 100 and 200 ms.
    assert!(began.elapsed() >= SHORT.timeout / 2 * 4 + Duration::from_millis(350));
    assert!(calls > 20, "{calls}");
}

#[tokio::test(flavor = "multi_thread")]
async fn i8_a_store_that_hangs_holds_nobody_up_and_catches_up() {
    let server = Server::start(&[]).await;
    let store = std::sync::Arc::new(Store::connect(&server.url(), SHORT).unwrap());
    write_until_taken(&store, &tenancy("u-0", 5), 1).await;
    server.signal("STOP");
    for round in 0..3 {
        // More at once than there are turns.
        let calls: Vec<_> = (0..12)
            .map(|room| {
                let (store, room) = (store.clone(), tenancy(&format!("u-{room}"), 5));
                tokio::spawn(async move {
                    let began = Instant::now();
                    (write(&store, &room, 2 + round).await, began.elapsed())
                })
            })
            .collect();
        for call in calls {
            let (outcome, took) = call.await.unwrap();
            assert!(
                matches!(outcome, Err(StoreError::Timeout(_) | StoreError::Unreachable(_))),
                "{outcome:?}"
            );
            assert!(took <= SHORT.timeout + SLACK, "{took:?}");
        }
    }
    server.signal("CONT");
    for room in 0..12 {
        write_until_taken(&store, &tenancy(&format!("u-{room}"), 5), 100).await;
    }
    let next = tenancy("u-7", 6);
    assert_eq!(take(&server.store(), &next, 0).await.open(&next), Ok(Some(sealed(&tenancy("u-7", 5), 100))));
}

#[tokio::test]
async fn after_a_call_without_an_answer_the_connection_is_a_new_one() {
    let server = Server::start(&[]).await;
    let store = Store::connect(&server.url(), SHORT).unwrap();
    let room = tenancy("u-1", 5);
    let connection = || {
        let clients = server.cli(&["CLIENT", "LIST"]);
        let ours = clients.lines().find(|it| it.contains("cmd=eval")).unwrap();
        ours.split_whitespace().next().unwrap().to_owned()
    };
    write_until_taken(&store, &room, 1).await;
    assert_eq!(store.check(&room).await, Ok(Verdict::Mine(())));
    let before = connection();
    assert_eq!(store.check(&room).await, Ok(Verdict::Mine(())));
    assert_eq!(connection(), before);
    server.signal("STOP");
    assert_eq!(store.check(&room).await, Err(StoreError::Timeout(SHORT.timeout)));
    server.signal("CONT");
    write_until_taken(&store, &room, 2).await;
    until("the old connection is gone", || connection() != before).await;
}

#[tokio::test]
async fn i1_a_store_that_forgot_refuses_no_owner() {
    let server = Server::start(&[]).await;
    let (store, room, key) = (server.store(), tenancy("u-1", 5), room_key("u-1"));
    write(&store, &tenancy("u-1", 4), 7).await.unwrap();
    take(&store, &room, 0).await;
    // All of it.
    server.cli(&["FLUSHALL"]);
    assert_eq!(store.check(&room).await, Ok(Verdict::Mine(())));
    server.cli(&["FLUSHALL"]);
    assert_eq!(write(&store, &room, 8).await, Ok(Verdict::Mine(Written::Stored)));
    // The last writes: the owner before is back, with its checkpoint.
    server.cli(&["HSET", &key, "epoch", "4", "by", "4", "tick", "900"]);
    assert_eq!(write(&store, &room, 9).await, Ok(Verdict::Mine(Written::Stored)));
    assert_eq!(write(&store, &tenancy("u-1", 4), 901).await, Ok(Verdict::Fenced { owner: room.epoch }));
    assert_eq!(take(&store, &room, 0).await.open(&room), Ok(Some(sealed(&room, 9))));
    // And the scripts.
    server.cli(&["SCRIPT", "FLUSH"]);
    assert_eq!(store.check(&room).await, Ok(Verdict::Mine(())));
}

#[tokio::test]
async fn a_wrong_password_is_named_without_it() {
    let server = Server::start(&[]).await;
    for login in [":hunter2@", "someone:hunter2@", ""] {
        let store = Store::connect(&format!("redis://{login}127.0.0.1:{}", server.port), patient()).unwrap();
        let error = store.check(&tenancy("u-1", 1)).await.unwrap_err();
        assert!(matches!(error, StoreError::Denied(_)), "{error:?}");
        assert!(!error.is_transient());
        let text = format!("{error} {error:?} {store:?}");
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.contains("refuses our user, password or rights"), "{text}");
    }
    // Rights that are taken away in between, and given back.
    let store = server.store();
    assert_eq!(store.check(&tenancy("u-1", 1)).await, Ok(Verdict::Mine(())));
    server.cli(&["ACL", "SETUSER", "default", "-evalsha", "-eval"]);
    let error = store.check(&tenancy("u-1", 1)).await.unwrap_err();
    assert_eq!(error, StoreError::Denied("NOPERM".into()));
    server.cli(&["ACL", "SETUSER", "default", "+evalsha", "+eval"]);
    assert_eq!(store.check(&tenancy("u-1", 1)).await, Ok(Verdict::Mine(())));
}

#[tokio::test]
async fn tls_is_begun_and_nothing_is_said_in_clear() {
    let server = Server::start(&[]).await;
    let store = Store::connect(&server.url().replace("redis:", "rediss:"), SHORT).unwrap();
    // Redis waits for the end of what is no command. Without a provider of TLS, the attempt would not last.
    let error = store.check(&tenancy("u-1", 1)).await.unwrap_err();
    assert_eq!(error, StoreError::Timeout(SHORT.timeout / 2));
}

#[tokio::test]
async fn the_rights_in_the_manual_are_enough() {
    const MANUAL: &str = include_str!("../../../../docs/checkpoint-store.md");
    let quoted = |start: &str| {
        let found = MANUAL.split('`').find(|it| it.starts_with(start)).unwrap();
        found.split_whitespace().collect::<Vec<_>>()
    };
    let server = Server::start(&[]).await;
    let mut rights = vec!["ACL", "SETUSER", "rooms", "on", ">hunter2", quoted("~gamekeeper")[0]];
    rights.extend(quoted("+evalsha"));
    rights.extend(quoted("+time"));
    assert_eq!(server.cli(&rights), "OK");
    let url = format!("redis://rooms:hunter2@127.0.0.1:{}", server.port);
    let store = Store::connect(&url, patient()).unwrap();
    let room = tenancy("u-1", 1);
    take(&store, &room, 1).await;
    assert_eq!(write(&store, &room, 1).await, Ok(Verdict::Mine(Written::Stored)));
    assert_eq!(store.check(&room).await, Ok(Verdict::Mine(())));
    assert_eq!(store.finish(&room, b"p3").await, Ok(Verdict::Mine(())));
    assert!(!server.cli(&["ACL", "LOG"]).contains("role"), "it may ask for replicas");
}

#[tokio::test]
async fn a_server_that_cannot_take_it_is_named() {
    let server = Server::start(&[]).await;
    let (store, room) = (server.store(), tenancy("u-1", 1));
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    let error = write(&store, &room, 1).await.unwrap_err();
    assert_eq!(error, StoreError::NotServing("OOM".into()));
    server.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    // It has become a replica, of a master that is not there.
    server.cli(&["REPLICAOF", "127.0.0.1", "1"]);
    let error = write(&store, &room, 1).await.unwrap_err();
    assert!(matches!(error, StoreError::NotServing(_)), "{error:?}");
    server.cli(&["REPLICAOF", "NO", "ONE"]);
    write_until_taken(&store, &room, 1).await;
    // Something else has the key.
    server.cli(&["SET", &room_key("u-2"), "x"]);
    let error = store.check(&tenancy("u-2", 1)).await.unwrap_err();
    assert!(matches!(error, StoreError::Garbled(_)), "{error:?}");
}

#[tokio::test]
async fn i7_a_take_waits_for_a_replica_where_there_is_one() {
    let server = Server::start(&[]).await;
    let store = server.store();
    assert!(!take(&store, &tenancy("u-1", 1), 0).await.is_replicated, "there is none");
    let port = server.port.to_string();
    let replica = Server::start(&["--replicaof", "127.0.0.1", &port]).await;
    let replica_port = replica.port.to_string();
    until("the replica follows", || server.cli(&["ROLE"]).contains(&replica_port)).await;
    let patient =
        Store::connect(&server.url(), Options { replica_wait: Duration::from_secs(5), ..patient() }).unwrap();
    assert!(take(&patient, &tenancy("u-1", 2), 0).await.is_replicated);
    assert_eq!(replica.cli(&["HGET", &room_key("u-1"), "epoch"]), "2");
    // One that hangs is not waited for.
    replica.signal("STOP");
    let began = Instant::now();
    assert!(!take(&store, &tenancy("u-1", 3), 0).await.is_replicated);
    assert!(began.elapsed() < Options::default().replica_wait * 2 + SLACK);
    replica.signal("CONT");
    assert_eq!(write(&store, &tenancy("u-1", 3), 1).await, Ok(Verdict::Mine(Written::Stored)));
}
