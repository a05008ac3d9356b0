//! The standby's end: whom it expects, and what it keeps of theirs.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use gamekeeper_control::{Token, limits::TOKEN_BYTES};
use gamekeeper_store::envelope::Malformed;
use quinn::{Connection, ConnectionError, ReadError, RecvStream, SendStream, VarInt, WriteError};
use sha2::{Digest as _, Sha256};
use tokio::{task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{
    copies::{BYTES_AROUND, Copies, Copy},
    wire::{self, FULL, NOT_WANTED, PARCEL_BYTES_MAX, Parcel, STREAMS_MAX, WINDOW, YES},
};
use crate::clock::Clock;

/// Who has shown no token by then is no server of ours.
const TOKEN_WITHIN: Duration = Duration::from_secs(2);

/// One that takes longer is worth nothing any more.
const COPY_WITHIN: Duration = Duration::from_secs(5);

/// Bytes that are read at once.
const CHUNK: usize = 64 * 1024;

/// A token as it is known here: looking for it tells nobody how much of it was right.
type Digest = [u8; 32];

/// Whom this server stands by for, and the copies of their rooms.
#[derive(Debug)]
pub(crate) struct Receiver {
    clock: Clock,
    copies: Mutex<Copies>,
    expected: Mutex<HashMap<Digest, Option<Connection>>>,
    /// Copies for which there was no memory, since people were told of them.
    refused: AtomicUsize,
}

/// Why somebody is not listened to any longer.
#[derive(Debug, thiserror::Error)]
enum Unwanted {
    #[error("no token in time")]
    NoToken,
    #[error("its token is not expected")]
    Stranger,
    #[error("a copy took too long")]
    Late,
    #[error("what came is no copy")]
    Malformed(#[from] Malformed),
    #[error("what came is too long")]
    TooLong,
    #[error("the connection is gone")]
    Gone(#[from] ConnectionError),
    #[error("a stream broke")]
    Read(#[from] ReadError),
    #[error("a stream broke")]
    Write(#[from] WriteError),
}

/// What is being read, with the memory that was set aside for it.
struct Incoming<'a> {
    receiver: &'a Receiver,
    reserved: usize,
    bytes: Vec<u8>,
}

impl Receiver {
    /// With so much memory for copies.
    pub(crate) fn new(clock: Clock, bytes_max: usize) -> Arc<Self> {
        let copies = Mutex::new(Copies::new(bytes_max));
        Arc::new(Self { clock, copies, expected: Mutex::default(), refused: AtomicUsize::new(0) })
    }

    /// From now on those that bring one of these tokens are expected, and nobody else.
    pub(crate) fn expect(&self, tokens: &[Token]) {
        let mut expected = self.expected();
        let before = std::mem::take(&mut *expected);
        expected.extend(tokens.iter().map(|it| (digest(&it.0), None)));
        for (token, connection) in before {
            match (expected.get_mut(&token), connection) {
                (Some(place), connection) => *place = connection,
                (None, Some(connection)) => connection.close(NOT_WANTED, b""),
                (None, None) => (),
            }
        }
        info!(servers = expected.len(), "stands by");
    }

    /// The newest copy of a room.
    pub(crate) fn find(&self, uid: &str) -> Option<Copy> {
        self.copies().find(uid, self.clock.now())
    }

    /// How many rooms there are copies of.
    pub(super) fn rooms(&self) -> usize {
        self.copies().size().0
    }

    /// Drops copies that nobody renews. To be called about once a second.
    pub(super) fn drop_old(&self) {
        self.copies().drop_old(self.clock.now());
        let refused = self.refused.swap(0, Ordering::Relaxed);
        if 0 < refused {
            let (rooms, bytes) = self.copies().size();
            warn!(
                refused,
                rooms, bytes, "no memory for more copies of others' rooms: those are in the store only"
            );
        }
    }

    /// Serves a connection for as long as it brings copies. `known` is called when its token is good.
    pub(crate) async fn serve(
        self: &Arc<Self>,
        connection: Connection,
        known: impl FnOnce(),
        stop: CancellationToken,
    ) {
        let address = connection.remote_address();
        let outcome = tokio::select! {
            outcome = self.take_all(&connection, known) => outcome,
            () = stop.cancelled() => Ok(()),
        };
        connection.close(NOT_WANTED, b"");
        let is_known = self.forget(&connection);
        match outcome {
            Err(error) if is_known => {
                let (rooms, bytes) = self.copies().size();
                info!(%address, rooms, bytes, %error, "a server that is stood by for sends no more copies");
            }
            // Not louder: who has shown no token may be anybody.
            Err(error) => debug!(%address, %error, "no copies are taken"),
            Ok(()) => (),
        }
    }

    async fn take_all(
        self: &Arc<Self>,
        connection: &Connection,
        known: impl FnOnce(),
    ) -> Result<(), Unwanted> {
        let shown = timeout(TOKEN_WITHIN, shown_token(connection)).await;
        let (token, mut answer) = shown.map_err(|_| Unwanted::NoToken)??;
        self.admit(token, connection)?;
        known();
        // More than players may ever have: the token was good.
        connection.set_receive_window(VarInt::from_u32(WINDOW));
        connection.set_max_concurrent_bi_streams(VarInt::from_u32(STREAMS_MAX));
        answer.write_all(&[YES]).await?;
        let _ = answer.finish();
        info!(address = %connection.remote_address(), "stands by for a server");
        // No more than streams may be open; they end with this.
        let mut parcels = JoinSet::new();
        loop {
            tokio::select! {
                stream = connection.accept_bi() => {
                    let (answer, parcel) = stream?;
                    parcels.spawn(take(self.clone(), answer, parcel));
                }
                Some(taken) = parcels.join_next() => taken.unwrap_or(Ok(()))?,
            }
        }
    }

    /// The latest connection of a server counts: the one before may be dead and not know it.
    fn admit(&self, token: Digest, connection: &Connection) -> Result<(), Unwanted> {
        let mut expected = self.expected();
        let place = expected.get_mut(&token).ok_or(Unwanted::Stranger)?;
        if let Some(before) = place.replace(connection.clone()) {
            before.close(NOT_WANTED, b"");
        }
        Ok(())
    }

    /// Whether it was one that counted.
    fn forget(&self, connection: &Connection) -> bool {
        let is_it = |it: &&mut Option<Connection>| {
            it.as_ref().is_some_and(|it| it.stable_id() == connection.stable_id())
        };
        self.expected().values_mut().find(is_it).and_then(Option::take).is_some()
    }

    /// `false`: there is no memory for it.
    async fn read(&self, parcel: &mut RecvStream) -> Result<bool, Unwanted> {
        let mut incoming = Incoming { receiver: self, reserved: 0, bytes: Vec::new() };
        if !incoming.reserve(BYTES_AROUND) {
            return Ok(false);
        }
        while let Some(chunk) = parcel.read_chunk(CHUNK, true).await? {
            if PARCEL_BYTES_MAX < incoming.bytes.len() + chunk.bytes.len() {
                return Err(Unwanted::TooLong);
            }
            if !incoming.reserve(chunk.bytes.len()) {
                return Ok(false);
            }
            incoming.bytes.extend_from_slice(&chunk.bytes);
        }
        incoming.keep()?;
        Ok(true)
    }

    fn copies(&self) -> MutexGuard<'_, Copies> {
        self.copies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn expected(&self) -> MutexGuard<'_, HashMap<Digest, Option<Connection>>> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Incoming<'_> {
    fn reserve(&mut self, bytes: usize) -> bool {
        let fits = self.receiver.copies().reserve(bytes);
        self.reserved += if fits { bytes } else { 0 };
        fits
    }

    /// All is here.
    fn keep(mut self) -> Result<(), Malformed> {
        // As long as it is counted, and not as long as it once might have become.
        let bytes = Bytes::from(std::mem::take(&mut self.bytes).into_boxed_slice());
        let now = self.receiver.clock.now();
        match wire::parcel(bytes)? {
            Parcel::Copy(label, envelope) => {
                self.reserved -= BYTES_AROUND + envelope.len();
                self.receiver.copies().put(label, envelope, now);
            }
            Parcel::End { uid, epoch } => self.receiver.copies().end(&uid, epoch),
        }
        Ok(())
    }
}

impl Drop for Incoming<'_> {
    fn drop(&mut self) {
        self.receiver.copies().release(self.reserved);
    }
}

/// The first stream, with the token that came over it.
async fn shown_token(connection: &Connection) -> Result<(Digest, SendStream), Unwanted> {
    let (answer, mut stream) = connection.accept_bi().await?;
    let mut token = [0; TOKEN_BYTES];
    stream.read_exact(&mut token).await.map_err(|_| Unwanted::NoToken)?;
    Ok((digest(&token), answer))
}

async fn take(
    receiver: Arc<Receiver>,
    mut answer: SendStream,
    mut parcel: RecvStream,
) -> Result<(), Unwanted> {
    let taken = timeout(COPY_WITHIN, receiver.read(&mut parcel)).await;
    let word = match taken.map_err(|_| Unwanted::Late)? {
        Ok(true) => YES,
        Ok(false) => {
            receiver.refused.fetch_add(1, Ordering::Relaxed);
            FULL
        }
        // The server has dropped this one: its room has gone, or its process is about to.
        Err(Unwanted::Read(ReadError::Reset(_))) => return Ok(()),
        Err(error) => return Err(error),
    };
    match answer.write_all(&[word]).await {
        Ok(()) | Err(WriteError::Stopped(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn digest(token: &[u8]) -> Digest {
    Sha256::digest(token).into()
}
