//! The bot, and a Python that has what it needs: the one of `GAMEKEEPER_PYTHON`, or a virtual environment that is made once, from the
//! bot's `requirements.txt`, in the folder where everything is kept that is built for tests.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{PLAYS_SECONDS, arena::Arena};

const REQUIREMENTS: &str = include_str!("../../../../e2e/foreign/player-bot/requirements.txt");

pub(crate) struct Python(PathBuf);

/// How it went.
pub(crate) struct Played {
    pub(crate) success: bool,
    pub(crate) report: Value,
    pub(crate) stderr: String,
}

impl Python {
    pub(crate) fn ready() -> Self {
        let python = match env::var_os("GAMEKEEPER_PYTHON") {
            Some(python) => PathBuf::from(python),
            None => environment(),
        };
        run(Command::new(&python).args(["-c", "import asyncio, aioquic; asyncio.timeout"]));
        Self(python)
    }

    pub(crate) async fn play(&self, arena: &Arena, certificate: &str, ticket: &str, more: &[&str]) -> Played {
        let name = hex(ticket.as_bytes());
        let file = arena.folder.join(name.get(..16).unwrap_or_default());
        fs::write(&file, ticket).unwrap();
        let mut bot = tokio::process::Command::new(&self.0);
        bot.current_dir(folder()).arg("bot.py").args([
            "--room",
            "uid-1",
            "--connect",
            &arena.game.to_string(),
        ]);
        bot.args(["--certificate", certificate, "--seconds", PLAYS_SECONDS])
            .arg("--ticket-file")
            .arg(file)
            .args(more);
        let output =
            bot.env("PYTHONDONTWRITEBYTECODE", "1").kill_on_drop(true).output().await.expect("a Python");
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let report = stdout.lines().last().and_then(|it| serde_json::from_str(it).ok());
        Played {
            success: output.status.success(),
            report: report.unwrap_or_else(|| panic!("the bot said nothing: {stdout}{stderr}")),
            stderr: stderr.into_owned(),
        }
    }

    /// Its unit tests.
    pub(crate) fn test(&self) {
        run(Command::new(&self.0).current_dir(folder()).args(["-B", "-m", "unittest"]));
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../e2e/foreign/player-bot")
}

/// One for each list of requirements, so that another checkout with another list has its own.
fn environment() -> PathBuf {
    let cache = cache();
    let hash = hex(REQUIREMENTS.as_bytes());
    let folder = cache.join(format!("player-bot-{}", hash.get(..12).unwrap_or_default()));
    let (python, complete) = (folder.join("bin/python3"), folder.join("complete"));
    fs::create_dir_all(&cache).unwrap();
    // Tests are processes and threads, and all want it at once.
    let lock = File::create(folder.with_extension("lock")).unwrap();
    lock.lock().expect("a lock on a file in the cache");
    if !complete.exists() {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder));
        let requirements = self::folder().join("requirements.txt");
        run(Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--requirement"])
            .arg(requirements));
        File::create(complete).unwrap();
    }
    python
}

/// The same as that of the crate `e2e`.
fn cache() -> PathBuf {
    let base = env::var_os("XDG_CACHE_HOME").filter(|it| !it.is_empty()).map(PathBuf::from);
    let base = base.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")));
    base.expect("XDG_CACHE_HOME or HOME is set").join("gamekeeper")
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}. {NEEDS}"));
    let said = [output.stdout, output.stderr].map(|it| String::from_utf8_lossy(&it).into_owned()).concat();
    assert!(output.status.success(), "{command:?} failed: {said}. {NEEDS}");
}

const NEEDS: &str = "This test needs Python 3.11 or newer with venv and pip (Debian: python3-venv) and the index of Python packages, \
     or GAMEKEEPER_PYTHON, a Python with what e2e/foreign/player-bot/requirements.txt lists";

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |text, it| text + &format!("{it:02x}"))
}
