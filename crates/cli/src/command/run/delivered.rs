//! What the command is given, and what becomes of it when an object changes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, bail};
use strongroom_delivery::{Ownership, Volume, VolumeKind};
use strongroom_node_plan::{File, Payload};

use super::explain;
use super::place::Created;
use super::server::Server;
use super::source::{DirectorySource, FileMode, Kind, Owner, VariableSource, Wanted};
use super::variables::{self, Contents, Known, Lacking, NameRule, Variables};

/// The most that one directory takes: a Secret of 1 MiB in the smallest files, old and new at once, and more.
const DIRECTORY_BYTES: u64 = 256 << 20;
const DIRECTORY_FILES: u64 = 100_000;
const DIRECTORY_MODE: u32 = 0o755;

/// Variables and files of one command.
pub struct Delivered {
    variables_from: Vec<(Kind, VariableSource)>,
    directories_from: Vec<(Kind, DirectorySource)>,
    rule: NameRule,
    optional: bool,
    namespace: String,
    mode: u32,
    owner: Option<u32>,
    ownership: Ownership,
    known: Known,
    variables: Variables,
    volumes: Vec<Volume>,
    created: Created,
    /// Whether a volume does not hold what it should.
    is_behind: bool,
    told: BTreeSet<String>,
}

impl Delivered {
    /// Nothing yet.
    pub fn new(
        variables_from: Vec<(Kind, VariableSource)>,
        directories_from: Vec<(Kind, DirectorySource)>,
        rule: NameRule,
        optional: bool,
        server: &Server,
    ) -> Delivered {
        Delivered {
            variables_from,
            directories_from,
            rule,
            optional,
            namespace: server.namespace().to_owned(),
            mode: 0o400,
            owner: None,
            ownership: Ownership::default(),
            known: BTreeMap::new(),
            variables: BTreeMap::new(),
            volumes: Vec::new(),
            created: Created::default(),
            is_behind: false,
            told: BTreeSet::new(),
        }
    }

    /// How files are to be.
    pub fn set_ownership(&mut self, mode: FileMode, owner: Option<Owner>) {
        self.mode = mode.0;
        self.owner = owner.map(|owner| owner.user);
        self.ownership = Ownership {
            fs_group: owner.and_then(|owner| owner.group),
        };
    }

    /// All objects that something comes from.
    pub fn wanted(&self) -> BTreeSet<Wanted> {
        let variables = self
            .variables_from
            .iter()
            .map(|(kind, source)| (*kind, &source.name));
        let directories = self
            .directories_from
            .iter()
            .map(|(kind, source)| (*kind, &source.name));
        variables
            .chain(directories)
            .map(|(kind, name)| Wanted {
                kind,
                name: name.clone(),
            })
            .collect()
    }

    /// Whether there are files, which follow changes.
    pub fn has_files(&self) -> bool {
        !self.directories_from.is_empty()
    }

    /// The variables.
    pub fn variables(&self) -> &Variables {
        &self.variables
    }

    /// Puts everything into place for the first time.
    ///
    /// # Errors
    /// Something is lacking; the directories cannot be had.
    pub fn start(&mut self, known: Known) -> anyhow::Result<()> {
        self.known = known;
        let (variables, mut lacking) = variables::assemble(&self.variables_from, &self.known, self.rule);
        for (kind, source) in &self.directories_from {
            let wanted = Wanted {
                kind: *kind,
                name: source.name.clone(),
            };
            if self.known.get(&wanted).is_none_or(Option::is_none) {
                lacking.push(Lacking::Object(wanted));
            }
        }
        for one in lacking {
            let text = explain::at_start(&one, &self.namespace);
            match one {
                Lacking::Object(_) | Lacking::Key { .. } if self.optional => {}
                Lacking::Skipped { .. } => self.tell_once(text),
                _ => bail!(text),
            }
        }
        self.variables = variables;
        for (_, source) in &self.directories_from {
            self.created.create(&source.path)?;
            let kind = VolumeKind::memory(DIRECTORY_BYTES, DIRECTORY_FILES).with_mode(DIRECTORY_MODE);
            self.volumes.push(Volume::open_new(&source.path, kind)?);
        }
        for index in 0..self.volumes.len() {
            self.publish_one(index)?;
        }
        Ok(())
    }

