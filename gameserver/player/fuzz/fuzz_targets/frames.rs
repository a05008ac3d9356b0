//! Whatever frames come to either end: no panic, and what is accepted can be sent on.

#![no_main]

use gamekeeper_player::frame::{ToPlayer, ToServer};
use libfuzzer_sys::fuzz_target;

/// Without the length in front, which is as long as its first two bits say.
fn body(frame: &[u8]) -> &[u8] {
    frame.first().and_then(|it| frame.get(1 << (it >> 6)..)).unwrap_or_default()
}

fuzz_target!(|bytes: &[u8]| {
    let mut out = Vec::new();
    if let Ok(Some(taken)) = ToServer::parse(bytes) {
        taken.encode(&mut out);
        assert_eq!(ToServer::parse(body(&out)), Ok(Some(taken)));
    }
    out.clear();
    if let Ok(Some(taken)) = ToPlayer::parse(bytes) {
        taken.encode(&mut out);
        assert_eq!(ToPlayer::parse(body(&out)), Ok(Some(taken)));
    }
});
