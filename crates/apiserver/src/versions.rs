//! `resourceVersion` of reads: parsed, and waited for when it lies ahead (api-conventions §10).

use std::time::Duration;

use strongroom_objects::Status;
use strongroom_resources::parse_version;
use strongroom_storage::Revision;

use crate::server::ApiServer;

/// How long a read waits for a version that does not exist yet.
const WAIT: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(20);

/// Parses the `resourceVersion` of a GET or watch.
pub(crate) fn parse(text: &str, field: &str) -> Result<Revision, Box<Status>> {
    parse_version(text).map_err(|problem| {
        Box::new(Status::unclassified(&format!(
            "{field}: Invalid value: {text:?}: {problem}"
        )))
    })
}

/// Parses the `resourceVersion` of a list.
pub(crate) fn parse_for_list(text: &str) -> Result<Revision, Box<Status>> {
    parse_version(text).map_err(|problem| {
        let text = format!("invalid resource version: resourceVersion: Invalid value: {text:?}: {problem}");
        Box::new(Status::bad_request(&text))
    })
}

/// Returns once the store has reached `revision`; 504 when it does not in time.
pub(crate) async fn wait_for(server: &ApiServer, revision: Revision) -> Result<(), Box<Status>> {
    let store = server.0.store.store();
    let deadline = tokio::time::Instant::now() + WAIT;
    while store.revision() < revision {
        if tokio::time::Instant::now() >= deadline {
            return Err(Box::new(Status::version_too_large(revision, store.revision())));
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}
