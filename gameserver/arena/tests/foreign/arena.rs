//! `arena server` and `arena ticket`, as somebody runs them who has only the program.

use std::{
    fs::File,
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    path::PathBuf,
    process::Command,
};

use tokio::{
    process::Child,
    time::{Duration, sleep},
};

use crate::soon;

const PROGRAM: &str = env!("CARGO_BIN_EXE_arena");

/// What the server says, which is shown if a test fails.
const LOG: &str = "server.log";

/// A server that asks for tickets. It ends with the test.
pub(crate) struct Arena {
    pub(crate) control: SocketAddr,
    pub(crate) game: SocketAddr,
    /// For keys and tickets.
    pub(crate) folder: PathBuf,
    _server: Child,
}

impl Arena {
    pub(crate) async fn with_tickets() -> Self {
        let (control, game) = free_ports();
        let folder =
            std::env::temp_dir().join(format!("gamekeeper-foreign-{}-{}", std::process::id(), game.port()));
        std::fs::create_dir_all(&folder).unwrap();
        let [secret, public] = ["secret", "public"].map(|it| folder.join(it).to_str().unwrap().to_owned());
        run(&["keys", "--secret", &secret, "--public", &public]);
        let mut server = tokio::process::Command::new(PROGRAM);
        server.args(["server", "--admission", "Ticket"]);
        server.args(["--control-port", &control.port().to_string(), "--game-port", &game.port().to_string()]);
        server.env("GAMEKEEPER_TICKET_KEY", std::fs::read_to_string(&public).unwrap().trim());
        let server = server
            .stderr(File::create(folder.join(LOG)).unwrap())
            .kill_on_drop(true)
            .spawn()
            .expect("arena can be run");
        soon("the control port", async {
            while tokio::net::TcpStream::connect(control).await.is_err() {
                sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        Self { control, game, folder, _server: server }
    }

    pub(crate) fn ticket(&self, room: &str, player: &str) -> String {
        let secret = self.folder.join("secret");
        run(&["ticket", "--secret", secret.to_str().unwrap(), "--room", room, "--player", player])
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", std::fs::read_to_string(self.folder.join(LOG)).unwrap_or_default());
        }
        // What is left in a temporary folder harms nobody.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Free a moment ago, at least: the program cannot say which ones it chose.
fn free_ports() -> (SocketAddr, SocketAddr) {
    let control = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let game = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    (control.local_addr().unwrap(), game.local_addr().unwrap())
}

fn run(arguments: &[&str]) -> String {
    let output = Command::new(PROGRAM).args(arguments).output().expect("arena can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
