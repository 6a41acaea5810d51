//! Acting as somebody else (auth §8).

use std::sync::Arc;

use http::HeaderMap;
use strongroom_access::impersonation::{Impersonation, is_impersonation_header};
use strongroom_access::{Decision, Identity};
use strongroom_objects::Status;

use crate::authorization::forbidden;
use crate::server::ApiServer;

/// As whom the caller wants to act; `None` for a caller who is content to be himself. The headers are taken away.
///
/// # Errors
/// 400 for headers that make no sense, 403 when the caller may not.
pub(crate) fn impersonate(
    server: &ApiServer,
    caller: &Identity,
    headers: &mut HeaderMap,
) -> Result<Option<Arc<Identity>>, Box<Status>> {
    let names: Vec<http::HeaderName> = headers
        .keys()
        .filter(|name| is_impersonation_header(name.as_str()))
        .cloned()
        .collect();
    if names.is_empty() {
        return Ok(None);
    }
    let mut pairs = Vec::new();
    for (name, value) in headers.iter() {
        if is_impersonation_header(name.as_str()) {
            let value = std::str::from_utf8(value.as_bytes())
                .map_err(|_| Box::new(Status::bad_request("an Impersonate header is not UTF-8")))?;
            pairs.push((name.as_str(), value));
        }
    }
    let wanted = Impersonation::from_headers(pairs)
        .map_err(|problem| Box::new(Status::bad_request(&problem.to_string())))?;
    let Some(wanted) = wanted else {
        return Ok(None);
    };
    for check in wanted.checks() {
        let attributes = check.attributes(caller);
        match server.0.authorization.decide(&attributes) {
            Decision::Allow { .. } => {}
            Decision::NoOpinion { reason } | Decision::Deny { reason } => {
                return Err(forbidden(&attributes, &reason));
            }
        }
    }
    let identity = wanted.identity();
    for name in names {
        headers.remove(name);
    }
    Ok(Some(Arc::new(identity)))
}
