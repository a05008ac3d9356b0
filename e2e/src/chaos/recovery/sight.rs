//! What the players see at the moment: from the ends of their journals, as these are written.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::journal::{Line, Shown, read};
use crate::clock::Moment;

/// A player that was shown nothing for so long does not play.
const STILL_PLAYS: Duration = Duration::from_millis(500);

/// What the players see.
#[derive(Debug)]
pub(super) struct Sight {
    /// The players' journals, and the servers'.
    tails: [Tail; 2],
    views: Views,
}

/// The ends of all journals in a folder.
#[derive(Debug)]
struct Tail {
    folder: PathBuf,
    /// How much of each journal was read, and the beginning of a line whose end is not written yet.
    files: BTreeMap<PathBuf, (u64, Vec<u8>)>,
}

/// What each player saw, by the room's uid and its own name.
#[derive(Debug, Default)]
pub(super) struct Views {
    players: BTreeMap<(String, String), View>,
    /// From which tick each room was restored last, and when.
    restored: BTreeMap<String, (u64, Moment)>,
}

/// What one player saw.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    /// The newest.
    pub(super) last: Shown,
    /// The first of the newest epoch.
    pub(super) first: Shown,
    /// The last of the epoch before, if there was one.
    pub(super) before: Option<Shown>,
    /// The longest time without anything new, since this was asked for.
    pub(super) gap: Duration,
}

impl Sight {
    /// By the journals in these folders.
    pub(super) fn of(players: &Path, servers: &Path) -> Self {
        let tails = [players, servers].map(|it| Tail { folder: it.to_owned(), files: BTreeMap::new() });
        Self { tails, views: Views::default() }
    }

    /// Reads what was written since the last look.
    pub(super) fn look(&mut self) -> Result<&mut Views> {
        for tail in &mut self.tails {
            tail.read(&mut self.views)?;
        }
        Ok(&mut self.views)
    }
}

impl Tail {
    fn read(&mut self, views: &mut Views) -> Result<()> {
        let entries = fs::read_dir(&self.folder);
        for entry in entries.with_context(|| format!("list {}", self.folder.display()))? {
            let entry = entry?;
            let path = entry.path();
            let (offset, rest) = self.files.entry(path.clone()).or_default();
            // Those of servers that are gone become many.
            if entry.metadata().is_ok_and(|it| it.len() == *offset) {
                continue;
            }
            let mut file = File::open(&path).with_context(|| format!("open {}", path.display()))?;
            file.seek(SeekFrom::Start(*offset))?;
            *offset += u64::try_from(file.read_to_end(rest)?)?;
            let whole = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            let lines = rest.drain(..whole);
            lines.as_slice().split(|byte| *byte == b'\n').filter_map(read).for_each(|it| views.take(it));
        }
        Ok(())
    }
}

impl Views {
    fn take(&mut self, line: Line) {
        match line {
            Line::Shown { room, player, shown } => self.saw(room, player, shown),
            Line::Restored { room, tick, at } => self.was_restored(&room, tick, at),
        }
    }

    pub(super) fn was_restored(&mut self, room: &str, tick: u64, at: Moment) {
        self.restored.insert(room.to_owned(), (tick, at));
    }

    /// Whether a room was restored in this time.
    pub(super) fn is_restored_within(&self, room: &str, time: Duration, now: Moment) -> bool {
        self.restored.get(room).is_some_and(|it| now.since(it.1) < time)
    }

    /// From which tick a room was restored, if it was since then.
    pub(super) fn restored(&self, room: &str, since: Moment) -> Option<u64> {
        self.restored.get(room).filter(|it| since < it.1).map(|it| it.0)
    }

    pub(super) fn saw(&mut self, room: String, player: String, shown: Shown) {
        let view = self.players.entry((room, player)).or_insert(View {
            last: shown,
            first: shown,
            before: None,
            gap: Duration::ZERO,
        });
        view.gap = view.gap.max(shown.at.since(view.last.at));
        if view.last.epoch < shown.epoch {
            (view.before, view.first) = (Some(view.last), shown);
        }
        view.last = shown;
    }

    /// Begins to measure gaps afresh.
    pub(super) fn measure_gaps(&mut self) {
        self.players.values_mut().for_each(|view| view.gap = Duration::ZERO);
    }

    /// What the players of a room see.
    pub(super) fn of_room<'a>(&'a self, room: &'a str) -> impl Iterator<Item = (&'a str, &'a View)> {
        // Rooms are many when all of them are looked at.
        let from_here = self.players.range((room.to_owned(), String::new())..);
        from_here.take_while(move |(key, _)| key.0 == room).map(|(key, view)| (key.1.as_str(), view))
    }

    /// For how long any player of a room was shown nothing new, at most, since gaps are measured.
    pub(super) fn longest_gap(&self, room: &str, now: Moment) -> Duration {
        self.of_room(room).map(|(_, view)| view.gap.max(now.since(view.last.at))).max().unwrap_or_default()
    }

    /// How many players of a room play.
    pub(super) fn playing(&self, room: &str, now: Moment) -> usize {
        self.of_room(room).filter(|(_, view)| now.since(view.last.at) < STILL_PLAYS).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(epoch: u64, tick: u64, ms: u64) -> Shown {
        Shown { epoch, tick, at: Moment(ms * 1_000_000) }
    }

    fn views(all: &[Shown]) -> Views {
        let mut views = Views::default();
        all.iter().for_each(|it| views.saw("room".to_owned(), "bot-0".to_owned(), *it));
        views
    }

    #[test]
    fn a_new_epoch_begins_with_its_first_tick() {
        let views = views(&[shown(1, 10, 0), shown(1, 11, 33), shown(2, 9, 800), shown(2, 10, 833)]);
        let (_, view) = views.of_room("room").next().unwrap();
        assert_eq!((view.first, view.last), (shown(2, 9, 800), shown(2, 10, 833)));
        assert_eq!(view.before, Some(shown(1, 11, 33)));
        assert_eq!(view.gap, Duration::from_millis(767));
        assert!(views.of_room("other").next().is_none());
    }

    #[test]
    fn who_sees_nothing_new_does_not_play() {
        let mut views = views(&[shown(1, 10, 0), shown(1, 11, 33)]);
        assert_eq!(views.playing("room", Moment(500_000_000)), 1);
        assert_eq!(views.playing("room", Moment(533_000_000)), 0);
        assert_eq!(views.longest_gap("room", Moment(50_000_000)), Duration::from_millis(33));
        assert_eq!(views.longest_gap("room", Moment(533_000_000)), Duration::from_millis(500));
        views.measure_gaps();
        assert_eq!(views.of_room("room").next().unwrap().1.gap, Duration::ZERO);
    }

    #[test]
    fn half_a_line_is_read_when_it_is_whole() {
        let folder = std::env::temp_dir().join(format!("gamekeeper-sight-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let line = r#"{"mono_ns":40000000,"what":"shown","room":"room","player":"bot-0","epoch":1,"tick":5}"#;
        let (half, rest) = line.split_at(line.len() / 2);
        let mut sight = Sight::of(&folder, &folder);
        fs::write(folder.join("bot"), half).unwrap();
        assert!(sight.look().unwrap().of_room("room").next().is_none());
        fs::write(folder.join("bot"), format!("{half}{rest}\n")).unwrap();
        assert_eq!(sight.look().unwrap().of_room("room").next().unwrap().1.last, shown(1, 5, 40));
        fs::remove_dir_all(folder).unwrap();
    }
}
