//! What goes between a server and its standby: a matter between servers made with this crate, over QUIC, at the port where
//! players come in.
//!
//! The server opens a stream and shows its token, and the standby says yes. Then each copy is a stream of its own, and
//! answered by a byte. A standby that does not want somebody closes the connection and says nothing.

use bytes::{BufMut as _, Bytes, BytesMut};
use gamekeeper_room::Epoch;
use gamekeeper_store::envelope::{ENVELOPE_BYTES_MAX, Label, Malformed, UID_BYTES_MAX, label};
use quinn::VarInt;

/// The protocol and its version, in the handshake.
pub(crate) const ALPN: &[u8] = b"gamekeeper-standby/1";

/// Copies of one server that are under way at once. More would only share the same path.
pub(super) const STREAMS_MAX: u32 = 16;

/// Bytes of one server that were not taken in yet, when its token is known: what a fast path carries in a round trip.
pub(super) const WINDOW: u32 = 2 * 1024 * 1024;

/// The connection is not wanted, or not any more; what is known otherwise is not told.
pub(super) const NOT_WANTED: VarInt = VarInt::from_u32(1);

/// The standby took what came.
pub(super) const YES: u8 = 1;
/// It has no memory for it. Answered early.
pub(super) const FULL: u8 = 2;

/// The first byte of what comes: a copy in its envelope, or the end of a room.
const COPY: u8 = 1;
const END: u8 = 2;

/// The longest of it.
pub(super) const PARCEL_BYTES_MAX: usize = 1 + ENVELOPE_BYTES_MAX;

/// What has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parcel {
    Copy(Label, Bytes),
    End { uid: String, epoch: Epoch },
}

/// What goes before the envelope of a copy.
pub(super) const fn before_copy() -> [u8; 1] {
    [COPY]
}

/// Says that a room has ended.
pub(super) fn end(uid: &str, epoch: Epoch) -> Bytes {
    let mut bytes = BytesMut::with_capacity(1 + 8 + uid.len());
    bytes.put_u8(END);
    bytes.put_i64(epoch.0);
    bytes.put_slice(uid.as_bytes());
    bytes.freeze()
}

/// Reads what has come. A state is not looked at before it is needed.
pub(super) fn parcel(mut bytes: Bytes) -> Result<Parcel, Malformed> {
    match bytes.first() {
        Some(&COPY) => {
            let envelope = bytes.split_off(1);
            Ok(Parcel::Copy(label(&envelope)?, envelope))
        }
        Some(&END) => {
            let (epoch, uid) = bytes.get(1..).and_then(<[u8]>::split_first_chunk).ok_or(Malformed::Length)?;
            let uid = str::from_utf8(uid).ok().filter(|it| (1..=UID_BYTES_MAX).contains(&it.len()));
            let uid = uid.ok_or(Malformed::Field("uid"))?.to_owned();
            Ok(Parcel::End { uid, epoch: Epoch(i64::from_be_bytes(*epoch)) })
        }
        Some(_) | None => Err(Malformed::Magic),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gamekeeper_room::{Checkpoint, Schema, Tick};
    use gamekeeper_store::{Sealed, envelope};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_sent_is_read() {
        let checkpoint =
            Checkpoint { schema: Schema(3), tick: Tick(9), epoch: Epoch(5), state: b"state".to_vec() };
        let sealed = Sealed {
            uid: "uid-1".to_owned(),
            epoch: Epoch(5),
            build: String::new(),
            captured_at: Duration::ZERO,
            checkpoint,
        };
        let mut sent = before_copy().to_vec();
        envelope::encode(&sealed, &mut sent).unwrap();
        let label = Label { uid: "uid-1".to_owned(), epoch: Epoch(5), tick: Tick(9) };
        assert_eq!(parcel(sent.clone().into()), Ok(Parcel::Copy(label, sent[1..].to_vec().into())));
        let ended = Parcel::End { uid: "uid-1".to_owned(), epoch: Epoch(5) };
        assert_eq!(parcel(end("uid-1", Epoch(5))), Ok(ended));
        assert_eq!(parcel(end("", Epoch(5))), Err(Malformed::Field("uid")));
        assert_eq!(parcel(Bytes::new()), Err(Malformed::Magic));
    }

    proptest! {
        #[test]
        fn whatever_comes_nobody_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 0..3_u8) {
            let _ = parcel([&[kind], bytes.as_slice()].concat().into());
        }
    }
}
