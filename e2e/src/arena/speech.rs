//! What players and servers say to each other, in text datagrams.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::udp::Player;

/// The packets that a server understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speech {
    /// Of `foreign/udp-server`: one match, whose name nobody says.
    Plain,
    /// Of `foreign/rooms-server` and `countdown`: every packet names its room.
    Rooms,
}

/// Who answers for a match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What names the server's process.
    pub boot: String,
    /// The room's epoch and how often it ticked; plain servers know neither.
    pub room: Option<(i64, u64)>,
}

impl Speech {
    /// Plays a turn: whoever has the match answers.
    pub async fn ask(self, player: &Player, room: &str, turn: u32, deadline: Duration) -> Result<Answer> {
        let question = match self {
            Self::Plain => format!("play {turn}"),
            Self::Rooms => format!("{room} hello"),
        };
        let answer = player.ask(&question, deadline).await?;
        let read = match self {
            Self::Plain => plain(&answer, turn),
            Self::Rooms => of_room(&answer, room),
        };
        read.with_context(|| format!("asked {question:?} it said {answer:?}"))
    }

    /// Tells the server that the match is over. The plain one answers, and its process ends.
    pub async fn end(self, player: &Player, room: &str, boot: &str, deadline: Duration) -> Result<()> {
        match self {
            Self::Plain => {
                let answer = player.ask("finish", deadline).await?;
                ensure!(
                    answer == format!("finished {boot}"),
                    "{room} was finished by another server: {answer}"
                );
                Ok(())
            }
            Self::Rooms => player.tell(&format!("{room} end")).await,
        }
    }

    /// Lets the server's process end badly.
    pub async fn crash(self, player: &Player, room: &str) -> Result<()> {
        match self {
            Self::Plain => player.tell("crash").await,
            Self::Rooms => player.tell(&format!("{room} crash")).await,
        }
    }
}

fn plain(answer: &str, turn: u32) -> Option<Answer> {
    let boot = answer.strip_prefix(&format!("played {turn} "))?;
    Some(Answer { boot: boot.to_owned(), room: None })
}

fn of_room(answer: &str, room: &str) -> Option<Answer> {
    let mut words = answer.strip_prefix(room)?.strip_prefix(' ')?.split(' ');
    let (boot, epoch, tick) = (words.next()?, words.next()?, words.next()?);
    words.next().is_none().then_some(())?;
    Some(Answer { boot: boot.to_owned(), room: Some((epoch.parse().ok()?, tick.parse().ok()?)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_for_another_room_or_turn_is_none() {
        let answer = of_room("duel BOOT 4294967297 90", "duel").unwrap();
        assert_eq!((answer.boot.as_str(), answer.room), ("BOOT", Some((4_294_967_297, 90))));
        for other in ["duel-2 BOOT 1 90", "duel BOOT 1", "duel BOOT 1 90 7", "duel BOOT one 90"] {
            assert_eq!(of_room(other, "duel"), None, "{other}");
        }
        assert_eq!(plain("played 7 BOOT", 7).unwrap().boot, "BOOT");
        assert_eq!(plain("played 6 BOOT", 7), None);
    }
}
