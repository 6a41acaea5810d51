//! Logs, commands, attaching and ports, as three kubectls ask for them: 1.20 speaks SPDY, the others websockets.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use strongroom_e2e::{BUSYBOX, Kubectl, Pods, python};

const VERSIONS: [&str; 3] = ["1.20", "1.32", "1.36"];

// The streams of a container are read apart: only time tells which line was first.
fn start() -> Pods {
    let world = Pods::start();
    world.apply(&format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: talker}}
spec:
  nodeName: {node}
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: {BUSYBOX}
    command: [sh, -c, "echo begin; sleep 1; echo oops >&2; mkdir -p /www; echo served > /www/index.html; httpd -p 8080 -h /www; touch /tmp/ready; while read line; do echo heard $line; done; sleep 3600"]
    readinessProbe: {{exec: {{command: [test, -e, /tmp/ready]}}, periodSeconds: 1}}
    stdin: true
  - name: other
    image: {BUSYBOX}
    command: [sh, -c, "echo other; sleep 3600"]
"#,
        node = world.node
    ));
    world.ready("talker");
    world
}

#[test]
fn logs() {
    let world = start();
    world.until("both streams are in the log", || {
        let log = world.kubectl.ok(&["logs", "talker", "-c", "c"]);
        (log.lines().count() == 2).then_some(())
    });
    for version in VERSIONS {
        let kubectl = Kubectl::new(version, &world.server);
        assert_eq!(
            kubectl.ok(&["logs", "talker", "-c", "c"]),
            "begin\noops\n",
            "{version}"
        );
        assert_eq!(kubectl.ok(&["logs", "talker", "-c", "c", "--tail=1"]), "oops\n");
        assert_eq!(
            kubectl.ok(&["logs", "talker", "-c", "c", "--limit-bytes=3"]),
            "beg"
        );
        let stamped = kubectl.ok(&["logs", "talker", "-c", "c", "--timestamps", "--tail=1"]);
        assert!(
            stamped.ends_with("Z oops\n") && stamped.starts_with("20"),
            "{stamped}"
        );
        let previous = kubectl.fails(&["logs", "talker", "-c", "c", "--previous"]);
        let expect = "Error from server (BadRequest): previous terminated container \"c\" in pod \"talker\" not found\n";
        assert_eq!(previous, expect, "{version}");
        let unknown = kubectl.fails(&["logs", "talker", "-c", "x"]);
        assert!(
            unknown.contains("container x is not valid for pod talker"),
            "{unknown}"
        );
    }
}

#[test]
fn a_log_is_followed_to_the_end_of_its_container() {
    let world = Pods::start();
    world.apply(&format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: counter}}
spec:
  nodeName: {node}
  restartPolicy: Never
  containers:
  - {{name: c, image: {BUSYBOX}, command: [sh, -c, "for n in 1 2 3 4 5; do echo $n; sleep 1; done"]}}
"#,
        node = world.node
    ));
    world.until("the container runs", || {
        let pod = world.get("pod", "counter")?;
        pod.pointer("/status/containerStatuses/0/state/running").map(drop)
    });
    let followed = world.kubectl.ok(&["logs", "-f", "counter"]);
    assert_eq!(followed, "1\n2\n3\n4\n5\n");
    world.in_phase("counter", "Succeeded");
    assert_eq!(world.kubectl.ok(&["logs", "counter"]), "1\n2\n3\n4\n5\n");
}

