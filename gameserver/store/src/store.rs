//! The store, as a server calls it.

mod reply;

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use gamekeeper_room::{Tenancy, Tick};
use redis::{Cmd, ErrorKind, RedisResult, Script, ServerErrorKind, Value};
use tokio::{sync::Semaphore, time::timeout};

use crate::{
    BadUrl, Bid, Options, StoreError, Taken, Verdict, Written,
    address::Address,
    envelope::ENVELOPE_BYTES_MAX,
    keys::room_key,
    link::{Line, Link},
    scripts,
};

/// The longest result of a match: the 4,096 bytes that the control protocol lets it have, and some for its form.
pub const RESULT_BYTES_MAX: usize = 5120;

/// A dropped connection is noticed by the first call after it: that one is made again, once.
const ATTEMPTS: u32 = 2;

/// The store of rooms' checkpoints. One for the whole process: all rooms share its connection.
///
/// Every call may be made again, whatever became of it. None but [`check`](Self::check) waits longer than
/// [`Options::timeout`] says.
pub struct Store {
    link: Arc<Link>,
    options: Options,
    turns: Semaphore,
    scripts: Scripts,
}

struct Scripts {
    write: Code,
    take: Code,
    check: Code,
    finish: Code,
}

/// A script and its hash, by which Redis knows it once it has run.
struct Code {
    text: &'static str,
    hash: String,
}

/// What Redis said, and on which connection.
struct Answer {
    value: Value,
    line: Line,
}

impl Store {
    /// A store at this URL. Nothing is sent before the first call, so the store may come up later.
    ///
    /// `redis://[[user]:password@]host[:port][/db]` is a single node;
    /// `redis-cluster://[[user]:password@]host[:port][,host[:port]…]` a cluster, of which some nodes are named. With
    /// `rediss://` and `rediss-cluster://` they are reached over TLS, with the certificate authorities of the
    /// system, or those of `SSL_CERT_FILE`.
    pub fn connect(url: &str, options: Options) -> Result<Self, BadUrl> {
        let address = Address::parse(url, options.timeout)?;
        Ok(Self {
            link: Link::new(address, options.timeout),
            options,
            turns: Semaphore::new(options.calls_max),
            scripts: Scripts {
                write: Code::new(scripts::WRITE),
                take: Code::new(scripts::TAKE),
                check: Code::new(scripts::CHECK),
                finish: Code::new(scripts::FINISH),
            },
        })
    }

    /// Gets the connection, if there is none, so that the first call does not have to. Keeps the pauses between attempts:
    /// whoever fails may call again at once.
    pub async fn approach(&self) -> Result<(), StoreError> {
        self.link.try_anew().await
    }

    /// Keeps a checkpoint, sealed, if the room is the caller's.
    pub async fn write(
        &self,
        tenancy: &Tenancy,
        tick: Tick,
        envelope: Bytes,
    ) -> Result<Verdict<Written>, StoreError> {
        bounded(&envelope, ENVELOPE_BYTES_MAX)?;
        let tick = tick.0.to_string();
        let arguments = [tick.as_bytes(), &envelope[..]];
        reply::written(self.call(&self.scripts.write, tenancy, &arguments).await?.value)
    }

    /// Makes the caller the owner, and brings what there is of the room. From now on writes of earlier owners are
    /// refused.
    ///
    /// `fence_after`: the owner before may still live, so say how long to wait until it has stopped by itself.
    pub async fn take(
        &self,
        tenancy: &Tenancy,
        fence_after: Option<Duration>,
    ) -> Result<Verdict<Taken>, StoreError> {
        match self.bid(tenancy, fence_after, Duration::ZERO).await? {
            Bid::Decided(verdict) => Ok(verdict),
            Bid::OwnerAlive { .. } => Err(StoreError::Garbled("a silence that was not asked for".to_owned())),
        }
    }

    /// Takes the room as [`take`](Self::take) does, if the store has not heard another owner for as long as `silence`
    /// says; else nothing is changed.
    ///
    /// The store counts in whole milliseconds: ask for one or two more than must have passed.
    pub async fn take_if_silent(
        &self,
        tenancy: &Tenancy,
        fence_after: Option<Duration>,
        silence: Duration,
    ) -> Result<Bid, StoreError> {
        self.bid(tenancy, fence_after, silence).await
    }

