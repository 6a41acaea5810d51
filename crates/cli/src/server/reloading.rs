//! A certificate, its key and a CA: loaded, and loaded again when the files change.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use zeroize::Zeroizing;

/// What is made of three PEM files, for new connections, and the files.
pub struct Reloading<T> {
    files: [PathBuf; 3],
    seen: Contents,
    make: fn(&Contents) -> anyhow::Result<T>,
    current: Arc<ArcSwap<T>>,
}

/// Certificate, key and CA.
pub type Contents = [Zeroizing<Vec<u8>>; 3];

impl<T> Reloading<T> {
    /// Loads certificate, key and CA.
    ///
    /// # Errors
    /// When one is unreadable, or they do not fit together.
    pub fn load(
        files: [PathBuf; 3],
        make: fn(&Contents) -> anyhow::Result<T>,
    ) -> anyhow::Result<Reloading<T>> {
        let seen = read(&files)?;
        let current = Arc::new(ArcSwap::from_pointee(make(&seen)?));
        Ok(Reloading {
            files,
            seen,
            make,
            current,
        })
    }

    /// What new connections use.
    pub fn current(&self) -> Arc<ArcSwap<T>> {
        Arc::clone(&self.current)
    }

    /// Loads the files again if they changed; says whether they had.
    ///
    /// # Errors
    /// As [`Reloading::load`]; then the last good ones stay in use.
    pub fn reload(&mut self) -> anyhow::Result<bool> {
        let contents = read(&self.files)?;
        if contents == self.seen {
            return Ok(false);
        }
        self.current.store(Arc::new((self.make)(&contents)?));
        self.seen = contents;
        Ok(true)
    }
}

fn read([certificate, key, authority]: &[PathBuf; 3]) -> anyhow::Result<Contents> {
    let read = |path: &Path| {
        let content = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        anyhow::Ok(Zeroizing::new(content))
    };
    Ok([read(certificate)?, read(key)?, read(authority)?])
}
