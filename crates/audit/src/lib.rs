//! Who did what, and can it be proven?
//!
//! - [`Policy`] decides which requests are recorded and how much of each (pure).
//! - [`Event`] is one record, in the words of `audit.k8s.io/v1`, written as one line of JSON (pure).
//! - [`Log`] is the file: each line carries the hash of the one before, and [`Log::head`] is a signed statement of
//!   where it ends.
//! - [`verify`] proves that nothing was removed, reordered or changed.
//! - [`query`](mod@query) and [`tail`] read the files for people.
//! - [`Webhook`] sends records to another machine.
//!
//! `spec/auth.md` §10 has the facts of the format.

mod chain;
mod event;
mod head;
mod hex;
mod lines;
mod log;
mod policy;
pub mod query;
mod record;
mod stage;
pub mod tail;
mod verify;
mod webhook;

pub use chain::{PREVIOUS_ANNOTATION, SEQUENCE_ANNOTATION};
pub use event::{Body, Event, ObjectReference, ResponseStatus, User};
pub use head::{Head, HeadError, HeadSigner};
pub use log::{AuditError, Fsync, Log, LogConfig, LogStats, Mode, OpenError};
pub use policy::{Decision, Policy, PolicyError, Request};
pub use record::{Record, RecordedReference, RecordedStatus, RecordedUser};
pub use stage::{Level, Stage, Stages};
pub use verify::{HeadCheck, Summary, VerifyError, VerifyOptions, verify, verify_with};
pub use webhook::{
    KubeconfigError, Webhook, WebhookConfig, WebhookError, WebhookMode, WebhookStats, WebhookTarget,
};
