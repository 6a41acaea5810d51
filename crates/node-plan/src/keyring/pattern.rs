//! The keys of a docker configuration: `host[:port][/path]` with wildcards inside the host's labels.

/// A key, without scheme and API version. Ordered as text, because the keys that come last are tried first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pattern(String);

impl Pattern {
    /// Reads a key; `None` if it cannot name a registry.
    pub(super) fn parse(key: &str) -> Option<Pattern> {
        let rest = key
            .strip_prefix("https://")
            .or_else(|| key.strip_prefix("http://"))
            .unwrap_or(key);
        let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let (name, port) = split_port(host);
        let port_fits = port.bytes().all(|byte| byte.is_ascii_digit());
        if name.is_empty() || !port_fits || key.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return None;
        }
        let versioned = path.strip_prefix("/v1").or_else(|| path.strip_prefix("/v2"));
        let path = versioned.filter(|rest| rest.starts_with('/')).unwrap_or(path);
        Some(Pattern(if path == "/" {
            host.to_owned()
        } else {
            format!("{host}{path}")
        }))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is meant for a repository (`docker.io/library/busybox`): the same port, label for label, and a path
    /// that begins with the pattern's, character by character.
    pub(super) fn matches(&self, repository: &str) -> bool {
        let (pattern_host, pattern_path) = split_path(&self.0);
        let (host, path) = split_path(repository);
        let ((pattern_name, pattern_port), (name, port)) = (split_port(pattern_host), split_port(host));
        let labels = pattern_name.split('.').count() == name.split('.').count();
        pattern_port == port
            && labels
            && path.starts_with(pattern_path)
            && pattern_name
                .split('.')
                .zip(name.split('.'))
                .all(|(glob, label)| glob_matches(glob, label))
    }
}

fn split_path(text: &str) -> (&str, &str) {
    text.find('/').map_or((text, ""), |at| text.split_at(at))
}

/// Name and port; the port is empty if there is none. An IPv6 address stands in brackets.
fn split_port(host: &str) -> (&str, &str) {
    if let Some(address) = host.strip_prefix('[')
        && let Some((address, rest)) = address.split_once(']')
        && address.contains(':')
    {
        return (address, rest.strip_prefix(':').unwrap_or_default());
    }
    host.rsplit_once(':').unwrap_or((host, ""))
}

/// `*` any characters, `?` one, `[a-z]` and `[^a-z]` one of or none of, `\\` takes the next as it is. A broken pattern
/// matches nothing.
fn glob_matches(glob: &str, text: &str) -> bool {
    let (glob, text): (Vec<char>, Vec<char>) = (glob.chars().collect(), text.chars().collect());
    let (mut at_glob, mut at_text) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while at_text < text.len() || at_glob < glob.len() {
        let step = match glob.get(at_glob) {
            Some('*') => {
                star = Some((at_glob + 1, at_text));
                at_glob += 1;
                continue;
            }
            Some(_) if at_text < text.len() => one_matches(&glob[at_glob..], text[at_text]),
            _ => None,
        };
        match (step, star) {
            (Some(length), _) => {
                at_glob += length;
                at_text += 1;
            }
            (None, Some((after_star, from))) if from < text.len() => {
                star = Some((after_star, from + 1));
                (at_glob, at_text) = (after_star, from + 1);
            }
            (None, _) => return false,
        }
    }
    true
}

/// How many characters of the pattern stand for this one, if they do.
fn one_matches(glob: &[char], character: char) -> Option<usize> {
    match glob[0] {
        '?' => Some(1),
        '\\' => (glob.get(1) == Some(&character)).then_some(2),
        '[' => {
            let negated = glob.get(1) == Some(&'^');
            let start = if negated { 2 } else { 1 };
            let length = glob[start..]
                .iter()
                .position(|c| *c == ']')
                .filter(|length| *length > 0)?;
            let set = &glob[start..start + length];
            let mut found = false;
            let mut at = 0;
            while at < set.len() {
                let high = if set.get(at + 1) == Some(&'-') {
                    *set.get(at + 2)?
                } else {
                    set[at]
                };
                found |= (set[at]..=high).contains(&character);
                at += if set.get(at + 1) == Some(&'-') { 3 } else { 1 };
            }
            (found != negated).then_some(start + length + 1)
        }
        literal => (literal == character).then_some(1),
    }
}
