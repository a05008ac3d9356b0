//! What the operator says to a server.

use crate::{
    Close, Fallback, Found, Hello, Malformed, Mirror, MoveTo, Open, Prepare, Probe, Tenancy, Token, field,
    proto::{self, operator_message::Message},
    standby,
};

/// A message from the operator to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToServer {
    /// First on every stream.
    Hello(Hello),
    /// The latest beat has been heard.
    BeatEcho {
        /// Of that beat.
        sequence: u64,
    },
    /// Open a room.
    Open(Open),
    /// End a room and forget it.
    Close(Close),
    /// Take no new rooms.
    Drain,
    /// Take rooms again.
    Undrain,
    /// Take no rooms ever again: the pod is about to be deleted.
    Retire,
    /// Be a witness.
    Probe(Probe),
    /// Hold a place for a room that comes from another server.
    Prepare(Prepare),
    /// Hand a room over to another server.
    MoveTo(MoveTo),
    /// To the new server: give the move up.
    Abort(Tenancy),
    /// To the old server, after the new one has given the move up: go on under this higher epoch.
    Resume(Tenancy),
    /// Servers that may own this server's rooms next, the most likely first; in place of what was said before. Only for
    /// servers that offer [`Feature::Restore`](crate::Feature).
    Fallbacks(Vec<Fallback>),
    /// Keep copies of the rooms of servers that bring one of these tokens, and of no other.
    StandBy(Vec<Token>),
    /// Send copies of all rooms to this server; `None`: to none.
    Mirror(Option<Mirror>),
    /// A room that was sought is on another server.
    Found(Found),
}

impl ToServer {
    /// Checks a message; `None` if it is of a kind that this release does not know, to be ignored.
    pub fn parse(message: proto::OperatorMessage) -> Result<Option<Self>, Malformed> {
        let proto::OperatorMessage { message } = message;
        let Some(message) = message else { return Ok(None) };
        Ok(Some(match message {
            Message::Hello(hello) => Self::Hello(hello.try_into()?),
            Message::BeatEcho(proto::BeatEcho { sequence }) => Self::BeatEcho { sequence },
            Message::Open(open) => Self::Open(open.try_into()?),
            Message::Close(close) => Self::Close(close.try_into()?),
            Message::Drain(proto::Drain {}) => Self::Drain,
            Message::Undrain(proto::Undrain {}) => Self::Undrain,
            Message::Retire(proto::Retire {}) => Self::Retire,
            Message::Probe(probe) => Self::Probe(probe.try_into()?),
            Message::Prepare(prepare) => Self::Prepare(prepare.try_into()?),
            Message::MoveTo(move_to) => Self::MoveTo(move_to.try_into()?),
            Message::Abort(proto::Abort { tenancy }) => {
                Self::Abort(field::required("Abort.tenancy", tenancy)?.try_into()?)
            }
            Message::Resume(proto::Resume { tenancy }) => {
                Self::Resume(field::required("Resume.tenancy", tenancy)?.try_into()?)
            }
            Message::Fallbacks(fallbacks) => Self::Fallbacks(fallbacks.try_into()?),
            Message::StandBy(stand_by) => Self::StandBy(standby::tokens_from(stand_by)?),
            Message::Mirror(mirror) => Self::Mirror(standby::mirror_from(mirror)?),
            Message::Found(found) => Self::Found(found.try_into()?),
        }))
    }

    /// The room that a command is about, as far as that can be read: so that a command that `parse` finds
    /// malformed can still be answered by [`Refused`](crate::Refused).
    pub fn subject(message: &proto::OperatorMessage) -> Option<Tenancy> {
        let tenancy = match message.message.as_ref()? {
            Message::Open(open) => &open.tenancy,
            Message::Close(close) => &close.tenancy,
            Message::Prepare(prepare) => &prepare.tenancy,
            Message::MoveTo(move_to) => &move_to.tenancy,
            Message::Abort(abort) => &abort.tenancy,
            Message::Resume(resume) => &resume.tenancy,
            Message::Hello(_)
            | Message::BeatEcho(_)
            | Message::Drain(_)
            | Message::Undrain(_)
            | Message::Retire(_)
            | Message::Probe(_)
            | Message::Fallbacks(_)
            | Message::StandBy(_)
            | Message::Mirror(_)
            // No command: nobody waits for an answer.
            | Message::Found(_) => return None,
        };
        tenancy.clone()?.try_into().ok()
    }
}

impl From<ToServer> for proto::OperatorMessage {
    fn from(message: ToServer) -> Self {
        let message = match message {
            ToServer::Hello(hello) => Message::Hello(hello.into()),
            ToServer::BeatEcho { sequence } => Message::BeatEcho(proto::BeatEcho { sequence }),
            ToServer::Open(open) => Message::Open(open.into()),
            ToServer::Close(close) => Message::Close(close.into()),
            ToServer::Drain => Message::Drain(proto::Drain {}),
            ToServer::Undrain => Message::Undrain(proto::Undrain {}),
            ToServer::Retire => Message::Retire(proto::Retire {}),
            ToServer::Probe(probe) => Message::Probe(probe.into()),
            ToServer::Prepare(prepare) => Message::Prepare(prepare.into()),
            ToServer::MoveTo(move_to) => Message::MoveTo(move_to.into()),
            ToServer::Abort(tenancy) => Message::Abort(proto::Abort { tenancy: Some(tenancy.into()) }),
            ToServer::Resume(tenancy) => Message::Resume(proto::Resume { tenancy: Some(tenancy.into()) }),
            ToServer::Fallbacks(servers) => Message::Fallbacks(servers.into()),
            ToServer::StandBy(tokens) => Message::StandBy(standby::tokens_to(tokens)),
            ToServer::Mirror(mirror) => Message::Mirror(standby::mirror_to(mirror)),
            ToServer::Found(found) => Message::Found(found.into()),
        };
        Self { message: Some(message) }
    }
}
