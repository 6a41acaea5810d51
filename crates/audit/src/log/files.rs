//! Names of rotated files: `audit-2026-11-22T05-43-00.000.log` beside `audit.log`.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

const DAY_MILLISECONDS: i64 = 24 * 60 * 60 * 1000;

/// The file for appending and reading. `fresh` if it must not be there yet.
pub(super) fn open(path: &Path, fresh: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).mode(0o600);
    options.create(true).create_new(fresh).open(path)
}

pub(super) fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory(path))
}

pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(directory(path))?.sync_all()
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// What stands before and behind the time in rotated names.
fn affixes(path: &Path) -> (String, String) {
    let text = |part: Option<&std::ffi::OsStr>| part.map(|part| part.to_string_lossy().into_owned());
    let stem = text(path.file_stem()).unwrap_or_default();
    let extension = text(path.extension()).map_or_else(String::new, |extension| format!(".{extension}"));
    (format!("{stem}-"), extension)
}

/// The rotated files of `path` by the time in their names, in milliseconds; the oldest first.
pub(crate) fn backups(path: &Path) -> io::Result<BTreeMap<i64, PathBuf>> {
    let (before, behind) = affixes(path);
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory(path))? {
        let entry = entry?;
        let name = entry.file_name();
        let time = name
            .to_str()
            .and_then(|name| name.strip_prefix(before.as_str())?.strip_suffix(behind.as_str()));
        if let Some(time) = time.and_then(parse_time) {
            found.insert(time, entry.path());
        }
    }
    Ok(found)
}

/// A name for the file that is rotated now. Names never go back, whatever the clock does: retention removes by name.
pub(super) fn backup_path(path: &Path, now: Timestamp) -> io::Result<PathBuf> {
    let newest = backups(path)?.into_keys().next_back();
    let time = now
        .as_millisecond()
        .max(newest.map_or(i64::MIN, |newest| newest + 1));
    let (before, behind) = affixes(path);
    Ok(directory(path).join(format!("{before}{}{behind}", format_time(time))))
}

/// Which rotated files are too many or too old: always the oldest ones, so that no gap comes about.
pub(super) fn superfluous(
    backups: &BTreeMap<i64, PathBuf>,
    max_backups: u32,
    max_age_days: u32,
    now: Timestamp,
) -> Vec<PathBuf> {
    let oldest = match max_age_days {
        0 => i64::MIN,
        days => now.as_millisecond() - i64::from(days) * DAY_MILLISECONDS,
    };
    let excess = match max_backups {
        0 => 0,
        kept => backups.len().saturating_sub(kept as usize),
    };
    let mut removed = Vec::new();
    for (index, (time, path)) in backups.iter().enumerate() {
        if index >= excess && *time >= oldest {
            break;
        }
        removed.push(path.clone());
    }
    removed
}

fn format_time(milliseconds: i64) -> String {
    let time = Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::UNIX_EPOCH);
    time.strftime("%Y-%m-%dT%H-%M-%S.%3f").to_string()
}

fn parse_time(text: &str) -> Option<i64> {
    let (seconds, fraction) = text.split_once('.')?;
    if fraction.len() != 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let time = DateTime::strptime("%Y-%m-%dT%H-%M-%S", seconds).ok()?;
    let time = Offset::UTC.to_timestamp(time).ok()?;
    Some(time.as_millisecond() + fraction.parse::<i64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_kube_apiserver() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.log");
        let now: Timestamp = "2026-11-22T05:43:00.007Z".parse().unwrap();
        let first = backup_path(&path, now).unwrap();
        assert_eq!(first.file_name().unwrap(), "audit-2026-11-22T05-43-00.007.log");
        fs::write(&first, "").unwrap();
        for other in [
            "audit.log",
            "audit-x.log",
            "audit-2026-11-22T05-43-00.007.log.gz",
            "b-2026-11-22T05-43-00.000.log",
        ] {
            fs::write(directory.path().join(other), "").unwrap();
        }
        assert_eq!(backups(&path).unwrap().into_values().collect::<Vec<_>>(), [first]);
        let earlier: Timestamp = "2020-01-01T00:00:00Z".parse().unwrap();
        let second = backup_path(&path, earlier).unwrap();
        assert_eq!(second.file_name().unwrap(), "audit-2026-11-22T05-43-00.008.log");
    }

    #[test]
    fn the_oldest_go_first() {
        let day = |day: i64| day * DAY_MILLISECONDS;
        let backups: BTreeMap<i64, PathBuf> = (1..=5)
            .map(|at| (day(at), PathBuf::from(at.to_string())))
            .collect();
        let check = |max_backups, max_age_days, expected: &[&str]| {
            let now = Timestamp::from_millisecond(day(6)).unwrap();
            let removed = superfluous(&backups, max_backups, max_age_days, now);
            let removed: Vec<_> = removed.iter().map(|path| path.to_str().unwrap()).collect();
            assert_eq!(removed, expected, "{max_backups} {max_age_days}");
        };
        check(0, 0, &[]);
        check(2, 0, &["1", "2", "3"]);
        check(9, 0, &[]);
        check(0, 3, &["1", "2"]);
        check(4, 3, &["1", "2"]);
        check(1, 3, &["1", "2", "3", "4"]);
    }
}
