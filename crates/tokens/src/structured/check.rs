//! What a configuration may say (`apiserver.config.k8s.io`), field by field, in the order of the file.

use std::collections::BTreeSet;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_saphyr::{Location, Spanned};

use super::expression::Expression;
use super::file::{self, Text};
use super::issuer::{ClaimRule, Mapping, Rule};
use super::{Anonymous, AuthenticationConfiguration, ConfigurationError, Issuer};
use crate::jwt::Algorithm;

const API_VERSIONS: [&str; 2] = ["apiserver.config.k8s.io/v1", "apiserver.config.k8s.io/v1beta1"];
const KIND: &str = "AuthenticationConfiguration";
/// As upstream.
const MAX_ISSUERS: usize = 64;

type Checked<T> = Result<T, ConfigurationError>;

impl AuthenticationConfiguration {
    /// Reads the file. `own_issuers` are the server's own (`--service-account-issuer`), which no outside issuer may
    /// share a URL with.
    ///
    /// # Errors
    /// One sentence that names the line and the field.
    pub fn parse(text: &str, own_issuers: &[String]) -> Checked<AuthenticationConfiguration> {
        let file: file::Configuration =
            serde_saphyr::from_str(text).map_err(|error| not_of_this_form(&error))?;
        if !API_VERSIONS.contains(&file.api_version.value.as_str()) {
            let problem = format!("must be {} or {}", API_VERSIONS[0], API_VERSIONS[1]);
            return Err(refuse(&file.api_version, "apiVersion", &problem));
        }
        if file.kind.value != KIND {
            return Err(refuse(&file.kind, "kind", &format!("must be {KIND}")));
        }
        if let Some(one_too_many) = file.jwt.get(MAX_ISSUERS) {
            return Err(refuse(
                one_too_many,
                "jwt",
                &format!("must have at most {MAX_ISSUERS} entries"),
            ));
        }
        let mut urls: BTreeSet<String> = own_issuers.iter().cloned().collect();
        let mut discovery_urls = BTreeSet::new();
        let mut issuers = Vec::new();
        for (index, jwt) in file.jwt.into_iter().enumerate() {
            let field = format!("jwt[{index}]");
            let place = jwt.value.issuer.defined;
            let issuer = issuer(jwt.value, &field)?;
            if !urls.insert(issuer.url.clone()) {
                let problem = "must differ from other issuers' and from the server's own";
                return Err(refuse_at(place, &format!("{field}.issuer.url"), problem));
            }
            if !discovery_urls.insert(issuer.discovery_url.clone()) {
                let problem = "must differ from other issuers'";
                return Err(refuse_at(place, &format!("{field}.issuer.discoveryURL"), problem));
            }
            issuers.push(issuer);
        }
        Ok(AuthenticationConfiguration {
            issuers,
            anonymous: file.anonymous.map(anonymous).transpose()?,
        })
    }
}

/// What is wrong with an issuer's or discovery URL.
pub(super) fn url_problem(url: &str) -> Option<&'static str> {
    let Some(rest) = url.strip_prefix("https://") else {
        return Some("must be a URL that starts with https://");
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Some("must not contain a username or password");
    }
    if url.contains('?') {
        return Some("must not contain a query");
    }
    if url.contains('#') {
        return Some("must not contain a fragment");
    }
    let strange = |byte: u8| !byte.is_ascii_graphic() || b"\"<>\\^`{|}".contains(&byte);
    if authority.is_empty() || authority.starts_with(':') || url.bytes().any(strange) {
        return Some("must be a URL with a host");
    }
    None
}

/// Where OpenID Connect Discovery §4 puts an issuer's document.
pub(super) fn default_discovery_url(issuer: &str) -> String {
    format!(
        "{}/.well-known/openid-configuration",
        issuer.trim_end_matches('/')
    )
}

