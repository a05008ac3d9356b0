//! What a game tells its players for certain.

use crate::Seat;

/// The longest message in bytes. More belongs into snapshots, or into several messages.
pub const MESSAGE_BYTES_MAX: usize = 16 * 1024;

/// Messages of one tick. More are a game that has lost its way, and would fill the players' lanes.
pub const MESSAGES_MAX: usize = 256;

/// Messages of one tick, in order. Kept from tick to tick for its memory.
#[derive(Debug, Default)]
pub struct Messages(Vec<Message>);

/// For whom, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// `None`: all who are there, spectators included.
    pub to: Option<Seat>,
    /// What the game's clients understand.
    pub body: Vec<u8>,
}

/// Why a message is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSent {
    /// More than 16 KiB.
    #[error("a message of {0} bytes is too long")]
    TooLong(usize),
    /// 256 in one tick.
    #[error("there are too many messages in this tick")]
    TooMany,
}

impl Messages {
    /// One more.
    pub fn push(&mut self, to: Option<Seat>, body: impl Into<Vec<u8>>) -> Result<(), NotSent> {
        let body = body.into();
        if MESSAGE_BYTES_MAX < body.len() {
            return Err(NotSent::TooLong(body.len()));
        }
        if self.0.len() == MESSAGES_MAX {
            return Err(NotSent::TooMany);
        }
        self.0.push(Message { to, body });
        Ok(())
    }

    /// Those of this tick.
    pub fn iter(&self) -> std::slice::Iter<'_, Message> {
        self.0.iter()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

impl<'a> IntoIterator for &'a Messages {
    type Item = &'a Message;
    type IntoIter = std::slice::Iter<'a, Message>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_limited_in_length_and_number() {
        let mut all = Messages::default();
        assert_eq!(
            all.push(None, vec![0; MESSAGE_BYTES_MAX + 1]),
            Err(NotSent::TooLong(MESSAGE_BYTES_MAX + 1))
        );
        for _ in 0..MESSAGES_MAX {
            all.push(Some(Seat(1)), *b"goal").unwrap();
        }
        assert_eq!(all.push(None, *b"one more"), Err(NotSent::TooMany));
        assert_eq!(all.iter().count(), MESSAGES_MAX);
    }
}
