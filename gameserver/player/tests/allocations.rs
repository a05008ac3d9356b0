//! On the tick's path, nothing is allocated once it is warm. Alone in this binary, since every thread counts.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::{alloc::System, time::Duration};

use gamekeeper_player::{
    frame::{Credentials, Endpoint, Place, Role, Secret, ToServer},
    session::{
        client::{self, Happening, Identity},
        server::{self, Admitted},
    },
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const TICK: Duration = Duration::from_millis(33);

/// Both ends of a connection, and buffers between them.
struct Pair {
    client: client::Session,
    link: client::LinkId,
    server: server::Session,
    now: Duration,
    up: Vec<u8>,
    down: Vec<Vec<u8>>,
    inputs: u64,
    shown: u64,
}

impl Pair {
    fn playing() -> Self {
        let now = Duration::from_secs(1);
        let identity = Identity {
            room: "u-1".into(),
            role: Role::Player,
            credentials: Credentials::Open("ann".into()),
            secret: Secret([7; 32]),
        };
        let endpoints = vec![Endpoint { address: "server".into(), port: 7777 }];
        let mut client = client::Session::new(identity, Place { endpoints, ..Place::default() }, now);
        let Some(Happening::Connect { link, .. }) = client.poll() else { panic!("no attempt") };
        client.connected(link, now);
        let mut server = server::Session::new(now);
        server.on_stream(client.stream_output(link), now).unwrap();
        client.consumed(link, usize::MAX);
        assert!(matches!(server.poll(now), Ok(Some(server::Happening::Join(_)))));
        let admitted = Admitted {
            seat: 0,
            player: "ann".into(),
            epoch: 1,
            tick: 1,
            tick_rate: 30,
            input_ack: 0,
            message_ack: 0,
            fallbacks: Place::default(),
        };
        server.admit(admitted, now).unwrap();
        client.on_stream(link, server.stream_output(), now);
        server.consumed(usize::MAX);
        assert!(matches!(client.poll(), Some(Happening::Joined(_))));
        let down = (0..40).map(|_| Vec::with_capacity(1200)).collect();
        Self { client, link, server, now, up: Vec::with_capacity(1200), down, inputs: 0, shown: 0 }
    }

    fn tick(&mut self, tick: u64, state: &mut [u8]) {
        self.now += TICK;
        let (now, link) = (self.now, self.link);
        self.client.input(&tick.to_be_bytes()).unwrap();
        if self.client.datagram(1200, now, &mut self.up).is_some() {
            let inputs = &mut self.inputs;
            self.server.on_datagram(&self.up, now, |_, _| *inputs += 1).unwrap();
        }
        assert_eq!(self.server.poll(now), Ok(None));
        for byte in state.iter_mut().step_by(97) {
            *byte = byte.wrapping_add(1);
        }
        // One in seven is lost, so that baselines and inputs stay for longer.
        let (mut count, down) = (0, &mut self.down);
        self.server
            .snapshot(tick, state, 1200, now, |datagram| {
                down[count].clear();
                down[count].extend_from_slice(datagram);
                count += 1;
            })
            .unwrap();
        for datagram in self.down.iter().take(count).filter(|_| !tick.is_multiple_of(7)) {
            if let Some(shown) = self.client.on_datagram(link, datagram, now) {
                assert_eq!(shown.state, state);
                self.shown += 1;
            }
        }
        self.server.on_timeout(now).unwrap();
        self.client.on_timeout(now);
    }
}

#[test]
fn a_tick_allocates_nothing_once_warm() {
    let mut pair = Pair::playing();
    // A state that takes some datagrams, and one message before it gets warm.
    let mut state = vec![0; 4000];
    let mut bytes = Vec::new();
    ToServer::Message(b"hi").encode(&mut bytes);
    pair.server.on_stream(&bytes, pair.now).unwrap();
    assert!(pair.server.poll(pair.now).unwrap().is_some());
    (1..=200).for_each(|tick| pair.tick(tick, &mut state));
    let (inputs, shown) = (pair.inputs, pair.shown);
    let region = Region::new(ALLOCATOR);
    (201..=1200).for_each(|tick| pair.tick(tick, &mut state));
    let change = region.change();
    assert_eq!((change.allocations, change.reallocations), (0, 0));
    assert_eq!((pair.inputs - inputs, pair.shown - shown), (1000, 857));
}
