//! A client in a pod, which knows nothing but what the pod gives it: checklist §7.1.6 and §7.1.7, with kubectl.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use strongroom_e2e::tool;

use crate::images;
use crate::world::World;

const IMAGE: &str = "registry.example.com/kubectl:1.36";

fn world(namespace: &str) -> World {
    images::import(IMAGE, &tool("kubectl-1.36"), &["kubectl"]);
    World::new(namespace)
}

/// Runs shell lines in a pod of a service account, to their end; what they wrote.
fn run(world: &World, name: &str, account: &str, extra: &str, lines: &[&str]) -> String {
    let script = lines.iter().fold(String::new(), |mut script, line| {
        let _ = writeln!(script, "      {line}");
        script
    });
    world.apply(&format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  restartPolicy: Never
  serviceAccountName: {account}
  containers:
  - name: c
    image: {IMAGE}
    env: [{{name: HOME, value: /tmp}}]
    command: [sh, -ec]
    args:
    - |
{script}{extra}"#
    ));
    world.in_phase(name, "Succeeded");
    world.log(name, "c")
}

/// §7.1.6: address, authority, token and namespace are found in the pod.
#[test]
fn kubectl_in_a_pod() {
    let world = world("in-cluster-kubectl");
    world.secret("db", &[("password", "s3cret")]);
    world.kubectl(&["create", "serviceaccount", "reader"]);
    world.kubectl(&[
        "create",
        "role",
        "reader",
        "--verb=get",
        "--resource=secrets",
        "--resource-name=db",
    ]);
    let account = format!("--serviceaccount={}:reader", world.namespace);
    world.kubectl(&["create", "rolebinding", "reader", "--role=reader", &account]);
    let wrote = run(
        &world,
        "p",
        "reader",
        "",
        &[
            "kubectl get secret db -o jsonpath={.data.password} | base64 -d; echo",
            "kubectl auth whoami -o jsonpath={.status.userInfo.username}; echo",
            "! kubectl get secret other 2>&1",
            "! kubectl get secrets -A 2>&1",
        ],
    );
    let user = "system:serviceaccount:in-cluster-kubectl:reader";
    assert_eq!(
        wrote,
        format!(
            "s3cret\n{user}\n\
             Error from server (Forbidden): secrets \"other\" is forbidden: User \"{user}\" cannot get resource \"secrets\" in API group \"\" in the namespace \"in-cluster-kubectl\"\n\
             Error from server (Forbidden): secrets is forbidden: User \"{user}\" cannot list resource \"secrets\" in API group \"\" at the cluster scope\n"
        )
    );
}

/// §7.1.7: whoever may, finds out by whom and with which keys tokens are signed, and the pod's own is among them.
#[test]
fn the_issuer_is_found_in_a_pod() {
    let world = world("in-cluster-issuer");
    let binding = "issuer-discovery-of-a-pod";
    world.kubectl(&[
        "create",
        "clusterrolebinding",
        binding,
        "--clusterrole=system:service-account-issuer-discovery",
        "--serviceaccount=in-cluster-issuer:default",
    ]);
    let volume = "    volumeMounts: [{name: t, mountPath: /t}]\n  volumes:\n  - {name: t, projected: {sources: [{serviceAccountToken: \
                  {path: token, audience: oidc-discovery-test, expirationSeconds: 600}}]}}\n";
    let wrote = run(
        &world,
        "p",
        "default",
        volume,
        &[
            "kubectl get --raw /.well-known/openid-configuration; echo",
            "kubectl get --raw /openid/v1/jwks; echo",
            "cat /t/token; echo",
        ],
    );
    world.kubectl(&["delete", "clusterrolebinding", binding]);
    let lines: Vec<&str> = wrote.lines().collect();
    let [discovery, keys, token] = lines[..] else {
        panic!("{wrote}")
    };
    let [discovery, keys]: [Value; 2] =
        [discovery, keys].map(|line| serde_json::from_str(line).expect("JSON"));
    let part = |index: usize| -> Value {
        let part = token.split('.').nth(index).expect("three parts");
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
    };
    let (header, claims) = (part(0), part(1));
    assert_eq!(claims["iss"], discovery["issuer"]);
    assert_eq!(claims["aud"], serde_json::json!(["oidc-discovery-test"]));
    assert_eq!(claims["sub"], "system:serviceaccount:in-cluster-issuer:default");
    let keys = keys["keys"].as_array().expect("keys");
    assert!(
        keys.iter()
            .any(|key| key["kid"] == header["kid"] && key["alg"] == header["alg"]),
        "{header} of {keys:?}"
    );
}

/// §7.1.6, over time: the node renews the token before it ends, and the pod never meets a 401.
#[test]
#[ignore = "takes eleven minutes: cargo xtask soak a_token_is_renewed"]
fn a_token_is_renewed_while_the_pod_runs() {
    const LIFETIME: Duration = Duration::from_secs(600);
    let world = world("in-cluster-rotation");
    world.apply(&format!(
        r"
apiVersion: v1
kind: Pod
metadata: {{name: p}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: c
    image: {IMAGE}
    env: [{{name: HOME, value: /tmp}}]
    command: [sleep, '3600']
    volumeMounts: [{{name: t, mountPath: /t}}]
  volumes:
  - {{name: t, projected: {{sources: [{{serviceAccountToken: {{path: token, expirationSeconds: {}}}}}]}}}}",
        LIFETIME.as_secs()
    ));
    world.ready("p");
    let who = r"kubectl --token=$(cat /t/token) auth whoami -o jsonpath='{.status.userInfo.extra.authentication\.kubernetes\.io/credential-id[0]}'";
    let (start, mut ids) = (Instant::now(), Vec::new());
    while start.elapsed() < LIFETIME + Duration::from_secs(60) {
        let id = world.sh("p", who);
        if ids.last() != Some(&id) {
            println!("after {} s: {id}", start.elapsed().as_secs());
            ids.push(id);
        }
        std::thread::sleep(Duration::from_secs(5));
    }
    assert!(
        ids.len() == 2 && ids.iter().all(|id| id.starts_with("JTI=")),
        "one token, and then its successor: {ids:?}"
    );
}
