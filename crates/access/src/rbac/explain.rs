//! Seeing why somebody may or may not, for people.

use std::collections::BTreeSet;
use std::fmt;

use strongroom_objects::go_text::quote;

use super::matching::{group_matches, name_matches, path_matches, resource_matches, verb_matches};
use super::policy::{describe_subject, namespace_of, subject_is};
use super::{Binding, Policy, PolicyRule, RoleRef, Subject, rule_allows};
use crate::{Attributes, Identity};

#[cfg(test)]
mod tests;

/// One way in which a permission reaches somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Who is meant.
    pub subject: Subject,
    /// The binding's namespace, empty for a ClusterRoleBinding.
    pub namespace: String,
    /// The binding's name.
    pub binding: String,
    /// The role that it gives.
    pub role: RoleRef,
    /// The rule of the role that does it.
    pub rule: PolicyRule,
}

/// Why a request is allowed or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The request in words: `get secrets/db in namespace shop as "alice"`.
    pub request: String,
    /// Every binding that allows it.
    pub allowed_by: Vec<Grant>,
    /// If none does: what the caller has that fails in one way only.
    pub near_misses: Vec<NearMiss>,
    /// Bindings of the caller whose role cannot be found, in Kubernetes' words.
    pub errors: Vec<String>,
}

/// Something the caller has that would allow the request if one thing were different.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NearMiss {
    /// What they have.
    pub grant: Grant,
    /// What is different.
    pub mismatch: Mismatch,
}

/// The one way in which a rule does not fit a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mismatch {
    /// The rule allows other verbs.
    Verb,
    /// The rule names other objects.
    ResourceName,
    /// The rule is for the resource and not its subresource, or the other way round.
    Subresource,
    /// The rule is for a resource of the same name in other groups.
    ApiGroup,
    /// The binding is for another namespace.
    Namespace,
}

impl Policy {
    /// Why a request is allowed or not.
    pub fn explain(&self, attributes: &Attributes<'_>) -> Explanation {
        let mut explanation = Explanation {
            request: describe_request(attributes),
            allowed_by: Vec::new(),
            near_misses: Vec::new(),
            errors: self.errors_for(attributes),
        };
        for (binding, subject) in self.bindings_of(attributes.user) {
            let applies = applies(binding, attributes);
            for rule in self.rules_of(binding).unwrap_or_default() {
                let grant = || Grant::new(binding, subject, rule);
                match (mismatches(rule, attributes).as_slice(), applies) {
                    ([], true) => {
                        explanation.allowed_by.push(grant());
                        break;
                    }
                    ([], false) => explanation.near_misses.push(NearMiss {
                        grant: grant(),
                        mismatch: Mismatch::Namespace,
                    }),
                    ([mismatch], true) => explanation.near_misses.push(NearMiss {
                        grant: grant(),
                        mismatch: *mismatch,
                    }),
                    _ => {}
                }
            }
        }
        if !explanation.allowed_by.is_empty() {
            explanation.near_misses.clear();
        }
        explanation.near_misses.sort_by_key(|miss| miss.mismatch);
        explanation
    }

    /// Everybody who may do something, each way once. A resource of the core group has an empty group; an empty name
    /// asks who may do it to all objects.
    pub fn who_can(
        &self,
        verb: &str,
        group: &str,
        resource: &str,
        subresource: &str,
        namespace: &str,
        name: &str,
    ) -> Vec<Grant> {
        let nobody = Identity::default();
        let attributes = Attributes {
            namespace,
            api_group: group,
            resource,
            subresource,
            name,
            is_resource_request: true,
            ..Attributes::for_path(&nobody, verb, "")
        };
        self.bindings()
            .filter(|binding| applies(binding, &attributes))
            .filter_map(|binding| {
                let rules = self.rules_of(binding).unwrap_or_default();
                Some((binding, rules.iter().find(|rule| rule_allows(rule, &attributes))?))
            })
            .flat_map(|(binding, rule)| {
                binding
                    .subjects
                    .iter()
                    .map(move |subject| Grant::new(binding, subject, rule))
            })
            .collect()
    }

