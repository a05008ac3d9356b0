//! What a game says of a match at its end.

use std::collections::BTreeMap;

/// As many entries fit into `GameRoom.status.result`.
const ENTRIES_MAX: usize = 32;

/// As many bytes fit there, keys and values together: an object of etcd must stay small.
const BYTES_MAX: usize = 4096;

/// The result of a match: a few names and values, for `GameRoom.status.result`.
///
/// ```
/// # use gamekeeper_room::Ending;
/// let ending = Ending::new([("winner", "p3"), ("rounds", "7")])?;
/// assert_eq!(ending.values()["winner"], "p3");
/// # Ok::<(), gamekeeper_room::TooLarge>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ending(BTreeMap<String, String>);

/// A result does not fit into the room's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a result of {entries} entries and {bytes} bytes, where 32 entries and 4096 bytes are allowed")]
pub struct TooLarge {
    entries: usize,
    bytes: usize,
}

impl Ending {
    /// A result of these values. Of values with the same name, the last one counts.
    pub fn new<K: Into<String>, V: Into<String>>(
        values: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, TooLarge> {
        let values: BTreeMap<String, String> =
            values.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        let bytes = values.iter().map(|(key, value)| key.len() + value.len()).sum();
        match values.len() <= ENTRIES_MAX && bytes <= BYTES_MAX {
            true => Ok(Self(values)),
            false => Err(TooLarge { entries: values.len(), bytes }),
        }
    }

    /// Names and values.
    pub fn values(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_has_at_most_32_entries_and_4096_bytes() {
        let entries = |count: usize| Ending::new((0..count).map(|it| (it.to_string(), "x")));
        assert_eq!(entries(32).unwrap().values().len(), 32);
        assert_eq!(entries(33), Err(TooLarge { entries: 33, bytes: 10 + 2 * 23 + 33 }));
        let bytes = |count: usize| Ending::new([("text", "x".repeat(count - 4))]);
        assert!(bytes(4096).is_ok());
        assert_eq!(bytes(4097), Err(TooLarge { entries: 1, bytes: 4097 }));
        assert!(Ending::new([("", ""); 100]).is_ok(), "the same name 100 times is one entry");
    }
}
