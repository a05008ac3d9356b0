//! Whatever a client sends: no panic, and no more memory than the limits say. Each piece is a byte that says
//! what it is, one that says how long, and so many bytes.

#![no_main]

use std::time::Duration;

use gamekeeper_player::{
    frame::Place,
    limits,
    session::server::{Admitted, Happening, Session},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut now = Duration::ZERO;
    let mut session = Session::new(now);
    let mut rest = bytes;
    while let [what, length, more @ ..] = rest {
        let (piece, behind) = more.split_at(usize::from(*length).min(more.len()));
        rest = behind;
        now += Duration::from_millis(u64::from(*what));
        let _ = match what % 4 {
            0 => session.on_datagram(piece, now, |_, _| {}),
            1 => session.snapshot(now.as_millis() as u64, piece, 1200, now, |_| {}).map(drop).or(Ok(())),
            2 => session.on_timeout(now),
            _ => session.on_stream(piece, now),
        };
        loop {
            match session.poll(now) {
                Ok(Some(Happening::Join(join))) => {
                    let (player, fallbacks) = (join.room, Place::default());
                    let admitted = Admitted {
                        seat: 0,
                        player,
                        epoch: 1,
                        tick: 1,
                        tick_rate: 30,
                        input_ack: 0,
                        message_ack: 0,
                        fallbacks,
                    };
                    let _ = session.admit(admitted, now);
                }
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break,
            }
        }
        assert!(session.stream_output().len() <= limits::OUTBOX_BYTES_MAX);
    }
});
