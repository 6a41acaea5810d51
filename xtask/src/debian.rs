//! Packages of Debian releases other than the machine's own, fetched with the ordinary `apt-get`
//! through private lists, verified by Debian's archive keyring, and unpacked without installing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process::output;

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
const SUITES: [&str; 3] = ["sid", "trixie", "bookworm"];
const ATTEMPTS: u32 = 4;

/// Package lists of their own, so that the machine's never name another release.
pub struct Archive {
    directory: PathBuf,
}

impl Archive {
    /// Fetches the lists of packages into `directory`. The mirror is the one the machine already uses.
    pub fn open(directory: &Path) -> Result<Archive> {
        Archive::of("deb", &SUITES, directory)
    }

    /// As [`Archive::open`], for the sources of a release's packages.
    pub fn open_sources(suite: &str, directory: &Path) -> Result<Archive> {
        Archive::of("deb-src", &[suite], directory)
    }

    fn of(kind: &str, suites: &[&str], directory: &Path) -> Result<Archive> {
        if !Path::new(KEYRING).exists() {
            bail!("{KEYRING} is missing: install the package debian-archive-keyring");
        }
        let archive = Archive {
            directory: directory.to_owned(),
        };
        for part in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(archive.directory.join(part))?;
        }
        fs::write(archive.directory.join("status"), "")?;
        let mirror = mirror()?;
        let sources: String = suites
            .iter()
            .map(|suite| format!("{kind} [signed-by={KEYRING}] {mirror} {suite} main\n"))
            .collect();
        fs::write(archive.directory.join("sources.list"), sources)?;
        eprintln!("  package lists of {}", suites.join(", "));
        patiently("apt-get update", || output(archive.apt_get("update", &[])))?;
        Ok(archive)
    }

    /// Downloads `package/suite` and unpacks it over `target`; returns the version.
    pub fn unpack(&self, package: &str, suite: &str, target: &Path) -> Result<String> {
        let file = self.fetch("download", &[&format!("{package}/{suite}")], ".deb")?;
        let mut extract = Command::new("dpkg");
        extract.arg("-x").arg(&file).arg(target);
        output(extract)?;
        let mut version = Command::new("dpkg-deb");
        version.args(["-f"]).arg(&file).arg("Version");
        Ok(output(version)?.trim().to_owned())
    }

    /// Downloads the upstream sources of `package` and unpacks them as `target`.
    pub fn unpack_source(&self, package: &str, target: &Path) -> Result<()> {
        let file = self.fetch("source", &["--download-only", package], ".orig.tar.gz")?;
        fs::create_dir_all(target)?;
        let mut extract = Command::new("tar");
        extract
            .args(["--extract", "--strip-components=1", "--file"])
            .arg(&file)
            .arg("--directory")
            .arg(target);
        output(extract).map(drop)
    }

    /// Has apt-get download something and returns the file with this ending.
    fn fetch(&self, verb: &str, arguments: &[&str], ending: &str) -> Result<PathBuf> {
        let download = self.directory.join("download");
        let _ = fs::remove_dir_all(&download);
        fs::create_dir_all(&download)?;
        let what = arguments.join(" ");
        patiently(&what, || {
            output(with_directory(self.apt_get(verb, arguments), &download))
        })?;
        fs::read_dir(&download)?
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .find(|path| path.to_string_lossy().ends_with(ending))
            .with_context(|| format!("apt-get {verb} {what} left no file that ends in {ending}"))
    }

    fn apt_get(&self, verb: &str, arguments: &[&str]) -> Command {
        let place = |name: &str| self.directory.join(name).display().to_string();
        let mut command = Command::new("apt-get");
        command.arg("-q");
        for option in [
            format!("Dir::Etc::sourcelist={}", place("sources.list")),
            "Dir::Etc::sourceparts=/dev/null".to_owned(),
            format!("Dir::State::Lists={}", place("lists")),
            // Without this a package of the same name installed from elsewhere hides the suite's.
            format!("Dir::State::status={}", place("status")),
            format!("Dir::Cache={}", place("cache")),
            "Acquire::Languages=none".to_owned(),
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".to_owned(),
            "Acquire::Retries=3".to_owned(),
            "APT::Sandbox::User=root".to_owned(),
        ] {
            command.arg("-o").arg(option);
        }
        command.arg(verb).args(arguments);
        command
    }
}

fn with_directory(mut command: Command, directory: &Path) -> Command {
    command.current_dir(directory);
    command
}

/// The archive address of the machine's own package lists.
fn mirror() -> Result<String> {
    let targets = || {
        let mut command = Command::new("apt-get");
        command.args([
            "indextargets",
            "--format",
            "$(LABEL) $(REPO_URI)",
            "Created-By: Packages",
            "Component: main",
        ]);
        output(command)
    };
    let find = |listing: &str| {
        listing
            .lines()
            .find_map(|line| line.strip_prefix("Debian ").map(str::to_owned))
    };
    if let Some(mirror) = find(&targets()?) {
        return Ok(mirror);
    }
    let mut update = Command::new("apt-get");
    update.args(["-q", "update"]);
    patiently("apt-get update", || output(clone(&update)))?;
    find(&targets()?).context("apt knows no Debian archive; these tools need a Debian machine")
}

fn clone(command: &Command) -> Command {
    let mut copy = Command::new(command.get_program());
    copy.args(command.get_args());
    copy
}

/// Networks fail for a moment: tries again, saying so, and returns the last error.
pub fn patiently<T>(what: &str, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    for number in 1.. {
        match attempt() {
            Err(error) if number < ATTEMPTS => {
                eprintln!("  {what} failed (try {number} of {ATTEMPTS}): {error:#}");
                std::thread::sleep(Duration::from_secs(5 * u64::from(number)));
            }
            result => return result,
        }
    }
    unreachable!("the loop ends by returning")
}
