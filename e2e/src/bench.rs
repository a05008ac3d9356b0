//! What Gamekeeper costs: fleets beside a Deployment on real nodes, and beside a bare loop that creates pods on hollow
//! ones; rooms beside a bare loop that writes statuses; and a large fleet at rest.
//!
//! Raw and ours are measured in turn in the same run, because absolute figures travel badly.

mod account;
pub mod allocate;
mod attached;
pub mod checkpoint;
mod counts;
mod hollow;
pub mod idle;
mod manifests;
mod operator;
pub mod players;
mod pods;
mod real;
mod servers;
mod stage;
mod statistics;
mod writes;

use anyhow::Result;
use clap::ValueEnum;
use serde_json::{Map, Value};

use crate::target::Target;
use stage::Stage;

/// The two parts of the bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Pods that run, on the cluster's own nodes.
    Real,
    /// Pods that the bench says to run, on nodes that it says to be there.
    Hollow,
}

/// What to measure.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Both parts if none.
    pub only: Option<Part>,
    /// How often each side is measured.
    pub rounds: u8,
    /// Servers on real nodes.
    pub real: usize,
    /// Servers on hollow nodes.
    pub hollow: usize,
}

/// Measures fleets, and returns a report: both parts, and their main figures once more at the top.
pub async fn fleet(target: Target, plan: &Plan) -> Result<Value> {
    stage::on_stage(target, async |stage| measure(stage, plan).await).await
}

async fn measure(stage: &Stage, plan: &Plan) -> Result<Value> {
    let mut report = Map::new();
    let mut add = |part: &str, figures: Value, names: &[(&str, &str)]| {
        for (name, inner) in names {
            report.insert((*name).to_owned(), figures.get(*inner).cloned().unwrap_or_default());
        }
        report.insert(part.to_owned(), figures);
    };
    if plan.only != Some(Part::Hollow) {
        let figures = real::measure(stage, plan.real, plan.rounds).await?;
        let names = ["seconds", "deployment_seconds", "ratio", "host_ports_seconds", "host_ports_ratio"];
        add("real", figures, &names.map(|it| (it, it)));
    }
    if plan.only != Some(Part::Real) {
        let figures = hollow::measure(stage, plan.hollow, plan.rounds).await?;
        let same = [
            "pods_per_s",
            "raw_pods_per_s",
            "operator_writes_per_server",
            "operator_cpu_s",
            "operator_rss_mib",
        ];
        let names: Vec<_> = same.iter().map(|it| (*it, *it)).chain([("hollow_ratio", "ratio")]).collect();
        add("hollow", figures, &names);
    }
    Ok(Value::Object(report))
}