    /// Takes note of how an object is now.
    pub fn take(&mut self, wanted: Wanted, contents: Option<Contents>) {
        if contents.is_none() && !self.optional && self.known.get(&wanted).is_some_and(Option::is_some) {
            let what = wanted.in_namespace(&self.namespace);
            self.tell_once(format!(
                "The {what} was deleted; its last values stay in place until it is back."
            ));
            return;
        }
        self.told
            .retain(|text| !text.contains(&wanted.in_namespace(&self.namespace)));
        self.known.insert(wanted, contents);
    }

    /// Brings files and variables up to date. Returns whether anything the command was given has changed.
    pub fn update(&mut self) -> bool {
        let mut changed = self.publish();
        let (mut variables, lacking) = variables::assemble(&self.variables_from, &self.known, self.rule);
        for one in lacking {
            let keeps = match &one {
                Lacking::Object(_) | Lacking::Skipped { .. } => None,
                Lacking::Key { variable, .. } => (!self.optional).then(|| variable.clone()),
                Lacking::Value { variable, .. } => Some(variable.clone()),
            };
            if let Some(variable) = keeps {
                self.tell_once(explain::after_change(&one, &self.namespace));
                if let Some(value) = self.variables.get(&variable) {
                    variables.entry(variable).or_insert_with(|| value.clone());
                }
            }
        }
        if variables != self.variables {
            self.variables = variables;
            changed = true;
        }
        changed
    }

    /// Whether some files could not be brought up to date, so that it should be tried again.
    pub fn is_behind(&self) -> bool {
        self.is_behind
    }

    /// Removes files that are published no more; returns when to do it again.
    pub fn sweep(&mut self) -> Option<Instant> {
        self.volumes.iter_mut().filter_map(Volume::sweep).min()
    }

    /// Takes the files away, unless something that the command left behind may still read them.
    pub fn finish(self) {
        if !is_alone() {
            std::mem::forget(self.created);
            return;
        }
        for volume in self.volumes {
            let _ = volume.unmount();
        }
    }

    /// Warns, but not again and again of the same.
    pub fn tell_once(&mut self, text: String) {
        if self.told.insert(text.clone()) {
            eprintln!("strongroom: {text}");
        }
    }

    fn publish(&mut self) -> bool {
        let (mut changed, mut is_behind) = (false, false);
        for index in 0..self.volumes.len() {
            match self.publish_one(index) {
                Ok(one_changed) => changed |= one_changed,
                Err(error) => {
                    is_behind = true;
                    self.tell_once(format!(
                        "Files could not be updated and stay as they were: {error:#}."
                    ));
                }
            }
        }
        self.is_behind = is_behind;
        changed
    }

    fn publish_one(&mut self, index: usize) -> anyhow::Result<bool> {
        let (kind, source) = &self.directories_from[index];
        let wanted = Wanted {
            kind: *kind,
            name: source.name.clone(),
        };
        let contents = self.known.get(&wanted).and_then(Option::as_ref);
        let file = |content: &zeroize::Zeroizing<Vec<u8>>| File {
            content: content.clone(),
            mode: self.mode,
            owner: self.owner,
        };
        let files = contents.map(|contents| {
            contents
                .data
                .iter()
                .map(|(key, value)| (key.clone(), file(value)))
                .collect::<BTreeMap<_, _>>()
        });
        let payload = Payload {
            files: files.unwrap_or_default(),
        };
        let published = self.volumes[index].publish(&payload, &self.ownership);
        Ok(published
            .with_context(|| format!("In {}", source.path.display()))?
            .changed)
    }
}

/// Whether no other process is in this mount namespace.
fn is_alone() -> bool {
    let namespace = |process: &Path| std::fs::read_link(process.join("ns/mnt")).ok();
    let Some(own) = namespace(Path::new("/proc/self")) else {
        return false;
    };
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return false;
    };
    let others = processes.flatten().filter(|process| {
        let name = process.file_name();
        let pid = name.to_str().and_then(|name| name.parse::<u32>().ok());
        pid.is_some_and(|pid| pid != std::process::id())
    });
    others
        .into_iter()
        .all(|process| namespace(&process.path()).as_ref() != Some(&own))
}
