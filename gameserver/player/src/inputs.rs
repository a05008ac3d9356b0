//! The lane of a player's inputs: from the client's hand to the server's, each once and in order.

mod receiver;
mod sender;

pub use receiver::{Received, Receiver};
pub use sender::Sender;
