//! All roles and bindings, indexed by subject, so that a decision looks only at what concerns the caller.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

use strongroom_objects::go_text::quote;

use super::found::aggregate_texts;
use super::{Binding, Found, PolicyRule, Role, Subject, rule_allows};
use crate::{Attributes, Authorizer, Decision, Identity};

#[cfg(test)]
mod tests;

/// The roles and bindings of a cluster.
///
/// Roles live in slots, which bindings point to whether the role exists or not. Bindings are grouped by subject, then
/// by namespace, then by role: however many bindings give a caller the same role in one place, it is looked at once.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    slots: Vec<Slot>,
    free: Vec<RoleId>,
    role_ids: HashMap<RoleKey, RoleId>,
    bindings: BTreeMap<(String, String), Arc<Binding>>,
    subjects: Subjects,
}

/// What is given to whom. A service account is the user that it acts as.
#[derive(Debug, Clone, Default)]
struct Subjects {
    users: HashMap<String, Granted>,
    groups: HashMap<String, Granted>,
}

type RoleId = usize;

#[derive(Debug, Clone)]
struct Slot {
    key: RoleKey,
    role: Option<Arc<Role>>,
    /// How many places in the index point here.
    references: usize,
}

/// What a binding names. A Role named by a ClusterRoleBinding has an empty namespace and never exists.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct RoleKey {
    kind: String,
    namespace: String,
    name: String,
}

/// What one user or group is given.
#[derive(Debug, Clone, Default)]
struct Granted {
    everywhere: Vec<RoleGrant>,
    by_namespace: HashMap<String, Vec<RoleGrant>>,
}

/// One role, given in one place to one subject. Lists of these are sorted by role.
#[derive(Debug, Clone)]
struct RoleGrant {
    role: RoleId,
    bindings: BTreeMap<String, Given>,
}

/// A binding, with the reason it gives if that is the same for everybody: texts take longer to make than decisions.
#[derive(Debug, Clone)]
struct Given {
    binding: Arc<Binding>,
    reason: Option<Arc<str>>,
}

impl Given {
    fn new(binding: Binding) -> Given {
        let reason = match binding.subjects.as_slice() {
            [only] => Some(reason(&binding, only).into()),
            _ => None,
        };
        Given {
            binding: Arc::new(binding),
            reason,
        }
    }

    /// Why `user`, whom the binding concerns, is allowed something.
    fn reason(&self, user: &Identity) -> String {
        if let Some(reason) = &self.reason {
            return reason.as_ref().to_owned();
        }
        let binding = &self.binding;
        let subject = binding
            .subjects
            .iter()
            .find(|subject| subject_is(subject, user, &binding.namespace));
        subject.map_or_else(String::new, |subject| reason(binding, subject))
    }
}

impl Policy {
    /// Adds a role or replaces the one of the same name.
    pub fn put_role(&mut self, role: Role) {
        let id = self.slot(RoleKey::of_role(&role.namespace, &role.name));
        self.slots[id].role = Some(Arc::new(role));
    }

    /// Takes a role away; the namespace of a ClusterRole is empty.
    pub fn remove_role(&mut self, namespace: &str, name: &str) {
        if let Some(&id) = self.role_ids.get(&RoleKey::of_role(namespace, name)) {
            self.slots[id].role = None;
            self.free_if_unused(id);
        }
    }

    /// Adds a binding or replaces the one of the same name.
    pub fn put_binding(&mut self, binding: Binding) {
        self.remove_binding(&binding.namespace, &binding.name);
        let key = RoleKey::of_binding(&binding);
        let given = Given::new(binding);
        let binding = &given.binding;
        for subject in &binding.subjects {
            let role = self.slot(key.clone());
            let Some((index, name)) = self.subjects.index_of(subject, &binding.namespace) else {
                self.free_if_unused(role);
                continue;
            };
            let grants = index.entry(name).or_default().grants_mut(&binding.namespace);
            match grants.binary_search_by(|grant| self.slots[grant.role].key.cmp(&key)) {
                Ok(at) => {
                    grants[at].bindings.insert(binding.name.clone(), given.clone());
                }
                Err(at) => {
                    self.slots[role].references += 1;
                    let bindings = BTreeMap::from([(binding.name.clone(), given.clone())]);
                    grants.insert(at, RoleGrant { role, bindings });
                }
            }
        }
        let name = (binding.namespace.clone(), binding.name.clone());
        self.bindings.insert(name, given.binding);
    }

    /// Takes a binding away; the namespace of a ClusterRoleBinding is empty.
    pub fn remove_binding(&mut self, namespace: &str, name: &str) {
        let Some(binding) = self.bindings.remove(&(namespace.to_owned(), name.to_owned())) else {
            return;
        };
        let key = RoleKey::of_binding(&binding);
        for subject in &binding.subjects {
            self.forget(subject, &binding, &key);
        }
    }

