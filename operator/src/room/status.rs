//! The statuses that a room may get: pure functions of the status before.

use gamekeeper_crds::{
    GameRoom, GameRoomStatus,
    conditions::{self, CHECKPOINTED, FINISHED, PLACED, Verdict, reason},
    room::{Endpoint, Phase, Recovery, ServerRef},
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{
    placement::Waiting,
    tenancy::{Keeping, Tenancy},
};
use crate::server::pod::Exit;

/// The room lives here. What may wait, the number of players and other certificates of the same server, is brought
/// up to date if it `may_refresh`.
pub fn running(room: &GameRoom, here: &Tenancy<'_>, may_refresh: bool, now: Timestamp) -> GameRoomStatus {
    let Tenancy { server, epoch, hosted, .. } = *here;
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
        // Not heard since we lead, or not to be written yet: what was said of the same tenancy holds.
        let holds = !is_new(here, &before) && (!may_refresh || here.keeping == Keeping::Unheard);
        let told = conditions::find(&before.conditions, CHECKPOINTED).filter(|_| holds);
        verdicts.push(told.map_or_else(|| checkpointed(here.keeping), said_again));
    }
    verdicts.push(Verdict::new(FINISHED, false, reason::NOT_FINISHED, ""));
    GameRoomStatus {
        phase: Phase::Running,
        endpoints: endpoints(here, &before),
        certificate_hashes: certificate_hashes(here, &before, may_refresh),
        players: match hosted {
            Some((room, _)) if may_refresh => i32::try_from(room.players).unwrap_or(i32::MAX),
            _ => before.players,
        },
        server: Some(server_ref(here)),
        epoch: epoch.0,
        revision: Some(server.revision.clone()),
        recoveries: before.recoveries + i32::from(is_recovery),
        ..with(room, before, &verdicts, now)
    }
}

/// What a condition about checkpoints said.
fn said_again(condition: &Condition) -> Verdict {
    let known =
        [reason::NO_STATE_STORE, reason::NOT_OFFERED, reason::NO_CHECKPOINT_YET, reason::CHECKPOINTED];
    let reason = known.into_iter().find(|it| *it == condition.reason).unwrap_or(reason::STORE_FAILING);
    let status = match condition.status.as_str() {
        "True" => Some(true),
        "False" => Some(false),
        _ => None,
    };
    Verdict { type_: CHECKPOINTED, status, reason, message: condition.message.clone() }
}

/// Whether the room's state outlives its server.
fn checkpointed(keeping: Keeping<'_>) -> Verdict {
    let (status, reason, message) = match keeping {
        Keeping::Nothing => (
            Some(false),
            reason::NO_STATE_STORE,
            "the fleet has no state store: if the server is lost, the match begins afresh".to_owned(),
        ),
        Keeping::NotOffered => (
            Some(false),
            reason::NOT_OFFERED,
            "the server does not restore matches: if it is lost, the match begins afresh".to_owned(),
        ),
        Keeping::Unheard => {
            (None, reason::NO_CHECKPOINT_YET, "the server has not saved the match yet".to_owned())
        }
        Keeping::Saved => (Some(true), reason::CHECKPOINTED, String::new()),
        Keeping::Failing(why) => {
            (Some(false), reason::STORE_FAILING, format!("the store does not take checkpoints: {why}"))
        }
    };
    Verdict { type_: CHECKPOINTED, status, reason, message }
}

/// Whether what the server says of the room's checkpoints is another thing than the status says.
pub fn is_checkpoint_news(status: &GameRoomStatus, here: &Tenancy<'_>) -> bool {
    let wanted = checkpointed(here.keeping);
    let told = conditions::find(&status.conditions, CHECKPOINTED);
    here.keeping != Keeping::Unheard && told.is_some_and(|it| it.reason != wanted.reason)
}

/// The room has no server and waits.
pub fn waiting(room: &GameRoom, waiting: &Waiting, now: Timestamp) -> GameRoomStatus {
    let before = room.status.clone().unwrap_or_default();
    // A room that ever had a server is recovering, not new.
    let phase = if before.epoch == 0 { Phase::Pending } else { Phase::Recovering };
    let verdict = Verdict::new(PLACED, false, waiting.reason, waiting.message.clone());
    GameRoomStatus { phase, ..nowhere(with(room, before, &[verdict], now)) }
}

/// The match was played to its end here.
pub fn finished(room: &GameRoom, here: &Tenancy<'_>, now: Timestamp) -> GameRoomStatus {
    let Tenancy { server, epoch, hosted, .. } = *here;
    let message = format!("server {} ended the match", server.pod_name);
    let over = over(room, Phase::Finished, reason::COMPLETED, message, now);
    GameRoomStatus {
        server: Some(server_ref(here)),
        epoch: epoch.0,
        revision: Some(server.revision.clone()),
        result: hosted.and_then(|(room, _)| room.result.clone()).unwrap_or_default(),
        ..over
    }
}

