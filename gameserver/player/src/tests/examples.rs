//! Frames and datagrams, each with its bytes: the manual shows the same ones.

use std::time::Duration;

use super::secret;
use crate::{
    datagram::{Part, Snapshot},
    frame::{
        Credentials, Endpoint, Join, Joined, Place, Redirect, Refused, RefusedWhy, Role, ToPlayer, ToServer,
    },
};

pub(super) fn join() -> Join {
    Join {
        protocol: 1..=1,
        features: 0,
        room: "duel".into(),
        role: Role::Player,
        credentials: Credentials::Open("ann".into()),
        secret: secret(0xaa),
        first_input: 1,
    }
}

pub(super) fn place() -> Place {
    Place {
        endpoints: vec![Endpoint { address: "192.0.2.7".into(), port: 7777 }],
        certificate_hashes: vec![[0xbb; 32]],
    }
}

pub(super) fn joined() -> Joined {
    Joined {
        protocol: 1,
        features: 0,
        seat: 3,
        player: "ann".into(),
        epoch: (3 << 32) + 1,
        tick: 900,
        tick_rate: 30,
        input_ack: 0,
        fallbacks: Place::default(),
    }
}

pub(super) fn redirect() -> Redirect {
    Redirect {
        room: "u-1".into(),
        epoch: (3 << 32) + 2,
        place: place(),
        deadline: Duration::from_millis(500),
    }
}

const SECRET: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const HASH: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/// As in the manual, with its abbreviations.
pub(super) fn spelled_out(golden: &str) -> String {
    golden.replace("SECRET", SECRET).replace("HASH", HASH).replace(' ', "")
}

pub(super) fn to_server() -> Vec<(ToServer<'static>, &'static str)> {
    let ticket = Join {
        role: Role::Spectator,
        credentials: Credentials::Ticket("v4.public.x".into()),
        first_input: 70,
        ..join()
    };
    vec![
        (ToServer::Join(join()), "30 01 01 01 00 04 6475656c 00 00 03 616e6e SECRET 01"),
        (ToServer::Join(ticket), "39 01 01 01 00 04 6475656c 01 01 0b 76342e7075626c69632e78 SECRET 4046"),
        (ToServer::Message(b"hi"), "04 02 02 6869"),
        (ToServer::Leave, "01 03"),
        (ToServer::Numbered(5, b"hi"), "05 04 05 02 6869"),
    ]
}

pub(super) fn to_player() -> Vec<(ToPlayer<'static>, &'static str)> {
    let result = [("winner".to_owned(), "ann".to_owned())].into();
    vec![
        (ToPlayer::Joined(joined()), "16 11 01 00 03 03 616e6e 0000000300000001 4384 1e 00 00 00"),
        (
            ToPlayer::Refused(Refused { why: RefusedWhy::Full, message: "no seat".into() }),
            "0a 12 02 07 6e6f2073656174",
        ),
        (
            ToPlayer::Redirect(redirect()),
            "3d 13 03 752d31 0000000300000002 01 09 3139322e302e322e37 5e61 01 HASH 41f4",
        ),
        (ToPlayer::Fallbacks(place()), "2f 14 01 09 3139322e302e322e37 5e61 01 HASH"),
        (ToPlayer::Message(b"hi"), "04 15 02 6869"),
        (ToPlayer::Ended(result), "0d 16 01 06 77696e6e6572 03 616e6e"),
        (ToPlayer::Confirmed(5), "02 17 05"),
    ]
}

/// Acknowledged tick, number of the first, inputs.
pub(super) type InputExample = (u64, u64, &'static [&'static [u8]], &'static str);

pub(super) fn inputs() -> Vec<InputExample> {
    vec![(900, 7, &[b"\x01\x02", b"\x03"], "21 4384 07 02 02 0102 01 03"), (901, 9, &[], "21 4385 09 00")]
}

/// The snapshots behind these bodies are `hello world` after tick 901, and `hello, you!` after tick 903.
pub(super) fn snapshots() -> Vec<(Snapshot<'static>, &'static str)> {
    let full = Snapshot {
        tick: 901,
        distance: 0,
        input_ack: 8,
        part: Part::WHOLE,
        body: b"\x0b\x00\x0bhello world",
    };
    let delta = Snapshot { tick: 903, distance: 2, body: b"\x0b\x05\x06\x0c\x57\x16\x1d\x19\x45", ..full };
    let part = Part { index: 1, count: 2 };
    vec![
        (full, "31 4385 00 08 0b 00 0b 68656c6c6f20776f726c64"),
        (delta, "31 4387 02 08 0b 05 06 0c57161d1945"),
        (Snapshot { part, body: b"world", ..full }, "32 4385 00 08 01 02 776f726c64"),
    ]
}
