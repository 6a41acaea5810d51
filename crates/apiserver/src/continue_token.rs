//! The token of a list's next page, in Kubernetes' own form (api-conventions §10).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use strongroom_objects::Status;
use strongroom_storage::Revision;

const VERSION: &str = "meta.k8s.io/v1";

/// Where the next page of a list begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContinueToken {
    /// The revision of the whole list; `None` for whatever is newest, after the old one was compacted.
    pub revision: Option<Revision>,
    /// First key wanted, below the list's prefix.
    pub start: String,
    /// Objects that are left, if known; only Strongroom writes this.
    pub left: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct Encoded {
    v: String,
    #[serde(default)]
    rv: i64,
    #[serde(default)]
    start: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    left: Option<u64>,
}

impl ContinueToken {
    /// The text that clients send back.
    pub fn encode(&self) -> String {
        let rv = self
            .revision
            .map_or(-1, |revision| i64::try_from(revision).unwrap_or(-1));
        let encoded = Encoded {
            v: VERSION.to_owned(),
            rv,
            start: self.start.clone(),
            left: self.left,
        };
        let json = serde_json::to_vec(&encoded).unwrap_or_default();
        URL_SAFE_NO_PAD.encode(json)
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// 400 with Kubernetes' text.
    pub fn decode(text: &str) -> Result<Self, Box<Status>> {
        let refuse = |cause: &str| {
            let text = format!("invalid continue token: continue key is not valid: {cause}");
            Box::new(Status::bad_request(&text))
        };
        let json = URL_SAFE_NO_PAD
            .decode(text.trim_end_matches('='))
            .map_err(|_| refuse("illegal base64 data at input byte 0"))?;
        let encoded: Encoded = serde_json::from_slice(&json)
            .map_err(|_| refuse("invalid character looking for beginning of value"))?;
        if encoded.v != VERSION {
            return Err(refuse(&format!(
                "server does not recognize this encoded version {}",
                encoded.v
            )));
        }
        if encoded.rv == 0 {
            return Err(refuse(&format!(
                "incorrect encoded start resourceVersion (version {VERSION})"
            )));
        }
        if encoded.start.is_empty() {
            return Err(refuse("encoded start key empty (version meta.k8s.io/v1)"));
        }
        let revision = u64::try_from(encoded.rv).ok();
        Ok(Self {
            revision,
            start: encoded.start,
            left: encoded.left,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_and_foreign_ones_are_refused() {
        let token = ContinueToken {
            revision: Some(7),
            start: "a/b\0".to_owned(),
            left: Some(3),
        };
        assert_eq!(ContinueToken::decode(&token.encode()).expect("own token"), token);
        let upstream = URL_SAFE_NO_PAD.encode(r#"{"v":"meta.k8s.io/v1","rv":7,"start":"a/b\u0000"}"#);
        assert_eq!(ContinueToken::decode(&upstream).expect("upstream's").left, None);
        let check = |json: &str, expect: &str| {
            let status = ContinueToken::decode(&URL_SAFE_NO_PAD.encode(json)).expect_err(json);
            assert_eq!(
                status.message,
                format!("invalid continue token: continue key is not valid: {expect}")
            );
        };
        check(
            r#"{"v":"v9","rv":1,"start":"a"}"#,
            "server does not recognize this encoded version v9",
        );
        check(
            r#"{"v":"meta.k8s.io/v1","start":"a"}"#,
            "incorrect encoded start resourceVersion (version meta.k8s.io/v1)",
        );
    }
}
