//! `arena keys` and `arena ticket`: what a lobby or a matchmaker does with tickets, for tests and small set-ups.

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, Result};
use gamekeeper_player::ticket::{SecretKey, Ticket};
use jiff::SignedDuration;

use super::{clock, print};

/// Make a key pair for players' tickets: the public half for the fleet, the secret half for who issues tickets
#[derive(Debug, clap::Args)]
pub(crate) struct Keys {
    /// Where to write the secret key; nobody else can read the file
    #[arg(long, value_name = "FILE")]
    secret: PathBuf,
    /// Where to write the public key
    #[arg(long, value_name = "FILE")]
    public: PathBuf,
}

/// Issue a ticket: a player may take a seat in a room for a while
#[derive(Debug, clap::Args)]
pub(crate) struct Issue {
    /// The file with the secret key
    #[arg(long, value_name = "FILE")]
    secret: PathBuf,
    /// The uid of the `GameRoom`
    #[arg(long, value_name = "UID")]
    room: String,
    /// The player's name, 1 to 128 bytes
    #[arg(long)]
    player: String,
    /// How long one may come with it, at most a day; who has come may stay
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    lifetime: u64,
}

impl Keys {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let secret = SecretKey::generate()?;
        let public = secret.public()?;
        // Never over another key: whoever has it could not issue tickets any more.
        let mut only_ours = OpenOptions::new();
        only_ours.write(true).create_new(true).mode(0o600);
        write(&self.secret, &only_ours, &secret.expose())?;
        write(&self.public, OpenOptions::new().write(true).create_new(true), &public.to_string())?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Issue {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let Self { secret, room, player, lifetime } = self;
        let text = std::fs::read_to_string(&secret).with_context(|| format!("read {}", secret.display()))?;
        let key: SecretKey = text.parse().with_context(|| format!("read {}", secret.display()))?;
        let issued_at = clock::now();
        let lifetime = SignedDuration::try_from(Duration::from_secs(lifetime)).context("the lifetime")?;
        let expires_at = issued_at.checked_add(lifetime).context("the lifetime")?;
        print(&Ticket { room, player, issued_at, expires_at }.issue(&key)?)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn write(path: &Path, how: &OpenOptions, text: &str) -> Result<()> {
    let mut file: File = how.open(path).with_context(|| format!("make {}", path.display()))?;
    writeln!(file, "{text}").with_context(|| format!("write {}", path.display()))
}
