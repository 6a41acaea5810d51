//! The pods of the reference documents, as they stand there. Where a document names an image that only the internet
//! has, a local one stands in and sleeps or prints what the document's reader would have typed.

use serde_json::json;
use strongroom_e2e::BUSYBOX;

use crate::world::World;

const SLEEP: &str = r#"command: [sh, -c, "trap 'exit 0' TERM; while :; do sleep 1; done"]"#;

fn with_mysecret(namespace: &str) -> World {
    let world = World::new(namespace);
    world.apply("apiVersion: v1\nkind: Secret\nmetadata: {name: mysecret}\ntype: Opaque\ndata:\n  username: YWRtaW4=\n  password: MWYyZDFlMmU2N2Rm\n");
    world
}

/// The document's `mypod`: its volume `foo` at `/etc/foo`, with this Secret source.
fn mypod(world: &World, secret: &str) {
    world.apply(&format!(
        r#"
apiVersion: v1
kind: Pod
metadata:
  name: mypod
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: {BUSYBOX}
    {SLEEP}
    volumeMounts:
    - name: foo
      mountPath: "/etc/foo"
      readOnly: true
  volumes:
  - name: foo
    secret:
{secret}
"#
    ));
    world.ready("mypod");
}

#[test]
fn using_secrets_as_files_from_a_pod() {
    let world = with_mysecret("doc-files");
    mypod(&world, "      secretName: mysecret");
    assert_eq!(world.sh("mypod", "ls /etc/foo/"), "password\nusername\n");
    assert_eq!(world.sh("mypod", "cat /etc/foo/username"), "admin");
    assert_eq!(world.sh("mypod", "cat /etc/foo/password"), "1f2d1e2e67df");
    // "Mounted Secrets are updated automatically".
    world.kubectl(&[
        "patch",
        "secret",
        "mysecret",
        "-p",
        r#"{"stringData":{"password":"changed"}}"#,
    ]);
    world.until("the update", || {
        (world.sh("mypod", "cat /etc/foo/password") == "changed").then_some(())
    });
    let described = world.kubectl(&["describe", "pod", "mypod"]);
    for line in [
        "SecretName:  mysecret",
        "Optional:    false",
        "/etc/foo from foo (ro)",
    ] {
        assert!(described.contains(line), "{line} in {described}");
    }
}

#[test]
fn projection_of_secret_keys_to_specific_paths() {
    let world = with_mysecret("doc-paths");
    mypod(
        &world,
        "      secretName: mysecret\n      items:\n      - key: username\n        path: my-group/my-username",
    );
    assert_eq!(
        world.sh("mypod", "cd /etc/foo; find . -type f -follow ! -path './..*'"),
        "./my-group/my-username\n"
    );
    assert_eq!(world.sh("mypod", "cat /etc/foo/my-group/my-username"), "admin");
}

#[test]
fn secret_files_permissions() {
    let world = with_mysecret("doc-modes");
    mypod(&world, "      secretName: mysecret\n      defaultMode: 0400");
    let links = world.sh(
        "mypod",
        "cd /etc/foo; ls -l | awk 'NR>1 {print $1,$3,$4,$9,$10,$11}'",
    );
    assert_eq!(
        links,
        "lrwxrwxrwx root root password -> ..data/password\nlrwxrwxrwx root root username -> ..data/username\n"
    );
    let files = world.sh(
        "mypod",
        "cd /etc/foo/..data; ls -l | awk 'NR>1 {print $1,$3,$4,$5,$9}'",
    );
    assert_eq!(
        files,
        "-r-------- root root 12 password\n-r-------- root root 5 username\n"
    );
    let pod = world.get("pods", "mypod").expect("a pod");
    assert_eq!(pod["spec"]["volumes"][0]["secret"]["defaultMode"], 256);
}

#[test]
fn secret_files_permissions_by_item() {
    let world = with_mysecret("doc-item-modes");
    mypod(
        &world,
        "      secretName: mysecret\n      items:\n      - key: username\n        path: my-group/my-username\n        mode: 0777",
    );
    assert_eq!(
        world.sh("mypod", "stat -L -c %a /etc/foo/my-group/my-username"),
        "777\n"
    );
    let pod = world.get("pods", "mypod").expect("a pod");
    assert_eq!(pod["spec"]["volumes"][0]["secret"]["items"][0]["mode"], 511);
}

