//! The lines of players' journals that tell what a player was shown, as `arena bot --journal` writes them.

use serde_json::Value;

use crate::clock::Moment;

/// A tick that a player was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    /// Of the room's tenancy.
    pub(super) epoch: u64,
    pub(super) tick: u64,
    pub(super) at: Moment,
}

// TO MERGE: the names of the fields are those of the journals' helper.
/// Reads a line: the room's uid, the player's name and what it was shown. `None`: it is about something else.
pub(super) fn read(line: &[u8]) -> Option<(String, String, Shown)> {
    let entry: Value = serde_json::from_slice(line).ok()?;
    let number = |name: &str| entry[name].as_u64();
    let text = |name: &str| entry[name].as_str().map(ToOwned::to_owned);
    let shown = Shown { epoch: number("epoch")?, tick: number("tick")?, at: Moment(number("mono_ns")?) };
    Some((text("room")?, text("player")?, shown))
}

#[cfg(test)]
pub(super) fn line(room: &str, player: &str, shown: Shown) -> String {
    let Shown { epoch, tick, at } = shown;
    serde_json::json!({ "room": room, "player": player, "epoch": epoch, "tick": tick, "mono_ns": at })
        .to_string()
}
