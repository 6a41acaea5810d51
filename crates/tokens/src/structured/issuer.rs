use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use strongroom_access::Identity;
use strongroom_objects::{Map, Value};

use super::expression::{self, Expression};
use crate::jwt::{self, Algorithm};
use crate::keys::VerifyingKeys;
use crate::service_account::CREDENTIAL_ID;
use crate::{AUTHENTICATED, TokenError, claims};

/// `nbf` may be this far in the future: issuers' clocks are not ours.
const NOT_BEFORE_LEEWAY_SECONDS: i64 = 300;

/// One outside issuer, and what its tokens mean here.
pub struct Issuer {
    pub(super) url: String,
    pub(super) discovery_url: String,
    pub(super) certificate_authority: Option<String>,
    pub(super) audiences: Vec<String>,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) claim_rules: Vec<ClaimRule>,
    pub(super) username: Mapping,
    pub(super) groups: Option<Mapping>,
    pub(super) uid: Option<Mapping>,
    pub(super) extra: Vec<(String, Expression)>,
    pub(super) user_rules: Vec<Rule>,
}

/// A condition, and what to say when it does not hold.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) expression: Expression,
    pub(super) message: String,
}

#[derive(Debug)]
pub(super) enum ClaimRule {
    Equals { claim: String, value: String },
    Expression(Rule),
}

#[derive(Debug)]
pub(super) enum Mapping {
    Claim { claim: String, prefix: String },
    Expression(Expression),
}

/// A caller an issuer vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedIssuer {
    /// The caller.
    pub identity: Identity,
    /// When the token ends, in seconds since 1970: what is remembered about it must not live longer.
    pub expires: i64,
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl Issuer {
    /// `iss` of its tokens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where its discovery document is.
    pub fn discovery_url(&self) -> &str {
        &self.discovery_url
    }

    /// PEM certificates to trust it by; `None` stands for the system's roots.
    pub fn certificate_authority(&self) -> Option<&str> {
        self.certificate_authority.as_deref()
    }

    /// The caller with this token. `Ok(None)`: not a token of this issuer.
    ///
    /// # Errors
    /// [`TokenError::Malformed`], [`TokenError::NoKeys`], [`TokenError::Signature`] (perhaps the keys are to be
    /// fetched again, see [`Issuer::wants_other_keys`]) or [`TokenError::Issuer`].
    pub fn authenticate(
        &self,
        token: &str,
        now: Timestamp,
        keys: &VerifyingKeys,
    ) -> Result<Option<VerifiedIssuer>, TokenError> {
        if jwt::unproven_issuer(token).as_deref() != Some(&self.url) {
            return Ok(None);
        }
        let token = jwt::parse(token)?;
        if !self.algorithms.contains(&token.algorithm()) {
            return Err(TokenError::Malformed("its algorithm is not accepted"));
        }
        let claims = token.verify(keys)?;
        let expires = self.check_registered(&claims, now.as_second())?;
        let identity = self.identity(&claims).map_err(TokenError::Issuer)?;
        Ok(Some(VerifiedIssuer { identity, expires }))
    }

    /// Whether `token` is of this issuer and names a key that `keys` does not have: a reason to fetch them again.
    pub fn wants_other_keys(&self, token: &str, keys: &VerifyingKeys) -> bool {
        let ours = jwt::unproven_issuer(token).as_deref() == Some(&self.url);
        ours && jwt::parse(token).is_ok_and(|token| !keys.has(token.key_id()))
    }

    /// Audience and times; returns `exp`.
    fn check_registered(&self, claims: &Map, now: i64) -> Result<i64, TokenError> {
        let refuse = |text: &str| TokenError::Issuer(text.to_owned());
        let audiences = claims::audiences(claims)?;
        if !audiences.iter().any(|audience| self.audiences.contains(audience)) {
            return Err(refuse("the token is for another audience"));
        }
        let expires = claims::seconds(claims, "exp")?.ok_or_else(|| refuse("the token has no expiry"))?;
        if expires <= now {
            return Err(refuse("the token is expired"));
        }
        let not_before = claims::seconds(claims, "nbf")?;
        if not_before.is_some_and(|from| now + NOT_BEFORE_LEEWAY_SECONDS < from) {
            return Err(refuse("the token is not valid yet"));
        }
        Ok(expires)
    }

    fn identity(&self, claims: &Map) -> Result<Identity, String> {
        let cel_claims = if self.needs_cel_claims() {
            expression::object(claims)
        } else {
            cel::Value::Null
        };
        for rule in &self.claim_rules {
            rule.check(claims, &cel_claims)?;
        }
        let user = self.username.one(claims, &cel_claims, "username")?;
        if user.is_empty() {
            return Err("the username is empty".to_owned());
        }
        let mut identity = Identity {
            user,
            groups: match &self.groups {
                Some(mapping) => mapping.many(claims, &cel_claims)?,
                None => Vec::new(),
            },
            uid: match &self.uid {
                Some(mapping) => mapping.one(claims, &cel_claims, "uid")?,
                None => String::new(),
            },
            extra: self.extra(claims, &cel_claims)?,
        };
        if !self.user_rules.is_empty() {
            let user = user_variable(&identity);
            self.user_rules.iter().try_for_each(|rule| rule.check(&user))?;
        }
        if !identity.is_in(AUTHENTICATED) {
            identity.groups.push(AUTHENTICATED.to_owned());
        }
        Ok(identity)
    }

    fn extra(&self, claims: &Map, cel_claims: &cel::Value) -> Result<BTreeMap<String, Vec<String>>, String> {
        let mut extra = BTreeMap::new();
        for (key, expression) in &self.extra {
            let values = expression::texts(&expression.evaluate(cel_claims)?);
            let values = values.map_err(|wrong| format!("extra {key} {wrong}"))?;
            if !values.is_empty() {
                extra.insert(key.clone(), values);
            }
        }
        if let Some(id) = claims
            .get("jti")
            .and_then(Value::as_str)
            .filter(|id| !id.is_empty())
        {
            extra.insert(CREDENTIAL_ID.to_owned(), vec![format!("JTI={id}")]);
        }
        Ok(extra)
    }

    fn needs_cel_claims(&self) -> bool {
        let mapped = [Some(&self.username), self.groups.as_ref(), self.uid.as_ref()];
        let mut mapped = mapped.into_iter().flatten();
        !self.extra.is_empty()
            || mapped.any(|mapping| matches!(mapping, Mapping::Expression(_)))
            || self
                .claim_rules
                .iter()
                .any(|rule| matches!(rule, ClaimRule::Expression(_)))
    }
}

