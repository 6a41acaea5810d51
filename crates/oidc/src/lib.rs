//! The keys of outside issuers: fetched over HTTPS, refreshed, and kept while an issuer is away.
//!
//! What a token means is decided in `strongroom-tokens`; this crate only brings it the keys.

mod fetch;
mod keys;
#[cfg(test)]
mod tests;

pub use fetch::FetchError;
pub use keys::{IssuerKeys, NoKeys, REFRESH_PERIOD, UNKNOWN_KEY_PAUSE};
