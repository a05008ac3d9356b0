//! What goes wrong around the operator: each gets its condition, event or message, nothing stops,
//! nothing is lost, and mending the input mends the state.

mod api_server;
mod refused;
mod releases;
mod rooms;
mod servers;
mod specs;
mod tampering;
