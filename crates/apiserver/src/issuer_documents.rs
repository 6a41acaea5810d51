//! What others need to believe this server's service-account tokens: OIDC discovery (auth §3.5).

use http::header::{CACHE_CONTROL, HeaderValue};
use http::{Response, StatusCode};
use strongroom_objects::Value;
use strongroom_tokens::keys::openid_configuration;

use crate::body::Body;
use crate::respond;
use crate::server::ApiServer;

/// Names the issuer, and where its keys are.
pub(crate) const CONFIGURATION: &str = "/.well-known/openid-configuration";
/// The keys.
pub(crate) const KEYS: &str = "/openid/v1/jwks";

/// Answers with one of the two; there is nothing to discover about an issuer that has no URL.
pub(crate) fn answer(server: &ApiServer, path: &str) -> Response<Body> {
    let settings = &server.0.authentication.service_accounts;
    let issuer = &settings.tokens.issuer;
    if !issuer.starts_with("https://") {
        return respond::page_not_found();
    }
    let (content_type, document) = match path {
        CONFIGURATION => (
            "application/json",
            openid_configuration(issuer, &settings.jwks_uri, &settings.keys),
        ),
        _ => ("application/jwk-set+json", settings.keys.jwks()),
    };
    let text = Value::Object(document).to_string().into_bytes();
    let mut response = respond::answer(StatusCode::OK, content_type, text);
    let cached = HeaderValue::from_static("public, max-age=3600");
    response.headers_mut().insert(CACHE_CONTROL, cached);
    response
}
