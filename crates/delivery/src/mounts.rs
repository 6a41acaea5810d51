//! What is mounted, as the kernel tells it in `/proc/self/mountinfo`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::error::DeliveryError;

/// One line of `/proc/self/mountinfo`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    pub id: u64,
    pub point: PathBuf,
    pub file_system: String,
    pub source: String,
    pub super_options: String,
}

impl Mount {
    /// Whether the kernel keeps this tmpfs out of swap.
    pub fn is_noswap(&self) -> bool {
        self.super_options.split(',').any(|option| option == "noswap")
    }
}

/// All mounts of this mount namespace, oldest first.
pub(crate) fn all() -> Result<Vec<Mount>, DeliveryError> {
    let table = std::fs::read("/proc/self/mountinfo").map_err(|source| DeliveryError::Io {
        operation: "read",
        what: "/proc/self/mountinfo".to_owned(),
        source,
    })?;
    Ok(table.split(|byte| *byte == b'\n').filter_map(parse).collect())
}

/// `36 35 98:0 /root /mount/point rw,noatime shared:1 - ext3 /dev/root rw,errors=continue`
fn parse(line: &[u8]) -> Option<Mount> {
    let mut words = line.split(|byte| *byte == b' ');
    let id = std::str::from_utf8(words.next()?).ok()?.parse().ok()?;
    let point = unescape(words.nth(3)?);
    words.find(|word| *word == b"-")?;
    let mut next = || {
        words
            .next()
            .map(|word| String::from_utf8_lossy(word).into_owned())
    };
    let (file_system, source) = (next()?, next().unwrap_or_default());
    let super_options = next().unwrap_or_default();
    Some(Mount {
        id,
        point: point.into(),
        file_system,
        source,
        super_options,
    })
}

/// Blanks, tabs, newlines and backslashes are written as `\040` and the like.
fn unescape(word: &[u8]) -> OsString {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((&first, tail)) = rest.split_first() {
        let octal = (first == b'\\')
            .then(|| tail.get(..3))
            .flatten()
            .and_then(|digits| {
                digits.iter().try_fold(0_u32, |value, digit| {
                    (b'0'..=b'7')
                        .contains(digit)
                        .then(|| value * 8 + u32::from(digit - b'0'))
                })
            });
        match octal.and_then(|value| u8::try_from(value).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[3..];
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    OsString::from_vec(bytes)
}

/// The mount points at or below `directory`, newest first: the order in which they can be unmounted.
pub(crate) fn beneath(directory: &Path) -> Result<Vec<PathBuf>, DeliveryError> {
    let mut points: Vec<PathBuf> = all()?
        .into_iter()
        .map(|mount| mount.point)
        .filter(|point| point.starts_with(directory))
        .collect();
    points.reverse();
    Ok(points)
}

/// The directory that `path` names, with no symbolic link in it, as the kernel would print it.
pub(crate) fn as_printed(path: &Path) -> PathBuf {
    match (
        path.parent().and_then(|parent| parent.canonicalize().ok()),
        path.file_name(),
    ) {
        (Some(parent), Some(name)) => parent.join(OsStr::from_bytes(name.as_bytes())),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn lines() {
        for (line, expect) in [
            ("", None),
            ("42 27 0:39 /", None),
            (
                "42 27 0:39 / /tmp/t1 rw,nosuid,relatime - tmpfs none rw,size=1024k,noswap",
                Some((42, "/tmp/t1", "tmpfs", true)),
            ),
            (
                "7 1 0:39 / /a\\040b\\134c rw shared:3 master:1 - tmpfs none rw,size=4k",
                Some((7, "/a b\\c", "tmpfs", false)),
            ),
            (
                "7 1 0:39 / /x\\9 rw - ext4 /dev/sda rw,noswapfile",
                Some((7, "/x\\9", "ext4", false)),
            ),
        ] {
            let found = parse(line.as_bytes());
            let found = found.as_ref().map(|mount| {
                (
                    mount.id,
                    mount.point.to_str().unwrap(),
                    &*mount.file_system,
                    mount.is_noswap(),
                )
            });
            assert_eq!(found, expect, "{line:?}");
        }
    }
}
