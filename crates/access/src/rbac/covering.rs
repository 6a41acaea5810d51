//! Whether some rules already allow everything that others would (auth.md §5.3).

use std::collections::BTreeMap;
use std::fmt;

use strongroom_objects::go_text::quote;

use super::PolicyRule;
use super::matching::path_covers;

const ALL: &str = "*";

/// The smallest pieces of `wanted` (one verb, group, resource and name each) that no rule of `held` covers as a whole.
/// A `*` is covered only by a `*`.
pub fn missing_rules(held: &[PolicyRule], wanted: &[PolicyRule]) -> Vec<PolicyRule> {
    wanted
        .iter()
        .flat_map(pieces)
        .filter(|piece| !held.iter().any(|rule| covers(rule, piece)))
        .collect()
}

/// Puts the verbs of rules together that otherwise name the same single group, resource and object name. Other rules
/// stay as they are.
pub fn compact(rules: Vec<PolicyRule>) -> Vec<PolicyRule> {
    let mut compacted: Vec<PolicyRule> = Vec::new();
    let mut places = BTreeMap::new();
    for rule in rules {
        if !is_simple(&rule) {
            compacted.push(rule);
            continue;
        }
        let key = (
            rule.api_groups[0].clone(),
            rule.resources[0].clone(),
            rule.resource_names.first().cloned(),
        );
        let place = *places.entry(key).or_insert(compacted.len());
        let Some(merged) = compacted.get_mut(place) else {
            compacted.push(rule);
            continue;
        };
        for verb in rule.verbs {
            if !merged.verbs.contains(&verb) {
                merged.verbs.push(verb);
            }
        }
    }
    compacted
}

fn is_simple(rule: &PolicyRule) -> bool {
    rule.api_groups.len() == 1
        && rule.resources.len() == 1
        && rule.resource_names.len() <= 1
        && rule.non_resource_urls.is_empty()
}

fn pieces(rule: &PolicyRule) -> Vec<PolicyRule> {
    let one = |text: &String| vec![text.clone()];
    let mut pieces = Vec::new();
    for group in &rule.api_groups {
        for resource in &rule.resources {
            for verb in &rule.verbs {
                let piece = PolicyRule {
                    verbs: one(verb),
                    api_groups: one(group),
                    resources: one(resource),
                    ..PolicyRule::default()
                };
                if rule.resource_names.is_empty() {
                    pieces.push(piece);
                    continue;
                }
                pieces.extend(rule.resource_names.iter().map(|name| PolicyRule {
                    resource_names: one(name),
                    ..piece.clone()
                }));
            }
        }
    }
    for path in &rule.non_resource_urls {
        pieces.extend(rule.verbs.iter().map(|verb| PolicyRule {
            verbs: one(verb),
            non_resource_urls: one(path),
            ..PolicyRule::default()
        }));
    }
    pieces
}

/// Whether `held` allows all that `piece` allows.
fn covers(held: &PolicyRule, piece: &PolicyRule) -> bool {
    let has = |own: &[String], wanted: &String| own.iter().any(|own| own == ALL || own == wanted);
    let names = held.resource_names.is_empty()
        || (!piece.resource_names.is_empty()
            && piece
                .resource_names
                .iter()
                .all(|name| held.resource_names.contains(name)));
    names
        && piece.verbs.iter().all(|verb| has(&held.verbs, verb))
        && piece.api_groups.iter().all(|group| has(&held.api_groups, group))
        && piece
            .resources
            .iter()
            .all(|wanted| has(&held.resources, wanted) || has_subresource(held, wanted))
        && piece
            .non_resource_urls
            .iter()
            .all(|wanted| held.non_resource_urls.iter().any(|own| path_covers(own, wanted)))
}

/// Whether the rule holds `*/sub` for a wanted `resource/sub`.
fn has_subresource(held: &PolicyRule, wanted: &str) -> bool {
    wanted.split_once('/').is_some_and(|(_, subresource)| {
        held.resources
            .iter()
            .any(|own| own.strip_prefix("*/") == Some(subresource))
    })
}

/// As Kubernetes prints a rule in messages: `{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}`.
impl fmt::Display for PolicyRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members = [
            ("APIGroups", &self.api_groups),
            ("Resources", &self.resources),
            ("NonResourceURLs", &self.non_resource_urls),
            ("ResourceNames", &self.resource_names),
            ("Verbs", &self.verbs),
        ];
        let members: Vec<String> = members
            .into_iter()
            .filter(|(_, list)| !list.is_empty())
            .map(|(name, list)| {
                let quoted: Vec<String> = list.iter().map(|text| quote(text)).collect();
                format!("{name}:[{}]", quoted.join(" "))
            })
            .collect();
        write!(f, "{{{}}}", members.join(", "))
    }
}
