//! Whatever comes in, nobody panics; and what is accepted is good enough to be sent on.

use proptest::{collection::vec, prelude::*, sample::Index, strategy::Union};
use prost::Message as _;

use super::generate;
use crate::{ToOperator, ToServer, proto};

/// What a server makes of the bytes of a message.
fn take_as_server(bytes: &[u8]) {
    let Ok(message) = proto::OperatorMessage::decode(bytes) else { return };
    let _ = ToServer::subject(&message);
    if let Ok(Some(taken)) = ToServer::parse(message) {
        assert_eq!(ToServer::parse(taken.clone().into()), Ok(Some(taken)));
    }
}

/// What the operator makes of the bytes of a message.
fn take_as_operator(bytes: &[u8]) {
    let Ok(message) = proto::ServerMessage::decode(bytes) else { return };
    if let Ok(Some(taken)) = ToOperator::parse(message) {
        assert_eq!(ToOperator::parse(taken.clone().into()), Ok(Some(taken)));
    }
}

fn with_flaws(mut bytes: Vec<u8>, flaws: &[(Index, u8)]) -> Vec<u8> {
    for (place, byte) in flaws {
        if !bytes.is_empty() {
            let place = place.index(bytes.len());
            bytes[place] = *byte;
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1024) })]

    #[test]
    fn random_bytes_do_no_harm(bytes in vec(any::<u8>(), 0..256)) {
        take_as_server(&bytes);
        take_as_operator(&bytes);
    }

    #[test]
    fn a_flawed_message_to_a_server_does_no_harm(
        message in Union::new(generate::to_server()),
        flaws in vec((any::<Index>(), any::<u8>()), 1..4),
    ) {
        take_as_server(&with_flaws(proto::OperatorMessage::from(message).encode_to_vec(), &flaws));
    }

    #[test]
    fn a_flawed_message_to_the_operator_does_no_harm(
        message in Union::new(generate::to_operator()),
        flaws in vec((any::<Index>(), any::<u8>()), 1..4),
    ) {
        take_as_operator(&with_flaws(proto::ServerMessage::from(message).encode_to_vec(), &flaws));
    }
}
