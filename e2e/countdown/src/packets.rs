//! What players send, and what they get: text datagrams.
//!
//! To all that means nothing there is no answer, so that the port cannot be made to flood somebody else.

use std::{collections::HashMap, net::SocketAddr, process, time::Duration};

use gamekeeper_server::{Entrance, PlayerName, Presence, Rooms};
use tokio::{
    net::UdpSocket,
    time::{Instant, interval},
};
use tracing::{error, warn};

use crate::game::Countdowns;

/// No packet that means something is longer: a name of 253 bytes, and a word.
const PACKET_BYTES_MAX: usize = 512;

/// A player who has not said hello for this long has left.
const STAYS: Duration = Duration::from_secs(10);

/// How often that is looked at.
const SWEEP: Duration = Duration::from_secs(1);

/// Players of all rooms that are kept in mind. More are answered, but not counted.
const PLAYERS_MAX: usize = 65_536;

/// The exit code of a process that a player has crashed.
const CRASHED: i32 = 3;

/// The game port.
pub(crate) struct Packets {
    socket: UdpSocket,
    boot_id: String,
    rooms: Rooms,
    countdowns: Countdowns,
    players: HashMap<(String, SocketAddr), Player>,
}

struct Player {
    room: Entrance,
    presence: Presence,
    heard: Instant,
}

/// What a player wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Hello,
    End,
    Crash,
}

/// The name of a room, and what is wanted there.
fn parse(packet: &[u8]) -> Option<(&str, Word)> {
    let text = std::str::from_utf8(packet).ok()?;
    let (room, word) = text.strip_suffix('\n').unwrap_or(text).split_once(' ')?;
    let word = match word {
        "hello" => Word::Hello,
        "end" => Word::End,
        "crash" => Word::Crash,
        _ => return None,
    };
    Some((room, word))
}

impl Packets {
    pub(crate) fn new(socket: UdpSocket, boot_id: String, rooms: Rooms, countdowns: Countdowns) -> Self {
        Self { socket, boot_id, rooms, countdowns, players: HashMap::new() }
    }

    /// Until the task is aborted.
    pub(crate) async fn serve(mut self) {
        let mut sweep = interval(SWEEP);
        let mut packet = [0; PACKET_BYTES_MAX];
        loop {
            tokio::select! {
                received = self.socket.recv_from(&mut packet) => match received {
                    Ok((length, from)) => self.play(packet.get(..length).unwrap_or_default(), from).await,
                    // Of an earlier answer that could not be delivered, for one.
                    Err(error) => warn!(%error, "cannot receive a packet"),
                },
                _ = sweep.tick() => self.sweep(),
            }
        }
    }

    async fn play(&mut self, packet: &[u8], from: SocketAddr) {
        let Some((name, word)) = parse(packet) else { return };
        let Some(room) = self.rooms.by_name(name) else { return };
        match word {
            Word::Hello => {
                self.hear(&room, from);
                let answer = format!("{name} {} {} {}", self.boot_id, room.epoch(), room.tick().0);
                if let Err(error) = self.socket.send_to(answer.as_bytes(), from).await {
                    warn!(%error, "cannot answer a player");
                }
            }
            Word::End => self.countdowns.end(room.uid()),
            Word::Crash => {
                error!(room = name, "crashing, as asked");
                process::exit(CRASHED);
            }
        }
    }

    /// A player is there.
    fn hear(&mut self, room: &Entrance, from: SocketAddr) {
        let heard = Instant::now();
        let key = (room.uid().to_owned(), from);
        if let Some(player) = self.players.get_mut(&key) {
            player.heard = heard;
        } else if self.players.len() < PLAYERS_MAX {
            // Without a seat one may say hello all the same.
            let joined = PlayerName::new(from.to_string()).ok().and_then(|it| room.join(&it).ok());
            let player = joined.map(|presence| Player { room: room.clone(), presence, heard });
            self.players.extend(player.map(|it| (key, it)));
        }
    }

    fn sweep(&mut self) {
        self.players.retain(|_, player| {
            let stays = player.heard.elapsed() < STAYS;
            if !stays {
                player.room.leave(player.presence);
            }
            stays
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_nothing_is_nothing() {
        assert_eq!(parse(b"duel hello"), Some(("duel", Word::Hello)));
        assert_eq!(parse(b"duel end\n"), Some(("duel", Word::End)));
        assert_eq!(parse(b"duel crash\n"), Some(("duel", Word::Crash)));
        for nothing in
            ["", "\n", "duel", "duel ", "duel hello ", "duel Hello", "duel hello\n\n", "hello duel"]
        {
            assert_eq!(parse(nothing.as_bytes()), None, "{nothing:?}");
        }
        assert_eq!(parse(b"\xff hello"), None);
        assert_eq!(parse(b" hello"), Some(("", Word::Hello)), "no room has that name");
    }
}
