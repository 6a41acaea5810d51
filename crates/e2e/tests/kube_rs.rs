//! kube-rs does typed create, read, update, watch, apply and delete.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::ByteString;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::api::{
    Api, DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams, WatchEvent, WatchParams,
};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Config};
use serde_json::json;
use strongroom_e2e::Server;

async fn connect(server: &Server) -> Client {
    let file = Kubeconfig::read_from(server.kubeconfig()).expect("a kubeconfig");
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
        .await
        .expect("a configuration");
    Client::try_from(config).expect("a client")
}

fn secret(name: &str) -> Secret {
    Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        },
        string_data: Some(BTreeMap::from([("a".to_owned(), "x".to_owned())])),
        ..Secret::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_typed_api() {
    let server = Server::start();
    let client = connect(&server).await;
    let secrets: Api<Secret> = Api::default_namespaced(client.clone());

    let created = secrets
        .create(&PostParams::default(), &secret("s"))
        .await
        .expect("created");
    assert_eq!(
        created.data,
        Some(BTreeMap::from([("a".to_owned(), ByteString(b"x".to_vec()))]))
    );
    assert_eq!(created.type_.as_deref(), Some("Opaque"));
    let error = secrets
        .create(&PostParams::default(), &secret("s"))
        .await
        .expect_err("it is there");
    assert!(
        matches!(&error, kube::Error::Api(status) if status.code == 409 && status.reason == "AlreadyExists"),
        "{error}"
    );

    let mut changed = secrets.get("s").await.expect("there");
    changed
        .data
        .get_or_insert_default()
        .insert("b".to_owned(), ByteString(vec![0, 255]));
    let replaced = secrets
        .replace("s", &PostParams::default(), &changed)
        .await
        .expect("replaced");
    assert_eq!(
        replaced.data.as_ref().and_then(|data| data.get("b")),
        Some(&ByteString(vec![0, 255]))
    );
    let error = secrets
        .replace("s", &PostParams::default(), &changed)
        .await
        .expect_err("stale");
    assert!(
        matches!(&error, kube::Error::Api(status) if status.code == 409),
        "{error}"
    );

    let merged = secrets
        .patch(
            "s",
            &PatchParams::default(),
            &Patch::Merge(json!({"data": {"b": null}})),
        )
        .await
        .expect("merged");
    assert!(!merged.data.unwrap_or_default().contains_key("b"));
    let applied =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"c": "eg=="}});
    let object = secrets
        .patch("s", &PatchParams::apply("rust"), &Patch::Apply(&applied))
        .await
        .expect("applied");
    assert_eq!(object.data.unwrap_or_default().len(), 2);
    let conflicting =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"c": "eQ=="}});
    let error = secrets
        .patch("s", &PatchParams::apply("other"), &Patch::Apply(&conflicting))
        .await
        .expect_err("a conflict");
    assert!(
        matches!(&error, kube::Error::Api(status) if status.code == 409 && status.message.contains("conflict with \"rust\": .data.c")),
        "{error}"
    );
    secrets
        .patch(
            "s",
            &PatchParams::apply("other").force(),
            &Patch::Apply(&conflicting),
        )
        .await
        .expect("forced");

    let listed = secrets
        .list(&ListParams::default().fields("type=Opaque"))
        .await
        .expect("listed");
    assert_eq!(listed.items.len(), 1);
    let metadata = secrets
        .list_metadata(&ListParams::default())
        .await
        .expect("metadata");
    assert_eq!(metadata.items.len(), 1);
    secrets
        .delete("s", &DeleteParams::default())
        .await
        .expect("deleted");
    assert!(secrets.get_opt("s").await.expect("answered").is_none());

    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    let map = ConfigMap {
        metadata: ObjectMeta {
            name: Some("c".to_owned()),
            ..ObjectMeta::default()
        },
        ..ConfigMap::default()
    };
    maps.create(&PostParams::default(), &map).await.expect("created");
    let leases: Api<Lease> = Api::default_namespaced(client.clone());
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"}, "spec": {"holderIdentity": "me", "leaseDurationSeconds": 10}});
    leases
        .patch("l", &PatchParams::apply("rust"), &Patch::Apply(&lease))
        .await
        .expect("applied");
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let namespace = Namespace {
        metadata: ObjectMeta {
            name: Some("team".to_owned()),
            ..ObjectMeta::default()
        },
        ..Namespace::default()
    };
    namespaces
        .create(&PostParams::default(), &namespace)
        .await
        .expect("created");
    let uid = namespaces
        .get("team")
        .await
        .expect("there")
        .metadata
        .uid
        .unwrap_or_default();
    let gone = kube::runtime::wait::conditions::is_deleted(&uid);
    namespaces
        .delete("team", &DeleteParams::default())
        .await
        .expect("deleted");
    let wait = kube::runtime::wait::await_condition(namespaces, "team", gone);
    tokio::time::timeout(Duration::from_secs(20), wait)
        .await
        .expect("in time")
        .expect("gone");
    assert!(
        client
            .apiserver_version()
            .await
            .expect("answered")
            .git_version
            .starts_with("v1.36")
    );
    let groups = kube::discovery::Discovery::new(client)
        .run()
        .await
        .expect("discovery");
    assert!(groups.has_group("coordination.k8s.io"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watches() {
    let server = Server::start();
    let client = connect(&server).await;
    let secrets: Api<Secret> = Api::default_namespaced(client.clone());
    secrets
        .create(&PostParams::default(), &secret("first"))
        .await
        .expect("created");

    let mut raw = secrets
        .watch(&WatchParams::default(), "0")
        .await
        .expect("a watch")
        .boxed();
    assert!(
        matches!(raw.next().await, Some(Ok(WatchEvent::Added(object))) if object.metadata.name.as_deref() == Some("first"))
    );

    for config in [
        watcher::Config::default(),
        watcher::Config::default().streaming_lists(),
    ] {
        let mut stream = watcher(secrets.clone(), config).applied_objects().boxed();
        let next = async |stream: &mut futures::stream::BoxStream<'_, watcher::Result<Secret>>| {
            tokio::time::timeout(Duration::from_secs(20), stream.next())
                .await
                .expect("in time")
                .expect("no end")
                .expect("no error")
                .metadata
                .name
        };
        assert_eq!(next(&mut stream).await.as_deref(), Some("first"));
        secrets
            .create(&PostParams::default(), &secret("second"))
            .await
            .expect("created");
        assert_eq!(next(&mut stream).await.as_deref(), Some("second"));
        secrets
            .delete("second", &DeleteParams::default())
            .await
            .expect("deleted");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_lives_through_a_restart() {
    let mut server = Server::start();
    let port = server.port();
    server.options().port = port;
    let client = connect(&server).await;
    let secrets: Api<Secret> = Api::default_namespaced(client.clone());
    secrets
        .create(&PostParams::default(), &secret("first"))
        .await
        .expect("created");
    let mut stream = watcher(secrets.clone(), watcher::Config::default())
        .default_backoff()
        .applied_objects()
        .boxed();
    assert!(
        tokio::time::timeout(Duration::from_secs(20), stream.next())
            .await
            .expect("in time")
            .is_some()
    );
    server.kill();
    server.restart();
    assert_eq!(server.port(), port);
    let writer = connect(&server).await;
    Api::<Secret>::default_namespaced(writer)
        .create(&PostParams::default(), &secret("second"))
        .await
        .expect("created");
    let seen = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            if let Some(Ok(object)) = stream.next().await
                && object.metadata.name.as_deref() == Some("second")
            {
                return;
            }
        }
    });
    seen.await
        .expect("the watcher comes back and sees what it missed");
}
