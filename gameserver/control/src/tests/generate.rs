//! Messages of all kinds, as proptest makes them: all that the contract allows, and nothing else.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    num::NonZeroU64,
    ops::RangeInclusive,
    time::Duration,
};

use proptest::{
    collection::{btree_map, btree_set, vec},
    option,
    prelude::*,
    sample::select,
};

use crate::{
    Beat, Close, CloseWhy, Endpoint, Fallback, Fault, Feature, Finding, Found, Hello, HelloRefused,
    HelloRefusedWhy, HostedRoom, Mirror, MoveTo, Open, Opened, Prepare, Probe, ProbeResult, Refused,
    RefusedWhy, Restore, RoomPhase, RoomPort, RoomState, StandingBy, Tenancy, ToOperator, ToServer, Token,
    Transport, Welcome, limits,
};

/// One strategy for each kind of message to a server.
pub(super) fn to_server() -> Vec<BoxedStrategy<ToServer>> {
    vec![
        hello().prop_map(ToServer::Hello).boxed(),
        any::<u64>().prop_map(|sequence| ToServer::BeatEcho { sequence }).boxed(),
        open().prop_map(ToServer::Open).boxed(),
        close().prop_map(ToServer::Close).boxed(),
        Just(ToServer::Drain).boxed(),
        Just(ToServer::Undrain).boxed(),
        Just(ToServer::Retire).boxed(),
        probe().prop_map(ToServer::Probe).boxed(),
        (tenancy(), any::<u32>(), values())
            .prop_map(|(tenancy, seats, parameters)| {
                ToServer::Prepare(Prepare { tenancy, seats, parameters })
            })
            .boxed(),
        move_to().prop_map(ToServer::MoveTo).boxed(),
        tenancy().prop_map(ToServer::Abort).boxed(),
        tenancy().prop_map(ToServer::Resume).boxed(),
        vec(fallback(), 0..=limits::FALLBACKS_MAX).prop_map(ToServer::Fallbacks).boxed(),
        (tenancy(), fallback())
            .prop_map(|(tenancy, server)| ToServer::Found(Found { tenancy, server }))
            .boxed(),
        vec(token(), 0..=limits::TOKENS_MAX).prop_map(ToServer::StandBy).boxed(),
        option::of(mirror()).prop_map(ToServer::Mirror).boxed(),
    ]
}

/// One strategy for each kind of message to the operator.
pub(super) fn to_operator() -> Vec<BoxedStrategy<ToOperator>> {
    let at = |make: fn(Tenancy, u64) -> ToOperator| {
        (tenancy(), any::<u64>()).prop_map(move |(tenancy, tick)| make(tenancy, tick)).boxed()
    };
    vec![
        welcome().prop_map(ToOperator::Welcome).boxed(),
        hello_refused().prop_map(ToOperator::HelloRefused).boxed(),
        beat().prop_map(ToOperator::Beat).boxed(),
        (tenancy(), ports(), hashes())
            .prop_map(|(tenancy, ports, certificate_hashes)| {
                ToOperator::Opened(Opened { tenancy, ports, certificate_hashes })
            })
            .boxed(),
        refused().prop_map(ToOperator::Refused).boxed(),
        (tenancy(), phase(), any::<u32>(), any::<u64>(), hashes())
            .prop_map(|(tenancy, phase, players, tick, certificate_hashes)| {
                let checkpoint_tick = NonZeroU64::new(tick);
                ToOperator::RoomState(RoomState {
                    tenancy,
                    phase,
                    players,
                    checkpoint_tick,
                    certificate_hashes,
                })
            })
            .boxed(),
        (tenancy(), values()).prop_map(|(tenancy, result)| ToOperator::Finished { tenancy, result }).boxed(),
        tenancy().prop_map(ToOperator::Closed).boxed(),
        any::<bool>().prop_map(ToOperator::Draining).boxed(),
        (any::<bool>(), any::<u32>())
            .prop_map(|(retired, rooms)| ToOperator::Retired { retired, rooms })
            .boxed(),
        (any::<u64>(), select(vec![Finding::Connected, Finding::Refused, Finding::Silent]))
            .prop_map(|(id, finding)| ToOperator::ProbeResult(ProbeResult { id, finding }))
            .boxed(),
        (tenancy(), text())
            .prop_map(|(tenancy, message)| ToOperator::CheckpointFailed { tenancy, message })
            .boxed(),
        (tenancy(), text(), any::<bool>())
            .prop_map(|(tenancy, message, is_fatal)| ToOperator::Fault(Fault { tenancy, message, is_fatal }))
            .boxed(),
        (tenancy(), any::<u32>())
            .prop_map(|(tenancy, players)| ToOperator::PlayersReady { tenancy, players })
            .boxed(),
        at(|tenancy, tick| ToOperator::Released { tenancy, tick }),
        at(|tenancy, tick| ToOperator::Loaded { tenancy, tick }),
        at(|tenancy, tick| ToOperator::Activated { tenancy, tick }),
        (hashes(), 1..=u16::MAX)
            .prop_map(|(certificate_hashes, port)| {
                ToOperator::StandingBy(StandingBy { certificate_hashes, port })
            })
            .boxed(),
        vec("[a-z0-9-]{1,64}", 0..8).prop_map(ToOperator::Sought).boxed(),
    ]
}

