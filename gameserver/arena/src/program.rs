//! What the program can do, a file each.

pub(crate) mod bot;
pub(crate) mod plan;
pub(crate) mod server;
pub(crate) mod ticket;
pub(crate) mod watch;

mod clock;
mod hang;
mod journal;
mod notes;
mod playing;
mod recorded;

use std::io::Write as _;

/// Says why nothing came of it, to whoever reads.
pub(crate) fn complain(error: &anyhow::Error) {
    // When nobody reads, the exit code says it.
    let _ = writeln!(std::io::stderr(), "error: {error:#}");
}

/// Prints a line for whoever reads, a person or a program.
pub(crate) fn print(line: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{line}")
}
