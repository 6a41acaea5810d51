//! Where the audit log ends, signed: anyone may fetch it, and hold the server to it later.

use http::{Response, StatusCode};
use serde_json::json;
use strongroom_objects::Status;

use crate::body::Body;
use crate::respond;
use crate::server::ApiServer;

/// Where it is fetched.
pub(crate) const PATH: &str = "/.well-known/strongroom/audit-head";

/// Answers with the head.
pub(crate) fn answer(server: &ApiServer) -> Result<Response<Body>, Box<Status>> {
    let Some(auditing) = &server.0.auditing else {
        return Ok(respond::page_not_found());
    };
    let head = serde_json::to_value(auditing.log.head()).unwrap_or_else(|_| json!({}));
    Ok(respond::answer(
        StatusCode::OK,
        "application/json",
        format!("{head}\n").into_bytes(),
    ))
}
