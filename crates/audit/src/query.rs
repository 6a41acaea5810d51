//! Finding records.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::record::{Record, RecordedReference};

const VERBS: [&str; 11] = [
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "post",
    "put",
    "head",
];

/// Short names people use, with the resource they mean.
const SHORT: [(&str, &str); 6] = [
    ("cm", "configmaps"),
    ("crb", "clusterrolebindings"),
    ("no", "nodes"),
    ("ns", "namespaces"),
    ("po", "pods"),
    ("sa", "serviceaccounts"),
];

/// Which records are wanted; what is not set matches all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// The user's name, as caller or impersonated. A name without a colon also matches the end of one behind a colon:
    /// `db` finds `system:serviceaccount:shop:db`.
    pub who: Option<String>,
    /// What was done to what.
    pub what: Option<What>,
    /// The namespace.
    pub namespace: Option<String>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
}

/// What was done to what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct What {
    /// The verb.
    pub verb: Option<String>,
    /// The resource, in the plural or singular.
    pub resource: Option<String>,
    /// The object's name, or a subresource.
    pub name: Option<String>,
    /// What the path of a request without a resource begins with.
    pub path: Option<String>,
}

impl What {
    /// Reads `verb resource/name`, `verb resource name`, `verb`, `resource`, `resource/name` or `[verb] /path`;
    /// resources in the plural, the singular or short.
    pub fn parse(text: &str) -> Self {
        let mut words = text.split_whitespace().peekable();
        let mut what = Self::default();
        let is_verb = |word: &str| VERBS.iter().any(|verb| verb.eq_ignore_ascii_case(word));
        if let Some(word) = words.next_if(|word| is_verb(word) || *word == "*") {
            what.verb = (word != "*").then(|| word.to_ascii_lowercase());
        }
        let Some(object) = words.next() else {
            return what;
        };
        if object.starts_with('/') {
            what.path = Some(object.to_owned());
            return what;
        }
        let (resource, name) = match object.split_once('/') {
            Some((resource, name)) => (resource, Some(name)),
            None => (object, words.next()),
        };
        what.resource = (resource != "*").then(|| resource.to_owned());
        what.name = name
            .filter(|name| !name.is_empty() && *name != "*")
            .map(str::to_owned);
        what
    }

    /// Whether `record` is about that.
    pub fn matches(&self, record: &Record) -> bool {
        if self.verb.as_ref().is_some_and(|verb| *verb != record.verb) {
            return false;
        }
        if let Some(path) = &self.path {
            return record.request_uri.starts_with(path.as_str());
        }
        if self.resource.is_none() && self.name.is_none() {
            return true;
        }
        let Some(reference) = &record.object_reference else {
            return false;
        };
        let resource = self.resource.as_ref();
        let name = self.name.as_ref();
        resource.is_none_or(|wanted| same_resource(wanted, reference))
            && name.is_none_or(|name| *name == reference.name || *name == reference.subresource)
    }
}

impl Filter {
    /// Whether `record` is wanted.
    pub fn matches(&self, record: &Record) -> bool {
        let who = self.who.as_ref();
        let namespace = self.namespace.as_ref();
        let time = record.time();
        who.is_none_or(|who| is_user(who, record))
            && self.what.as_ref().is_none_or(|what| what.matches(record))
            && namespace.is_none_or(|wanted| {
                let reference = record.object_reference.as_ref();
                reference.is_some_and(|reference| reference.namespace == *wanted)
            })
            && self
                .since
                .is_none_or(|since| time.is_some_and(|time| time >= since))
            && self
                .until
                .is_none_or(|until| time.is_some_and(|time| time < until))
    }
}

fn is_user(who: &str, record: &Record) -> bool {
    let users = [Some(&record.user), record.impersonated_user.as_ref()];
    users.into_iter().flatten().any(|user| {
        let name = user.username.as_str();
        let short = || name.rsplit_once(':').is_some_and(|(_, end)| end == who);
        name == who || !who.contains(':') && short()
    })
}

fn same_resource(wanted: &str, reference: &RecordedReference) -> bool {
    let wanted = wanted.to_ascii_lowercase();
    let (wanted, group) = match wanted.split_once('.') {
        Some((resource, group)) => (resource, Some(group)),
        None => (wanted.as_str(), None),
    };
    if group.is_some_and(|group| group != reference.api_group) {
        return false;
    }
    let long = SHORT.iter().find(|(short, _)| *short == wanted);
    let wanted = long.map_or(wanted, |(_, long)| long);
    let resource = reference.resource.as_str();
    let plurals = ["s", "es"];
    wanted == resource
        || plurals
            .iter()
            .any(|plural| resource.strip_suffix(plural) == Some(wanted))
        || wanted
            .strip_suffix('y')
            .is_some_and(|stem| resource.strip_suffix("ies") == Some(stem))
}

/// Why records cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The file cannot be read.
    #[error("{}: {source}", file.display())]
    Read {
        /// Which.
        file: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A line is no event. Reading goes on behind it.
    #[error("{} line {line}: this is not an audit event", file.display())]
    NotAnEvent {
        /// Which.
        file: PathBuf,
        /// Line, counted from 1.
        line: u64,
    },
}

/// The log at `path` with its rotated files, the oldest first.
///
/// # Errors
/// When the directory cannot be read.
pub fn files_of(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = crate::log::backups(path)?.into_values().collect();
    if path.exists() {
        files.push(path.to_owned());
    }
    Ok(files)
}

/// The records in `files` that `filter` wants, in the order of the files and lines. Holds one line at a time.
pub fn query(files: Vec<PathBuf>, filter: Filter) -> Query {
    Query {
        files: files.into_iter(),
        filter,
        current: None,
        line: Vec::new(),
    }
}

/// See [`query`].
#[derive(Debug)]
pub struct Query {
    files: std::vec::IntoIter<PathBuf>,
    filter: Filter,
    current: Option<Open>,
    line: Vec<u8>,
}

#[derive(Debug)]
struct Open {
    path: PathBuf,
    reader: BufReader<File>,
    number: u64,
}

impl Iterator for Query {
    type Item = Result<Record, QueryError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some(open) = &mut self.current else {
                let path = self.files.next()?;
                match File::open(&path) {
                    Ok(file) => {
                        let reader = BufReader::with_capacity(256 * 1024, file);
                        self.current = Some(Open {
                            path,
                            reader,
                            number: 0,
                        });
                    }
                    Err(source) => return Some(Err(QueryError::Read { file: path, source })),
                }
                continue;
            };
            self.line.clear();
            match open.reader.read_until(b'\n', &mut self.line) {
                Ok(0) => self.current = None,
                Ok(_) => {
                    open.number += 1;
                    // Without a line feed it is still being written.
                    let Some(line) = self.line.strip_suffix(b"\n") else {
                        continue;
                    };
                    match Record::parse(line) {
                        Ok(record) if self.filter.matches(&record) => return Some(Ok(record)),
                        Ok(_) => {}
                        Err(_) => {
                            return Some(Err(QueryError::NotAnEvent {
                                file: open.path.clone(),
                                line: open.number,
                            }));
                        }
                    }
                }
                Err(source) => {
                    let file = open.path.clone();
                    self.current = None;
                    return Some(Err(QueryError::Read { file, source }));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
