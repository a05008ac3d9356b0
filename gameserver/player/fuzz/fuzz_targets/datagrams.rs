//! Whatever datagrams come to either end: no panic, and what is accepted can be sent on. The first byte says
//! how long the datagrams are into which the rest is cut.

#![no_main]

use gamekeeper_player::{
    datagram::{Input, Snapshot},
    delta, inputs, limits, snapshots,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((length, bytes)) = bytes.split_first() else { return };
    let (mut shown, mut played) = (snapshots::Receiver::default(), inputs::Receiver::after(0));
    let (mut out, mut last) = (Vec::new(), 0);
    for datagram in bytes.chunks(usize::from(*length).max(1)) {
        if let Ok(Some(snapshot)) = Snapshot::parse(datagram) {
            snapshot.encode(&mut out);
            assert_eq!(Snapshot::parse(&out), Ok(Some(snapshot)));
        }
        if let Ok(Some(input)) = Input::parse(datagram) {
            for (number, bytes) in (input.first..).zip(input.inputs) {
                played.receive(number, bytes, |number, _| {
                    assert!(last < number);
                    last = number;
                });
            }
        }
        let _ = shown.datagram(datagram);
        if delta::apply(b"a baseline", datagram, &mut out).is_ok() {
            assert!(out.len() <= limits::SNAPSHOT_BYTES_MAX);
        }
    }
});
