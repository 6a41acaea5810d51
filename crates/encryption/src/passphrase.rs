use std::fmt;
use std::str::FromStr;

use argon2::{Algorithm, Argon2, Params, Version};
use zeroize::Zeroizing;

use crate::error::KeyServiceError;
use crate::hex;
use crate::hkdf::KEY_LENGTH;

pub(crate) const SALT_LENGTH: usize = 16;
/// First word of the text form.
const FORM: &str = "strongroom-passphrase-v1";

/// What guessing one passphrase costs (Argon2id).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassphraseCost {
    /// Memory in KiB: 8 per lane to 4 GiB.
    pub memory_kib: u32,
    /// Passes over the memory: 1 to 64.
    pub iterations: u32,
    /// Lanes: 1 to 64. They are worked on one after the other here.
    pub parallelism: u32,
}

impl PassphraseCost {
    /// 64 MiB, 3 passes, 4 lanes: the second recommendation of RFC 9106 §4, for machines that are not built for it.
    pub const DEFAULT: PassphraseCost = PassphraseCost {
        memory_kib: 64 * 1024,
        iterations: 3,
        parallelism: 4,
    };

    /// The parameters come from a file, and must not make the server take all memory or all day.
    fn is_bearable(self) -> bool {
        self.memory_kib <= 4 * 1024 * 1024
            && (1..=64).contains(&self.iterations)
            && (1..=64).contains(&self.parallelism)
            && self.memory_kib >= 8 * self.parallelism
    }
}

impl Default for PassphraseCost {
    fn default() -> PassphraseCost {
        PassphraseCost::DEFAULT
    }
}

/// All that a passphrase needs to become the same root key again. Not secret, but whoever has it can try out
/// passphrases at the cost it names.
///
/// Text form, one line: `strongroom-passphrase-v1 argon2id m=65536 t=3 p=4 salt=<hex> verifier=<hex>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassphraseParameters {
    /// What it costs.
    pub cost: PassphraseCost,
    /// 16 random bytes, so that equal passphrases give different keys.
    pub salt: [u8; SALT_LENGTH],
    /// Derived from the root key: tells a wrong passphrase from the right one.
    pub verifier: [u8; 32],
}

/// The text is not a line of passphrase parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PassphraseParametersError {
    /// Another form, or a newer version of it.
    #[error("not a line that begins with {FORM} argon2id")]
    Form,
    /// A field is missing, misspelt, or not a number or hex string of the right length.
    #[error("field {0} is missing or invalid")]
    Field(&'static str),
    /// More or less work than this version agrees to.
    #[error("the cost is out of range")]
    Cost,
}

impl fmt::Display for PassphraseParameters {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PassphraseCost {
            memory_kib,
            iterations,
            parallelism,
        } = self.cost;
        let (salt, verifier) = (hex::encode(&self.salt), hex::encode(&self.verifier));
        write!(
            formatter,
            "{FORM} argon2id m={memory_kib} t={iterations} p={parallelism} salt={salt} verifier={verifier}"
        )
    }
}

impl FromStr for PassphraseParameters {
    type Err = PassphraseParametersError;

    fn from_str(text: &str) -> Result<PassphraseParameters, PassphraseParametersError> {
        let mut words = text.split_ascii_whitespace();
        if words.next() != Some(FORM) || words.next() != Some("argon2id") {
            return Err(PassphraseParametersError::Form);
        }
        let mut field = |name| {
            words
                .next()
                .and_then(|word| word.strip_prefix(name)?.strip_prefix('='))
        };
        let cost = PassphraseCost {
            memory_kib: number(field("m")).ok_or(PassphraseParametersError::Field("m"))?,
            iterations: number(field("t")).ok_or(PassphraseParametersError::Field("t"))?,
            parallelism: number(field("p")).ok_or(PassphraseParametersError::Field("p"))?,
        };
        let salt = bytes(field("salt")).ok_or(PassphraseParametersError::Field("salt"))?;
        let verifier = bytes(field("verifier")).ok_or(PassphraseParametersError::Field("verifier"))?;
        if words.next().is_some() {
            return Err(PassphraseParametersError::Form);
        }
        if !cost.is_bearable() {
            return Err(PassphraseParametersError::Cost);
        }
        Ok(PassphraseParameters { cost, salt, verifier })
    }
}

fn number(text: Option<&str>) -> Option<u32> {
    text?.parse().ok()
}

fn bytes<const N: usize>(text: Option<&str>) -> Option<[u8; N]> {
    hex::decode(text?)?.try_into().ok()
}

/// Argon2id, version 0x13.
pub(crate) fn stretch(
    passphrase: &[u8],
    cost: PassphraseCost,
    salt: &[u8; SALT_LENGTH],
) -> Result<Zeroizing<[u8; KEY_LENGTH]>, KeyServiceError> {
    if !cost.is_bearable() {
        return Err(KeyServiceError::Passphrase(argon2::Error::MemoryTooMuch));
    }
    let parameters = Params::new(
        cost.memory_kib,
        cost.iterations,
        cost.parallelism,
        Some(KEY_LENGTH),
    )
    .map_err(KeyServiceError::Passphrase)?;
    let mut key = Zeroizing::new([0; KEY_LENGTH]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters)
        .hash_password_into(passphrase, salt, &mut *key)
        .map_err(KeyServiceError::Passphrase)?;
    Ok(key)
}

#[cfg(test)]
mod tests;
