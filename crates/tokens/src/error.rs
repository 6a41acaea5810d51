use strongroom_objects::go_text::quote;

/// Why a token is refused. Texts are those of auth.md §3.2 and secrets.md §7; none contains any part of the token.
///
/// The client sees only `401 Unauthorized`; the text is for TokenReview's `status.error` and for logs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a compact JWS, or one this server does not accept (`alg: none`, `crit`, too large, …).
    #[error("malformed token: {0}")]
    Malformed(&'static str),
    /// There is no key to verify with.
    #[error("invalid signature, no keys found")]
    NoKeys,
    /// No key verifies the signature.
    #[error("invalid signature")]
    Signature,
    /// `exp` has passed.
    #[error("service account token has expired")]
    Expired,
    /// `nbf` is in the future.
    #[error("service account token is not valid yet")]
    NotYetValid,
    /// `iat` is in the future.
    #[error("service account token is issued in the future")]
    IssuedInTheFuture,
    /// None of the token's audiences is wanted.
    #[error("token audiences {} is invalid for the target audiences {}", quoted(.token), quoted(.target))]
    Audiences {
        /// `aud` of the token.
        token: Vec<String>,
        /// What the caller accepts.
        target: Vec<String>,
    },
    /// The signature holds, but the claims are not what this server issues, or what they refer to is not as they say.
    #[error("{0}")]
    Claims(String),
    /// A token of a Secret, refused by what the Secret or its account say today.
    #[error("{0}")]
    Invalidated(String),
    /// An outside issuer's token is refused by the rules configured for that issuer.
    #[error("oidc: {0}")]
    Issuer(String),
}

impl TokenError {
    pub(crate) fn claims(text: impl Into<String>) -> TokenError {
        TokenError::Claims(text.into())
    }
}

/// `["a" "b"]`, as Go prints a list of strings with `%q`.
fn quoted(texts: &[String]) -> String {
    let texts: Vec<_> = texts.iter().map(|text| quote(text)).collect();
    format!("[{}]", texts.join(" "))
}
