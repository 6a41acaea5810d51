//! Compression of answers that flow.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

/// A gzip stream that is fed piece by piece.
pub struct Gzip(GzEncoder<Vec<u8>>);

impl Gzip {
    /// Fast rather than small: clients are near, and the processor is the scarce thing.
    pub fn new() -> Self {
        Self(GzEncoder::new(Vec::new(), Compression::fast()))
    }

    /// Compresses the next piece; what comes out may be empty until `last`.
    pub fn compress(&mut self, piece: &[u8], last: bool) -> Vec<u8> {
        // Writing into memory cannot fail.
        let _ = self.0.write_all(piece);
        if last {
            let _ = self.0.try_finish();
        }
        std::mem::take(self.0.get_mut())
    }
}

impl Default for Gzip {
    fn default() -> Self {
        Self::new()
    }
}
