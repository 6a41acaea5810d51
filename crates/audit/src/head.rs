//! A signed statement of where the chain ends, for anyone to keep.

use aws_lc_rs::digest;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::hex;

/// What is signed begins with this, so that the signature means nothing elsewhere.
const CONTEXT: &[u8] = b"strongroom audit head 1\n";

/// The server's word that record `sequence` exists and has this hash. As JSON:
/// `{"logID": …, "sequence": …, "hash": hex, "time": RFC 3339, "publicKey": base64, "signature": base64}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Text", into = "Text")]
pub struct Head {
    /// Which log.
    pub log_id: String,
    /// Number of the last record; 0 if there is none yet.
    pub sequence: u64,
    /// SHA-256 of that record's line without its line feed; zeros if there is none yet.
    pub hash: [u8; 32],
    /// When it was signed, to the microsecond.
    pub time: Timestamp,
    /// The Ed25519 key, 32 bytes. Who verifies must know the key from elsewhere; this only helps to pick it.
    pub public_key: Vec<u8>,
    /// Ed25519 over the fields above it.
    pub signature: Vec<u8>,
}

/// Why a head proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// The text is not a head.
    #[error("this is not an audit head: {reason}")]
    Malformed {
        /// Which field, and what is wrong with it.
        reason: String,
    },
    /// The signature is not the key's.
    #[error("the audit head is not signed by the key that was given")]
    Signature,
    /// The key for signing is not an Ed25519 key in PKCS#8.
    #[error("the audit key is not an Ed25519 key in PKCS#8")]
    Key,
}

impl Head {
    /// Whether `public_key` (32 bytes) signed this head.
    ///
    /// # Errors
    /// [`HeadError::Signature`] if not.
    pub fn verify(&self, public_key: &[u8]) -> Result<(), HeadError> {
        UnparsedPublicKey::new(&ED25519, public_key)
            .verify(&self.signed_bytes(), &self.signature)
            .map_err(|_| HeadError::Signature)
    }

    /// The head as JSON in one line.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads a head's JSON.
    ///
    /// # Errors
    /// [`HeadError::Malformed`] if it is none. The signature is not looked at.
    pub fn from_json(text: &str) -> Result<Self, HeadError> {
        serde_json::from_str(text).map_err(|error| HeadError::Malformed {
            reason: error.to_string(),
        })
    }

    /// Fixed order, big-endian, lengths before what varies.
    fn signed_bytes(&self) -> Vec<u8> {
        let mut out = CONTEXT.to_vec();
        out.extend_from_slice(&(self.log_id.len() as u64).to_be_bytes());
        out.extend_from_slice(self.log_id.as_bytes());
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.extend_from_slice(&self.hash);
        out.extend_from_slice(&self.time.as_microsecond().to_be_bytes());
        out
    }
}

/// The form of a head in JSON.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Text {
    #[serde(rename = "logID")]
    log_id: String,
    sequence: u64,
    hash: String,
    time: Timestamp,
    public_key: String,
    signature: String,
}

impl From<Head> for Text {
    fn from(head: Head) -> Self {
        Self {
            log_id: head.log_id,
            sequence: head.sequence,
            hash: hex::encode(&head.hash),
            time: head.time,
            public_key: STANDARD.encode(head.public_key),
            signature: STANDARD.encode(head.signature),
        }
    }
}

impl TryFrom<Text> for Head {
    type Error = String;

    fn try_from(text: Text) -> Result<Self, String> {
        let base64 = |field: &str, text: &str| {
            let decoded = STANDARD.decode(text);
            decoded.map_err(|_| format!("{field} is not base64"))
        };
        Ok(Self {
            hash: hex::decode_hash(text.hash.as_bytes()).ok_or("hash is not 64 hexadecimal digits")?,
            public_key: base64("publicKey", &text.public_key)?,
            signature: base64("signature", &text.signature)?,
            log_id: text.log_id,
            sequence: text.sequence,
            time: text.time,
        })
    }
}

