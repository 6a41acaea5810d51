//! What an update, a deletion and immutability do to files that are in use: checklist §2.8, §2.9, §3.8, pods §3.3.

use std::time::{Duration, Instant};

use serde_json::json;
use strongroom_e2e::BUSYBOX;

use crate::world::{World, sleeping};

/// The three containers of upstream's test; each prints its file again and again.
fn three_optional(name: &str, volume: impl Fn(&str) -> String) -> String {
    let mut containers = String::new();
    let mut volumes = String::new();
    for (container, secret, file) in [
        ("del", "deleted", "data-1"),
        ("upd", "updated", "data-3"),
        ("new", "created", "data-1"),
    ] {
        containers += &format!(
            "  - name: {container}\n    image: {BUSYBOX}\n    command: [sh, -c, \"trap 'exit 0' TERM; while :; do cat /v/{file}; sleep 1; done\"]\n    volumeMounts: [{{name: {container}, mountPath: /v}}]\n"
        );
        volumes += &format!("  - {{name: {container}, {}}}\n", volume(secret));
    }
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec:\n  terminationGracePeriodSeconds: 1\n  containers:\n{containers}  volumes:\n{volumes}"
    )
}

fn optional_updates(namespace: &str, volume: impl Fn(&str) -> String) {
    let world = World::new(namespace);
    world.secret("deleted", &[("data-1", "value-1\n")]);
    world.secret("updated", &[("data-1", "value-1\n")]);
    world.apply(&three_optional("p", volume));
    world.ready("p");
    let last = |container: &str| {
        let log = world.log("p", container);
        log.lines().last().unwrap_or_default().to_owned()
    };
    let shows = |container: &str, expect: &str| {
        world.until(&format!("{container} shows {expect}"), || {
            last(container).contains(expect).then_some(())
        });
    };
    shows("del", "value-1");
    shows("upd", "can't open '/v/data-3'");
    shows("new", "can't open '/v/data-1'");
    world.delete("secrets/deleted").expect(200);
    // As upstream does: a PUT without resourceVersion.
    world
        .put(
            "secrets/updated",
            &json!({"metadata": {"name": "updated", "resourceVersion": ""}, "stringData": {"data-3": "value-3\n"}}),
        )
        .expect(200);
    world.secret("created", &[("data-1", "value-1\n")]);
    shows("del", "can't open '/v/data-1'");
    shows("upd", "value-3");
    shows("new", "value-1");
}

#[test]
fn optional_updates_in_secret_volumes() {
    optional_updates("optional-updates", |secret| {
        format!("secret: {{secretName: {secret}, optional: true}}")
    });
}

#[test]
fn optional_updates_in_projected_volumes() {
    optional_updates("optional-projections", |secret| {
        format!("projected: {{sources: [{{secret: {{name: {secret}, optional: true}}}}]}}")
    });
}

/// In every kind of mount but subPath and env, and fast.
#[test]
fn an_update_reaches_what_is_mounted() {
    let world = World::new("updates");
    world.secret("s", &[("k", "one")]);
    world.config_map("m", &[("k", "one")]);
    world.apply(&sleeping(
        "p",
        "volumes:\n- {name: plain, secret: {secretName: s}}\n- {name: items, secret: {secretName: s, items: [{key: k, path: d/f}]}}\n\
         - {name: projected, projected: {sources: [{secret: {name: s}}, {configMap: {name: m, items: [{key: k, path: map}]}}]}}\n\
         - {name: map, configMap: {name: m}}",
        "env: [{name: K, valueFrom: {secretKeyRef: {name: s, key: k}}}]\n\
         volumeMounts:\n- {name: plain, mountPath: /plain}\n- {name: items, mountPath: /items}\n- {name: projected, mountPath: /projected}\n\
         - {name: map, mountPath: /map}\n- {name: plain, mountPath: /sub, subPath: k}",
    ));
    let pod = world.ready("p");
    let all = "cat /plain/k /items/d/f /projected/k /projected/map /map/k /sub; echo $K";
    assert_eq!(world.sh("p", all), "oneoneoneoneoneoneone\n");
    let file = world.pods.volume(&pod, "kubernetes.io~secret", "plain").join("k");
    let begun = Instant::now();
    world
        .merge("secrets/s", &json!({"stringData": {"k": "two"}}))
        .expect(200);
    while std::fs::read_to_string(&file).expect("never missing") != "two" {
        assert!(begun.elapsed() < Duration::from_secs(5), "it is not pushed");
        std::thread::sleep(Duration::from_millis(1));
    }
    println!("an update took {:?}", begun.elapsed());
    world
        .merge("configmaps/m", &json!({"data": {"k": "two"}}))
        .expect(200);
    world.until("all files", || {
        (world.sh("p", all) == "twotwotwotwotwooneone\n").then_some(())
    });
    // More keys, fewer keys.
    world
        .merge(
            "secrets/s",
            &json!({"stringData": {"k": null, "other": "x"}, "data": {"k": null}}),
        )
        .expect(200);
    world.until("the keys", || {
        (world.sh("p", "ls /plain") == "other\n").then_some(())
    });
    // Files that are published no more stay for the second in which a reader may be on its way to them.
    world.until("only ..data, its directory and the key", || {
        (world.sh("p", "ls -A /plain | wc -l") == "3\n").then_some(())
    });
}

