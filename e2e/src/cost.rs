//! What processes use: CPU and memory, as the kernel counts them.

use std::fs;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};

/// Ticks in a second: what Linux tells programs, whatever the kernel's own clock is.
const TICKS: f64 = 100.0;

const KIB_PER_MIB: f64 = 1024.0;

/// The process, in whatever namespace, that has this entry in its environment.
pub(crate) fn process_with(entry: &str) -> Result<u32> {
    let pids = fs::read_dir("/proc").context("list processes")?;
    let mut pids = pids.filter_map(|it| it.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let has_it = |pid: &u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|it| it == entry.as_bytes())
    };
    pids.find(has_it).with_context(|| format!("no process of this machine has {entry} in its environment"))
}

/// Seconds of CPU that a process has used.
pub(crate) fn cpu_s(pid: u32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))
        .with_context(|| format!("process {pid} has ended"))?;
    // The second field, a name in brackets, may contain spaces; user and system time are the 14th and 15th.
    let fields = text.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2).filter_map(|it| it.parse::<f64>().ok());
    Ok(ticks.sum::<f64>() / TICKS)
}

/// Memory that a process has at hand.
pub(crate) fn rss_mib(pid: u32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))
        .with_context(|| format!("process {pid} has ended"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().with_context(|| format!("VmRSS is {line}"))?;
    Ok(kib / KIB_PER_MIB)
}

/// What is beyond three digits is noise.
fn three_digits(figure: f64) -> f64 {
    (figure * 1_000.0).round() / 1_000.0
}

/// CPU of several processes from here on.
pub(crate) struct Meter(Vec<(String, u32, f64)>);

impl Meter {
    pub(crate) fn start(processes: Vec<(String, u32)>) -> Result<Self> {
        let begun = |(name, pid): (String, u32)| Ok((name, pid, cpu_s(pid)?));
        processes.into_iter().map(begun).collect::<Result<_>>().map(Self)
    }

    /// Seconds by name since the start.
    pub(crate) fn read(&self) -> Result<Value> {
        let mut used = Map::new();
        for (name, pid, before) in &self.0 {
            used.insert(name.clone(), json!(three_digits(cpu_s(*pid)? - before)));
        }
        Ok(Value::Object(used))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_cost_can_be_told() {
        let us = std::process::id();
        assert!(cpu_s(us).unwrap() < 1_000.0);
        assert!(rss_mib(us).unwrap() > 0.5);
        let meter = Meter::start(vec![("us".to_owned(), us)]).unwrap();
        assert!(meter.read().unwrap()["us"].is_number());
        assert!(process_with("NO_PROCESS_HAS=this").is_err());
    }
}
