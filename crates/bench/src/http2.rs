//! HTTP/2 as little as it takes to read and to watch over many streams of one connection.
//!
//! RFC 9113 and RFC 7541. Request headers are literals without indexing, so they are bytes made
//! beforehand; of an answer's headers only the first is looked at, which says whether the status
//! is 200.

use anyhow::{Result, bail};
use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::tls::{Access, Protocol};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const FRAME_HEADER: usize = 9;
const READ: usize = 64 * 1024;
/// Windows are opened this wide, so that flow control does not limit anything measured.
const WINDOW: u32 = (1 << 31) - 1;
/// The connection's window is opened again after so many bytes.
const REOPEN_AFTER: usize = 1 << 24;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GO_AWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const SETTING_ENABLE_PUSH: u16 = 2;
const SETTING_INITIAL_WINDOW: u16 = 4;

/// `:status: 200` in the static table.
const STATUS_200: u8 = 0x88;

/// What came in on a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incoming {
    /// The answer begins.
    Headers { stream: u32, ok: bool, ended: bool },
    /// Part of its body, with so many ends of lines in it.
    Data { stream: u32, lines: usize, ended: bool },
    /// The stream was reset.
    Reset { stream: u32 },
}

/// One connection with many streams.
pub struct Connection {
    stream: TlsStream<TcpStream>,
    unread: BytesMut,
    unsent: Vec<u8>,
    next_stream: u32,
    consumed: usize,
}

/// The headers of a GET, encoded.
#[derive(Clone)]
pub struct Request(Vec<u8>);

impl Request {
    /// A GET of `path`.
    pub fn get(path: &str, accept: &str) -> Self {
        // Static table: 2 `:method: GET`, 7 `:scheme: https`, 1 `:authority`, 4 `:path`, 19 `accept`.
        let mut block = vec![0x82, 0x87];
        literal(&mut block, &[0x01], "localhost");
        literal(&mut block, &[0x04], path);
        literal(&mut block, &[0x0f, 19 - 15], accept);
        Self(block)
    }
}

/// A header with an indexed name, not to be indexed itself.
fn literal(block: &mut Vec<u8>, name: &[u8], value: &str) {
    block.extend_from_slice(name);
    let length = value.len();
    if length < 127 {
        block.push(length as u8);
    } else {
        block.push(127);
        let mut rest = length - 127;
        while rest >= 128 {
            block.push((rest % 128 + 128) as u8);
            rest /= 128;
        }
        block.push(rest as u8);
    }
    block.extend_from_slice(value.as_bytes());
}

impl Connection {
    /// Opens a connection.
    pub async fn open(access: &Access) -> Result<Self> {
        let stream = access.connect(Protocol::Http2).await?;
        let mut connection = Self {
            stream,
            unread: BytesMut::with_capacity(READ),
            unsent: PREFACE.to_vec(),
            next_stream: 1,
            consumed: 0,
        };
        let mut settings = Vec::new();
        for (setting, value) in [(SETTING_ENABLE_PUSH, 0), (SETTING_INITIAL_WINDOW, WINDOW)] {
            settings.extend_from_slice(&setting.to_be_bytes());
            settings.extend_from_slice(&u32::to_be_bytes(value));
        }
        connection.frame(SETTINGS, 0, 0, &settings);
        connection.frame(WINDOW_UPDATE, 0, 0, &(WINDOW - 65_535).to_be_bytes());
        connection.send().await?;
        Ok(connection)
    }

    /// Queues a request on a new stream, to be sent with the next [`send`](Self::send) or
    /// [`next`](Self::next).
    pub fn request(&mut self, request: &Request) -> u32 {
        let stream = self.next_stream;
        self.next_stream += 2;
        self.frame(HEADERS, END_HEADERS | END_STREAM, stream, &request.0);
        stream
    }