fn token() -> impl Strategy<Value = Token> {
    any::<[u8; limits::TOKEN_BYTES]>().prop_map(Token)
}

fn mirror() -> impl Strategy<Value = Mirror> {
    (address(), hashes(), token()).prop_map(|(address, certificate_hashes, token)| Mirror {
        address,
        certificate_hashes,
        token,
    })
}

fn tenancy() -> impl Strategy<Value = Tenancy> {
    ("[a-z-]{1,63}", "[a-z.-]{1,253}", "[0-9a-f-]{1,64}", 1..=i64::MAX)
        .prop_map(|(namespace, name, uid, epoch)| Tenancy { namespace, name, uid, epoch })
}

fn values() -> impl Strategy<Value = BTreeMap<String, String>> {
    btree_map("\\PC{0,16}", "\\PC{0,16}", 0..=limits::VALUES_MAX)
}

fn text() -> impl Strategy<Value = String> {
    // At most four bytes a character.
    "\\PC{0,256}"
}

fn milliseconds(range: RangeInclusive<u32>) -> impl Strategy<Value = Duration> {
    range.prop_map(|it| Duration::from_millis(it.into()))
}

fn address() -> impl Strategy<Value = SocketAddr> {
    (any::<IpAddr>(), 1..=u16::MAX).prop_map(SocketAddr::from)
}

fn ports() -> impl Strategy<Value = Vec<RoomPort>> {
    let port = ("[a-z-]{1,15}", 1..=u16::MAX).prop_map(|(name, port)| RoomPort { name, port });
    vec(port, 0..=limits::PORTS_MAX)
}

fn hashes() -> impl Strategy<Value = Vec<String>> {
    vec("sha256:[0-9a-f]{64}", 0..=limits::CERTIFICATE_HASHES_MAX)
}

fn phase() -> impl Strategy<Value = RoomPhase> {
    select(vec![
        RoomPhase::Prepared,
        RoomPhase::Loading,
        RoomPhase::Restoring,
        RoomPhase::Waiting,
        RoomPhase::Playing,
        RoomPhase::Released,
        RoomPhase::Finished,
    ])
}

fn hello() -> impl Strategy<Value = Hello> {
    let protocol = (1..=u32::MAX).prop_flat_map(|lowest| (Just(lowest), lowest..=u32::MAX));
    (1..=u32::MAX, "[a-z0-9-]{0,253}", protocol, milliseconds(limits::HEARTBEAT_MS)).prop_map(
        |(term, identity, (lowest, highest), heartbeat)| Hello {
            term,
            identity,
            protocol: lowest..=highest,
            heartbeat,
        },
    )
}

fn features() -> impl Strategy<Value = BTreeSet<Feature>> {
    let all =
        vec![Feature::Restore, Feature::Move, Feature::Witness, Feature::Standby, Feature::TakeIfSilent];
    btree_set(select(all), 0..=5)
}

