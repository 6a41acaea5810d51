//! `exec` and `attach`: SPDY is handed on, a websocket is translated.

use http::{Method, Response, StatusCode};
use strongroom_objects::{Status, Value};
use strongroom_streams::remote_command::bridge;
use strongroom_streams::upgrade::{COMMAND_PROTOCOL, spdy, spdy_headers};
use strongroom_streams::websocket::channel::Protocol;

use super::location::Location;
use super::options::CommandOptions;
use super::{
    IDLE, NodeError, Wanted, connecting, hand_spdy_on, hold, location, node_request, nodes, not_spoken,
    spawn, wanted,
};
use crate::body::Body;
use crate::pipeline::Admitted;
use crate::routes::Target;
use crate::server::ApiServer;

/// Connects a client to a process.
pub async fn answer<B>(mut request: Admitted<'_, B>, target: Target) -> Result<Response<Body>, Box<Status>> {
    let permission = connecting(&mut request).await?;
    let options = CommandOptions::parse(request.query)?;
    let server = request.server;
    let pod = location::pod(server, &target).await?;
    let container = location::container(&pod, options.container.as_deref())?;
    let path = format!(
        "/{}/{}/{}/{container}{}",
        target.subresource, target.namespace, target.name, options.query
    );
    let location = location::location_now(server, &pod, path).await?;
    let (wanted, upgrade) = wanted(&mut request)?;
    let handshake = match wanted {
        Wanted::Spdy => return hand_spdy_on(&mut request, &location, upgrade, permission).await,
        Wanted::Websocket(handshake) => handshake,
    };
    let protocol = Protocol::choose(handshake.offered()).ok_or_else(not_spoken)?;
    let held = hold(&mut request, permission, StatusCode::SWITCHING_PROTOCOLS).await?;
    let server = server.clone();
    // As kube-apiserver does, the client is let in before the node is asked: what goes wrong is told on the error
    // channel, where clients that fall back to SPDY on a failed handshake do not try a second time.
    spawn(upgrade, held, async move |client, mut held| {
        let connect = async {
            connect(&server, &location)
                .await
                .map_err(|error| error.to_string())
        };
        let revoked = async { Value::Object(held.permission.lost().await.to_value()).to_string() };
        bridge(client, protocol, options.streams, IDLE, connect, revoked).await;
    });
    Ok(handshake.response(protocol.agreed()))
}

async fn connect(
    server: &ApiServer,
    location: &Location,
) -> Result<strongroom_streams::spdy::Connection, NodeError> {
    let request = node_request(location, Method::POST, spdy_headers(COMMAND_PROTOCOL))?;
    let stream = nodes::dial(server, location, false)
        .await
        .map_err(NodeError::Dial)?;
    Ok(spdy(stream, request, Default::default()).await?)
}