    /// Sends what is queued.
    pub async fn send(&mut self) -> Result<()> {
        if !self.unsent.is_empty() {
            self.stream.write_all(&self.unsent).await?;
            self.stream.flush().await?;
            self.unsent.clear();
        }
        Ok(())
    }

    /// The next thing that comes in on a stream. What the connection itself needs is seen to.
    pub async fn next(&mut self) -> Result<Incoming> {
        loop {
            while let Some((kind, flags, stream, length)) = read_frame_header(&self.unread) {
                if self.unread.len() < FRAME_HEADER + length {
                    break;
                }
                self.unread.advance(FRAME_HEADER);
                let payload = self.unread.split_to(length);
                if let Some(incoming) = self.take(kind, flags, stream, &payload)? {
                    return Ok(incoming);
                }
            }
            self.send().await?;
            self.unread.reserve(READ);
            if self.stream.read_buf(&mut self.unread).await? == 0 {
                bail!("the server closed the connection");
            }
        }
    }

    fn take(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Result<Option<Incoming>> {
        let ended = flags & END_STREAM != 0;
        match kind {
            DATA => {
                self.consumed += payload.len();
                if self.consumed >= REOPEN_AFTER {
                    let increment = (self.consumed as u32).to_be_bytes();
                    self.frame(WINDOW_UPDATE, 0, 0, &increment);
                    self.consumed = 0;
                }
                let lines = payload.iter().filter(|byte| **byte == b'\n').count();
                return Ok(Some(Incoming::Data { stream, lines, ended }));
            }
            HEADERS => {
                return Ok(Some(Incoming::Headers {
                    stream,
                    ok: is_200(payload),
                    ended,
                }));
            }
            RESET => return Ok(Some(Incoming::Reset { stream })),
            SETTINGS if flags & ACK == 0 => self.frame(SETTINGS, ACK, 0, &[]),
            PING if flags & ACK == 0 => self.frame(PING, ACK, 0, payload),
            GO_AWAY => bail!("the server ended the connection"),
            _ => {}
        }
        Ok(None)
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = (payload.len() as u32).to_be_bytes();
        self.unsent.extend_from_slice(&length[1..]);
        self.unsent.extend_from_slice(&[kind, flags]);
        self.unsent.extend_from_slice(&stream.to_be_bytes());
        self.unsent.extend_from_slice(payload);
    }
}

fn read_frame_header(bytes: &[u8]) -> Option<(u8, u8, u32, usize)> {
    let header: &[u8; FRAME_HEADER] = bytes.get(..FRAME_HEADER)?.try_into().ok()?;
    let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
    let stream = u32::from_be_bytes([header[5] & 0x7f, header[6], header[7], header[8]]);
    Some((header[3], header[4], stream, length))
}

/// Whether a header block begins with status 200, after any changes of the table's size.
fn is_200(block: &[u8]) -> bool {
    block.iter().find(|byte| **byte & 0xe0 != 0x20) == Some(&STATUS_200)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_blocks() {
        let Request(block) = Request::get("/livez", "*/*");
        assert_eq!(block, b"\x82\x87\x01\x09localhost\x04\x06/livez\x0f\x04\x03*/*");
        let long = "x".repeat(300);
        let mut block = Vec::new();
        literal(&mut block, &[0x04], &long);
        assert_eq!(block[..4], [0x04, 127, 0b1010_1101, 1]);
        assert_eq!(block.len(), 4 + 300);
    }

    #[test]
    fn frames_and_statuses() {
        assert_eq!(
            read_frame_header(b"\x00\x01\x02\x00\x01\x80\x00\x00\x07"),
            Some((DATA, END_STREAM, 7, 258))
        );
        assert_eq!(read_frame_header(b"\x00\x01"), None);
        assert!(is_200(&[0x88, 0x61]));
        assert!(is_200(&[0x20, 0x88]));
        assert!(!is_200(&[0x48, 0x03]));
        assert!(!is_200(&[]));
    }
}