    /// Decides a request (auth.md §5.2). Never denies: another authorizer may allow what nobody is bound to.
    pub fn authorize(&self, attributes: &Attributes<'_>) -> Decision {
        let namespace = namespace_of(attributes);
        let mut errors = Vec::new();
        let mut allowed = None;
        self.visit(attributes.user, namespace, |grant, _| {
            let slot = &self.slots[grant.role];
            let Some(role) = &slot.role else {
                errors.push(slot.key.error());
                return ControlFlow::Continue(());
            };
            if role.rules.iter().any(|rule| rule_allows(rule, attributes)) {
                allowed = grant.bindings.values().next();
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        match allowed {
            Some(given) => Decision::Allow {
                reason: given.reason(attributes.user),
            },
            None if errors.is_empty() => Decision::NoOpinion {
                reason: String::new(),
            },
            None => Decision::NoOpinion {
                reason: format!("RBAC: {}", aggregate_texts(&errors)),
            },
        }
    }

    /// Everything a user may do in a namespace and, with an empty one, at the cluster scope.
    pub fn rules_for(&self, user: &Identity, namespace: &str) -> Found {
        let mut found = Found::default();
        let mut seen = Vec::new();
        self.visit(user, namespace, |grant, clusterwide| {
            if seen.contains(&(grant.role, clusterwide)) {
                return ControlFlow::Continue(());
            }
            seen.push((grant.role, clusterwide));
            let slot = &self.slots[grant.role];
            match &slot.role {
                Some(role) => found.rules.extend_from_slice(&role.rules),
                None => found.errors.push(slot.key.error()),
            }
            ControlFlow::Continue(())
        });
        found
    }

    /// A stored role.
    pub fn role(&self, namespace: &str, name: &str) -> Option<&Role> {
        let id = *self.role_ids.get(&RoleKey::of_role(namespace, name))?;
        self.slots[id].role.as_deref()
    }

    /// All roles in the order of namespace and name, ClusterRoles first.
    pub fn roles(&self) -> impl Iterator<Item = &Role> {
        let mut roles: Vec<&Role> = self
            .slots
            .iter()
            .filter_map(|slot| slot.role.as_deref())
            .collect();
        roles.sort_unstable_by_key(|role| (&role.namespace, &role.name));
        roles.into_iter()
    }

    /// All bindings in the order of namespace and name, ClusterRoleBindings first.
    pub fn bindings(&self) -> impl Iterator<Item = &Binding> {
        self.bindings.values().map(Arc::as_ref)
    }

    /// The rules that a binding gives.
    ///
    /// # Errors
    /// When the role does not exist, or is of a kind that is no role; in Kubernetes' words.
    pub(super) fn rules_of(&self, binding: &Binding) -> Result<&[PolicyRule], String> {
        let key = RoleKey::of_binding(binding);
        let role = self
            .role_ids
            .get(&key)
            .and_then(|id| self.slots[*id].role.as_ref());
        role.map(|role| role.rules.as_slice()).ok_or_else(|| key.error())
    }

    /// Shows everything that is given to a user, cluster-wide grants (marked true) before those of the namespace.
    fn visit<'p>(
        &'p self,
        user: &Identity,
        namespace: &str,
        mut look: impl FnMut(&'p RoleGrant, bool) -> ControlFlow<()>,
    ) {
        let by_group = user
            .groups
            .iter()
            .filter_map(|group| self.subjects.groups.get(group));
        let granted = self.subjects.users.get(&user.user).into_iter().chain(by_group);
        for grant in granted.clone().flat_map(|granted| &granted.everywhere) {
            if look(grant, true).is_break() {
                return;
            }
        }
        if namespace.is_empty() {
            return;
        }
        for grant in granted
            .filter_map(|granted| granted.by_namespace.get(namespace))
            .flatten()
        {
            if look(grant, false).is_break() {
                return;
            }
        }
    }

    fn slot(&mut self, key: RoleKey) -> RoleId {
        if let Some(&id) = self.role_ids.get(&key) {
            return id;
        }
        let slot = Slot {
            key: key.clone(),
            role: None,
            references: 0,
        };
        let id = match self.free.pop() {
            Some(id) => {
                self.slots[id] = slot;
                id
            }
            None => {
                self.slots.push(slot);
                self.slots.len() - 1
            }
        };
        self.role_ids.insert(key, id);
        id
    }

    fn free_if_unused(&mut self, id: RoleId) {
        if self.slots[id].role.is_none() && self.slots[id].references == 0 {
            self.role_ids.remove(&self.slots[id].key);
            self.free.push(id);
        }
    }

    fn forget(&mut self, subject: &Subject, binding: &Binding, key: &RoleKey) {
        let Some(&role) = self.role_ids.get(key) else {
            return;
        };
        let Some((index, name)) = self.subjects.index_of(subject, &binding.namespace) else {
            return;
        };
        let Some(granted) = index.get_mut(&name) else {
            return;
        };
        let grants = granted.grants_mut(&binding.namespace);
        let Some(at) = grants.iter().position(|grant| grant.role == role) else {
            return;
        };
        grants[at].bindings.remove(&binding.name);
        let unused = grants[at].bindings.is_empty();
        if unused {
            grants.remove(at);
        }
        if grants.is_empty() {
            granted.by_namespace.remove(&binding.namespace);
        }
        if granted.everywhere.is_empty() && granted.by_namespace.is_empty() {
            index.remove(&name);
        }
        if unused {
            self.slots[role].references -= 1;
            self.free_if_unused(role);
        }
    }
}

impl Authorizer for Policy {
    fn authorize(&self, attributes: &Attributes<'_>) -> Decision {
        Policy::authorize(self, attributes)
    }
}

impl Subjects {
    /// The index and the name in it that a subject is found by; nothing for one that stands for nobody.
    fn index_of(
        &mut self,
        subject: &Subject,
        namespace: &str,
    ) -> Option<(&mut HashMap<String, Granted>, String)> {
        match subject.kind.as_str() {
            "User" => Some((&mut self.users, subject.name.clone())),
            "Group" => Some((&mut self.groups, subject.name.clone())),
            _ => Some((&mut self.users, subject.service_account_user(namespace)?)),
        }
    }
}

impl RoleKey {
    fn of_role(namespace: &str, name: &str) -> RoleKey {
        RoleKey {
            kind: if namespace.is_empty() {
                "ClusterRole"
            } else {
                "Role"
            }
            .to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    fn of_binding(binding: &Binding) -> RoleKey {
        let namespace = if binding.role_ref.kind == "ClusterRole" {
            String::new()
        } else {
            binding.namespace.clone()
        };
        RoleKey {
            kind: binding.role_ref.kind.clone(),
            namespace,
            name: binding.role_ref.name.clone(),
        }
    }

    fn error(&self) -> String {
        match self.kind.as_str() {
            "Role" => format!("role.{} {} not found", super::GROUP, quote(&self.name)),
            "ClusterRole" => format!("clusterrole.{} {} not found", super::GROUP, quote(&self.name)),
            other => format!("unsupported role reference kind: {}", quote(other)),
        }
    }
}

impl Granted {
    fn grants_mut(&mut self, namespace: &str) -> &mut Vec<RoleGrant> {
        if namespace.is_empty() {
            return &mut self.everywhere;
        }
        self.by_namespace.entry(namespace.to_owned()).or_default()
    }
}

/// Roles of a namespace say nothing about paths that are no resources.
pub(super) fn namespace_of<'a>(attributes: &Attributes<'a>) -> &'a str {
    if attributes.is_resource_request {
        attributes.namespace
    } else {
        ""
    }
}

/// Whether a subject stands for the user. `namespace` is the binding's.
pub(super) fn subject_is(subject: &Subject, user: &Identity, namespace: &str) -> bool {
    match subject.kind.as_str() {
        "User" => subject.name == user.user,
        "Group" => user.is_in(&subject.name),
        _ => subject.service_account_user(namespace).as_ref() == Some(&user.user),
    }
}

/// Why a binding allows something to one of its subjects (auth.md §4).
fn reason(binding: &Binding, subject: &Subject) -> String {
    let (kind, name) = if binding.namespace.is_empty() {
        ("ClusterRoleBinding", quote(&binding.name))
    } else {
        (
            "RoleBinding",
            quote(&format!("{}/{}", binding.name, binding.namespace)),
        )
    };
    let role = &binding.role_ref;
    format!(
        "RBAC: allowed by {kind} {name} of {} {} to {}",
        role.kind,
        quote(&role.name),
        describe_subject(subject, &binding.namespace)
    )
}

/// A subject in Kubernetes' words, a service account with its name first.
pub(super) fn describe_subject(subject: &Subject, namespace: &str) -> String {
    if subject.kind != "ServiceAccount" {
        return format!("{} {}", subject.kind, quote(&subject.name));
    }
    let namespace = if subject.namespace.is_empty() {
        namespace
    } else {
        &subject.namespace
    };
    format!(
        "ServiceAccount {}",
        quote(&format!("{}/{namespace}", subject.name))
    )
}
