//! A disk in memory that remembers every write and sync, can fail, fill up and lose power.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use super::Random;
use crate::disk::{Disk, DiskFile};

/// What happened to the disk, or was promised on top of it.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Create {
        file: String,
    },
    Remove {
        file: String,
    },
    Rename {
        from: String,
        to: String,
    },
    Write {
        file: String,
        offset: u64,
        data: Vec<u8>,
    },
    SetLen {
        file: String,
        length: u64,
    },
    Sync {
        file: String,
    },
    /// The test was told that this revision is durable.
    Acknowledged(u64),
}

/// What a disk may do wrong.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// Syncs until one fails; all later ones on that file are forbidden.
    pub syncs_left: Option<u64>,
    /// Writes until one fails with EIO.
    pub writes_left: Option<u64>,
    /// Most bytes the files may have written in total.
    pub capacity: Option<u64>,
}

type Files = BTreeMap<String, Vec<u8>>;

#[derive(Debug, Default)]
struct State {
    files: Files,
    /// Blocks in use, by file, for the capacity.
    blocks: BTreeMap<String, std::collections::BTreeSet<u64>>,
    steps: Option<Vec<Step>>,
    faults: Faults,
    /// Files whose sync has failed.
    failed: Vec<String>,
    synced_after_failure: bool,
}

const BLOCK: u64 = 4096;

#[derive(Debug, Default)]
pub(super) struct SimulatedDisk {
    state: Arc<Mutex<State>>,
}

impl SimulatedDisk {
    pub(super) fn new() -> Arc<SimulatedDisk> {
        Arc::default()
    }

    pub(super) fn with_files(files: Files) -> Arc<SimulatedDisk> {
        let disk = SimulatedDisk::new();
        disk.lock().files = files;
        disk
    }

    /// A disk that remembers its steps.
    pub(super) fn recording(files: Files) -> Arc<SimulatedDisk> {
        let disk = SimulatedDisk::with_files(files);
        disk.lock().steps = Some(Vec::new());
        disk
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("disk")
    }

    pub(super) fn files(&self) -> Files {
        self.lock().files.clone()
    }

    pub(super) fn steps(&self) -> Vec<Step> {
        self.lock().steps.clone().unwrap_or_default()
    }

    pub(super) fn acknowledged(&self, revision: u64) {
        self.lock().note(Step::Acknowledged(revision));
    }

    pub(super) fn set_faults(&self, faults: Faults) {
        self.lock().faults = faults;
    }

    pub(super) fn used(&self) -> u64 {
        self.lock().used()
    }

    /// Whether a file was synced after its sync had failed once.
    pub(super) fn synced_after_failure(&self) -> bool {
        self.lock().synced_after_failure
    }

    pub(super) fn change(&self, file: &str, change: impl FnOnce(&mut Vec<u8>)) {
        change(self.lock().files.get_mut(file).expect("file"));
    }
}

impl State {
    fn note(&mut self, step: Step) {
        if let Some(steps) = &mut self.steps {
            steps.push(step);
        }
    }

    fn used(&self) -> u64 {
        self.blocks
            .values()
            .map(|blocks| blocks.len() as u64 * BLOCK)
            .sum()
    }

    fn take_blocks(&mut self, file: &str, offset: u64, length: u64) -> io::Result<()> {
        let wanted = offset / BLOCK..(offset + length).div_ceil(BLOCK);
        let blocks = self.blocks.entry(file.into()).or_default();
        let new = wanted.clone().filter(|block| !blocks.contains(block)).count() as u64;
        let blocks_capacity = self.faults.capacity;
        if new > 0 && blocks_capacity.is_some_and(|capacity| self.used() + new * BLOCK > capacity) {
            return Err(io::Error::from_raw_os_error(28));
        }
        self.blocks.entry(file.into()).or_default().extend(wanted);
        Ok(())
    }
}

impl Disk for SimulatedDisk {
    fn open(&self, name: &str, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.lock();
        if !state.files.contains_key(name) {
            if !create {
                return Err(io::ErrorKind::NotFound.into());
            }
            state.files.insert(name.into(), Vec::new());
            state.note(Step::Create { file: name.into() });
        }
        Ok(Arc::new(SimulatedFile {
            state: Arc::clone(&self.state),
            name: name.into(),
        }))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.lock();
        state.files.remove(name);
        state.blocks.remove(name);
        state.note(Step::Remove { file: name.into() });
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.lock();
        let content = state.files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.files.insert(to.into(), content);
        let blocks = state.blocks.remove(from).unwrap_or_default();
        state.blocks.insert(to.into(), blocks);
        state.note(Step::Rename {
            from: from.into(),
            to: to.into(),
        });
        Ok(())
    }

    fn available(&self) -> Option<u64> {
        let state = self.lock();
        state
            .faults
            .capacity
            .map(|capacity| capacity.saturating_sub(state.used()))
    }
}

#[derive(Debug)]
struct SimulatedFile {
    state: Arc<Mutex<State>>,
    name: String,
}

impl SimulatedFile {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("disk")
    }
}

