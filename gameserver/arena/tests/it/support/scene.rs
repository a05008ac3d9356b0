//! Fifty bots in four rooms of one server, and what must be true of them in the end.

use gamekeeper_player::ticket::SecretKey;
use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard};

use super::{
    bots::{Bots, Room},
    operator::{Operator, uid},
    server::Server,
};
use crate::tickets;

/// Bots of a scene.
pub(crate) const BOTS: usize = 50;

/// Rooms, and the bots of each.
const ROOMS: [(&str, usize); 4] = [("north", 13), ("east", 13), ("south", 12), ("west", 12)];

/// Of a room: some more than bots, for attackers to take.
const SEATS: u32 = 18;

/// One scene at a time: each loads the whole machine.
static STAGE: Mutex<()> = Mutex::const_new(());

/// A match in each of the rooms, with all bots in their seats.
pub(crate) struct Scene {
    pub(crate) server: Server,
    pub(crate) operator: Operator,
    bots: Bots,
    _stage: MutexGuard<'static, ()>,
}

impl Scene {
    /// Where everybody may play, matches of so many seconds.
    pub(crate) async fn open(seconds: u32) -> Self {
        Self::begin(seconds, &[], |_, _| Vec::new()).await
    }

    /// Where one plays by ticket, and so do the bots.
    pub(crate) async fn with_tickets(seconds: u32, key: &SecretKey) -> Self {
        let public = key.public().unwrap().to_string();
        let arguments = ["--admission", "Ticket", "--ticket-key", &public];
        Self::begin(seconds, &arguments, |room, bots| {
            let name = |it| format!("bot-{it}");
            (0..bots).map(|it| tickets::good(&uid(room), &name(it)).issue(key).unwrap()).collect()
        })
        .await
    }

    /// By what players know the server.
    pub(crate) async fn hashes(&self) -> Vec<String> {
        let told = self.operator.until("a room", |it| !it.opened.is_empty()).await;
        told.opened.into_values().next().unwrap_or_default()
    }

    async fn begin(seconds: u32, arguments: &[&str], tickets: impl Fn(&str, usize) -> Vec<String>) -> Self {
        let stage = STAGE.lock().await;
        let server = Server::start(arguments).await;
        let operator = Operator::greet(server.control).await;
        let (mut hashes, mut rooms) = (Vec::new(), Vec::new());
        for (name, bots) in ROOMS {
            hashes = operator.open(name, SEATS, seconds).await;
            rooms.push(Room { name: name.to_owned(), bots, tickets: tickets(name, bots) });
        }
        let bots = Bots::start(server.players, &hashes, &rooms).await;
        let all = |players: u32| usize::try_from(players).is_ok_and(|it| it == BOTS);
        operator.until("all bots in their seats", |it| all(it.players.values().sum())).await;
        Self { server, operator, bots, _stage: stage }
    }

    /// Waits for the end of all matches: nobody was disturbed, and the server stops as it should.
    pub(crate) async fn close(self, what: &str) {
        let Self { server, operator, bots, _stage } = self;
        let played = bots.played().await;
        let number = |it: &Value, field: &str| it[field].as_u64().unwrap_or_default();
        let most = |field| played.iter().map(|it| number(it, field)).max().unwrap_or_default();
        let round_trips = played.iter().flat_map(|it| it["rtt_ms"].as_array().cloned().unwrap_or_default());
        let slowest = round_trips.filter_map(|it| it.as_f64()).fold(0.0, f64::max);
        let sum = |field| played.iter().map(|it| number(it, field)).sum::<u64>();
        println!(
            "{what}: {} bots, ticks {}, gaps {}, longest {}, packets lost {}, slowest round trip {slowest} ms",
            played.len(),
            sum("ticks"),
            sum("gaps"),
            most("max_gap_ticks"),
            sum("packets_lost"),
        );
        let is_well =
            |it: &Value| it["verified"] == true && it["ended"] == true && number(it, "disconnects") == 0;
        let ill: Vec<_> = played.iter().filter(|it| !is_well(it)).collect();
        assert!(ill.is_empty(), "{what}: {ill:#?}");
        assert_eq!(played.len(), BOTS, "{what}");
        // Not before: who was cut off for a moment may ask how it ended.
        operator.close(&ROOMS.map(|it| it.0)).await;
        server.stop().await;
    }
}
