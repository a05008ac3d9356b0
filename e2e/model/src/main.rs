//! `cargo run -p gamekeeper-model -- --help`: searches all histories within bounds, or goes random ways through them, and
//! prints what came of it.

use std::process::ExitCode;

use clap::Parser;
use gamekeeper_model::{
    bounds::{Bounds, Rule},
    search::search,
    walks::walk,
};

/// Searches all histories of who owns a room, within bounds.
#[derive(Parser)]
struct Args {
    #[arg(long, default_value_t = 1)]
    rooms: u8,
    #[arg(long, default_value_t = 3)]
    servers: u8,
    /// Steps of the clock: each is half of the fence's time.
    #[arg(long, default_value_t = 4)]
    steps: u8,
    #[arg(long, default_value_t = 0)]
    crashes: u8,
    #[arg(long, default_value_t = 0)]
    messages: u8,
    #[arg(long, default_value_t = 0)]
    pauses: u8,
    #[arg(long, default_value_t = 0)]
    cuts: u8,
    #[arg(long, default_value_t = 0)]
    partings: u8,
    /// Others reach whoever is cut off.
    #[arg(long)]
    reached: bool,
    #[arg(long, default_value_t = 0)]
    deletions: u8,
    #[arg(long, default_value_t = 0)]
    alarms: u8,
    #[arg(long, default_value_t = 0)]
    ends: u8,
    /// Rooms are not placed yet.
    #[arg(long)]
    fresh: bool,
    /// Gives up at so many states.
    #[arg(long, default_value_t = 50_000_000)]
    states: usize,
    /// A rule to break, such as `EqualEpochs`; a wrong name says which there are.
    #[arg(long, default_value = "Kept")]
    rule: Rule,
    /// Instead of all ways, so many random ones: for bounds that are too wide to be searched.
    #[arg(long)]
    walks: Option<u32>,
    /// What the dice of the first of them come from.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

#[allow(clippy::print_stdout, reason = "what it is for")]
fn main() -> ExitCode {
    let args = Args::parse();
    let bounds = Bounds {
        rooms: args.rooms.clamp(1, 2),
        servers: args.servers.clamp(2, 3),
        steps: args.steps.min(200),
        crashes: args.crashes,
        messages: args.messages,
        pauses: args.pauses,
        cuts: args.cuts,
        partings: args.partings,
        is_reached: args.reached,
        deletions: args.deletions,
        alarms: args.alarms,
        ends: args.ends,
        is_fresh: args.fresh,
        states: args.states,
    };
    let is_broken = if let Some(walks) = args.walks {
        let walked = walk(bounds, args.rule, walks, args.seed);
        println!("{walked}");
        walked.broken.is_some()
    } else {
        let found = search(bounds, args.rule);
        println!("{found}");
        found.broken.is_some()
    };
    if is_broken { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
