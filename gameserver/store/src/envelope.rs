//! The envelope around a checkpoint: bytes that say by themselves whose they are, what wrote them and whether they
//! are whole.
//!
//! A header of 72 bytes, then the room's uid, the build, and the state to the end. All numbers are big-endian:
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 4 | `GKCP` |
//! | 4 | 1 | version, 1 |
//! | 5 | 1 | encoding of the state: 0 plain, 1 one LZ4 block |
//! | 6 | 1 | length of the uid, 1 to 64 |
//! | 7 | 1 | length of the build, 0 to 64 |
//! | 8 | 8 | epoch, above 0 |
//! | 16 | 8 | tick |
//! | 24 | 4 | schema |
//! | 28 | 4 | length of the plain state |
//! | 32 | 8 | when it was captured, in ms since the Unix epoch |
//! | 40 | 32 | SHA-256 of the plain state |

use std::time::Duration;

use gamekeeper_room::{Checkpoint, Epoch, Schema, Tick};
use sha2::{Digest, Sha256};

use reader::Reader;

mod reader;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use tests::GOLDEN;

/// The longest state, plain: what Redis takes and hands out in a few milliseconds, and other rooms wait for.
pub const STATE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The longest uid of a room, as in the control protocol.
pub const UID_BYTES_MAX: usize = 64;

/// The longest name of a build: room for a version and a commit.
pub const BUILD_BYTES_MAX: usize = gamekeeper_room::Build::BYTES_MAX;

/// The longest envelope.
pub const ENVELOPE_BYTES_MAX: usize = HEADER_BYTES + UID_BYTES_MAX + BUILD_BYTES_MAX + STATE_BYTES_MAX;

/// What comes before the uid.
const HEADER_BYTES: usize = 72;

const MAGIC: [u8; 4] = *b"GKCP";
const VERSION: u8 = 1;
const PLAIN: u8 = 0;
const LZ4: u8 = 1;

/// Shorter states are kept plain: a packet's worth of bytes costs the same on the way, whatever its length.
const COMPRESS_BYTES_MIN: usize = 512;

/// A checkpoint with all that its envelope says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Of the room.
    pub uid: String,
    /// Of the owner that wrote it.
    pub epoch: Epoch,
    /// Of the game that wrote it, for people: a version, a commit. May be empty.
    pub build: String,
    /// When it was captured by that server's clock, since the Unix epoch. Whole milliseconds are kept.
    pub captured_at: Duration,
    /// What the game saved.
    pub checkpoint: Checkpoint,
}

/// What does not fit into an envelope. The same checkpoint will never fit: tell people, and let the match run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// `uid` is empty or too long.
    #[error("a room's uid of {0} bytes, where 1 to 64 are allowed")]
    Uid(usize),
    /// `epoch` is 0 or less.
    #[error("epoch {0} is not above 0")]
    Epoch(i64),
    /// `build` is too long.
    #[error("the name of a build of {0} bytes, where 64 are allowed")]
    Build(usize),
    /// The game saved too much.
    #[error("a state of {0} bytes, where 4194304 are allowed")]
    State(usize),
}

/// Why bytes are not an envelope, or not one that this release reads. The room cannot be restored from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It is something else.
    #[error("not an envelope of a checkpoint")]
    Magic,
    /// A later release wrote it.
    #[error("an envelope of version {0}, where 1 is known")]
    Version(u8),
    /// A later release wrote it.
    #[error("a state in encoding {0}, which is not known")]
    Encoding(u8),
    /// It ends early, or goes on after its end.
    #[error("the envelope has a wrong length")]
    Length,
    /// This field breaks its limit.
    #[error("the envelope has a wrong {0}")]
    Field(&'static str),
    /// It cannot be unpacked, or its hash is wrong.
    #[error("the state is damaged")]
    Damaged,
}

