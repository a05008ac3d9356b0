//! A real Kubernetes cluster on one Linux machine, and what is done with it: commands, faults, images, scenarios.
//!
//! [`cluster`] brings clusters up and down, [`tools`] builds what they are made of, [`image`] makes what they run,
//! [`faults`] breaks them, [`testenv`] is what scenario tests start from, [`arena`] what they are told in,
//! [`demo`] is for people to watch, [`bench`] measures, and [`chaos`] tries to break our promises.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line program: this is its output")]

pub mod bench;
pub mod bots;
pub mod chaos;
pub mod commands;
pub mod demo;
pub mod testenv;

pub mod arena;
pub mod drain;
pub mod operators;

pub mod chart;
pub mod cluster;
pub mod faults;
pub mod image;
pub mod programs;
pub mod target;
pub mod tools;

pub mod clock;
pub mod command;
pub mod cost;
mod files;
pub mod hash;
pub mod kubectl;
pub mod lock;
pub mod paths;
pub mod progress;
pub mod relay;
pub mod udp;
pub mod wait;
