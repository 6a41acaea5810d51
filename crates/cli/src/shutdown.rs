//! Being told to end.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The exit code of a program that SIGINT ended.
const INTERRUPTED: i32 = 130;

/// Cancels the token, `delay` after the first SIGINT or SIGTERM, which `announce` hears of at once. A second signal
/// ends the process.
///
/// # Errors
/// When the system does not let signals be watched.
pub fn on_signal(
    token: CancellationToken,
    delay: Duration,
    announce: impl FnOnce() + Send + 'static,
) -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("told to end");
        announce();
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            token.cancel();
        });
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        std::process::exit(INTERRUPTED);
    });
    Ok(())
}
