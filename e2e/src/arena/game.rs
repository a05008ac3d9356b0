//! A match with somebody in it.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::speech::{Answer, Speech};
use crate::udp::Player;

/// Between two questions.
const PACE: Duration = Duration::from_millis(200);

/// How long an answer may take on a machine that is busy starting containers.
const ANSWER: Duration = Duration::from_secs(2);

/// A datagram may be lost on its way; so many in a row are a server that is lost.
const TRIES: u32 = 3;

/// A match with somebody in it, who keeps asking the server and notices if another one answers, or the match begins anew.
pub struct Game {
    room: String,
    speech: Speech,
    server: SocketAddr,
    first: Answer,
    leave: CancellationToken,
    asking: JoinHandle<Player>,
    /// Why the match was lost.
    lost: Arc<OnceLock<String>>,
}

impl Game {
    pub(super) async fn join(room: &str, server: SocketAddr, speech: Speech) -> Result<Self> {
        let player = Player::connect(server).await?;
        let first =
            play(speech, &player, room, 0).await.with_context(|| format!("join {room} at {server}"))?;
        let (leave, lost) = (CancellationToken::new(), Arc::<OnceLock<_>>::default());
        let table = Table { room: room.to_owned(), speech, player };
        let asking = tokio::spawn(keep_asking(table, first.clone(), leave.clone(), Arc::clone(&lost)));
        Ok(Self { room: room.to_owned(), speech, server, first, leave, asking, lost })
    }

    /// The room's name.
    pub fn room(&self) -> &str {
        &self.room
    }

    /// Where it is played.
    pub fn server(&self) -> SocketAddr {
        self.server
    }

    /// What names the server's process.
    pub fn boot(&self) -> &str {
        &self.first.boot
    }

    /// The epoch under which the server has the room; plain servers do not know it.
    pub fn epoch(&self) -> Option<i64> {
        self.first.room.map(|(epoch, _)| epoch)
    }

    /// How far the match was when it was joined; plain servers do not know it.
    pub fn tick(&self) -> Option<u64> {
        self.first.room.map(|(_, tick)| tick)
    }

    /// Whether the match went on until now, on the server that it began on.
    pub fn goes_on(&self) -> Result<()> {
        match self.lost.get() {
            Some(why) => bail!("the match of {} was lost: {why}", self.room),
            None => Ok(()),
        }
    }

    /// Waits until the server does not answer for the match any more.
    pub async fn is_closed(self, deadline: Duration) -> Result<()> {
        let over = timeout(deadline, self.asking).await;
        over.with_context(|| format!("{} is still played at {}", self.room, self.server))?
            .map(drop)
            .context("the player panicked")
    }

    /// Leaves the match, which must have gone on until now.
    pub async fn leave(self) -> Result<Player> {
        self.leave.cancel();
        self.goes_on()?;
        self.asking.await.context("the player panicked")
    }

    /// Ends the match well.
    pub async fn finish(self) -> Result<()> {
        let (room, speech, boot) = (self.room.clone(), self.speech, self.first.boot.clone());
        speech.end(&self.leave().await?, &room, &boot, ANSWER).await
    }

    /// Lets the server end badly.
    pub async fn crash(self) -> Result<()> {
        let (room, speech) = (self.room.clone(), self.speech);
        speech.crash(&self.leave().await?, &room).await
    }
}

/// Where somebody plays.
struct Table {
    room: String,
    speech: Speech,
    player: Player,
}

async fn keep_asking(
    table: Table,
    first: Answer,
    leave: CancellationToken,
    lost: Arc<OnceLock<String>>,
) -> Player {
    let (mut turn, mut last) = (1, first);
    while timeout(PACE, leave.cancelled()).await.is_err() {
        let why = match play(table.speech, &table.player, &table.room, turn).await {
            Ok(answer) => goes_on(&last, &answer).map(|()| last = answer),
            Err(error) => Err(error),
        };
        if let Err(why) = why {
            let _ = lost.set(format!("{why:#}"));
            break;
        }
        turn += 1;
    }
    table.player
}

/// Whether the same match is played on.
fn goes_on(last: &Answer, next: &Answer) -> Result<()> {
    ensure!(next.boot == last.boot, "it began on {}, and {} answers", last.boot, next.boot);
    let ((epoch, tick), (next_epoch, next_tick)) =
        (last.room.unwrap_or_default(), next.room.unwrap_or_default());
    ensure!(epoch == next_epoch, "its epoch went from {epoch} to {next_epoch}");
    ensure!(tick <= next_tick, "it fell from tick {tick} to {next_tick}");
    Ok(())
}

/// Plays a turn; the answer tells who has the match.
async fn play(speech: Speech, player: &Player, room: &str, turn: u32) -> Result<Answer> {
    let mut answer = speech.ask(player, room, turn, ANSWER).await;
    for _ in 1..TRIES {
        if answer.is_err() {
            answer = speech.ask(player, room, turn, ANSWER).await;
        }
    }
    answer
}
