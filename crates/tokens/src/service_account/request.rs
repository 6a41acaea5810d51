//! TokenRequest: `POST …/serviceaccounts/<name>/token` (auth.md §3.3).
//!
//! [`TokenRequest::read`] checks the body; the caller then looks up the account and what [`TokenRequest::bound`] names
//! (404 when missing); [`plan_token_request`] decides what token is made.

use jiff::Timestamp;
use strongroom_objects::{FieldError, Map, Status, Value};

use super::{BoundClaims, Reference, lifetime};

const GROUP: &str = "authentication.k8s.io";
const KIND: &str = "TokenRequest";
const DEFAULT_SECONDS: i64 = 3600;
const MIN_SECONDS: i64 = 600;
const MAX_SECONDS: i64 = 1 << 32;

/// A request's body, checked as far as it can be alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenRequest {
    /// `metadata.uid`; empty when not given.
    pub uid: String,
    /// `spec.audiences`; empty stands for the API server's.
    pub audiences: Vec<String>,
    /// `spec.expirationSeconds`, or its default.
    pub expiration_seconds: i64,
    /// `spec.boundObjectRef`.
    pub bound: Option<BoundReference>,
}

/// `spec.boundObjectRef` of a kind that can be bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundReference {
    /// What to look up.
    pub kind: BoundKind,
    /// Its name; pods and Secrets are in the account's namespace.
    pub name: String,
    /// Its uid; empty when the caller does not insist on one.
    pub uid: String,
}

/// What a token can be bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoundKind {
    /// A pod that runs as the account.
    Pod,
    /// A Secret of the account's namespace.
    Secret,
    /// A node.
    Node,
}

impl BoundKind {
    /// `Pod`, `Secret` or `Node`.
    pub fn name(self) -> &'static str {
        match self {
            BoundKind::Pod => "Pod",
            BoundKind::Secret => "Secret",
            BoundKind::Node => "Node",
        }
    }
}

/// What was found for a [`BoundReference`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundObject {
    /// `metadata.uid`.
    pub uid: String,
    /// Of a pod: `spec.serviceAccountName`.
    pub service_account: String,
    /// Of a pod: the node it is scheduled to, with an empty uid when there is no such node.
    pub node: Option<Reference>,
}

/// What the server's settings say about tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSettings {
    /// `--service-account-issuer`, the first one.
    pub issuer: String,
    /// `--api-audiences`.
    pub api_audiences: Vec<String>,
    /// `--service-account-max-token-expiration`, in seconds.
    pub max_expiration_seconds: Option<i64>,
    /// `--service-account-extend-token-expiration`.
    pub extend_expiration: bool,
}

/// The token to be made and what the answer says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenPlan {
    /// For [`super::issue`].
    pub claims: BoundClaims,
    /// `spec.audiences` of the answer.
    pub audiences: Vec<String>,
    /// `spec.expirationSeconds` of the answer.
    pub expiration_seconds: i64,
    /// `status.expirationTimestamp`, and `metadata.creationTimestamp` plus the lifetime.
    pub expiration: Timestamp,
    /// Text of a `Warning` header.
    pub warning: Option<String>,
    /// Value of the audit annotation `authentication.kubernetes.io/issued-credential-id`.
    pub credential_id: String,
}

impl TokenRequest {
    /// Reads a TokenRequest for the account `name` in `namespace`. Unknown fields are passed over; types are those the
    /// schema demands, so a field of another type counts as not given.
    ///
    /// # Errors
    /// 422 for the fields, 400 for another namespace and for a kind that tokens cannot be bound to.
    pub fn read(body: &Map, namespace: &str, name: &str) -> Result<TokenRequest, Box<Status>> {
        let empty = Map::new();
        let part = |of: &'_ Map, field| of.get(field).and_then(Value::as_object).cloned();
        let metadata = part(body, "metadata").unwrap_or_default();
        let spec = part(body, "spec").unwrap_or_else(|| empty.clone());
        let given = text(&metadata, "name");
        if !given.is_empty() && given != name {
            let detail = "must match the service account name if specified";
            return Err(invalid(
                name,
                vec![FieldError::invalid("metadata.name", given, detail)],
            ));
        }
        if !matches!(text(&metadata, "namespace"), given if given.is_empty() || given == namespace) {
            let text =
                "the namespace of the provided object does not match the namespace sent on the request";
            return Err(Box::new(Status::bad_request(text)));
        }
        let expiration_seconds = spec.get("expirationSeconds").and_then(Value::as_i64);
        let expiration_seconds = expiration_seconds.unwrap_or(DEFAULT_SECONDS);
        check_seconds(expiration_seconds)?;
        Ok(TokenRequest {
            uid: text(&metadata, "uid").to_owned(),
            audiences: texts(&spec, "audiences"),
            expiration_seconds,
            bound: part(&spec, "boundObjectRef")
                .map(|reference| BoundReference::read(&reference))
                .transpose()?,
        })
    }
}

