//! The lines of journals that are followed while they are written, as `arena bot --journal` and `arena server --journal` write
//! them.

use serde::Deserialize;

use crate::clock::Moment;

/// A tick that a player was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    /// Of the room's tenancy.
    pub(super) epoch: u64,
    pub(super) tick: u64,
    pub(super) at: Moment,
}

/// A line that matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A player of a room was shown something.
    Shown { room: String, player: String, shown: Shown },
    /// A server has restored a room from the checkpoint of a tick.
    Restored { room: String, tick: u64, at: Moment },
}

/// A line as it is written; rooms are named by their uids.
#[derive(Deserialize)]
#[serde(tag = "what", rename_all = "lowercase")]
enum Written {
    Shown {
        room: String,
        player: String,
        epoch: u64,
        tick: u64,
        mono_ns: Moment,
    },
    Restored {
        room: String,
        from_tick: u64,
        mono_ns: Moment,
    },
    #[serde(other)]
    Other,
}

/// Where a line says what it is about: behind two times.
const HEAD: usize = 100;

/// Reads a line. `None`: it is about something else.
pub(super) fn read(line: &[u8]) -> Option<Line> {
    // Most lines are ticks of servers, thousands a second when rooms are many: those are not worth to be understood.
    let head = str::from_utf8(line.get(..HEAD).unwrap_or(line)).unwrap_or_default();
    if head.contains(r#""what":"tick""#) {
        return None;
    }
    match serde_json::from_slice(line).ok()? {
        Written::Shown { room, player, epoch, tick, mono_ns: at } => {
            Some(Line::Shown { room, player, shown: Shown { epoch, tick, at } })
        }
        Written::Restored { room, from_tick: tick, mono_ns: at } => Some(Line::Restored { room, tick, at }),
        Written::Other => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_shown_and_restored_is_read() {
        let shown = br#"{"mono_ns":7,"wall_ns":1,"what":"shown","room":"uid","player":"bot-0","epoch":2,"tick":30,"sent":1,"newest":1,"acknowledged":0}"#;
        let expected = Shown { epoch: 2, tick: 30, at: Moment(7) };
        assert_eq!(
            read(shown),
            Some(Line::Shown { room: "uid".to_owned(), player: "bot-0".to_owned(), shown: expected })
        );
        let restored = br#"{"mono_ns":9,"wall_ns":1,"what":"restored","room":"uid","from_epoch":1,"from_tick":28,"hash":"0"}"#;
        assert_eq!(read(restored), Some(Line::Restored { room: "uid".to_owned(), tick: 28, at: Moment(9) }));
        // It says a tick too, which nobody was shown.
        let joined = br#"{"mono_ns":7,"what":"joined","room":"uid","player":"bot-0","epoch":3,"tick":31}"#;
        assert_eq!(read(joined), None);
        let tick = br#"{"mono_ns":7,"wall_ns":1,"what":"tick","room":"uid","epoch":3,"tick":31,"hash":"0"}"#;
        assert_eq!(read(tick), None);
        assert_eq!(read(b"half of a li"), None);
    }
}
