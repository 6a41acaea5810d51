//! Certificates on request: asked for, approved or denied, signed, used (`spec/auth.md` §7.3, §9;
//! `spec/e2e-checklist.md` §7.6, §9.6).

mod authorities;
mod kubectl;
mod nodes;
mod requester;
mod requests;

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};
use serde_json::{Value, json};
use strongroom_e2e::{Client, Credentials, Http, Server};

const REQUESTS: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
const CLIENT: &str = "kubernetes.io/kube-apiserver-client";
const KUBELET_CLIENT: &str = "kubernetes.io/kube-apiserver-client-kubelet";
const KUBELET_SERVING: &str = "kubernetes.io/kubelet-serving";

/// A private key and the request made with it.
struct Asked {
    /// PEM.
    key: String,
    /// PEM.
    request: String,
}

/// Asks for `CN=name, O=group`, and host names.
fn ask(name: &str, group: &str, hosts: &[&str]) -> Asked {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    if !group.is_empty() {
        params.distinguished_name.push(DnType::OrganizationName, group);
    }
    for host in hosts {
        params
            .subject_alt_names
            .push(SanType::DnsName((*host).try_into().expect("a name")));
    }
    let key = KeyPair::generate().expect("a key");
    let request = params.serialize_request(&key).expect("a request");
    Asked {
        key: key.serialize_pem(),
        request: request.pem().expect("PEM"),
    }
}

/// The object that asks for it.
fn object(name: &str, asked: &Asked, signer: &str, usages: &[&str]) -> Value {
    json!({
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name},
        "spec": {"request": STANDARD.encode(&asked.request), "signerName": signer, "usages": usages},
    })
}

fn path(name: &str) -> String {
    format!("{REQUESTS}/{name}")
}

/// Approves a request as it is stored.
async fn approve(client: &Client, name: &str) -> strongroom_e2e::Reply {
    decide(client, name, "Approved").await
}

async fn decide(client: &Client, name: &str, kind: &str) -> strongroom_e2e::Reply {
    let mut live = client.get(&path(name)).await.expect(200);
    live["status"]["conditions"] = json!([{"type": kind, "status": "True", "reason": "Test"}]);
    client.put(&format!("{}/approval", path(name)), &live).await
}

/// The request once it is as wanted, or as it is after some time.
async fn eventually(client: &Client, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let start = Instant::now();
    loop {
        let live = client.get(&path(name)).await.expect(200);
        if wanted(&live) || start.elapsed() > Duration::from_secs(15) {
            return live;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The certificate, PEM, once it is issued.
async fn certificate(client: &Client, name: &str) -> String {
    let live = eventually(client, name, |live| live["status"]["certificate"].is_string()).await;
    let certificate = live["status"]["certificate"].as_str();
    let certificate = certificate.unwrap_or_else(|| panic!("no certificate: {}", live["status"]));
    String::from_utf8(STANDARD.decode(certificate).expect("base64")).expect("PEM")
}

/// Somebody with a certificate.
fn client(server: &Server, certificate: &str, key: &str) -> Client {
    let mut credentials = Credentials::from_kubeconfig(&server.kubeconfig());
    credentials.certificate = Some((certificate.to_owned(), key.to_owned()));
    Client::new(server.port(), &credentials, Http::One)
}

/// Who the server takes somebody for.
async fn who(client: &Client) -> Value {
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let reply = client.post(path, &json!({})).await;
    reply.expect(201)["status"]["userInfo"].clone()
}
