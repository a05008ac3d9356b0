//! A journal: what this process saw and did, line by line, for who judges it after its end, however it ends.

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::clock;

/// The most that is written, so that a forgotten run does not fill a disk: two hours of 16 rooms, or
/// eight minutes of 300 bots.
const BYTES_MAX: u64 = 1 << 30;

/// Longer than any line but one with the names of 32 players.
const LINE_BYTES: usize = 512;

/// An open journal. A copy writes to the same one.
///
/// Each line is written at once, by one call: a thread that gathers lines would lose the last ones, which matter most,
/// when the process is killed. A call takes some microseconds, a tick has 33,333 of them.
#[derive(Clone, Debug)]
pub(super) struct Journal(Arc<Mutex<Open>>);

#[derive(Debug)]
struct Open {
    /// `None`: it is full, or the disk is.
    file: Option<File>,
    left: u64,
    line: Vec<u8>,
}

/// A line: when, and what.
#[derive(Serialize)]
struct Line<T> {
    /// By the clock of the machine, which all processes and containers on it share, and which nobody sets.
    mono_ns: u64,
    /// Since 1970.
    wall_ns: i64,
    #[serde(flatten)]
    what: T,
}

impl Journal {
    /// Begins one in this folder.
    pub(super) fn begin(folder: &Path, kind: &str) -> Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("make the folder {}", folder.display()))?;
        let path = folder.join(format!("{kind}-{:016x}.jsonl", rand::random::<u64>()));
        let file = OpenOptions::new().create_new(true).append(true).open(&path);
        let file = file.with_context(|| format!("begin the journal {}", path.display()))?;
        Ok(Self::of(file, BYTES_MAX))
    }

    fn of(file: File, left: u64) -> Self {
        Self(Arc::new(Mutex::new(Open { file: Some(file), left, line: Vec::with_capacity(LINE_BYTES) })))
    }

    /// Adds a line. What cannot be written is not: the game goes on.
    pub(super) fn note(&self, what: impl Serialize) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Open { file: Some(file), left, line } = &mut *open else { return };
        line.clear();
        let stamped = Line { mono_ns: clock::monotonic_ns(), wall_ns: clock::wall_ns(), what };
        if serde_json::to_writer(&mut *line, &stamped).is_err() {
            return;
        }
        line.push(b'\n');
        let length = line.len() as u64;
        let fits = length <= *left;
        if !fits {
            *line = b"{\"what\":\"full\"}\n".to_vec();
        }
        *left = left.saturating_sub(length);
        if file.write_all(line).is_err() || !fits {
            open.file = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn folder(name: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("arena-journal-{name}-{}", std::process::id()))
    }

    fn lines(path: &Path) -> Vec<Value> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|it| serde_json::from_str(it).unwrap()).collect()
    }

    #[test]
    fn every_line_is_there_at_once_and_says_when() {
        let folder = folder("begin");
        let journal = Journal::begin(&folder, "server").unwrap();
        (0..3).for_each(|it| journal.note(json!({ "what": "tick", "tick": it })));
        let path = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
        let lines = lines(&path);
        std::fs::remove_dir_all(&folder).unwrap();
        let times: Vec<_> = lines.iter().map(|it| it["mono_ns"].as_u64().unwrap()).collect();
        assert!(times.is_sorted() && times.len() == 3, "{times:?}");
        assert_eq!((&lines[2]["what"], &lines[2]["tick"]), (&json!("tick"), &json!(2)));
    }

    #[test]
    fn a_full_journal_says_so_and_stays_as_it_is() {
        let path = folder("full");
        let journal = Journal::of(File::create(&path).unwrap(), 200);
        (0..9).for_each(|it| journal.note(json!({ "what": "tick", "tick": it })));
        let lines = lines(&path);
        std::fs::remove_file(&path).unwrap();
        assert!((2..5).contains(&lines.len()), "{lines:?}");
        assert_eq!(lines.last(), Some(&json!({ "what": "full" })));
    }
}
