//! Which pods have to leave a node, and when: what they tolerate of its NoExecute taints, and for how long.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Taint, Toleration};

use crate::taints::{NO_EXECUTE, tolerates};

/// What becomes of a pod on a tainted node.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stay {
    /// For good.
    Unlimited,
    /// Until then.
    Until(Timestamp),
    /// Not any longer.
    Over,
}

/// How long a pod with these tolerations may stay on a node with these taints.
///
/// A toleration without a time is for ever; of several times the shortest counts, from when the taint was added.
pub(super) fn decide(tolerations: &[Toleration], taints: &[Taint], now: Timestamp) -> Stay {
    let mut end: Option<Timestamp> = None;
    for taint in taints.iter().filter(|taint| taint.effect == NO_EXECUTE) {
        let mut used = tolerations
            .iter()
            .filter(|toleration| tolerates(toleration, taint))
            .peekable();
        if used.peek().is_none() {
            return Stay::Over;
        }
        let shortest = used.filter_map(|toleration| toleration.toleration_seconds).min();
        let Some(seconds) = shortest else { continue };
        let added = taint.time_added.as_ref().map_or(now, |time| time.0);
        let span = SignedDuration::from_secs(seconds.max(0));
        let over = added.checked_add(span).unwrap_or(Timestamp::MAX);
        end = Some(end.map_or(over, |end| end.min(over)));
    }
    match end {
        None => Stay::Unlimited,
        Some(end) if end <= now => Stay::Over,
        Some(end) => Stay::Until(end),
    }
}
