//! What an image's name says about when to pull it.

/// The policy of a container that names none: `Always` for `latest`, written or implied.
pub(super) fn default_pull_policy(image: &str) -> &'static str {
    let without_digest = image.split_once('@');
    let (name, has_digest) = without_digest.map_or((image, false), |(name, _)| (name, true));
    // A colon before the last slash belongs to the registry's port.
    let last = name.rsplit('/').next().unwrap_or(name);
    match last.split_once(':') {
        Some((_, "latest")) => "Always",
        None if !has_digest && !image.is_empty() => "Always",
        _ => "IfNotPresent",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies() {
        let cases = [
            ("busybox", "Always"),
            ("busybox:latest", "Always"),
            ("busybox:1.37", "IfNotPresent"),
            ("registry:5000/busybox", "Always"),
            ("registry:5000/busybox:1", "IfNotPresent"),
            ("busybox@sha256:00", "IfNotPresent"),
            ("busybox:latest@sha256:00", "Always"),
            ("", "IfNotPresent"),
        ];
        for (image, expect) in cases {
            assert_eq!(default_pull_policy(image), expect, "{image}");
        }
    }
}
