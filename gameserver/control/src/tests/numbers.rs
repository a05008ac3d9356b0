//! What is easily mixed up on both ways at once, so that no round trip tells: values of enums, and flags.

use prost::Message as _;

use crate::{
    CloseWhy, Feature, Finding, HelloRefusedWhy, ProbeResult, RefusedWhy, RoomPhase, ToOperator, Welcome,
    proto,
};

#[test]
fn each_value_of_an_enum_has_its_number_for_ever() {
    let hello_refused = [
        HelloRefusedWhy::Unspecified,
        HelloRefusedWhy::Term,
        HelloRefusedWhy::Protocol,
        HelloRefusedWhy::Malformed,
    ];
    let refused = [
        RefusedWhy::Unspecified,
        RefusedWhy::Epoch,
        RefusedWhy::Full,
        RefusedWhy::Draining,
        RefusedWhy::Retired,
        RefusedWhy::Parameters,
        RefusedWhy::Unsupported,
        RefusedWhy::UnknownRoom,
        RefusedWhy::Checkpoint,
        RefusedWhy::Fenced,
        RefusedWhy::OwnerAlive,
    ];
    let close = [
        CloseWhy::Unspecified,
        CloseWhy::Finished,
        CloseWhy::Deleted,
        CloseWhy::Superseded,
        CloseWhy::Unclaimed,
        CloseWhy::Unknown,
    ];
    let phases = [
        RoomPhase::Prepared,
        RoomPhase::Loading,
        RoomPhase::Restoring,
        RoomPhase::Waiting,
        RoomPhase::Playing,
        RoomPhase::Released,
        RoomPhase::Finished,
    ];
    assert_eq!(hello_refused.map(|it| proto::hello_refused::Why::from(it) as i32), [0, 1, 2, 3]);
    assert_eq!(refused.map(|it| proto::refused::Why::from(it) as i32), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert_eq!(close.map(|it| proto::close::Why::from(it) as i32), [0, 1, 2, 3, 4, 5]);
    assert_eq!(phases.map(|it| proto::RoomPhase::from(it) as i32), [1, 2, 3, 4, 5, 6, 7]);
    let features =
        [Feature::Restore, Feature::Move, Feature::Witness, Feature::Standby, Feature::TakeIfSilent];
    assert_eq!(features.map(|it| proto::Feature::from(it) as i32), [1, 2, 3, 4, 5]);
    let findings = [Finding::Connected, Finding::Refused, Finding::Silent];
    assert_eq!(
        findings.map(|finding| proto::ProbeResult::from(ProbeResult { id: 0, finding }).finding),
        [1, 2, 3]
    );
}

#[test]
fn a_drain_is_no_retirement() {
    for (is_retired, is_draining, golden) in [(true, false, [0x28, 1]), (false, true, [0x30, 1])] {
        let welcome = Welcome {
            boot_id: "b".into(),
            protocol: 1,
            features: [].into(),
            capacity: 1,
            is_retired,
            is_draining,
            rooms: Vec::new(),
            certificate_hashes: Vec::new(),
        };
        let bytes = proto::ServerMessage::from(ToOperator::Welcome(welcome)).encode_to_vec();
        assert!(bytes.ends_with(&golden), "{bytes:x?}");
    }
}
