//! Logs, as JSON lines or for a terminal.
//!
//! Field names are the same everywhere: `namespace`, `fleet`, `room`, `server`, `node`, `epoch`,
//! `term`, `revision`, `error`.

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line, for collectors.
    Json,
    /// For people.
    Text,
}

/// The filter is not one.
#[derive(Debug, thiserror::Error)]
#[error("the log filter is not valid; try `info` or `gamekeeper_operator=debug,info`")]
pub struct BadFilter(#[from] tracing_subscriber::filter::ParseError);

/// An error and all that caused it, in one line. kube's errors contain their causes already.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(it) = cause {
        let more = it.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = it.source();
    }
    text
}

/// Starts logging to standard error.
pub fn start(format: LogFormat, filter: &str) -> Result<(), BadFilter> {
    let filter = EnvFilter::builder().parse(filter)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Json => {
            builder.json().flatten_event(true).with_current_span(false).with_span_list(false).init();
        }
        LogFormat::Text => builder.init(),
    }
    Ok(())
}