#[test]
fn commands() {
    let world = start();
    for version in VERSIONS {
        let kubectl = Kubectl::new(version, &world.server);
        let ran = kubectl.run(&[
            "exec",
            "talker",
            "-c",
            "c",
            "--",
            "sh",
            "-c",
            "echo out; echo err >&2; exit 3",
        ]);
        assert_eq!((ran.code, ran.stdout.as_str()), (3, "out\n"), "{ran:?}");
        assert!(ran.stderr.starts_with("err\n"), "{ran:?}");
        assert!(
            ran.stderr.contains("command terminated with exit code 3"),
            "{ran:?}"
        );

        let megabytes = "0123456789abcde\n".repeat(1 << 17);
        let counted = kubectl.run_with(
            &["exec", "-i", "talker", "-c", "c", "--", "wc", "-c"],
            &megabytes,
            &[],
        );
        assert_eq!(counted.ok().trim(), megabytes.len().to_string(), "{version}");
        let echoed = kubectl.run_with(&["exec", "-i", "talker", "-c", "c", "--", "cat"], &megabytes, &[]);
        assert!(
            echoed.ok() == megabytes,
            "{version}: two megabytes do not come back"
        );

        let file = kubectl.file("there.txt", "there and back\n");
        let back = kubectl.home().join("back.txt");
        let (file, back) = (file.display().to_string(), back.display().to_string());
        kubectl.ok(&["cp", &file, "talker:/tmp/there.txt", "-c", "c"]);
        kubectl.ok(&["cp", "talker:/tmp/there.txt", &back, "-c", "c"]);
        assert_eq!(
            std::fs::read_to_string(&back).expect("a copy"),
            "there and back\n"
        );

        let absent = kubectl.run(&["exec", "talker", "-c", "c", "--", "no-such-program"]);
        assert_ne!(absent.code, 0);
        assert!(absent.stderr.contains("no-such-program"), "{absent:?}");
        let unknown = kubectl.fails(&["exec", "talker", "-c", "x", "--", "true"]);
        assert!(
            unknown.contains("container x is not valid for pod talker"),
            "{unknown}"
        );
    }
}

/// What the audit log tells of a command: `verb stage code` for each record.
fn recorded(world: &Pods) -> Vec<String> {
    let text = std::fs::read_to_string(world.server.audit_log()).expect("an audit log");
    let events = text
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    events
        .filter(|event| event["objectRef"]["subresource"] == "exec")
        .map(|event| {
            let uri = event["requestURI"].as_str().unwrap_or_default();
            assert!(uri.contains("command=(not recorded)"), "{uri}");
            let word = |field: &serde_json::Value| field.as_str().unwrap_or_default().to_owned();
            format!(
                "{} {} {}",
                word(&event["verb"]),
                word(&event["stage"]),
                event["responseStatus"]["code"]
            )
        })
        .collect()
}

#[test]
fn commands_are_recorded_from_beginning_to_end() {
    let world = start();
    // 1.20 asks by POST for SPDY, the others by GET for a websocket.
    for (version, verb) in [("1.20", "create"), ("1.32", "get"), ("1.36", "get")] {
        let before = recorded(&world).len();
        let kubectl = Kubectl::new(version, &world.server);
        kubectl.ok(&["exec", "talker", "-c", "c", "--", "true"]);
        let expect = ["ResponseStarted 101", "ResponseComplete 101"].map(|rest| format!("{verb} {rest}"));
        world.until("the command is recorded", || {
            (recorded(&world)[before..] == expect).then_some(())
        });
    }
}