/// No player came in time.
pub fn unclaimed(room: &GameRoom, now: Timestamp) -> GameRoomStatus {
    let message = "no player came within the fleet's rooms.claimTimeout";
    over(room, Phase::Failed, reason::UNCLAIMED, message.to_owned(), now)
}

/// The game will not have it, on any server.
pub fn refused(room: &GameRoom, why: &str, now: Timestamp) -> GameRoomStatus {
    let message = format!("the game refuses the room: {why}");
    over(room, Phase::Failed, reason::REFUSED, message, now)
}

/// It took its servers down, again and again: another one would go the same way, and other matches with it.
pub fn poisoned(room: &GameRoom, losses: i32, now: Timestamp) -> GameRoomStatus {
    let message = format!(
        "{losses} servers in a row crashed or hung within ten seconds of having been given the match: it is not placed again"
    );
    let over = over(room, Phase::Failed, reason::POISONED, message, now);
    GameRoomStatus { losses_in_a_row: losses, ..over }
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
    GameRoomStatus { phase, ..nowhere(with(room, before, &verdicts, now)) }
}

/// Without what players would need to get in.
fn nowhere(status: GameRoomStatus) -> GameRoomStatus {
    GameRoomStatus { endpoints: Vec::new(), certificate_hashes: Vec::new(), players: 0, ..status }
}

fn server_ref(here: &Tenancy<'_>) -> ServerRef {
    ServerRef {
        pod_name: here.server.pod_name.clone(),
        pod_uid: here.server.uid.clone(),
        boot_id: here.hosted.map(|(_, boot)| boot.to_owned()),
    }
}

/// Where players go: to the server's ports, or to those that this room has of its own. What was published is
/// not taken back because nobody knows the addresses at the moment.
fn endpoints(here: &Tenancy<'_>, before: &GameRoomStatus) -> Vec<Endpoint> {
    let is_same = before.server.as_ref().is_some_and(|it| it.pod_uid == here.server.uid);
    if here.server.endpoints.is_empty() && is_same {
        return before.endpoints.clone();
    }
    let mut endpoints = here.server.endpoints.clone();
    for port in here.hosted.iter().flat_map(|(room, _)| &room.ports) {
        for endpoint in endpoints.iter_mut().filter(|it| it.name == port.name) {
            endpoint.port = port.port.into();
        }
    }
    endpoints
}

/// What players may be shown: what the server says; but where it takes another's place in what was published of the
/// same server, it waits its turn. The next certificate is told of before it is used.
fn certificate_hashes(here: &Tenancy<'_>, before: &GameRoomStatus, may_refresh: bool) -> Vec<String> {
    match here.hosted {
        Some((room, _)) if is_new(here, before) || may_refresh => room.certificate_hashes.clone(),
        Some(_) => before.certificate_hashes.clone(),
        None => Vec::new(),
    }
}

/// Whether the status tells of another tenancy.
fn is_new(here: &Tenancy<'_>, before: &GameRoomStatus) -> bool {
    before.phase != Phase::Running
        || before.epoch != here.epoch.0
        || before.server.as_ref() != Some(&server_ref(here))
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
    pub how: How,
}

/// What became of a server that lost a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Exited(Exit),
    /// Its pod is not there any more.
    Gone,
    /// It is there, and says that it does not have the room.
    Forgot,
    /// Its pod is there, and nothing listens in it any more.
    Refused,
    /// It is there, and its rooms stand still.
    Hung,
    /// Neither it nor its node answers.
    Silent,
    /// Neither we nor the store hear it, and others reach it.
    CutOff,
}

impl How {
    /// Whether the process that had the room cannot have it any more: the kubelet saw its end, its kernel did, or it says
    /// so itself. A pod can be gone while its process runs on, where its node is out of reach.
    pub fn is_proven(self) -> bool {
        match self {
            Self::Exited(_) | Self::Forgot | Self::Refused => true,
            Self::Gone | Self::Hung | Self::Silent | Self::CutOff => false,
        }
    }
}

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.how {
            How::Exited(Exit { code: 137 }) => write!(f, "server {} was killed (exit code 137)", self.server),
            How::Exited(Exit { code }) => write!(f, "server {} exited with code {code}", self.server),
            How::Gone => write!(f, "server {} is gone", self.server),
            How::Forgot => write!(f, "server {} does not have the room any more", self.server),
            How::Refused => write!(f, "server {} is down: its control port refuses connections", self.server),
            How::Hung => write!(f, "server {} hangs: its kernel answers, its rooms stand still", self.server),
            How::CutOff => {
                write!(
                    f,
                    "server {} is heard neither by the operator nor by the store, and others reach it",
                    self.server
                )
            }
            How::Silent => write!(f, "neither server {} nor its node answers", self.server),
        }
    }
}
