//! HTTP/1.1 as little as it takes: request bytes out, status and body length in.

use anyhow::{Context, Result, bail};
use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::tls::{Access, Protocol};

/// How much is read from the socket at once.
const READ: usize = 64 * 1024;

/// One keep-alive connection.
pub struct Connection {
    stream: TlsStream<TcpStream>,
    unread: BytesMut,
}

/// How the body of an answer is framed.
#[derive(Debug, PartialEq, Eq)]
enum Framing {
    Length(usize),
    Chunked,
}

#[derive(Debug, PartialEq, Eq)]
struct Head {
    length: usize,
    status: u16,
    framing: Framing,
}

impl Connection {
    /// Opens a connection.
    pub async fn open(access: &Access) -> Result<Self> {
        Ok(Self {
            stream: access.connect(Protocol::Http1).await?,
            unread: BytesMut::with_capacity(READ),
        })
    }

    /// Sends a request and reads the answer to its end; returns status and body length.
    pub async fn exchange(&mut self, request: &[u8]) -> Result<(u16, usize)> {
        let mut length = 0;
        let status = self.exchange_with(request, |part| length += part.len()).await?;
        Ok((status, length))
    }

    /// Sends a request and returns status and body.
    pub async fn fetch(&mut self, request: &[u8]) -> Result<(u16, Vec<u8>)> {
        let mut body = Vec::new();
        let status = self
            .exchange_with(request, |part| body.extend_from_slice(part))
            .await?;
        Ok((status, body))
    }

    async fn exchange_with(&mut self, request: &[u8], mut part: impl FnMut(&[u8])) -> Result<u16> {
        self.stream.write_all(request).await?;
        self.stream.flush().await?;
        let head = loop {
            if let Some(head) = read_head(&self.unread)? {
                break head;
            }
            self.fill().await?;
        };
        self.unread.advance(head.length);
        match head.framing {
            Framing::Length(length) => self.take(length, &mut part).await?,
            Framing::Chunked => self.take_chunks(&mut part).await?,
        }
        Ok(head.status)
    }

    async fn take(&mut self, mut length: usize, part: &mut impl FnMut(&[u8])) -> Result<()> {
        loop {
            let here = length.min(self.unread.len());
            part(&self.unread[..here]);
            self.unread.advance(here);
            length -= here;
            if length == 0 {
                return Ok(());
            }
            self.fill().await?;
        }
    }

    async fn take_chunks(&mut self, part: &mut impl FnMut(&[u8])) -> Result<()> {
        loop {
            let end = loop {
                if let Some(end) = self.unread.windows(2).position(|pair| pair == b"\r\n") {
                    break end;
                }
                self.fill().await?;
            };
            let size = std::str::from_utf8(&self.unread[..end])
                .ok()
                .and_then(|size| usize::from_str_radix(size.trim(), 16).ok());
            let size = size.context("a chunk has no size")?;
            self.unread.advance(end + 2);
            self.take(size, part).await?;
            self.take(2, &mut |_| {}).await?;
            if size == 0 {
                return Ok(());
            }
        }
    }

    async fn fill(&mut self) -> Result<()> {
        self.unread.reserve(READ);
        if self.stream.read_buf(&mut self.unread).await? == 0 {
            bail!("the server closed the connection");
        }
        Ok(())
    }
}

/// Reads the head of an answer once all of it is there.
fn read_head(bytes: &[u8]) -> Result<Option<Head>> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&bytes[..end]).context("the answer's head is not text")?;
    let status = head
        .get(9..12)
        .and_then(|status| status.parse().ok())
        .context("the answer has no status")?;
    let mut framing = Framing::Length(0);
    for line in head.split("\r\n").skip(1) {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        if name.eq_ignore_ascii_case("content-length") {
            framing = Framing::Length(value.trim().parse().context("content-length is not a number")?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            framing = Framing::Chunked;
        }
    }
    Ok(Some(Head {
        length: end + 4,
        status,
        framing,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads() {
        let check = |text: &str, expect: Option<(u16, Framing)>| {
            let head = read_head(text.as_bytes()).expect("a head");
            assert_eq!(head.map(|head| (head.status, head.framing)), expect);
        };
        check(
            "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n",
            Some((200, Framing::Length(12))),
        );
        check(
            "HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n5\r\n",
            Some((201, Framing::Chunked)),
        );
        check("HTTP/1.1 204 No Content\r\n\r\n", Some((204, Framing::Length(0))));
        check("HTTP/1.1 200 OK\r\nContent-Le", None);
        assert!(read_head(b"nonsense\r\n\r\n").is_err());
    }
}
