//! Reading claims: strict about types, because a claim of the wrong type is a token made by somebody else.

use jiff::Timestamp;
use strongroom_objects::json::{self, Limits};
use strongroom_objects::{Map, Value};

use crate::TokenError;

const LIMITS: Limits = Limits {
    depth: 16,
    memory: 2 << 20,
};

/// Clocks may differ by this many seconds (auth.md §3.2).
pub(crate) const LEEWAY_SECONDS: i64 = 60;

/// Reads one JSON object in which no key is given twice.
pub(crate) fn object(bytes: &[u8]) -> Result<Map, TokenError> {
    if std::str::from_utf8(bytes).is_err() {
        return Err(TokenError::Malformed("a part of it is not UTF-8"));
    }
    let parsed =
        json::parse(bytes, &LIMITS).map_err(|_| TokenError::Malformed("a part of it is not JSON"))?;
    if !parsed.duplicates.is_empty() {
        return Err(TokenError::Malformed("a key is given twice"));
    }
    match parsed.value {
        Value::Object(map) => Ok(map),
        _ => Err(TokenError::Malformed("a part of it is not a JSON object")),
    }
}

/// A text; absent and `null` are empty.
pub(crate) fn text(claims: &Map, name: &'static str) -> Result<String, TokenError> {
    match claims.get(name) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(TokenError::Malformed("a claim has the wrong type")),
    }
}

/// An object; absent and `null` are `None`.
pub(crate) fn map<'a>(claims: &'a Map, name: &'static str) -> Result<Option<&'a Map>, TokenError> {
    match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(map)) => Ok(Some(map)),
        Some(_) => Err(TokenError::Malformed("a claim has the wrong type")),
    }
}

/// `aud`: one text or a list of texts (RFC 7519 §4.1.3).
pub(crate) fn audiences(claims: &Map) -> Result<Vec<String>, TokenError> {
    const WRONG: TokenError = TokenError::Malformed("aud is neither a text nor a list of texts");
    match claims.get("aud") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(one)) => Ok(vec![one.clone()]),
        Some(Value::Array(many)) => many
            .iter()
            .map(|audience| audience.as_str().map(str::to_owned).ok_or(WRONG))
            .collect(),
        Some(_) => Err(WRONG),
    }
}

/// Seconds since 1970 (RFC 7519 §2, `NumericDate`). Fractions are cut off; what no calendar can hold is refused, so
/// that later arithmetic cannot overflow.
pub(crate) fn seconds(claims: &Map, name: &'static str) -> Result<Option<i64>, TokenError> {
    const WRONG: TokenError = TokenError::Malformed("a time is not a number of seconds");
    let value = match claims.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number,
        Some(_) => return Err(WRONG),
    };
    let range = Timestamp::MIN.as_second()..=Timestamp::MAX.as_second();
    let whole = match (value.as_i64(), value.as_f64()) {
        (Some(whole), _) => whole,
        (None, Some(float)) if float.is_finite() && float.abs() < 1e15 => float.trunc() as i64,
        _ => return Err(WRONG),
    };
    range.contains(&whole).then_some(Some(whole)).ok_or(WRONG)
}
