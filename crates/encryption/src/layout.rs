//! The stored forms of a value, one module each (`spec/encryption-at-rest.md` §2).
//!
//! Every module has its prefix, a `Key`, and `seal` and `open` for the bytes after the prefix. `seal` appends to a
//! buffer, so that the caller writes the prefix first without a copy; when it fails the buffer is as it was. `open`
//! hands out plaintext only when all of it is authentic, and wipes what a failure leaves.

pub mod aescbc;
pub mod aesgcm;
pub mod kms_v2;
pub mod secretbox;

/// What every encrypted value begins with; identity refuses to read it.
pub const ENCRYPTED_PREFIX: &[u8] = b"k8s:enc:";

#[cfg(test)]
mod tests;
