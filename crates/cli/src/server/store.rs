//! Opening the store with the key that seals it.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use strongroom_encryption::{KeyService, Keyring};
use strongroom_storage::{
    Embedded, EmbeddedOptions, Memory, OpenError, RestoreError, Revision, Sealed, Store, WindowLimits,
};

use crate::data_dir::DataDir;
use crate::random;
use crate::root_key;
use crate::settings::{KeySettings, Settings, StorageBackend};

/// The name of the provider in what it seals: `k8s:enc:kms:v2:strongroom:`.
const PROVIDER: &str = "strongroom";

/// A store and what opened it.
pub struct OpenStore {
    /// The store, which seals what it keeps.
    pub sealed: Sealed,
    /// Where the root key lives.
    pub root_key_place: String,
    /// What that protects against, and what not.
    pub root_key_protects: &'static str,
}

/// Opens the store that the settings name, or makes it.
///
/// # Errors
/// When the root key or the store cannot be opened.
pub fn open(data_dir: &DataDir, settings: &Settings) -> anyhow::Result<OpenStore> {
    let root_key = root_key::open(data_dir, &settings.keys, what_is_sealed(data_dir))?;
    let service: Arc<dyn KeyService> = Arc::new(root_key.key);
    let store: Arc<dyn Store> = match settings.storage_backend {
        StorageBackend::Embedded => Arc::new(open_embedded(data_dir, &*service)?),
        StorageBackend::Memory => Arc::new(Memory::new(WindowLimits::default())),
    };
    let keyring = Keyring::new(PROVIDER, service, random::bytes()?, &random::bytes()?)?;
    Ok(OpenStore {
        sealed: Sealed::new(store, Arc::new(keyring)),
        root_key_place: root_key.place,
        root_key_protects: root_key.protects,
    })
}

/// Opens the embedded store of a data directory alone, for commands that work without a server.
///
/// # Errors
/// When the root key or the store cannot be opened.
pub fn open_offline(data_dir: &DataDir, keys: &KeySettings) -> anyhow::Result<Embedded> {
    let root_key = root_key::open(data_dir, keys, root_key::Sealed::Yes)?;
    open_embedded(data_dir, &root_key.key)
}

/// Fills the store of a data directory from a backup; returns the revision it goes on at.
///
/// # Errors
/// When the root key cannot be opened, there is a store already, or the file is not a backup sealed with that key.
pub fn restore(data_dir: &DataDir, keys: &KeySettings, backup: &Path) -> anyhow::Result<Revision> {
    let root_key = root_key::open(data_dir, keys, root_key::Sealed::Yes)?;
    let restored = strongroom_storage::restore(backup, &options(data_dir, &root_key.key)?);
    restored.map_err(|error| match error {
        RestoreError::NotEmpty { .. } => {
            anyhow::anyhow!("{error}; restore into another data directory, or move that one away")
        }
        RestoreError::Damaged { .. } => {
            anyhow::anyhow!("{error}; take the root key it was sealed with, or another backup")
        }
        other => other.into(),
    })
}

/// Whether a data directory holds a store.
pub fn exists(data_dir: &DataDir) -> bool {
    std::fs::read_dir(data_dir.store()).is_ok_and(|mut files| files.next().is_some())
}

fn what_is_sealed(data_dir: &DataDir) -> root_key::Sealed {
    if exists(data_dir) {
        root_key::Sealed::Yes
    } else {
        root_key::Sealed::NotYet
    }
}

fn open_embedded(data_dir: &DataDir, service: &dyn KeyService) -> anyhow::Result<Embedded> {
    let place = || format!("The store {} cannot be opened", data_dir.store().display());
    Embedded::open(&options(data_dir, service)?)
        .map_err(explained)
        .with_context(place)
}

fn options(data_dir: &DataDir, service: &dyn KeyService) -> anyhow::Result<EmbeddedOptions> {
    let mut options = EmbeddedOptions::new(data_dir.store(), random::bytes()?);
    options.record_key = Some(Keyring::record_key_from(service)?);
    Ok(options)
}

/// Adds the next step where there is one.
fn explained(error: OpenError) -> anyhow::Error {
    let next = match error {
        OpenError::Corrupt { .. } => "move it away and restore a backup with `strongroom restore`",
        OpenError::WrongKey => "supply the root key that it was made with, for example with --root-key-file",
        OpenError::Format { .. } => "use a newer version of Strongroom",
        _ => return error.into(),
    };
    anyhow::anyhow!("{error}; {next}")
}
