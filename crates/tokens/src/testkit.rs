//! Keys made for the tests, and for nothing else.

use crate::keys::{SigningKey, VerifyingKeys};

pub(crate) const RSA_PKCS8: &str = include_str!("../testdata/rsa-pkcs8.pem");
pub(crate) const RSA_PKCS1: &str = include_str!("../testdata/rsa-pkcs1.pem");
pub(crate) const RSA_PUBLIC: &str = include_str!("../testdata/rsa-public.pem");
/// What openssl makes of RSA_PUBLIC: base64url(SHA-256(DER)).
pub(crate) const RSA_KEY_ID: &str = "T2gT62U45F71YOuiTjRY-ieELeVz-GJJLOUVntPDeho";
pub(crate) const RSA_1024: &str = include_str!("../testdata/rsa-1024.pem");
pub(crate) const EC_SEC1: &str = include_str!("../testdata/ec-p256-sec1.pem");
pub(crate) const EC_P384: &str = include_str!("../testdata/ec-p384-sec1.pem");
pub(crate) const EC_P521: &str = include_str!("../testdata/ec-p521-pkcs8.pem");
pub(crate) const ED25519: &str = include_str!("../testdata/ed25519.pem");

/// A key that signs, and the set that verifies it.
pub(crate) fn pair(pem: &str) -> (SigningKey, VerifyingKeys) {
    let key = SigningKey::from_pem(pem.as_bytes()).unwrap();
    (key, VerifyingKeys::from_pem([pem.as_bytes()]).unwrap())
}

/// Small and repeatable: xorshift64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}
