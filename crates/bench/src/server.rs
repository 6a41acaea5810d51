//! A Strongroom server of our own: started, asked for its memory, stopped, killed.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::http1::Connection;
use crate::requests;
use crate::scenarios::Setting;
use crate::tls::Access;

/// The core the server stays on.
const CORE: &str = "0";
/// How long a server may take to become ready, or to stop.
const PATIENCE: Duration = Duration::from_secs(120);
/// Ticks per second in `/proc/PID/stat`, the same on every Linux architecture we know.
const TICKS: f64 = 100.0;

/// A running server; killed when dropped.
pub struct Server {
    child: Running,
    data: Data,
    /// How to reach it.
    pub access: Access,
    /// How long it took from its start until `/readyz` said yes.
    pub ready_after: Duration,
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A data directory, removed when dropped, and the port that goes with it.
pub struct Data {
    directory: TempDir,
    port: u16,
    server: PathBuf,
    arguments: Vec<String>,
}

impl Data {
    /// An empty data directory.
    pub fn new(setting: &Setting) -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("bench-")
            .tempdir_in(&setting.scratch)
            .with_context(|| format!("making a data directory in {}", setting.scratch.display()))?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        Ok(Self {
            directory,
            port,
            server: setting.server.clone(),
            arguments: Vec::new(),
        })
    }

