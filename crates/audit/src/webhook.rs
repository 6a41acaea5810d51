//! Sending records to another machine (`spec/auth.md` §10.2, backends).

mod kubeconfig;
mod sender;
mod transport;

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::{Sender, channel};
use tokio::task::JoinHandle;

pub use kubeconfig::{KubeconfigError, WebhookTarget};

use crate::event::Event;
use transport::Transport;

/// Settings of a [`Webhook`]; named as kube-apiserver's flags.
#[derive(Debug, Clone)]
pub struct WebhookConfig {
    /// Where to: `--audit-webhook-config-file`.
    pub target: WebhookTarget,
    /// Whether requests wait: `--audit-webhook-mode`.
    pub mode: WebhookMode,
    /// So many records wait before more are dropped: `--audit-webhook-batch-buffer-size`.
    pub queue_length: usize,
    /// So many records at most go in one request: `--audit-webhook-batch-max-size`.
    pub batch_max_size: usize,
    /// So long a record waits for others: `--audit-webhook-batch-max-wait`.
    pub batch_max_wait: Duration,
    /// Pause after the first failure; it grows by half each time: `--audit-webhook-initial-backoff`.
    pub initial_backoff: Duration,
    /// A batch is given up after so many attempts.
    pub attempts: u32,
    /// Time limit of one attempt.
    pub timeout: Duration,
}

impl WebhookConfig {
    /// Batches as kube-apiserver sends them.
    pub fn new(target: WebhookTarget) -> Self {
        Self {
            target,
            mode: WebhookMode::Batch,
            queue_length: 10_000,
            batch_max_size: 400,
            batch_max_wait: Duration::from_secs(30),
            initial_backoff: Duration::from_secs(10),
            attempts: 5,
            timeout: Duration::from_secs(30),
        }
    }
}

/// Whether requests wait for the webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookMode {
    /// Records are queued and sent together; what cannot be sent is counted and lost.
    Batch,
    /// Each record is sent before its request is answered.
    Blocking,
}

/// Why records did not get there.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The target's certificates or key cannot be used.
    #[error("the audit webhook's TLS settings: {reason}")]
    Tls {
        /// What is wrong.
        reason: String,
    },
    /// No connection, or it broke.
    #[error("the audit webhook cannot be reached: {reason}")]
    Unreachable {
        /// What went wrong.
        reason: String,
    },
    /// No answer in time.
    #[error("the audit webhook did not answer in time")]
    Timeout,
    /// The answer was no success.
    #[error("the audit webhook answered {status}")]
    Refused {
        /// HTTP's status code.
        status: u16,
    },
}

/// Counters since the start; for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WebhookStats {
    /// Records that arrived.
    pub sent: u64,
    /// Records that were lost.
    pub dropped: u64,
    /// Attempts that failed.
    pub failures: u64,
}

#[derive(Debug, Default)]
struct Counters {
    sent: AtomicU64,
    dropped: AtomicU64,
    failures: AtomicU64,
}

/// The webhook. [`Webhook::close`] sends what is left.
#[derive(Debug)]
pub struct Webhook {
    counters: Arc<Counters>,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Batch {
        queue: Sender<Job>,
        /// Until the webhook is closed.
        task: Mutex<Option<JoinHandle<()>>>,
    },
    Blocking {
        transport: Box<Transport>,
        timeout: Duration,
    },
}

/// What waits for its turn.
#[derive(Debug)]
enum Job {
    /// An event.
    Line(Vec<u8>),
    /// Nothing comes after this.
    End,
}

impl Webhook {
    /// Starts the webhook; within a tokio runtime. Nothing is sent yet, so the target need not be there.
    ///
    /// # Errors
    /// When the target's certificates or key cannot be used.
    pub fn start(config: WebhookConfig) -> Result<Self, WebhookError> {
        let transport = Transport::new(&config.target)?;
        let counters = Arc::new(Counters::default());
        let way = match config.mode {
            WebhookMode::Blocking => Way::Blocking {
                transport: Box::new(transport),
                timeout: config.timeout,
            },
            WebhookMode::Batch => {
                let (queue, received) = channel(config.queue_length.max(1));
                let task = tokio::spawn(sender::run(received, transport, config, Arc::clone(&counters)));
                Way::Batch {
                    queue,
                    task: Mutex::new(Some(task)),
                }
            }
        };
        Ok(Self { counters, way })
    }

    /// Sends `event`: in batch mode it is queued, or counted and dropped if there is no room; in blocking mode it is
    /// there when this returns.
    ///
    /// # Errors
    /// In blocking mode, when it did not get there.
    pub async fn send(&self, event: &Event<'_>) -> Result<(), WebhookError> {
        let line = event.to_json();
        match &self.way {
            Way::Batch { queue, .. } => {
                if queue.try_send(Job::Line(line)).is_err() {
                    self.counters.dropped.fetch_add(1, Relaxed);
                }
                Ok(())
            }
            Way::Blocking { transport, timeout } => {
                let sent = transport.post(sender::event_list(&[line]), *timeout).await;
                let counter = match sent {
                    Ok(()) => &self.counters.sent,
                    Err(_) => &self.counters.failures,
                };
                counter.fetch_add(1, Relaxed);
                if sent.is_err() {
                    self.counters.dropped.fetch_add(1, Relaxed);
                }
                sent
            }
        }
    }

    /// Counters, for metrics.
    pub fn stats(&self) -> WebhookStats {
        WebhookStats {
            sent: self.counters.sent.load(Relaxed),
            dropped: self.counters.dropped.load(Relaxed),
            failures: self.counters.failures.load(Relaxed),
        }
    }

    /// Sends what is queued, for at most `limit`; what comes later is dropped.
    pub async fn close(&self, limit: Duration) {
        let Way::Batch { queue, task } = &self.way else {
            return;
        };
        let Some(task) = task.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return;
        };
        let sent = async {
            let _ = queue.send(Job::End).await;
            let _ = task.await;
        };
        if tokio::time::timeout(limit, sent).await.is_err() {
            tracing::warn!("the audit webhook did not take its last records in time");
        }
    }
}

#[cfg(test)]
mod tests;