fn io_error() -> io::Error {
    io::Error::from_raw_os_error(5)
}

fn is_used_up(left: &mut Option<u64>) -> bool {
    match left {
        Some(0) => true,
        Some(left) => {
            *left -= 1;
            false
        }
        None => false,
    }
}

impl DiskFile for SimulatedFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.lock().files.get(&self.name).map_or(0, Vec::len) as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.lock();
        let content = state.files.get(&self.name).ok_or(io::ErrorKind::NotFound)?;
        let range = offset as usize..offset as usize + out.len();
        out.copy_from_slice(content.get(range).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.lock();
        if is_used_up(&mut state.faults.writes_left) {
            return Err(io_error());
        }
        state.take_blocks(&self.name, offset, data.len() as u64)?;
        apply_write(state.files.entry(self.name.clone()).or_default(), offset, data);
        let step = Step::Write {
            file: self.name.clone(),
            offset,
            data: data.to_vec(),
        };
        state.note(step);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut state = self.lock();
        state
            .files
            .entry(self.name.clone())
            .or_default()
            .resize(length as usize, 0);
        let blocks = state.blocks.entry(self.name.clone()).or_default();
        blocks.retain(|block| *block < length.div_ceil(BLOCK));
        state.note(Step::SetLen {
            file: self.name.clone(),
            length,
        });
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.lock();
        if state.failed.contains(&self.name) {
            state.synced_after_failure = true;
            return Err(io_error());
        }
        if is_used_up(&mut state.faults.syncs_left) {
            state.failed.push(self.name.clone());
            return Err(io_error());
        }
        state.note(Step::Sync {
            file: self.name.clone(),
        });
        Ok(())
    }
}

fn apply_write(content: &mut Vec<u8>, offset: u64, data: &[u8]) {
    let end = offset as usize + data.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[offset as usize..end].copy_from_slice(data);
}

fn apply(files: &mut Files, step: &Step) {
    match step {
        Step::Write { file, offset, data } => {
            apply_write(files.entry(file.clone()).or_default(), *offset, data);
        }
        Step::SetLen { file, length } => {
            files.entry(file.clone()).or_default().resize(*length as usize, 0);
        }
        Step::Create { .. }
        | Step::Remove { .. }
        | Step::Rename { .. }
        | Step::Sync { .. }
        | Step::Acknowledged(_) => {}
    }
}

/// How a power cut treats what was not synced.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unsynced {
    /// All of it is lost.
    Lost,
    /// All of it was written.
    Kept,
    /// Some writes were made and others not, in whatever order.
    Some,
    /// Likewise, and of some writes only some sectors of 512 bytes.
    Torn,
}

/// Replays a recording, and knows what a power cut after each step may leave.
#[derive(Debug, Default)]
pub(super) struct PowerCut {
    durable: Files,
    pending: Vec<Step>,
    pub(super) acknowledged: u64,
}

impl PowerCut {
    pub(super) fn from(files: Files) -> PowerCut {
        PowerCut {
            durable: files,
            ..PowerCut::default()
        }
    }

    pub(super) fn step(&mut self, step: &Step) {
        match step {
            Step::Create { file } => {
                self.durable.insert(file.clone(), Vec::new());
            }
            Step::Remove { file } => {
                self.durable.remove(file);
                self.pending.retain(|step| file_of(step) != Some(file));
            }
            Step::Rename { from, to } => {
                assert!(
                    self.pending.iter().all(|step| file_of(step) != Some(from)),
                    "synced before"
                );
                let content = self.durable.remove(from).expect("file");
                self.durable.insert(to.clone(), content);
            }
            Step::Sync { file } => {
                let of_file = |step: &Step| file_of(step) == Some(file);
                for step in self.pending.iter().filter(|step| of_file(step)) {
                    apply(&mut self.durable, step);
                }
                self.pending.retain(|step| !of_file(step));
            }
            Step::Acknowledged(revision) => self.acknowledged = *revision,
            Step::Write { .. } | Step::SetLen { .. } => self.pending.push(step.clone()),
        }
    }

    /// What the disk may hold after a power cut now.
    pub(super) fn image(&self, unsynced: Unsynced, random: &mut Random) -> Files {
        let mut files = self.durable.clone();
        for step in &self.pending {
            match (unsynced, step) {
                (Unsynced::Lost, _) => {}
                (Unsynced::Kept, _) => apply(&mut files, step),
                (Unsynced::Torn, Step::Write { file, offset, data }) if random.below(2) == 0 => {
                    for (sector, data) in data.chunks(512).enumerate() {
                        if random.below(2) == 0 {
                            let content = files.entry(file.clone()).or_default();
                            apply_write(content, offset + 512 * sector as u64, data);
                        }
                    }
                }
                (Unsynced::Some | Unsynced::Torn, _) => {
                    if random.below(2) == 0 {
                        apply(&mut files, step);
                    }
                }
            }
        }
        files
    }
}

fn file_of(step: &Step) -> Option<&String> {
    match step {
        Step::Write { file, .. } | Step::SetLen { file, .. } => Some(file),
        _ => None,
    }
}
