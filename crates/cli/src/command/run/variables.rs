//! From what is known of objects to the environment of a process. Pure.

use std::collections::BTreeMap;

use clap::ValueEnum;
use zeroize::Zeroizing;

use super::source::{Kind, VariableSource, Wanted};

/// The longest `NAME=value` that the kernel gives to a program, without its end.
const LONGEST: usize = 128 * 1024 - 1;

/// Which keys become variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NameRule {
    /// All keys
    Relaxed,
    /// Keys of letters, digits, '_', '-' and '.' that begin with no digit
    Strict,
}

impl NameRule {
    fn takes(self, name: &str) -> bool {
        match self {
            NameRule::Relaxed => true,
            NameRule::Strict => {
                let belongs = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
                !name.starts_with(|first: char| first.is_ascii_digit()) && name.bytes().all(belongs)
            }
        }
    }
}

/// What an object holds.
#[derive(Clone, PartialEq, Eq)]
pub struct Contents {
    /// Key to value.
    pub data: BTreeMap<String, Zeroizing<Vec<u8>>>,
    /// Whether it will never change.
    pub immutable: bool,
}

/// All objects that values come from; `None` for one that does not exist.
pub type Known = BTreeMap<Wanted, Option<Contents>>;

/// Variables by name.
pub type Variables = BTreeMap<String, Zeroizing<Vec<u8>>>;

/// The names that were asked for must be allowed.
///
/// # Errors
/// One is not.
pub fn check_names(sources: &[(Kind, VariableSource)], rule: NameRule) -> anyhow::Result<()> {
    for (_, source) in sources {
        if let Some((_, variable)) = source.one.as_ref().filter(|(_, variable)| !rule.takes(variable)) {
            anyhow::bail!(
                "{variable:?} is no name for a variable under --env-names=strict; rename it with =VAR, of letters, \
                 digits, '-', '_' and '.', not beginning with a digit."
            );
        }
    }
    Ok(())
}

/// Something that was asked for and cannot be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lacking {
    /// The object does not exist.
    Object(Wanted),
    /// The object has no such key.
    Key {
        /// The object.
        wanted: Wanted,
        /// The key.
        key: String,
        /// The keys that it has.
        keys: Vec<String>,
        /// What the variable would be called.
        variable: String,
    },
    /// The value cannot be that of a variable.
    Value {
        /// The object.
        wanted: Wanted,
        /// The key.
        key: String,
        /// Why.
        problem: ValueProblem,
        /// What the variable would be called.
        variable: String,
    },
    /// Keys that the rule for names leaves out.
    Skipped {
        /// The object.
        wanted: Wanted,
        /// The keys.
        keys: Vec<String>,
    },
}

/// Why a value cannot be that of a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueProblem {
    /// It has a NUL byte in it.
    Nul,
    /// The kernel takes no variable of so many bytes.
    TooLong(usize),
}

/// The variables that these sources give, later ones before earlier ones, and what they do not give.
pub fn assemble(
    sources: &[(Kind, VariableSource)],
    known: &Known,
    rule: NameRule,
) -> (Variables, Vec<Lacking>) {
    let (mut variables, mut lacking) = (Variables::new(), Vec::new());
    for (kind, source) in sources {
        let wanted = Wanted {
            kind: *kind,
            name: source.name.clone(),
        };
        let Some(contents) = known.get(&wanted).and_then(Option::as_ref) else {
            lacking.push(Lacking::Object(wanted));
            continue;
        };
        let mut skipped = Vec::new();
        let chosen: Vec<(&str, &str)> = match &source.one {
            Some((key, variable)) => vec![(key, variable)],
            None => {
                let (taken, left): (Vec<_>, Vec<_>) = contents.data.keys().partition(|key| rule.takes(key));
                skipped.extend(left.into_iter().cloned());
                taken
                    .into_iter()
                    .map(|key| (key.as_str(), key.as_str()))
                    .collect()
            }
        };
        for (key, variable) in chosen {
            match value(contents, &wanted, key, variable) {
                Ok(value) => {
                    variables.insert(variable.to_owned(), value.clone());
                }
                Err(problem) => lacking.push(problem),
            }
        }
        if !skipped.is_empty() {
            lacking.push(Lacking::Skipped {
                wanted,
                keys: skipped,
            });
        }
    }
    (variables, lacking)
}

fn value<'a>(
    contents: &'a Contents,
    wanted: &Wanted,
    key: &str,
    variable: &str,
) -> Result<&'a Zeroizing<Vec<u8>>, Lacking> {
    let (wanted, key, variable) = (wanted.clone(), key.to_owned(), variable.to_owned());
    let Some(value) = contents.data.get(&key) else {
        let keys = contents.data.keys().cloned().collect();
        return Err(Lacking::Key {
            wanted,
            key,
            keys,
            variable,
        });
    };
    if value.contains(&0) {
        return Err(Lacking::Value {
            wanted,
            key,
            problem: ValueProblem::Nul,
            variable,
        });
    }
    if variable.len() + 1 + value.len() > LONGEST {
        return Err(Lacking::Value {
            wanted,
            key,
            problem: ValueProblem::TooLong(value.len()),
            variable,
        });
    }
    Ok(value)
}

#[cfg(test)]
mod tests;