impl ClaimRule {
    fn check(&self, claims: &Map, cel_claims: &cel::Value) -> Result<(), String> {
        match self {
            ClaimRule::Equals { claim, value } => match claims.get(claim) {
                None => Err(format!("required claim {claim} not present in ID token")),
                Some(Value::String(found)) if found == value => Ok(()),
                Some(_) => Err(format!("required claim {claim} value does not match")),
            },
            ClaimRule::Expression(rule) => rule.check(cel_claims),
        }
    }
}

impl Rule {
    fn check(&self, variable: &cel::Value) -> Result<(), String> {
        match (self.expression.holds(variable)?, self.message.as_str()) {
            (true, _) => Ok(()),
            (false, "") => Err(format!(
                "validation expression '{}' failed",
                self.expression.source()
            )),
            (false, message) => Err(format!(
                "validation expression '{}' failed: {message}",
                self.expression.source()
            )),
        }
    }
}

impl Mapping {
    fn one(&self, claims: &Map, cel_claims: &cel::Value, what: &str) -> Result<String, String> {
        match self {
            Mapping::Claim { claim, prefix } => {
                let value = claims.get(claim).and_then(Value::as_str);
                let value = value.ok_or_else(|| format!("claim {claim} for {what} is missing or no text"))?;
                if what == "username" && claim == "email" {
                    check_email(claims)?;
                }
                match value {
                    "" => Ok(String::new()),
                    value => Ok(format!("{prefix}{value}")),
                }
            }
            Mapping::Expression(expression) => {
                expression::text(&expression.evaluate(cel_claims)?).map_err(|wrong| format!("{what} {wrong}"))
            }
        }
    }

    fn many(&self, claims: &Map, cel_claims: &cel::Value) -> Result<Vec<String>, String> {
        let (value, prefix) = match self {
            Mapping::Claim { claim, prefix } => {
                let value = claims.get(claim).unwrap_or(&Value::Null);
                (expression::from_json(value), prefix.as_str())
            }
            Mapping::Expression(expression) => (expression.evaluate(cel_claims)?, ""),
        };
        let groups = expression::texts(&value).map_err(|wrong| format!("groups {wrong}"))?;
        Ok(groups
            .into_iter()
            .map(|group| format!("{prefix}{group}"))
            .collect())
    }
}

/// An address that the issuer itself says is not verified names nobody (OpenID Connect Core §5.1).
fn check_email(claims: &Map) -> Result<(), String> {
    match claims.get("email_verified") {
        None | Some(Value::Bool(true)) => Ok(()),
        Some(Value::Bool(false)) => Err("email not verified".to_owned()),
        Some(_) => Err("claim email_verified is no boolean".to_owned()),
    }
}

fn user_variable(identity: &Identity) -> cel::Value {
    let extra = identity.extra.iter();
    let extra: Map = extra
        .map(|(key, values)| (key.clone(), Value::from(values.clone())))
        .collect();
    let user = [
        ("username", Value::from(identity.user.as_str())),
        ("uid", Value::from(identity.uid.as_str())),
        ("groups", Value::from(identity.groups.clone())),
        ("extra", Value::Object(extra)),
    ];
    expression::object(
        &user
            .map(|(key, value)| (key.to_owned(), value))
            .into_iter()
            .collect(),
    )
}