    async fn bid(
        &self,
        tenancy: &Tenancy,
        fence_after: Option<Duration>,
        silence: Duration,
    ) -> Result<Bid, StoreError> {
        let fence = fence_after.unwrap_or_default().as_millis().to_string();
        let silence = silence.as_millis().to_string();
        let arguments = [fence.as_bytes(), silence.as_bytes()];
        let Answer { value, mut line } = self.call(&self.scripts.take, tenancy, &arguments).await?;
        let mut bid = reply::bid(value)?;
        if let Bid::Decided(Verdict::Mine(taken)) = &mut bid {
            taken.is_replicated = self.is_replicated(&room_key(&tenancy.uid), &mut line).await;
        }
        Ok(bid)
    }

    /// Asks whether the room is still the caller's. Counts as a sign of life, like a write.
    ///
    /// If there is no connection, a new one is waited for: that this fails says that the store is out of reach now, and not
    /// that it was a moment ago. That takes an attempt that is under way, a pause of up to a second and an attempt of its own;
    /// each attempt half of [`Options::timeout`] at most, or of a cluster three times all of it. Then the question itself takes
    /// up to [`Options::timeout`].
    pub async fn check(&self, tenancy: &Tenancy) -> Result<Verdict<()>, StoreError> {
        self.approach().await?;
        reply::done(self.call(&self.scripts.check, tenancy, &[]).await?.value, "mine")
    }

    /// Ends the room: keeps the result for whoever asks, and drops the state. The first result stays:
    /// made again, the call answers [`Verdict::Finished`] with it.
    pub async fn finish(&self, tenancy: &Tenancy, result: &[u8]) -> Result<Verdict<()>, StoreError> {
        bounded(result, RESULT_BYTES_MAX)?;
        reply::done(self.call(&self.scripts.finish, tenancy, &[result]).await?.value, "recorded")
    }

    async fn call(&self, code: &Code, tenancy: &Tenancy, arguments: &[&[u8]]) -> Result<Answer, StoreError> {
        let key = room_key(&tenancy.uid);
        let epoch = tenancy.epoch.0.to_string();
        let lifetime = self.options.lifetime.as_millis().to_string();
        let command = |name: &str, script: &str| {
            let mut command = redis::cmd(name);
            command.arg(script).arg(1).arg(&key).arg(&epoch).arg(&lifetime).arg(arguments);
            command
        };
        let by_hash = command("EVALSHA", &code.hash);
        let asked = async {
            let _turn = self.turns.acquire().await;
            match self.ask(&key, &by_hash).await? {
                Some(answer) => Ok(answer),
                // Redis forgets scripts when it restarts.
                None => {
                    let again = self.ask(&key, &command("EVAL", code.text)).await?;
                    again.ok_or_else(|| StoreError::Garbled("NOSCRIPT".to_owned()))
                }
            }
        };
        let patience = self.options.timeout;
        timeout(patience, asked).await.unwrap_or(Err(StoreError::Timeout(patience)))
    }

    /// The answer; `None`: the script is not known there.
    async fn ask(&self, key: &str, command: &Cmd) -> Result<Option<Answer>, StoreError> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let mut line = self.link.line().await?;
            let error = match line.ask(key, command).await {
                Ok(value) => return Ok(Some(Answer { value, line })),
                Err(error) => error,
            };
            if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) {
                return Ok(None);
            }
            line.failed(&error);
            if !error.is_connection_dropped() || attempts == ATTEMPTS {
                return Err(StoreError::of_call(&error, self.options.timeout));
            }
        }
    }

    /// Waits until a replica has what was written on this connection. Best effort: that Redis may be asked, and
    /// how many replicas there are, is not ours to decide.
    async fn is_replicated(&self, key: &str, line: &mut Line) -> bool {
        let wait = self.options.replica_wait;
        let Ok(wait_ms @ 1..) = u64::try_from(wait.as_millis()) else { return false };
        let asked = async {
            // Without a replica, WAIT would only pass the time.
            if !reply::has_replicas(&line.ask(key, &redis::cmd("ROLE")).await?) {
                return Ok(false);
            }
            let acknowledged = line.ask(key, redis::cmd("WAIT").arg(1).arg(wait_ms)).await?;
            RedisResult::Ok(matches!(acknowledged, Value::Int(1..)))
        };
        timeout(wait * 2, asked).await.is_ok_and(|it| it.unwrap_or(false))
    }
}

/// Neither user nor password is shown.
impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { link, options, turns: _, scripts: _ } = self;
        f.debug_struct("Store").field("address", link.address()).field("options", options).finish()
    }
}

impl Code {
    fn new(text: &'static str) -> Self {
        Self { text, hash: Script::new(text).get_hash().to_owned() }
    }
}

fn bounded(bytes: &[u8], max: usize) -> Result<(), StoreError> {
    match bytes.len() <= max {
        true => Ok(()),
        false => Err(StoreError::TooLarge { bytes: bytes.len(), max }),
    }
}
