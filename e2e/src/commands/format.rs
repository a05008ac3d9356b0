//! How a command prints what came out.

use clap::ValueEnum;

/// How a command prints what came out; what it does meanwhile is told on stderr.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs: the last line is a JSON object.
    Json,
}
