//! Batches: gathered, sent, and tried again.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, sleep, timeout_at};

use super::transport::Transport;
use super::{Counters, Job, WebhookConfig, WebhookError};

pub(super) async fn run(
    mut queue: Receiver<Job>,
    transport: Transport,
    config: WebhookConfig,
    counters: Arc<Counters>,
) {
    loop {
        let (batch, ended) = gather(&mut queue, &config).await;
        if batch.is_empty() {
            break;
        }
        let count = batch.len() as u64;
        match deliver(event_list(&batch), &transport, &config, &counters).await {
            Ok(()) => counters.sent.fetch_add(count, Relaxed),
            Err(error) => {
                tracing::error!(%error, records = count, "audit records were not sent and are lost");
                counters.dropped.fetch_add(count, Relaxed)
            }
        };
        if ended {
            break;
        }
    }
    queue.close();
    while let Ok(Job::Line(_)) = queue.try_recv() {
        counters.dropped.fetch_add(1, Relaxed);
    }
}

/// What comes within the wait after the first one, and whether that was all; nothing if nothing will ever come.
async fn gather(queue: &mut Receiver<Job>, config: &WebhookConfig) -> (Vec<Vec<u8>>, bool) {
    let Some(Job::Line(first)) = queue.recv().await else {
        return (Vec::new(), true);
    };
    let mut batch = vec![first];
    let until = Instant::now() + config.batch_max_wait;
    while batch.len() < config.batch_max_size {
        match timeout_at(until, queue.recv()).await {
            Ok(Some(Job::Line(line))) => batch.push(line),
            Ok(Some(Job::End) | None) => return (batch, true),
            Err(_) => break,
        }
    }
    (batch, false)
}

async fn deliver(
    body: Bytes,
    transport: &Transport,
    config: &WebhookConfig,
    counters: &Counters,
) -> Result<(), WebhookError> {
    let mut pause = config.initial_backoff;
    let mut attempt = 1;
    loop {
        let Err(error) = transport.post(body.clone(), config.timeout).await else {
            return Ok(());
        };
        counters.failures.fetch_add(1, Relaxed);
        if attempt >= config.attempts || !is_passing(&error) {
            return Err(error);
        }
        tracing::debug!(%error, attempt, "sending audit records again");
        sleep(pause).await;
        attempt += 1;
        pause = pause.mul_f64(1.5).min(Duration::from_secs(120));
    }
}

/// Whether trying again can help.
fn is_passing(error: &WebhookError) -> bool {
    match error {
        WebhookError::Tls { .. } => false,
        WebhookError::Unreachable { .. } | WebhookError::Timeout => true,
        WebhookError::Refused { status } => matches!(status, 408 | 429 | 500..),
    }
}

/// An `EventList` of events that are JSON already.
pub(super) fn event_list(events: &[Vec<u8>]) -> Bytes {
    let mut out = br#"{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":["#.to_vec();
    out.extend_from_slice(&events.join(&b','));
    out.extend_from_slice(b"]}\n");
    Bytes::from(out)
}
