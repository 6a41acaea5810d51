//! Who may do what, as people and machines meet it: real kubectl with kubeconfigs of their own, every refusal, and
//! changes that take effect at once (`spec/auth.md` §4–6, §12, §15.2).

mod commands;
mod default_roles;
mod escalation;
mod nodes;
mod refusals;
mod watches;

use serde_json::{Value, json};
use strongroom_e2e::{Client, Reply, Session};

/// One test for each version of kubectl.
macro_rules! with_every_kubectl {
    ($($test:ident),* $(,)?) => {
        mod with_1_20 { $( #[test] fn $test() { super::$test(crate::Session::start("1.20")) } )* }
        mod with_1_32 { $( #[test] fn $test() { super::$test(crate::Session::start("1.32")) } )* }
        mod with_1_36 { $( #[test] fn $test() { super::$test(crate::Session::start("1.36")) } )* }
    };
}
pub(crate) use with_every_kubectl;

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

/// A new token of a service account, by a way that every kubectl knows.
fn token_of(session: &mut Session, namespace: &str, account: &str) -> String {
    let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token");
    let reply = session.ok_input(&format!("create --raw {path} -f -"), "{}");
    let reply: Value = serde_json::from_str(&reply).unwrap_or_default();
    reply["status"]["token"].as_str().unwrap_or_default().to_owned()
}

fn namespaced(kind: &str, namespace: &str) -> String {
    format!("{RBAC}/namespaces/{namespace}/{kind}")
}

fn role(name: &str, rules: Value) -> Value {
    json!({"metadata": {"name": name}, "rules": rules})
}

/// A rule about Secrets.
fn secrets(verbs: &[&str]) -> Value {
    json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": verbs}])
}

/// A binding of `ClusterRole/x` or `Role/x` to a user.
fn binding(name: &str, role: &str, user: &str) -> Value {
    let (kind, role) = role.split_once('/').expect("kind/name");
    json!({
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    })
}

async fn create(client: &Client, path: &str, body: &Value) -> Reply {
    let reply = client.post(path, body).await;
    reply.expect(201);
    reply
}

async fn namespace(client: &Client, name: &str) {
    create(client, "/api/v1/namespaces", &json!({"metadata": {"name": name}})).await;
}
