//! Who asks for a certificate, what nobody may ask for, and who may approve and sign (auth §9). The signer's own rules
//! are `strongroom_certificates::Signer`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use strongroom_access::{Attributes, Decision, Identity, group};
use strongroom_certificates::{CertificateRequest, Signer};
use strongroom_objects::{Map, Object, Status, Value};
use strongroom_resources::CERTIFICATE_SIGNING_REQUESTS;

use super::{PlannedWrite, shown_name};
use crate::server::ApiServer;

#[cfg(test)]
mod tests;

/// Writes into a new request who asks, whatever the client says of that.
pub(super) fn complete(user: &Identity, request: &mut Object) {
    let spec = request
        .body
        .entry("spec")
        .or_insert_with(|| Value::Object(Map::new()));
    // What is not an object is refused when it is validated.
    let Value::Object(spec) = spec else { return };
    for name in ["username", "uid", "groups", "extra"] {
        spec.remove(name);
    }
    spec.insert("username".to_owned(), user.user.as_str().into());
    if !user.uid.is_empty() {
        spec.insert("uid".to_owned(), user.uid.as_str().into());
    }
    if !user.groups.is_empty() {
        spec.insert("groups".to_owned(), user.groups.clone().into());
    }
    if !user.extra.is_empty() {
        let extra = user.extra.iter();
        let extra: Map = extra
            .map(|(key, values)| (key.clone(), values.clone().into()))
            .collect();
        spec.insert("extra".to_owned(), Value::Object(extra));
    }
}

/// Checks a planned write of a request.
///
/// # Errors
/// 403 when it asks for what nobody may have, or its author may not approve or sign for the signer.
pub(super) fn check(server: &ApiServer, write: &PlannedWrite<'_>) -> Result<(), Box<Status>> {
    let Some(new) = write.new else { return Ok(()) };
    let refused = |problem: &str| {
        let resource = &CERTIFICATE_SIGNING_REQUESTS;
        let name = shown_name(new);
        Err(Box::new(Status::forbidden(
            resource.group,
            resource.plural,
            name,
            problem,
        )))
    };
    let Some(old) = write.old else {
        return match check_subject(new) {
            Ok(()) => Ok(()),
            Err(Masters) => refused(&Masters.to_string()),
        };
    };
    let Some(right) = needed(&write.target.subresource, old, new) else {
        return Ok(());
    };
    let rules = server.0.authorization.rules();
    let may = |asked: &Attributes<'_>| matches!(rules.decide(asked), Decision::Allow { .. });
    if right.is_held(write.user, &may) {
        return Ok(());
    }
    refused(&format!(
        "user not permitted to {} requests with signerName \"{}\"",
        right.verb, right.signer
    ))
}

/// Certificates of superusers are not to be had by asking.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed")]
struct Masters;

fn check_subject(request: &Object) -> Result<(), Masters> {
    if Signer::named(spec_text(request, "signerName")) != Some(Signer::ApiServerClient) {
        return Ok(());
    }
    let pem = STANDARD.decode(spec_text(request, "request")).unwrap_or_default();
    match CertificateRequest::from_pem(&pem) {
        Ok(asked) if asked.subject.organizations().any(|name| name == group::MASTERS) => Err(Masters),
        // What is no request has been refused when it was validated.
        _ => Ok(()),
    }
}

/// The right to decide about a signer's requests.
#[derive(Debug, PartialEq, Eq)]
struct Right<'a> {
    verb: &'static str,
    signer: &'a str,
}

/// The right that a write of a subresource takes.
fn needed<'a>(subresource: &str, old: &'a Object, new: &Object) -> Option<Right<'a>> {
    let verb = match subresource {
        "approval" => "approve",
        "status" if decision(old) != decision(new) => "sign",
        _ => return None,
    };
    let signer = spec_text(old, "signerName");
    Some(Right { verb, signer })
}

/// The certificate and the conditions.
fn decision(request: &Object) -> [Option<&Value>; 2] {
    let status = request.body.get("status");
    ["certificate", "conditions"].map(|name| status.and_then(|status| status.get(name)))
}

impl Right<'_> {
    /// Whether a user has it, for this signer or for all of its domain.
    fn is_held(&self, user: &Identity, may: &dyn Fn(&Attributes<'_>) -> bool) -> bool {
        let domain = self.signer.split('/').next().unwrap_or_default();
        [self.signer, &format!("{domain}/*")].into_iter().any(|name| {
            may(&Attributes {
                api_group: CERTIFICATE_SIGNING_REQUESTS.group,
                api_version: "*",
                resource: "signers",
                name,
                is_resource_request: true,
                ..Attributes::for_path(user, self.verb, "")
            })
        })
    }
}

fn spec_text<'a>(request: &'a Object, name: &str) -> &'a str {
    let spec = request.body.get("spec");
    spec.and_then(|spec| spec.get(name)?.as_str()).unwrap_or_default()
}