#[test]
fn using_secrets_as_environment_variables() {
    let world = with_mysecret("doc-env");
    world.apply(&format!(
        r#"
apiVersion: v1
kind: Pod
metadata:
  name: secret-env-pod
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: {BUSYBOX}
    {SLEEP}
    env:
      - name: SECRET_USERNAME
        valueFrom:
          secretKeyRef:
            name: mysecret
            key: username
      - name: SECRET_PASSWORD
        valueFrom:
          secretKeyRef:
            name: mysecret
            key: password
  restartPolicy: Never
"#
    ));
    world.ready("secret-env-pod");
    let echo = || world.sh("secret-env-pod", "echo $SECRET_USERNAME; echo $SECRET_PASSWORD");
    assert_eq!(echo(), "admin\n1f2d1e2e67df\n");
    // "Environment variables are not updated after a secret update".
    world.kubectl(&[
        "patch",
        "secret",
        "mysecret",
        "-p",
        r#"{"stringData":{"password":"changed"}}"#,
    ]);
    assert_eq!(echo(), "admin\n1f2d1e2e67df\n");
    let described = world.kubectl(&["describe", "pod", "secret-env-pod"]);
    assert!(
        described.contains("<set to the key 'username' in secret 'mysecret'>"),
        "{described}"
    );
    assert!(!described.contains("1f2d1e2e67df"), "{described}");
}

#[test]
fn use_case_as_container_environment_variables() {
    let world = World::new("doc-env-from");
    world.apply("apiVersion: v1\nkind: Secret\nmetadata: {name: mysecret}\ntype: Opaque\ndata:\n  USER_NAME: YWRtaW4=\n  PASSWORD: MWYyZDFlMmU2N2Rm\n");
    world.apply(&format!(
        r#"
apiVersion: v1
kind: Pod
metadata:
  name: secret-test-pod
spec:
  containers:
    - name: test-container
      image: {BUSYBOX}
      command: [ "/bin/sh", "-c", "env" ]
      envFrom:
      - secretRef:
          name: mysecret
  restartPolicy: Never
"#
    ));
    world.in_phase("secret-test-pod", "Succeeded");
    let log = world.kubectl(&["logs", "secret-test-pod"]);
    for line in ["USER_NAME=admin", "PASSWORD=1f2d1e2e67df"] {
        assert!(log.lines().any(|had| had == line), "{log}");
    }
}

#[test]
fn use_case_pod_with_ssh_keys() {
    let world = World::new("doc-ssh");
    let home = world.pods.kubectl.home().join("ssh");
    std::fs::create_dir_all(&home).expect("a directory");
    let key = "-----BEGIN OPENSSH PRIVATE KEY-----\nbm90IGEga2V5\n-----END OPENSSH PRIVATE KEY-----\n";
    std::fs::write(home.join("id_rsa"), key).expect("a file");
    std::fs::write(home.join("id_rsa.pub"), "ssh-rsa AAAA me@here\n").expect("a file");
    let printed = world.kubectl(&[
        "create",
        "secret",
        "generic",
        "ssh-key-secret",
        "--from-file=ssh-privatekey=ssh/id_rsa",
        "--from-file=ssh-publickey=ssh/id_rsa.pub",
    ]);
    assert_eq!(printed, "secret/ssh-key-secret created\n");
    world.apply(&format!(
        r#"
apiVersion: v1
kind: Pod
metadata:
  name: secret-test-pod
  labels:
    name: secret-test
spec:
  terminationGracePeriodSeconds: 1
  volumes:
  - name: secret-volume
    secret:
      secretName: ssh-key-secret
  containers:
  - name: ssh-test-container
    image: {BUSYBOX}
    {SLEEP}
    volumeMounts:
    - name: secret-volume
      readOnly: true
      mountPath: "/etc/secret-volume"
"#
    ));
    world.ready("secret-test-pod");
    let cat = |file: &str| world.kubectl(&["exec", "secret-test-pod", "--", "cat", file]);
    assert_eq!(cat("/etc/secret-volume/ssh-privatekey"), key);
    assert_eq!(cat("/etc/secret-volume/ssh-publickey"), "ssh-rsa AAAA me@here\n");
}

