//! Plays on a game server made with `gamekeeper-server`: connects by an endpoint and a pinned certificate,
//! comes back after a lost path, and follows the room when it moves.
//!
//! ```no_run
//! use gamekeeper_client::{Credentials, Event, Place, Player, Stay, endpoint, place};
//!
//! async fn play() -> Result<(), Box<dyn std::error::Error>> {
//!     let place = place(&["198.18.0.2:7000".parse()?], &["sha256:…"])?;
//!     let stay = Stay::new("match-1", Credentials::Open("ann".to_owned()));
//!     let mut player = Player::join(endpoint()?, stay, place);
//!     loop {
//!         match player.next().await {
//!             Event::Shown { tick } => {
//!                 println!("after tick {tick}: {} bytes", player.shown().len());
//!                 player.input(b"left")?;
//!             }
//!             Event::Ended(result) => break println!("{result:?}"),
//!             Event::Refused(refused) => break println!("{}", refused.message),
//!             Event::GaveUp => break println!("the room is not to be found"),
//!             _ => (),
//!         }
//!     }
//!     Ok(())
//! }
//! ```
//!
//! A server that falls silent is noticed within 300 ms (later on a long path), and the player is let in again where
//! the room is, by the same secret, at the same place or at a fallback that the server named. A silence that ends
//! by itself is not told. Messages to the game that a lost connection left unconfirmed are sent again, and arrive
//! once; how far that goes is in `docs/player-protocol.md`.
//!
//! What is to be done is decided by the session of `gamekeeper-player`, pure; here are sockets and time. There
//! is no callback and no thread of ours: whoever owns a [`Player`] asks it what is next. So it can be wrapped
//! for other languages.

pub mod interpolation;

mod link;
mod pinned;
mod player;
mod statistics;

pub use quinn;

pub use gamekeeper_player::{
    frame::{Credentials, Endpoint, Joined, Place, Redirect, Refused, RefusedWhy, Role, Secret},
    session::client::{NotSent, State},
};
pub use pinned::{CertificateHash, NoHash, SERVER_NAME, certificate_hash, pinned_tls};
pub use player::{Event, Player, Stay};
pub use statistics::Statistics;

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// A socket for any number of players. To be called within a tokio runtime.
pub fn endpoint() -> io::Result<quinn::Endpoint> {
    quinn::Endpoint::client((Ipv6Addr::UNSPECIFIED, 0).into())
        // There is no IPv6 here.
        .or_else(|_| quinn::Endpoint::client((Ipv4Addr::UNSPECIFIED, 0).into()))
}

/// A place of these addresses and certificates, as a room's `status.endpoints` and `status.certificateHashes`
/// tell them.
pub fn place(addresses: &[SocketAddr], hashes: &[impl AsRef<str>]) -> Result<Place, NoHash> {
    let endpoint = |it: &SocketAddr| Endpoint { address: it.ip().to_string(), port: it.port() };
    Ok(Place {
        endpoints: addresses.iter().map(endpoint).collect(),
        certificate_hashes: hashes
            .iter()
            .map(|it| certificate_hash(it.as_ref()))
            .collect::<Result<_, _>>()?,
    })
}
