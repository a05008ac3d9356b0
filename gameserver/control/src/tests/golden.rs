//! The bytes on the wire, so that whoever renumbers a field hears of it here and not from a server.

use std::{collections::BTreeMap, fmt::Write as _, num::NonZeroU64, time::Duration};

use prost::Message as _;

use super::{contract, tenancy};
use crate::{
    Beat, Close, CloseWhy, Endpoint, Fallback, Fault, Feature, Finding, Found, Hello, HelloRefused,
    HelloRefusedWhy, HostedRoom, Mirror, MoveTo, Open, Opened, Prepare, Probe, ProbeResult, Refused,
    RefusedWhy, Restore, RoomPhase, RoomPort, RoomState, StandingBy, ToOperator, ToServer, Token, Transport,
    Welcome, limits, proto,
};

/// A tenancy, as field 1.
const TENANCY: &str = "0a18 0a0567616d6573 12046475656c 1a03752d31 208180808030";

fn values() -> BTreeMap<String, String> {
    [("map".into(), "a".into())].into()
}

fn hash() -> String {
    format!("sha256:{}", "0".repeat(64))
}

fn token() -> Token {
    Token([7; limits::TOKEN_BYTES])
}

fn to_server() -> Vec<(ToServer, &'static str)> {
    vec![
        (
            ToServer::Hello(Hello {
                term: 3,
                identity: "op".into(),
                protocol: 1..=2,
                heartbeat: Duration::from_millis(100),
            }),
            "0a0c 0803 12026f70 1801 2002 2864",
        ),
        (ToServer::BeatEcho { sequence: 5 }, "1202 0805"),
        (
            ToServer::Open(Open {
                tenancy: tenancy(),
                seats: 8,
                parameters: values(),
                restore: Some(Restore {
                    lost_epoch: 9,
                    fence: true,
                    ended_epoch: 2,
                    owner_silent: Duration::from_millis(3),
                }),
                reason: "new".into(),
            }),
            "1a35 TENANCY 1008 1a08 0a036d6170 120161 2208 0809 1001 1802 2003 2a036e6577",
        ),
        (ToServer::Close(Close { tenancy: tenancy(), why: CloseWhy::Unclaimed }), "221c TENANCY 1004"),
        (ToServer::Drain, "2a00"),
        (ToServer::Undrain, "3200"),
        (ToServer::Retire, "3a00"),
        (
            ToServer::Probe(Probe {
                id: 6,
                address: "10.0.0.1:9600".parse().unwrap(),
                timeout: Duration::from_millis(20),
            }),
            "4213 0806 120d31302e302e302e313a39363030 1814",
        ),
        (
            ToServer::Prepare(Prepare { tenancy: tenancy(), seats: 8, parameters: values() }),
            "4a26 TENANCY 1008 1a08 0a036d6170 120161",
        ),
        (
            ToServer::MoveTo(MoveTo {
                tenancy: tenancy(),
                next_epoch: (3 << 32) + 2,
                handover_address: "10.0.0.1:9600".parse().unwrap(),
                endpoints: vec![Endpoint {
                    name: "game".into(),
                    protocol: Transport::Udp,
                    address: "a".into(),
                    port: 7,
                }],
                certificate_hashes: vec![hash()],
                deadline: Duration::from_millis(50),
            }),
            "528c01 TENANCY 108280808030 1a0d31302e302e302e313a39363030 \
             2210 0a0467616d65 1203554450 1a0161 2007 2a47 HASH 3032",
        ),
        (ToServer::Abort(tenancy()), "5a1a TENANCY"),
        (ToServer::Resume(tenancy()), "621a TENANCY"),
    ]
}

fn about_other_servers() -> Vec<(ToServer, &'static str)> {
    vec![
        (
            ToServer::Fallbacks(vec![Fallback {
                endpoints: vec![Endpoint {
                    name: "game".into(),
                    protocol: Transport::Udp,
                    address: "a".into(),
                    port: 7,
                }],
                certificate_hashes: vec![hash()],
            }]),
            "6a5d 0a5b 0a10 0a0467616d65 1203554450 1a0161 2007 1247 HASH",
        ),
        (ToServer::StandBy(vec![token()]), "7222 0a20 TOKEN"),
        (
            ToServer::Mirror(Some(Mirror {
                address: "10.0.0.1:7777".parse().unwrap(),
                certificate_hashes: vec![hash()],
                token: token(),
            })),
            "7a7a 0a0d31302e302e302e313a37373737 1247 HASH 1a20 TOKEN",
        ),
        (
            ToServer::Found(Found {
                tenancy: tenancy(),
                server: Fallback { endpoints: Vec::new(), certificate_hashes: vec![hash()] },
            }),
            "820165 TENANCY 1249 1247 HASH",
        ),
    ]
}

