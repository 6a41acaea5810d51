//! An update that dies, or whose system calls fail, at every one of its steps (RELIABILITY R20): a reader sees the
//! whole old or the whole new files and never none, and the next update goes on.
//!
//! This program starts itself under `strace -e inject=`, as the process that updates.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use strongroom_delivery::{Ownership, Volume, VolumeKind, remove_volume};
use strongroom_node_plan::{File as PayloadFile, Payload};
use zeroize::Zeroizing;

/// How often a version's number stands in each file, so that a short read shows.
const REPEATED: usize = 2000;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, word, directory, version] = arguments.as_slice()
        && word == "update-as-child"
    {
        update(Path::new(directory), version.parse().unwrap());
        return;
    }
    // What the harness of other tests understands is accepted here: a filter that does not match runs nothing.
    if arguments.iter().any(|argument| argument == "--list") {
        return;
    }
    let filter = arguments
        .iter()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    for (name, test) in [
        ("killed_at_every_step_of_an_update", killed_during_update as fn()),
        ("killed_at_every_step_of_the_first_publication", killed_at_first),
        ("every_system_call_failing", failing),
    ] {
        if filter.is_none_or(|filter| name.contains(filter.as_str())) {
            test();
            println!("test {name} ... ok");
        }
    }
}

/// What the child does: take over the volume, publish one version, sweep.
fn update(directory: &Path, version: u64) {
    let result = Volume::open(directory, VolumeKind::memory(1 << 20, 200)).and_then(|mut volume| {
        let published = volume.publish(&payload(version), &Ownership { fs_group: Some(1001) })?;
        volume.sweep();
        Ok(published)
    });
    if let Err(error) = result {
        eprintln!("error: {error}");
        std::process::exit(3);
    }
}

/// Two files that always change together, one that changes its mode, and one that comes and goes with its directory.
fn payload(version: u64) -> Payload {
    let file = |mode| PayloadFile {
        content: Zeroizing::new(version.to_string().repeat(REPEATED).into_bytes()),
        mode,
        owner: None,
    };
    let coming_and_going = if version.is_multiple_of(2) {
        "even/c"
    } else {
        "odd"
    };
    let mode = if version.is_multiple_of(2) { 0o400 } else { 0o644 };
    let names = [
        ("a", 0o644),
        ("dir/b", 0o644),
        ("mode", mode),
        (coming_and_going, 0o600),
    ];
    Payload {
        files: BTreeMap::from(names.map(|(name, mode)| (name.to_owned(), file(mode)))),
    }
}

fn killed_during_update() {
    let scratch = Scratch::new();
    scratch.run(0, None).succeeded();
    let reader = Reader::start(&scratch.volume, true);
    let mut version = 0;
    let mut kills = 0;
    for (call, count) in scratch.calls_of_an_update(&mut version) {
        for when in 1..=count {
            version += 1;
            let output = scratch.run(
                version,
                Some(&format!("inject={call}:signal=SIGKILL:when={when}")),
            );
            kills += usize::from(output.0.status.signal() == Some(9));
            scratch.has_only(&[version - 1, version]);
            version += 1;
            scratch.run(version, None).succeeded();
            scratch.has_only(&[version]);
            scratch.is_tidy();
        }
    }
    scratch.becomes_clean();
    let reads = reader.stop();
    assert!(kills > 50, "{kills}");
    println!("{kills} kills, {reads} reads");
}

fn killed_at_first() {
    let counting = Scratch::new();
    let calls = counting.calls(0);
    let mut kills = 0;
    for (call, count) in calls {
        for when in 1..=count {
            let scratch = Scratch::new();
            std::fs::create_dir(&scratch.volume).unwrap();
            let reader = Reader::start(&scratch.volume, false);
            let output = scratch.run(1, Some(&format!("inject={call}:signal=SIGKILL:when={when}")));
            kills += usize::from(output.0.status.signal() == Some(9));
            scratch.run(2, None).succeeded();
            scratch.has_only(&[2]);
            scratch.is_tidy();
            reader.stop();
        }
    }
    assert!(kills > 50, "{kills}");
    println!("{kills} kills");
}

