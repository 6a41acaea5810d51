//! The cluster that the tests share, each in a namespace of its own.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use strongroom_e2e::{BUSYBOX, Client, Pods, Reply};

const PATIENCE: Duration = Duration::from_secs(150);

/// A namespace of the shared cluster; what runs in it goes when it is dropped.
pub struct World {
    pub pods: Arc<Pods>,
    pub namespace: String,
    client: Client,
    tokio: tokio::runtime::Runtime,
}

fn cluster() -> Arc<Pods> {
    static SHARED: Mutex<Weak<Pods>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pods) = shared.upgrade() {
        return pods;
    }
    let pods = outliving_this_thread(Pods::start);
    *shared = Arc::downgrade(&pods);
    pods
}

/// A server ends with the thread that has started it, and a test's thread ends before the other tests do.
pub fn outliving_this_thread(start: impl FnOnce() -> Pods + Send + 'static) -> Arc<Pods> {
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _ = send.send(Arc::new(start()));
        loop {
            std::thread::park();
        }
    });
    receive.recv().expect("a server and a node")
}

impl World {
    /// A namespace of this name, with what every namespace has.
    pub fn new(namespace: &str) -> World {
        World::on(cluster(), namespace)
    }

    /// A namespace of a cluster of one's own.
    pub fn on(pods: Arc<Pods>, namespace: &str) -> World {
        let client = pods.server.client();
        let tokio = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let world = World {
            pods,
            namespace: namespace.to_owned(),
            client,
            tokio,
        };
        let body = json!({"metadata": {"name": namespace}});
        world
            .call(async |client| client.post("/api/v1/namespaces", &body).await)
            .expect(201);
        world.until("the default service account", || {
            world.get("serviceaccounts", "default")
        });
        world.until("the root certificate", || {
            world.get("configmaps", "kube-root-ca.crt")
        });
        world
    }

    /// Calls of the API.
    pub fn call<T>(&self, work: impl AsyncFnOnce(&Client) -> T) -> T {
        self.tokio.block_on(work(&self.client))
    }

    /// The path of a resource, or of one object, in the namespace.
    pub fn path(&self, rest: &str) -> String {
        format!("/api/v1/namespaces/{}/{rest}", self.namespace)
    }

    pub fn post(&self, resource: &str, body: &Value) -> Reply {
        self.call(async |client| client.post(&self.path(resource), body).await)
    }

    pub fn put(&self, object: &str, body: &Value) -> Reply {
        self.call(async |client| client.put(&self.path(object), body).await)
    }

    pub fn merge(&self, object: &str, body: &Value) -> Reply {
        self.call(async |client| client.patch("merge", &self.path(object), body).await)
    }

    pub fn delete(&self, object: &str) -> Reply {
        self.call(async |client| client.delete(&self.path(object)).await)
    }

    /// One object, if it is there.
    pub fn get(&self, resource: &str, name: &str) -> Option<Value> {
        let path = self.path(&format!("{resource}/{name}"));
        let reply = self.call(async |client| client.get(&path).await);
        (reply.status == 200).then(|| reply.json())
    }

    /// A Secret of these keys and values.
    pub fn secret(&self, name: &str, data: &[(&str, &str)]) {
        let data: Value = data
            .iter()
            .map(|(key, value)| ((*key).to_owned(), json!(value)))
            .collect();
        let body = json!({"metadata": {"name": name}, "stringData": data});
        self.post("secrets", &body).expect(201);
    }

    /// A ConfigMap of these keys and values.
    pub fn config_map(&self, name: &str, data: &[(&str, &str)]) {
        let data: Value = data
            .iter()
            .map(|(key, value)| ((*key).to_owned(), json!(value)))
            .collect();
        self.post("configmaps", &json!({"metadata": {"name": name}, "data": data}))
            .expect(201);
    }