fn welcome() -> impl Strategy<Value = Welcome> {
    let room = (tenancy(), phase(), any::<u32>(), values(), ports(), hashes()).prop_map(
        |(tenancy, phase, players, result, ports, certificate_hashes)| {
            let result = (phase == RoomPhase::Finished).then_some(result);
            HostedRoom { tenancy, phase, players, result, ports, certificate_hashes }
        },
    );
    let rooms = vec(room, 0..5).prop_map(|mut rooms| {
        for (number, room) in rooms.iter_mut().enumerate() {
            room.tenancy.uid = format!("{number}{}", room.tenancy.uid).chars().take(64).collect();
        }
        rooms
    });
    let flags = (any::<bool>(), any::<bool>());
    ("[!-~]{1,64}", 1..=u32::MAX, features(), limits::CAPACITY, flags, rooms, hashes()).prop_map(
        |(boot_id, protocol, features, capacity, (is_retired, is_draining), rooms, certificate_hashes)| {
            Welcome {
                boot_id,
                protocol,
                features,
                capacity,
                is_retired,
                is_draining,
                rooms,
                certificate_hashes,
            }
        },
    )
}

fn hello_refused() -> impl Strategy<Value = HelloRefused> {
    let why = select(vec![
        HelloRefusedWhy::Unspecified,
        HelloRefusedWhy::Term,
        HelloRefusedWhy::Protocol,
        HelloRefusedWhy::Malformed,
    ]);
    (why, any::<u32>(), any::<u32>(), any::<u32>()).prop_map(|(why, highest_term, lowest, highest)| {
        HelloRefused { why, highest_term, protocol: lowest..=highest }
    })
}

fn beat() -> impl Strategy<Value = Beat> {
    (any::<u64>(), any::<u64>(), any::<u32>(), any::<u32>()).prop_map(
        |(sequence, progress, microseconds, load_permille)| Beat {
            sequence,
            progress,
            tick_p99: Duration::from_micros(microseconds.into()),
            load_permille,
        },
    )
}

fn open() -> impl Strategy<Value = Open> {
    let restore = (0..=i64::MAX, any::<bool>(), 0..=i64::MAX, limits::OWNER_SILENT_MS).prop_map(
        |(lost_epoch, fence, ended_epoch, silent_ms)| {
            let owner_silent = Duration::from_millis(silent_ms.into());
            Restore { lost_epoch, fence, ended_epoch, owner_silent }
        },
    );
    (tenancy(), any::<u32>(), values(), option::of(restore), text()).prop_map(
        |(tenancy, seats, parameters, restore, reason)| Open { tenancy, seats, parameters, restore, reason },
    )
}

fn refused() -> impl Strategy<Value = Refused> {
    let why = select(vec![
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
    ]);
    (tenancy(), why, 0..=i64::MAX, text()).prop_map(|(tenancy, why, current_epoch, message)| Refused {
        tenancy,
        why,
        current_epoch,
        message,
    })
}

fn close() -> impl Strategy<Value = Close> {
    let why = select(vec![
        CloseWhy::Unspecified,
        CloseWhy::Finished,
        CloseWhy::Deleted,
        CloseWhy::Superseded,
        CloseWhy::Unclaimed,
        CloseWhy::Unknown,
    ]);
    (tenancy(), why).prop_map(|(tenancy, why)| Close { tenancy, why })
}

fn probe() -> impl Strategy<Value = Probe> {
    (any::<u64>(), address(), milliseconds(limits::PROBE_TIMEOUT_MS))
        .prop_map(|(id, address, timeout)| Probe { id, address, timeout })
}

fn endpoints() -> impl Strategy<Value = Vec<Endpoint>> {
    let endpoint =
        ("[a-z-]{1,15}", select(vec![Transport::Udp, Transport::Tcp]), "[a-z0-9.:-]{1,253}", 1..=u16::MAX)
            .prop_map(|(name, protocol, address, port)| Endpoint { name, protocol, address, port });
    vec(endpoint, 0..=limits::ENDPOINTS_MAX)
}

fn fallback() -> impl Strategy<Value = Fallback> {
    (endpoints(), hashes())
        .prop_map(|(endpoints, certificate_hashes)| Fallback { endpoints, certificate_hashes })
}

fn move_to() -> impl Strategy<Value = MoveTo> {
    let deadline = milliseconds(limits::MOVE_DEADLINE_MS);
    (tenancy(), any::<u32>(), address(), endpoints(), hashes(), deadline).prop_map(
        |(mut tenancy, more, handover_address, endpoints, certificate_hashes, deadline)| {
            tenancy.epoch = tenancy.epoch.min(i64::MAX / 2);
            let next_epoch = tenancy.epoch + 1 + i64::from(more);
            MoveTo { tenancy, next_epoch, handover_address, endpoints, certificate_hashes, deadline }
        },
    )
}
