//! Taints of nodes and what pods tolerate.

use k8s_openapi::api::core::v1::{Taint, Toleration};

/// The node's agent says that it cannot run pods.
pub(crate) const NOT_READY: &str = "node.kubernetes.io/not-ready";
/// Nothing is heard of the node.
pub(crate) const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
/// The node takes no new pods because somebody said so.
pub(crate) const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";
/// The node is known to be off, so that its pods can be forgotten.
pub(crate) const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

/// No new pods.
pub(crate) const NO_SCHEDULE: &str = "NoSchedule";
/// No pods at all.
pub(crate) const NO_EXECUTE: &str = "NoExecute";

/// A taint without a value.
pub(crate) fn taint(key: &str, effect: &str) -> Taint {
    Taint {
        key: key.to_owned(),
        effect: effect.to_owned(),
        ..Taint::default()
    }
}

/// Whether a toleration is about a taint.
pub(crate) fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let (key, effect) = (text(&toleration.key), text(&toleration.effect));
    if (!effect.is_empty() && effect != taint.effect) || (!key.is_empty() && key != taint.key) {
        return false;
    }
    match text(&toleration.operator).as_str() {
        "Exists" => true,
        "" | "Equal" => !key.is_empty() && text(&toleration.value) == text(&taint.value),
        _ => false,
    }
}

/// Whether any toleration is about a taint.
pub(crate) fn is_tolerated(tolerations: &[Toleration], taint: &Taint) -> bool {
    tolerations.iter().any(|toleration| tolerates(toleration, taint))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::*;

    #[test]
    fn tolerations() {
        let taint: Taint =
            from_value(json!({"key": "a", "value": "b", "effect": "NoSchedule"})).expect("a taint");
        let check = |toleration: Value, expect: bool| {
            let read: Toleration = from_value(toleration.clone()).expect("a toleration");
            assert_eq!(tolerates(&read, &taint), expect, "{toleration}");
        };
        check(json!({"operator": "Exists"}), true);
        check(json!({"key": "a", "operator": "Exists"}), true);
        check(json!({"key": "a", "value": "b"}), true);
        check(
            json!({"key": "a", "operator": "Equal", "value": "b", "effect": "NoSchedule"}),
            true,
        );
        check(json!({"key": "a", "value": "c"}), false);
        check(json!({"key": "b", "operator": "Exists"}), false);
        check(json!({"operator": "Exists", "effect": "NoExecute"}), false);
    }
}