/// Appends the envelope to `out`. The state is compressed if it becomes an eighth shorter at least.
///
/// Takes milliseconds for the longest state, so not in the thread that ticks.
pub fn encode(sealed: &Sealed, out: &mut Vec<u8>) -> Result<(), Unfit> {
    let Sealed { uid, epoch, build, captured_at, checkpoint } = sealed;
    // Whose it is, is said once.
    let Checkpoint { schema, tick, epoch: _, state } = checkpoint;
    let uid_length = length(uid, UID_BYTES_MAX).filter(|it| *it > 0).ok_or(Unfit::Uid(uid.len()))?;
    let build_length = length(build, BUILD_BYTES_MAX).ok_or(Unfit::Build(build.len()))?;
    let plain_length = u32::try_from(state.len())
        .ok()
        .filter(|_| state.len() <= STATE_BYTES_MAX)
        .ok_or(Unfit::State(state.len()))?;
    if epoch.0 <= 0 {
        return Err(Unfit::Epoch(epoch.0));
    }
    let packed = packed(state);
    out.reserve(HEADER_BYTES + uid.len() + build.len() + packed.as_ref().map_or(state.len(), Vec::len));
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[VERSION, if packed.is_some() { LZ4 } else { PLAIN }, uid_length, build_length]);
    out.extend_from_slice(&epoch.0.to_be_bytes());
    out.extend_from_slice(&tick.0.to_be_bytes());
    out.extend_from_slice(&schema.0.to_be_bytes());
    out.extend_from_slice(&plain_length.to_be_bytes());
    out.extend_from_slice(&u64::try_from(captured_at.as_millis()).unwrap_or(u64::MAX).to_be_bytes());
    out.extend_from_slice(&Sha256::digest(state));
    out.extend_from_slice(uid.as_bytes());
    out.extend_from_slice(build.as_bytes());
    out.extend_from_slice(packed.as_deref().unwrap_or(state));
    Ok(())
}

/// What an envelope says of itself, read without its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Of the room.
    pub uid: String,
    /// Of the owner that wrote it.
    pub epoch: Epoch,
    /// After which the state was captured.
    pub tick: Tick,
}

/// All before the state.
struct Header {
    label: Label,
    encoding: u8,
    schema: Schema,
    plain_length: usize,
    captured_at: Duration,
    hash: [u8; 32],
    build: String,
}

/// Reads what is outside of an envelope. Whether the state is whole is not looked at: it costs next to nothing.
pub fn label(bytes: &[u8]) -> Result<Label, Malformed> {
    header(&mut Reader(bytes)).map(|it| it.label)
}

/// Opens an envelope. Allocates no more than the longest state, whatever the bytes say.
pub fn decode(bytes: &[u8]) -> Result<Sealed, Malformed> {
    let mut reader = Reader(bytes);
    let Header { label, encoding, schema, plain_length, captured_at, hash, build } = header(&mut reader)?;
    let Label { uid, epoch, tick } = label;
    let state = unpacked(encoding, reader.0, plain_length)?;
    if Sha256::digest(&state)[..] != hash {
        return Err(Malformed::Damaged);
    }
    Ok(Sealed { uid, epoch, build, captured_at, checkpoint: Checkpoint { schema, tick, epoch, state } })
}

fn header(reader: &mut Reader<'_>) -> Result<Header, Malformed> {
    if reader.array().ok() != Some(MAGIC) {
        return Err(Malformed::Magic);
    }
    let [version, encoding, uid_length, build_length] = reader.array()?;
    if version != VERSION {
        return Err(Malformed::Version(version));
    }
    let epoch = Epoch(i64::from_be_bytes(reader.array()?));
    let tick = Tick(u64::from_be_bytes(reader.array()?));
    let schema = Schema(u32::from_be_bytes(reader.array()?));
    let plain_length = u32::from_be_bytes(reader.array()?) as usize;
    let captured_at = Duration::from_millis(u64::from_be_bytes(reader.array()?));
    let hash: [u8; 32] = reader.array()?;
    if epoch.0 <= 0 {
        return Err(Malformed::Field("epoch"));
    }
    if plain_length > STATE_BYTES_MAX {
        return Err(Malformed::Field("length of the state"));
    }
    let uid = reader.text(uid_length, 1..=UID_BYTES_MAX, "uid")?;
    let build = reader.text(build_length, 0..=BUILD_BYTES_MAX, "build")?;
    let label = Label { uid, epoch, tick };
    Ok(Header { label, encoding, schema, plain_length, captured_at, hash, build })
}

/// The length of a short text, if it is within its limit.
fn length(text: &str, max: usize) -> Option<u8> {
    u8::try_from(text.len()).ok().filter(|_| text.len() <= max)
}

/// The state as one LZ4 block, if that pays.
fn packed(state: &[u8]) -> Option<Vec<u8>> {
    if state.len() < COMPRESS_BYTES_MIN {
        return None;
    }
    let packed = lz4_flex::block::compress(state);
    (packed.len() <= state.len() / 8 * 7).then_some(packed)
}

fn unpacked(encoding: u8, bytes: &[u8], plain_length: usize) -> Result<Vec<u8>, Malformed> {
    match encoding {
        PLAIN if bytes.len() == plain_length => Ok(bytes.to_vec()),
        PLAIN => Err(Malformed::Length),
        LZ4 => {
            let mut state = vec![0; plain_length];
            match lz4_flex::block::decompress_into(bytes, &mut state) {
                Ok(length) if length == plain_length => Ok(state),
                _ => Err(Malformed::Damaged),
            }
        }
        unknown => Err(Malformed::Encoding(unknown)),
    }
}
