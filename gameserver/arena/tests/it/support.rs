//! A server in a process of its own, an operator, fifty bots, and what attackers need. Nothing here waits without
//! a deadline.

mod bots;
mod guest;
mod operator;
mod redis;
mod scene;
mod server;
mod tap;

use std::{future::Future, net::Ipv4Addr, time::Duration};

use tokio::time::timeout;

pub(crate) use bots::{Bots, Room};
pub(crate) use guest::{Guest, Said, code, config, connect, input, join};
pub(crate) use operator::{Operator, uid};
pub(crate) use redis::Redis;
pub(crate) use scene::Scene;
pub(crate) use server::Server;
pub(crate) use tap::{Initials, ids};

/// Everything that is awaited comes within this time, on a busy machine too, or never.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for something, and says what it was if it does not come.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match timeout(PATIENCE, future).await {
        Ok(it) => it,
        Err(late) => panic!("never came ({late}): {what}"),
    }
}

/// One of the many addresses of this machine. The bots have 127.0.0.1.
pub(crate) fn loopback(third: u8, last: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, third, last)
}
