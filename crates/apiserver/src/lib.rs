//! HTTP in; answers and watches out.
//!
//! `pipeline::answer` is the way of a request: who is it, may they, is there room, what do they want. What they want
//! is decided by the pure crates ([`strongroom_resources`], [`strongroom_access`]) and kept by
//! [`strongroom_storage`]; this crate connects them. Plaintext lives here only while a request is being answered.

mod admission;
mod audit_head;
mod authentication;
mod authorization;
mod binding;
mod body;
mod bootstrap;
mod connect;
mod connection;
mod continue_token;
mod delete;
mod documents;
mod encode;
mod event_frame;
mod eviction;
mod following;
mod frames;
mod get;
mod gzip;
mod health;
mod impersonation;
mod issuer_documents;
mod limits;
mod list;
mod metrics;
mod namespaces;
mod negotiation;
mod pipeline;
mod random;
mod request_info;
mod respond;
mod reviews;
mod routes;
mod server;
mod service;
mod stored;
mod tls;
mod token_request;
mod token_use;
mod trail;
mod version;
mod versions;
mod watch;
mod websocket;
mod write;

pub use authentication::{Authentication, ServiceAccounts, TokenIssuer};
pub use body::{Body, BrokenOff};
pub use bootstrap::StartError;
pub use connect::{NodeTls, NodeTlsError};
pub use connection::ServeError;
pub use limits::Limits;
pub use pipeline::Peer;
pub use server::{ApiServer, Config};
pub use service::InProcess;
pub use tls::{Credential, FrontProxies, Tls, let_in};
pub use trail::Auditing;
pub use version::document as version_document;
