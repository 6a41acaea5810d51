//! Bodies: answers that are whole or flow, and requests that are read up to a limit.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::Stream;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use strongroom_objects::Status;

/// Why an answer broke off; the connection is cut so that the client notices.
#[derive(Debug, thiserror::Error)]
#[error("the answer broke off: {0}")]
pub struct BrokenOff(pub String);

type BoxedStream = Pin<Box<dyn Stream<Item = Result<Bytes, BrokenOff>> + Send>>;

/// The body of an answer.
pub enum Body {
    /// All of it.
    Whole(Option<Bytes>),
    /// It is made while it is sent.
    Flowing(BoxedStream),
}

impl Body {
    /// No body.
    pub fn empty() -> Self {
        Self::Whole(None)
    }

    /// A body that is made while it is sent.
    pub fn flowing(stream: impl Stream<Item = Result<Bytes, BrokenOff>> + Send + 'static) -> Self {
        Self::Flowing(Box::pin(stream))
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Whole((!bytes.is_empty()).then(|| bytes.into()))
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Whole((!bytes.is_empty()).then_some(bytes))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Flowing(stream) => stream
                .as_mut()
                .poll_next(context)
                .map(|next| next.map(|bytes| bytes.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Flowing(_) => SizeHint::default(),
        }
    }
}

/// The body of a request, as hyper or a client in the same process hands it over.
pub trait RequestBody: HttpBody<Data = Bytes, Error: Send> + Unpin + Send + 'static {}

impl<B> RequestBody for B where B: HttpBody<Data = Bytes, Error: Send> + Unpin + Send + 'static {}

/// How long, and how many bytes, a body that was refused is still read: a client that writes before it reads would
/// otherwise find its connection closed instead of the answer.
const LINGER: Duration = Duration::from_secs(2);
const MAX_LINGERING: usize = 64 * 1024 * 1024;

/// Reads a request's body, at most `limit` bytes of it.
///
/// # Errors
/// 413 for a larger body, 400 for one that breaks off.
pub async fn read<B: RequestBody>(mut body: B, limit: usize) -> Result<Bytes, Box<Status>> {
    let announced = body.size_hint().lower();
    if announced > limit as u64 {
        return Err(refuse(body, limit));
    }
    let mut collected = Collected::default();
    let mut total: usize = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| broke_off())?;
        let Ok(data) = frame.into_data() else { continue };
        total = total.saturating_add(data.len());
        if total > limit {
            return Err(refuse(body, limit));
        }
        collected.add(data, usize::try_from(announced).unwrap_or(0));
    }
    // A stream of HTTP/2 that is reset without an error ends its body as if that were all of it.
    if (total as u64) < announced {
        return Err(broke_off());
    }
    Ok(collected.finish())
}

fn broke_off() -> Box<Status> {
    Box::new(Status::bad_request("the request's body broke off"))
}

fn refuse<B: RequestBody>(mut body: B, limit: usize) -> Box<Status> {
    tokio::spawn(tokio::time::timeout(LINGER, async move {
        let mut dropped = 0;
        while let Some(Ok(frame)) = body.frame().await {
            dropped += frame.data_ref().map_or(0, Bytes::len);
            if dropped > MAX_LINGERING {
                break;
            }
        }
    }));
    Box::new(Status::too_large(&format!("limit is {limit}")))
}

/// A body as it arrives; one that comes in one piece is not copied.
#[derive(Default)]
enum Collected {
    #[default]
    Nothing,
    One(Bytes),
    Many(BytesMut),
}

impl Collected {
    fn add(&mut self, data: Bytes, announced: usize) {
        *self = match std::mem::take(self) {
            Self::Nothing => Self::One(data),
            Self::One(first) => {
                let mut joined = BytesMut::with_capacity(announced.max(first.len() + data.len()));
                joined.extend_from_slice(&first);
                joined.extend_from_slice(&data);
                Self::Many(joined)
            }
            Self::Many(mut joined) => {
                joined.extend_from_slice(&data);
                Self::Many(joined)
            }
        };
    }

    fn finish(self) -> Bytes {
        match self {
            Self::Nothing => Bytes::new(),
            Self::One(bytes) => bytes,
            Self::Many(bytes) => bytes.freeze(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A body that ends before what it announced.
    struct Short(Option<Bytes>);

    impl HttpBody for Short {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(100)
        }
    }

    #[tokio::test]
    async fn a_body_that_ends_early_is_refused() {
        for part in [None, Some(Bytes::from_static(b"{}"))] {
            let refused = read(Short(part), 1000).await.unwrap_err();
            assert_eq!(refused.message, "the request's body broke off");
        }
    }
}
