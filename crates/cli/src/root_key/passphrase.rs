//! A root key that is made from a passphrase at every start.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use strongroom_encryption::{KeyServiceError, LocalKey, PassphraseCost, PassphraseParameters};
use zeroize::Zeroizing;

use super::{PASSPHRASE_PROTECTS, RootKey, Sealed};
use crate::data_dir::{DataDir, write_private};
use crate::random;

/// Nobody types more; a wrong file is not read whole.
const MAX_LENGTH: u64 = 4096;

/// Where the parameters lie that turn the passphrase into the same key again.
pub(super) fn parameters_file(data_dir: &DataDir) -> PathBuf {
    data_dir.keys().join("passphrase")
}

/// Gets the passphrase and makes the key of it.
///
/// # Errors
/// When there is no passphrase, it is the wrong one, or its parameters are lost.
pub(super) fn open(data_dir: &DataDir, file: Option<&Path>, sealed: Sealed) -> anyhow::Result<RootKey> {
    let path = parameters_file(data_dir);
    let key = match std::fs::read_to_string(&path) {
        Ok(text) => reopen(&path, &text, file)?,
        Err(_) if sealed == Sealed::Yes => bail!(
            "The data in {} is not sealed with a passphrase, or {} is missing; leave --key-service passphrase out, or \
             put that file back.",
            data_dir.path().display(),
            path.display()
        ),
        Err(_) => create(&path, file)?,
    };
    Ok(RootKey {
        key,
        place: "made from your passphrase at every start".to_owned(),
        protects: PASSPHRASE_PROTECTS,
    })
}

fn reopen(path: &Path, parameters: &str, file: Option<&Path>) -> anyhow::Result<LocalKey> {
    let parameters: PassphraseParameters = parameters
        .trim()
        .parse()
        .with_context(|| format!("{} is damaged; put a copy of it back", path.display()))?;
    let passphrase = get(file, false)?;
    LocalKey::from_passphrase(passphrase.as_bytes(), &parameters).map_err(|error| match error {
        KeyServiceError::WrongPassphrase => {
            anyhow::anyhow!("This is not the passphrase that the data is sealed with; try again.")
        }
        other => other.into(),
    })
}

fn create(path: &Path, file: Option<&Path>) -> anyhow::Result<LocalKey> {
    let passphrase = get(file, true)?;
    let (key, parameters) =
        LocalKey::new_from_passphrase(passphrase.as_bytes(), PassphraseCost::DEFAULT, random::bytes()?)?;
    write_private(path, format!("{parameters}\n").as_bytes())
        .with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(key)
}

fn get(file: Option<&Path>, is_new: bool) -> anyhow::Result<Zeroizing<String>> {
    let passphrase = match file {
        Some(path) => first_line(std::fs::File::open(path).with_context(|| unreadable(path))?)
            .with_context(|| unreadable(path))?,
        None if std::io::stdin().is_terminal() => ask(is_new)?,
        None => first_line(std::io::stdin().lock())?,
    };
    if passphrase.is_empty() {
        bail!("The passphrase is empty; give one with --passphrase-file or on standard input.");
    }
    Ok(passphrase)
}

fn unreadable(path: &Path) -> String {
    format!("The passphrase file {} cannot be read", path.display())
}

fn first_line(input: impl std::io::Read) -> std::io::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::new());
    std::io::BufReader::new(input.take(MAX_LENGTH)).read_line(&mut line)?;
    let length = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(length);
    Ok(line)
}

fn ask(is_new: bool) -> anyhow::Result<Zeroizing<String>> {
    if !is_new {
        return ask_once("Passphrase: ");
    }
    let passphrase = ask_once("New passphrase (it cannot be recovered): ")?;
    if *ask_once("Once more: ")? != *passphrase {
        bail!("The two passphrases differ; try again.");
    }
    Ok(passphrase)
}

fn ask_once(prompt: &str) -> anyhow::Result<Zeroizing<String>> {
    let terminal = std::io::stdin();
    eprint!("{prompt}");
    std::io::stderr().flush()?;
    let visible = tcgetattr(&terminal)?;
    let mut hidden = visible.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&terminal, OptionalActions::Flush, &hidden)?;
    let line = first_line(terminal.lock());
    tcsetattr(&terminal, OptionalActions::Flush, &visible)?;
    eprintln!();
    Ok(line?)
}
