//! Copies that go straight from one server to another, over real QUIC, and rooms that go on from them.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use gamekeeper_client::{
    Credentials, Event, Player, SERVER_NAME, Stay, certificate_hash, endpoint, pinned_tls, place,
};
use gamekeeper_control::{
    Feature, Mirror, RefusedWhy, StandingBy, ToOperator, ToServer, Token, limits::TOKEN_BYTES, proto,
};
use gamekeeper_server::State;
use gamekeeper_store::envelope;
use quinn::{
    ClientConfig, Connection, ConnectionError, Endpoint, RecvStream, ServerConfig,
    crypto::rustls::QuicServerConfig,
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, sleep};

use crate::support::{Operator, Redis, TestServer, close, loopback, open, soon, tenancy};

const ALPN: &[u8] = b"gamekeeper-standby/1";

const INTERVAL: Duration = Duration::from_millis(30);

/// Within which a copy counts as fresh, and a little more.
const STALE: Duration = Duration::from_millis(1000 + 3 * 30 + 50);

/// A copy that nobody renews.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(10);

const TOKEN: Token = Token([7; TOKEN_BYTES]);

struct Fleet {
    redis: Redis,
    one: TestServer,
    first: Operator,
    two: TestServer,
    second: Operator,
}

async fn server(redis: &Redis, checkpoint_interval: Duration) -> (TestServer, Operator) {
    let state = State {
        url: redis.url(),
        checkpoint_interval,
        // Longer than any of these tests: no operator echoes all the time.
        fence_after: Duration::from_mins(1),
    };
    let server = TestServer::start(|it| {
        // Slow enough for a busy machine to send a copy of every tick.
        it.capacity(4).tick_rate(20).players_address(loopback()).state(Some(state))
    })
    .await;
    let (operator, welcome) = Operator::greet(server.address, 1).await;
    assert!(welcome.features.contains(&Feature::Standby), "{welcome:?}");
    (server, operator)
}

/// Two servers, the second of which stands by for the first.
async fn fleet() -> Fleet {
    fleet_with(INTERVAL).await
}

async fn fleet_with(interval: Duration) -> Fleet {
    let redis = Redis::start(&[]).await;
    let ((one, first), (two, mut second)) = (server(&redis, interval).await, server(&redis, interval).await);
    let StandingBy { certificate_hashes, port } = stand_by(&mut second, &[TOKEN]).await;
    assert_eq!((&certificate_hashes, port), (&two.hashes, two.players.unwrap().port()));
    mirror(&first, &two, TOKEN).await;
    until("the standby is reached", || one.standing.is_mirrored()).await;
    Fleet { redis, one, first, two, second }
}

async fn stand_by(operator: &mut Operator, tokens: &[Token]) -> StandingBy {
    operator.say(ToServer::StandBy(tokens.to_vec())).await;
    let answer = |it: &ToOperator| if let ToOperator::StandingBy(it) = it { Some(it.clone()) } else { None };
    operator.until("an answer to StandBy", answer).await
}