fn failing() {
    let scratch = Scratch::new();
    scratch.run(0, None).succeeded();
    let reader = Reader::start(&scratch.volume, true);
    let mut version = 0;
    let (mut refused, mut done) = (0, 0);
    for (call, count) in scratch.calls_of_an_update(&mut version) {
        for (when, error) in (1..=count).flat_map(|when| [(when, "EIO"), (when, "ENOSPC")]) {
            version += 1;
            let output = scratch
                .run(version, Some(&format!("inject={call}:error={error}:when={when}")))
                .0;
            match output.status.code() {
                Some(0) => {
                    done += 1;
                    scratch.has_only(&[version]);
                }
                Some(3) => {
                    refused += 1;
                    let text = String::from_utf8_lossy(&output.stderr).into_owned();
                    assert!(text.contains("error: "), "{text}");
                    assert!(
                        !text.contains(&version.to_string().repeat(3)),
                        "a value in {text}"
                    );
                    scratch.has_only(&[version - 1, version]);
                }
                other => assert!(
                    output.status.signal().is_some()
                        || call == "close"
                        || call == "mmap"
                        || output.status.signal().is_some()
                        || other == Some(127),
                    "{call} {when} {error}: {output:?}"
                ),
            }
            version += 1;
            scratch.run(version, None).succeeded();
            scratch.has_only(&[version]);
            scratch.is_tidy();
        }
    }
    scratch.becomes_clean();
    let reads = reader.stop();
    assert!(refused > 50, "{refused}");
    println!("{refused} refused, {done} done all the same, {reads} reads");
}

struct Scratch {
    directory: tempfile::TempDir,
    volume: PathBuf,
}

struct Ran(Output);

impl Ran {
    fn succeeded(self) {
        let stderr = String::from_utf8_lossy(&self.0.stderr);
        assert!(self.0.status.success(), "{:?} {stderr}", self.0.status);
    }
}

impl Scratch {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let volume = directory.path().join("volume");
        Self { directory, volume }
    }

    /// One update by a child, with something injected into it or not.
    fn run(&self, version: u64, injected: Option<&str>) -> Ran {
        let this = std::env::current_exe().unwrap();
        let mut command = match injected {
            None => Command::new(&this),
            Some(injected) => {
                let mut strace = Command::new("strace");
                strace
                    .args(["-f", "-qq", "-o", "/dev/null", "-e", injected])
                    .arg(&this);
                strace
            }
        };
        command
            .arg("update-as-child")
            .arg(&self.volume)
            .arg(version.to_string());
        Ran(command
            .output()
            .expect("strace is installed by `cargo xtask tools`"))
    }

    /// How often each system call is made by an update, at least as often as any update makes it.
    fn calls_of_an_update(&self, version: &mut u64) -> BTreeMap<String, usize> {
        let mut calls = BTreeMap::new();
        for _ in 0..2 {
            *version += 1;
            for (call, count) in self.calls(*version) {
                let most: &mut usize = calls.entry(call).or_default();
                *most = (*most).max(count);
            }
        }
        calls
    }

    fn calls(&self, version: u64) -> BTreeMap<String, usize> {
        let log = self.directory.path().join("strace.log");
        let status = Command::new("strace")
            .args(["-f", "-qq", "-o"])
            .arg(&log)
            .arg(std::env::current_exe().unwrap())
            .arg("update-as-child")
            .arg(&self.volume)
            .arg(version.to_string())
            .status()
            .expect("strace is installed by `cargo xtask tools`");
        assert!(status.success());
        let mut calls = BTreeMap::new();
        for line in std::fs::read_to_string(log).unwrap().lines() {
            let call = line
                .split_whitespace()
                .nth(1)
                .and_then(|call| call.split_once('('))
                .map(|(call, _)| call);
            // Some of these are also made before `main`; what happens then is not an update, and harmless.
            if let Some(call) = call.filter(|call| STEPS.contains(call)) {
                *calls.entry(call.to_owned()).or_default() += 1;
            }
        }
        calls
    }

    /// Once readers had their time, nothing is left of older versions or of updates that died.
    fn becomes_clean(&self) {
        let mut volume = Volume::open(&self.volume, VolumeKind::memory(1 << 20, 200)).unwrap();
        assert!(volume.sweep().is_some());
        std::thread::sleep(Duration::from_millis(1100));
        assert_eq!(volume.sweep(), None);
        assert_eq!(std::fs::read_dir(&self.volume).unwrap().count(), 6);
    }

    /// The files are of one of these versions, all of them.
    fn has_only(&self, versions: &[u64]) {
        let found = read_together(&self.volume).unwrap();
        assert!(
            versions.contains(&found),
            "version {found} instead of {versions:?}"
        );
    }

    /// Nothing is left half made, and few older sets.
    fn is_tidy(&self) {
        let mut names: Vec<String> = std::fs::read_dir(&self.volume)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let sets = names
            .iter()
            .filter(|name| name.as_bytes().get(2).is_some_and(u8::is_ascii_digit))
            .count();
        assert!(sets <= 10, "{names:?}");
        names.retain(|name| !name.as_bytes().get(2).is_some_and(u8::is_ascii_digit));
        let coming_and_going = names
            .iter()
            .position(|name| name == "even" || name == "odd")
            .unwrap();
        names.remove(coming_and_going);
        assert_eq!(names, ["..data", "a", "dir", "mode"]);
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = remove_volume(&self.volume);
    }
}

