//! `gk`.
fn main() {}
