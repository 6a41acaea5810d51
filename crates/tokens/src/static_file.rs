//! Tokens listed in a file (`--token-auth-file`): CSV `token,user,uid[,"group1,group2"]` (auth.md §2).

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::hmac;
use strongroom_access::Identity;
use zeroize::Zeroizing;

use crate::AUTHENTICATED;

type Digest = [u8; 32];

/// The tokens of a file. Only keyed hashes of them stay in memory; comparing those tells an attacker nothing, however
/// long it takes.
pub struct StaticTokens {
    key: hmac::Key,
    identities: BTreeMap<Digest, Identity>,
}

/// What is wrong with a file. Names the line, counted from 1, never what stands in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct StaticFileError {
    /// Counted from 1.
    pub line: usize,
    /// One half of a sentence.
    pub problem: &'static str,
}

impl fmt::Debug for StaticTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticTokens")
            .field("tokens", &self.identities.len())
            .finish()
    }
}

impl StaticTokens {
    /// Reads a file; `key` is 32 random bytes. Fields may be quoted, quotes inside are doubled, empty lines are
    /// passed over, and there are no comments.
    ///
    /// # Errors
    /// For a line with fewer than three fields, without token or user, with a stray or open quote, or with a token
    /// that an earlier line has: of two people with one token nobody can say which one is calling.
    pub fn parse(file: &str, key: &[u8; 32]) -> Result<StaticTokens, StaticFileError> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        let mut identities = BTreeMap::new();
        for (line, text) in (1..).zip(file.lines()).filter(|(_, text)| !text.is_empty()) {
            let refuse = |problem| StaticFileError { line, problem };
            let fields = fields(text).map_err(refuse)?;
            let [token, user, uid, more @ ..] = fields.as_slice() else {
                return Err(refuse("there must be a token, a user and a uid"));
            };
            if token.is_empty() {
                return Err(refuse("the token is empty"));
            }
            if user.is_empty() {
                return Err(refuse("the user is empty"));
            }
            let identity = Identity {
                user: user.to_string(),
                uid: uid.to_string(),
                groups: groups(more.first()),
                ..Identity::default()
            };
            if identities.insert(digest(&key, token), identity).is_some() {
                return Err(refuse("an earlier line has the same token"));
            }
        }
        Ok(StaticTokens { key, identities })
    }

    /// The caller with this token; `None` when the file does not have it.
    pub fn authenticate(&self, token: &str) -> Option<Identity> {
        self.identities.get(&digest(&self.key, token)).cloned()
    }
}

fn digest(key: &hmac::Key, token: &str) -> Digest {
    let mut digest = [0; 32];
    digest.copy_from_slice(hmac::sign(key, token.as_bytes()).as_ref());
    digest
}

fn groups(field: Option<&Zeroizing<String>>) -> Vec<String> {
    let named = field.iter().flat_map(|field| field.split(','));
    let mut groups: Vec<_> = named
        .filter(|group| !group.is_empty())
        .map(str::to_owned)
        .collect();
    if !groups.iter().any(|group| group == AUTHENTICATED) {
        groups.push(AUTHENTICATED.to_owned());
    }
    groups
}

/// The fields of one line (RFC 4180; a field does not span lines).
fn fields(line: &str) -> Result<Vec<Zeroizing<String>>, &'static str> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, after) = match rest.trim_start_matches(' ').strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                let (field, after) = rest.split_at(end);
                if field.contains('"') {
                    return Err("there is a quote inside a field that is not quoted");
                }
                (Zeroizing::new(field.trim_start_matches(' ').to_owned()), after)
            }
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(fields),
            None => return Err("there is text behind a quoted field"),
        }
    }
}

/// What stands before the closing quote, and what comes behind it.
fn quoted_field(text: &str) -> Result<(Zeroizing<String>, &str), &'static str> {
    let mut field = Zeroizing::new(String::with_capacity(text.len()));
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once('"').ok_or("a quote is not closed")?;
        field.push_str(before);
        match after.strip_prefix('"') {
            Some(next) => {
                field.push('"');
                rest = next;
            }
            None => return Ok((field, after)),
        }
    }
}
