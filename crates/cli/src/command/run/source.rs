//! What the arguments name.

use std::path::PathBuf;

use crate::misread::Misread;

/// What values come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A ConfigMap.
    ConfigMap,
    /// A Secret.
    Secret,
}

/// One object that values come from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
}

/// Environment variables from an object: `NAME[:KEY][=VAR]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariableSource {
    /// The object's name.
    pub name: String,
    /// One key and the variable it becomes; all keys, under their own names, if there is none.
    pub one: Option<(String, String)>,
}

/// Files from an object: `NAME=PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectorySource {
    /// The object's name.
    pub name: String,
    /// The directory.
    pub path: PathBuf,
}

/// Permission bits of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileMode(pub u32);

/// Whose the files are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub user: u32,
    /// The group that may read.
    pub group: Option<u32>,
}

/// Reads `NAME[:KEY][=VAR]`.
pub fn variable(text: &str) -> Result<VariableSource, Misread> {
    let (from, variable) = match text.split_once('=') {
        Some((from, variable)) => (from, Some(variable)),
        None => (text, None),
    };
    let (name, key) = match from.split_once(':') {
        Some((name, key)) => (name, Some(key)),
        None => (from, None),
    };
    let name = object_name(name)?;
    let one = match (key, variable) {
        (None, None) => None,
        (None, Some(_)) => {
            return Err(Misread(
                "expected NAME:KEY=VAR: only one key can have another name",
            ));
        }
        (Some(key), variable) => {
            if !is_key(key) {
                return Err(Misread(
                    "expected a key after the colon, of letters, digits, '-', '_' and '.'",
                ));
            }
            let variable = variable.unwrap_or(key);
            if variable.is_empty()
                || !variable
                    .bytes()
                    .all(|byte| (b' '..=b'~').contains(&byte) && byte != b'=')
            {
                return Err(Misread(
                    "expected the name of a variable after '=', of printable ASCII without '='",
                ));
            }
            Some((key.to_owned(), variable.to_owned()))
        }
    };
    Ok(VariableSource { name, one })
}

/// Reads `NAME=PATH`.
pub fn directory(text: &str) -> Result<DirectorySource, Misread> {
    match text.split_once('=') {
        Some((name, path)) if !path.is_empty() => Ok(DirectorySource {
            name: object_name(name)?,
            path: path.into(),
        }),
        _ => Err(Misread("expected NAME=PATH, the path of a directory")),
    }
}

/// Reads octal permission bits.
pub fn file_mode(text: &str) -> Result<FileMode, Misread> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    match u32::from_str_radix(digits, 8) {
        Ok(mode) if mode <= 0o777 && !digits.starts_with('+') => Ok(FileMode(mode)),
        _ => Err(Misread("expected octal permission bits up to 0777, such as 0400")),
    }
}

/// Reads `UID[:GID]`.
pub fn owner(text: &str) -> Result<Owner, Misread> {
    let number = |text: &str| match text.parse() {
        // -1 means "as it is" to the system.
        Ok(number) if number != u32::MAX && !text.starts_with('+') => Ok(number),
        _ => Err(Misread(
            "expected numbers, such as 1000 or 1000:1000; `id NAME` tells them",
        )),
    };
    match text.split_once(':') {
        Some((user, group)) => Ok(Owner {
            user: number(user)?,
            group: Some(number(group)?),
        }),
        None => Ok(Owner {
            user: number(text)?,
            group: None,
        }),
    }
}

/// What ConfigMaps and Secrets give, ConfigMaps first, so that a Secret's goes before.
pub fn of_kinds<Source>(config_maps: Vec<Source>, secrets: Vec<Source>) -> Vec<(Kind, Source)> {
    let config_maps = config_maps.into_iter().map(|source| (Kind::ConfigMap, source));
    config_maps
        .chain(secrets.into_iter().map(|source| (Kind::Secret, source)))
        .collect()
}

fn object_name(text: &str) -> Result<String, Misread> {
    let belongs = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    if text.is_empty() || text.len() > 253 || !text.bytes().all(belongs) || text.starts_with(['-', '.']) {
        return Err(Misread(
            "expected an object's name first, of lower-case letters, digits, '-' and '.'",
        ));
    }
    Ok(text.to_owned())
}

fn is_key(text: &str) -> bool {
    let belongs = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !text.is_empty() && text.len() <= 253 && text.bytes().all(belongs)
}

#[cfg(test)]
mod tests;
