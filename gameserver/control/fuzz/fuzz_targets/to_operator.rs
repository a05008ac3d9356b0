//! Whatever bytes come to the operator: no panic, and what is accepted can be sent on.

#![no_main]

use gamekeeper_control::{ToOperator, proto};
use libfuzzer_sys::fuzz_target;
use prost::Message as _;

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = proto::ServerMessage::decode(bytes) else { return };
    if let Ok(Some(taken)) = ToOperator::parse(message) {
        assert_eq!(ToOperator::parse(taken.clone().into()), Ok(Some(taken)));
    }
});
