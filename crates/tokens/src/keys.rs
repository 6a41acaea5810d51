//! Keys: the one that signs service-account tokens, and those that verify tokens (auth.md §3.1).

mod public;
mod signing;
#[cfg(test)]
mod tests;
mod verifying;

pub(crate) use public::{Curve, MIN_RSA_BYTES};
pub use signing::SigningKey;
pub(crate) use verifying::VerifyingKey;
pub use verifying::{VerifyingKeys, openid_configuration};

/// Why a key is not accepted. Contains nothing of the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The file holds no PEM section with a key.
    #[error("there is no PEM encoded key in it")]
    NoKey,
    /// A PEM section is damaged.
    #[error("its PEM encoding is damaged")]
    Pem,
    /// A section holds a key that cannot be read or is not accepted.
    #[error("a key in it cannot be read, or is none of RSA (2048 bits or more), EC P-256, P-384 and P-521")]
    Unsupported,
    /// The signing key file holds more than one private key.
    #[error("there is more than one private key in it")]
    Several,
}
