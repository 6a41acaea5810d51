//! Random bytes for keys.

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};

/// `N` bytes from the operating system's generator.
///
/// # Errors
/// When the system has no randomness to give.
pub fn bytes<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| anyhow::anyhow!("The operating system gave no random bytes."))?;
    Ok(bytes)
}
