//! The program itself, with an operator and players on loopback.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

use std::{
    net::{Ipv4Addr, SocketAddr},
    process::Stdio,
    time::Duration,
};

use gamekeeper_control::{
    Hello, PROTOCOL, ToOperator, ToServer, Welcome,
    proto::{self, control_client::ControlClient},
};
use tokio::{
    net::{TcpListener, UdpSocket},
    process::{Child, Command},
    sync::mpsc,
    time::{Instant, sleep, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Streaming, transport::Endpoint};

/// Everything that is awaited comes within this time, on a busy machine too, or never.
const PATIENCE: Duration = Duration::from_secs(20);

/// The program, killed when it is dropped.
struct Program {
    child: Child,
    control: SocketAddr,
    game: SocketAddr,
}

struct Operator {
    requests: mpsc::Sender<proto::OperatorMessage>,
    answers: Streaming<proto::ServerMessage>,
}

impl Program {
    async fn start(arguments: &[&str]) -> Self {
        let local = (Ipv4Addr::LOCALHOST, 0);
        // Free a moment ago.
        let control = TcpListener::bind(local).await.unwrap().local_addr().unwrap();
        let game = UdpSocket::bind(local).await.unwrap().local_addr().unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_countdown"))
            .args(["--control-port", &control.port().to_string(), "--game-port", &game.port().to_string()])
            .args(arguments)
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the program starts");
        Self { child, control, game }
    }

    async fn greet(&self) -> (Operator, Welcome) {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.control)).unwrap();
        let deadline = Instant::now() + PATIENCE;
        let channel = loop {
            match endpoint.connect().await {
                Ok(channel) => break channel,
                Err(error) if deadline < Instant::now() => panic!("cannot connect: {error}"),
                Err(_) => sleep(Duration::from_millis(20)).await,
            }
        };
        let (requests, outgoing) = mpsc::channel(16);
        let (protocol, heartbeat) = (PROTOCOL..=PROTOCOL, Duration::from_millis(50));
        let hello = Hello { term: 1, identity: "a test".to_owned(), protocol, heartbeat };
        requests.send(ToServer::Hello(hello).into()).await.unwrap();
        let answers = ControlClient::new(channel).attach(ReceiverStream::new(outgoing)).await.unwrap();
        let mut operator = Operator { requests, answers: answers.into_inner() };
        let welcome = |it: ToOperator| if let ToOperator::Welcome(it) = it { Some(it) } else { None };
        let welcome = operator.until("a welcome", welcome).await;
        (operator, welcome)
    }

    async fn exit_code(&mut self) -> Option<i32> {
        timeout(PATIENCE, self.child.wait()).await.expect("the program ends").unwrap().code()
    }

    async fn player(&self) -> UdpSocket {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        socket.connect(self.game).await.unwrap();
        socket
    }
}

impl Operator {
    async fn until<T>(&mut self, what: &str, pick: impl Fn(ToOperator) -> Option<T>) -> T {
        let found = async {
            loop {
                let message = self.answers.message().await.expect("a good stream").expect("no end");
                if let Some(found) = ToOperator::parse(message).expect("a good message").and_then(&pick) {
                    return found;
                }
            }
        };
        timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("never came: {what}"))
    }

    async fn open(&mut self, name: &str, parameters: &[(&str, &str)]) {
        let tenancy = tenancy(name);
        let parameters =
            parameters.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let open = proto::Open { tenancy: Some(tenancy), seats: 1, parameters, ..proto::Open::default() };
        let message = Some(proto::operator_message::Message::Open(open));
        self.requests.send(proto::OperatorMessage { message }).await.unwrap();
        self.until("Opened", |it| matches!(it, ToOperator::Opened(_)).then_some(())).await;
    }
}

fn tenancy(name: &str) -> proto::Tenancy {
    proto::Tenancy {
        namespace: "games".to_owned(),
        name: name.to_owned(),
        uid: format!("uid-of-{name}"),
        epoch: 7,
    }
}

/// Says something until there is an answer: packets get lost.
async fn ask(player: &UdpSocket, packet: &str) -> String {
    let mut buffer = [0; 512];
    for _ in 0..100 {
        player.send(packet.as_bytes()).await.unwrap();
        if let Ok(length) = timeout(Duration::from_millis(200), player.recv(&mut buffer)).await {
            return String::from_utf8_lossy(&buffer[..length.unwrap()]).into_owned();
        }
    }
    panic!("no answer to {packet}");
}

#[tokio::test]
async fn a_match_is_played_to_its_end() {
    let mut program = Program::start(&["--capacity", "3"]).await;
    let (mut operator, welcome) = program.greet().await;
    assert_eq!(welcome.capacity, 3);
    operator.open("duel", &[("result", "ann won")]).await;
    let (ann, ben) = (program.player().await, program.player().await);
    for player in [&ann, &ben] {
        let answer = ask(player, "duel hello\n").await;
        let words: Vec<&str> = answer.split(' ').collect();
        assert_eq!(words[..3], ["duel", &welcome.boot_id, "7"], "with a seat and without");
        assert!(words[3].parse::<u64>().is_ok(), "{answer}");
    }
    let playing = |it: ToOperator| if let ToOperator::RoomState(it) = it { Some(it.players) } else { None };
    assert_eq!(operator.until("a player", playing).await, 1);
    ben.send(b"duel end\n").await.unwrap();
    let result =
        |it: ToOperator| if let ToOperator::Finished { result, .. } = it { Some(result) } else { None };
    let result = operator.until("a result", result).await;
    assert_eq!(result["result"], "ann won");
    assert!(result["ticks"].parse::<u64>().is_ok());

    let close = proto::Close { tenancy: Some(tenancy("duel")), why: proto::close::Why::Finished.into() };
    let message = Some(proto::operator_message::Message::Close(close));
    operator.requests.send(proto::OperatorMessage { message }).await.unwrap();
    operator.until("Closed", |it| matches!(it, ToOperator::Closed(_)).then_some(())).await;
    let process = program.child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &process]).status().await.unwrap().success());
    assert_eq!(program.exit_code().await, Some(0));
}

#[tokio::test]
async fn a_player_crashes_the_process() {
    let mut program = Program::start(&[]).await;
    let (mut operator, _) = program.greet().await;
    operator.open("duel", &[]).await;
    let player = program.player().await;
    player.send(b"other crash\n").await.unwrap();
    ask(&player, "duel hello\n").await;
    player.send(b"duel crash\n").await.unwrap();
    assert_eq!(program.exit_code().await, Some(3));
}

#[tokio::test]
async fn a_server_that_hangs_still_answers_its_players() {
    let program = Program::start(&["--hang-after", "0.5"]).await;
    let (mut operator, _) = program.greet().await;
    operator.open("duel", &[]).await;
    let player = program.player().await;
    let mut last = String::new();
    // The tick stands still.
    for _ in 0..200 {
        let answer = ask(&player, "duel hello\n").await;
        if answer == last {
            break;
        }
        last = answer;
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(ask(&player, "duel hello\n").await, last);
    let silence = async {
        let mut silent = false;
        while !silent {
            silent = timeout(Duration::from_secs(1), operator.answers.message()).await.is_err();
        }
    };
    timeout(PATIENCE, silence).await.expect("the beats stop");
}
