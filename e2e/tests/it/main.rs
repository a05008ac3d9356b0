//! The chart's operator on a real cluster, with real game servers that real datagrams are sent to.
//!
//! Scenarios in `shared` use the cluster at the same time. Those in `solo` disturb everybody, so each has it for itself; tests
//! run by name, so they come last.

mod shared {
    //! Scenarios that leave each other alone.
    mod bad_input;
    mod commands;
    mod matches;
    mod players;
    mod promises;
    mod rollout;
    mod rooms;
    mod rules;
    mod scaling;
}

mod solo {
    //! Scenarios that disturb the whole cluster.
    mod chaos;
    mod drain;
    mod leader;
    mod outage;
    mod recovery;
    mod redis;
    mod rooms;
}

mod support;
