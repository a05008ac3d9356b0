//! What a fleet costs: beside a Deployment on real nodes, and beside a bare loop that creates pods on hollow ones.
//!
//! Raw and ours are measured in turn in the same run, because absolute figures travel badly.

mod cost;
mod hollow;
mod manifests;
mod pods;
mod real;
mod stage;
mod statistics;
mod writes;

use anyhow::Result;
use clap::ValueEnum;
use serde_json::{Map, Value, json};

use crate::cluster::Wish;
use crate::target::Target;
use crate::testenv;
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
    let prepared = testenv::prepare(target, Wish::default()).await?;
    let stage = Stage::set_up(prepared).await?;
    let load = stage::load_average();
    let mut report = Map::new();
    let mut add = |part: &str, figures: Value, names: &[(&str, &str)]| {
        for (name, inner) in names {
            report.insert((*name).to_owned(), figures.get(*inner).cloned().unwrap_or_default());
        }
        report.insert(part.to_owned(), figures);
    };
    if plan.only != Some(Part::Hollow) {
        let figures = real::measure(&stage, plan.real, plan.rounds).await?;
        let names = ["seconds", "deployment_seconds", "ratio", "host_ports_seconds", "host_ports_ratio"];
        add("real", figures, &names.map(|it| (it, it)));
    }
    if plan.only != Some(Part::Real) {
        let figures = hollow::measure(&stage, plan.hollow, plan.rounds).await?;
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
    stage.clear().await?;
    report.insert("load_average".to_owned(), json!({ "before": load, "after": stage::load_average() }));
    Ok(Value::Object(report))
}
