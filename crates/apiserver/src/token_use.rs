//! The day on which a legacy token was last used, on its Secret (secrets §7).

use strongroom_objects::Object;
use strongroom_resources::{Tracking, find};
use strongroom_tokens::service_account::legacy::LAST_USED_LABEL;

use crate::get::not_found;
use crate::routes::Target;
use crate::server::ApiServer;
use crate::write::{Desired, Missing, Writer, replace};

/// Sets the label of `secret` to `day`, unless the Secret is no longer the same one.
pub(crate) async fn mark(server: ApiServer, secret: Object, day: String) {
    let Some(resource) = find("", "v1", "secrets") else {
        return;
    };
    let target = Target {
        resource,
        namespace: secret.metadata.namespace.clone(),
        name: secret.metadata.name.clone(),
        subresource: String::new(),
    };
    let desire = |live: Option<&Object>| {
        let live = live.filter(|live| live.metadata.uid == secret.metadata.uid);
        let mut object = live.ok_or_else(|| not_found(&target))?.clone();
        object
            .metadata
            .labels
            .insert(LAST_USED_LABEL.to_owned(), day.clone());
        Ok(Desired {
            object,
            tracking: Tracking::Update,
            warnings: Vec::new(),
        })
    };
    let writer = Writer::server("strongroom");
    if let Err(status) = replace(&server, &target, &writer, Missing::NotFound, desire).await {
        tracing::debug!(
            problem = status.message,
            "the use of a legacy token was not noted"
        );
    }
}
