//! Logs do not grow for ever: a log that has grown too long is moved away, and the oldest ones go.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use strongroom_cri::Runtime;
use strongroom_cri::messages::container::{ContainerFilter, ContainerState, ContainerStateValue};

use crate::context::Context;
use crate::sandbox_config::{label, root_dir};

const ROUND: Duration = Duration::from_secs(10);

/// Looks at the logs of running containers for ever.
pub(crate) async fn rotate(context: Arc<Context>) {
    loop {
        tokio::time::sleep(ROUND).await;
        if let Some(runtime) = &context.runtime {
            round(&context, runtime).await;
        }
    }
}

async fn round(context: &Context, runtime: &Runtime) {
    let filter = ContainerFilter {
        state: Some(ContainerStateValue {
            state: ContainerState::Running as i32,
        }),
        label_selector: [(label::ROOT_DIR.to_owned(), root_dir(context))].into(),
        ..ContainerFilter::default()
    };
    let Ok(containers) = runtime.list_containers(filter).await else {
        return;
    };
    for container in containers {
        let Some(path) = log_path(
            context,
            &container.labels,
            &container.metadata.unwrap_or_default(),
        ) else {
            continue;
        };
        let length = fs::metadata(&path).map_or(0, |metadata| metadata.len());
        if length < context.config.log_max_bytes {
            continue;
        }
        let moved = moved(&path, Timestamp::now());
        if let Err(error) = fs::rename(&path, &moved) {
            tracing::warn!(path = %path.display(), %error, "a log cannot be moved away");
            continue;
        }
        if let Err(error) = runtime.reopen_container_log(&container.id).await {
            // The runtime writes to the moved file: it gets its name back.
            tracing::warn!(path = %path.display(), %error, "a log cannot be opened anew");
            let _ = fs::rename(&moved, &path);
            continue;
        }
        for old in superfluous(&path, context.config.log_max_files) {
            let _ = fs::remove_file(old);
        }
    }
}

fn log_path(
    context: &Context,
    labels: &std::collections::BTreeMap<String, String>,
    metadata: &strongroom_cri::messages::container::ContainerMetadata,
) -> Option<PathBuf> {
    let pod_logs = context.places.pod_logs(
        labels.get(label::POD_NAMESPACE)?,
        labels.get(label::POD_NAME)?,
        labels.get(label::POD_UID)?,
    );
    Some(
        pod_logs
            .join(&metadata.name)
            .join(format!("{}.log", metadata.attempt)),
    )
}

/// `0.log.20260102-030405`
fn moved(path: &Path, now: Timestamp) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(now.strftime(".%Y%m%d-%H%M%S").to_string());
    name.into()
}

/// The oldest of a log's moved parts, beyond `most` files with the log itself.
fn superfluous(path: &Path, most: usize) -> Vec<PathBuf> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Vec::new();
    };
    let prefix = format!("{}.", name.to_string_lossy());
    let mut parts: Vec<PathBuf> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        .map(|entry| entry.path())
        .collect();
    parts.sort();
    let excess = parts.len().saturating_sub(most.saturating_sub(1));
    parts.truncate(excess);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_parts_go() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("0.log");
        for name in [
            "0.log",
            "0.log.20260101-000000",
            "0.log.20260102-000000",
            "0.log.20260103-000000",
            "1.log",
        ] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        let names: Vec<String> = superfluous(&log, 2)
            .iter()
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        assert_eq!(names, ["0.log.20260101-000000", "0.log.20260102-000000"]);
        let at = Timestamp::from_second(1_767_326_645).unwrap();
        assert_eq!(moved(&log, at).file_name().unwrap(), "0.log.20260102-040405");
    }
}
