//! Where a run takes place, and how it is told: the same for all of them.

use anyhow::{Result, ensure};
use serde_json::Value;

use super::super::format::Format;
use crate::cluster::{Slot, Wish};
use crate::drain::uncordon;
use crate::progress::say;
use crate::target::Target;
use crate::testenv::{self, Env, Namespace};

/// Fewer are not enough: matches go on elsewhere, and a node is lost or drained.
const NODES_MIN: usize = 2;

#[derive(Debug, clap::Args)]
pub(super) struct Ground {
    /// How many nodes, at least 2 [default: 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(2..))]
    nodes: Option<u8>,
    /// The cluster's slot; one that runs is used [default: that of KUBECONFIG, or 0]
    #[arg(long)]
    slot: Option<Slot>,
    /// Leave the namespace as it is at the end, to look around
    #[arg(long)]
    keep: bool,
    /// How to print what came out
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

impl Ground {
    /// A namespace in a cluster of ours.
    pub(super) async fn enter(&self) -> Result<Namespace> {
        let wish = Wish { nodes: self.nodes, ..Wish::default() };
        let env = Env::of(testenv::prepare(Target::choose(self.slot)?, wish).await?).await?;
        let nodes = env.ours("breaking servers and nodes")?.nodes().count();
        ensure!(NODES_MIN <= nodes, "{nodes} node is not enough: ask for more with --nodes");
        env.namespace("chaos").await
    }

    /// Tells what came out, and removes the namespace if there is nothing to see.
    pub(super) async fn leave(&self, namespace: &Namespace, end: End) -> Result<()> {
        let End { table, json, is_clean } = end;
        if self.keep || !is_clean {
            say(&format!("the namespace {} stays, to look around", namespace.name()));
        } else {
            namespace.delete().await?;
        }
        match self.output {
            Format::Text => println!("{table}"),
            Format::Json => {
                say(&table);
                println!("{json}");
            }
        }
        ensure!(is_clean, "not all went as it should: see above");
        Ok(())
    }
}

/// What came out.
pub(super) struct End {
    pub(super) table: String,
    pub(super) json: Value,
    pub(super) is_clean: bool,
}

/// What is done with a namespace of which no report came.
pub(super) fn how_to_remove(namespace: &Namespace) -> String {
    format!("`kubectl delete namespace {}` removes what was made", namespace.name())
}

/// No node stays cordoned.
pub(super) async fn uncordon_all(env: &Env) -> Result<()> {
    for node in env.ours("mending")?.nodes() {
        uncordon(env.kubectl(), &node.to_string()).await?;
    }
    Ok(())
}
