//! The data directory: which file is where, who may read it, and who holds it.

use std::ffi::OsString;
use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// The state of one Strongroom. Directories are 0700 and files 0600.
#[derive(Debug, Clone)]
pub struct DataDir {
    root: PathBuf,
}

/// While this lives, no other process uses the data directory.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl DataDir {
    /// The directory that was asked for, or else the default one.
    ///
    /// # Errors
    /// When there is no default because the environment names no home directory.
    pub fn at(asked: Option<&Path>) -> anyhow::Result<DataDir> {
        let root = match asked {
            Some(path) => path.to_owned(),
            None => default_path(rustix::process::geteuid().is_root(), |name| {
                std::env::var_os(name)
                    .filter(|value| !value.is_empty())
                    .map(PathBuf::from)
            })
            .context("Neither XDG_DATA_HOME nor HOME is set; say where state is with --data-dir.")?,
        };
        let root = std::path::absolute(&root)
            .with_context(|| format!("The data directory {} has no absolute path", root.display()))?;
        Ok(DataDir { root })
    }

    /// Makes the directory, or takes the permissions of others away from one that exists.
    ///
    /// # Errors
    /// When that cannot be done.
    pub fn create(&self) -> anyhow::Result<()> {
        private_directory(&self.root)
            .with_context(|| format!("The data directory {} cannot be made", self.root.display()))
    }

    /// Takes the directory for this process.
    ///
    /// # Errors
    /// When another process has it; the message says which.
    pub fn lock(&self) -> anyhow::Result<Lock> {
        let path = self.root.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("{} cannot be opened", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!(
                "The data directory {} is held by process {}; stop it, or use another directory with --data-dir.",
                self.root.display(),
                holder(&mut file)
            ),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("{} cannot be locked", path.display()));
            }
        }
        file.set_len(0)?;
        writeln!(file, "{}", std::process::id())?;
        Ok(Lock { _file: file })
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.root.join("kubeconfig")
    }

    /// Certificates and their keys.
    pub fn pki(&self) -> PathBuf {
        self.root.join("pki")
    }

    /// The directory of what opens the store, and of nothing else.
    pub fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    /// The store's directory.
    pub fn store(&self) -> PathBuf {
        self.root.join("store")
    }

    /// The audit log, where the last server put it.
    pub fn audit_log(&self) -> PathBuf {
        match std::fs::read(self.elsewhere()) {
            Ok(path) if !path.is_empty() => PathBuf::from(OsString::from_vec(path)),
            _ => self.own_audit_log(),
        }
    }

    /// The audit log, unless the server is told to put it elsewhere.
    pub fn own_audit_log(&self) -> PathBuf {
        self.root.join("audit/audit.log")
    }

    /// Notes where the audit log is, for commands that read it.
    ///
    /// # Errors
    /// When the note cannot be written.
    pub fn note_audit_log(&self, path: &Path) -> anyhow::Result<()> {
        let note = self.elsewhere();
        let noted = if path == self.own_audit_log() {
            match std::fs::remove_file(&note) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                removed => removed,
            }
        } else {
            std::path::absolute(path).and_then(|path| write_private(&note, path.as_os_str().as_bytes()))
        };
        noted.with_context(|| format!("{} cannot be written", note.display()))
    }

    fn elsewhere(&self) -> PathBuf {
        self.root.join("audit-log-path")
    }

    /// The name of the socket on which the running server takes orders, below [`DataDir::path`].
    pub const CONTROL_SOCKET: &str = "control.sock";
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file
        .rewind()
        .and_then(|()| file.take(32).read_to_string(&mut text));
    match (read, text.trim()) {
        (Ok(_), pid) if !pid.is_empty() => pid.to_owned(),
        _ => "(unknown)".to_owned(),
    }
}

fn default_path(is_root: bool, variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    if is_root {
        return Some(PathBuf::from("/var/lib/strongroom"));
    }
    // A relative XDG_DATA_HOME is to be ignored, says the XDG Base Directory Specification.
    let data_home = variable("XDG_DATA_HOME").filter(|path| path.is_absolute());
    let data_home = data_home.or_else(|| variable("HOME").map(|home| home.join(".local/share")))?;
    Some(data_home.join("strongroom"))
}

