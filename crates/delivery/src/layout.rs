//! What the paths of a payload mean: directories with children. Pure.

use std::collections::{BTreeMap, BTreeSet};

use strongroom_node_plan::{File, Payload};

/// The longest path, in bytes.
const PATH_BYTES: usize = 4096;
/// The longest element of a path, in bytes.
const ELEMENT_BYTES: usize = 255;
/// What a file's content is rounded up to in memory.
const PAGE_BYTES: u64 = 4096;

/// Why a path cannot be one of a volume's files (pods-and-kubelet §3.1).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid path {path:?}: {problem}")]
pub struct PathError {
    /// The path, cut after 100 characters.
    path: String,
    problem: PathProblem,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum PathProblem {
    #[error("must not be empty")]
    Empty,
    #[error("must be a relative path")]
    Absolute,
    #[error("must be no more than {PATH_BYTES} bytes")]
    TooLong,
    #[error("must have no element of more than {ELEMENT_BYTES} bytes")]
    ElementTooLong,
    #[error("must not contain '..'")]
    Parent,
    #[error("must not start with '..'")]
    Reserved,
    #[error("must not contain a NUL byte")]
    Nul,
    #[error("another file has the same path, or one that begins with it")]
    Conflict,
}

impl PathError {
    fn new(path: &str, problem: PathProblem) -> Self {
        Self {
            path: path.chars().take(100).collect(),
            problem,
        }
    }
}

/// Whether `path` may be that of a file in a volume.
///
/// # Errors
/// Empty, absolute, too long, with a `..` element or a NUL byte, or beginning with `..`.
pub fn check_path(path: &str) -> Result<(), PathError> {
    elements(path).map(drop)
}

/// The elements of a path that was found good; `.` and empty ones are left out.
pub(crate) fn elements(path: &str) -> Result<Vec<&str>, PathError> {
    let bad = |problem| Err(PathError::new(path, problem));
    if path.is_empty() {
        return bad(PathProblem::Empty);
    }
    if path.starts_with('/') {
        return bad(PathProblem::Absolute);
    }
    if path.len() > PATH_BYTES {
        return bad(PathProblem::TooLong);
    }
    if path.contains('\0') {
        return bad(PathProblem::Nul);
    }
    let elements: Vec<&str> = path
        .split('/')
        .filter(|element| !matches!(*element, "" | "."))
        .collect();
    if elements.contains(&"..") {
        return bad(PathProblem::Parent);
    }
    if elements.iter().any(|element| element.len() > ELEMENT_BYTES) {
        return bad(PathProblem::ElementTooLong);
    }
    match elements.first() {
        None => bad(PathProblem::Empty),
        Some(first) if first.starts_with("..") => bad(PathProblem::Reserved),
        Some(_) => Ok(elements),
    }
}

/// What stands in a directory under one name.
#[derive(Clone, Copy)]
pub(crate) enum Entry<'payload> {
    Directory,
    File(&'payload File),
}

/// A payload as the directories it makes; every directory comes after the one it is in.
pub(crate) struct Layout<'payload> {
    /// The elements of a directory's path (none for the topmost) to what is in it.
    pub directories: BTreeMap<Vec<&'payload str>, BTreeMap<&'payload str, Entry<'payload>>>,
    pub bytes: u64,
    pub entries: u64,
}

impl<'payload> Layout<'payload> {
    /// Sorts the files of a payload into directories.
    pub fn of(payload: &'payload Payload) -> Result<Self, PathError> {
        let mut layout = Self {
            directories: BTreeMap::from([(Vec::new(), BTreeMap::new())]),
            bytes: 0,
            entries: 1,
        };
        for (path, file) in &payload.files {
            let elements = elements(path)?;
            layout
                .insert(&elements, file)
                .ok_or_else(|| PathError::new(path, PathProblem::Conflict))?;
        }
        Ok(layout)
    }

    fn insert(&mut self, elements: &[&'payload str], file: &'payload File) -> Option<()> {
        let (name, parents) = elements.split_last()?;
        for depth in 0..parents.len() {
            let siblings = self.directories.get_mut(&parents[..depth])?;
            match siblings.get(parents[depth]) {
                Some(Entry::File(_)) => return None,
                Some(Entry::Directory) => {}
                None => {
                    siblings.insert(parents[depth], Entry::Directory);
                    self.directories
                        .insert(parents[..=depth].to_vec(), BTreeMap::new());
                    self.entries += 1;
                }
            }
        }
        self.bytes += (file.content.len() as u64).next_multiple_of(PAGE_BYTES);
        self.entries += 1;
        match self.directories.get_mut(parents)?.insert(name, Entry::File(file)) {
            None => Some(()),
            Some(_) => None,
        }
    }

    /// The names that stand in the volume itself, as links.
    pub fn names(&self) -> BTreeSet<&'payload str> {
        self.directories
            .get(&Vec::new())
            .map(|top| top.keys().copied().collect())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
