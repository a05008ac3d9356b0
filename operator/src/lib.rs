//! Runs fleets of game servers and places rooms on them.