    /// kubectl in the namespace; standard output of a command that must succeed.
    #[track_caller]
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        self.pods
            .kubectl
            .ok(&[&["-n", &self.namespace], arguments].concat())
    }

    /// kubectl in the namespace; standard error of a command that must fail.
    #[track_caller]
    pub fn kubectl_fails(&self, arguments: &[&str]) -> String {
        self.pods
            .kubectl
            .fails(&[&["-n", &self.namespace], arguments].concat())
    }

    /// `kubectl apply -f -`.
    #[track_caller]
    pub fn apply(&self, manifest: &str) {
        let arguments = ["-n", &self.namespace, "apply", "-f", "-"];
        self.pods.kubectl.run_with(&arguments, manifest, &[]).ok();
    }

    /// Asks again and again.
    #[track_caller]
    pub fn until<T>(&self, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(answer) = ask() {
                return answer;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "{what}: not within {} s\n{}",
                PATIENCE.as_secs(),
                self.overview()
            );
            std::thread::sleep(Duration::from_millis(150));
        }
    }

    /// What a person would look at.
    pub fn overview(&self) -> String {
        let mut text = String::new();
        let list = |resource: &str| {
            let path = self.path(resource);
            self.call(async |client| client.get(&path).await).json()["items"].take()
        };
        for pod in list("pods").as_array().into_iter().flatten() {
            let status = &pod["status"];
            let _ = writeln!(
                text,
                "{}: {} {}",
                pod["metadata"]["name"],
                status["phase"],
                json!([status["initContainerStatuses"], status["containerStatuses"]])
            );
        }
        for event in list("events").as_array().into_iter().flatten() {
            let _ = writeln!(
                text,
                "{} {} {}",
                event["involvedObject"]["name"], event["reason"], event["message"]
            );
        }
        text
    }

    /// The pod, once it is in this phase.
    #[track_caller]
    pub fn in_phase(&self, pod: &str, phase: &str) -> Value {
        self.until(&format!("pod {pod} is {phase}"), || {
            let found = self.get("pods", pod)?;
            let now = found["status"]["phase"].as_str().unwrap_or_default();
            let ended = ["Succeeded", "Failed"].contains(&now) && now != phase;
            assert!(!ended, "pod {pod} is {now}\n{}", self.overview());
            (now == phase).then_some(found)
        })
    }

    /// The pod, once it is ready.
    #[track_caller]
    pub fn ready(&self, pod: &str) -> Value {
        self.until(&format!("pod {pod} is ready"), || {
            let found = self.get("pods", pod)?;
            let is = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
            found["status"]["conditions"]
                .as_array()?
                .iter()
                .any(is)
                .then_some(found)
        })
    }

    /// The message of the first container, once it waits for this reason.
    #[track_caller]
    pub fn waits_for(&self, pod: &str, reason: &str) -> String {
        self.until(&format!("pod {pod} waits for {reason}"), || {
            let found = self.get("pods", pod)?;
            let waiting = found.pointer("/status/containerStatuses/0/state/waiting")?;
            (waiting["reason"] == reason).then(|| waiting["message"].as_str().unwrap_or_default().to_owned())
        })
    }

    /// The events of one object.
    pub fn events(&self, object: &str) -> Vec<Value> {
        let path = self.path(&format!("events?fieldSelector=involvedObject.name={object}"));
        let mut list = self.call(async |client| client.get(&path).await).json();
        list["items"]
            .as_array_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }

    /// The event of this reason and message about an object, once it is there.
    #[track_caller]
    pub fn event(&self, object: &str, reason: &str, message: &str) -> Value {
        self.until(&format!("{object}: event {reason}: {message}"), || {
            let mut events = self.events(object).into_iter();
            events.find(|event| event["reason"] == reason && event["message"] == message)
        })
    }

    /// What a container has written, by `kubectl logs`.
    #[track_caller]
    pub fn log(&self, pod: &str, container: &str) -> String {
        self.kubectl(&["logs", pod, "-c", container])
    }

    /// A shell line in a pod's container `c`, by `kubectl exec`; standard output.
    #[track_caller]
    pub fn sh(&self, pod: &str, line: &str) -> String {
        self.kubectl(&["exec", pod, "-c", "c", "--", "sh", "-c", line])
    }

    /// Runs all pods at once and compares what they wrote, in whole.
    #[track_caller]
    pub fn check(&self, cases: &[Case]) {
        let manifests: Vec<String> = cases.iter().map(Case::manifest).collect();
        self.apply(&manifests.join("---\n"));
        let mut failures = String::new();
        for case in cases {
            let phase = self.until(&format!("pod {} has ended", case.name), || {
                let pod = self.get("pods", case.name)?;
                let phase = pod["status"]["phase"].as_str()?.to_owned();
                ["Succeeded", "Failed"].contains(&phase.as_str()).then_some(phase)
            });
            let log = self.log(case.name, "c");
            if phase != "Succeeded" || log != case.log {
                let _ = writeln!(
                    failures,
                    "{} ({}): {phase}, wrote {log:?}, expected {:?}",
                    case.name, case.section, case.log
                );
            }
        }
        assert!(failures.is_empty(), "{failures}");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let path = format!("/api/v1/namespaces/{}", self.namespace);
        let pods = format!("{path}/pods");
        let body = json!({"gracePeriodSeconds": 1});
        self.tokio.block_on(async {
            let _ = self.client.request("DELETE", &pods).json(&body).try_send().await;
            let _ = self.client.request("DELETE", &path).try_send().await;
        });
    }
}

/// A pod that does one thing, and what it writes.
pub struct Case {
    /// Of which paragraph.
    pub section: &'static str,
    /// The pod's name.
    pub name: &'static str,
    /// YAML lines of the pod's spec.
    pub spec: &'static str,
    /// YAML lines of the container.
    pub container: &'static str,
    /// The command; a shell line if it is one word.
    pub command: &'static [&'static str],
    /// Its whole log.
    pub log: &'static str,
}

impl Case {
    fn manifest(&self) -> String {
        let command = match self.command {
            [line] => json!(["sh", "-c", line]),
            words => json!(words),
        };
        pod(
            self.name,
            self.spec,
            &format!("command: {command}\n{}", self.container),
        )
    }
}

/// The manifest of a pod with one container `c`, from YAML lines of its spec and of its container.
pub fn pod(name: &str, spec: &str, container: &str) -> String {
    let indented = |text: &str, by: &str| -> String {
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        lines.fold(String::new(), |text, line| text + by + line + "\n")
    };
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, labels: {{app: {name}}}, annotations: {{note: blue}}}}\nspec:\n\
         \x20 terminationGracePeriodSeconds: 1\n{}{}  containers:\n  - name: c\n    image: {BUSYBOX}\n{}",
        if spec.contains("restartPolicy:") {
            ""
        } else {
            "  restartPolicy: Never\n"
        },
        indented(spec, "  "),
        indented(container, "    "),
    )
}

/// A pod that waits to be looked into.
pub fn sleeping(name: &str, spec: &str, container: &str) -> String {
    pod(
        name,
        spec,
        &format!("command: [sh, -c, \"trap 'exit 0' TERM; while :; do sleep 1; done\"]\n{container}"),
    )
}
