//! A room from its making to its end, as its matchmaker and its player see it.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use gamekeeper_crds::GameRoomStatus;
use gamekeeper_crds::room::Phase;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::cast::Part;
use super::evidence::Case;
use crate::arena::{Arena, PATIENCE, Speech, endpoint, speech};
use crate::udp::Player;
use crate::wait::eventually;

/// Between two questions to a server.
const PACE: Duration = Duration::from_secs(1);

/// Between two looks at a room whose server nobody has heard yet: the first answer should come soon.
const LOOK: Duration = Duration::from_millis(100);

/// Who hears nothing asks again.
const ANSWER: Duration = Duration::from_millis(900);

/// A player at the place that the room's status names.
struct Seat {
    epoch: i64,
    address: SocketAddr,
    speech: Speech,
    player: Player,
    /// When the server answered first, and who it is.
    heard: Option<(Instant, String)>,
}

/// Makes a room when its time has come, and plays it until it is over or `enough` is said.
pub(super) async fn play(
    arena: Arena,
    part: Part,
    start: Instant,
    enough: CancellationToken,
) -> Result<Case> {
    sleep_until(start + part.at).await;
    let created = Instant::now();
    // The name is the idempotency key: who does not know whether it was made makes it again.
    eventually(&format!("{} to be made", part.name), PATIENCE, async || {
        match arena.create_room(&part.name, part.fleet.name, part.manifest()).await {
            Err(error) if !is_there(&error) => Err(error),
            _ => Ok(()),
        }
    })
    .await?;
    let (mut case, mut seat, mut turn) = (Case::new(part, created), None, 0);
    loop {
        let asked = Instant::now();
        let status = arena.room_status(&case.part.name).unwrap_or_default();
        if status.phase.is_over() {
            return Ok(case);
        }
        seat = follow(seat, &status, &mut case).await?;
        let mut next = asked + LOOK;
        if let Some(seat) = &mut seat {
            turn += 1;
            seat.take_turn(&mut case, turn).await;
            if seat.heard.is_some() {
                next = asked + PACE;
            }
        }
        if timeout_at(next, enough.cancelled()).await.is_ok() {
            return Ok(case);
        }
    }
}

/// Goes where the status says. Where it says that the match is on, and not where, the player stays, and that is noted.
async fn follow(seat: Option<Seat>, status: &GameRoomStatus, case: &mut Case) -> Result<Option<Seat>> {
    if status.phase != Phase::Running {
        return Ok(None);
    }
    let Ok(address) = endpoint(status) else {
        case.is_homeless = true;
        return Ok(seat.filter(|it| it.epoch == status.epoch));
    };
    match seat.filter(|it| (it.epoch, it.address) == (status.epoch, address)) {
        Some(seat) => Ok(Some(seat)),
        None => {
            let player = Player::connect(address).await?;
            Ok(Some(Seat { epoch: status.epoch, address, speech: speech(status), player, heard: None }))
        }
    }
}

impl Seat {
    /// Asks who has the match; at the end of a plain server's match, tells it so.
    async fn take_turn(&mut self, case: &mut Case, turn: u32) {
        let room = &case.part.name;
        // Silence is noted by what is not heard.
        let Ok(answer) = self.speech.ask(&self.player, room, turn, ANSWER).await else { return };
        let now = Instant::now();
        let (since, boot) = self.heard.get_or_insert_with(|| (now, answer.boot.clone()));
        let is_over = !case.part.is_shared() && case.part.life <= now.duration_since(*since);
        if !is_over {
            return case.hear(self.epoch, answer, now);
        }
        case.told.entry(self.epoch).or_insert(now);
        // Its port may be another server's by now, whose match is not ours to end.
        if answer.boot == *boot {
            // It answers once, and ends: should the answer be lost, nobody is there to repeat it.
            let _ = self.speech.end(&self.player, room, boot, ANSWER).await;
        }
    }
}

fn is_there(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(kube::Error::Api(status)) if status.is_already_exists())
}
