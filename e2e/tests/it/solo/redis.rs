//! The chart's Redis: what servers may do there and nobody else, and what is left of it when it is killed.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use e2e::chart;
use e2e::command::{output, program};
use e2e::faults::{self, Signal, Victim};
use e2e::paths;
use e2e::testenv::{GameServer, Namespace};
use e2e::wait::eventually;
use gamekeeper_room::{Epoch, Tenancy, Tick};
use gamekeeper_store::{Options, Store, StoreError, Verdict, Written};
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::Api;

use crate::support::{Arena, PATIENCE, alone};

const POD: &str = "gamekeeper-redis-0";

/// No envelope: the store does not look into it.
const CHECKPOINT: &[u8] = b"tick five";

const RESULT: &[u8] = b"p3 won";

#[tokio::test]
async fn the_charts_redis_obeys_servers_only_and_forgets_nothing_when_it_is_killed() -> Result<()> {
    alone("redis", async |arena| {
        let namespace = arena.namespace();
        namespace.give_redis_url().await?;
        let address = Address::of(namespace).await?;
        address.others_are_refused().await?;
        the_name_leads_there(namespace).await?;

        let store = address.store(&address.password)?;
        let room = |epoch| Tenancy {
            namespace: namespace.name().to_owned(),
            name: "duel".to_owned(),
            // No other run has it.
            uid: namespace.name().to_owned(),
            epoch: Epoch(epoch),
        };
        let taken = mine(store.take(&room(1), None).await?)?;
        ensure!(taken.checkpoint.is_none(), "a new room has {taken:?}");
        let written = mine(store.write(&room(1), Tick(5), Bytes::from_static(CHECKPOINT)).await?)?;
        ensure!(written == Written::Stored, "{written:?}");

        kill(namespace).await?;
        // The same one, which connects again.
        let again = async || mine(store.check(&room(1)).await?);
        eventually("the room to be known after the kill", PATIENCE, again).await?;
        let taken = mine(store.take(&room(2), None).await?)?;
        let kept = (Epoch(1), Bytes::from_static(CHECKPOINT));
        ensure!(taken.checkpoint == Some(kept), "after the kill there is {taken:?}");
        let late = store.check(&room(1)).await?;
        ensure!(matches!(late, Verdict::Fenced { owner: Epoch(2) }), "the owner before hears {late:?}");
        mine(store.finish(&room(2), RESULT).await?)?;

        the_example_comes_up(arena).await
    })
    .await
}

/// Where the Redis is, by its pod's address: the name in the URL is known in the cluster only.
struct Address {
    host: String,
    password: String,
}

impl Address {
    async fn of(namespace: &Namespace) -> Result<Self> {
        let secret = namespace.api::<Secret>().get(chart::REDIS).await?;
        let url = secret.data.and_then(|mut it| it.remove("url")).context("the Secret has no url")?;
        let url = String::from_utf8(url.0).context("the url is no text")?;
        let password = url.strip_prefix("redis://gamekeeper:").and_then(|it| it.split_once('@'));
        // Not with the URL: it would be in the log of the tests.
        let (password, _) = password.context("the url is not redis://gamekeeper:PASSWORD@HOST")?;
        let pod = redis_pod(namespace).await?;
        let host = pod.status.and_then(|it| it.pod_ip).context("the Redis has no address")?;
        Ok(Self { host, password: password.to_owned() })
    }

    fn store(&self, password: &str) -> Result<Store> {
        let url = format!("redis://gamekeeper:{password}@{}:6379", self.host);
        // Patient: it shares the machine with all that a cluster does.
        let options = Options {
            timeout: Duration::from_secs(5),
            lifetime: Duration::from_mins(10),
            ..Options::default()
        };
        Store::connect(&url, options).context("connect to the store")
    }

