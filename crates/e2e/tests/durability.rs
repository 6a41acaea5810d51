//! What was acknowledged stays: kill -9 (R1), failing disks (R5), full disks (R6), damaged files (R7, S18).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use strongroom_e2e::{Client, Options, Random, Server, setting};

const SECRETS: &str = "/api/v1/namespaces/default/secrets";

fn one(name: &str) -> String {
    format!("{SECRETS}/{name}")
}

fn secret(name: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"v": value}})
}

fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"]
        .as_str()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

/// What an object must look like.
#[derive(Clone, Debug, PartialEq)]
struct Known {
    value: String,
    uid: String,
    version: u64,
}

impl Known {
    fn of(object: &Value) -> Known {
        let value = object["data"]["v"].as_str().unwrap_or_default();
        Known {
            value: String::from_utf8_lossy(&STANDARD.decode(value).unwrap_or_default()).into_owned(),
            uid: object["metadata"]["uid"].as_str().unwrap_or_default().to_owned(),
            version: version(object),
        }
    }
}

/// What a writer was doing when it heard no answer.
#[derive(Clone, Debug)]
enum Unknown {
    Put(String, String),
    Delete(String),
}

/// One writer's view: what it was told, and what it does not know.
#[derive(Default)]
struct Account {
    objects: BTreeMap<String, Known>,
    unknown: Option<Unknown>,
    acknowledged: u64,
}

struct Shared {
    /// Set just before the kill: a failure earlier than that is a finding.
    dying: AtomicBool,
    /// Set once the process is gone.
    stop: AtomicBool,
    highest: AtomicU64,
    versions: Mutex<BTreeSet<u64>>,
}

impl Shared {
    fn acknowledge(&self, before: u64, version: u64) {
        assert!(
            version > before,
            "version {version} was given although {before} had been"
        );
        assert!(
            self.versions.lock().expect("no panic").insert(version),
            "version {version} was given twice"
        );
        self.highest.fetch_max(version, Ordering::SeqCst);
    }
}

/// Writes until the server is gone; each value is unique.
async fn write(
    number: usize,
    client: Client,
    mut account: Account,
    mut random: Random,
    shared: Arc<Shared>,
) -> Account {
    while !shared.stop.load(Ordering::SeqCst) {
        let name = format!("w{number}-{}", random.below(12));
        let value = format!("{name}-{}", random.word(24));
        let before = shared.highest.load(Ordering::SeqCst);
        let present = account.objects.contains_key(&name);
        let (request, unknown, status) = if present && random.below(4) == 0 {
            (
                client.request("DELETE", &one(&name)),
                Unknown::Delete(name.clone()),
                200,
            )
        } else if present {
            (
                client.request("PUT", &one(&name)).json(&secret(&name, &value)),
                Unknown::Put(name.clone(), value),
                200,
            )
        } else {
            (
                client.request("POST", SECRETS).json(&secret(&name, &value)),
                Unknown::Put(name.clone(), value),
                201,
            )
        };
        let reply = match request.patience(Duration::from_secs(20)).try_send().await {
            Ok(reply) => reply,
            Err(error) => {
                assert!(
                    shared.dying.load(Ordering::SeqCst),
                    "no answer from a healthy server: {error}"
                );
                account.unknown = Some(unknown);
                break;
            }
        };
        if shared.stop.load(Ordering::SeqCst) && reply.status >= 500 {
            account.unknown = Some(unknown);
            break;
        }
        let body = reply.expect(status);
        account.acknowledged += 1;
        match unknown {
            Unknown::Delete(name) => {
                account.objects.remove(&name);
            }
            Unknown::Put(name, value) => {
                let known = Known::of(&body);
                assert_eq!(known.value, value);
                shared.acknowledge(before, known.version);
                account.objects.insert(name, known);
            }
        }
    }
    account
}