/// Signs heads.
pub struct HeadSigner {
    key: Ed25519KeyPair,
    log_id: String,
}

impl std::fmt::Debug for HeadSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HeadSigner")
            .field("log_id", &self.log_id)
            .finish_non_exhaustive()
    }
}

impl HeadSigner {
    /// A new key, PKCS#8 DER: the caller keeps it, sealed.
    ///
    /// # Errors
    /// [`HeadError::Key`] if the machine has no randomness.
    pub fn generate() -> Result<Vec<u8>, HeadError> {
        let key = Ed25519KeyPair::generate().map_err(|_| HeadError::Key)?;
        let document = key.to_pkcs8().map_err(|_| HeadError::Key)?;
        Ok(document.as_ref().to_vec())
    }

    /// A signer with a key that [`HeadSigner::generate`] made. The log's id comes from the public key; see
    /// [`HeadSigner::with_log_id`].
    ///
    /// # Errors
    /// [`HeadError::Key`] if the bytes are none.
    pub fn from_pkcs8(key: &[u8]) -> Result<Self, HeadError> {
        let key = Ed25519KeyPair::from_pkcs8(key).map_err(|_| HeadError::Key)?;
        let id = digest::digest(&digest::SHA256, key.public_key().as_ref());
        let log_id = hex::encode(&id.as_ref()[..16]);
        Ok(Self { key, log_id })
    }

    /// Names the log otherwise.
    #[must_use]
    pub fn with_log_id(mut self, log_id: impl Into<String>) -> Self {
        self.log_id = log_id.into();
        self
    }

    /// The key that verifies, 32 bytes.
    pub fn public_key(&self) -> &[u8] {
        self.key.public_key().as_ref()
    }

    /// Signs that the record `sequence` has `hash`.
    pub fn sign(&self, sequence: u64, hash: [u8; 32], now: Timestamp) -> Head {
        let mut head = Head {
            log_id: self.log_id.clone(),
            sequence,
            hash,
            time: Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now),
            public_key: self.public_key().to_vec(),
            signature: Vec::new(),
        };
        head.signature = self.key.sign(&head.signed_bytes()).as_ref().to_vec();
        head
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer() -> HeadSigner {
        HeadSigner::from_pkcs8(&HeadSigner::generate().unwrap()).unwrap()
    }

    #[test]
    fn a_head_survives_its_json_and_verifies() {
        let signer = signer();
        let head = signer.sign(7, [3; 32], Timestamp::now());
        let read = Head::from_json(&head.to_json()).unwrap();
        assert_eq!(read, head);
        assert_eq!(read.verify(signer.public_key()), Ok(()));
        assert_eq!(
            read.verify(super::tests::signer().public_key()),
            Err(HeadError::Signature)
        );
        assert_eq!(read.verify(b"short"), Err(HeadError::Signature));
    }

    #[test]
    fn every_field_is_signed() {
        let signer = signer();
        let head = signer.sign(7, [3; 32], Timestamp::UNIX_EPOCH);
        let changes: [fn(&mut Head); 5] = [
            |head| head.sequence += 1,
            |head| head.hash[31] ^= 1,
            |head| head.log_id.push('x'),
            |head| head.time = Timestamp::from_microsecond(1).unwrap(),
            |head| head.signature[0] ^= 1,
        ];
        for change in changes {
            let mut changed = head.clone();
            change(&mut changed);
            assert_eq!(changed.verify(signer.public_key()), Err(HeadError::Signature));
        }
    }

    #[test]
    fn what_is_no_head_is_refused() {
        let head = signer().sign(1, [0; 32], Timestamp::UNIX_EPOCH).to_json();
        for text in [
            "",
            "{}",
            "[]",
            &head.replace("00", "0g"),
            &head.replace("publicKey", "key"),
        ] {
            assert!(Head::from_json(text).is_err(), "{text}");
        }
        assert_eq!(HeadSigner::from_pkcs8(b"no key").unwrap_err(), HeadError::Key);
    }
}