    fn bindings_of<'p>(&'p self, user: &'p Identity) -> impl Iterator<Item = (&'p Binding, &'p Subject)> {
        self.bindings().filter_map(|binding| {
            let mut subjects = binding.subjects.iter();
            let subject = subjects.find(|subject| subject_is(subject, user, &binding.namespace))?;
            Some((binding, subject))
        })
    }

    fn errors_for(&self, attributes: &Attributes<'_>) -> Vec<String> {
        let errors = self
            .bindings_of(attributes.user)
            .filter(|(binding, _)| applies(binding, attributes))
            .filter_map(|(binding, _)| self.rules_of(binding).err());
        errors.collect::<BTreeSet<_>>().into_iter().collect()
    }
}

impl Grant {
    fn new(binding: &Binding, subject: &Subject, rule: &PolicyRule) -> Grant {
        Grant {
            subject: subject.clone(),
            namespace: binding.namespace.clone(),
            binding: binding.name.clone(),
            role: binding.role_ref.clone(),
            rule: rule.clone(),
        }
    }
}

impl Explanation {
    /// Whether any binding allows it.
    pub fn is_allowed(&self) -> bool {
        !self.allowed_by.is_empty()
    }
}

fn applies(binding: &Binding, attributes: &Attributes<'_>) -> bool {
    binding.namespace.is_empty() || binding.namespace == namespace_of(attributes)
}

/// The ways in which a rule does not fit; empty when it allows the request.
fn mismatches(rule: &PolicyRule, attributes: &Attributes<'_>) -> Vec<Mismatch> {
    let mut found = Vec::new();
    if !verb_matches(rule, attributes.verb) {
        found.push(Mismatch::Verb);
    }
    if !attributes.is_resource_request {
        if !path_matches(rule, attributes.path) {
            // A different path is not near; two mismatches are never shown.
            found.extend([Mismatch::Subresource, Mismatch::Subresource]);
        }
        return found;
    }
    if !name_matches(rule, attributes.name) {
        found.push(Mismatch::ResourceName);
    }
    if !group_matches(rule, attributes.api_group) {
        found.push(Mismatch::ApiGroup);
    }
    if !resource_matches(rule, attributes.resource, attributes.subresource) {
        found.push(Mismatch::Subresource);
        let sibling = |own: &String| own.split('/').next() == Some(attributes.resource);
        if !rule.resources.iter().any(sibling) {
            found.push(Mismatch::Subresource);
        }
    }
    found
}

fn describe_request(attributes: &Attributes<'_>) -> String {
    let user = quote(&attributes.user.user);
    if !attributes.is_resource_request {
        return format!("{} {} as {user}", attributes.verb, attributes.path);
    }
    let mut what = attributes.resource.to_owned();
    for (separator, part) in [
        ('.', attributes.api_group),
        ('/', attributes.name),
        ('/', attributes.subresource),
    ] {
        if !part.is_empty() {
            what.push(separator);
            what.push_str(part);
        }
    }
    let place = if attributes.namespace.is_empty() {
        "at the cluster scope".to_owned()
    } else {
        format!("in namespace {}", attributes.namespace)
    };
    format!("{} {what} {place} as {user}", attributes.verb)
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, place) = if self.namespace.is_empty() {
            ("ClusterRoleBinding", String::new())
        } else {
            ("RoleBinding", format!(" in namespace {}", self.namespace))
        };
        write!(
            f,
            "{} by {kind} {}{place}, which gives {} {}: {}",
            describe_subject(&self.subject, &self.namespace),
            quote(&self.binding),
            self.role.kind,
            quote(&self.role.name),
            self.rule
        )
    }
}

impl fmt::Display for NearMiss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let but = match self.mismatch {
            Mismatch::Verb => "but not with this verb",
            Mismatch::ResourceName => {
                "but not for an object of this name (create and list without a field selector carry none)"
            }
            Mismatch::Subresource => "but a resource and its subresources are granted apart",
            Mismatch::ApiGroup => "but the resource is in another API group",
            Mismatch::Namespace => "but only there",
        };
        write!(f, "{}; {but}", self.grant)
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_allowed() {
            writeln!(f, "yes: {}", self.request)?;
            for grant in &self.allowed_by {
                writeln!(f, "  allowed as {grant}")?;
            }
        } else {
            writeln!(f, "no: {}", self.request)?;
            if self.near_misses.is_empty() {
                writeln!(
                    f,
                    "  nothing that comes near is bound to this user or their groups"
                )?;
            }
            for miss in &self.near_misses {
                writeln!(f, "  close: {miss}")?;
            }
        }
        for error in &self.errors {
            writeln!(f, "  a binding of this user leads nowhere: {error}")?;
        }
        Ok(())
    }
}
