//! Whatever bytes come to a server: no panic, and what is accepted can be sent on.

#![no_main]

use gamekeeper_control::{ToServer, proto};
use libfuzzer_sys::fuzz_target;
use prost::Message as _;

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = proto::OperatorMessage::decode(bytes) else { return };
    let _ = ToServer::subject(&message);
    if let Ok(Some(taken)) = ToServer::parse(message) {
        assert_eq!(ToServer::parse(taken.clone().into()), Ok(Some(taken)));
    }
});