/// Makes a directory that only its owner may enter, or makes an existing one so.
pub fn private_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let mode = path.metadata()?.permissions().mode() & 0o7777;
    if mode != 0o700 {
        std::fs::set_permissions(path, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Writes a file that only its owner may read. After a crash it is there whole or as it was before.
pub fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let name = path
        .file_name()
        .ok_or(io::ErrorKind::InvalidInput)?
        .to_string_lossy();
    let temporary = parent.join(format!(".{name}.{}", std::process::id()));
    let written = write_and_rename(&temporary, path, content);
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written?;
    File::open(parent)?.sync_all()
}

fn write_and_rename(temporary: &Path, path: &Path, content: &[u8]) -> io::Result<()> {
    match std::fs::remove_file(temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(temporary, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn the_default_is_where_people_look() {
        type Text = Option<&'static str>;
        let cases: [(bool, Text, Text, Text); 5] = [
            (true, Some("/x"), Some("/root"), Some("/var/lib/strongroom")),
            (false, Some("/x"), Some("/home/a"), Some("/x/strongroom")),
            (
                false,
                Some("x"),
                Some("/home/a"),
                Some("/home/a/.local/share/strongroom"),
            ),
            (
                false,
                None,
                Some("/home/a"),
                Some("/home/a/.local/share/strongroom"),
            ),
            (false, None, None, None),
        ];
        for (is_root, xdg, home, expected) in cases {
            let got = default_path(is_root, |name| match name {
                "XDG_DATA_HOME" => xdg.map(PathBuf::from),
                "HOME" => home.map(PathBuf::from),
                other => panic!("{other}"),
            });
            assert_eq!(got, expected.map(PathBuf::from));
        }
    }

    #[test]
    fn an_audit_log_elsewhere_is_found() {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::at(Some(root.path())).unwrap();
        let own = root.path().join("audit/audit.log");
        let check = |noted: &Path, found: &Path| {
            dir.note_audit_log(noted).unwrap();
            assert_eq!(dir.audit_log(), found);
        };
        assert_eq!(dir.audit_log(), own);
        check(&own, &own);
        check(Path::new("/mnt/logs/a b.log"), Path::new("/mnt/logs/a b.log"));
        let here = std::env::current_dir().unwrap();
        check(Path::new("logs/audit.log"), &here.join("logs/audit.log"));
        check(&own, &own);
    }

    #[test]
    fn others_may_not_look_in() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("a/b");
        std::fs::create_dir_all(&root).unwrap();
        std::fs::set_permissions(&root, Permissions::from_mode(0o755)).unwrap();
        let data_dir = DataDir::at(Some(&root)).unwrap();
        data_dir.create().unwrap();
        let _lock = data_dir.lock().unwrap();
        private_directory(&data_dir.keys()).unwrap();
        write_private(&data_dir.kubeconfig(), b"old, and longer").unwrap();
        std::fs::set_permissions(data_dir.kubeconfig(), Permissions::from_mode(0o644)).unwrap();
        write_private(&data_dir.kubeconfig(), b"new").unwrap();

        assert_eq!(mode(&root), 0o700);
        assert_eq!(mode(&root.join("lock")), 0o600);
        assert_eq!(mode(&data_dir.keys()), 0o700);
        assert_eq!(mode(&data_dir.kubeconfig()), 0o600);
        assert_eq!(std::fs::read(data_dir.kubeconfig()).unwrap(), b"new");
        assert_eq!(
            std::fs::read_dir(&root).unwrap().count(),
            3,
            "no temporary files stay"
        );
    }

    #[test]
    fn a_held_directory_names_its_holder() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = DataDir::at(Some(dir.path())).unwrap();
        let lock = data_dir.lock().unwrap();
        let refusal = data_dir.lock().unwrap_err().to_string();
        assert!(
            refusal.contains(&format!("held by process {};", std::process::id())),
            "{refusal}"
        );
        drop(lock);
        data_dir.lock().unwrap();
    }
}