fn issuer(jwt: file::Jwt, field: &str) -> Checked<Issuer> {
    let at = |name: &str| format!("{field}.{name}");
    let place = jwt.issuer.defined;
    let written = jwt.issuer.value;
    let url = written.url.filter(|url| !url.value.is_empty());
    let url = url.ok_or_else(|| refuse_at(place, &at("issuer.url"), "is required"))?;
    check_url(&url, &at("issuer.url"))?;
    let given = written.discovery_url.filter(|url| !url.value.is_empty());
    if let Some(discovery) = &given {
        let name = at("issuer.discoveryURL");
        check_url(discovery, &name)?;
        if discovery.value.trim_end_matches('/') == url.value.trim_end_matches('/') {
            return Err(refuse(discovery, &name, "must be different from url"));
        }
    }
    let policy = written.audience_match_policy.as_ref();
    check_audiences(&written.audiences, policy, place, &at("issuer"))?;
    if let Some(pem) = written
        .certificate_authority
        .as_ref()
        .filter(|pem| !pem.value.is_empty())
    {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.value.as_bytes()).collect();
        if !certificates.is_ok_and(|certificates| !certificates.is_empty()) {
            return Err(refuse(
                pem,
                &at("issuer.certificateAuthority"),
                "must hold PEM certificates",
            ));
        }
    }
    let mappings_place = jwt.claim_mappings.value.username.defined;
    let issuer = Issuer {
        discovery_url: given.map_or_else(|| default_discovery_url(&url.value), |given| given.value),
        url: url.value,
        certificate_authority: written
            .certificate_authority
            .map(|pem| pem.value)
            .filter(|pem| !pem.is_empty()),
        audiences: written
            .audiences
            .into_iter()
            .map(|audience| audience.value)
            .collect(),
        algorithms: Algorithm::ALL.to_vec(),
        claim_rules: claim_rules(jwt.claim_validation_rules, &at("claimValidationRules"))?,
        username: prefixed(jwt.claim_mappings.value.username, &at("claimMappings.username"))?,
        groups: match jwt.claim_mappings.value.groups {
            Some(groups) if !groups.value.claim.is_empty() || groups.value.expression.is_some() => {
                Some(prefixed(groups, &at("claimMappings.groups"))?)
            }
            _ => None,
        },
        uid: match jwt.claim_mappings.value.uid {
            Some(uid) if !uid.value.claim.is_empty() || uid.value.expression.is_some() => {
                Some(unprefixed(uid, &at("claimMappings.uid"))?)
            }
            _ => None,
        },
        extra: extra(jwt.claim_mappings.value.extra, &at("claimMappings.extra"))?,
        user_rules: user_rules(jwt.user_validation_rules, &at("userValidationRules"))?,
    };
    check_email_verified(&issuer, mappings_place, &at("claimMappings.username.expression"))?;
    Ok(issuer)
}

fn check_url(url: &Text, field: &str) -> Checked<()> {
    match url_problem(&url.value) {
        None => Ok(()),
        Some(problem) => Err(refuse(url, field, problem)),
    }
}

fn check_audiences(audiences: &[Text], policy: Option<&Text>, place: Location, field: &str) -> Checked<()> {
    let name = format!("{field}.audiences");
    if audiences.is_empty() {
        return Err(refuse_at(place, &name, "at least one is required"));
    }
    let mut seen = BTreeSet::new();
    for (index, audience) in audiences.iter().enumerate() {
        let name = format!("{name}[{index}]");
        if audience.value.is_empty() {
            return Err(refuse(audience, &name, "must not be empty"));
        }
        if !seen.insert(&audience.value) {
            return Err(refuse(audience, &name, "is given twice"));
        }
    }
    let name = format!("{field}.audienceMatchPolicy");
    match policy.filter(|policy| !policy.value.is_empty()) {
        Some(policy) if policy.value != "MatchAny" => Err(refuse(policy, &name, "must be MatchAny")),
        None if audiences.len() > 1 => Err(refuse_at(
            place,
            &name,
            "must be MatchAny when there are several audiences",
        )),
        _ => Ok(()),
    }
}

