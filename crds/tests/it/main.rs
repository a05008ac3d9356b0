//! Tests of the definitions as a user meets them.

mod manifest;
mod rules;
