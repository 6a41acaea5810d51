//! Where a bearer token stands: in the Authorization header, or among the websocket subprotocols (auth §2).

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};

/// Browsers cannot set headers on a websocket, so the token comes as a subprotocol that begins like this.
const PROTOCOL: &str = "base64url.bearer.authorization.k8s.io.";
const EXTRA_SPACE: &str =
    "the provided Authorization header contains extra space before the bearer token, and is ignored";

/// A token, perhaps, and what to tell the client.
pub struct Bearer<'a> {
    pub token: Option<Cow<'a, str>>,
    pub warnings: Vec<String>,
}

/// The bearer token among `headers`.
pub fn token(headers: &HeaderMap) -> Bearer<'_> {
    let mut bearer = Bearer {
        token: None,
        warnings: Vec::new(),
    };
    let header = headers
        .get(AUTHORIZATION)
        .map_or(&[][..], |value| value.as_bytes());
    let found = match str::from_utf8(header) {
        Ok(header) => header_token(header).map(|token| token.map(Cow::Borrowed)),
        // A token of strange bytes is a bad token, not none.
        Err(_) => header_token(&String::from_utf8_lossy(header))
            .map(|token| token.map(|token| Cow::Owned(token.to_owned()))),
    };
    match found {
        Ok(token) => bearer.token = token,
        Err(ExtraSpace) => bearer.warnings.push(EXTRA_SPACE.to_owned()),
    }
    if bearer.token.is_none() {
        bearer.token = protocol_token(headers).map(Cow::Owned);
    }
    bearer
}

struct ExtraSpace;

/// The token in an Authorization header, if that has one.
fn header_token(header: &str) -> Result<Option<&str>, ExtraSpace> {
    let Some((scheme, token)) = header.trim().split_once(' ') else {
        return Ok(None);
    };
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Ok(None);
    }
    if token.starts_with(' ') {
        return Err(ExtraSpace);
    }
    let token = token.split(' ').next().unwrap_or_default();
    Ok(Some(token).filter(|token| !token.is_empty()))
}

fn protocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

/// A token that comes with another, real subprotocol.
fn protocol_token(headers: &HeaderMap) -> Option<String> {
    let token = protocols(headers).find_map(|protocol| protocol.strip_prefix(PROTOCOL))?;
    protocols(headers).find(|protocol| !protocol.starts_with(PROTOCOL))?;
    let token = URL_SAFE_NO_PAD.decode(token).ok()?;
    String::from_utf8(token).ok().filter(|token| !token.is_empty())
}

/// Takes the token out of the subprotocols, so that no handshake ever repeats it.
pub fn without_bearer_protocol(headers: &mut HeaderMap) {
    if !protocols(headers).any(|protocol| protocol.starts_with(PROTOCOL)) {
        return;
    }
    let rest: Vec<&str> = protocols(headers)
        .filter(|protocol| !protocol.starts_with(PROTOCOL))
        .collect();
    let rest = http::HeaderValue::from_str(&rest.join(", "));
    headers.remove(SEC_WEBSOCKET_PROTOCOL);
    if let Ok(rest) = rest {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, rest);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[track_caller]
    fn check(authorization: &str, expect: Option<&str>, warns: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(
            AUTHORIZATION,
            HeaderValue::from_str(authorization).expect("a value"),
        );
        let bearer = token(&headers);
        assert_eq!(bearer.token.as_deref(), expect, "{authorization:?}");
        assert_eq!(!bearer.warnings.is_empty(), warns, "{authorization:?}");
    }

    #[test]
    fn headers() {
        check("Bearer abc", Some("abc"), false);
        check("bEARER abc", Some("abc"), false);
        check("Bearer", None, false);
        check("Bearer ", None, false);
        check("Bearer  abc", None, true);
        check("Basic YTpi", None, false);
        check("Token abc", None, false);
    }

    #[test]
    fn websocket_protocols() {
        let mut headers = HeaderMap::new();
        let value = "v4.channel.k8s.io, base64url.bearer.authorization.k8s.io.YWJj";
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(value));
        assert_eq!(token(&headers).token.as_deref(), Some("abc"));
        without_bearer_protocol(&mut headers);
        assert_eq!(headers[SEC_WEBSOCKET_PROTOCOL], "v4.channel.k8s.io");
        let alone = "base64url.bearer.authorization.k8s.io.YWJj";
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(alone));
        assert_eq!(token(&headers).token, None);
    }
}
