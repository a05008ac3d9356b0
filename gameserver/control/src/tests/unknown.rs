//! What this release does not know: ignored where that is safe, refused where it is not.

use std::collections::BTreeSet;

use prost::Message as _;

use super::tenancy;
use crate::{
    CloseWhy, Feature, HelloRefusedWhy, Malformed, RefusedWhy, ToOperator, ToServer,
    proto::{self, operator_message, server_message},
};

/// A value that no enum has.
const LATER: i32 = 77;

fn to_server(message: operator_message::Message) -> Result<Option<ToServer>, Malformed> {
    ToServer::parse(proto::OperatorMessage { message: Some(message) })
}

fn to_operator(message: server_message::Message) -> Result<Option<ToOperator>, Malformed> {
    ToOperator::parse(proto::ServerMessage { message: Some(message) })
}

#[test]
fn a_message_of_a_later_release_is_ignored() {
    // Field 99, a message of two bytes.
    let later = [0x9a, 0x06, 0x02, 0x08, 0x01];
    assert_eq!(ToServer::parse(proto::OperatorMessage::decode(&later[..]).unwrap()), Ok(None));
    assert_eq!(ToOperator::parse(proto::ServerMessage::decode(&later[..]).unwrap()), Ok(None));
    assert_eq!(ToServer::parse(proto::OperatorMessage::default()), Ok(None));
    assert_eq!(ToOperator::parse(proto::ServerMessage::default()), Ok(None));
}

#[test]
fn a_field_of_a_later_release_is_ignored() {
    let mut bytes = proto::OperatorMessage::from(ToServer::BeatEcho { sequence: 5 }).encode_to_vec();
    assert_eq!(bytes, [0x12, 0x02, 0x08, 0x05]);
    // Field 15 in the echo, a number.
    bytes[1] += 2;
    bytes.extend([0x78, 0x01]);
    let message = proto::OperatorMessage::decode(bytes.as_slice()).unwrap();
    assert_eq!(ToServer::parse(message), Ok(Some(ToServer::BeatEcho { sequence: 5 })));
}

#[test]
fn an_unknown_feature_is_not_used() {
    let features = vec![0, 3, LATER, 1, 1];
    let welcome =
        proto::Welcome { boot_id: "b".into(), protocol: 1, capacity: 1, features, ..Default::default() };
    let Ok(Some(ToOperator::Welcome(welcome))) = to_operator(server_message::Message::Welcome(welcome))
    else {
        panic!("a Welcome")
    };
    assert_eq!(welcome.features, BTreeSet::from([Feature::Restore, Feature::Witness]));
}

#[test]
fn an_unknown_reason_does_not_hide_what_is_said() {
    let tenancy = Some(proto::Tenancy::from(tenancy()));
    let close = proto::Close { tenancy: tenancy.clone(), why: LATER };
    let refused = proto::Refused { tenancy, why: LATER, ..Default::default() };
    let hello_refused = proto::HelloRefused { why: LATER, highest_term: 5, ..Default::default() };
    assert!(matches!(
        to_server(operator_message::Message::Close(close)),
        Ok(Some(ToServer::Close(it))) if it.why == CloseWhy::Unspecified
    ));
    assert!(matches!(
        to_operator(server_message::Message::Refused(refused)),
        Ok(Some(ToOperator::Refused(it))) if it.why == RefusedWhy::Unspecified
    ));
    assert!(matches!(
        to_operator(server_message::Message::HelloRefused(hello_refused)),
        Ok(Some(ToOperator::HelloRefused(it)))
            if it.why == HelloRefusedWhy::Unspecified && it.highest_term == 5
    ));
}

#[test]
fn an_unknown_phase_or_finding_is_malformed() {
    let tenancy = Some(proto::Tenancy::from(tenancy()));
    for value in [0, -1, LATER] {
        let state = proto::RoomState { tenancy: tenancy.clone(), phase: value, ..Default::default() };
        let finding = proto::ProbeResult { id: 1, finding: value };
        let room = proto::HostedRoom { tenancy: tenancy.clone(), phase: value, ..Default::default() };
        let welcome = proto::Welcome { rooms: vec![room], ..Default::default() };
        for (field, message) in [
            ("RoomState.phase", server_message::Message::RoomState(state)),
            ("ProbeResult.finding", server_message::Message::ProbeResult(finding)),
            ("HostedRoom.phase", server_message::Message::Welcome(welcome)),
        ] {
            assert_eq!(to_operator(message), Err(Malformed::UnknownValue { field, value }));
        }
    }
}

#[test]
fn only_finished_rooms_have_a_result_and_all_of_them_do() {
    let room = |uid: &str, phase: proto::RoomPhase, result| proto::HostedRoom {
        tenancy: Some(proto::Tenancy { uid: uid.to_owned(), ..tenancy().into() }),
        phase: phase.into(),
        result,
        ..Default::default()
    };
    let rooms = vec![
        room("a", proto::RoomPhase::Finished, None),
        room("b", proto::RoomPhase::Playing, Some(proto::Result::default())),
    ];
    let welcome =
        proto::Welcome { boot_id: "b".into(), protocol: 1, capacity: 1, rooms, ..Default::default() };
    let Ok(Some(ToOperator::Welcome(welcome))) = to_operator(server_message::Message::Welcome(welcome))
    else {
        panic!("a Welcome")
    };
    let results: Vec<_> = welcome.rooms.into_iter().map(|it| it.result.is_some()).collect();
    assert_eq!(results, [true, false]);
}

#[test]
fn a_malformed_command_can_be_answered() {
    let good = proto::Tenancy::from(tenancy());
    let nameless = proto::Tenancy { name: String::new(), ..good.clone() };
    let prepare = |tenancy: Option<proto::Tenancy>| proto::OperatorMessage {
        message: Some(operator_message::Message::Prepare(proto::Prepare {
            tenancy,
            parameters: [("k".to_owned(), "v".repeat(5000))].into(),
            ..Default::default()
        })),
    };
    assert!(ToServer::parse(prepare(Some(good.clone()))).is_err());
    assert_eq!(ToServer::subject(&prepare(Some(good))), Some(tenancy()));
    assert_eq!(ToServer::subject(&prepare(Some(nameless))), None);
    assert_eq!(ToServer::subject(&prepare(None)), None);
    assert_eq!(ToServer::subject(&ToServer::Drain.into()), None);
    for about_a_room in [ToServer::Abort(tenancy()), ToServer::Resume(tenancy())] {
        assert_eq!(ToServer::subject(&about_a_room.into()), Some(tenancy()));
    }
}
