//! `gamekeeper-checker`: reads the folder of a chaos run and judges it.

use std::{
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum};
use gamekeeper_checker::{History, Limits, Record, journals, measure, report::Report, rules, timeline};

/// Judge a chaos run by the journals of its servers and bots; fails if a promise was broken or a room did not come back
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// The folder of the run, with all journals somewhere below it
    folder: PathBuf,
    /// What was broken and when [default: record.json in the folder]
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// How much older than the checkpoint interval an acknowledged input may be that is lost, in milliseconds
    #[arg(long, default_value_t = Limits::default().margin_ms)]
    margin_ms: u64,
    /// How to tell
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// Draw each fault into this folder, as SCENARIO-ROUND.png
    #[arg(long, value_name = "FOLDER")]
    timeline: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
}

fn main() -> Result<ExitCode> {
    let Args { folder, record, margin_ms, output, timeline } = Args::parse();
    let path = record.unwrap_or_else(|| folder.join("record.json"));
    let text = fs::read(&path).with_context(|| format!("read the record {}", path.display()))?;
    let record = Record::parse(&text).with_context(|| format!("understand the record {}", path.display()))?;
    let history = History::of(&journals::read(&folder)?);
    let violations = rules::check(&history, &record, Limits { margin_ms });
    let measured = measure::measure(&history, &record);
    if let Some(folder) = timeline {
        fs::create_dir_all(&folder).with_context(|| format!("make the folder {}", folder.display()))?;
        for fault in &record.faults {
            let path = folder.join(format!("{}-{}.png", fault.scenario, fault.round));
            let file = File::create(&path).with_context(|| format!("draw {}", path.display()))?;
            timeline::draw(&history, &record, fault, &measured, BufWriter::new(file))
                .with_context(|| format!("draw {}", path.display()))?;
        }
    }
    let report = Report::new(&record, &measured, &violations);
    let text = match output {
        Output::Table => report.table(&measured),
        Output::Json => serde_json::to_string_pretty(&report)? + "\n",
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
