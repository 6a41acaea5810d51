//! The file as it is written; [`super::check`] decides what it may say.

use serde::Deserialize;
use serde_saphyr::Spanned;

pub(super) type Text = Spanned<String>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Configuration {
    pub(super) api_version: Text,
    pub(super) kind: Text,
    #[serde(default)]
    pub(super) jwt: Vec<Spanned<Jwt>>,
    pub(super) anonymous: Option<Spanned<Anonymous>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Jwt {
    pub(super) issuer: Spanned<Issuer>,
    #[serde(default)]
    pub(super) claim_validation_rules: Vec<Spanned<ClaimValidationRule>>,
    pub(super) claim_mappings: Spanned<ClaimMappings>,
    #[serde(default)]
    pub(super) user_validation_rules: Vec<Spanned<UserValidationRule>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Issuer {
    pub(super) url: Option<Text>,
    #[serde(rename = "discoveryURL")]
    pub(super) discovery_url: Option<Text>,
    pub(super) certificate_authority: Option<Text>,
    #[serde(default)]
    pub(super) audiences: Vec<Text>,
    pub(super) audience_match_policy: Option<Text>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ClaimValidationRule {
    #[serde(default)]
    pub(super) claim: String,
    #[serde(default)]
    pub(super) required_value: String,
    pub(super) expression: Option<Text>,
    #[serde(default)]
    pub(super) message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ClaimMappings {
    pub(super) username: Spanned<PrefixedClaim>,
    pub(super) groups: Option<Spanned<PrefixedClaim>>,
    pub(super) uid: Option<Spanned<Claim>>,
    #[serde(default)]
    pub(super) extra: Vec<Spanned<Extra>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PrefixedClaim {
    #[serde(default)]
    pub(super) claim: String,
    pub(super) prefix: Option<String>,
    pub(super) expression: Option<Text>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Claim {
    #[serde(default)]
    pub(super) claim: String,
    pub(super) expression: Option<Text>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Extra {
    pub(super) key: Text,
    pub(super) value_expression: Option<Text>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct UserValidationRule {
    pub(super) expression: Option<Text>,
    #[serde(default)]
    pub(super) message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Anonymous {
    pub(super) enabled: bool,
    #[serde(default)]
    pub(super) conditions: Vec<Condition>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Condition {
    pub(super) path: Text,
}
