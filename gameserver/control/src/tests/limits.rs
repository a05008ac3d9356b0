//! Each limit: what is at it is accepted, what is beyond it is refused, and says so.

use std::collections::BTreeMap;

use prost::Message as _;

use super::tenancy;
use crate::{
    Malformed, ToOperator, ToServer, limits,
    proto::{self, operator_message::Message as Command, server_message::Message as News},
};

type Verdict = Result<(), Malformed>;

fn commanded(message: Command) -> Verdict {
    ToServer::parse(proto::OperatorMessage { message: Some(message) }).map(drop)
}

fn told(message: News) -> Verdict {
    ToOperator::parse(proto::ServerMessage { message: Some(message) }).map(drop)
}

#[allow(clippy::unnecessary_wraps, reason = "that is how fields hold it")]
fn at() -> Option<proto::Tenancy> {
    Some(tenancy().into())
}

fn hello() -> proto::Hello {
    proto::Hello { term: 1, identity: "op".into(), protocol_min: 1, protocol_max: 1, heartbeat_ms: 100 }
}

fn welcome() -> proto::Welcome {
    proto::Welcome { boot_id: "b".into(), protocol: 1, capacity: 1, ..Default::default() }
}

fn room(number: usize) -> proto::HostedRoom {
    let tenancy = proto::Tenancy { uid: number.to_string(), ..tenancy().into() };
    let phase = proto::RoomPhase::Finished.into();
    proto::HostedRoom { tenancy: Some(tenancy), phase, ..Default::default() }
}

fn move_to() -> proto::MoveTo {
    proto::MoveTo {
        tenancy: at(),
        next_epoch: i64::MAX,
        handover_address: "10.0.0.1:9600".into(),
        deadline_ms: 1,
        ..Default::default()
    }
}

fn mirror() -> proto::Mirror {
    proto::Mirror { address: "10.0.0.1:7777".into(), token: vec![7; 32], ..Default::default() }
}

fn endpoint() -> proto::Endpoint {
    proto::Endpoint { name: "game".into(), protocol: "UDP".into(), address: "10.0.0.1".into(), port: 1 }
}

fn hash() -> String {
    format!("sha256:{}", "0f".repeat(32))
}

fn x(length: usize) -> String {
    "x".repeat(length)
}

fn with_tenancy(change: impl FnOnce(&mut proto::Tenancy)) -> Verdict {
    let mut tenancy = proto::Tenancy::from(tenancy());
    change(&mut tenancy);
    commanded(Command::Abort(proto::Abort { tenancy: Some(tenancy) }))
}

fn with_endpoint(change: impl FnOnce(&mut proto::Endpoint)) -> Verdict {
    let mut endpoint = endpoint();
    change(&mut endpoint);
    commanded(Command::MoveTo(proto::MoveTo { endpoints: vec![endpoint], ..move_to() }))
}

fn with_port(name: String, port: u32) -> Verdict {
    let ports = vec![proto::RoomPort { name, port }];
    told(News::Opened(proto::Opened { tenancy: at(), ports, ..Default::default() }))
}

#[test]
fn an_identifier_has_a_length() {
    let check = |field, limit, verdict: &dyn Fn(String) -> Verdict| {
        assert_eq!(verdict(x(1)), Ok(()), "{field}");
        assert_eq!(verdict(x(limit)), Ok(()), "{field}");
        assert_eq!(verdict(x(limit + 1)), Err(Malformed::TooLong { field, length: limit + 1, limit }));
        assert_eq!(verdict(String::new()), Err(Malformed::Missing { field }));
    };
    check("Tenancy.namespace", 63, &|it| with_tenancy(|tenancy| tenancy.namespace = it));
    check("Tenancy.name", 253, &|it| with_tenancy(|tenancy| tenancy.name = it));
    check("Sought.rooms", 64, &|it| told(News::Sought(proto::Sought { rooms: vec![it] })));
    check("Tenancy.uid", 64, &|it| with_tenancy(|tenancy| tenancy.uid = it));
    check("Welcome.boot_id", 64, &|it| told(News::Welcome(proto::Welcome { boot_id: it, ..welcome() })));
    check("RoomPort.name", 15, &|it| with_port(it, 1));
    check("Endpoint.name", 15, &|it| with_endpoint(|endpoint| endpoint.name = it));
    check("Endpoint.address", 253, &|it| with_endpoint(|endpoint| endpoint.address = it));
}