/// Checklist §2.9, and pods §3.3: what is immutable is not followed any more.
#[test]
fn an_immutable_secret_stays_as_it_is() {
    let world = World::new("immutable");
    world.secret("s", &[("k", "one")]);
    let put = |data: &str, immutable: bool| {
        let mut body = json!({"metadata": {"name": "s", "labels": {"l": data}}, "stringData": {"k": data}});
        if immutable {
            body["immutable"] = json!(true);
        }
        world.put("secrets/s", &body).status
    };
    assert_eq!(put("two", false), 200);
    assert_eq!(put("two", true), 200);
    assert_eq!(put("three", true), 422);
    assert_eq!(put("two", false), 422);
    world
        .merge("secrets/s", &json!({"metadata": {"labels": {"more": "x"}}}))
        .expect(200);
    world.apply(&sleeping(
        "p",
        "volumes: [{name: v, secret: {secretName: s}}]",
        "volumeMounts: [{name: v, mountPath: /v}]",
    ));
    world.ready("p");
    assert_eq!(world.sh("p", "cat /v/k"), "two");
    world.delete("secrets/s").expect(200);
    world.secret("s", &[("k", "another")]);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(
        world.sh("p", "cat /v/k"),
        "two",
        "existing pods keep the deleted Secret's files"
    );
    // Once no pod uses it, the next one gets what is there now.
    world.kubectl(&["delete", "pod", "p"]);
    world.apply(&sleeping(
        "q",
        "volumes: [{name: v, secret: {secretName: s}}]",
        "volumeMounts: [{name: v, mountPath: /v}]",
    ));
    world.ready("q");
    assert_eq!(world.sh("q", "cat /v/k"), "another");
}

/// Pods §3 and §13.9: the files stay, the environment cannot be made again.
#[test]
fn a_deleted_secret_leaves_its_last_files() {
    let world = World::new("deleted");
    world.secret("s", &[("k", "v")]);
    world.apply(&format!(
        "{}---\n{}",
        sleeping(
            "files",
            "volumes: [{name: v, secret: {secretName: s}}]",
            "volumeMounts: [{name: v, mountPath: /v}]",
        ),
        crate::world::pod(
            "both",
            "restartPolicy: Always\nvolumes: [{name: v, secret: {secretName: s}}]",
            "command: [sh, -c, \"trap 'exit 0' TERM; until test -e /tmp/end; do sleep 1; done\"]\n\
             env: [{name: K, valueFrom: {secretKeyRef: {name: s, key: k}}}]\nvolumeMounts: [{name: v, mountPath: /v}]",
        )
    ));
    world.ready("files");
    world.ready("both");
    world.delete("secrets/s").expect(200);
    world.event(
        "files",
        "FailedMount",
        "MountVolume.SetUp failed for volume \"v\" : secret \"s\" not found",
    );
    assert_eq!(world.sh("files", "cat /v/k"), "v");
    assert_eq!(
        world.get("pods", "files").expect("a pod")["status"]["phase"],
        "Running"
    );
    world.sh("both", "touch /tmp/end");
    assert_eq!(
        world.waits_for("both", "CreateContainerConfigError"),
        "secret \"s\" not found"
    );
    let volume = world.pods.volume(
        &world.get("pods", "both").expect("a pod"),
        "kubernetes.io~secret",
        "v",
    );
    assert_eq!(
        std::fs::read_to_string(volume.join("k")).expect("still there"),
        "v"
    );
    world.secret("s", &[("k", "again")]);
    world.ready("both");
    assert_eq!(world.sh("both", "echo $K; cat /v/k"), "again\nagain");
}

/// Labels and annotations are files that follow, too.
#[test]
fn a_changed_label_is_seen() {
    let world = World::new("labels");
    world.apply(&sleeping(
        "p",
        "volumes: [{name: v, downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}}]",
        "volumeMounts: [{name: v, mountPath: /v}]",
    ));
    world.ready("p");
    assert_eq!(world.sh("p", "cat /v/labels"), "app=\"p\"");
    world.kubectl(&["label", "pod", "p", "colour=red"]);
    world.until("the label", || {
        (world.sh("p", "cat /v/labels") == "app=\"p\"\ncolour=\"red\"").then_some(())
    });
}
