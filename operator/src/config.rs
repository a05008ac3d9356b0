//! The command line, parsed once.

use std::net::SocketAddr;

use clap::Parser;

use crate::{fleet::ports::Ranges, logs::LogFormat};

/// Runs fleets of game servers and places rooms on them.
#[derive(Clone, Debug, Parser)]
#[command(name = "gamekeeper-operator", version)]
pub enum Command {
    /// Runs the operator until SIGTERM or SIGINT.
    Run(Box<Run>),
    /// Prints the custom resource definitions, for `kubectl apply -f -`.
    Crds,
}

/// What the operator needs to know.
#[derive(Clone, Debug, clap::Args)]
pub struct Run {
    /// The name of this replica; in a cluster, its pod's.
    #[arg(long, env = "POD_NAME")]
    pub identity: String,
    /// The namespace of the Lease by which replicas elect a leader.
    #[arg(long, env = "POD_NAMESPACE")]
    pub namespace: String,
    /// The name of that Lease. Installations with different Leases know nothing of each other.
    #[arg(long, env = "GAMEKEEPER_LEASE_NAME", default_value = "gamekeeper-operator")]
    pub lease_name: String,
    /// The namespaces to work in, separated by commas; all if there are none.
    #[arg(long, env = "GAMEKEEPER_WATCH_NAMESPACES", value_delimiter = ',')]
    pub watch_namespaces: Vec<String>,
    /// Where /healthz, /readyz and /metrics are served.
    #[arg(long, env = "GAMEKEEPER_ADMIN_ADDRESS", default_value = "0.0.0.0:8080")]
    pub admin_address: SocketAddr,
    /// Host ports for game servers, as NAME=FROM-TO, separated by commas.
    #[arg(long, env = "GAMEKEEPER_HOST_PORT_RANGES", default_value = "default=7000-7999")]
    pub host_port_range: Ranges,
    /// How log lines look.
    #[arg(long, env = "GAMEKEEPER_LOG_FORMAT", value_enum, default_value = "json")]
    pub log_format: LogFormat,
    /// What is logged, as in `info` or `gamekeeper_operator=debug,info`.
    #[arg(long, env = "GAMEKEEPER_LOG", default_value = "info")]
    pub log: String,
}

impl Run {
    /// The namespaces to work in, without empty names.
    pub fn namespaces(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.watch_namespaces.iter().filter(|it| !it.is_empty()).cloned().collect();
        names.sort();
        names.dedup();
        names
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_makes_sense() {
        Command::command().debug_assert();
    }
}
