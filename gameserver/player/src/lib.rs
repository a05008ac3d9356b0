//! The players' protocol, pure.
