//! The limits of the decoders: what may be sent fits.

use std::{collections::BTreeMap, time::Duration};

use prost::Message as _;

use crate::{
    Endpoint, Fallback, Feature, HostedRoom, MoveTo, Open, Restore, RoomPhase, RoomPort, Tenancy, ToOperator,
    ToServer, Token, Transport, Welcome, limits, proto,
};

fn x(length: usize) -> String {
    "x".repeat(length)
}

fn tenancy(number: usize) -> Tenancy {
    Tenancy {
        namespace: x(limits::NAMESPACE_BYTES_MAX),
        name: x(limits::NAME_BYTES_MAX),
        uid: format!("{number:0>width$}", width = limits::UID_BYTES_MAX),
        epoch: i64::MAX - 1,
    }
}

fn values() -> BTreeMap<String, String> {
    let each = limits::VALUES_BYTES_MAX / limits::VALUES_MAX;
    (0..limits::VALUES_MAX).map(|it| (format!("{it:02}"), x(each - 2))).collect()
}

fn hashes() -> Vec<String> {
    vec![format!("sha256:{}", "0".repeat(64)); limits::CERTIFICATE_HASHES_MAX]
}

#[test]
fn the_largest_welcome_fits_and_not_by_far() {
    let ports = vec![RoomPort { name: x(limits::PORT_NAME_BYTES_MAX), port: u16::MAX }; limits::PORTS_MAX];
    let room = |number| HostedRoom {
        tenancy: tenancy(number),
        phase: RoomPhase::Finished,
        players: u32::MAX,
        result: Some(values()),
        ports: ports.clone(),
        certificate_hashes: hashes(),
    };
    let welcome = ToOperator::Welcome(Welcome {
        boot_id: x(limits::BOOT_ID_BYTES_MAX),
        protocol: u32::MAX,
        features: [
            Feature::Restore,
            Feature::Move,
            Feature::Witness,
            Feature::Standby,
            Feature::TakeIfSilent,
        ]
        .into(),
        capacity: *limits::CAPACITY.end(),
        is_retired: true,
        is_draining: true,
        rooms: (0..limits::ROOMS_MAX).map(room).collect(),
        certificate_hashes: hashes(),
    });
    let message = proto::ServerMessage::from(welcome.clone());
    let length = message.encoded_len();
    assert!(length <= limits::MESSAGE_BYTES_MAX, "{length}");
    assert!(length * 100 >= limits::MESSAGE_BYTES_MAX * 90, "{length}");
    assert!(ToOperator::parse(message) == Ok(Some(welcome)));
}

#[test]
fn the_largest_commands_fit_and_leave_room_for_later_releases() {
    let endpoint = Endpoint {
        name: x(limits::PORT_NAME_BYTES_MAX),
        protocol: Transport::Udp,
        address: x(limits::HOST_BYTES_MAX),
        port: u16::MAX,
    };
    let open = Open {
        tenancy: tenancy(0),
        seats: u32::MAX,
        parameters: values(),
        restore: Some(Restore {
            lost_epoch: i64::MAX,
            fence: true,
            ended_epoch: i64::MAX,
            owner_silent: Duration::from_mins(1),
        }),
        reason: x(limits::TEXT_BYTES_MAX),
    };
    let move_to = MoveTo {
        tenancy: tenancy(0),
        next_epoch: i64::MAX,
        handover_address: "[fe80::1%4294967295]:65535".parse().unwrap(),
        endpoints: vec![endpoint.clone(); limits::ENDPOINTS_MAX],
        certificate_hashes: hashes(),
        deadline: Duration::from_mins(1),
    };
    let fallback =
        Fallback { endpoints: vec![endpoint; limits::ENDPOINTS_MAX], certificate_hashes: hashes() };
    let fallbacks = ToServer::Fallbacks(vec![fallback; limits::FALLBACKS_MAX]);
    let stand_by = ToServer::StandBy(vec![Token([7; limits::TOKEN_BYTES]); limits::TOKENS_MAX]);
    for command in [ToServer::Open(open), ToServer::MoveTo(move_to), fallbacks, stand_by] {
        let message = proto::OperatorMessage::from(command.clone());
        let length = message.encoded_len();
        assert!(length * 3 < limits::COMMAND_BYTES_MAX, "{length}");
        assert_eq!(ToServer::parse(message), Ok(Some(command)));
    }
}

#[test]
fn the_highest_capacity_is_the_longest_list() {
    assert_eq!(usize::try_from(*limits::CAPACITY.end()), Ok(limits::ROOMS_MAX));
}
