//! The whole operator against an API server in memory, in virtual time.

mod bad_input;
mod checker;
mod convergence;
mod everyday;
mod leadership;
mod neighbour;
mod process;
mod rights;
mod support;
