//! May they? The policy that is stored, in memory and up to date, asked for every request; and asked again for a
//! watch whenever the policy changes.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use strongroom_access::node::{NodeGraph, node_name};
use strongroom_access::rbac::{Binding, Policy, Role};
use strongroom_access::{Attributes, Decision, Identity, decide, forbidden_message};
use strongroom_objects::{Object, Status};
use strongroom_resources::options::Query;
use strongroom_resources::{CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, PODS, ROLE_BINDINGS, ROLES, Resource};
use strongroom_storage::Revision;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::authentication::Known;
use crate::following::{News, follow};
use crate::pipeline::Admitted;
use crate::request_info::RequestInfo;
use crate::server::ApiServer;

/// The policy, and who wants to hear of its changes.
pub(crate) struct Authorization {
    rules: RwLock<Rules>,
    changes: watch::Sender<u64>,
    /// What nodes reach changes with every pod; each node hears of its own, and of a few others'.
    node_changes: [watch::Sender<u64>; NODE_GROUPS],
    /// Up to which revision each resource of the policy has been applied; empty before the policy is read.
    applied: watch::Sender<BTreeMap<&'static str, Revision>>,
}

/// Groups of nodes that hear of changes together.
const NODE_GROUPS: usize = 256;

/// How often the token behind a long answer is looked at: it must end within a second of its token, however busy the
/// machine is.
const TOKEN_LOOK: Duration = Duration::from_millis(500);

/// How long the answer to a change of the policy waits for it to be applied; it takes microseconds.
const SETTLING: Duration = Duration::from_secs(2);

/// How long a node that is refused waits for news of its pods; they take microseconds.
const NODE_SETTLING: Duration = Duration::from_millis(50);

/// All that decides.
#[derive(Default)]
pub(crate) struct Rules {
    pub policy: Policy,
    pub nodes: NodeGraph,
}

impl Rules {
    /// The decision for one request.
    pub fn decide(&self, attributes: &Attributes<'_>) -> Decision {
        decide(&self.policy, &self.nodes, attributes)
    }
}

impl Default for Authorization {
    fn default() -> Self {
        Self {
            rules: RwLock::default(),
            changes: watch::Sender::new(0),
            node_changes: std::array::from_fn(|_| watch::Sender::new(0)),
            applied: watch::Sender::default(),
        }
    }
}

impl Authorization {
    /// The rules as they are now. Not to be held over an await.
    pub fn rules(&self) -> RwLockReadGuard<'_, Rules> {
        self.rules.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The decision for one request.
    pub fn decide(&self, attributes: &Attributes<'_>) -> Decision {
        self.rules().decide(attributes)
    }

    /// Returns once a committed change of the policy decides requests: who has been told that a right is given or
    /// taken must be able to rely on it.
    pub async fn settle(&self, resource: &Resource, revision: Revision) {
        if resource.group != ROLES.group {
            return;
        }
        let mut applied = self.applied.subscribe();
        let is_applied = |applied: &BTreeMap<&'static str, Revision>| {
            applied
                .get(resource.plural)
                .is_none_or(|through| *through >= revision)
        };
        if tokio::time::timeout(SETTLING, applied.wait_for(is_applied))
            .await
            .is_err()
        {
            tracing::error!(?resource, revision, "a change of the policy is not applied yet");
        }
    }

    fn tell(&self, resource: &'static Resource, news: News, apply: Apply) {
        if let News::Through(revision) = news {
            self.applied.send_modify(|applied| {
                applied.insert(resource.plural, revision);
            });
            return;
        }
        let concerned = apply(
            &mut self.rules.write().unwrap_or_else(PoisonError::into_inner),
            resource,
            news,
        );
        match concerned {
            Concerned::Everybody => self.changes.send_modify(|count| *count += 1),
            Concerned::Nodes(nodes) => {
                for node in nodes {
                    self.of_node(&node).send_modify(|count| *count += 1);
                }
            }
        }
    }

    fn of_node(&self, node: &str) -> &watch::Sender<u64> {
        let mut hasher = std::hash::DefaultHasher::new();
        node.hash(&mut hasher);
        let group = hasher.finish() % NODE_GROUPS as u64;
        &self.node_changes[group as usize]
    }

    fn listen(&self, user: &Identity) -> Changes {
        Changes {
            policy: self.changes.subscribe(),
            node: node_name(user).map(|node| self.of_node(node).subscribe()),
        }
    }
}