#[test]
fn an_operator_may_be_nameless_but_not_long_winded() {
    let verdict = |identity| commanded(Command::Hello(proto::Hello { identity, ..hello() }));
    assert_eq!(verdict(x(0)), Ok(()));
    assert_eq!(verdict(x(253)), Ok(()));
    assert_eq!(verdict(x(254)), Err(Malformed::TooLong { field: "Hello.identity", length: 254, limit: 253 }));
}

#[test]
fn a_number_has_a_range() {
    let check = |field: &'static str, min: i64, max: i64, verdict: &dyn Fn(i64) -> Verdict| {
        assert_eq!(verdict(min), Ok(()), "{field}");
        assert_eq!(verdict(max), Ok(()), "{field}");
        for value in [min.checked_sub(1), max.checked_add(1)].into_iter().flatten() {
            // Not every value can be said in a field without a sign.
            if (0..=u32::MAX.into()).contains(&value) || field.ends_with("epoch") {
                assert_eq!(verdict(value), Err(Malformed::OutOfRange { field, value, min, max }));
            }
        }
    };
    let small = |it: i64| u32::try_from(it).unwrap();
    let greeted = |hello| commanded(Command::Hello(hello));
    let welcomed = |welcome| told(News::Welcome(welcome));
    let most = i64::from(u32::MAX);
    check("Tenancy.epoch", 1, i64::MAX, &|it| with_tenancy(|tenancy| tenancy.epoch = it));
    check("Hello.term", 1, most, &|it| greeted(proto::Hello { term: small(it), ..hello() }));
    check("Hello.protocol_min", 1, most, &|it| {
        greeted(proto::Hello { protocol_min: small(it), protocol_max: u32::MAX, ..hello() })
    });
    check("Hello.protocol_max", 7, most, &|it| {
        greeted(proto::Hello { protocol_min: 7, protocol_max: small(it), ..hello() })
    });
    check("Hello.heartbeat_ms", 10, 60_000, &|it| {
        greeted(proto::Hello { heartbeat_ms: small(it), ..hello() })
    });
    check("Welcome.protocol", 1, most, &|it| welcomed(proto::Welcome { protocol: small(it), ..welcome() }));
    check("Welcome.capacity", 1, 4096, &|it| welcomed(proto::Welcome { capacity: small(it), ..welcome() }));
    check("RoomPort.port", 1, 65_535, &|it| with_port("game".into(), small(it)));
    check("Refused.current_epoch", 0, i64::MAX, &|it| {
        told(News::Refused(proto::Refused { tenancy: at(), current_epoch: it, ..Default::default() }))
    });
    check("Restore.lost_epoch", 0, i64::MAX, &|it| {
        let restore = Some(proto::Restore { lost_epoch: it, ..Default::default() });
        commanded(Command::Open(proto::Open { tenancy: at(), restore, ..Default::default() }))
    });
    check("Restore.ended_epoch", 0, i64::MAX, &|it| {
        let restore = Some(proto::Restore { ended_epoch: it, ..Default::default() });
        commanded(Command::Open(proto::Open { tenancy: at(), restore, ..Default::default() }))
    });
    check("Restore.owner_silent_ms", 0, 60_000, &|it| {
        let restore = Some(proto::Restore { owner_silent_ms: small(it), ..Default::default() });
        commanded(Command::Open(proto::Open { tenancy: at(), restore, ..Default::default() }))
    });
    check("StandingBy.port", 1, 65_535, &|it| {
        told(News::StandingBy(proto::StandingBy { port: small(it), ..Default::default() }))
    });
    check("Probe.timeout_ms", 1, 10_000, &|it| {
        let address = "10.0.0.1:9600".to_owned();
        commanded(Command::Probe(proto::Probe { id: 1, address, timeout_ms: small(it) }))
    });
    check("MoveTo.next_epoch", tenancy().epoch + 1, i64::MAX, &|it| {
        commanded(Command::MoveTo(proto::MoveTo { next_epoch: it, ..move_to() }))
    });
    check("MoveTo.deadline_ms", 1, 60_000, &|it| {
        commanded(Command::MoveTo(proto::MoveTo { deadline_ms: small(it), ..move_to() }))
    });
    check("Endpoint.port", 1, 65_535, &|it| with_endpoint(|endpoint| endpoint.port = small(it)));
}

