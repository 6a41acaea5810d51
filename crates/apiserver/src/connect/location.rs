//! Where a pod's node is, and which of the pod's containers is meant.

use std::net::IpAddr;

use strongroom_objects::{Object, Status};
use strongroom_resources::{find, tree};

use crate::get::read;
use crate::routes::Target;
use crate::server::ApiServer;

/// The port of a node that does not say.
const PORT: u16 = 10250;

/// Where to ask a node for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The node's address.
    pub address: IpAddr,
    /// The port that its agent serves on.
    pub port: u16,
    /// What to ask for.
    pub path_and_query: String,
}

impl Location {
    /// Address and port, as in a URL.
    pub fn authority(&self) -> String {
        std::net::SocketAddr::new(self.address, self.port).to_string()
    }
}

/// The pod that `target` names.
pub async fn pod(server: &ApiServer, target: &Target) -> Result<Object, Box<Status>> {
    read(server, target).await?.object(target.resource)
}

/// `path_and_query` on the node that `pod` is on; `None` while it is on none.
pub async fn location(
    server: &ApiServer,
    pod: &Object,
    path_and_query: String,
) -> Result<Option<Location>, Box<Status>> {
    let name = tree::text(tree::part(pod, "spec"), "nodeName");
    if name.is_empty() {
        return Ok(None);
    }
    let Some(resource) = find("", "v1", "nodes") else {
        return Ok(None);
    };
    let target = Target {
        resource,
        namespace: String::new(),
        name: name.to_owned(),
        subresource: String::new(),
    };
    let node = read(server, &target).await?.object(resource)?;
    let (address, port) = address_of(&node).ok_or_else(|| {
        let problem = format!("node {name} has no address of type InternalIP");
        Box::new(Status::internal(&problem))
    })?;
    Ok(Some(Location {
        address,
        port,
        path_and_query,
    }))
}

/// The same for what cannot do without a node.
pub async fn location_now(
    server: &ApiServer,
    pod: &Object,
    path_and_query: String,
) -> Result<Location, Box<Status>> {
    let located = location(server, pod, path_and_query).await?;
    located.ok_or_else(|| {
        let problem = format!("pod {} does not have a host assigned", pod.metadata.name);
        Box::new(Status::bad_request(&problem))
    })
}

fn address_of(node: &Object) -> Option<(IpAddr, u16)> {
    let status = tree::part(node, "status");
    let internal = tree::list(status, "addresses")
        .iter()
        .filter(|address| address["type"] == "InternalIP")
        .find_map(|address| address["address"].as_str()?.parse().ok())?;
    let endpoint = tree::get(tree::get(status, "daemonEndpoints"), "kubeletEndpoint");
    let port = tree::get(endpoint, "Port").as_u64();
    let port = port.and_then(|port| u16::try_from(port).ok());
    Some((internal, port.filter(|port| *port != 0).unwrap_or(PORT)))
}

/// The container that is meant: the one that is named, or the only one.
///
/// # Errors
/// 400 with the names to choose from.
pub fn container(pod: &Object, named: Option<&str>) -> Result<String, Box<Status>> {
    let bad = |text: String| Err(Box::new(Status::bad_request(&text)));
    let pod_name = &pod.metadata.name;
    let of = |kind: &str| {
        let list = tree::list(tree::part(pod, "spec"), kind).iter();
        let names = list.filter_map(|container| container["name"].as_str());
        names.map(str::to_owned).collect::<Vec<_>>()
    };
    let regular = of("containers");
    let mut all = of("initContainers");
    all.extend_from_slice(&regular);
    all.extend(of("ephemeralContainers"));
    match (named.filter(|name| !name.is_empty()), regular.as_slice()) {
        (Some(name), _) if all.iter().any(|own| own == name) => Ok(name.to_owned()),
        (Some(name), _) => bad(format!("container {name} is not valid for pod {pod_name}")),
        (None, [only]) => Ok(only.clone()),
        (None, []) => bad(format!("a container name must be specified for pod {pod_name}")),
        (None, _) => bad(format!(
            "a container name must be specified for pod {pod_name}, choose one of: [{}]",
            all.join(" ")
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use strongroom_objects::Value;

    use super::*;

    fn object(body: Value) -> Object {
        let Value::Object(body) = body else {
            panic!("no object")
        };
        let mut object = Object {
            body,
            ..Object::default()
        };
        object.metadata.name = "p".to_owned();
        object
    }

    #[test]
    fn containers() {
        let check = |spec: Value, named: Option<&str>, expect: &str| {
            let got = container(&object(json!({"spec": spec})), named);
            assert_eq!(got.unwrap_or_else(|status| status.message), expect, "{named:?}");
        };
        let one = json!({"containers": [{"name": "a"}], "initContainers": [{"name": "i"}]});
        check(one.clone(), None, "a");
        check(one.clone(), Some(""), "a");
        check(one.clone(), Some("i"), "i");
        check(one, Some("x"), "container x is not valid for pod p");
        let two =
            json!({"containers": [{"name": "a"}, {"name": "b"}], "ephemeralContainers": [{"name": "e"}]});
        let choose = "a container name must be specified for pod p, choose one of: [a b e]";
        check(two.clone(), None, choose);
        check(two, Some("e"), "e");
        check(json!({}), None, "a container name must be specified for pod p");
    }

    #[test]
    fn addresses() {
        let check = |status: Value, expect: Option<(&str, u16)>| {
            let expect = expect.map(|(address, port)| (address.parse().unwrap(), port));
            assert_eq!(address_of(&object(json!({"status": status}))), expect, "{status}");
        };
        let internal =
            json!([{"type": "Hostname", "address": "n"}, {"type": "InternalIP", "address": "10.0.0.1"}]);
        check(json!({"addresses": internal}), Some(("10.0.0.1", 10250)));
        let endpoints = json!({"kubeletEndpoint": {"Port": 10251}});
        check(
            json!({"addresses": internal, "daemonEndpoints": endpoints}),
            Some(("10.0.0.1", 10251)),
        );
        check(
            json!({"addresses": [{"type": "InternalIP", "address": "n"}]}),
            None,
        );
        check(json!({}), None);
    }
}
