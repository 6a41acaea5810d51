//! Reading a policy file, so that what is wrong with it can be said in one sentence with its place.

use serde_saphyr::{Location, Spanned};

use super::tree::{Node, Tree};
use super::{GroupResources, PolicyError, Rule};
use crate::stage::{Level, Stage, Stages};

type Parsed<T> = Result<T, PolicyError>;

/// What the policy says for every rule.
#[derive(Default)]
struct Common {
    omit_stages: Stages,
    omit_managed_fields: bool,
}

pub(super) fn parse(text: &str) -> Parsed<Vec<Rule>> {
    let root: Node = serde_saphyr::from_str(text).map_err(|error| not_yaml(&error))?;
    let fields = mapping(&root, "the policy")?;
    let mut common = Common::default();
    let mut rules: Option<&Node> = None;
    let (mut version, mut kind) = (false, false);
    for (key, value) in fields {
        match key.value.as_str() {
            "apiVersion" => version = expect(value, "apiVersion", "audit.k8s.io/v1")?,
            "kind" => kind = expect(value, "kind", "Policy")?,
            "metadata" => {}
            "omitStages" => common.omit_stages = stages(value, "omitStages")?,
            "omitManagedFields" => {
                common.omit_managed_fields = boolean(value, "omitManagedFields")?.unwrap_or(false)
            }
            "rules" => rules = Some(value),
            unknown => {
                let known = "apiVersion, kind, metadata, omitStages, omitManagedFields or rules";
                return Err(wrong(
                    key.referenced,
                    format!("`{unknown}` is no field of a Policy; it must be {known}"),
                ));
            }
        }
    }
    for (present, field, text) in [
        (version, "apiVersion", "audit.k8s.io/v1"),
        (kind, "kind", "Policy"),
    ] {
        if !present {
            return Err(wrong(root.referenced, format!("`{field}: {text}` is missing")));
        }
    }
    let Some(rules) = rules else {
        return Err(wrong(
            root.referenced,
            "a policy needs at least one rule".to_owned(),
        ));
    };
    let entries = list(rules, "rules")?;
    if entries.is_empty() {
        return Err(wrong(
            rules.referenced,
            "a policy needs at least one rule".to_owned(),
        ));
    }
    let numbered = entries.iter().enumerate();
    numbered.map(|(index, node)| rule(node, index, &common)).collect()
}

fn rule(node: &Node, index: usize, common: &Common) -> Parsed<Rule> {
    let place = format!("rules[{index}]");
    let mut rule = Rule {
        omit_stages: common.omit_stages,
        omit_managed_fields: common.omit_managed_fields,
        ..Rule::default()
    };
    let mut level_given = false;
    for (key, value) in mapping(node, &place)? {
        let field = format!("{place}.{}", key.value);
        match key.value.as_str() {
            "level" => {
                rule.level = level(value, &field)?;
                level_given = true;
            }
            "users" => rule.users = texts(value, &field)?,
            "userGroups" => rule.user_groups = texts(value, &field)?,
            "verbs" => rule.verbs = texts(value, &field)?,
            "namespaces" => rule.namespaces = texts(value, &field)?,
            "nonResourceURLs" => rule.non_resource_urls = urls(value, &field)?,
            "resources" => {
                let entries = list(value, &field)?.iter().enumerate();
                let read = entries.map(|(at, entry)| group_resources(entry, &format!("{field}[{at}]")));
                rule.resources = read.collect::<Parsed<_>>()?;
            }
            "omitStages" => rule.omit_stages = rule.omit_stages.union(stages(value, &field)?),
            "omitManagedFields" => {
                rule.omit_managed_fields = boolean(value, &field)?.unwrap_or(common.omit_managed_fields);
            }
            _ => {
                let known = "level, users, userGroups, verbs, resources, namespaces, nonResourceURLs, omitStages or \
                             omitManagedFields";
                return Err(wrong(
                    key.referenced,
                    format!("{field} is no field of a rule; it must be {known}"),
                ));
            }
        }
    }
    if !level_given {
        return Err(wrong(node.referenced, format!("{place} has no level")));
    }
    let about_resources = !rule.resources.is_empty() || !rule.namespaces.is_empty();
    if about_resources && !rule.non_resource_urls.is_empty() {
        let message =
            format!("{place} names both nonResourceURLs and resources or namespaces, so it matches nothing");
        return Err(wrong(node.referenced, message));
    }
    Ok(rule)
}

fn group_resources(node: &Node, place: &str) -> Parsed<GroupResources> {
    let mut entry = GroupResources::default();
    for (key, value) in mapping(node, place)? {
        let field = format!("{place}.{}", key.value);
        match key.value.as_str() {
            "group" => entry.group = group(value, &field)?,
            "resources" => entry.resources = texts(value, &field)?,
            "resourceNames" => entry.resource_names = texts(value, &field)?,
            _ => {
                let message =
                    format!("{field} is no field here; it must be group, resources or resourceNames");
                return Err(wrong(key.referenced, message));
            }
        }
    }
    if !entry.resource_names.is_empty() && entry.resources.is_empty() {
        let message = format!("{place} has resourceNames, which need resources");
        return Err(wrong(node.referenced, message));
    }
    Ok(entry)
}