#[test]
fn a_node_answers_those_who_may() {
    let world = Pods::start();
    let port = world.until("the node says where it is", || {
        let node = world.get("node", &world.node)?;
        node.pointer("/status/daemonEndpoints/kubeletEndpoint/Port")?
            .as_u64()
    });
    let node = world.get("node", &world.node).expect("a node");
    let addresses = node["status"]["addresses"].as_array().expect("addresses");
    let address = addresses
        .iter()
        .find(|address| address["type"] == "InternalIP")
        .expect("one");
    let address = address["address"].as_str().expect("text");
    let ask = |path: &str, token: Option<&str>| {
        let mut command = Command::new("curl");
        command.args([
            "-sk",
            "-w",
            " %{http_code}",
            &format!("https://{address}:{port}{path}"),
        ]);
        if let Some(token) = token {
            command.args(["-H", &format!("Authorization: Bearer {token}")]);
        }
        let output = command.output().expect("curl runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let token = world.kubectl.ok(&["create", "token", "default"]);
    let token = token.trim();
    assert_eq!(ask("/pods", None), "Unauthorized 401");
    assert_eq!(ask("/exec/default/a/b", Some("nonsense")), "Unauthorized 401");
    let user = "system:serviceaccount:default:default";
    let forbidden =
        format!("Forbidden (user={user}, verb=get, resource=nodes, subresource(s)=[pods proxy]) 403");
    assert_eq!(ask("/pods", Some(token)), forbidden);
    world.kubectl.ok(&[
        "create",
        "clusterrole",
        "proxy",
        "--verb=get",
        "--resource=nodes/proxy",
    ]);
    let account = "--serviceaccount=default:default";
    world.kubectl.ok(&[
        "create",
        "clusterrolebinding",
        "proxy",
        "--clusterrole=proxy",
        account,
    ]);
    world.until("the right is known", || {
        (ask("/healthz", Some(token)) == "ok 200").then_some(())
    });
    let pods = ask("/pods", Some(token));
    assert!(
        pods.contains("\"kind\":\"PodList\"") && pods.ends_with(" 200"),
        "{pods}"
    );
}

#[test]
fn attaching() {
    let world = start();
    for version in VERSIONS {
        let kubectl = Kubectl::new(version, &world.server);
        let line = format!("from-{version}");
        // Its input ends with ours only once (stdinOnce is not set), so kubectl goes on until it is stopped.
        let mut child = kubectl.spawn_with_input(
            &["attach", "-i", "talker", "-c", "c"],
            "attached",
            &format!("{line}\n"),
        );
        world.until("what was heard is said", || {
            let said = std::fs::read_to_string(kubectl.home().join("attached")).unwrap_or_default();
            said.contains(&format!("heard {line}")).then_some(())
        });
        let _ = child.kill();
        let _ = child.wait();
    }
}

#[test]
fn ports() {
    let world = start();
    for version in VERSIONS {
        let kubectl = Kubectl::new(version, &world.server);
        let mut child = kubectl.spawn(&["port-forward", "pod/talker", ":8080"], "forwarded");
        let port = world.until("kubectl forwards", || {
            let said = std::fs::read_to_string(kubectl.home().join("forwarded")).unwrap_or_default();
            let rest = said.split("127.0.0.1:").nth(1)?;
            rest.split(' ').next()?.parse::<u16>().ok()
        });
        for _ in 0..3 {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
            stream
                .set_read_timeout(Some(Duration::from_secs(20)))
                .expect("a timeout");
            stream.write_all(b"GET / HTTP/1.0\r\n\r\n").expect("a request");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).expect("an answer");
            assert!(answer.ends_with("served\n"), "{version}: {answer}");
        }
        let _ = child.kill();
        let _ = child.wait();
    }
}

#[test]
fn the_official_python_client() {
    let world = start();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/streams.py");
    let output = Command::new("timeout")
        .arg("120")
        .arg(python())
        .arg(script)
        .arg(world.server.kubeconfig())
        .env("HOME", world.server.scratch())
        .output()
        .expect("Python runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

/// A node on another machine makes its own key; its certificate is somebody's decision.
#[test]
fn a_node_is_believed_once_its_certificate_is_approved() {
    let world = Pods::with_a_worker();
    world.apply(&format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: far}}
spec:
  nodeName: {node}
  terminationGracePeriodSeconds: 1
  containers:
  - {{name: c, image: {BUSYBOX}, command: [sh, -c, "echo here; sleep 3600"]}}
"#,
        node = world.node
    ));
    world.ready("far");
    let refused = world.kubectl.fails(&["logs", "far"]);
    assert!(refused.contains("invalid peer certificate"), "{refused}");
    let insecure = ["logs", "far", "--insecure-skip-tls-verify-backend"];
    assert_eq!(world.kubectl.ok(&insecure), "here\n");

    let request = world.until("the node asks for a certificate", || {
        let list = world.kubectl.json(&["get", "csr", "-o", "json"]);
        let items = list["items"].as_array()?.clone();
        let serving = items
            .iter()
            .find(|item| item["spec"]["signerName"] == "kubernetes.io/kubelet-serving")?;
        Some(serving["metadata"]["name"].as_str()?.to_owned())
    });
    world.kubectl.ok(&["certificate", "approve", &request]);
    world.until("the node is believed", || {
        (world.kubectl.run(&["logs", "far"]).stdout == "here\n").then_some(())
    });
    assert_eq!(world.kubectl.ok(&["exec", "far", "--", "echo", "hi"]), "hi\n");
}
