//! `gamekeeper-operator`.

use anyhow::Context as _;
use clap::Parser as _;
use gamekeeper_operator::{
    admin::{self, Readiness},
    clock::Clock,
    config::{Command, Run},
    leader::Timing,
    logs,
    metrics::Metrics,
    name::ObjectName,
    operator::Operator,
    server::connector::Connector,
};
use kube::{Client, Config};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::info;

fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Run(run) => {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
            runtime.block_on(operate(*run))
        }
        Command::Crds => {
            #[allow(clippy::print_stdout, reason = "that is what this command is for")]
            for manifest in gamekeeper_crds::manifest::manifests() {
                println!("---\n{}", manifest.yaml);
            }
            Ok(())
        }
    }
}

async fn operate(args: Run) -> anyhow::Result<()> {
    logs::start(args.log_format, &args.log)?;
    // Exactly one TLS provider per process, chosen here rather than by feature unification.
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("a TLS provider is already installed"))?;
    let stop = cancel_on_signal()?;
    // Bound before anything runs: a port in use is told at once.
    let listener = tokio::net::TcpListener::bind(args.admin_address)
        .await
        .with_context(|| format!("cannot listen on the admin address {}", args.admin_address))?;
    let mut config =
        Config::infer().await.context("no way to reach a cluster: neither in a pod nor a kubeconfig")?;
    // We have our own pauses and deadlines; kube's would let a call last for minutes.
    config.default_retry = false;
    let client = Client::try_from(config).context("cannot make a client of the cluster")?;
    let metrics = Metrics::default();
    let readiness = Readiness::default();
    let operator = Operator {
        client,
        // A container may restart in its pod: the name alone is not new.
        identity: format!("{}_{:08x}", args.identity, rand::random::<u32>()),
        lease: ObjectName::new(&args.namespace, &args.lease_name),
        namespaces: args.namespaces(),
        ranges: args.host_port_range.clone(),
        timing: Timing::DEFAULT,
        clock: Clock::System,
        metrics: metrics.clone(),
        readiness: readiness.clone(),
        connector: Connector::tcp(),
    };
    info!(identity = operator.identity, lease = %operator.lease, namespaces = ?operator.namespaces, version = env!("CARGO_PKG_VERSION"), "starting");
    let admin = tokio::spawn(admin::serve(listener, metrics, readiness, stop.clone()));
    operator.run(stop).await;
    admin.await.context("the admin port's task failed")?.context("the admin port failed")?;
    info!("stopped");
    Ok(())
}

fn cancel_on_signal() -> anyhow::Result<CancellationToken> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let token = CancellationToken::new();
    tokio::spawn({
        let token = token.clone();
        async move {
            tokio::select! {
                _ = interrupt.recv() => (),
                _ = terminate.recv() => (),
            }
            token.cancel();
        }
    });
    Ok(token)
}
