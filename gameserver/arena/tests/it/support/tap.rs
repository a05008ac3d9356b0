//! First packets of clients that do not exist: made by QUIC, caught before they reach anybody.

use std::{collections::HashSet, net::Ipv4Addr};

use quinn::{Endpoint, VarInt};
use tokio::net::UdpSocket;

use super::{config, soon};

/// Makes them, each of another client.
pub(crate) struct Initials {
    client: Endpoint,
    tap: UdpSocket,
    seen: HashSet<Vec<u8>>,
}

impl Initials {
    pub(crate) async fn new() -> Self {
        let client = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let tap = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        Self { client, tap, seen: HashSet::new() }
    }

    /// One more.
    pub(crate) async fn next(&mut self) -> Vec<u8> {
        let to = self.tap.local_addr().unwrap();
        let _connecting = self.client.connect_with(config(), to, "gamekeeper.invalid").unwrap();
        let mut bytes = vec![0; 2048];
        loop {
            let length = soon("a first packet", self.tap.recv(&mut bytes)).await.unwrap();
            // Not the last words of the one before.
            if self.seen.insert(ids(&bytes[..length]).0.to_vec()) {
                bytes.truncate(length);
                return bytes;
            }
        }
    }
}

impl Drop for Initials {
    fn drop(&mut self) {
        self.client.close(VarInt::from_u32(0), b"");
    }
}

/// The connection IDs of a packet with a long header: whose it is for, and whose it is from.
pub(crate) fn ids(packet: &[u8]) -> (&[u8], &[u8]) {
    let (length, rest) = packet[5..].split_first().unwrap();
    let (to, rest) = rest.split_at(usize::from(*length));
    let (length, rest) = rest.split_first().unwrap();
    (to, &rest[..usize::from(*length)])
}