#[test]
fn use_case_pods_with_prod_and_test_credentials() {
    let world = World::new("doc-prod-test");
    let home = world.pods.kubectl.home().join("kustomize");
    std::fs::create_dir_all(&home).expect("a directory");
    let pod = |kind: &str| {
        format!(
            r#"
- kind: Pod
  apiVersion: v1
  metadata:
    name: {kind}-db-client-pod
    labels:
      name: {kind}-db-client
  spec:
    terminationGracePeriodSeconds: 1
    volumes:
    - name: secret-volume
      secret:
        secretName: {kind}-db-secret
    containers:
    - name: c
      image: {BUSYBOX}
      {SLEEP}
      volumeMounts:
      - name: secret-volume
        readOnly: true
        mountPath: "/etc/secret-volume""#
        )
    };
    let list = format!(
        "apiVersion: v1\nkind: List\nitems:{}{}\n",
        pod("prod"),
        pod("test")
    );
    std::fs::write(home.join("pod.yaml"), list).expect("a file");
    std::fs::write(
        home.join("kustomization.yaml"),
        "secretGenerator:\n- name: prod-db-secret\n  literals:\n  - username=produser\n  - password=Y4nys7f11\n\
         - name: test-db-secret\n  literals:\n  - username=testuser\n  - password=iluvtests\nresources:\n- pod.yaml\n",
    )
    .expect("a file");
    world.kubectl(&["apply", "-k", "kustomize"]);
    for (kind, user, password) in [
        ("prod", "produser", "Y4nys7f11"),
        ("test", "testuser", "iluvtests"),
    ] {
        let name = format!("{kind}-db-client-pod");
        let pod = world.ready(&name);
        let secret = pod["spec"]["volumes"][0]["secret"]["secretName"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        assert!(
            secret.starts_with(&format!("{kind}-db-secret-")),
            "kustomize adds a hash: {secret}"
        );
        let expect = format!("{user} {password}");
        assert_eq!(
            world.sh(
                &name,
                "printf '%s %s' $(cat /etc/secret-volume/username) $(cat /etc/secret-volume/password)"
            ),
            expect
        );
    }
    // "Special characters … require escaping" in a shell; there is none here.
    let password = r"S!B\*d$zDsb=";
    world.kubectl(&[
        "create",
        "secret",
        "generic",
        "dev-db-secret",
        "--from-literal=username=devuser",
        &format!("--from-literal=password={password}"),
    ]);
    world.apply(&crate::world::pod(
        "dev",
        "volumes: [{name: v, secret: {secretName: dev-db-secret}}]",
        "command: [cat, /v/password]\nvolumeMounts: [{name: v, mountPath: /v}]",
    ));
    world.in_phase("dev", "Succeeded");
    assert_eq!(world.log("dev", "c"), password);
}

#[test]
fn use_case_dotfiles_in_a_secret_volume() {
    let world = World::new("doc-dotfiles");
    let manifest = |name: &str, option: &str| {
        format!(
            r#"
apiVersion: v1
kind: Secret
metadata:
  name: dotfile-secret
data:
  .secret-file: dmFsdWUtMg0KDQo=
---
apiVersion: v1
kind: Pod
metadata:
  name: {name}
spec:
  restartPolicy: Never
  volumes:
  - name: secret-volume
    secret:
      secretName: dotfile-secret
  containers:
  - name: dotfile-test-container
    image: {BUSYBOX}
    command:
    - ls
    - "{option}"
    - "/etc/secret-volume"
    volumeMounts:
    - name: secret-volume
      readOnly: true
      mountPath: "/etc/secret-volume"
"#
        )
    };
    world.apply(&manifest("secret-dotfiles-pod", "-l"));
    world.apply(&manifest("seen", "-la"));
    world.in_phase("secret-dotfiles-pod", "Succeeded");
    world.in_phase("seen", "Succeeded");
    let log = world.kubectl(&["logs", "secret-dotfiles-pod"]);
    assert!(!log.contains("secret-file"), "{log}");
    let log = world.kubectl(&["logs", "seen"]);
    assert!(log.contains(" .secret-file -> ..data/.secret-file\n"), "{log}");
}

/// A frontend that cannot see the key asks a signer beside it, over localhost.
#[test]
fn use_case_secret_visible_to_one_container_in_a_pod() {
    let world = World::new("doc-signer");
    world.secret("hmac-key", &[("key", "only the signer knows this")]);
    world.apply(&format!(
        r#"
apiVersion: v1
kind: Pod
metadata:
  name: signing
spec:
  terminationGracePeriodSeconds: 1
  volumes:
  - name: key
    secret:
      secretName: hmac-key
  containers:
  - name: frontend
    image: {BUSYBOX}
    {SLEEP}
  - name: signer
    image: {BUSYBOX}
    command:
    - sh
    - -c
    - |
      trap 'exit 0' TERM
      printf '#!/bin/sh\nread m; {{ cat /etc/key/key; echo "$m"; }} | sha256sum | cut -c1-64\n' > /tmp/sign
      chmod +x /tmp/sign
      nc -ll -p 9000 -e /tmp/sign &
      while :; do sleep 1; done
    volumeMounts:
    - name: key
      readOnly: true
      mountPath: /etc/key
"#
    ));
    world.ready("signing");
    let inside = |container: &str, line: &str| {
        world.kubectl(&["exec", "signing", "-c", container, "--", "sh", "-c", line])
    };
    assert_eq!(
        inside(
            "frontend",
            "ls /etc/key 2>/dev/null | wc -l; mount | grep -c /etc/key; true"
        ),
        "0\n0\n"
    );
    let expect = inside(
        "signer",
        "printf 'only the signer knows thismessage\n' | sha256sum | cut -c1-64",
    );
    let ask = [
        "-n",
        "doc-signer",
        "exec",
        "signing",
        "-c",
        "frontend",
        "--",
        "sh",
        "-c",
        "echo message | nc -w 5 127.0.0.1 9000",
    ];
    world.until("the signature", || {
        (world.pods.kubectl.run(&ask).stdout == expect).then_some(())
    });
}

/// The tutorial's `kuard-tls`: files of a TLS Secret, replaced from files.
#[test]
fn the_tutorials_tls_files_and_their_replacement() {
    let world = World::new("doc-kuard");
    let home = world.pods.kubectl.home().join("kuard");
    std::fs::create_dir_all(&home).expect("a directory");
    let write = |version: &str| {
        for name in ["kuard.crt", "kuard.key"] {
            std::fs::write(home.join(name), format!("{name} {version}")).expect("a file");
        }
    };
    let create = [
        "create",
        "secret",
        "generic",
        "kuard-tls",
        "--from-file=kuard/kuard.crt",
        "--from-file=kuard/kuard.key",
    ];
    write("one");
    world.kubectl(&create);
    world.apply(&crate::world::sleeping(
        "kuard-tls",
        "volumes: [{name: tls-certs, secret: {secretName: kuard-tls}}]",
        "volumeMounts: [{name: tls-certs, mountPath: /tls, readOnly: true}]",
    ));
    world.ready("kuard-tls");
    assert_eq!(world.sh("kuard-tls", "cat /tls/kuard.crt"), "kuard.crt one");
    write("two");
    let manifest = world.kubectl(&[&create[..], &["--dry-run=client", "-o", "yaml"]].concat());
    let arguments = ["-n", &world.namespace, "replace", "-f", "-"];
    world.pods.kubectl.run_with(&arguments, &manifest, &[]).ok();
    world.until("the replacement", || {
        (world.sh("kuard-tls", "cat /tls/kuard.crt /tls/kuard.key") == "kuard.crt twokuard.key two")
            .then_some(())
    });
}

/// "Arranging for imagePullSecrets to be automatically attached".
#[test]
fn image_pull_secrets_of_a_service_account() {
    let world = World::new("doc-attached");
    world
        .merge(
            "serviceaccounts/default",
            &json!({"imagePullSecrets": [{"name": "my-image-pull-secret"}]}),
        )
        .expect(200);
    let body = |own: serde_json::Value| json!({"metadata": {"generateName": "p-"}, "spec": {"imagePullSecrets": own, "containers": [{"name": "c", "image": "busybox"}]}});
    let path = world.path("pods?dryRun=All");
    let made = |own| {
        world
            .call(async |client| client.post(&path, &body(own)).await)
            .expect(201)["spec"]["imagePullSecrets"]
            .take()
    };
    assert_eq!(made(json!(null)), json!([{"name": "my-image-pull-secret"}]));
    assert_eq!(made(json!([{"name": "own"}])), json!([{"name": "own"}]));
}