type Apply = fn(&mut Rules, &Resource, News) -> Concerned;

/// Whose requests may now be decided otherwise.
enum Concerned {
    Everybody,
    Nodes(Vec<Arc<str>>),
}

/// News of what decides one user's requests.
struct Changes {
    policy: watch::Receiver<u64>,
    node: Option<watch::Receiver<u64>>,
}

impl Changes {
    /// Returns after the next change; never once the server is gone. Cancel-safe.
    async fn next(&mut self) {
        let node = async {
            match &mut self.node {
                Some(node) => node.changed().await,
                None => std::future::pending().await,
            }
        };
        let changed = tokio::select! {
            changed = self.policy.changed() => changed,
            changed = node => changed,
        };
        if changed.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Reads the stored policy, and keeps it up to date for as long as the store is open.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn keep_up_to_date(server: &ApiServer) -> Result<(), Box<Status>> {
    let sources: [(&'static Resource, Apply); 5] = [
        (&ROLES, apply_role),
        (&CLUSTER_ROLES, apply_role),
        (&ROLE_BINDINGS, apply_binding),
        (&CLUSTER_ROLE_BINDINGS, apply_binding),
        (&PODS, apply_pod),
    ];
    for (resource, applied) in sources {
        let told = server.clone();
        let apply = Box::new(move |news| told.0.authorization.tell(resource, news, applied));
        tokio::spawn(follow(server, resource, apply).await?);
    }
    Ok(())
}

fn apply_role(rules: &mut Rules, resource: &Resource, news: News) -> Concerned {
    match news {
        News::Is(object) => match Role::from_object(&object) {
            Ok(role) => rules.policy.put_role(role),
            Err(error) => {
                unusable(&object, &error);
                let ObjectNames { namespace, name } = names(&object);
                rules.policy.remove_role(namespace, name);
            }
        },
        News::Gone { namespace, name } => rules.policy.remove_role(&namespace, &name),
        News::Again => {
            let names = |role: &Role| (role.namespace.clone(), role.name.clone());
            let same_kind = |role: &&Role| role.namespace.is_empty() != resource.namespaced;
            let all: Vec<_> = rules.policy.roles().filter(same_kind).map(names).collect();
            for (namespace, name) in all {
                rules.policy.remove_role(&namespace, &name);
            }
        }
        News::Through(_) => {}
    }
    Concerned::Everybody
}

fn apply_binding(rules: &mut Rules, resource: &Resource, news: News) -> Concerned {
    match news {
        News::Is(object) => match Binding::from_object(&object) {
            Ok(binding) => rules.policy.put_binding(binding),
            Err(error) => {
                unusable(&object, &error);
                let ObjectNames { namespace, name } = names(&object);
                rules.policy.remove_binding(namespace, name);
            }
        },
        News::Gone { namespace, name } => rules.policy.remove_binding(&namespace, &name),
        News::Again => {
            let names = |binding: &Binding| (binding.namespace.clone(), binding.name.clone());
            let same_kind = |binding: &&Binding| binding.namespace.is_empty() != resource.namespaced;
            let all: Vec<_> = rules.policy.bindings().filter(same_kind).map(names).collect();
            for (namespace, name) in all {
                rules.policy.remove_binding(&namespace, &name);
            }
        }
        News::Through(_) => {}
    }
    Concerned::Everybody
}

fn apply_pod(rules: &mut Rules, _pods: &Resource, news: News) -> Concerned {
    match news {
        News::Is(pod) => Concerned::Nodes(rules.nodes.put_pod(&pod)),
        News::Gone { namespace, name } => {
            Concerned::Nodes(rules.nodes.remove_pod(&namespace, &name).into_iter().collect())
        }
        News::Again => {
            rules.nodes = NodeGraph::default();
            Concerned::Everybody
        }
        News::Through(_) => Concerned::Nodes(Vec::new()),
    }
}

struct ObjectNames<'a> {
    namespace: &'a str,
    name: &'a str,
}

fn names(object: &Object) -> ObjectNames<'_> {
    ObjectNames {
        namespace: &object.metadata.namespace,
        name: &object.metadata.name,
    }
}

/// What cannot be understood grants nothing.
fn unusable(object: &Object, error: &dyn std::fmt::Display) {
    let ObjectNames { namespace, name } = names(object);
    tracing::error!(kind = object.kind, namespace, name, %error, "grants nothing: it cannot be understood");
}

/// What a request asks for, as authorizers see it.
pub(crate) fn attributes<'a>(
    user: &'a Identity,
    info: &'a RequestInfo,
    query: &'a Query,
    verb: &'a str,
) -> Attributes<'a> {
    Attributes {
        user,
        verb,
        namespace: &info.namespace,
        api_group: &info.group,
        api_version: &info.version,
        resource: &info.resource,
        subresource: &info.subresource,
        name: &info.name,
        path: &info.path,
        is_resource_request: info.is_resource,
        field_selector: query.get("fieldSelector"),
        label_selector: query.get("labelSelector"),
    }
}

