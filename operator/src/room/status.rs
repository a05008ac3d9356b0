//! The statuses that a room may get: pure functions of the status before.

use gamekeeper_crds::{
    GameRoom, GameRoomStatus,
    conditions::{self, CHECKPOINTED, FINISHED, PLACED, Verdict, reason},
    room::{Phase, Recovery, ServerRef},
};
use jiff::Timestamp;

use super::{ServerView, placement::Waiting};
use crate::{server::pod::Exit, terms::Epoch};

/// The room lives on `server`, by its claim of `epoch`.
pub fn running(room: &GameRoom, server: &ServerView, epoch: Epoch, now: Timestamp) -> GameRoomStatus {
    let before = room.status.clone().unwrap_or_default();
    // Whoever was placed before and is placed under another epoch has lost a server.
    let is_recovery = before.epoch != 0 && before.epoch != epoch.0;
    let mut verdicts = vec![match server.state {
        super::ServerState::Unreachable => Verdict::new(
            PLACED,
            true,
            reason::SERVER_UNREACHABLE,
            format!("on server {}, whose node is not ready: the match may go on there", server.pod_name),
        ),
        _ => Verdict::new(PLACED, true, reason::PLACED, format!("on server {}", server.pod_name)),
    }];
    if room.spec.recovery == Recovery::Restore {
        verdicts.push(Verdict::new(
            CHECKPOINTED,
            false,
            reason::NO_STATE_STORE,
            "the fleet has no state store: if the server is lost, the match begins afresh",
        ));
    }
    verdicts.push(Verdict::new(FINISHED, false, reason::NOT_FINISHED, ""));
    GameRoomStatus {
        phase: Phase::Running,
        endpoints: server.endpoints.clone(),
        server: Some(ServerRef { pod_name: server.pod_name.clone(), pod_uid: server.uid.clone() }),
        epoch: epoch.0,
        revision: Some(server.revision.clone()),
        recoveries: before.recoveries + i32::from(is_recovery),
        ..with(room, before, &verdicts, now)
    }
}

/// The room has no server and waits.
pub fn waiting(room: &GameRoom, waiting: &Waiting, now: Timestamp) -> GameRoomStatus {
    let before = room.status.clone().unwrap_or_default();
    // A room that ever had a server is recovering, not new.
    let phase = if before.epoch == 0 { Phase::Pending } else { Phase::Recovering };
    let verdict = Verdict::new(PLACED, false, waiting.reason, waiting.message.clone());
    GameRoomStatus { phase, endpoints: Vec::new(), ..with(room, before, &[verdict], now) }
}

/// The match was played to its end on `server`.
pub fn finished(room: &GameRoom, server: &ServerView, epoch: Epoch, now: Timestamp) -> GameRoomStatus {
    let message = format!("server {} ended the match", server.pod_name);
    let over = over(room, Phase::Finished, reason::COMPLETED, message, now);
    GameRoomStatus {
        server: Some(ServerRef { pod_name: server.pod_name.clone(), pod_uid: server.uid.clone() }),
        epoch: epoch.0,
        revision: Some(server.revision.clone()),
        ..over
    }
}

/// The server was lost, and the room's `recovery` is `Fail`.
pub fn failed(room: &GameRoom, loss: &Loss, now: Timestamp) -> GameRoomStatus {
    over(room, Phase::Failed, reason::LOST, loss.to_string(), now)
}

fn over(room: &GameRoom, phase: Phase, why: &'static str, message: String, now: Timestamp) -> GameRoomStatus {
    let before = room.status.clone().unwrap_or_default();
    let verdicts = [
        Verdict::new(PLACED, false, reason::OVER, "the match is over"),
        Verdict::new(FINISHED, true, why, message),
    ];
    GameRoomStatus { phase, endpoints: Vec::new(), ..with(room, before, &verdicts, now) }
}

fn with(room: &GameRoom, before: GameRoomStatus, verdicts: &[Verdict], now: Timestamp) -> GameRoomStatus {
    let generation = room.metadata.generation;
    let conditions = conditions::next(&before.conditions, verdicts, generation, now);
    GameRoomStatus { observed_generation: generation, conditions, ..before }
}

/// How a room lost its server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    pub server: String,
    pub exit: Option<Exit>,
}

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.exit {
            Some(Exit { code: 137 }) => write!(f, "server {} was killed (exit code 137)", self.server),
            Some(Exit { code }) => write!(f, "server {} exited with code {code}", self.server),
            None => write!(f, "server {} is gone", self.server),
        }
    }
}
