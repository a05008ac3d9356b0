//! Hosts, tested by tables and by histories.

mod cases;
mod histories;
mod simulation;

use super::*;
use crate::{Epoch, Phase, RoomNow, Tenancy, Tick};

/// A tenancy of the room `name`. Its uid is its name's, so that a name is enough in tests.
fn tenancy(name: &str, epoch: i64) -> Tenancy {
    Tenancy {
        namespace: "games".to_owned(),
        name: name.to_owned(),
        uid: format!("uid-of-{name}"),
        epoch: Epoch(epoch),
    }
}

fn order(name: &str, epoch: i64) -> Order {
    Order { tenancy: tenancy(name, epoch), seats: None, parameters: [].into(), restore: None }
}

/// A room that ticks.
fn state(phase: Phase, players: u32) -> RoomNow {
    RoomNow { phase, players, ending: None }
}

/// A room whose match is over.
fn over(players: u32, winner: &str) -> RoomNow {
    let ending = crate::Ending::new([("winner", winner)]).unwrap();
    RoomNow { phase: Phase::Finished, players, ending: Some(ending.into()) }
}