    /// Gives servers on it further arguments.
    #[must_use]
    pub fn with_arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        self
    }

    /// Starts a server on it and waits until it is ready.
    pub async fn start(self) -> Result<Server> {
        let log = fs::File::create(self.directory.path().join("bench-server.log"))?;
        let began = Instant::now();
        let mut command = Command::new("taskset");
        command
            .args(["-c", CORE])
            .arg(&self.server)
            .arg("up")
            .arg("--data-dir")
            .arg(self.directory.path().join("data"))
            .args(["--secure-port", &self.port.to_string()])
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let mut child = Running(command.spawn().context("starting the server with taskset")?);
        match self.wait_until_ready(&mut child.0, began).await {
            Ok(access) => Ok(Server {
                child,
                data: self,
                access,
                ready_after: began.elapsed(),
            }),
            Err(error) => {
                let log =
                    fs::read_to_string(self.directory.path().join("bench-server.log")).unwrap_or_default();
                Err(error.context(format!("the server said:\n{log}")))
            }
        }
    }

    async fn wait_until_ready(&self, child: &mut Child, began: Instant) -> Result<Access> {
        let kubeconfig = self.directory.path().join("data/kubeconfig");
        while began.elapsed() < PATIENCE {
            if let Some(status) = child.try_wait()? {
                bail!("the server ended with {status}");
            }
            if let Some(access) = is_ready(&kubeconfig).await {
                return Ok(access);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        bail!("the server is not ready after {PATIENCE:?}")
    }
}

async fn is_ready(kubeconfig: &Path) -> Option<Access> {
    let access = Access::from_kubeconfig(&fs::read_to_string(kubeconfig).ok()?).ok()?;
    let mut connection = Connection::open(&access).await.ok()?;
    let (status, _) = connection.exchange(&requests::get("/readyz", "*/*")).await.ok()?;
    (status == 200).then_some(access)
}

impl Server {
    /// A server on an empty data directory, ready, with an empty namespace `bench`.
    pub async fn fresh(setting: &Setting) -> Result<Self> {
        let server = Data::new(setting)?.start().await?;
        server.create_namespace("bench").await?;
        Ok(server)
    }

    /// The same with further arguments.
    pub async fn fresh_with(setting: &Setting, arguments: &[&str]) -> Result<Self> {
        let server = Data::new(setting)?.with_arguments(arguments).start().await?;
        server.create_namespace("bench").await?;
        Ok(server)
    }

    /// Where it keeps its state.
    pub fn data_directory(&self) -> &Path {
        self.data.directory.path()
    }

    /// Where its certificates and keys are.
    pub fn pki(&self) -> PathBuf {
        self.data.directory.path().join("data/pki")
    }

    /// Makes a namespace.
    pub async fn create_namespace(&self, name: &str) -> Result<()> {
        let body = format!(r#"{{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"{name}"}}}}"#);
        self.expect(&requests::with_body(
            "POST",
            "/api/v1/namespaces",
            "application/json",
            &body,
        ))
        .await
        .map(drop)
    }

    /// Makes one request on a connection of its own; returns the body if it succeeds.
    pub async fn expect(&self, request: &[u8]) -> Result<Vec<u8>> {
        let (status, body) = Connection::open(&self.access).await?.fetch(request).await?;
        if !(200..300).contains(&status) {
            bail!("the server answered {status}: {}", String::from_utf8_lossy(&body));
        }
        Ok(body)
    }

    /// Ends the server as Ctrl-C would, and gives its data back.
    pub fn stop(self) -> Result<Data> {
        self.end("TERM")
    }

    /// Ends the server without warning, and gives its data back.
    pub fn kill(self) -> Result<Data> {
        self.end("KILL")
    }

    fn end(mut self, signal: &str) -> Result<Data> {
        Command::new("kill")
            .args(["-s", signal, &self.child.0.id().to_string()])
            .status()?;
        let began = Instant::now();
        while self.child.0.try_wait()?.is_none() {
            if began.elapsed() > PATIENCE {
                bail!("the server did not end within {PATIENCE:?}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(self.data)
    }

    /// Resident memory in bytes, with what is shared.
    pub fn resident(&self) -> Result<u64> {
        resident_of(self.child.0.id())
    }

    /// Forgets the highest resident memory so far.
    pub fn reset_peak(&self) -> Result<()> {
        fs::write(self.proc("clear_refs"), "5").context("forgetting the peak of resident memory")
    }

    /// The highest resident memory since [`reset_peak`](Self::reset_peak), in bytes.
    pub fn peak(&self) -> Result<u64> {
        kilobytes(&self.proc("status"), "VmHWM:")
    }

    /// Processor time used so far, in seconds.
    pub fn cpu(&self) -> f64 {
        cpu_of(&self.proc("stat"))
    }

    /// Processor time its threads have used so far, in seconds, to the nanosecond. Threads that have ended are missing.
    pub fn cpu_of_threads(&self) -> f64 {
        let threads = fs::read_dir(self.proc("task")).into_iter().flatten().flatten();
        let nanoseconds = threads.filter_map(|thread| {
            let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<f64>().ok()
        });
        nanoseconds.sum::<f64>() / 1e9
    }

    fn proc(&self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{file}", self.child.0.id()))
    }
}

/// Resident memory of a process in bytes, with what is shared.
pub fn resident_of(pid: u32) -> Result<u64> {
    let proc = PathBuf::from(format!("/proc/{pid}"));
    kilobytes(&proc.join("smaps_rollup"), "Rss:").or_else(|_| kilobytes(&proc.join("status"), "VmRSS:"))
}

fn kilobytes(file: &Path, field: &str) -> Result<u64> {
    let text = fs::read_to_string(file)?;
    let line = text
        .lines()
        .find(|line| line.starts_with(field))
        .with_context(|| format!("{} has no {field}", file.display()))?;
    let kilobytes: u64 = line.split_whitespace().nth(1).context("a size")?.parse()?;
    Ok(kilobytes * 1024)
}

/// How busy everything on the machine is over a stretch of time.
pub struct Busy<'a> {
    server: &'a Server,
    began: Instant,
    before: Shares,
}

/// Processor time, in percent of one core.
#[derive(Debug, Clone, Copy)]
pub struct Shares {
    /// Of the server.
    pub server: f64,
    /// Of the load generator.
    pub client: f64,
    /// Of everything else: what disturbs the measurement.
    pub others: f64,
}

impl<'a> Busy<'a> {
    /// Begins the stretch.
    pub fn begin(server: &'a Server) -> Self {
        Self {
            server,
            began: Instant::now(),
            before: Self::now(server),
        }
    }

    /// Ends it.
    pub fn end(&self) -> Shares {
        let elapsed = self.began.elapsed().as_secs_f64();
        let (before, now) = (self.before, Self::now(self.server));
        let share = |before: f64, now: f64| ((now - before) / elapsed * 100.0).max(0.0);
        Shares {
            server: share(before.server, now.server),
            client: share(before.client, now.client),
            others: share(before.others, now.others),
        }
    }

    /// Seconds used so far.
    fn now(server: &Server) -> Shares {
        let (server, client) = (server.cpu(), cpu_of_self());
        Shares {
            server,
            client,
            others: cpu_of_all() - server - client,
        }
    }
}

/// Processor time all processes have used so far, in seconds.
fn cpu_of_all() -> f64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields = text.lines().next().unwrap_or_default().split_whitespace().skip(1);
    // user, nice, system, (idle, iowait), irq, softirq
    let busy = fields
        .take(7)
        .enumerate()
        .filter(|(index, _)| !matches!(index, 3 | 4));
    busy.filter_map(|(_, field)| field.parse::<f64>().ok())
        .sum::<f64>()
        / TICKS
}

/// Processor time this process has used so far, in seconds.
pub fn cpu_of_self() -> f64 {
    cpu_of(Path::new("/proc/self/stat"))
}

fn cpu_of(stat: &Path) -> f64 {
    let text = fs::read_to_string(stat).unwrap_or_default();
    // The second field is the program's name in parentheses and may hold anything.
    let fields: Vec<_> = text
        .rsplit_once(')')
        .map(|(_, rest)| rest.split_whitespace().collect())
        .unwrap_or_default();
    let ticks = |index: usize| {
        fields
            .get(index)
            .and_then(|field| field.parse::<f64>().ok())
            .unwrap_or_default()
    };
    (ticks(11) + ticks(12)) / TICKS
}
