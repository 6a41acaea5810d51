//! `status.conditions` of a namespace that is being deleted, in Kubernetes' own words, so that
//! `kubectl describe namespace` explains what holds it.

use serde_json::{Value, json};

use crate::namespaces::content::Remains;

/// Condition types in the order they are written, with what each says when all is well.
const CONDITIONS: [(&str, &str, &str); 5] = [
    (
        "NamespaceDeletionDiscoveryFailure",
        "ResourcesDiscovered",
        "All resources successfully discovered",
    ),
    (
        "NamespaceDeletionGroupVersionParsingFailure",
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    ),
    (
        "NamespaceDeletionContentFailure",
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
    (
        "NamespaceContentRemaining",
        "ContentRemoved",
        "All content successfully removed",
    ),
    (
        "NamespaceFinalizersRemaining",
        "ContentHasNoFinalizers",
        "All content-preserving finalizers finished",
    ),
];

/// The conditions that say what remains. Those in `known` that still hold are kept as they are;
/// `lastTransitionTime` moves only with the status.
pub(super) fn report(known: &[Value], remains: &Remains, now: jiff::Timestamp) -> Vec<Value> {
    let mut conditions = known.to_vec();
    for (kind, reason, message) in CONDITIONS {
        let (status, reason, message) = match trouble(kind, remains) {
            Some((reason, message)) => ("True", reason, message),
            None => ("False", reason, message.to_owned()),
        };
        match conditions.iter_mut().find(|condition| condition["type"] == kind) {
            Some(condition) => {
                if condition["status"] != status {
                    condition["lastTransitionTime"] = time(now);
                }
                condition["status"] = json!(status);
                condition["reason"] = json!(reason);
                condition["message"] = json!(message);
            }
            None => conditions.push(json!({
                "type": kind, "status": status, "lastTransitionTime": time(now), "reason": reason, "message": message,
            })),
        }
    }
    conditions
}

/// Reason and message of a condition that holds.
fn trouble(kind: &str, remains: &Remains) -> Option<(&'static str, String)> {
    match kind {
        "NamespaceDeletionDiscoveryFailure" if !remains.discovery_failures.is_empty() => {
            let failures: Vec<_> = remains
                .discovery_failures
                .iter()
                .map(|(group, error)| format!("{group}: {error}"))
                .collect();
            let message = format!(
                "Discovery failed for some groups, {} failing: unable to retrieve the complete list of server APIs: {}",
                failures.len(),
                failures.join(", ")
            );
            Some(("DiscoveryFailed", message))
        }
        "NamespaceDeletionContentFailure" if !remains.deletion_failures.is_empty() => {
            let failures = &remains.deletion_failures;
            let message = format!(
                "Failed to delete all resource types, {} remaining: {}",
                failures.len(),
                failures.join(", ")
            );
            Some(("ContentDeletionFailed", message))
        }
        "NamespaceContentRemaining" if !remains.resources.is_empty() => {
            let counts: Vec<_> = remains
                .resources
                .iter()
                .map(|(name, count)| format!("{name} has {count} resource instances"))
                .collect();
            Some((
                "SomeResourcesRemain",
                format!("Some resources are remaining: {}", counts.join(", ")),
            ))
        }
        "NamespaceFinalizersRemaining" if !remains.finalizers.is_empty() => {
            let counts: Vec<_> = remains
                .finalizers
                .iter()
                .map(|(name, count)| format!("{name} in {count} resource instances"))
                .collect();
            Some((
                "SomeFinalizersRemain",
                format!(
                    "Some content in the namespace has finalizers remaining: {}",
                    counts.join(", ")
                ),
            ))
        }
        _ => None,
    }
}

fn time(now: jiff::Timestamp) -> Value {
    Value::String(strongroom_objects::time::seconds(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> jiff::Timestamp {
        jiff::Timestamp::from_second(second).expect("in range")
    }

    fn check(remains: &Remains, kind: &str, expect: (&str, &str, &str)) {
        let conditions = report(&[], remains, at(0));
        let condition = conditions
            .iter()
            .find(|condition| condition["type"] == kind)
            .expect("all types are written");
        let found =
            ["status", "reason", "message"].map(|field| condition[field].as_str().unwrap_or_default());
        assert_eq!(found, [expect.0, expect.1, expect.2]);
        assert_eq!(condition["lastTransitionTime"], "1970-01-01T00:00:00Z");
    }

    #[test]
    fn texts() {
        let mut remains = Remains::default();
        for (kind, reason, message) in CONDITIONS {
            check(&remains, kind, ("False", reason, message));
        }
        remains.resources.insert("secrets.".to_owned(), 2);
        remains
            .resources
            .insert("leases.coordination.k8s.io".to_owned(), 1);
        remains.finalizers.insert("example.com/hold".to_owned(), 3);
        remains
            .deletion_failures
            .push("DELETE /api/v1/namespaces/n/secrets: 500 broken".to_owned());
        check(
            &remains,
            "NamespaceContentRemaining",
            (
                "True",
                "SomeResourcesRemain",
                "Some resources are remaining: leases.coordination.k8s.io has 1 resource instances, secrets. has 2 resource instances",
            ),
        );
        check(
            &remains,
            "NamespaceFinalizersRemaining",
            (
                "True",
                "SomeFinalizersRemain",
                "Some content in the namespace has finalizers remaining: example.com/hold in 3 resource instances",
            ),
        );
        check(
            &remains,
            "NamespaceDeletionContentFailure",
            (
                "True",
                "ContentDeletionFailed",
                "Failed to delete all resource types, 1 remaining: DELETE /api/v1/namespaces/n/secrets: 500 broken",
            ),
        );
    }

    #[test]
    fn time_moves_with_the_status_only() {
        let mut remains = Remains::default();
        remains.resources.insert("secrets.".to_owned(), 2);
        let first = report(&[], &remains, at(0));
        remains.resources.insert("secrets.".to_owned(), 1);
        let second = report(&first, &remains, at(60));
        assert_eq!(
            second[3]["message"],
            "Some resources are remaining: secrets. has 1 resource instances"
        );
        assert_eq!(second[3]["lastTransitionTime"], "1970-01-01T00:00:00Z");
        remains.resources.clear();
        let third = report(&second, &remains, at(120));
        assert_eq!(third[3]["status"], "False");
        assert_eq!(third[3]["lastTransitionTime"], "1970-01-01T00:02:00Z");
        assert_eq!(third[0], first[0]);
    }
}
