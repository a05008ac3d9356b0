//! The custom resources of Gamekeeper.
