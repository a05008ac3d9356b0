//! `arena`: the game's server, its bots and a spectator in one program.

mod program;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// An arena: a small game of many rooms, for trying out Gamekeeper and for its end-to-end tests.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Server(program::server::Server),
    Bot(program::bot::Bots),
    Watch(program::watch::Watch),
    Keys(program::ticket::Keys),
    Ticket(program::ticket::Issue),
}

fn main() -> ExitCode {
    let Args { what } = Args::parse();
    let done = match what {
        What::Server(server) => server.run(),
        What::Bot(bots) => bots.run(),
        What::Watch(watch) => watch.run(),
        What::Keys(keys) => keys.run(),
        What::Ticket(issue) => issue.run(),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            program::complain(&error);
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_makes_sense() {
        Args::command().debug_assert();
    }
}