#[test]
fn a_list_has_a_length() {
    let check = |field, limit, verdict: &dyn Fn(usize) -> Verdict| {
        assert_eq!(verdict(0), Ok(()), "{field}");
        assert_eq!(verdict(limit), Ok(()), "{field}");
        assert_eq!(verdict(limit + 1), Err(Malformed::TooMany { field, count: limit + 1, limit }));
    };
    let port = || proto::RoomPort { name: "game".into(), port: 1 };
    let opened = |opened| told(News::Opened(opened));
    let hosted = |room| told(News::Welcome(proto::Welcome { rooms: vec![room], ..welcome() }));
    check("Welcome.rooms", 4096, &|it| {
        told(News::Welcome(proto::Welcome { rooms: (0..it).map(room).collect(), ..welcome() }))
    });
    check("Welcome.certificate_hashes", 4, &|it| {
        told(News::Welcome(proto::Welcome { certificate_hashes: vec![hash(); it], ..welcome() }))
    });
    let fallbacks = |servers| commanded(Command::Fallbacks(proto::Fallbacks { servers }));
    check("Fallbacks.servers", 4, &|it| fallbacks(vec![proto::Fallback::default(); it]));
    let sought = |rooms| told(News::Sought(proto::Sought { rooms }));
    check("Sought.rooms", 256, &|it| sought(vec!["uid".to_owned(); it]));
    check("Fallback.endpoints", 16, &|it| {
        fallbacks(vec![proto::Fallback { endpoints: vec![endpoint(); it], ..Default::default() }])
    });
    check("Fallback.certificate_hashes", 4, &|it| {
        fallbacks(vec![proto::Fallback { certificate_hashes: vec![hash(); it], ..Default::default() }])
    });
    check("Opened.ports", 8, &|it| {
        opened(proto::Opened { tenancy: at(), ports: vec![port(); it], ..Default::default() })
    });
    check("Opened.certificate_hashes", 4, &|it| {
        let certificate_hashes = vec![hash(); it];
        opened(proto::Opened { tenancy: at(), certificate_hashes, ..Default::default() })
    });
    check("HostedRoom.ports", 8, &|it| hosted(proto::HostedRoom { ports: vec![port(); it], ..room(0) }));
    check("HostedRoom.certificate_hashes", 4, &|it| {
        hosted(proto::HostedRoom { certificate_hashes: vec![hash(); it], ..room(0) })
    });
    check("RoomState.certificate_hashes", 4, &|it| {
        let certificate_hashes = vec![hash(); it];
        told(News::RoomState(proto::RoomState {
            tenancy: at(),
            phase: 4,
            certificate_hashes,
            ..Default::default()
        }))
    });
    check("MoveTo.endpoints", 16, &|it| {
        commanded(Command::MoveTo(proto::MoveTo { endpoints: vec![endpoint(); it], ..move_to() }))
    });
    check("StandBy.tokens", 64, &|it| {
        commanded(Command::StandBy(proto::StandBy { tokens: vec![vec![7; 32]; it] }))
    });
    check("Mirror.certificate_hashes", 4, &|it| {
        commanded(Command::Mirror(proto::Mirror { certificate_hashes: vec![hash(); it], ..mirror() }))
    });
    check("StandingBy.certificate_hashes", 4, &|it| {
        told(News::StandingBy(proto::StandingBy { certificate_hashes: vec![hash(); it], port: 1 }))
    });
    check("MoveTo.certificate_hashes", 4, &|it| {
        commanded(Command::MoveTo(proto::MoveTo { certificate_hashes: vec![hash(); it], ..move_to() }))
    });
}