fn claim_rules(rules: Vec<Spanned<file::ClaimValidationRule>>, field: &str) -> Checked<Vec<ClaimRule>> {
    let mut seen = BTreeSet::new();
    let mut checked = Vec::new();
    for (index, rule) in rules.into_iter().enumerate() {
        let field = format!("{field}[{index}]");
        let place = rule.defined;
        let rule = rule.value;
        let problem = match (&rule.expression, rule.claim.is_empty()) {
            (None, true) => Some("claim or expression is required"),
            (Some(_), false) => Some("claim and expression can't both be set"),
            (None, false) if !rule.message.is_empty() => Some("message can't be set when claim is set"),
            (Some(_), true) if !rule.required_value.is_empty() => {
                Some("requiredValue can't be set when expression is set")
            }
            _ => None,
        };
        if let Some(problem) = problem {
            return Err(refuse_at(place, &field, problem));
        }
        let key = rule
            .expression
            .as_ref()
            .map_or(&rule.claim, |expression| &expression.value);
        if !seen.insert(key.clone()) {
            return Err(refuse_at(place, &field, "is given twice"));
        }
        checked.push(match rule.expression {
            None => ClaimRule::Equals {
                claim: rule.claim,
                value: rule.required_value,
            },
            Some(expression) => ClaimRule::Expression(Rule {
                expression: compile(&expression, "claims", &format!("{field}.expression"))?,
                message: rule.message,
            }),
        });
    }
    Ok(checked)
}

fn user_rules(rules: Vec<Spanned<file::UserValidationRule>>, field: &str) -> Checked<Vec<Rule>> {
    let mut seen = BTreeSet::new();
    let mut checked = Vec::new();
    for (index, rule) in rules.into_iter().enumerate() {
        let field = format!("{field}[{index}].expression");
        let place = rule.defined;
        let expression = rule.value.expression;
        let expression = expression.ok_or_else(|| refuse_at(place, &field, "is required"))?;
        if !seen.insert(expression.value.clone()) {
            return Err(refuse(&expression, &field, "is given twice"));
        }
        checked.push(Rule {
            expression: compile(&expression, "user", &field)?,
            message: rule.value.message,
        });
    }
    Ok(checked)
}

fn prefixed(mapping: Spanned<file::PrefixedClaim>, field: &str) -> Checked<Mapping> {
    let place = mapping.defined;
    let refuse = |problem| Err(refuse_at(place, field, problem));
    let file::PrefixedClaim {
        claim,
        prefix,
        expression,
    } = mapping.value;
    match (expression, claim.is_empty(), prefix) {
        (Some(_), false, _) => refuse("claim and expression can't both be set"),
        (None, true, _) => refuse("claim or expression is required"),
        (Some(_), true, Some(_)) => refuse("prefix can't be set when expression is set"),
        (None, false, None) => refuse(
            "prefix is required when claim is set. It can be set to an empty string to disable prefixing",
        ),
        (None, false, Some(prefix)) => Ok(Mapping::Claim { claim, prefix }),
        (Some(expression), true, None) => {
            compile(&expression, "claims", &format!("{field}.expression")).map(Mapping::Expression)
        }
    }
}

fn unprefixed(mapping: Spanned<file::Claim>, field: &str) -> Checked<Mapping> {
    let file::Claim { claim, expression } = mapping.value;
    match expression {
        None => Ok(Mapping::Claim {
            claim,
            prefix: String::new(),
        }),
        Some(_) if !claim.is_empty() => Err(refuse_at(
            mapping.defined,
            field,
            "claim and expression can't both be set",
        )),
        Some(expression) => {
            compile(&expression, "claims", &format!("{field}.expression")).map(Mapping::Expression)
        }
    }
}

fn extra(entries: Vec<Spanned<file::Extra>>, field: &str) -> Checked<Vec<(String, Expression)>> {
    let mut checked: Vec<(String, Expression)> = Vec::new();
    for (index, entry) in entries.into_iter().enumerate() {
        let field = format!("{field}[{index}]");
        let key = &entry.value.key;
        if let Some(problem) = extra_key_problem(&key.value) {
            return Err(refuse(key, &format!("{field}.key"), problem));
        }
        if checked.iter().any(|(known, _)| *known == key.value) {
            return Err(refuse(key, &format!("{field}.key"), "is given twice"));
        }
        let field = format!("{field}.valueExpression");
        let expression = entry.value.value_expression.as_ref();
        let expression = expression.ok_or_else(|| refuse(&entry, &field, "is required"))?;
        let expression = compile(expression, "claims", &field)?;
        checked.push((entry.value.key.value, expression));
    }
    Ok(checked)
}

