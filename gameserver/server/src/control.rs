//! The service that the operator calls: takes in what comes over a stream, and leaves the rest to the desk.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use gamekeeper_control::{ToServer, limits, proto};
use gamekeeper_room::host::{Command, StreamId};
use proto::control_server::{Control, ControlServer};
use tokio::{sync::mpsc, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::{Request, Response, Status, Streaming};
use tracing::debug;

use crate::{
    convert,
    desk::{Caller, Note},
    listener::LineInfo,
    outbox::{Outbox, Outgoing, outbox},
    pulse::Pulse,
    witness::Witness,
};

/// Who has not greeted by then holds a stream for nothing.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a stream that was ended may take to tell so; then its connection is cut.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(1);

/// The control service.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) notes: mpsc::Sender<Note>,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) witness: Witness,
    pub(crate) capacity: usize,
    /// It was offered to restore rooms.
    pub(crate) restores: bool,
    /// And to have a standby, and to be one.
    pub(crate) stands_by: bool,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
    pub(crate) streams: AtomicU64,
}

impl Service {
    /// With the protocol's limits on messages.
    pub(crate) fn limited(self) -> ControlServer<Self> {
        ControlServer::new(self)
            .max_decoding_message_size(limits::COMMAND_BYTES_MAX)
            .max_encoding_message_size(limits::MESSAGE_BYTES_MAX)
    }
}

#[tonic::async_trait]
impl Control for Service {
    type AttachStream = Outgoing;

    async fn attach(
        &self,
        request: Request<Streaming<proto::OperatorMessage>>,
    ) -> Result<Response<Outgoing>, Status> {
        let line = request.extensions().get::<LineInfo>().cloned();
        let line = line.ok_or_else(|| Status::internal("a call without a connection"))?;
        let (outbox, outgoing) = outbox(self.capacity);
        let reader = Reader {
            stream: StreamId(self.streams.fetch_add(1, Ordering::Relaxed)),
            incoming: request.into_inner(),
            notes: self.notes.clone(),
            pulse: self.pulse.clone(),
            restores: self.restores,
            stands_by: self.stands_by,
            witness: self.witness.clone(),
            outbox: outbox.clone(),
        };
        let (stream, notes, stop) = (reader.stream, self.notes.clone(), self.stop.clone());
        self.tasks.spawn(async move {
            let end = outbox.end().clone();
            tokio::select! {
                () = reader.read(outbox, line.clone()) => (),
                // Also when a beat found that nobody reads.
                () = end.finished.cancelled() => (),
                () = stop.cancelled() => (),
            }
            let _ = notes.send(Note::StreamEnded(stream)).await;
            // Who does not read does not hear of the end either.
            if timeout(FAREWELL_TIMEOUT, end.gone.cancelled()).await.is_err() {
                line.cut();
            }
        });
        Ok(Response::new(outgoing))
    }
}

/// Reads one stream.
struct Reader {
    stream: StreamId,
    incoming: Streaming<proto::OperatorMessage>,
    notes: mpsc::Sender<Note>,
    pulse: Arc<Pulse>,
    restores: bool,
    stands_by: bool,
    witness: Witness,
    outbox: Outbox,
}

impl Reader {
    /// Until the stream ends.
    async fn read(mut self, outbox: Outbox, line: LineInfo) {
        let caller = Caller { outbox, line };
        let Ok(first) = timeout(HELLO_TIMEOUT, self.incoming.message()).await else {
            return caller.outbox.abort(Status::deadline_exceeded("there was no Hello"));
        };
        let Ok(Some(first)) = first else { return };
        let greeting = match ToServer::parse(first) {
            Ok(Some(ToServer::Hello(hello))) => Note::Greeted(self.stream, hello, caller),
            Ok(_) => Note::Garbled(self.stream, Some(caller)),
            Err(error) => {
                debug!(%error, "a stream began with a malformed message");
                Note::Garbled(self.stream, Some(caller))
            }
        };
        if self.notes.send(greeting).await.is_err() {
            return;
        }
        // Waits when the desk is busy: the operator's commands stay where they are.
        while let Some(note) = self.next().await {
            if self.notes.send(note).await.is_err() {
                return;
            }
        }
    }

    /// The next message that is for the desk.
    async fn next(&mut self) -> Option<Note> {
        loop {
            let message = match self.incoming.message().await {
                Ok(message) => message?,
                Err(error) => {
                    debug!(%error, "a stream broke");
                    return None;
                }
            };
            let subject = ToServer::subject(&message).map(convert::tenancy_from);
            match (ToServer::parse(message), subject) {
                (Ok(None), _) => debug!("a message of a later protocol is ignored"),
                (Ok(Some(ToServer::BeatEcho { sequence })), _) => self.pulse.heard(self.stream, sequence),
                (Ok(Some(ToServer::Probe(probe))), _) => self.witness.try_to_reach(probe, &self.outbox),
                (Ok(Some(ToServer::Hello(_))), _) => return Some(Note::Garbled(self.stream, None)),
                (Ok(Some(ToServer::Fallbacks(servers))), _) => {
                    return Some(Note::Fallbacks(self.stream, servers));
                }
                (Ok(Some(ToServer::Found(found))), _) => return Some(Note::Found(self.stream, found)),
                (Ok(Some(ToServer::StandBy(tokens))), _) if self.stands_by => {
                    return Some(Note::StandBy(self.stream, tokens));
                }
                (Ok(Some(ToServer::Mirror(mirror))), _) if self.stands_by => {
                    return Some(Note::Mirror(self.stream, mirror));
                }
                (Ok(Some(message)), _) => match convert::command(message, self.restores) {
                    Some(command) => return Some(Note::Asked(self.stream, command)),
                    None => debug!("a command that was not offered is ignored"),
                },
                (Err(error), Some(tenancy)) => {
                    let message = format!("malformed: {error}");
                    return Some(Note::Asked(self.stream, Command::Unsupported { tenancy, message }));
                }
                (Err(error), None) => debug!(%error, "a malformed message is ignored"),
            }
        }
    }
}
