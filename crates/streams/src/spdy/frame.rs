//! Frames of SPDY/3.1 and their bytes, as `spdystream` of Docker and Kubernetes uses them.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

use super::error::FrameError;
use super::header_block::{HeaderReader, HeaderWriter, Headers};

/// Largest control frame, in bytes, without its header of 8. Data frames have no limit of their own: they are handed on
/// in pieces as they arrive.
pub const MAX_CONTROL_FRAME: usize = 16 * 1024;
/// Largest piece of data that [`FrameWriter::write`] makes one frame of.
const MAX_DATA: usize = (1 << 24) - 1;

const VERSION: u16 = 3;
const FRAME_HEADER: usize = 8;
const CONTROL: u8 = 0x80;
const FIN: u8 = 0x01;
const UNIDIRECTIONAL: u8 = 0x02;
const STREAM_ID: u32 = 0x7fff_ffff;

/// Status of RST_STREAM: the protocol was violated.
pub const PROTOCOL_ERROR: u32 = 1;
/// Status of RST_STREAM: the stream will not be served.
pub const REFUSED_STREAM: u32 = 3;
/// Status of RST_STREAM: the stream is no longer wanted.
pub const CANCEL: u32 = 5;

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A new stream.
    SynStream {
        /// Its id.
        stream: u32,
        /// The opener will send no data.
        fin: bool,
        /// The other side will send none.
        unidirectional: bool,
        /// What it is for.
        headers: Headers,
    },
    /// The stream is accepted.
    SynReply {
        /// Its id.
        stream: u32,
        /// The accepting side will send no data.
        fin: bool,
        /// What there is to say about it.
        headers: Headers,
    },
    /// The stream is over in both directions.
    Reset {
        /// Its id.
        stream: u32,
        /// Why.
        status: u32,
    },
    /// Settings; nothing here depends on them.
    Settings,
    /// To be sent back by the other side.
    Ping {
        /// Odd from clients, even from servers.
        id: u32,
    },
    /// No further streams are accepted.
    GoAway {
        /// The last one that was.
        last_stream: u32,
    },
    /// Further headers.
    Headers {
        /// The stream's id.
        stream: u32,
        /// No data follows.
        fin: bool,
        /// Names and values.
        headers: Headers,
    },
    /// Flow control, which `spdystream` does not have.
    WindowUpdate,
    /// Bytes of a stream: a whole data frame, or a piece of one.
    Data {
        /// The stream's id.
        stream: u32,
        /// No data follows.
        fin: bool,
        /// The bytes.
        data: Bytes,
    },
    /// A control frame of a type that SPDY/3.1 does not have; it is skipped.
    Unknown,
}

/// Makes frames of bytes.
pub struct FrameReader {
    headers: HeaderReader,
    data: Option<DataFrame>,
}

/// A data frame of which a part is still to come.
struct DataFrame {
    stream: u32,
    fin: bool,
    remaining: usize,
}

impl Default for FrameReader {
    /// For a connection that begins.
    fn default() -> Self {
        Self {
            headers: HeaderReader::new(),
            data: None,
        }
    }
}

impl FrameReader {
    /// For a connection that begins.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next frame, or piece of a data frame, from the front of `buffer`; `None` when more bytes are needed.
    /// `buffer` never needs to hold more than [`MAX_CONTROL_FRAME`] and a few bytes.
    ///
    /// # Errors
    /// [`FrameError`]; nothing more can be read after that.
    pub fn read(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        if self.data.is_some() {
            return Ok(self.read_data(buffer));
        }
        let Some(header) = buffer.first_chunk::<FRAME_HEADER>() else {
            return Ok(None);
        };
        let word = u32::from_be_bytes([header[0], header[1], header[2], header[3]]);
        let flags = header[4];
        let length = u32::from_be_bytes([0, header[5], header[6], header[7]]) as usize;
        if header[0] & CONTROL == 0 {
            if word == 0 {
                return Err(FrameError::StreamId);
            }
            buffer.advance(FRAME_HEADER);
            self.data = Some(DataFrame {
                stream: word,
                fin: flags & FIN != 0,
                remaining: length,
            });
            return Ok(self.read_data(buffer));
        }
        if length > MAX_CONTROL_FRAME {
            return Err(FrameError::FrameTooLarge(length));
        }
        let version = (word >> 16) as u16 & 0x7fff;
        if version != VERSION {
            return Err(FrameError::Version(version));
        }
        if buffer.len() < FRAME_HEADER + length {
            return Ok(None);
        }
        buffer.advance(FRAME_HEADER);
        let content = buffer.split_to(length).freeze();
        self.control(word as u16, flags, &content).map(Some)
    }

    fn read_data(&mut self, buffer: &mut BytesMut) -> Option<Frame> {
        let frame = self.data.as_mut()?;
        if buffer.is_empty() && frame.remaining > 0 {
            return None;
        }
        let data = buffer.split_to(frame.remaining.min(buffer.len())).freeze();
        frame.remaining -= data.len();
        let complete = frame.remaining == 0;
        let piece = Frame::Data {
            stream: frame.stream,
            fin: frame.fin && complete,
            data,
        };
        if complete {
            self.data = None;
        }
        Some(piece)
    }

