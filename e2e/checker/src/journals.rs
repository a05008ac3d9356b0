//! The files that the processes of a run left behind.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;

/// Files of one run. More is no run, but a mistake in the path.
const FILES_MAX: usize = 10_000;

/// What one process wrote.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Journal {
    /// Of the file.
    pub name: String,
    /// In the order in which they were written.
    pub lines: Vec<Line>,
    /// It reached its limit, and what came then is not known.
    pub is_full: bool,
}

/// A line. Which fields there are depends on `what`; `docs/arena.md` has the list.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Line {
    /// By the monotonic clock of the machine.
    pub mono_ns: u64,
    /// What it is about.
    pub what: String,
    /// Its uid; of players, its uid or name.
    pub room: String,
    /// Of the room.
    pub name: String,
    /// Of the player.
    pub player: String,
    /// Of the room's tenancy.
    pub epoch: Option<i64>,
    /// The room's.
    pub tick: u64,
    /// Ticks per second.
    pub tick_rate: Option<u32>,
    /// Of the state after the tick.
    pub hash: String,
    /// Of the owner whose checkpoint was restored.
    pub from_epoch: Option<i64>,
    /// Of the checkpoint that was restored.
    pub from_tick: u64,
    /// In the state that was restored.
    pub seats: Vec<Seat>,
    /// The player's.
    pub seat: Option<u32>,
    /// Inputs up to this one were sent.
    pub sent: u64,
    /// The number of 0 to 255 in the newest of them.
    pub newest: u8,
    /// Inputs up to this one were acknowledged.
    pub acknowledged: u64,
    /// Why a player did not do well.
    pub reason: Option<String>,
    /// The server's pod.
    pub pod: String,
}

/// What a restored state knows of a seat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Seat {
    /// Which.
    pub seat: u32,
    /// How many inputs came since its player did.
    pub inputs: u64,
    /// The number in the newest of them.
    pub newest: u8,
}

/// Why journals cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum NotRead {
    /// The file system says no.
    #[error("cannot read {0}")]
    File(PathBuf, #[source] io::Error),
    /// Only the last line of a process that was killed may be torn.
    #[error("{file}, line {line}, is no line of a journal")]
    Line {
        /// Of the journal.
        file: String,
        /// From 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// It is not a run's.
    #[error("there are more than 10000 journals below {0}: give the folder of one run")]
    TooMany(PathBuf),
}

/// Reads all files `*.jsonl` in a folder and below it.
pub fn read(folder: &Path) -> Result<Vec<Journal>, NotRead> {
    let mut journals = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let failed = |error| NotRead::File(next.clone(), error);
        for entry in fs::read_dir(&next).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "jsonl") {
                let text = fs::read(&path).map_err(|error| NotRead::File(path.clone(), error))?;
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                journals.push(parse(&name, &text)?);
            }
            if FILES_MAX < journals.len() {
                return Err(NotRead::TooMany(folder.to_owned()));
            }
        }
    }
    journals.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(journals)
}

/// Reads one journal. What is behind the last line feed was being written when the process was killed.
pub fn parse(name: &str, text: &[u8]) -> Result<Journal, NotRead> {
    let whole = text.iter().rposition(|it| *it == b'\n').map_or(0, |it| it + 1);
    let mut journal = Journal { name: name.to_owned(), ..Journal::default() };
    let texts = text.get(..whole).unwrap_or_default().split(|it| *it == b'\n');
    for (number, text) in texts.enumerate().filter(|(_, text)| !text.is_empty()) {
        let line: Line = serde_json::from_slice(text).map_err(|source| NotRead::Line {
            file: name.to_owned(),
            line: number + 1,
            source,
        })?;
        if line.what == "full" {
            journal.is_full = true;
        } else {
            journal.lines.push(line);
        }
    }
    Ok(journal)
}