async fn mirror(operator: &Operator, to: &TestServer, token: Token) {
    let (address, certificate_hashes) = (to.players.unwrap(), to.hashes.clone());
    operator.say(ToServer::Mirror(Some(Mirror { address, certificate_hashes, token }))).await;
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    soon(what, async {
        while !is_so() {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

fn restore(name: &str, epoch: i64, restore: proto::Restore) -> ToServer {
    let (tenancy, restore) = (Some(tenancy(name, epoch).into()), Some(restore));
    let open = proto::Open { tenancy, seats: 3, restore, ..Default::default() };
    ToServer::Open(open.try_into().expect("a good Open"))
}

/// Opens a new room, under epoch 5.
async fn begin(operator: &mut Operator, name: &str) {
    operator.say(open(name, 5)).await;
    assert_eq!(outcome(operator, name).await, Ok(()));
}

/// The owner under this epoch has ended for certain.
fn ended(epoch: i64) -> proto::Restore {
    proto::Restore { ended_epoch: epoch, ..Default::default() }
}

/// What became of the Open of a room.
async fn outcome(operator: &mut Operator, name: &str) -> Result<(), RefusedWhy> {
    let outcome = |it: &ToOperator| match it {
        ToOperator::Opened(it) if it.tenancy.name == name => Some(Ok(())),
        ToOperator::Refused(it) if it.tenancy.name == name => Some(Err(it.why)),
        _ => None,
    };
    operator.until("an answer to Open", outcome).await
}

fn come(server: &TestServer, stay: &Stay) -> Player {
    let place = place(&[server.players.unwrap()], &server.hashes).unwrap();
    Player::join(endpoint().unwrap(), stay.clone(), place)
}

/// The next thing shown that has so many inputs.
async fn shown(player: &mut Player, inputs: usize) -> String {
    let found = async {
        loop {
            let event = player.next().await;
            assert!(!matches!(event, Event::Refused(_)), "{event:?}");
            let text = String::from_utf8_lossy(player.shown()).into_owned();
            if matches!(event, Event::Shown { .. }) && text.split(' ').nth(1) == Some(&inputs.to_string()) {
                return text;
            }
        }
    };
    soon(&format!("{inputs} inputs"), found).await
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_with_a_standby_a_match_goes_on_from_the_last_tick_and_needs_no_store() {
    // Checkpoints are rare: it is the copies that count.
    let fleet = fleet_with(Duration::from_secs(3)).await;
    let Fleet { mut redis, one, mut first, two, mut second } = fleet;
    begin(&mut first, "duel").await;
    let ann = Stay::new("duel", Credentials::Open("ann".to_owned()));
    let mut ann_here = come(&one, &ann);
    shown(&mut ann_here, 0).await;
    ann_here.input(b"left").unwrap();
    shown(&mut ann_here, 1).await;
    one.ticks("duel", 10).await;
    let last = one.crash("duel").await;
    redis.kill();

    second.say(restore("duel", 9, ended(5))).await;
    assert_eq!(outcome(&mut second, "duel").await, Ok(()));
    let restored = two.games.restored()[0];
    assert!(last - restored <= 2, "{last} ticks were played, and it goes on after {restored}");
    let seen = shown(&mut come(&two, &ann), 1).await;
    assert!(seen.starts_with("0 ") && seen.ends_with("0:left"), "{seen}");

    // The store hears of it when it is there again, and takes nothing from earlier owners.
    redis.restart().await;
    let epoch = || redis.cli(&["HGET", "gamekeeper:{uid-of-duel}", "epoch"]);
    until("the room is taken in the store", || epoch() == "9").await;
    assert!(two.rooms.by_name("duel").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn i7_a_copy_stands_for_the_store_only_when_its_owner_has_ended_for_certain() {
    let Fleet { mut redis, one, mut first, two, mut second } = fleet().await;
    for room in ["living", "unknown", "another", "ended"] {
        begin(&mut first, room).await;
    }
    until("copies of all", || two.standing.copies() == 4).await;
    one.crash("ended").await;
    redis.kill();
    let fence = proto::Restore { fence: true, ..ended(5) };
    for (room, how) in [("living", fence), ("unknown", ended(0)), ("another", ended(4)), ("ended", ended(5))]
    {
        second.say(restore(room, 9, how)).await;
    }
    assert_eq!(outcome(&mut second, "ended").await, Ok(()));
    let mut refused = Vec::new();
    for _ in 0..3 {
        let why = |it: &ToOperator| match it {
            ToOperator::Refused(it) => Some((it.tenancy.name.clone(), it.why)),
            ToOperator::Opened(opened) => panic!("{opened:?}"),
            _ => None,
        };
        refused.push(second.until("a refusal", why).await);
    }
    refused.sort_by(|one, other| one.0.cmp(&other.0));
    let expected = ["another", "living", "unknown"].map(|it| (it.to_owned(), RefusedWhy::Checkpoint));
    assert_eq!(refused, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn i7_a_copy_of_an_owner_that_may_be_well_is_nothing_without_the_take() {
    let Fleet { mut redis, one, mut first, two, mut second } = fleet().await;
    begin(&mut first, "duel").await;
    until("a copy", || two.standing.copies() == 1).await;
    let if_silent = |epoch| proto::Restore { owner_silent_ms: 1000, ..ended(epoch) };
    second.say(restore("duel", 9, if_silent(5))).await;
    assert_eq!(outcome(&mut second, "duel").await, Err(RefusedWhy::OwnerAlive));
    redis.kill();
    second.say(restore("duel", 10, if_silent(5))).await;
    assert_eq!(outcome(&mut second, "duel").await, Err(RefusedWhy::Checkpoint), "nobody can tell");
    assert!(two.games.restored().is_empty());
    drop(one);
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_a_stale_copy_is_not_gone_on_with() {
    let Fleet { redis, one, mut first, two, mut second } = fleet().await;
    begin(&mut first, "duel").await;
    until("a copy", || two.standing.copies() == 1).await;
    first.say(ToServer::Mirror(None)).await;
    until("no copies any more", || !one.standing.is_mirrored()).await;
    let stale = one.room("duel").tick().0;
    sleep(STALE).await;
    one.crash("duel").await;
    second.say(restore("duel", 9, ended(5))).await;
    assert_eq!(outcome(&mut second, "duel").await, Ok(()));
    let restored = two.games.restored()[0];
    assert!(stale + 10 < restored, "from the store: {restored}, and the copy was of {stale}");
    drop(redis);
}

#[tokio::test(flavor = "multi_thread")]
async fn i7_an_owner_that_may_live_is_waited_for_and_then_the_newest_counts() {
    let Fleet { redis, one, mut first, two, second } = fleet().await;
    begin(&mut first, "duel").await;
    until("a copy", || two.standing.copies() == 1).await;
    // The store's checkpoint gets old, and copies go on.
    redis.signal("STOP");
    let before = one.room("duel").tick().0;
    one.ticks("duel", 20).await;
    let last = one.crash("duel").await;
    redis.signal("CONT");
    second.say(restore("duel", 9, proto::Restore { fence: true, ..Default::default() })).await;
    until("it was restored", || !two.games.restored().is_empty()).await;
    let restored = two.games.restored()[0];
    assert!(
        last - restored <= 2,
        "{before} is in the store, {last} was the last, {restored} is gone on with"
    );
    assert_eq!(redis.cli(&["HGET", "gamekeeper:{uid-of-duel}", "epoch"]), "9", "the store was asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_is_closed_leaves_no_copy() {
    let Fleet { redis: _redis, one: _one, mut first, two, second: _second } = fleet().await;
    begin(&mut first, "duel").await;
    begin(&mut first, "other").await;
    until("copies", || two.standing.copies() == 2).await;
    let closed = Instant::now();
    first.say(close("duel", 5)).await;
    until("one copy", || two.standing.copies() == 1).await;
    assert!(closed.elapsed() < FORGOTTEN_AFTER, "it was told so, and did not just forget");
}

#[tokio::test(flavor = "multi_thread")]
async fn p8_without_the_right_token_nothing_is_taken_or_answered() {
    let Fleet { redis: _redis, one, first, two, mut second } = fleet().await;
    let address = two.players.unwrap();
    for token in [[8; TOKEN_BYTES].as_slice(), &[7; 5], &[8; 5000], &[]] {
        let closed = show(address, &two.hashes, token).await;
        assert!(matches!(closed, ConnectionError::ApplicationClosed(_)), "{closed:?}");
    }
    assert!(one.standing.is_mirrored(), "the right one is not disturbed");
    // Another token takes the place of the first, for connections that are there, too.
    let other = Token([9; TOKEN_BYTES]);
    stand_by(&mut second, &[other]).await;
    until("the connection is closed", || !one.standing.is_mirrored()).await;
    mirror(&first, &two, other).await;
    until("the standby is reached again", || one.standing.is_mirrored()).await;
    stand_by(&mut second, &[]).await;
    until("nobody is stood by for", || !one.standing.is_mirrored()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_with_another_certificate_is_not_trusted() {
    let Fleet { redis: _redis, one, first, two, second: _second } = fleet().await;
    let (address, certificate_hashes) = (two.players.unwrap(), vec![format!("sha256:{}", "0".repeat(64))]);
    first.say(ToServer::Mirror(Some(Mirror { address, certificate_hashes, token: TOKEN }))).await;
    until("it is not reached", || !one.standing.is_mirrored()).await;
    sleep(Duration::from_millis(500)).await;
    assert!(!one.standing.is_mirrored());
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_a_path_that_is_too_slow_gets_fewer_copies_and_never_old_ones() {
    let redis = Redis::start(&[]).await;
    // Checkpoints are rare: it is the copies that count.
    let (one, mut first) = server(&redis, Duration::from_secs(3)).await;
    let slow = SlowStandby::start();
    first.say(ToServer::Mirror(Some(slow.mirror()))).await;
    begin(&mut first, "duel").await;
    let connection = slow.connection().await;
    let copy = || async { soon("a copy", connection.accept_bi()).await.unwrap() };
    let (mut answer, mut parcel) = copy().await;
    one.ticks("duel", 30).await;
    let another = tokio::time::timeout(Duration::from_millis(100), connection.accept_bi()).await;
    assert!(another.is_err(), "one is under way, and nothing else");
    assert!(tick_of(&mut parcel).await < 10);
    let now = one.room("duel").tick().0;
    answer.write_all(&[1]).await.unwrap();
    let (mut answer, mut parcel) = copy().await;
    let first = tick_of(&mut parcel).await;
    assert!(now <= first, "it was taken when the path was free");
    // And on a fast one nearly every tick is copied.
    let mut last = first;
    for _ in 0..20 {
        answer.write_all(&[1]).await.unwrap();
        (answer, parcel) = copy().await;
        last = tick_of(&mut parcel).await;
    }
    assert!(last - first <= 40, "20 copies in {} ticks", last - first);
}

async fn tick_of(parcel: &mut RecvStream) -> u64 {
    let bytes = soon("the whole copy", parcel.read_to_end(1_000_000)).await.unwrap();
    envelope::label(&bytes[1..]).unwrap().tick.0
}

/// A standby that takes copies when the test does.
struct SlowStandby {
    endpoint: Endpoint,
    hash: String,
}

impl SlowStandby {
    fn start() -> Self {
        let made = rcgen::generate_simple_self_signed(["gamekeeper.invalid".to_owned()]).unwrap();
        let hash = Sha256::digest(made.cert.der())
            .iter()
            .fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"));
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()).into();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        tls.alpn_protocols = vec![ALPN.to_vec()];
        let config = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).unwrap()));
        Self { endpoint: Endpoint::server(config, loopback()).unwrap(), hash }
    }

    fn mirror(&self) -> Mirror {
        let address = self.endpoint.local_addr().unwrap();
        Mirror { address, certificate_hashes: vec![self.hash.clone()], token: TOKEN }
    }

    /// With a server whose token was accepted.
    async fn connection(&self) -> Connection {
        let incoming = soon("a server", self.endpoint.accept()).await.unwrap();
        let connection = incoming.await.unwrap();
        let (mut answer, mut stream) = connection.accept_bi().await.unwrap();
        let mut token = [0; TOKEN_BYTES];
        stream.read_exact(&mut token).await.unwrap();
        assert_eq!(token, TOKEN.0);
        answer.write_all(&[1]).await.unwrap();
        connection
    }
}

/// How a connection ends that shows this.
async fn show(address: SocketAddr, hashes: &[String], token: &[u8]) -> ConnectionError {
    let hashes: Vec<_> = hashes.iter().map(|it| certificate_hash(it).unwrap()).collect();
    let config = ClientConfig::new(Arc::new(pinned_tls(&hashes, ALPN).unwrap()));
    let endpoint = endpoint().unwrap();
    let connection = endpoint.connect_with(config, address, SERVER_NAME).unwrap().await.unwrap();
    let (mut stream, mut answer) = connection.open_bi().await.unwrap();
    let _ = stream.write_all(token).await;
    let _ = stream.finish();
    soon("the end of a connection", connection.closed()).await;
    assert!(answer.read_exact(&mut [0]).await.is_err(), "it was answered");
    connection.close_reason().unwrap()
}