/// The system calls that touch a volume.
const STEPS: [&str; 28] = [
    "chmod",
    "close",
    "fchmod",
    "fchown",
    "fsconfig",
    "fsmount",
    "fsopen",
    "fspick",
    "fstat",
    "fstatfs",
    "getdents64",
    "getrandom",
    "lstat",
    "mkdir",
    "mkdirat",
    "move_mount",
    "newfstatat",
    "open",
    "openat",
    "openat2",
    "read",
    "readlinkat",
    "renameat",
    "renameat2",
    "statx",
    "symlinkat",
    "unlinkat",
    "write",
];

/// Reads without pause; panics at the first set that is missing, short or mixed.
struct Reader {
    stop: Arc<AtomicBool>,
    reads: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Reader {
    fn start(volume: &Path, published: bool) -> Self {
        let (stop, reads) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (volume, stopped, counted) = (volume.to_owned(), stop.clone(), reads.clone());
        let thread = std::thread::spawn(move || {
            let mut newest = 0;
            while !stopped.load(Ordering::Relaxed) {
                for found in [read_together(&volume), read_by_links(&volume)] {
                    match found {
                        Ok(version) => {
                            assert!(version >= newest, "back from {newest} to {version}");
                            newest = version;
                        }
                        Err(error) => assert!(!published, "{error}"),
                    }
                }
                counted.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_micros(200));
            }
        });
        Self { stop, reads, thread }
    }

    fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        self.reads.load(Ordering::Relaxed)
    }
}

/// Both files in the directory that `..data` leads to now: of one version, whatever happens meanwhile.
fn read_together(volume: &Path) -> Result<u64, String> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let data =
        rustix::fs::open(volume.join("..data"), flags, Mode::empty()).map_err(|error| error.to_string())?;
    let read = |name: &str| {
        let file = rustix::fs::openat(&data, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        let mut text = String::new();
        let file = file.map_err(|error| format!("{name}: {error}"))?;
        File::from(file)
            .read_to_string(&mut text)
            .map_err(|error| format!("{name}: {error}"))?;
        whole(&text).ok_or_else(|| format!("{name} is short: {} bytes", text.len()))
    };
    let (a, b) = (read("a")?, read("dir/b")?);
    if a == b {
        Ok(a)
    } else {
        Err(format!("mixed: {a} and {b}"))
    }
}

/// Each file by the path that a program would use; the same version before and after means that it was so between.
fn read_by_links(volume: &Path) -> Result<u64, String> {
    let read = |name: &str| {
        let text = std::fs::read_to_string(volume.join(name)).map_err(|error| format!("{name}: {error}"))?;
        whole(&text).ok_or_else(|| format!("{name} is short: {} bytes", text.len()))
    };
    loop {
        let (before, b, after) = (read("a")?, read("dir/b")?, read("a")?);
        if before == after {
            return if b == before {
                Ok(b)
            } else {
                Err(format!("mixed: {before} and {b}"))
            };
        }
    }
}

/// The version whose number a file repeats.
fn whole(text: &str) -> Option<u64> {
    let digits = text.len().checked_div(REPEATED).filter(|digits| *digits > 0)?;
    let number = text.get(..digits)?;
    (number.repeat(REPEATED) == text).then(|| number.parse().ok())?
}
