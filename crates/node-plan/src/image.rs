//! Which image does a container mean, and is it to be pulled? (pods-and-kubelet §1, §5.1, §7)

use std::fmt;

use crate::waiting::{self, Waiting};

#[cfg(test)]
mod tests;

/// An image's name, read: `docker.io/library/busybox`, tag and digest apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Registry and path: `docker.io/library/busybox`, `127.0.0.1:5000/team/app`.
    pub repository: String,
    /// The tag; `latest` when neither tag nor digest was written.
    pub tag: Option<String>,
    /// The digest, `sha256:…`.
    pub digest: Option<String>,
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.repository)?;
        if let Some(tag) = &self.tag {
            write!(formatter, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(formatter, "@{digest}")?;
        }
        Ok(())
    }
}

/// A name that no image can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Failed to apply default image tag \"{image}\": couldn't parse image name \"{image}\": {reason}")]
pub struct ImageNameError {
    image: String,
    reason: String,
}

impl ImageNameError {
    fn new(image: &str, reason: impl Into<String>) -> ImageNameError {
        ImageNameError {
            image: image.to_owned(),
            reason: reason.into(),
        }
    }

    /// What the container waits for: `InvalidImageName`. Its event is [`crate::events::inspect_failed`] with this text.
    #[must_use]
    pub fn waiting(&self) -> Waiting {
        Waiting::new(waiting::INVALID_IMAGE_NAME, self.to_string())
    }
}

/// Reads an image's name and fills in what is left out: registry `docker.io`, path `library/`, tag `latest`.
///
/// # Errors
/// When it is no image name.
pub fn normalize(image: &str) -> Result<Reference, ImageNameError> {
    let invalid = || ImageNameError::new(image, "invalid reference format");
    let (rest, digest) = match image.split_once('@') {
        Some((rest, digest)) if is_digest(digest) => (rest, Some(digest.to_owned())),
        Some(_) => return Err(invalid()),
        None => (image, None),
    };
    let (name, tag) = match rest.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (rest, None),
    };
    if tag.is_some_and(|tag| !is_tag(tag)) || name.is_empty() {
        return Err(invalid());
    }
    if name.len() == 64
        && name
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    {
        let reason = format!("invalid repository name ({name}), cannot specify 64-byte hexadecimal strings");
        return Err(ImageNameError::new(image, reason));
    }
    let (domain, path) = match name.split_once('/') {
        Some((domain, path)) if is_registry(domain) => (domain, path.to_owned()),
        _ => ("docker.io", name.to_owned()),
    };
    let domain = if domain == "index.docker.io" {
        "docker.io"
    } else {
        domain
    };
    let path = if domain == "docker.io" && !path.contains('/') {
        format!("library/{path}")
    } else {
        path
    };
    if path.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(ImageNameError::new(
            image,
            "invalid reference format: repository name must be lowercase",
        ));
    }
    if !is_domain(domain) || !path.split('/').all(is_component) {
        return Err(invalid());
    }
    let repository = format!("{domain}/{path}");
    if path.len() > 255 {
        let reason = "repository name must not be more than 255 characters";
        return Err(ImageNameError::new(image, reason));
    }
    let default = || digest.is_none().then(|| "latest".to_owned());
    let tag = tag.map(str::to_owned).or_else(default);
    Ok(Reference {
        repository,
        tag,
        digest,
    })
}

/// Whether what stands before the first `/` names a registry and not a person on Docker Hub.
fn is_registry(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':']) || first.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn is_domain(domain: &str) -> bool {
    let (host, port) = match domain.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => {
            if !address
                .bytes()
                .all(|byte| byte.is_ascii_hexdigit() || byte == b':')
                || address.is_empty()
            {
                return false;
            }
            (
                "v6",
                port.strip_prefix(':')
                    .or(if port.is_empty() { None } else { Some("x") }),
            )
        }
        None => domain
            .split_once(':')
            .map_or((domain, None), |(host, port)| (host, Some(port))),
    };
    let label = |label: &str| {
        let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        edge(label.as_bytes().first())
            && edge(label.as_bytes().last())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let port_fits =
        port.is_none_or(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()));
    port_fits && host.split('.').all(label)
}

/// `[a-z0-9]+` parts, joined by `.`, `_`, `__` or dashes.
fn is_component(component: &str) -> bool {
    let bytes = component.as_bytes();
    let word = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if !bytes.first().is_some_and(word) || !bytes.last().is_some_and(word) {
        return false;
    }
    bytes.split(word).all(|separator| match separator {
        b"" | b"." | b"_" | b"__" => true,
        dashes => dashes.iter().all(|byte| *byte == b'-'),
    })
}

fn is_tag(tag: &str) -> bool {
    let mut bytes = tag.bytes();
    let first = bytes
        .next()
        .is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    first
        && tag.len() <= 128
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

fn is_digest(digest: &str) -> bool {
    let Some((algorithm, hex)) = digest.split_once(':') else {
        return false;
    };
    let length = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return false,
    };
    hex.len() == length
        && hex
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// When an image is pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullPolicy {
    /// At each start.
    Always,
    /// When it is not there.
    IfNotPresent,
    /// Never.
    Never,
}

/// The policy of a container: as written, else `Always` for tag `latest` or neither tag nor digest, else
/// `IfNotPresent`.
#[must_use]
pub fn pull_policy(written: Option<&str>, image: &str) -> PullPolicy {
    match written {
        Some("Always") => PullPolicy::Always,
        Some("IfNotPresent") => PullPolicy::IfNotPresent,
        Some("Never") => PullPolicy::Never,
        _ => match normalize(image) {
            Ok(reference) if reference.tag.as_deref() == Some("latest") => PullPolicy::Always,
            _ => PullPolicy::IfNotPresent,
        },
    }
}

/// Whether an image is pulled now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pull {
    /// Use what is there; event [`crate::events::already_present`].
    Use,
    /// Pull it.
    Pull,
    /// Not there, and not to be pulled: [`Waiting::image_never_pull`].
    Refuse,
}

/// Whether to pull, before any delay is looked at.
#[must_use]
pub fn pull(policy: PullPolicy, present: bool) -> Pull {
    match (policy, present) {
        (PullPolicy::Always, _) | (PullPolicy::IfNotPresent, false) => Pull::Pull,
        (PullPolicy::IfNotPresent | PullPolicy::Never, true) => Pull::Use,
        (PullPolicy::Never, false) => Pull::Refuse,
    }
}

/// Several failures in one text: one as it is, more as `[e1, e2]`, each once.
#[must_use]
pub fn aggregate(errors: &[String]) -> String {
    let mut seen: Vec<&str> = Vec::new();
    for error in errors {
        if !seen.contains(&error.as_str()) {
            seen.push(error);
        }
    }
    match seen.as_slice() {
        [one] => (*one).to_owned(),
        several => format!("[{}]", several.join(", ")),
    }
}