    /// What Redis answers to a command.
    async fn answer(&self, password: &str, command: &[&str]) -> Result<String> {
        let mut cli = program("redis-cli");
        cli.args(["-h", &self.host, "--no-auth-warning"]);
        if !password.is_empty() {
            cli.args(["--user", "gamekeeper"]).env("REDISCLI_AUTH", password);
        }
        output(cli.args(command)).await
    }

    async fn others_are_refused(&self) -> Result<()> {
        let stranger = self.answer("", &["PING"]).await?;
        ensure!(stranger.contains("NOAUTH"), "a stranger hears {stranger}");
        let guess = self.store("guess")?;
        let nobody = Tenancy {
            namespace: String::new(),
            name: String::new(),
            uid: "nobody".to_owned(),
            epoch: Epoch(1),
        };
        match guess.check(&nobody).await {
            Err(StoreError::Denied(_)) => {}
            other => bail!("a wrong password hears {other:?}"),
        }
        // The right password is for rooms, and not even for all that can be done with those.
        let refused: [&[&str]; 7] = [
            &["HSET", "lobby:session", "a", "b"],
            &["EVAL", "return redis.call('HSET', 'lobby:session', 'a', 'b')", "0"],
            &["GET", "gamekeeper:{room}"],
            &["KEYS", "*"],
            &["CONFIG", "GET", "requirepass"],
            &["FLUSHALL"],
            &["SHUTDOWN", "NOSAVE"],
        ];
        for command in refused {
            let answer = self.answer(&self.password, command).await?;
            ensure!(
                answer.contains("NOPERM") || answer.contains("can't access at least one of the keys"),
                "a server may {command:?}: {answer}"
            );
        }
        Ok(())
    }
}

/// As pods see it.
async fn the_name_leads_there(namespace: &Namespace) -> Result<()> {
    let host = format!("{}.{}.svc", chart::REDIS, chart::NAMESPACE);
    let kubectl = namespace.env().kubectl().in_namespace(chart::NAMESPACE);
    let ping = ["exec", POD, "--", "redis-cli", "-h", &host, "--user", "health", "PING"];
    let answer = kubectl.run(&ping).await?;
    ensure!(answer.trim() == "PONG", "{host} says {answer}");
    Ok(())
}

/// Ends its process, and waits until the kubelet has started it again.
async fn kill(namespace: &Namespace) -> Result<()> {
    let env = namespace.env();
    let before = restarts(namespace).await?;
    faults::signal(env.ours("killing the Redis")?, &Victim::pod(chart::NAMESPACE, POD), Signal::Kill).await?;
    eventually("the Redis to be started again", PATIENCE, async || {
        let restarts = restarts(namespace).await?;
        ensure!(before < restarts, "it was started {restarts} times again, and {before} before");
        Ok(())
    })
    .await
}

async fn restarts(namespace: &Namespace) -> Result<i32> {
    let status = redis_pod(namespace).await?.status.unwrap_or_default();
    let of_redis = status.container_statuses.into_iter().flatten().next();
    of_redis.map(|it| it.restart_count).context("the Redis has no container")
}

async fn redis_pod(namespace: &Namespace) -> Result<Pod> {
    let pods: Api<Pod> = Api::namespaced(namespace.client(), chart::NAMESPACE);
    Ok(pods.get(POD).await?)
}

/// The fleet of the manual, whose servers are told of this Redis.
async fn the_example_comes_up(arena: &Arena) -> Result<()> {
    let example = paths::repository().join("examples/arena-fleet-with-state.yaml");
    let text = std::fs::read_to_string(&example).with_context(|| format!("read {}", example.display()))?;
    let image = arena.namespace().env().image(GameServer::Arena)?;
    ensure!(text.contains("localhost/arena:dev"), "the example has another image");
    arena.namespace().apply(&text.replace("localhost/arena:dev", image)).await?;
    arena.settled("arena").await
}

fn mine<T: std::fmt::Debug>(verdict: Verdict<T>) -> Result<T> {
    match verdict {
        Verdict::Mine(it) => Ok(it),
        other => bail!("the store says {other:?}"),
    }
}