    fn control(&mut self, kind: u16, flags: u8, mut content: &[u8]) -> Result<Frame, FrameError> {
        let fin = flags & FIN != 0;
        Ok(match kind {
            1 => {
                let stream = stream_id(&mut content)?;
                // The associated stream, the priority and the credential slot.
                let rest = content.split_at_checked(6).ok_or(FrameError::Truncated)?.1;
                Frame::SynStream {
                    stream,
                    fin,
                    unidirectional: flags & UNIDIRECTIONAL != 0,
                    headers: self.headers.read(rest)?,
                }
            }
            2 => Frame::SynReply {
                stream: stream_id(&mut content)?,
                fin,
                headers: self.headers.read(content)?,
            },
            3 => Frame::Reset {
                stream: stream_id(&mut content)?,
                status: number(&mut content)?,
            },
            4 => Frame::Settings,
            6 => Frame::Ping {
                id: number(&mut content)?,
            },
            7 => Frame::GoAway {
                last_stream: number(&mut content)? & STREAM_ID,
            },
            8 => Frame::Headers {
                stream: stream_id(&mut content)?,
                fin,
                headers: self.headers.read(content)?,
            },
            9 => Frame::WindowUpdate,
            _ => Frame::Unknown,
        })
    }
}

fn number(content: &mut &[u8]) -> Result<u32, FrameError> {
    content.try_get_u32().map_err(|_| FrameError::Truncated)
}

fn stream_id(content: &mut &[u8]) -> Result<u32, FrameError> {
    match number(content)? & STREAM_ID {
        0 => Err(FrameError::StreamId),
        id => Ok(id),
    }
}

/// Makes bytes of frames.
pub struct FrameWriter {
    headers: HeaderWriter,
}

impl Default for FrameWriter {
    /// For a connection that begins.
    fn default() -> Self {
        Self {
            headers: HeaderWriter::new(),
        }
    }
}

impl FrameWriter {
    /// For a connection that begins.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends `frame` to `out`. Frames must be sent in the order in which they are written: header blocks hang
    /// together. [`Frame::Settings`], [`Frame::WindowUpdate`] and [`Frame::Unknown`] have nothing to write.
    pub fn write(&mut self, frame: &Frame, out: &mut BytesMut) {
        match frame {
            Frame::SynStream {
                stream,
                fin,
                unidirectional,
                headers,
            } => {
                let flags = flag(*fin, FIN) | flag(*unidirectional, UNIDIRECTIONAL);
                self.control(1, flags, out, |writer, out| {
                    out.put_u32(*stream);
                    out.put_slice(&[0; 6]);
                    writer.write(headers, out);
                });
            }
            Frame::SynReply { stream, fin, headers } => {
                self.control(2, flag(*fin, FIN), out, |writer, out| {
                    out.put_u32(*stream);
                    writer.write(headers, out);
                });
            }
            Frame::Reset { stream, status } => self.control(3, 0, out, |_, out| {
                out.put_u32(*stream);
                out.put_u32(*status);
            }),
            Frame::Ping { id } => self.control(6, 0, out, |_, out| out.put_u32(*id)),
            Frame::GoAway { last_stream } => self.control(7, 0, out, |_, out| {
                out.put_u32(*last_stream);
                out.put_u32(0);
            }),
            Frame::Headers { stream, fin, headers } => {
                self.control(8, flag(*fin, FIN), out, |writer, out| {
                    out.put_u32(*stream);
                    writer.write(headers, out);
                });
            }
            Frame::Data { stream, fin, data } => write_data(*stream, *fin, data, out),
            Frame::Settings | Frame::WindowUpdate | Frame::Unknown => {}
        }
    }

    fn control(
        &mut self,
        kind: u16,
        flags: u8,
        out: &mut BytesMut,
        content: impl FnOnce(&mut HeaderWriter, &mut BytesMut),
    ) {
        let start = out.len();
        out.put_u16(u16::from(CONTROL) << 8 | VERSION);
        out.put_u16(kind);
        out.put_u32(0);
        content(&mut self.headers, out);
        let length = (out.len() - start - FRAME_HEADER) as u32;
        let word = u32::from(flags) << 24 | length;
        out[start + 4..start + FRAME_HEADER].copy_from_slice(&word.to_be_bytes());
    }
}

fn write_data(stream: u32, fin: bool, data: &Bytes, out: &mut BytesMut) {
    let mut rest = data.as_ref();
    loop {
        let (piece, more) = rest.split_at(rest.len().min(MAX_DATA));
        out.put_u32(stream & STREAM_ID);
        out.put_u32(u32::from(flag(fin && more.is_empty(), FIN)) << 24 | piece.len() as u32);
        out.put_slice(piece);
        rest = more;
        if rest.is_empty() {
            return;
        }
    }
}

fn flag(set: bool, flag: u8) -> u8 {
    if set { flag } else { 0 }
}

#[cfg(test)]
mod tests;
