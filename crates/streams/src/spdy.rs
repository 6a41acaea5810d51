//! SPDY/3.1, as `kubectl`, kubelets and container runtimes speak it after `Upgrade: SPDY/3.1` (pods-and-kubelet §11.1):
//! several streams of bytes over one connection.
//!
//! [`client`] opens streams, [`server`] accepts them. As in `spdystream`, there is no flow control of single streams:
//! what is not read of one stream sooner or later holds up the connection, and through it the sender.

mod connection;
mod dictionary;
mod error;
mod frame;
mod header_block;
mod stream;

pub use connection::{Connection, Incoming, Limits, Offer, client, server};
pub use error::{FrameError, SpdyError};
pub use frame::{Frame, FrameReader, FrameWriter, MAX_CONTROL_FRAME};
pub use header_block::{Headers, MAX_HEADER_BLOCK, MAX_NAMES};
pub use stream::{Ended, StreamReader, StreamWriter};

#[cfg(test)]
mod tests;