#[test]
fn parameters_and_results_are_few_and_small() {
    let check = |field, verdict: &dyn Fn(BTreeMap<String, String>) -> Verdict| {
        let many = |count: usize| (0..count).map(|it| (it.to_string(), String::new())).collect();
        let large = |bytes: usize| BTreeMap::from([(x(2), x(bytes - 5)), ("é".into(), "y".into())]);
        assert_eq!(verdict(many(32)), Ok(()), "{field}");
        assert_eq!(verdict(many(33)), Err(Malformed::TooMany { field, count: 33, limit: 32 }));
        assert_eq!(verdict(large(4096)), Ok(()), "{field}");
        assert_eq!(verdict(large(4097)), Err(Malformed::TooLong { field, length: 4097, limit: 4096 }));
        for values in [many(32), many(33), large(4096), large(4097)] {
            assert_eq!(limits::fits(&values), verdict(values).is_ok(), "what fits is accepted");
        }
    };
    check("Open.parameters", &|parameters| {
        commanded(Command::Open(proto::Open { tenancy: at(), parameters, ..Default::default() }))
    });
    check("Prepare.parameters", &|parameters| {
        commanded(Command::Prepare(proto::Prepare { tenancy: at(), parameters, ..Default::default() }))
    });
    check("Result.values", &|values| {
        told(News::Finished(proto::Finished { tenancy: at(), result: Some(proto::Result { values }) }))
    });
    check("Result.values", &|values| {
        let rooms = vec![proto::HostedRoom { result: Some(proto::Result { values }), ..room(0) }];
        told(News::Welcome(proto::Welcome { rooms, ..welcome() }))
    });
}

#[test]
fn an_address_is_an_ip_address_and_a_port() {
    let form = "an IP address and a port";
    for address in ["10.0.0.1:9600", "[fd00::1]:9600", "[fe80::1%4294967295]:65535"] {
        let address = address.to_owned();
        assert_eq!(commanded(Command::Probe(proto::Probe { id: 1, address, timeout_ms: 1 })), Ok(()));
    }
    for address in ["", "10.0.0.1", "10.0.0.1:0", "server:9600", "10.0.0.1:65536", "::1:9600"] {
        let handover_address = address.to_owned();
        assert_eq!(
            commanded(Command::MoveTo(proto::MoveTo { handover_address, ..move_to() })),
            Err(Malformed::WrongForm { field: "MoveTo.handover_address", form })
        );
    }
    let verdict =
        |length| commanded(Command::Probe(proto::Probe { id: 1, address: x(length), timeout_ms: 1 }));
    assert_eq!(verdict(64), Err(Malformed::WrongForm { field: "Probe.address", form }));
    assert_eq!(verdict(65), Err(Malformed::TooLong { field: "Probe.address", length: 65, limit: 64 }));
}

#[test]
fn a_hash_and_a_protocol_have_one_form_each() {
    assert_eq!(hash().len(), limits::CERTIFICATE_HASH_BYTES);
    let opened = |hash: String| {
        let certificate_hashes = vec![hash];
        told(News::Opened(proto::Opened { tenancy: at(), certificate_hashes, ..Default::default() }))
    };
    assert_eq!(opened(hash().to_uppercase().replace("SHA", "sha")), Ok(()));
    for wrong in [String::new(), hash() + "0", hash().replace("sha256:", ""), hash().replace("0f", "0g")] {
        let form = "sha256: and 64 hex digits";
        assert_eq!(opened(wrong), Err(Malformed::WrongForm { field: "Opened.certificate_hashes", form }));
    }
    assert_eq!(with_endpoint(|it| it.protocol = "TCP".into()), Ok(()));
    for wrong in ["", "udp", "QUIC"] {
        assert_eq!(
            with_endpoint(|it| it.protocol = wrong.to_owned()),
            Err(Malformed::WrongForm { field: "Endpoint.protocol", form: "UDP or TCP" })
        );
    }
}

#[test]
fn a_token_has_its_length_and_is_not_shown() {
    for length in [0, 31, 33] {
        let form = "a token of 32 bytes";
        let stand_by = proto::StandBy { tokens: vec![vec![7; 32], vec![7; length]] };
        let mirror = proto::Mirror { token: vec![7; length], ..mirror() };
        for (field, command) in
            [("StandBy.tokens", Command::StandBy(stand_by)), ("Mirror.token", Command::Mirror(mirror))]
        {
            assert_eq!(commanded(command), Err(Malformed::WrongForm { field, form }));
        }
    }
    let shown = format!("{:?}", ToServer::StandBy(vec![crate::Token([7; 32])]));
    assert!(!shown.contains('7'), "{shown}");
}