/// Keys are `domain/path` in lower case, outside Kubernetes' own domains.
fn extra_key_problem(key: &str) -> Option<&'static str> {
    let Some((domain, path)) = key.split_once('/') else {
        return Some("must be a domain and a path, such as example.com/role");
    };
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    let of = |parent: &str| {
        domain == parent
            || domain
                .strip_suffix(parent)
                .is_some_and(|rest| rest.ends_with('.'))
    };
    if key.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Some("must be lower case")
    } else if path.is_empty()
        || !path.bytes().all(|byte| byte.is_ascii_graphic())
        || !domain.split('.').all(label)
    {
        Some("must be a domain and a path, such as example.com/role")
    } else if of("k8s.io") || of("kubernetes.io") {
        Some("k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use")
    } else {
        None
    }
}

/// An address counts only if the issuer verified it, so whoever uses one must say how that is made sure.
fn check_email_verified(issuer: &Issuer, place: Location, field: &str) -> Checked<()> {
    let Mapping::Expression(username) = &issuer.username else {
        return Ok(());
    };
    let without = username.source().replace("claims.email_verified", "");
    let uses_email = without.contains("claims.email") || without.contains("claims.?email");
    let verified = |expression: &Expression| {
        expression.mentions("claims.email_verified") || expression.mentions("claims.?email_verified")
    };
    let in_rules = issuer
        .claim_rules
        .iter()
        .any(|rule| matches!(rule, ClaimRule::Expression(rule) if verified(&rule.expression)));
    let in_extra = issuer.extra.iter().any(|(_, expression)| verified(expression));
    if uses_email && !verified(username) && !in_rules && !in_extra {
        let problem = "claims.email_verified must be used in claimMappings.username.expression or \
                       claimMappings.extra[*].valueExpression or claimValidationRules[*].expression when claims.email \
                       is used in claimMappings.username.expression";
        return Err(refuse_at(place, field, problem));
    }
    Ok(())
}

fn anonymous(written: Spanned<file::Anonymous>) -> Checked<Anonymous> {
    let place = written.defined;
    let file::Anonymous { enabled, conditions } = written.value;
    if !enabled && !conditions.is_empty() {
        let problem = "enabled should be set to true when conditions are defined";
        return Err(refuse_at(place, "anonymous", problem));
    }
    let mut paths = Vec::new();
    for (index, condition) in conditions.into_iter().enumerate() {
        let path = condition.path;
        if !path.value.starts_with('/') {
            let field = format!("anonymous.conditions[{index}].path");
            return Err(refuse(&path, &field, "must start with /"));
        }
        paths.push(path.value);
    }
    Ok(Anonymous { enabled, paths })
}

fn compile(source: &Text, variable: &'static str, field: &str) -> Checked<Expression> {
    Expression::compile(&source.value, variable).map_err(|problem| refuse(source, field, &problem))
}

fn refuse<T>(place: &Spanned<T>, field: &str, problem: &str) -> ConfigurationError {
    refuse_at(place.defined, field, problem)
}

fn refuse_at(place: Location, field: &str, problem: &str) -> ConfigurationError {
    ConfigurationError::Field {
        line: place.line(),
        field: field.to_owned(),
        problem: problem.to_owned(),
    }
}

/// The parser's own words for one problem, without its picture of the text.
fn not_of_this_form(error: &serde_saphyr::Error) -> ConfigurationError {
    let text = error.without_snippet().to_string();
    ConfigurationError::Form {
        line: error.location().map_or(0, |location| location.line()),
        problem: text.lines().next().unwrap_or_default().to_owned(),
    }
}
