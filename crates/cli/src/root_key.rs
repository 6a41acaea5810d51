//! Getting the root key: from its file, or from a passphrase.
//!
//! A root key is only ever made for a data directory that holds nothing yet. If the key of one that
//! does is missing, making another would hide the loss and seal new objects with a key that the old
//! ones do not know.

mod passphrase;

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use strongroom_encryption::{KeyService as _, LocalKey};
use zeroize::{Zeroize as _, Zeroizing};

use crate::data_dir::{DataDir, private_directory, write_private};
use crate::random;
use crate::settings::{KeyServiceKind, KeySettings};

/// The root key, and what to tell people about it.
pub struct RootKey {
    /// The key itself.
    pub key: LocalKey,
    /// Where it lives.
    pub place: String,
    /// What it protects against, and what not.
    pub protects: &'static str,
}

/// Whether a data directory holds objects that a root key has sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sealed {
    /// It does: only that key will do.
    Yes,
    /// It does not: a key may be made.
    NotYet,
}

const FILE_PROTECTS: &str = "Backups and copies of the data are useless without this file. Whoever can read both \
     this file and the data (root on this machine, an image of its disk) can read everything. Without the file \
     nobody can: keep a copy elsewhere.";
const PASSPHRASE_PROTECTS: &str = "Nothing stored on this machine can be read without the passphrase, as well as it \
     resists guessing. Whoever controls the running server can read everything. Nobody can recover a lost passphrase.";

/// Opens the root key of a data directory, or makes it.
///
/// # Errors
/// When the key is missing, unreadable, readable by others, or another one than sealed the data.
pub fn open(data_dir: &DataDir, settings: &KeySettings, sealed: Sealed) -> anyhow::Result<RootKey> {
    if sealed == Sealed::NotYet {
        private_directory(&data_dir.keys())
            .with_context(|| format!("{} cannot be made", data_dir.keys().display()))?;
    }
    let root_key = match settings.key_service {
        KeyServiceKind::File => from_file(data_dir, settings, sealed)?,
        KeyServiceKind::Passphrase => {
            passphrase::open(data_dir, settings.passphrase_file.as_deref(), sealed)?
        }
    };
    check_identity(data_dir, &root_key, sealed)?;
    for shortfall in root_key.key.shortfalls() {
        tracing::info!("the root key's memory is less protected than it could be: {shortfall}");
    }
    Ok(root_key)
}

fn from_file(data_dir: &DataDir, settings: &KeySettings, sealed: Sealed) -> anyhow::Result<RootKey> {
    let default = || data_dir.keys().join("root.key");
    let path = settings.root_key_file.clone().unwrap_or_else(default);
    let key = match read(&path)? {
        Some(key) => key,
        None if sealed == Sealed::Yes => bail!(missing(data_dir, &path)),
        None => make(&path)?,
    };
    Ok(RootKey {
        key: LocalKey::new(&key)?,
        place: path.display().to_string(),
        protects: FILE_PROTECTS,
    })
}

fn missing(data_dir: &DataDir, path: &Path) -> String {
    if passphrase::parameters_file(data_dir).exists() {
        return format!(
            "The data in {} is sealed with a passphrase; add --key-service passphrase.",
            data_dir.path().display()
        );
    }
    format!(
        "The root key {} is missing, and the data in {} cannot be read without it; put the file back, or say where \
         it is with --root-key-file.",
        path.display(),
        data_dir.path().display()
    )
}

/// Reads a key file: 32 bytes in base64, or as they are.
fn read(path: &Path) -> anyhow::Result<Option<Zeroizing<[u8; 32]>>> {
    let content = match std::fs::read(path) {
        Ok(content) => Zeroizing::new(content),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(error).with_context(|| format!("The root key {} cannot be read", path.display()));
        }
    };
    let mode = path.metadata()?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        bail!(
            "The root key {path} may be read by other users (mode {mode:03o}); run `chmod 600 {path}` first.",
            path = path.display()
        );
    }
    match decoded(&content) {
        Some(key) => Ok(Some(key)),
        None => bail!(
            "{} is no root key: it must hold 32 bytes in base64.",
            path.display()
        ),
    }
}

fn decoded(content: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let mut key = Zeroizing::new([0; 32]);
    if content.len() == key.len() {
        key.copy_from_slice(content);
        return Some(key);
    }
    let mut buffer = Zeroizing::new([0; 48]);
    match STANDARD.decode_slice(content.trim_ascii(), &mut *buffer) {
        Ok(32) => key.copy_from_slice(&buffer[..32]),
        _ => return None,
    }
    Some(key)
}

fn make(path: &Path) -> anyhow::Result<Zeroizing<[u8; 32]>> {
    if let Some(parent) = path.parent().filter(|parent| !parent.exists()) {
        private_directory(parent).with_context(|| format!("{} cannot be made", parent.display()))?;
    }
    let key = Zeroizing::new(random::bytes::<32>()?);
    let mut text = STANDARD.encode(*key) + "\n";
    let written = write_private(path, text.as_bytes());
    text.zeroize();
    written.with_context(|| format!("The root key {} cannot be written", path.display()))?;
    Ok(key)
}

/// The id of the key that sealed the data lies beside the data, so that a wrong key is refused with a
/// sentence instead of finding every object unreadable.
fn check_identity(data_dir: &DataDir, root_key: &RootKey, sealed: Sealed) -> anyhow::Result<()> {
    let path: PathBuf = data_dir.path().join("root-key-id");
    let own = root_key.key.key_id();
    match std::fs::read_to_string(&path) {
        Ok(id) if id.trim() == own => return Ok(()),
        Ok(id) if sealed == Sealed::Yes => bail!(
            "The data in {} was sealed with another root key (its id is {}) than that in {} ({own}); supply the right \
             one, for example with --root-key-file.",
            data_dir.path().display(),
            id.trim(),
            root_key.place
        ),
        _ => {}
    }
    write_private(&path, format!("{own}\n").as_bytes())
        .with_context(|| format!("{} cannot be written", path.display()))
}

#[cfg(test)]
mod tests;