fn about_the_server() -> Vec<(ToOperator, &'static str)> {
    vec![
        (
            ToOperator::Welcome(Welcome {
                boot_id: "b".into(),
                protocol: 1,
                features: [Feature::Restore, Feature::Move, Feature::Witness, Feature::Standby].into(),
                capacity: 16,
                is_retired: true,
                is_draining: true,
                rooms: vec![HostedRoom {
                    tenancy: tenancy(),
                    phase: RoomPhase::Finished,
                    players: 2,
                    result: Some(values()),
                    ports: vec![RoomPort { name: "game".into(), port: 7 }],
                    certificate_hashes: vec![hash()],
                }],
                certificate_hashes: vec![hash()],
            }),
            "0ad901 0a0162 1001 1a04 01020304 2010 2801 3001 \
             3a7d TENANCY 1007 1802 220a 0a08 0a036d6170 120161 2a08 0a0467616d65 1007 3247 HASH 4247 HASH",
        ),
        (
            ToOperator::HelloRefused(HelloRefused {
                why: HelloRefusedWhy::Protocol,
                highest_term: 4,
                protocol: 1..=2,
            }),
            "1208 0802 1004 1801 2002",
        ),
        (
            ToOperator::Beat(Beat {
                sequence: 5,
                progress: 6,
                tick_p99: Duration::from_micros(7),
                load_permille: 8,
            }),
            "1a08 0805 1006 1807 2008",
        ),
        (ToOperator::Draining(true), "4a02 0801"),
        (ToOperator::Retired { retired: true, rooms: 2 }, "5204 0801 1002"),
        (ToOperator::ProbeResult(ProbeResult { id: 6, finding: Finding::Silent }), "5a04 0806 1003"),
        (
            ToOperator::StandingBy(StandingBy { certificate_hashes: vec![hash()], port: 7 }),
            "92014b 0a47 HASH 1007",
        ),
        (ToOperator::Sought(vec!["u".into()]), "9a0103 0a0175"),
    ]
}

fn about_rooms() -> Vec<(ToOperator, &'static str)> {
    vec![
        (
            ToOperator::Opened(Opened {
                tenancy: tenancy(),
                ports: vec![RoomPort { name: "game".into(), port: 7 }],
                certificate_hashes: vec![hash()],
            }),
            "226d TENANCY 1208 0a0467616d65 1007 1a47 HASH",
        ),
        (
            ToOperator::Refused(Refused {
                tenancy: tenancy(),
                why: RefusedWhy::Fenced,
                current_epoch: 9,
                message: "no".into(),
            }),
            "2a22 TENANCY 1009 1809 22026e6f",
        ),
        (
            ToOperator::RoomState(RoomState {
                tenancy: tenancy(),
                phase: RoomPhase::Playing,
                players: 2,
                checkpoint_tick: NonZeroU64::new(9),
                certificate_hashes: vec![hash()],
            }),
            "3269 TENANCY 1005 1802 2009 2a47 HASH",
        ),
        (
            ToOperator::Finished { tenancy: tenancy(), result: values() },
            "3a26 TENANCY 120a 0a08 0a036d6170 120161",
        ),
        (ToOperator::Closed(tenancy()), "421a TENANCY"),
        (ToOperator::CheckpointFailed { tenancy: tenancy(), message: "no".into() }, "621e TENANCY 12026e6f"),
        (
            ToOperator::Fault(Fault { tenancy: tenancy(), message: "no".into(), is_fatal: true }),
            "6a20 TENANCY 12026e6f 1801",
        ),
        (ToOperator::PlayersReady { tenancy: tenancy(), players: 2 }, "721c TENANCY 1002"),
        (ToOperator::Released { tenancy: tenancy(), tick: 9 }, "7a1c TENANCY 1009"),
        (ToOperator::Loaded { tenancy: tenancy(), tick: 9 }, "82011c TENANCY 1009"),
        (ToOperator::Activated { tenancy: tenancy(), tick: 9 }, "8a011c TENANCY 1009"),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[track_caller]
fn check(bytes: &[u8], golden: &str) {
    let golden = golden
        .replace("TENANCY", TENANCY)
        .replace("HASH", &hex(hash().as_bytes()))
        .replace("TOKEN", &hex(&token().0))
        .replace(' ', "");
    assert_eq!(hex(bytes), golden);
}

#[test]
fn each_message_to_a_server_has_its_bytes_for_ever() {
    let messages = [to_server(), about_other_servers()].concat();
    assert_eq!(messages.len(), contract::kinds_of("OperatorMessage"));
    for (message, golden) in messages {
        check(&proto::OperatorMessage::from(message).encode_to_vec(), golden);
    }
}

#[test]
fn each_message_to_the_operator_has_its_bytes_for_ever() {
    let messages = [about_the_server(), about_rooms()].concat();
    assert_eq!(messages.len(), contract::kinds_of("ServerMessage"));
    for (message, golden) in messages {
        check(&proto::ServerMessage::from(message).encode_to_vec(), golden);
    }
}

#[test]
fn the_messages_between_servers_have_their_bytes_for_ever() {
    let part = proto::HandoverPart {
        tenancy: Some(tenancy().into()),
        sequence: 1,
        snapshot: b"x".to_vec(),
        r#final: true,
        tick: 9,
    };
    check(&part.encode_to_vec(), "TENANCY 1001 1a0178 2001 2809");
    check(&proto::HandoverProgress { acknowledged: 1, activated: true }.encode_to_vec(), "0801 1001");
}