impl BoundReference {
    fn read(reference: &Map) -> Result<BoundReference, Box<Status>> {
        let (api_version, kind) = (text(reference, "apiVersion"), text(reference, "kind"));
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        let kind = match (group, kind) {
            ("", "Pod") => BoundKind::Pod,
            ("", "Secret") => BoundKind::Secret,
            ("", "Node") => BoundKind::Node,
            _ => {
                let text = format!("cannot bind token to object of type {group}/{version}, Kind={kind}");
                return Err(Box::new(Status::bad_request(&text)));
            }
        };
        Ok(BoundReference {
            kind,
            name: text(reference, "name").to_owned(),
            uid: text(reference, "uid").to_owned(),
        })
    }
}

/// Decides what token a checked request gets. `account` is the live account of `namespace`, `bound` what was found for
/// [`TokenRequest::bound`], `token_id` a new random UUID.
///
/// # Errors
/// 409 for a uid that is not today's, 400 for a pod of another account.
///
/// # Panics
/// When `bound` is missing although the request names something: that is a 404 the caller owes.
pub fn plan_token_request(
    request: &TokenRequest,
    namespace: &str,
    account: &Reference,
    bound: Option<&BoundObject>,
    settings: &TokenSettings,
    now: Timestamp,
    token_id: &str,
) -> Result<TokenPlan, Box<Status>> {
    if !request.uid.is_empty() && request.uid != account.uid {
        let problem = format!(
            "the UID in the token request ({}) does not match the UID of the service account ({})",
            request.uid, account.uid
        );
        return Err(Box::new(Status::conflict(GROUP, KIND, &account.name, &problem)));
    }
    let mut claims = BoundClaims {
        issuer: settings.issuer.clone(),
        id: token_id.to_owned(),
        namespace: namespace.to_owned(),
        service_account: account.clone(),
        ..BoundClaims::default()
    };
    if let Some(reference) = &request.bound {
        bind(
            &mut claims,
            reference,
            bound.expect("what the request names was looked up"),
        )?;
    }
    let (requested, warning) = shortened(request.expiration_seconds, settings.max_expiration_seconds);
    claims.audiences = match request.audiences.as_slice() {
        [] => settings.api_audiences.clone(),
        given => given.to_vec(),
    };
    let for_api = claims
        .audiences
        .iter()
        .all(|audience| settings.api_audiences.contains(audience));
    let lifetime = lifetime(
        requested,
        claims.pod.is_some(),
        for_api,
        settings.extend_expiration,
    );
    let second = now.as_second();
    claims.issued = Some(second);
    claims.not_before = Some(second);
    claims.expires = second + lifetime.signed;
    claims.warn_after = lifetime.warn_after.map(|after| second + after);
    Ok(TokenPlan {
        audiences: claims.audiences.clone(),
        expiration_seconds: requested,
        expiration: Timestamp::from_second(second + lifetime.reported).unwrap_or(Timestamp::MAX),
        warning,
        credential_id: format!("JTI={token_id}"),
        claims,
    })
}

fn bind(
    claims: &mut BoundClaims,
    reference: &BoundReference,
    found: &BoundObject,
) -> Result<(), Box<Status>> {
    let BoundReference { kind, name, uid } = reference;
    let account = &claims.service_account.name;
    if *kind == BoundKind::Pod && found.service_account != *account {
        let account = strongroom_objects::go_text::quote(account);
        return Err(Box::new(Status::bad_request(&format!(
            "cannot bind token for serviceaccount {account} to pod running with different serviceaccount name."
        ))));
    }
    if !uid.is_empty() && *uid != found.uid {
        let problem = format!(
            "the UID in the bound object reference ({uid}) does not match the UID in record. The object might have \
             been deleted and then recreated"
        );
        return Err(Box::new(Status::conflict("", kind.name(), name, &problem)));
    }
    let target = Some(Reference {
        name: name.clone(),
        uid: found.uid.clone(),
    });
    match kind {
        BoundKind::Pod => (claims.pod, claims.node) = (target, found.node.clone()),
        BoundKind::Secret => claims.secret = target,
        BoundKind::Node => claims.node = target,
    }
    Ok(())
}

/// The lifetime the server allows, and the warning when that is less than what was asked for.
fn shortened(requested: i64, maximum: Option<i64>) -> (i64, Option<String>) {
    match maximum.filter(|maximum| *maximum > 0 && *maximum < requested) {
        None => (requested, None),
        Some(allowed) => {
            let text = format!("requested expiration of {requested} seconds shortened to {allowed} seconds");
            (allowed, Some(text))
        }
    }
}

fn check_seconds(seconds: i64) -> Result<(), Box<Status>> {
    let detail = match seconds {
        ..MIN_SECONDS => "may not specify a duration less than 10 minutes",
        MIN_SECONDS..=MAX_SECONDS => return Ok(()),
        _ => "may not specify a duration larger than 2^32 seconds",
    };
    let error = FieldError::invalid("spec.expirationSeconds", seconds, detail);
    Err(invalid("", vec![error]))
}

fn invalid(name: &str, errors: Vec<FieldError>) -> Box<Status> {
    Box::new(Status::invalid(GROUP, KIND, name, errors))
}

fn text<'a>(map: &'a Map, name: &str) -> &'a str {
    map.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn texts(map: &Map, name: &str) -> Vec<String> {
    let list = map.get(name).and_then(Value::as_array);
    let texts = list.into_iter().flatten().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}