/// Compares what is there with what was acknowledged; settles what was unknown.
fn settle(account: &mut Account, list: &mut BTreeMap<String, Known>) {
    if let Some(unknown) = account.unknown.take() {
        let (Unknown::Put(name, _) | Unknown::Delete(name)) = &unknown;
        let before = account.objects.get(name).cloned();
        let now = list.get(name).cloned();
        let possible = now == before
            || match (&unknown, &now) {
                (Unknown::Delete(_), now) => now.is_none(),
                (Unknown::Put(_, value), Some(now)) => {
                    now.value == *value
                        && before
                            .as_ref()
                            .is_none_or(|before| now.uid == before.uid && now.version > before.version)
                }
                (Unknown::Put(..), None) => false,
            };
        assert!(
            possible,
            "neither old nor new: {unknown:?}\nbefore {before:?}\nnow {now:?}"
        );
        match now {
            Some(now) => account.objects.insert(name.clone(), now),
            None => account.objects.remove(name),
        };
    }
    for (name, known) in &account.objects {
        let found = list.remove(name);
        assert_eq!(
            found.as_ref(),
            Some(known),
            "an acknowledged write of {name} is lost or changed"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r1_kill_under_write_load() {
    const WRITERS: usize = 16;
    let cycles: usize = setting("STRONGROOM_R1_CYCLES", 100);
    let (mut random, seed) = Random::fresh();
    println!("R1: {cycles} cycles, seed {seed}");
    let mut server = Server::start();
    let shared = Arc::new(Shared {
        dying: AtomicBool::new(false),
        stop: AtomicBool::new(false),
        highest: AtomicU64::new(0),
        versions: Mutex::new(BTreeSet::new()),
    });
    let mut accounts: Vec<Account> = (0..WRITERS).map(|_| Account::default()).collect();
    for cycle in 0..cycles {
        shared.dying.store(false, Ordering::SeqCst);
        shared.stop.store(false, Ordering::SeqCst);
        let writers: Vec<_> = accounts
            .drain(..)
            .enumerate()
            .map(|(number, account)| {
                tokio::spawn(write(
                    number,
                    server.client(),
                    account,
                    Random::seeded(random.number()),
                    shared.clone(),
                ))
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(20 + random.below(780))).await;
        shared.dying.store(true, Ordering::SeqCst);
        server.kill();
        shared.stop.store(true, Ordering::SeqCst);
        for writer in writers {
            accounts.push(
                writer
                    .await
                    .unwrap_or_else(|error| panic!("cycle {cycle}: {error}")),
            );
        }
        server.restart();
        let reply = server.client().get(SECRETS).await.expect(200);
        assert!(
            version(&reply) >= shared.highest.load(Ordering::SeqCst),
            "cycle {cycle}: the version has gone back"
        );
        shared.highest.fetch_max(version(&reply), Ordering::SeqCst);
        let mut list: BTreeMap<String, Known> = reply["items"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|item| {
                (
                    item["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
                    Known::of(item),
                )
            })
            .collect();
        for account in &mut accounts {
            settle(account, &mut list);
        }
        assert!(list.is_empty(), "cycle {cycle}: nobody wrote {list:?}");
    }
    let acknowledged: u64 = accounts.iter().map(|account| account.acknowledged).sum();
    println!("R1: {acknowledged} acknowledged writes in {cycles} cycles, none lost");
    assert!(acknowledged > cycles as u64, "hardly anything was written");
    server.assert_healthy();
}

/// The files of the store in a data directory, without keys and certificates.
fn store_files(data: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut waiting = vec![data.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(directory)
            .expect("readable")
            .filter_map(Result::ok)
        {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() {
                if name != "pki" && name != "keys" {
                    waiting.push(path);
                }
            } else if !["kubeconfig", "lock"].contains(&name.as_str())
                && std::fs::metadata(&path).is_ok_and(|file| file.len() > 0)
            {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r5_failing_syncs_and_writes() {
    let mut server = Server::start();
    let mut acknowledged: BTreeMap<String, String> = BTreeMap::new();
    for number in 0..20 {
        let name = format!("before-{number}");
        server
            .client()
            .post(SECRETS, &secret(&name, &name))
            .await
            .expect(201);
        acknowledged.insert(name.clone(), name);
    }
    let mut failures = 0;
    for (calls, when) in [
        ("fdatasync,fsync", 3),
        ("fdatasync,fsync", 10),
        ("fdatasync,fsync", 40),
        ("pwrite64,pwritev,pwritev2", 5),
        ("pwrite64,pwritev,pwritev2", 30),
    ] {
        server.kill();
        let inject = format!("inject={calls}:error=EIO:when={when}");
        server.options().wrapper = [
            "strace",
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            &format!("trace={calls}"),
            "-e",
            &inject,
        ]
        .map(str::to_owned)
        .to_vec();
        if let Err(failure) = server.try_restart() {
            // The injected error came during the start: it must be a refusal, not a panic.
            assert!(
                failure.status.is_some_and(|status| !status.success()),
                "{calls} {when}: {failure}"
            );
            assert!(!failure.output.contains("panicked"), "{failure}");
            failures += 1;
        } else {
            let failed_at = Arc::new(Mutex::new(None::<Instant>));
            let writers: Vec<_> = (0..4)
                .map(|writer| {
                    let (client, failed_at) = (server.client(), failed_at.clone());
                    tokio::spawn(async move {
                        let mut acknowledged = Vec::new();
                        for number in 0..60 {
                            let name = format!(
                                "{}-{when}-{writer}-{number}",
                                if number % 2 == 0 { "a" } else { "b" }
                            );
                            let invoked = Instant::now();
                            let reply = client
                                .request("POST", SECRETS)
                                .json(&secret(&name, &name))
                                .patience(Duration::from_secs(10))
                                .try_send()
                                .await;
                            if reply.as_ref().is_ok_and(|reply| reply.status == 201) {
                                let failed = *failed_at.lock().expect("no panic");
                                assert!(
                                    failed.is_none_or(|failed| failed > invoked),
                                    "a write that began after the first failure was acknowledged"
                                );
                                acknowledged.push(name);
                            } else {
                                failed_at
                                    .lock()
                                    .expect("no panic")
                                    .get_or_insert_with(Instant::now);
                            }
                        }
                        acknowledged
                    })
                })
                .collect();
            for writer in writers {
                acknowledged.extend(
                    writer
                        .await
                        .expect("no assertion failed")
                        .into_iter()
                        .map(|name| (name.clone(), name)),
                );
            }
            if failed_at.lock().expect("no panic").is_some() {
                failures += 1;
                let status = server.wait(Duration::from_secs(20));
                assert!(
                    status.is_some_and(|status| !status.success()),
                    "{calls} {when}: the server must end, not zero: {status:?}\n{}",
                    server.logs()
                );
            }
        }
        server.kill();
        server.options().wrapper.clear();
        server.restart();
        let list = server.client().get(SECRETS).await.expect(200);
        let found: BTreeMap<String, String> = list["items"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|item| {
                (
                    item["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
                    Known::of(item).value,
                )
            })
            .collect();
        for (name, value) in &acknowledged {
            assert_eq!(
                found.get(name),
                Some(value),
                "{calls} {when}: {name} was acknowledged"
            );
        }
        assert!(
            found.iter().all(|(name, value)| name == value),
            "a value that nobody wrote"
        );
    }
    assert!(
        failures >= 3,
        "the injected errors did not reach the server: {failures} of 5"
    );
}

/// A small ext4 of its own, unmounted when dropped.
struct SmallDisk {
    mount: PathBuf,
    _directory: tempfile::TempDir,
}

impl SmallDisk {
    fn new(mebibytes: u32) -> SmallDisk {
        let directory = tempfile::tempdir().expect("a directory");
        let image = directory.path().join("image");
        let mount = directory.path().join("mount");
        std::fs::create_dir(&mount).expect("a directory");
        let run = |program: &str, arguments: &[&str]| {
            let output = Command::new(program)
                .args(arguments)
                .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
                .output()
                .expect("runs");
            assert!(
                output.status.success(),
                "{program} {arguments:?}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        };
        let (image, at) = (image.display().to_string(), mount.display().to_string());
        run("truncate", &["-s", &format!("{mebibytes}M"), &image]);
        run("mkfs.ext4", &["-q", "-m", "0", &image]);
        run("mount", &["-o", "loop", &image, &at]);
        SmallDisk {
            mount,
            _directory: directory,
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.mount).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r6_full_disk() {
    let disk = SmallDisk::new(96);
    let ballast = disk.mount.join("ballast");
    std::fs::write(&ballast, vec![1; 24 << 20]).expect("room at first");
    let mut server = Server::start_with(Options {
        data_directory: Some(disk.mount.join("data")),
        ..Options::default()
    });
    let client = server.client();
    let (mut random, _) = Random::fresh();
    let big = |name: &str, value: String| json!({"metadata": {"name": name}, "stringData": {"v": value}});
    let mut kept: BTreeMap<String, String> = BTreeMap::new();
    let mut refused = None;
    for number in 0..600 {
        let (name, value) = (format!("s{number:03}"), random.word(300_000));
        let reply = client.post(SECRETS, &big(&name, value.clone())).await;
        if reply.status == 201 {
            kept.insert(name, value);
        } else {
            refused = Some(reply);
            break;
        }
    }
    let refused = refused.expect("96 MiB cannot hold 180 MB");
    assert!(
        matches!(refused.status, 507 | 500 | 503),
        "{}: {}",
        refused.status,
        refused.text()
    );
    let status = refused.json();
    assert_eq!(
        (&status["kind"], &status["status"]),
        (&json!("Status"), &json!("Failure")),
        "{status}"
    );
    assert!(server.is_running(), "the server must not end:\n{}", server.logs());
    assert!(kept.len() > 20, "only {} fitted", kept.len());

    for (name, value) in kept.iter().take(10) {
        assert_eq!(Known::of(&client.get(&one(name)).await.expect(200)).value, *value);
    }
    let list = client.get(&format!("{SECRETS}?limit=5")).await.expect(200);
    assert_eq!(list["items"].as_array().map(Vec::len), Some(5));
    for _ in 0..3 {
        let (name, _) = kept.pop_first().expect("many");
        client.delete(&one(&name)).await.expect(200);
        assert_eq!(client.get(&one(&name)).await.status, 404);
    }
    std::fs::remove_file(&ballast).expect("it was there");
    let start = Instant::now();
    loop {
        let reply = client.post(SECRETS, &big("again", "x".repeat(300_000))).await;
        if reply.status == 201 {
            break;
        }
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "writes do not resume without a restart: {}",
            reply.text()
        );
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    server.assert_healthy();
    server.kill();
    server.restart();
    let client = server.client();
    for (name, value) in &kept {
        assert_eq!(Known::of(&client.get(&one(name)).await.expect(200)).value, *value);
    }
}

/// A server's data with known objects, stopped, to be copied and damaged.
async fn specimen(count: usize) -> (Server, BTreeMap<String, String>) {
    let mut server = Server::start();
    let client = server.client();
    let (mut random, _) = Random::fresh();
    let mut objects = BTreeMap::new();
    for number in 0..count {
        let (name, value) = (format!("s{number:03}"), random.word(600));
        client.post(SECRETS, &secret(&name, &value)).await.expect(201);
        objects.insert(name, value);
    }
    assert!(server.interrupt().success());
    (server, objects)
}

fn copy_of(data: &Path, target: &Path) -> PathBuf {
    let copy = target.join("copy");
    let _ = std::fs::remove_dir_all(&copy);
    let status = Command::new("cp")
        .args(["-a", "--sparse=always"])
        .arg(data)
        .arg(&copy)
        .status()
        .expect("cp");
    assert!(status.success());
    copy
}

/// Starts on a damaged copy. Returns the names refused, or nothing when it refused to start.
async fn inspect(what: &str, copy: &Path, objects: &BTreeMap<String, String>) -> Option<BTreeSet<String>> {
    let mut server = match Server::try_start(Options {
        data_directory: Some(copy.to_owned()),
        ..Options::default()
    }) {
        Ok(server) => server,
        Err(failure) => {
            assert!(
                failure.status.is_some_and(|status| !status.success()),
                "{what}: {failure}"
            );
            assert!(!failure.output.contains("panicked"), "{what}: {failure}");
            println!(
                "{what}: does not start: {}",
                failure.output.trim_end().lines().last().unwrap_or_default()
            );
            return None;
        }
    };
    let client = server.client();
    let mut refused = BTreeSet::new();
    for (name, value) in objects {
        let Ok(reply) = client.request("GET", &one(name)).try_send().await else {
            let status = server.wait(Duration::from_secs(10));
            assert!(
                status.is_some_and(|status| !status.success()),
                "{what}: no answer, and it goes on"
            );
            assert!(!server.logs().contains("panicked"), "{what}:\n{}", server.logs());
            return None;
        };
        if reply.status == 200 {
            assert_eq!(
                Known::of(&reply.json()).value,
                *value,
                "{what}: a wrong value of {name}"
            );
        } else {
            assert!(
                reply.status >= 500,
                "{what}: {name}: {} {}",
                reply.status,
                reply.text()
            );
            refused.insert(name.clone());
        }
    }
    let reply = client.get(SECRETS).await;
    if reply.status == 200 {
        let listed: BTreeMap<String, String> = reply.json()["items"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|item| {
                (
                    item["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
                    Known::of(item).value,
                )
            })
            .collect();
        for (name, value) in objects.iter().filter(|(name, _)| !refused.contains(*name)) {
            assert_eq!(
                listed.get(name),
                Some(value),
                "{what}: the rest stays listable, but {name} is not"
            );
        }
    } else {
        assert!(
            !refused.is_empty() && reply.status >= 500,
            "{what}: the list fails though all is well: {}",
            reply.text()
        );
        panic!(
            "{what}: damaged objects {refused:?} make the whole list fail: {}",
            reply.text()
        );
    }
    server.assert_healthy();
    Some(refused)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r7_bit_rot() {
    let flips: usize = setting("STRONGROOM_R7_FLIPS", 30);
    let (mut random, seed) = Random::fresh();
    println!("R7: {flips} flips, seed {seed}");
    let (server, objects) = specimen(30).await;
    let (mut refusals, mut damaged) = (0, 0);
    for flip in 0..flips {
        let copy = copy_of(&server.data(), &server.scratch());
        let files = store_files(&copy);
        let file = &files[random.below(files.len() as u64) as usize];
        let mut bytes = std::fs::read(file).expect("readable");
        // Most of a file is unused; look for a place that is not.
        let mut at = random.below(bytes.len() as u64) as usize;
        for _ in 0..200 {
            if bytes[at] != 0 {
                break;
            }
            at = random.below(bytes.len() as u64) as usize;
        }
        bytes[at] ^= 1 << random.below(8);
        std::fs::write(file, &bytes).expect("writable");
        let what = format!(
            "seed {seed}, flip {flip} at {at} of {}",
            file.file_name().unwrap_or_default().to_string_lossy()
        );
        match inspect(&what, &copy, &objects).await {
            None => refusals += 1,
            Some(refused) => damaged += usize::from(!refused.is_empty()),
        }
    }
    println!("R7: {refusals} refused to start, {damaged} refused single objects, the rest hit nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r7_cut_files() {
    let (mut random, seed) = Random::fresh();
    let (server, objects) = specimen(30).await;
    for cut in 0..8 {
        let copy = copy_of(&server.data(), &server.scratch());
        let files = store_files(&copy);
        let file = &files[random.below(files.len() as u64) as usize];
        let length = std::fs::metadata(file).expect("there").len();
        let at = random.below(length);
        std::fs::OpenOptions::new()
            .write(true)
            .open(file)
            .and_then(|file| file.set_len(at))
            .expect("cut");
        let what = format!(
            "seed {seed}, cut {cut} of {} at {at} of {length}",
            file.file_name().unwrap_or_default().to_string_lossy()
        );
        inspect(&what, &copy, &objects).await;
    }
}

const SEALED: &[u8] = b"k8s:enc:";

fn is_table(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "redb")
}

/// Where sealed values begin in the files of a store.
fn sealed_values(files: &[PathBuf]) -> Vec<(PathBuf, usize)> {
    let mut found = Vec::new();
    for file in files {
        let bytes = std::fs::read(file).expect("readable");
        let starts = bytes
            .windows(SEALED.len())
            .enumerate()
            .filter(|(_, window)| *window == SEALED);
        found.extend(starts.map(|(at, _)| (file.clone(), at)));
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s18_altered_and_exchanged_values_are_refused() {
    let (server, objects) = specimen(12).await;
    let places = sealed_values(&store_files(&server.data()));
    assert!(
        places.len() >= objects.len(),
        "{} sealed values for {} objects",
        places.len(),
        objects.len()
    );
    let (mut random, seed) = Random::fresh();
    let (mut hits, mut stopped) = (0, 0);
    let trials: usize = setting("STRONGROOM_S18_TRIALS", 16);
    for trial in 0..trials {
        let copy = copy_of(&server.data(), &server.scratch());
        let files = store_files(&copy);
        let mut places = sealed_values(&files);
        // Mostly the tables: what is altered in the journal is also seen as damage of the journal.
        if trial % 8 < 7 && places.iter().any(|(file, _)| is_table(file)) {
            places.retain(|(file, _)| is_table(file));
        }
        let (file, at) = places[random.below(places.len() as u64) as usize].clone();
        let mut bytes = std::fs::read(&file).expect("readable");
        let (what, most) = match trial % 4 {
            0 => {
                bytes[at + 120 + random.below(400) as usize] ^= 0x40;
                ("a byte altered", 1)
            }
            1 => {
                bytes[at + SEALED.len()] ^= 1;
                ("the provider's name altered", 1)
            }
            2 => {
                // The plaintext layout in place of a sealed one.
                bytes[at..at + 4].copy_from_slice(b"k8s\0");
                ("sealing pretended away", 1)
            }
            _ => {
                let others: Vec<usize> = places
                    .iter()
                    .filter(|(other, start)| *other == file && start.abs_diff(at) > 700)
                    .map(|(_, start)| *start)
                    .collect();
                let Some(other) = others.get(random.below(others.len() as u64) as usize).copied() else {
                    continue;
                };
                if at.max(other) + 600 > bytes.len() {
                    continue;
                }
                for offset in 0..600 {
                    bytes.swap(at + offset, other + offset);
                }
                ("two values exchanged", 4)
            }
        };
        std::fs::write(&file, &bytes).expect("writable");
        let what = format!(
            "seed {seed}, trial {trial}: {what} at {at} of {}",
            file.file_name().unwrap_or_default().to_string_lossy()
        );
        let found = inspect(&what, &copy, &objects).await;
        stopped += usize::from(found.is_none());
        if let Some(refused) = found {
            assert!(refused.len() <= most, "{what}: {refused:?} are refused");
            hits += usize::from(!refused.is_empty());
        }
    }
    println!("S18: of {trials} tampered stores {hits} refused single objects, {stopped} did not start");
}
