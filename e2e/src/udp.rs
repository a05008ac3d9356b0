//! A player of text datagrams, such as the servers in `foreign/` understand.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// No answer of a test server is longer.
const LONGEST: usize = 1500;

/// A socket that talks to one server.
#[derive(Debug)]
pub struct Player {
    socket: UdpSocket,
    server: SocketAddr,
}

impl Player {
    /// A player of the server at an address and port.
    pub async fn connect(server: SocketAddr) -> Result<Self> {
        let any: IpAddr =
            if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind((any, 0)).await.context("open a UDP socket")?;
        socket.connect(server).await.with_context(|| format!("reach {server}"))?;
        Ok(Self { socket, server })
    }

    /// Sends a text, for which no answer is expected.
    pub async fn tell(&self, text: &str) -> Result<()> {
        self.socket
            .send(text.as_bytes())
            .await
            .with_context(|| format!("send {text:?} to {}", self.server))?;
        Ok(())
    }

    /// Sends a text and waits for the answer to it.
    pub async fn ask(&self, text: &str, deadline: Duration) -> Result<String> {
        let mut buffer = [0; LONGEST];
        // What came too late for the question before is no answer to this one.
        while self.socket.try_recv(&mut buffer).is_ok() {}
        self.tell(text).await?;
        let received = timeout(deadline, self.socket.recv(&mut buffer)).await;
        let received = received.with_context(|| format!("{} did not answer {text:?}", self.server))?;
        let length = received.with_context(|| format!("{} does not take {text:?}", self.server))?;
        let answer = buffer.get(..length).unwrap_or_default().to_vec();
        String::from_utf8(answer).with_context(|| format!("{} did not answer in text", self.server))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_that_comes_too_late_is_not_taken_for_the_next() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let player = Player::connect(server.local_addr().unwrap()).await.unwrap();
        let short = Duration::from_millis(50);
        assert!(player.ask("one", short).await.is_err());
        let mut buffer = [0; LONGEST];
        let (_, peer) = server.recv_from(&mut buffer).await.unwrap();
        server.send_to(b"answer to one", peer).await.unwrap();
        tokio::time::sleep(short).await;
        let answer = async {
            server.recv_from(&mut buffer).await.unwrap();
            server.send_to(b"answer to two", peer).await.unwrap();
        };
        let (asked, ()) = tokio::join!(player.ask("two", Duration::from_secs(5)), answer);
        assert_eq!(asked.unwrap(), "answer to two");
    }
}
