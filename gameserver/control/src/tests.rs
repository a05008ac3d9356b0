//! What holds for all messages.

mod arbitrary_bytes;
mod contract;
mod generate;
mod golden;
mod largest;
mod limits;
mod negotiation;
mod numbers;
mod round_trips;
mod unknown;

use crate::Tenancy;

fn tenancy() -> Tenancy {
    Tenancy { namespace: "games".into(), name: "duel".into(), uid: "u-1".into(), epoch: (3 << 32) + 1 }
}
