//! Histories that a seed makes: honest ones, in which nothing is found, and the same with one lie.

mod cases;
mod honest;

use crate::{History, Limits, Record, Violation, journals::Journal, rules};

fn check(journals: &[Journal], record: &Record) -> Vec<Violation> {
    rules::check(&History::of(journals), record, Limits::default())
}
