//! Which nodes and which labels a selector selects.

use k8s_openapi::api::core::v1::{NodeSelectorRequirement, NodeSelectorTerm};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::cluster::Labels;

/// Whether a node is selected by any of `terms`. A term without requirements selects none.
pub(super) fn selects_node(terms: &[NodeSelectorTerm], name: &str, labels: &Labels) -> bool {
    terms.iter().any(|term| {
        let expressions = term.match_expressions.as_deref().unwrap_or_default();
        let fields = term.match_fields.as_deref().unwrap_or_default();
        let field = |requirement: &NodeSelectorRequirement| {
            let value = (requirement.key == "metadata.name").then_some(name);
            holds(requirement, value)
        };
        let label = |requirement: &NodeSelectorRequirement| {
            holds(requirement, labels.get(&requirement.key).map(String::as_str))
        };
        !(expressions.is_empty() && fields.is_empty())
            && expressions.iter().all(label)
            && fields.iter().all(field)
    })
}

fn holds(requirement: &NodeSelectorRequirement, value: Option<&str>) -> bool {
    let values = requirement.values.as_deref().unwrap_or_default();
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<i64>().ok());
    let compared = || Some((number(value)?, number(values.first().map(String::as_str))?));
    match requirement.operator.as_str() {
        "Gt" => compared().is_some_and(|(is, than)| is > than),
        "Lt" => compared().is_some_and(|(is, than)| is < than),
        operator => matches(operator, values, value),
    }
}

/// Whether labels are selected. No selector selects nothing, an empty one everything.
pub(super) fn selects_labels(selector: Option<&LabelSelector>, labels: &Labels) -> bool {
    let Some(selector) = selector else { return false };
    let wanted = selector.match_labels.iter().flatten();
    let expressions = selector.match_expressions.as_deref().unwrap_or_default();
    wanted.clone().all(|(key, value)| labels.get(key) == Some(value))
        && expressions.iter().all(|expression| {
            let values = expression.values.as_deref().unwrap_or_default();
            let value = labels.get(&expression.key).map(String::as_str);
            matches(&expression.operator, values, value)
        })
}

fn matches(operator: &str, values: &[String], value: Option<&str>) -> bool {
    let is_listed = value.is_some_and(|value| values.iter().any(|listed| listed == value));
    match operator {
        "In" => is_listed,
        "NotIn" => !is_listed,
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::*;

    fn labels() -> Labels {
        [("zone", "a"), ("cores", "8")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into()
    }

    #[test]
    fn nodes() {
        let check = |terms: Value, expect: bool| {
            let read: Vec<NodeSelectorTerm> = from_value(terms.clone()).expect("terms");
            assert_eq!(selects_node(&read, "n1", &labels()), expect, "{terms}");
        };
        let one = |key: &str, operator: &str, values: &[&str]| json!([{"matchExpressions": [{"key": key, "operator": operator, "values": values}]}]);
        check(json!([]), false);
        check(json!([{}]), false);
        check(one("zone", "In", &["a", "b"]), true);
        check(one("zone", "NotIn", &["a"]), false);
        check(one("absent", "NotIn", &["a"]), true);
        check(one("zone", "Exists", &[]), true);
        check(one("zone", "DoesNotExist", &[]), false);
        check(one("cores", "Gt", &["7"]), true);
        check(one("cores", "Lt", &["7"]), false);
        check(one("zone", "Gt", &["7"]), false);
        check(
            json!([{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}]),
            true,
        );
        check(
            json!([{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n2"]}]}, {}]),
            false,
        );
    }

    #[test]
    fn label_selectors() {
        let check = |selector: Value, expect: bool| {
            let read: LabelSelector = from_value(selector.clone()).expect("a selector");
            assert_eq!(selects_labels(Some(&read), &labels()), expect, "{selector}");
        };
        check(json!({}), true);
        check(json!({"matchLabels": {"zone": "a"}}), true);
        check(json!({"matchLabels": {"zone": "b"}}), false);
        check(
            json!({"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}),
            true,
        );
        assert!(!selects_labels(None, &labels()));
    }
}
