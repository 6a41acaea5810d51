//! What all pods of the node share.

use std::sync::Arc;

use strongroom_cri::Runtime;
use strongroom_node_plan::node_facts::NodeFacts;
use tokio::sync::Semaphore;

use crate::caches::Caches;
use crate::config::Config;
use crate::event_log::EventLog;
use crate::places::Places;
use crate::services::Services;
use crate::status_writer::StatusWriter;

/// Pulls under way at once.
pub(crate) const PULLS: usize = 3;

/// What all pods of the node share.
pub(crate) struct Context {
    pub config: Arc<Config>,
    pub facts: NodeFacts,
    pub places: Places,
    /// `None`: there is no runtime, and pods wait.
    pub runtime: Option<Runtime>,
    /// The runtime's name, before `://` in container ids.
    pub runtime_name: String,
    pub caches: Arc<Caches>,
    pub services: Arc<Services>,
    pub events: EventLog,
    pub statuses: StatusWriter,
    pub pulls: Semaphore,
}
