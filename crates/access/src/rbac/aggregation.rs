//! ClusterRoles made of other ClusterRoles (auth.md §5.3).

use std::collections::{BTreeMap, BTreeSet};

use super::{PolicyRule, Role};

/// The rules that an aggregating ClusterRole should have: those of every ClusterRole that one of its selectors
/// selects, in the order of the roles' names, each once. It never takes from itself.
///
/// One step only, as Kubernetes' controller does it: roles that aggregate from each other settle when this is asked
/// again after each change, and in a cycle they end up with each other's rules.
pub fn aggregate<'a>(cluster_roles: impl Iterator<Item = &'a Role>, target: &Role) -> Vec<PolicyRule> {
    let Some(selectors) = &target.aggregation else {
        return target.rules.clone();
    };
    let selected: BTreeMap<&str, &Role> = cluster_roles
        .filter(|role| role.namespace.is_empty() && role.name != target.name)
        .filter(|role| selectors.iter().any(|selector| selector.matches(&role.labels)))
        .map(|role| (role.name.as_str(), role))
        .collect();
    let mut seen = BTreeSet::new();
    selected
        .values()
        .flat_map(|role| &role.rules)
        .filter(|rule| seen.insert(*rule))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rbac::LabelSelector;

    fn role(name: &str, label: &str, verb: &str) -> Role {
        Role {
            name: name.to_owned(),
            labels: BTreeMap::from([(label.to_owned(), "true".to_owned())]),
            rules: vec![PolicyRule {
                verbs: vec![verb.to_owned()],
                ..PolicyRule::default()
            }],
            ..Role::default()
        }
    }

    fn aggregating(name: &str, own_label: &str, wanted: &[&str]) -> Role {
        let selectors = wanted.iter().map(|label| LabelSelector {
            match_labels: BTreeMap::from([((*label).to_owned(), "true".to_owned())]),
            ..LabelSelector::default()
        });
        Role {
            aggregation: Some(selectors.collect()),
            ..role(name, own_label, "own")
        }
    }

    fn verbs(rules: &[PolicyRule]) -> Vec<&str> {
        rules.iter().map(|rule| rule.verbs[0].as_str()).collect()
    }

    #[test]
    fn selected_roles_are_united_in_order_of_name() {
        let target = aggregating("target", "a", &["a", "b"]);
        let namespaced = Role {
            namespace: "n".to_owned(),
            ..role("0", "a", "hidden")
        };
        let roles = [
            role("z", "a", "1"),
            role("y", "b", "2"),
            role("x", "c", "3"),
            role("w", "a", "1"),
            target.clone(),
            namespaced,
        ];
        assert_eq!(verbs(&aggregate(roles.iter(), &target)), ["1", "2"]);
        assert_eq!(
            verbs(&aggregate(roles.iter(), &roles[2])),
            ["3"],
            "not aggregating"
        );
        assert!(aggregate(roles.iter(), &aggregating("t", "a", &[])).is_empty());
    }

    #[test]
    fn a_cycle_settles() {
        let mut roles = [
            aggregating("one", "a", &["b"]),
            aggregating("two", "b", &["a", "leaf"]),
            role("leaf", "leaf", "leaf"),
        ];
        for _ in 0..4 {
            for index in 0..2 {
                roles[index].rules = aggregate(roles.iter(), &roles[index]);
            }
        }
        assert_eq!(verbs(&roles[0].rules), verbs(&roles[1].rules));
        assert!(roles[0].rules.len() <= 2);
    }
}