#[test]
fn a_mirror_without_an_address_is_none() {
    let parsed = |mirror| ToServer::parse(proto::OperatorMessage { message: Some(Command::Mirror(mirror)) });
    assert_eq!(parsed(proto::Mirror::default()), Ok(Some(ToServer::Mirror(None))));
    assert!(matches!(parsed(mirror()), Ok(Some(ToServer::Mirror(Some(_))))));
}

#[test]
fn a_text_for_people_is_cut_and_not_refused() {
    let fault = |message: String| {
        let fault = proto::Fault { tenancy: at(), message, fatal: false };
        match ToOperator::parse(proto::ServerMessage { message: Some(News::Fault(fault)) }) {
            Ok(Some(ToOperator::Fault(fault))) => fault.message,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(fault(x(1024)), x(1024));
    assert_eq!(fault(x(1025)), x(1024));
    // Two bytes a character: 1,024 bytes are in the middle of one.
    assert_eq!(fault("x".to_owned() + &"é".repeat(1000)), "x".to_owned() + &"é".repeat(511));
    // Nor does anybody send more.
    for message in [
        ToOperator::CheckpointFailed { tenancy: tenancy(), message: x(5000) },
        ToOperator::Fault(crate::Fault { tenancy: tenancy(), message: x(5000), is_fatal: true }),
        ToOperator::Refused(crate::Refused {
            tenancy: tenancy(),
            why: crate::RefusedWhy::Full,
            current_epoch: 0,
            message: x(5000),
        }),
    ] {
        assert!(proto::ServerMessage::from(message).encoded_len() < 1024 + 100);
    }
    let open = crate::Open {
        tenancy: tenancy(),
        seats: 0,
        parameters: BTreeMap::new(),
        restore: None,
        reason: x(5000),
    };
    assert!(proto::OperatorMessage::from(ToServer::Open(open)).encoded_len() < 1024 + 100);
}

#[test]
fn a_room_is_listed_once() {
    let rooms = vec![room(1), room(2), room(1)];
    assert_eq!(
        told(News::Welcome(proto::Welcome { rooms, ..welcome() })),
        Err(Malformed::RoomTwice { uid: "1".into() })
    );
}

#[test]
fn a_message_about_a_room_says_about_which() {
    let tenancy = None;
    for (field, verdict) in [
        ("Open.tenancy", commanded(Command::Open(proto::Open::default()))),
        ("Close.tenancy", commanded(Command::Close(proto::Close::default()))),
        ("Prepare.tenancy", commanded(Command::Prepare(proto::Prepare::default()))),
        ("MoveTo.tenancy", commanded(Command::MoveTo(proto::MoveTo { tenancy, ..move_to() }))),
        ("Abort.tenancy", commanded(Command::Abort(proto::Abort::default()))),
        ("Resume.tenancy", commanded(Command::Resume(proto::Resume::default()))),
        ("Opened.tenancy", told(News::Opened(proto::Opened::default()))),
        ("Refused.tenancy", told(News::Refused(proto::Refused::default()))),
        ("RoomState.tenancy", told(News::RoomState(proto::RoomState { phase: 4, ..Default::default() }))),
        ("Finished.tenancy", told(News::Finished(proto::Finished::default()))),
        ("Closed.tenancy", told(News::Closed(proto::Closed::default()))),
        ("CheckpointFailed.tenancy", told(News::CheckpointFailed(proto::CheckpointFailed::default()))),
        ("Fault.tenancy", told(News::Fault(proto::Fault::default()))),
        ("PlayersReady.tenancy", told(News::PlayersReady(proto::PlayersReady::default()))),
        ("Released.tenancy", told(News::Released(proto::Released::default()))),
        ("Loaded.tenancy", told(News::Loaded(proto::Loaded::default()))),
        ("Activated.tenancy", told(News::Activated(proto::Activated::default()))),
        ("HostedRoom.tenancy", {
            let rooms = vec![proto::HostedRoom { tenancy: None, ..room(1) }];
            told(News::Welcome(proto::Welcome { rooms, ..welcome() }))
        }),
    ] {
        assert_eq!(verdict, Err(Malformed::Missing { field }));
    }
}
