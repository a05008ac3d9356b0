//! `gk demo`.

use anyhow::{Context as _, Result, bail, ensure};
use tokio::time::Instant;

use super::format::Format;
use crate::cluster::{Cluster, Slot, Wish};
use crate::demo::{self, Plan, Stage};
use crate::progress::say;
use crate::target::{Reached, Target};

/// Show it all: a fleet of arenas starts, matches are placed, and bots play them and check every tick
#[derive(Debug, clap::Args)]
pub(super) struct Demo {
    /// How many matches are played at once
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    rooms: u16,
    /// How many bots play them, evenly spread, at most 32 in each
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=2048))]
    bots: u16,
    /// How long each match lasts
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(5..=3600))]
    seconds: u32,
    /// The cluster's slot [default: that of KUBECONFIG, or 0]
    #[arg(long)]
    slot: Option<Slot>,
    /// How many nodes [default: 2]
    #[arg(long, value_name = "N")]
    nodes: Option<u8>,
    /// Leave everything as it is at the end, to look around
    #[arg(long)]
    keep: bool,
    /// How to print what came out
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

impl Demo {
    pub(super) async fn run(self) -> Result<()> {
        let start = Instant::now();
        let plan = Plan { rooms: self.rooms.into(), bots: self.bots.into(), seconds: self.seconds };
        ensure!(
            plan.bots <= 32 * plan.rooms,
            "{} bots do not fit into {} rooms: 32 to each",
            plan.bots,
            plan.rooms
        );
        ensure!(
            plan.rooms <= plan.bots,
            "{} bots do not fill {} rooms: one to each, at least",
            plan.bots,
            plan.rooms
        );
        let target = Target::choose(self.slot)?;
        // Whose cluster runs already wants to go on with it.
        let is_borrowed = match &target {
            Target::Ours(slot) => Cluster::existing(*slot).is_ok(),
            Target::Foreign(_) => true,
        };
        let wish = Wish { nodes: self.nodes, ..Wish::default() };
        let stage = demo::set_up(target, wish).await.context("the stage could not be set up")?;
        let played = tokio::select! {
            played = demo::play(&stage, &plan) => played,
            _ = tokio::signal::ctrl_c() => bail!("interrupted; {}", ending(&stage.prepared.cluster)),
        };
        let played = match played {
            Ok(played) => played,
            Err(error) => {
                stage.show().await;
                let ending = ending(&stage.prepared.cluster);
                return Err(error.context(format!("the demo failed, and all is left as it is; {ending}")));
            }
        };
        let table = stage.table().await?;
        if self.keep {
            say(&format!("\nIt all stays, to look around:\n{}", looking_around(&stage)?));
        } else {
            clean_up(&stage, is_borrowed).await?;
        }
        let seconds = start.elapsed().as_secs_f64();
        match self.output {
            Format::Text => println!("\n{table}\n{}\nIn all it took {seconds:.1} s.", played.table()),
            Format::Json => {
                say(&format!("\n{}", played.table()));
                println!("{}", played.json(seconds));
            }
        }
        ensure!(played.is_verified(), "not every match was verified");
        Ok(())
    }
}

async fn clean_up(stage: &Stage, is_borrowed: bool) -> Result<()> {
    match &stage.prepared.cluster {
        Reached::Ours(cluster) if !is_borrowed => Cluster::down(cluster.slot()).await,
        cluster => {
            stage.clear().await?;
            say(&format!(
                "the cluster was there before, and stays with the chart in it; {}",
                ending(cluster)
            ));
            Ok(())
        }
    }
}

/// How to end what was set up.
fn ending(cluster: &Reached) -> String {
    match cluster {
        Reached::Ours(cluster) => format!("`cargo gk down --slot {}` ends the cluster", cluster.slot()),
        Reached::Foreign { .. } => format!(
            "`kubectl delete namespace {}` and `helm uninstall {} --namespace {}` remove what was made",
            demo::NAMESPACE,
            crate::chart::RELEASE,
            crate::chart::NAMESPACE,
        ),
    }
}

fn looking_around(stage: &Stage) -> Result<String> {
    let shell = match &stage.prepared.cluster {
        Reached::Ours(cluster) => cluster.shell_line()?,
        Reached::Foreign { kubeconfig } => format!("export KUBECONFIG={}", kubeconfig.display()),
    };
    let look = format!("kubectl --namespace {}", demo::NAMESPACE);
    Ok(format!(
        "  {shell}\n  {look} get gf,gr\n  {look} describe gamefleet arena\n  {look} describe gameroom match-1\n  {look} scale gamefleet arena --replicas 8\n{}",
        ending(&stage.prepared.cluster)
    ))
}
