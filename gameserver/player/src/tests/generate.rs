//! All frames there may be.

use std::time::Duration;

use proptest::{collection::vec, prelude::*};

use crate::{
    frame::{Credentials, Endpoint, Join, Joined, Place, Redirect, Refused, RefusedWhy, Role, Secret},
    limits, varint,
};

fn number() -> impl Strategy<Value = u64> {
    (0..62u32, 0..=varint::MAX).prop_map(|(bits, it)| it >> bits)
}

fn name() -> impl Strategy<Value = String> {
    "[a-zäöü0-9-]{1,60}"
}

pub(super) fn join() -> impl Strategy<Value = Join> {
    let credentials = prop_oneof![name().prop_map(Credentials::Open), name().prop_map(Credentials::Ticket)];
    let role = prop_oneof![Just(Role::Player), Just(Role::Spectator)];
    (number(), number(), number(), name(), role, credentials, any::<[u8; 32]>(), 1..=varint::MAX).prop_map(
        |(min, max, features, room, role, credentials, secret, first_input)| Join {
            protocol: min..=max,
            features,
            room,
            role,
            credentials,
            secret: Secret(secret),
            first_input,
        },
    )
}

pub(super) fn place() -> impl Strategy<Value = Place> {
    let endpoint = (name(), any::<u16>()).prop_map(|(address, port)| Endpoint { address, port });
    (vec(endpoint, 1..=limits::ENDPOINTS_MAX), vec(any::<[u8; 32]>(), 0..=limits::CERTIFICATE_HASHES_MAX))
        .prop_map(|(endpoints, certificate_hashes)| Place { endpoints, certificate_hashes })
}

pub(super) fn joined() -> impl Strategy<Value = Joined> {
    let numbers = (number(), number(), any::<u32>(), any::<u64>(), number(), any::<u32>(), number());
    (numbers, name(), place()).prop_map(
        |((protocol, features, seat, epoch, tick, tick_rate, input_ack), player, fallbacks)| Joined {
            protocol,
            features,
            seat,
            player,
            epoch,
            tick,
            tick_rate,
            input_ack,
            fallbacks,
        },
    )
}

pub(super) fn redirect() -> impl Strategy<Value = Redirect> {
    (name(), any::<u64>(), place(), 0..=60_000u64).prop_map(|(room, epoch, place, deadline)| Redirect {
        room,
        epoch,
        place,
        deadline: Duration::from_millis(deadline),
    })
}

pub(super) fn refused() -> impl Strategy<Value = Refused> {
    (number(), ".{0,50}").prop_map(|(why, message)| Refused { why: RefusedWhy::from_code(why), message })
}
