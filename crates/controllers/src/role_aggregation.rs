//! ClusterRoles with an aggregation rule get the rules of the ClusterRoles it selects (auth.md
//! §5.3).
//!
//! What a role gets follows from the roles that state rules of their own and from nothing an
//! earlier run wrote, so roles that select each other do not chase each other's rules.

mod role;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures::StreamExt;
use serde_json::json;

use crate::list_watch::{Change, Collection, escape, list_watch};
use crate::request::{ApiClient, Form, RequestError};
use crate::role_aggregation::role::{ClusterRole, Role, Rule};
use crate::work_queue::Outcome;
use crate::workers::{Progress, Workers};

const COLLECTION: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
const FIELD_MANAGER: &str = "clusterrole-aggregation-controller";

const AT_ONCE: usize = 8;
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Roles often come several at a time; what they add up to is reckoned this much after the first.
const SETTLING: Duration = Duration::from_millis(20);

/// All roles by name.
type Roles = BTreeMap<String, Role>;

/// What is to be written.
#[derive(Debug, PartialEq, Eq)]
struct Aggregated {
    uid: String,
    rules: Vec<Rule>,
}

/// The rules that the role should have, if it aggregates and has others: those of every role that
/// it selects, directly or through roles that aggregate too, in the order of selectors and names,
/// each once.
fn decide(roles: &Roles, name: &str) -> Option<Aggregated> {
    let role = roles.get(name)?;
    let mut seen = BTreeSet::from([name]);
    let mut rules = Vec::new();
    let mut known = BTreeSet::new();
    // A stack and not recursion: chains of roles may be long. The next to visit is the last.
    let mut waiting = selected(roles, role)?;
    waiting.reverse();
    while let Some((name, role)) = waiting.pop() {
        if !seen.insert(name) {
            continue;
        }
        match selected(roles, role) {
            Some(further) => {
                waiting.extend(further.into_iter().filter(|(name, _)| !seen.contains(name)).rev())
            }
            None => rules.extend(role.rules.iter().filter(|rule| known.insert(*rule)).cloned()),
        }
    }
    (rules != role.rules).then(|| Aggregated {
        uid: role.uid.clone(),
        rules,
    })
}

/// The roles that an aggregating role selects; `None` when it does not aggregate.
fn selected<'a>(roles: &'a Roles, role: &Role) -> Option<Vec<(&'a str, &'a Role)>> {
    let selectors = role.selectors.as_ref()?;
    let matches = selectors.iter().flat_map(|selector| {
        roles
            .iter()
            .filter(|(_, role)| selector.matches(&role.labels))
            .map(|(name, role)| (name.as_str(), role))
    });
    Some(matches.collect())
}

/// Takes in a change; returns the roles whose rules may have to change with it.
fn take(roles: &mut Roles, change: Change<ClusterRole>) -> Vec<String> {
    let changed = match change {
        Change::Listing => {
            roles.clear();
            false
        }
        Change::Listed => true,
        Change::Applied(applied) => {
            let (name, role) = applied.into_role();
            let before = roles.insert(name.clone(), role);
            before.as_ref() != roles.get(&name)
        }
        Change::Deleted(deleted) => roles.remove(&deleted.into_role().0).is_some(),
    };
    let aggregating = roles
        .iter()
        .filter(|(_, role)| changed && role.selectors.is_some());
    aggregating.map(|(name, _)| name.clone()).collect()
}

/// Aggregates for ever.
pub(crate) async fn run(api: ApiClient) {
    let cluster_roles = Collection {
        path: COLLECTION.to_owned(),
        field_selector: None,
        form: Form::Object,
        rest_factor: 0,
    };
    let mut changes = list_watch::<ClusterRole>(api.clone(), cluster_roles);
    let mut roles = Roles::new();
    // While a list is under way, the rules of what it has not told yet look missing.
    let mut listed = false;
    let mut workers = Workers::<String, Outcome>::new(AT_ONCE, LONGEST_PAUSE);
    loop {
        tokio::select! {
            Some(change) = changes.next() => {
                match change {
                    Change::Listing => listed = false,
                    Change::Listed => listed = true,
                    _ => {}
                }
                for name in take(&mut roles, change) {
                    workers.queue.add(name, Instant::now() + SETTLING);
                }
            }
            progress = workers.next(), if listed => match progress {
                Progress::Begin(name) => match decide(&roles, &name) {
                    Some(aggregated) => workers.start(name.clone(), write(api.clone(), name, aggregated)),
                    None => workers.finish(&name, Outcome::Done),
                },
                Progress::Ended(name, outcome) => workers.finish(&name, outcome),
            },
        }
    }
}

async fn write(api: ApiClient, name: String, aggregated: Aggregated) -> Outcome {
    match apply(&api, &name, &aggregated).await {
        Ok(()) => Outcome::Done,
        // Gone, or another by now: the watch tells.
        Err(error) if error.is_not_found() || error.is_conflict() => Outcome::Done,
        Err(error) => {
            tracing::debug!(role = name, %error, "could not aggregate, trying again");
            Outcome::Retry
        }
    }
}

async fn apply(api: &ApiClient, name: &str, aggregated: &Aggregated) -> Result<(), RequestError> {
    // With the uid, a role that is gone is not made again.
    let configuration = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name, "uid": aggregated.uid},
        "rules": aggregated.rules,
    });
    api.apply(
        &format!("{COLLECTION}/{}", escape(name)),
        FIELD_MANAGER,
        &configuration,
    )
    .await
}

#[cfg(test)]
mod tests;
