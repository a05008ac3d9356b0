//! Which rooms, and where they are: from the command line or, for many, from a file or standard input.

use std::{fs::File, io, net::SocketAddr, path::PathBuf};

use anyhow::{Context as _, Result, bail};
use gamekeeper_client::{Place, certificate_hash, place};
use serde::Deserialize;

/// A room to play in or to watch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Room {
    /// Its name or uid.
    #[allow(clippy::struct_field_names, reason = "the word of the plan's file")]
    pub(crate) room: String,
    /// Of its status, as `ADDRESS:PORT`.
    pub(crate) endpoints: Vec<SocketAddr>,
    /// Of its status.
    pub(crate) certificate_hashes: Vec<String>,
    /// How many bots play there.
    #[serde(default)]
    pub(crate) players: usize,
    /// A ticket for each, where the fleet asks for them. Else they give their names.
    #[serde(default)]
    pub(crate) tickets: Vec<String>,
}

/// Where a room is.
#[derive(Debug, clap::Args)]
pub(crate) struct Where {
    /// The room's name or uid
    #[arg(long, requires_all = ["connect", "certificate"])]
    room: Option<String>,
    /// Where it is: its status.endpoints
    #[arg(long, value_name = "ADDRESS:PORT")]
    connect: Vec<SocketAddr>,
    /// By what its server is known: its status.certificateHashes
    #[arg(long, value_name = "sha256:HEX")]
    certificate: Vec<String>,
}

impl Where {
    /// The one room of the command line.
    pub(crate) fn room(self) -> Option<Room> {
        let Self { room, connect, certificate } = self;
        Some(Room { room: room?, endpoints: connect, certificate_hashes: certificate, ..Room::default() })
    }
}

impl Room {
    /// Where it is.
    pub(crate) fn place(&self) -> Result<Place> {
        place(&self.endpoints, &self.certificate_hashes).with_context(|| format!("the room {}", self.room))
    }

    fn check(self) -> Result<Self> {
        let Self { room, endpoints, certificate_hashes, players, tickets } = &self;
        if endpoints.is_empty() || certificate_hashes.is_empty() {
            bail!("{room}: endpoints and certificateHashes must not be empty; the room's status has them");
        }
        if !tickets.is_empty() && tickets.len() != *players {
            bail!("{room}: {} tickets for {players} players", tickets.len());
        }
        certificate_hashes.iter().try_for_each(|it| certificate_hash(it).map(drop))?;
        Ok(self)
    }
}

/// Reads one JSON object a line, from a file or, if it is `-`, from standard input.
pub(crate) fn read(path: &PathBuf) -> Result<Vec<Room>> {
    let source: Box<dyn io::Read> = match path.as_os_str() == "-" {
        true => Box::new(io::stdin()),
        false => Box::new(File::open(path).with_context(|| format!("read {}", path.display()))?),
    };
    let rooms = serde_json::Deserializer::from_reader(source).into_iter::<Room>();
    rooms.map(|it| it.context("the plan: one JSON object for each room").and_then(Room::check)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(json: &str) -> Result<Room> {
        serde_json::from_str::<Room>(json).context("JSON").and_then(Room::check)
    }

    #[test]
    fn a_plan_is_read_as_a_status_has_it() {
        let hash = format!("sha256:{}", "ab".repeat(32));
        let good = format!(
            r#"{{"room":"duel","endpoints":["198.18.0.2:7000"],"certificateHashes":["{hash}"],"players":2}}"#
        );
        let read = room(&good).unwrap();
        assert_eq!((read.room.as_str(), read.players, read.place().unwrap().endpoints.len()), ("duel", 2, 1));
        for (from, to) in [
            ("198.18.0.2:7000", "198.18.0.2"),
            (r#"["198.18.0.2:7000"]"#, "[]"),
            ("sha256:", "md5:"),
            (r#""players":2"#, r#""players":2,"tickets":["one"]"#),
            (r#""players":2"#, r#""plyers":2"#),
        ] {
            assert!(room(&good.replace(from, to)).is_err(), "{to}");
        }
    }
}
