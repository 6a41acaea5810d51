//! A running containerd.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::configuration::{Layout, Network, Programs, config_toml, conflist};
use crate::image::Image;

/// How long containerd may take to serve CRI.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why there is no containerd.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read or written.
    #[error("{}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A program is not where it was looked for.
    #[error("{program} is not installed; `cargo xtask tools` installs it")]
    Missing {
        /// The program.
        program: &'static str,
    },
    /// A program cannot be run.
    #[error("cannot run {program}")]
    Run {
        /// The program.
        program: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A program failed.
    #[error("{program}: {status}\n{output}")]
    Failed {
        /// The program.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// What it wrote to standard error.
        output: String,
    },
    /// It does not answer.
    #[error("containerd did not serve within {} s; its log is {}", PATIENCE.as_secs(), log.display())]
    Silent {
        /// Its log.
        log: PathBuf,
    },
}

impl Error {
    pub(crate) fn file(path: &Path, source: io::Error) -> Error {
        Error::File {
            path: path.to_owned(),
            source,
        }
    }
}

/// How to run it.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where all its state lies.
    pub directory: PathBuf,
    /// What to run.
    pub programs: Programs,
    /// The pods' network.
    pub network: Network,
    /// Whether it ends (SIGTERM) with the thread that starts it. Containers go on in any case.
    pub ends_with_parent: bool,
}

/// A containerd that was started here. Dropping it leaves it running: see [`Containerd::stop`].
#[derive(Debug)]
pub struct Containerd {
    layout: Layout,
    programs: Programs,
    child: Child,
}

impl Containerd {
    /// Writes the configuration, starts it, waits until it answers, and imports the pause image if it has none.
    ///
    /// # Errors
    /// When a program is missing, a file cannot be written, or it does not answer.
    pub fn start(options: &Options) -> Result<Containerd, Error> {
        let programs = &options.programs;
        let missing = |program| Error::Missing { program };
        let containerd = programs.find("containerd").ok_or(missing("containerd"))?;
        let runc = programs.find("runc").ok_or(missing("runc"))?;
        programs
            .find("containerd-shim-runc-v2")
            .ok_or(missing("containerd-shim-runc-v2"))?;
        let layout = Layout::in_directory(&options.directory);
        for directory in [
            &layout.root,
            &layout.state,
            &layout.cni,
            &layout.addresses,
            &layout.registries,
        ] {
            fs::create_dir_all(directory).map_err(|source| Error::file(directory, source))?;
        }
        let write =
            |path: &Path, text: String| fs::write(path, text).map_err(|source| Error::file(path, source));
        write(
            &layout.config,
            config_toml(&layout, programs, &runc, snapshotter(&options.directory)),
        )?;
        write(
            &layout.cni.join("10-strongroom.conflist"),
            conflist(&layout, &options.network, has_iptables()),
        )?;
        let log = File::create(&layout.log).map_err(|source| Error::file(&layout.log, source))?;
        let errors = log
            .try_clone()
            .map_err(|source| Error::file(&layout.log, source))?;
        let mut command = if options.ends_with_parent {
            let mut command = Command::new("setpriv");
            command.args(["--pdeathsig", "TERM", "--"]).arg(&containerd);
            command
        } else {
            Command::new(&containerd)
        };
        let child = command
            .arg("--config")
            .arg(&layout.config)
            .env("PATH", search_path(programs))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(|source| Error::Run {
                program: containerd.display().to_string(),
                source,
            })?;
        let mut started = Containerd {
            layout,
            programs: programs.clone(),
            child,
        };
        started.wait_until_serving()?;
        if !started.has_image(crate::PAUSE_IMAGE)? {
            started.import(&Image::pause(&started.programs.busybox)?)?;
        }
        Ok(started)
    }

    /// The socket that serves CRI.
    pub fn socket(&self) -> &Path {
        &self.layout.socket
    }

    /// `unix://` and the socket, as `--container-runtime-endpoint` takes it.
    pub fn endpoint(&self) -> String {
        format!("unix://{}", self.layout.socket.display())
    }

