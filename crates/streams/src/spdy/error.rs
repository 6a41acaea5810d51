//! What can be wrong with a SPDY connection.

use std::sync::Arc;

/// Bytes that are no frames of SPDY/3.1, or more of them than is allowed. The connection ends with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Another version of the protocol.
    #[error("a frame of SPDY version {0}, where version 3 is spoken")]
    Version(u16),
    /// A control frame larger than [`super::MAX_CONTROL_FRAME`].
    #[error("a control frame of {0} bytes is too large")]
    FrameTooLarge(usize),
    /// A control frame whose length does not fit its type, or a header block that ends early.
    #[error("a frame ends before its content does")]
    Truncated,
    /// A header block that does not decompress.
    #[error("a header block cannot be decompressed")]
    Compression,
    /// A header block larger than [`super::MAX_HEADER_BLOCK`] or with more names than [`super::MAX_NAMES`].
    #[error("a header block is too large")]
    HeadersTooLarge,
    /// A header block with content that is not allowed.
    #[error("a header block has {0}")]
    Headers(&'static str),
    /// A stream id that is 0, belongs to the other side, or goes backwards.
    #[error("a stream has an id that it may not have")]
    StreamId,
    /// More control frames than are worth answering.
    #[error("more control frames than can be answered")]
    Flood,
}

/// Why a stream, or the connection it is part of, does not go on.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SpdyError {
    /// The other side sent what is no SPDY.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The connection below broke or was idle for too long.
    #[error("the connection broke")]
    Io(#[source] Arc<std::io::Error>),
    /// The other side does not accept this stream, or ended it.
    #[error("the other side refused the stream or ended it")]
    Reset,
    /// The connection has been closed, by either side.
    #[error("the connection is closed")]
    Closed,
    /// The other side did not answer in time.
    #[error("the other side did not answer a new stream in time")]
    Timeout,
    /// As many streams are open as may be.
    #[error("too many streams are open")]
    TooManyStreams,
}
