//! What the server serves, and what people call it.

use anyhow::bail;
use serde_json::Value;

/// A resource that the server serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// Its API group, empty for the core group.
    pub group: String,
    /// The group's preferred version.
    pub version: String,
    /// Its name in the plural.
    pub resource: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// Its subresources.
    pub subresources: Vec<String>,
    /// What else it is called, in lower case: singular, kind, short names.
    aliases: Vec<String>,
}

/// What an `apidiscovery.k8s.io/v2` document lists. Whatever does not have its shape is not seen.
pub fn served(document: &Value) -> Vec<Served> {
    let mut found = Vec::new();
    for group in list(document, "items") {
        let name = group.pointer("/metadata/name").and_then(Value::as_str);
        // Only the first version is preferred; the resources of the others have the same names.
        let Some(version) = list(group, "versions").next() else {
            continue;
        };
        let version_name = text(version, "version");
        found.extend(
            list(version, "resources").map(|resource| one(name.unwrap_or_default(), &version_name, resource)),
        );
    }
    found
}

fn one(group: &str, version: &str, resource: &Value) -> Served {
    let kind = resource.pointer("/responseKind/kind").and_then(Value::as_str);
    let mut aliases = vec![
        text(resource, "singularResource"),
        kind.unwrap_or_default().to_ascii_lowercase(),
    ];
    aliases.extend(
        list(resource, "shortNames")
            .filter_map(Value::as_str)
            .map(str::to_owned),
    );
    aliases.retain(|alias| !alias.is_empty());
    Served {
        group: group.to_owned(),
        version: version.to_owned(),
        resource: text(resource, "resource"),
        namespaced: text(resource, "scope") == "Namespaced",
        subresources: list(resource, "subresources")
            .map(|part| text(part, "subresource"))
            .collect(),
        aliases,
    }
}

/// What nobody serves and roles speak of all the same: whom one may act as (auth.md §8). Name, group, and whether it has
/// parts of any name.
const ONLY_IN_ROLES: &[(&str, &str, bool)] = &[
    ("users", "", false),
    ("groups", "", false),
    ("uids", "authentication.k8s.io", false),
    ("userextras", "authentication.k8s.io", true),
];

/// The resource that is meant by a plural, singular or short name, possibly with its group behind a dot.
///
/// # Errors
/// When the server has none of that name.
pub fn find(served: &[Served], asked: &str) -> anyhow::Result<Served> {
    let lower = asked.to_ascii_lowercase();
    if lower == "*" {
        return Ok(everything());
    }
    let (name, group) = match lower.split_once('.') {
        Some((name, group)) => (name, Some(group)),
        None => (lower.as_str(), None),
    };
    let in_group = |one: &&Served| group.is_none_or(|group| one.is_in(group));
    let by_plural = served.iter().filter(in_group).find(|one| one.resource == name);
    let by_alias = || {
        let is_alias = |one: &&Served| one.aliases.iter().any(|alias| alias == name);
        served.iter().filter(in_group).find(is_alias)
    };
    match by_plural
        .or_else(by_alias)
        .cloned()
        .or_else(|| only_in_roles(name, group))
    {
        Some(found) => Ok(found),
        None => bail!("The server has no resource \"{asked}\"; `kubectl api-resources` lists those it has."),
    }
}

fn only_in_roles(name: &str, group: Option<&str>) -> Option<Served> {
    let known = ONLY_IN_ROLES.iter();
    let mut known =
        known.filter(|(resource, own, _)| *resource == name && group.is_none_or(|group| group == *own));
    let (resource, group, has_parts) = known.next()?;
    Some(Served {
        group: (*group).to_owned(),
        version: "v1".to_owned(),
        resource: (*resource).to_owned(),
        namespaced: false,
        subresources: if *has_parts {
            vec!["*".to_owned()]
        } else {
            Vec::new()
        },
        aliases: Vec::new(),
    })
}

/// Whether a resource has such a part.
pub fn has_part(served: &Served, part: &str) -> bool {
    served.subresources.iter().any(|own| own == part || own == "*")
}

/// Stands for all resources, as in a role.
fn everything() -> Served {
    Served {
        group: "*".to_owned(),
        version: "*".to_owned(),
        resource: "*".to_owned(),
        namespaced: true,
        subresources: Vec::new(),
        aliases: Vec::new(),
    }
}

impl Served {
    /// `apps` or, as kubectl also takes it, `v1.apps`.
    fn is_in(&self, group: &str) -> bool {
        let with_version = || group.strip_prefix(self.version.as_str())?.strip_prefix('.');
        group == self.group || with_version() == Some(&self.group)
    }
}

fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn text(value: &Value, name: &str) -> String {
    value
        .get(name)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn resources_are_found_by_every_name() {
        let resource = |plural: &str, kind: &str, short: &[&str], scope: &str| {
            json!({
                "resource": plural, "singularResource": kind.to_lowercase(), "shortNames": short, "scope": scope,
                "responseKind": {"kind": kind}, "subresources": [{"subresource": "status"}],
            })
        };
        let group = |name: &str, version: &str, resources: Value| {
            let versions = json!([
                {"version": version, "resources": resources},
                {"version": "v0", "resources": [resource("olds", "Old", &[], "Cluster")]},
            ]);
            json!({"metadata": {"name": name}, "versions": versions})
        };
        let document = json!({"items": [
            group("", "v1", json!([
                resource("events", "Event", &["ev"], "Namespaced"),
                resource("namespaces", "Namespace", &["ns"], "Cluster"),
            ])),
            group("events.k8s.io", "v1", json!([resource("events", "Event", &["ev"], "Namespaced")])),
            {"metadata": {"name": "empty"}}, 7,
        ]});
        let served = served(&document);
        let cases = [
            ("events", Some(("events", ""))),
            ("Event", Some(("events", ""))),
            ("ev", Some(("events", ""))),
            ("ev.events.k8s.io", Some(("events", "events.k8s.io"))),
            ("events.v1.events.k8s.io", Some(("events", "events.k8s.io"))),
            ("NS", Some(("namespaces", ""))),
            ("*", Some(("*", "*"))),
            ("users", Some(("users", ""))),
            ("userextras", Some(("userextras", "authentication.k8s.io"))),
            ("users.apps", None),
            ("olds", None),
            ("events.apps", None),
            ("", None),
        ];
        for (asked, expected) in cases {
            let got = find(&served, asked).ok();
            let got = got
                .as_ref()
                .map(|found| (found.resource.as_str(), found.group.as_str()));
            assert_eq!(got, expected, "{asked}");
        }
        assert_eq!(served.len(), 3);
        assert_eq!(
            (
                served[1].namespaced,
                served[0].namespaced,
                served[0].subresources.as_slice()
            ),
            (false, true, &["status".to_owned()][..])
        );
    }
}
