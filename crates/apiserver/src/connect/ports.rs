//! `portforward`: SPDY is handed on, bare or out of a websocket's tunnel; older websockets are translated.

use http::{Method, Response, StatusCode};
use strongroom_objects::Status;
use strongroom_streams::port_forward::{TUNNEL, bridge, choose, parse_ports, tunnel};
use strongroom_streams::spdy;
use strongroom_streams::upgrade::{Answer, PORT_FORWARD_PROTOCOL, spdy_headers};

use super::{
    IDLE, Wanted, ask, bad, connecting, hand_spdy_on, hold, location, not_connected, not_spoken, relayed,
    spawn, wanted,
};
use crate::body::Body;
use crate::pipeline::Admitted;
use crate::routes::Target;

/// Connects a client to ports of a pod.
pub async fn answer<B>(mut request: Admitted<'_, B>, target: Target) -> Result<Response<Body>, Box<Status>> {
    let permission = connecting(&mut request).await?;
    let server = request.server;
    let pod = location::pod(server, &target).await?;
    let path = format!("/portForward/{}/{}", target.namespace, target.name);
    let location = location::location_now(server, &pod, path).await?;
    let (wanted, upgrade) = wanted(&mut request)?;
    let handshake = match wanted {
        Wanted::Spdy => return hand_spdy_on(&mut request, &location, upgrade, permission).await,
        Wanted::Websocket(handshake) => handshake,
    };
    let tunnelled = handshake.offered().iter().any(|name| name == TUNNEL);
    let channels = match (tunnelled, choose(handshake.offered())) {
        (true, _) => None,
        (false, Some(protocol)) => {
            let ports = parse_ports(request.query.all("ports").into_iter());
            Some((protocol, ports.map_err(|error| bad(&error.to_string()))?))
        }
        (false, None) => return Err(not_spoken()),
    };
    let headers = spdy_headers(PORT_FORWARD_PROTOCOL);
    let asked = ask(server, &location, Method::POST, headers, false).await;
    let node = match asked.map_err(|error| not_connected(&error))? {
        Answer::Upgraded(_, node) => node,
        Answer::Other(refusal) => return Ok(relayed(refusal).await),
    };
    let held = hold(&mut request, permission, StatusCode::SWITCHING_PROTOCOLS).await?;
    let agreed = match &channels {
        None => Some(TUNNEL),
        Some((protocol, _)) => protocol.agreed(),
    };
    spawn(upgrade, held, async move |client, mut held| {
        let revoked = async { drop(held.permission.lost().await) };
        match channels {
            None => tunnel(client, node, IDLE, revoked).await,
            Some((protocol, ports)) => {
                let connection = spdy::client(node, spdy::Limits::default());
                bridge(client, protocol, &ports, IDLE, connection, revoked).await;
            }
        }
    });
    Ok(handshake.response(agreed))
}