fn group(node: &Node, field: &str) -> Parsed<String> {
    let name = match &node.value {
        Tree::Null => "",
        _ => text(node, field)?,
    };
    if name.contains(['/', '*', ' ']) {
        let message =
            format!("{field} is an API group without a version, such as apps; \"\" is the core group");
        return Err(wrong(node.referenced, message));
    }
    Ok(name.to_owned())
}

fn urls(node: &Node, field: &str) -> Parsed<Vec<String>> {
    for (at, item) in list(node, field)?.iter().enumerate() {
        let url = text(item, &format!("{field}[{at}]"))?;
        let star = url.find('*').is_some_and(|at| at + 1 != url.len());
        if url != "*" && !url.starts_with('/') || star {
            let message = format!("{field}[{at}] must begin with `/` and may have a `*` only at its end");
            return Err(wrong(item.referenced, message));
        }
    }
    texts(node, field)
}

fn level(node: &Node, field: &str) -> Parsed<Level> {
    let name = text(node, field)?;
    Level::from_name(name).ok_or_else(|| {
        let message = format!("{field} is `{name}`; it must be None, Metadata, Request or RequestResponse");
        wrong(node.referenced, message)
    })
}

fn stages(node: &Node, field: &str) -> Parsed<Stages> {
    let mut stages = Stages::NONE;
    for (at, item) in list(node, field)?.iter().enumerate() {
        let name = text(item, &format!("{field}[{at}]"))?;
        let stage = Stage::from_name(name).ok_or_else(|| {
            let known = "RequestReceived, ResponseStarted, ResponseComplete or Panic";
            wrong(
                item.referenced,
                format!("{field}[{at}] is `{name}`; it must be {known}"),
            )
        })?;
        stages = stages.with(stage);
    }
    Ok(stages)
}

fn texts(node: &Node, field: &str) -> Parsed<Vec<String>> {
    let items = list(node, field)?.iter().enumerate();
    let read = items.map(|(at, item)| Ok(text(item, &format!("{field}[{at}]"))?.to_owned()));
    read.collect()
}

fn text<'a>(node: &'a Node, field: &str) -> Parsed<&'a str> {
    match &node.value {
        Tree::Text(text) => Ok(text),
        other => Err(unexpected(node, field, "a text", other)),
    }
}

/// `null` stands for what is not there, as in Kubernetes.
fn boolean(node: &Node, field: &str) -> Parsed<Option<bool>> {
    match &node.value {
        Tree::Null => Ok(None),
        Tree::Boolean(value) => Ok(Some(*value)),
        other => Err(unexpected(node, field, "true or false", other)),
    }
}

fn list<'a>(node: &'a Node, field: &str) -> Parsed<&'a [Node]> {
    match &node.value {
        Tree::Null => Ok(&[]),
        Tree::List(items) => Ok(items),
        other => Err(unexpected(node, field, "a list", other)),
    }
}

fn mapping<'a>(node: &'a Node, field: &str) -> Parsed<&'a [(Spanned<String>, Node)]> {
    let entries = match &node.value {
        Tree::Mapping(entries) => entries,
        other => return Err(unexpected(node, field, "a mapping", other)),
    };
    for (at, (key, _)) in entries.iter().enumerate() {
        if entries[..at]
            .iter()
            .any(|(earlier, _)| earlier.value == key.value)
        {
            return Err(wrong(
                key.referenced,
                format!("{field} has `{}` twice", key.value),
            ));
        }
    }
    Ok(entries)
}

fn expect(node: &Node, field: &str, wanted: &str) -> Parsed<bool> {
    if text(node, field)? == wanted {
        return Ok(true);
    }
    Err(wrong(node.referenced, format!("{field} must be {wanted}")))
}

fn unexpected(node: &Node, field: &str, wanted: &str, found: &Tree) -> PolicyError {
    wrong(
        node.referenced,
        format!("{field} must be {wanted}, not {}", found.kind()),
    )
}

fn wrong(place: Location, message: String) -> PolicyError {
    PolicyError {
        position: position(place),
        message,
    }
}

fn position(place: Location) -> String {
    match place.line() {
        0 => String::new(),
        line => format!("line {line}, column {}: ", place.column()),
    }
}

/// The parser's own message, without its excerpt of the file.
fn not_yaml(error: &serde_saphyr::Error) -> PolicyError {
    let message = error.without_snippet().to_string();
    let first = message.lines().next().unwrap_or_default();
    PolicyError {
        position: error.location().map(position).unwrap_or_default(),
        message: format!("this is not YAML or JSON: {first}"),
    }
}
