//! Directories for files: which, and what becomes of them afterwards.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::source::{DirectorySource, Kind};

/// The sources with the absolute paths of their directories.
///
/// # Errors
/// A path is that of something else, or in another one's directory.
pub fn settle(sources: Vec<(Kind, DirectorySource)>) -> anyhow::Result<Vec<(Kind, DirectorySource)>> {
    let here = std::env::current_dir().context("The current directory is not there any more")?;
    let mut settled: Vec<(Kind, DirectorySource)> = Vec::new();
    for (kind, source) in sources {
        let path = resolved(&here.join(&source.path))?;
        if path == Path::new("/") {
            bail!("Files cannot be mounted over /; name a directory in it.");
        }
        let within = |one: &Path, other: &Path| one.starts_with(other) || other.starts_with(one);
        if let Some((_, other)) = settled.iter().find(|(_, other)| within(&other.path, &path)) {
            bail!(
                "{} and {} are the same directory, or one is in the other; give each a directory of its own.",
                other.path.display(),
                path.display()
            );
        }
        settled.push((kind, DirectorySource { path, ..source }));
    }
    Ok(settled)
}

/// The path without symbolic links; what does not exist of it is as it was written.
fn resolved(path: &Path) -> anyhow::Result<PathBuf> {
    let mut missing = Vec::new();
    for existing in path.ancestors() {
        match existing.canonicalize() {
            Ok(found) if !found.is_dir() => {
                bail!(
                    "{} is no directory; name one, or what is to become one.",
                    found.display()
                )
            }
            Ok(found) => {
                return Ok(missing
                    .into_iter()
                    .rev()
                    .fold(found, |path, name| path.join(name)));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => match existing.file_name() {
                Some(name) if !existing.is_symlink() => missing.push(name.to_owned()),
                _ => bail!(
                    "{} leads nowhere; name a directory without `..` in it.",
                    path.display()
                ),
            },
            Err(error) => {
                return Err(error).with_context(|| format!("{} cannot be looked at", existing.display()));
            }
        }
    }
    bail!("{} leads nowhere; name a directory.", path.display())
}

/// Directories that did not exist; removed when this is dropped, as far as they are empty.
#[derive(Debug, Default)]
pub struct Created(Vec<PathBuf>);

impl Created {
    /// Creates a directory and what is missing above it.
    ///
    /// # Errors
    /// The system's.
    pub fn create(&mut self, path: &Path) -> anyhow::Result<()> {
        let missing: Vec<&Path> = path.ancestors().take_while(|path| !path.exists()).collect();
        for path in missing.into_iter().rev() {
            std::fs::create_dir(path).with_context(|| {
                format!(
                    "The directory {} cannot be created; create it first, or name another",
                    path.display()
                )
            })?;
            self.0.push(path.to_owned());
        }
        Ok(())
    }
}

impl Drop for Created {
    fn drop(&mut self) {
        for path in self.0.iter().rev() {
            let _ = std::fs::remove_dir(path);
        }
    }
}

#[cfg(test)]
mod tests;
