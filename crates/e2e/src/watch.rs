//! A stream of watch events, line by line.

use std::any::Any;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use http::HeaderMap;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;

/// How long an event that must come may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(15);

/// An open watch.
pub struct Watch {
    request: String,
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    body: Incoming,
    buffer: BytesMut,
    // HTTP/1.1 closes the connection when its sender is dropped.
    _connection: Option<Box<dyn Any + Send>>,
}

impl Watch {
    pub(crate) fn new(
        request: String,
        response: http::Response<Incoming>,
        connection: Option<Box<dyn Any + Send>>,
    ) -> Watch {
        let (parts, body) = response.into_parts();
        Watch {
            request,
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
            buffer: BytesMut::new(),
            _connection: connection,
        }
    }

    /// The next event; panics when none comes.
    pub async fn next(&mut self) -> Value {
        match self.next_within(PATIENCE).await {
            Some(event) => event,
            None => panic!(
                "{}: no event came ({} bytes of an unfinished one)",
                self.request,
                self.buffer.len()
            ),
        }
    }

    /// The next event, or nothing when the stream has ended or the time is over.
    pub async fn next_within(&mut self, patience: Duration) -> Option<Value> {
        let line = tokio::time::timeout(patience, self.line()).await.ok()??;
        Some(serde_json::from_slice(&line).unwrap_or_else(|error| {
            panic!(
                "{}: not JSON: {error}: {}",
                self.request,
                String::from_utf8_lossy(&line)
            )
        }))
    }

    /// The next event as `(type, object)`.
    pub async fn event(&mut self) -> (String, Value) {
        let mut event = self.next().await;
        let kind = event["type"].as_str().unwrap_or_default().to_owned();
        (kind, event["object"].take())
    }

    /// Panics unless the next event has this type and name; returns its object.
    #[track_caller]
    pub fn expect(&mut self, kind: &str, name: &str) -> impl Future<Output = Value> {
        let place = std::panic::Location::caller();
        async move {
            let (got, object) = self.event().await;
            let got_name = object["metadata"]["name"].as_str().unwrap_or_default();
            assert!(
                got == kind && got_name == name,
                "{place}: expected {kind} {name}, got {got} {object}"
            );
            object
        }
    }

    /// True when the server ends the stream within the time, without another event.
    pub async fn ends_within(&mut self, patience: Duration) -> bool {
        matches!(tokio::time::timeout(patience, self.line()).await, Ok(None))
    }

    /// The next frame of a protobuf stream, without its length.
    pub async fn frame(&mut self) -> Option<Vec<u8>> {
        tokio::time::timeout(PATIENCE, async {
            loop {
                if self.buffer.len() >= 4 {
                    let length =
                        u32::from_be_bytes(self.buffer[..4].try_into().expect("four bytes")) as usize;
                    if self.buffer.len() >= 4 + length {
                        self.buffer.advance(4);
                        return Some(self.buffer.split_to(length).to_vec());
                    }
                }
                if !self.fill().await {
                    return None;
                }
            }
        })
        .await
        .ok()?
    }

    async fn line(&mut self) -> Option<BytesMut> {
        let mut searched = 0;
        loop {
            if let Some(end) = self.buffer[searched..].iter().position(|byte| *byte == b'\n') {
                let mut line = self.buffer.split_to(searched + end + 1);
                line.truncate(line.len() - 1);
                if line.is_empty() {
                    searched = 0;
                    continue;
                }
                return Some(line);
            }
            searched = self.buffer.len();
            if !self.fill().await {
                return None;
            }
        }
    }

    async fn fill(&mut self) -> bool {
        while let Some(Ok(frame)) = self.body.frame().await {
            if let Ok(data) = frame.into_data() {
                self.buffer.extend_from_slice(&data);
                return true;
            }
        }
        false
    }
}
