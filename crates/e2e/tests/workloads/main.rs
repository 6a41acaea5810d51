//! Workloads and their Secrets as their users see them: through kubectl and the API, with one server, one node and one
//! containerd for the whole program. Needs root and `cargo xtask tools`. Sections are those of the checklist of
//! Kubernetes' own end-to-end tests.

mod canary;
mod database;
mod documents;
mod edges;
mod environment;
mod images;
mod in_cluster;
mod live;
mod refusals;
mod registry;
mod service_accounts;
mod volumes;
mod world;
