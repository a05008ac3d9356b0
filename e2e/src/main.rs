//! `gk`: the one entrance to everything that needs a cluster. See `cargo gk --help`.

use std::process::ExitCode;

use clap::Parser;
use e2e::commands::Gk;

#[tokio::main]
async fn main() -> ExitCode {
    let gk = Gk::parse();
    match gk.run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            e2e::progress::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
