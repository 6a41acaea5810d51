//! Where the files of a volume may lie (pods-and-kubelet §3.1).

use std::collections::BTreeMap;

use crate::{File, Payload};

/// The longest path, in bytes.
const MAXIMUM_PATH: usize = 4096;
/// The longest element of a path, in bytes.
const MAXIMUM_NAME: usize = 255;

/// What is wrong with a path (§3.1).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Nothing.
    #[error("must not be empty: \"\"")]
    Empty,
    /// Begins with `/`.
    #[error("must be relative path: {0}")]
    Absolute(String),
    /// Over 4096 bytes.
    #[error("must be less than or equal to 4096 characters")]
    TooLong,
    /// An element over 255 bytes.
    #[error("filenames must be less than or equal to 255 characters")]
    NameTooLong,
    /// Leads upwards.
    #[error("must not contain '..': {0}")]
    Upward(String),
    /// Begins like the volume's own links.
    #[error("must not start with '..': {0}")]
    Reserved(String),
    /// Names no file (`.`), or holds NUL.
    #[error("must name a file: {0}")]
    NoFile(String),
    /// Both a file and a directory.
    #[error("is both a file and a directory: {0}")]
    Conflict(String),
}

/// Puts every file in its place; of several for one path the last wins.
pub(super) fn place(files: Vec<(String, File)>) -> Result<Payload, PathError> {
    let mut placed = BTreeMap::new();
    for (path, file) in files {
        placed.insert(clean(&path)?, file);
    }
    for path in placed.keys() {
        let mut parent = path.as_str();
        while let Some((directory, _)) = parent.rsplit_once('/') {
            if placed.contains_key(directory) {
                return Err(PathError::Conflict(directory.to_owned()));
            }
            parent = directory;
        }
    }
    Ok(Payload { files: placed })
}

/// A path without `.` and empty elements, if it is one that a file may have.
fn clean(path: &str) -> Result<String, PathError> {
    if path.is_empty() {
        return Err(PathError::Empty);
    }
    if path.starts_with('/') {
        return Err(PathError::Absolute(path.to_owned()));
    }
    if path.len() > MAXIMUM_PATH {
        return Err(PathError::TooLong);
    }
    let elements: Vec<&str> = path
        .split('/')
        .filter(|element| !element.is_empty() && *element != ".")
        .collect();
    if elements.contains(&"..") {
        return Err(PathError::Upward(path.to_owned()));
    }
    if elements.iter().any(|element| element.len() > MAXIMUM_NAME) {
        return Err(PathError::NameTooLong);
    }
    match elements.first() {
        Some(first) if first.starts_with("..") => return Err(PathError::Reserved(path.to_owned())),
        None => return Err(PathError::NoFile(path.to_owned())),
        Some(_) => {}
    }
    if path.contains('\0') {
        return Err(PathError::NoFile(path.escape_debug().to_string()));
    }
    Ok(elements.join("/"))
}