/// Why a request may go on; the error is the 403.
pub(crate) fn authorize(
    server: &ApiServer,
    user: &Identity,
    info: &RequestInfo,
    query: &Query,
    verb: &str,
) -> Result<String, Refused> {
    let attributes = attributes(user, info, query, verb);
    let reason = match server.0.authorization.decide(&attributes) {
        Decision::Allow { reason } => return Ok(reason),
        Decision::NoOpinion { reason } | Decision::Deny { reason } => reason,
    };
    let status = forbidden(&attributes, &reason);
    Err(Refused { status, reason })
}

/// The same at the start of a request. A pod may have come to a node a moment ago and the rules may not know it yet,
/// so a node is refused only after they have had time to hear of it.
pub(crate) async fn authorize_now(
    server: &ApiServer,
    user: &Identity,
    info: &RequestInfo,
    query: &Query,
    verb: &str,
) -> Result<String, Refused> {
    let decided = authorize(server, user, info, query, verb);
    if decided.is_ok() || node_name(user).is_none() || !info.is_resource {
        return decided;
    }
    let mut changes = server.0.authorization.listen(user);
    let deadline = Instant::now() + NODE_SETTLING;
    loop {
        let decided = authorize(server, user, info, query, verb);
        if decided.is_ok() {
            return decided;
        }
        if tokio::time::timeout_at(deadline, changes.next()).await.is_err() {
            return decided;
        }
    }
}

/// A request that may not go on.
pub(crate) struct Refused {
    /// The 403.
    pub status: Box<Status>,
    /// What the authorizers said; perhaps nothing.
    pub reason: String,
}

/// The 403 for a request.
pub(crate) fn forbidden(attributes: &Attributes<'_>, reason: &str) -> Box<Status> {
    Box::new(Status::forbidden_with(
        attributes.api_group,
        attributes.resource,
        attributes.name,
        &forbidden_message(attributes, reason),
    ))
}

/// A permission that is looked at again for as long as something lasts.
pub(crate) struct Permission {
    server: ApiServer,
    user: Arc<Identity>,
    /// What the caller proved it with, when that can lose its force.
    token: Option<Arc<Known>>,
    next_look: Instant,
    info: Arc<RequestInfo>,
    query: Query,
    changes: Changes,
}

impl Permission {
    /// The permission on the ground of which a request was admitted.
    pub fn new<B>(request: &Admitted<'_, B>) -> Self {
        let mut changes = request.server.0.authorization.listen(request.user);
        // Whatever changed between the decision and now is looked at, too.
        changes.policy.mark_changed();
        Self {
            server: request.server.clone(),
            user: Arc::clone(request.user),
            token: request.caller.token.clone(),
            next_look: Instant::now() + TOKEN_LOOK,
            info: Arc::clone(request.info),
            query: request.query.clone(),
            changes,
        }
    }

    /// The permission to `verb` in place of the request's own verb.
    #[must_use]
    pub fn to(mut self, verb: &'static str) -> Self {
        let mut info = RequestInfo::clone(&self.info);
        info.verb = verb;
        self.info = Arc::new(info);
        self
    }

    /// Returns, with the 403, once the permission is lost. Cancel-safe.
    pub async fn lost(&mut self) -> Box<Status> {
        loop {
            tokio::select! {
                () = self.changes.next() => {}
                () = tokio::time::sleep_until(self.next_look), if self.token.is_some() => {
                    self.next_look = Instant::now() + TOKEN_LOOK;
                    if let Some(token) = &self.token
                        && !token.is_still_good(&self.server).await
                    {
                        return Box::new(Status::unauthorized());
                    }
                    continue;
                }
            }
            let decided = authorize(&self.server, &self.user, &self.info, &self.query, self.info.verb);
            if let Err(refused) = decided {
                return refused.status;
            }
        }
    }
}
