//! Answers: their headers, and errors as `Status`.

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, VARY, WARNING,
};
use http::{Response, StatusCode};
use strongroom_objects::{Status, Value};
use strongroom_resources::decode::Format;

use crate::body::Body;
use crate::encode::{content_type, encode, warning_header};
use crate::gzip::Gzip;
use crate::negotiation::{Accepted, Transform};

/// Answers above this size, in bytes, are compressed for clients who accept it.
pub const COMPRESS_ABOVE: usize = 128 * 1024;

/// Runes that all warnings of an answer may have before each is cut (api-conventions §6).
const WARNINGS_LENGTH: usize = 4096;
const CUT_WARNING_LENGTH: usize = 256;

/// An answer with a body of `content_type`.
pub fn answer(code: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

/// An answer that is plain text.
pub fn text(code: StatusCode, body: impl Into<String>) -> Response<Body> {
    let mut response = answer(code, "text/plain; charset=utf-8", Bytes::from(body.into()));
    let headers = response.headers_mut();
    headers.insert(
        HeaderName::from_static("x-content-type-options"),
        HeaderValue::from_static("nosniff"),
    );
    response
}

/// What paths that nothing serves are answered with.
pub fn page_not_found() -> Response<Body> {
    text(StatusCode::NOT_FOUND, "404 page not found\n")
}

/// A `Status` as an answer, in the format that the client's Accept header names first.
pub fn status(status: &Status, accept: Option<&str>, pretty: bool) -> Response<Body> {
    let accepted = Accepted {
        format: status_format(status, accept),
        transform: Transform::None,
        pretty,
    };
    let (format, body) = match encode(&Value::Object(status.to_value()), accepted) {
        Ok(body) => (accepted.format, body),
        Err(_) => (
            Format::Json,
            br#"{"kind":"Status","apiVersion":"v1","status":"Failure","code":500}"#.to_vec(),
        ),
    };
    let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = answer(code, content_type(format), body);
    if code == StatusCode::FORBIDDEN {
        response.headers_mut().insert(
            HeaderName::from_static("x-content-type-options"),
            HeaderValue::from_static("nosniff"),
        );
    }
    if let Some(seconds) = status.retry_after() {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn status_format(status: &Status, accept: Option<&str>) -> Format {
    let first = accept.unwrap_or_default().split(',').next().unwrap_or_default();
    match first.split(';').next().unwrap_or_default().trim() {
        // Who asked for a form that does not exist is told so in JSON (api-conventions §4).
        "application/vnd.kubernetes.protobuf" if status.code != 406 => Format::Protobuf,
        "application/yaml" => Format::Yaml,
        _ => Format::Json,
    }
}

/// Compresses a large answer that is already whole, for clients who accept it (api-conventions §4).
pub fn compress_if_large(response: &mut Response<Body>, accept_encoding: Option<&str>) {
    let Body::Whole(Some(bytes)) = response.body() else {
        return;
    };
    if bytes.len() <= COMPRESS_ABOVE || !accepts_gzip(accept_encoding) {
        return;
    }
    if response.headers().contains_key(CONTENT_ENCODING) {
        return;
    }
    let compressed = Gzip::new().compress(bytes, true);
    *response.body_mut() = Body::from(compressed);
    let headers = response.headers_mut();
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
}

/// Whether an Accept-Encoding header names gzip.
pub fn accepts_gzip(header: Option<&str>) -> bool {
    let coding = |part: &str| part.split(';').next().unwrap_or_default().trim() == "gzip";
    header.unwrap_or_default().split(',').any(coding)
}

/// Adds `Warning` headers, each text once.
pub fn add_warnings(response: &mut Response<Body>, warnings: &[String]) {
    let total: usize = warnings.iter().map(String::len).sum();
    let mut added: Vec<&str> = Vec::new();
    for warning in warnings {
        if added.contains(&warning.as_str()) {
            continue;
        }
        added.push(warning);
        let cut: String = if total > WARNINGS_LENGTH {
            warning.chars().take(CUT_WARNING_LENGTH).collect()
        } else {
            warning.clone()
        };
        if let Ok(value) = HeaderValue::from_bytes(warning_header(&cut).as_bytes()) {
            response.headers_mut().append(WARNING, value);
        }
    }
}
