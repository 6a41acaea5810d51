//! Answers, and their bodies.

use std::convert::Infallible;
use std::pin::Pin;

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;

/// A body that is whole or flows.
pub type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Why a request is not answered with what it wants: a code, and words for the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(pub StatusCode, pub String);

impl Refusal {
    /// A refusal in plain words.
    pub fn new(code: StatusCode, text: impl Into<String>) -> Self {
        Self(code, text.into())
    }
}

impl From<Refusal> for Response<Body> {
    fn from(Refusal(code, problem): Refusal) -> Self {
        text(code, problem)
    }
}

/// Plain text.
pub fn text(code: StatusCode, text: impl Into<String>) -> Response<Body> {
    typed(code, "text/plain; charset=utf-8", text.into().into())
}

/// JSON.
pub fn json(value: &impl serde::Serialize) -> Response<Body> {
    match serde_json::to_vec(value) {
        Ok(bytes) => typed(StatusCode::OK, "application/json", bytes.into()),
        Err(_) => text(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the answer cannot be written\n",
        ),
    }
}

/// A body of a type.
pub fn typed(code: StatusCode, content_type: &'static str, bytes: Bytes) -> Response<Body> {
    with_head(code, content_type, Full::new(bytes).boxed_unsync())
}

/// Text that is made while it is sent.
pub fn flowing(stream: impl Stream<Item = Bytes> + Send + 'static) -> Response<Body> {
    let frames: Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Infallible>> + Send>> =
        Box::pin(stream.map(|bytes| Ok(Frame::data(bytes))));
    with_head(
        StatusCode::OK,
        "text/plain; charset=utf-8",
        StreamBody::new(frames).boxed_unsync(),
    )
}

/// No body.
pub fn empty() -> Body {
    Full::new(Bytes::new()).boxed_unsync()
}

fn with_head(code: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(
        HeaderName::from_static("x-content-type-options"),
        HeaderValue::from_static("nosniff"),
    );
    response
}

/// What paths that nothing serves are answered with.
pub fn not_found() -> Response<Body> {
    text(StatusCode::NOT_FOUND, "404 page not found\n")
}
