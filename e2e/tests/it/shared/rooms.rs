//! Servers that speak the control protocol host many rooms, which live and end apart from each other.

mod changes;
mod ends;
mod losses;
mod restoring;
mod sharing;
