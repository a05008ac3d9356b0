//! `gk chaos`.

mod ground;
mod mended;
mod operator;
mod quiet;
mod recovery;

use anyhow::Result;
use clap::Subcommand;

/// Break things on purpose while matches are played, and measure how they go on
///
/// Each scenario breaks one thing, again and again, under matches of bots who check every tick. All of them are played when
/// none is named. There are two other runs: in `operator` the leader is hit again and again while rooms are made and end, and in
/// `quiet` nothing breaks, on a machine that is busy.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Chaos {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    recovery: recovery::Recovery,
}

#[derive(Debug, Subcommand)]
enum What {
    Operator(operator::Operator),
    Quiet(quiet::Quiet),
}

impl Chaos {
    pub(super) async fn run(self) -> Result<()> {
        match self.what {
            Some(What::Operator(operator)) => operator.run().await,
            Some(What::Quiet(quiet)) => quiet.run().await,
            None => self.recovery.run().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::commands::Gk;

    #[test]
    fn scenarios_and_the_other_runs_are_told_apart() {
        let parses = |line: &str| Gk::try_parse_from(line.split(' ')).is_ok();
        for good in [
            "gk chaos",
            "gk chaos process-crash node-cut --rounds 3 --seed 7 --nodes 3 --output json",
            "gk chaos operator --rooms 10 --faults 3",
            "gk chaos quiet --minutes 3 --slot 1",
            "gk chaos process-crash --standby --store-down",
        ] {
            assert!(parses(good), "{good}");
        }
        for wrong in [
            "gk chaos lightning",
            "gk chaos --rooms 10",
            "gk chaos operator --rounds 3",
            "gk chaos --nodes 1",
            "gk chaos process-crash --store-down",
            "gk chaos quiet --minutes 90",
            "gk chaos quiet --rounds 3",
        ] {
            assert!(!parses(wrong), "{wrong}");
        }
    }
}