    /// The directory of `hosts.toml` files for registries, read at every pull.
    pub fn registries(&self) -> &Path {
        &self.layout.registries
    }

    /// Where it keeps images and metadata.
    pub fn root(&self) -> &Path {
        &self.layout.root
    }

    /// Its log.
    pub fn log(&self) -> &Path {
        &self.layout.log
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Makes an image known to the runtime under all its names.
    ///
    /// # Errors
    /// When `ctr` fails.
    pub fn import(&self, image: &Image) -> Result<(), Error> {
        let mut child = self
            .ctr(&["images", "import", "--digests=false", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| Error::Run {
                program: "ctr".to_owned(),
                source,
            })?;
        if let Some(mut input) = child.stdin.take() {
            // What is wrong is in how it ends.
            let _ = input.write_all(&image.archive());
        }
        let output = child.wait_with_output().map_err(|source| Error::Run {
            program: "ctr".to_owned(),
            source,
        })?;
        if output.status.success() {
            return Ok(());
        }
        Err(Error::Failed {
            program: "ctr images import".to_owned(),
            status: output.status,
            output: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Whether an image of this full name is there.
    ///
    /// # Errors
    /// When `ctr` fails.
    pub fn has_image(&self, name: &str) -> Result<bool, Error> {
        let names = output(&mut self.ctr(&["images", "list", "-q"]))?;
        Ok(names.lines().any(|had| had == name))
    }

    /// `ctr` on this containerd, in Kubernetes' namespace.
    pub fn ctr(&self, arguments: &[&str]) -> Command {
        let program = self.programs.find("ctr").unwrap_or_else(|| "ctr".into());
        let mut command = Command::new(program);
        command
            .arg("--address")
            .arg(&self.layout.socket)
            .args(["--namespace", "k8s.io"])
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    /// Ends it; containers go on.
    pub fn stop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }

    /// Kills it; containers go on.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn wait_until_serving(&mut self) -> Result<(), Error> {
        let start = Instant::now();
        loop {
            // The last that CRI says before it answers: containers left from before are taken over until then.
            let served =
                fs::read_to_string(&self.layout.log).is_ok_and(|log| log.contains("Start streaming server"));
            if served && output(&mut self.ctr(&["version"])).is_ok() {
                return Ok(());
            }
            let ended = self.child.try_wait().ok().flatten();
            if let Some(status) = ended {
                return Err(Error::Failed {
                    program: "containerd".to_owned(),
                    status,
                    output: fs::read_to_string(&self.layout.log).unwrap_or_default(),
                });
            }
            if start.elapsed() > PATIENCE {
                return Err(Error::Silent {
                    log: self.layout.log.clone(),
                });
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Runs to the end and returns standard output.
pub(crate) fn output(command: &mut Command) -> Result<String, Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|source| Error::Run {
            program: program.clone(),
            source,
        })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Error::Failed {
        program,
        status: output.status,
        output: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

fn search_path(programs: &Programs) -> std::ffi::OsString {
    let machine = std::env::var_os("PATH").unwrap_or_default();
    let directories = programs
        .directories
        .iter()
        .cloned()
        .chain(std::env::split_paths(&machine))
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    std::env::join_paths(directories).unwrap_or(machine)
}

fn has_iptables() -> bool {
    Command::new("iptables")
        .arg("--version")
        .env("PATH", "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin")
        .output()
        .is_ok_and(|output| output.status.success())
}

/// overlayfs where it can be mounted below this directory, else plain copies.
fn snapshotter(directory: &Path) -> &'static str {
    let probe = directory.join("overlay-probe");
    let part = |name: &str| probe.join(name);
    let made = ["lower", "upper", "work", "merged"]
        .iter()
        .all(|name| fs::create_dir_all(part(name)).is_ok());
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        part("lower").display(),
        part("upper").display(),
        part("work").display()
    );
    let mounted = made
        && Command::new("mount")
            .args(["-t", "overlay", "overlay", "-o", &options])
            .arg(part("merged"))
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
    if mounted {
        let _ = Command::new("umount").arg(part("merged")).status();
    }
    let _ = fs::remove_dir_all(&probe);
    if mounted { "overlayfs" } else { "native" }
}
