//! `/containerLogs`: what a container wrote, as the runtime keeps it in files (pods-and-kubelet §6, §11).

mod instance;
mod options;
mod reader;

use bytes::Bytes;
use futures::stream;
use http::{Response, StatusCode};
use k8s_openapi::api::core::v1::Pod;
use tokio::sync::mpsc;

use self::options::Options;
use self::reader::{Follow, LogReader};
use crate::answer::{Body, Refusal, flowing};
use crate::requests::{Request, Target};

/// Pieces of an answer that wait to be sent.
const AHEAD: usize = 2;

/// Answers with a container's log.
pub async fn answer(request: &Request, target: Target<'_>) -> Response<Body> {
    match open(request, target).await {
        Ok(response) => response,
        Err(refusal) => refusal.into(),
    }
}

async fn open(request: &Request, target: Target<'_>) -> Result<Response<Body>, Refusal> {
    let bad = |problem: String| Refusal(StatusCode::BAD_REQUEST, problem);
    let options = Options::parse(&request.query, jiff::Timestamp::now())
        .map_err(|refusal| Refusal(refusal.code(), refusal.to_string()))?;
    let node = &request.server.node;
    let pod = node.pod(target.namespace, target.pod).ok_or_else(|| {
        let problem = format!("pod {:?} does not exist", target.pod);
        Refusal(StatusCode::NOT_FOUND, problem)
    })?;
    if !has_container(&pod, target.container) {
        let problem = format!(
            "container {:?} not found in pod {:?}",
            target.container, target.pod
        );
        return Err(Refusal(StatusCode::NOT_FOUND, problem));
    }
    let id = instance::choose(&pod, target.container, options.previous)
        .map_err(|refusal| bad(refusal.to_string()))?;
    let place = std::sync::Arc::clone(&request.server.streams).try_acquire_owned();
    let place =
        place.map_err(|_| Refusal::new(StatusCode::TOO_MANY_REQUESTS, "too many streams are open"))?;
    let measured = request.server.metrics.open("containerLogs");
    let container = node.container(&id).await.map_err(|error| {
        tracing::debug!(%error, "the runtime knows nothing of a container's log");
        bad(format!("unable to retrieve container logs for containerd://{id}"))
    })?;
    let path = container.log_path.clone();
    let selection = options.selection;
    let opened = tokio::task::spawn_blocking(move || LogReader::open(path, selection)).await;
    let reader = match opened {
        Ok(Ok(reader)) => reader,
        Ok(Err(error)) => {
            let path = container.log_path.display();
            return Err(bad(format!("failed to open log file \"{path}\": {error}")));
        }
        Err(_) => {
            let problem = "the log cannot be read".to_owned();
            return Err(Refusal(StatusCode::INTERNAL_SERVER_ERROR, problem));
        }
    };
    let follow = options.follow.then(|| Follow {
        node: std::sync::Arc::clone(node),
        container: id,
    });
    let (pieces, to_send) = mpsc::channel::<Bytes>(AHEAD);
    let stopping = request.server.stopping.clone();
    tokio::spawn(async move {
        let _held = (place, measured);
        tokio::select! {
            () = reader.run(follow, &pieces) => {}
            () = stopping.cancelled() => {}
            // Nobody is left to read it.
            () = pieces.closed() => {}
        }
    });
    Ok(flowing(stream::unfold(to_send, async |mut to_send| {
        let piece = to_send.recv().await?;
        Some((piece, to_send))
    })))
}

fn has_container(pod: &Pod, name: &str) -> bool {
    let Some(spec) = &pod.spec else { return false };
    let init = spec.init_containers.iter().flatten();
    let ephemeral = spec.ephemeral_containers.iter().flatten();
    let mut names = spec
        .containers
        .iter()
        .chain(init)
        .map(|container| &container.name)
        .chain(ephemeral.map(|container| &container.name));
    names.any(|own| own == name)
}
