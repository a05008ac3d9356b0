//! A match with somebody in it.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use e2e::udp::Player;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Between two questions.
const PACE: Duration = Duration::from_millis(200);

/// How long an answer may take on a machine that is busy starting containers.
const ANSWER: Duration = Duration::from_secs(2);

/// A datagram may be lost on its way; so many in a row are a server that is lost.
const TRIES: u32 = 3;

/// A match with somebody in it, who keeps asking the server and notices if another one answers.
pub(crate) struct Game {
    room: String,
    boot: String,
    leave: CancellationToken,
    asking: JoinHandle<Player>,
    /// Why the match was lost.
    lost: Arc<OnceLock<String>>,
}

impl Game {
    pub(super) async fn join(room: &str, server: SocketAddr) -> Result<Self> {
        let player = Player::connect(server).await?;
        let boot = play(&player, 0).await.with_context(|| format!("join {room} at {server}"))?;
        let (leave, lost) = (CancellationToken::new(), Arc::<OnceLock<_>>::default());
        let asking = keep_asking(player, boot.clone(), leave.clone(), Arc::clone(&lost));
        Ok(Self { room: room.to_owned(), boot, leave, asking: tokio::spawn(asking), lost })
    }

    pub(crate) fn room(&self) -> &str {
        &self.room
    }

    /// What names the server's process.
    pub(crate) fn boot(&self) -> &str {
        &self.boot
    }

    /// Whether the match went on until now, on the server that it began on.
    pub(crate) fn goes_on(&self) -> Result<()> {
        match self.lost.get() {
            Some(why) => bail!("the match of {} was lost: {why}", self.room),
            None => Ok(()),
        }
    }

    /// Leaves the match, which must have gone on until now.
    pub(crate) async fn leave(self) -> Result<Player> {
        self.leave.cancel();
        self.goes_on()?;
        self.asking.await.context("the player panicked")
    }

    /// Ends the match well.
    pub(crate) async fn finish(self) -> Result<()> {
        let (room, boot) = (self.room.clone(), self.boot.clone());
        let answer = self.leave().await?.ask("finish", ANSWER).await?;
        ensure!(answer == format!("finished {boot}"), "{room} was finished by another server: {answer}");
        Ok(())
    }

    /// Lets the server end badly.
    pub(crate) async fn crash(self) -> Result<()> {
        self.leave().await?.tell("crash").await
    }
}

async fn keep_asking(
    player: Player,
    boot: String,
    leave: CancellationToken,
    lost: Arc<OnceLock<String>>,
) -> Player {
    let mut turn = 1;
    while timeout(PACE, leave.cancelled()).await.is_err() {
        let why = match play(&player, turn).await {
            Ok(answer) if answer == boot => None,
            Ok(answer) => Some(format!("it began on {boot}, and {answer} answers")),
            Err(error) => Some(format!("{error:#}")),
        };
        if let Some(why) = why {
            let _ = lost.set(why);
            break;
        }
        turn += 1;
    }
    player
}

/// Plays a turn and returns the name of the process that answered.
async fn play(player: &Player, turn: u32) -> Result<String> {
    let mut answer = player.ask(&format!("play {turn}"), ANSWER).await;
    for _ in 1..TRIES {
        if answer.is_err() {
            answer = player.ask(&format!("play {turn}"), ANSWER).await;
        }
    }
    let answer = answer?;
    let boot = answer.strip_prefix(&format!("played {turn} "));
    boot.map(ToOwned::to_owned).with_context(|| format!("asked to play {turn} it said {answer}"))
}
