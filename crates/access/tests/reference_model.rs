//! The indexed policy against a naive one that looks at everything, over many random policies and requests.

use strongroom_access::rbac::{Binding, Policy, PolicyRule, Role, RoleRef, Subject};
use strongroom_access::{Attributes, Decision, Identity};

const POLICIES: u64 = 1_000;
const REQUESTS: usize = 120;

/// xorshift64*; good enough to choose with, and the same everywhere.
struct Choices(u64);

impl Choices {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn some(&mut self, of: &[&str], least: usize, most: usize) -> Vec<String> {
        let count = least + self.below(most - least + 1);
        (0..count).map(|_| self.one(of).to_owned()).collect()
    }
}

const VERBS: &[&str] = &["get", "list", "create", "*", ""];
const GROUPS: &[&str] = &["", "apps", "*"];
const RESOURCES: &[&str] = &["secrets", "pods", "pods/log", "*/log", "*", "pods/", ""];
const NAMES: &[&str] = &["a", "b", ""];
const PATHS: &[&str] = &["/", "/healthz", "/healthz/*", "*", "/h*", "/healthz/**", ""];
const NAMESPACES: &[&str] = &["", "one", "two"];
const ROLE_NAMES: &[&str] = &["r", "s", ""];
const USERS: &[&str] = &[
    "alice",
    "bob",
    "system:serviceaccount:one:sa",
    "system:serviceaccount:two:sa",
    "",
];
const USER_GROUPS: &[&str] = &["g", "h", "system:authenticated", ""];

fn rule(choices: &mut Choices) -> PolicyRule {
    if choices.below(5) == 0 {
        return PolicyRule {
            verbs: choices.some(VERBS, 1, 2),
            non_resource_urls: choices.some(PATHS, 1, 2),
            ..PolicyRule::default()
        };
    }
    PolicyRule {
        verbs: choices.some(VERBS, 0, 3),
        api_groups: choices.some(GROUPS, 0, 2),
        resources: choices.some(RESOURCES, 0, 3),
        resource_names: if choices.below(3) == 0 {
            choices.some(NAMES, 0, 2)
        } else {
            Vec::new()
        },
        ..PolicyRule::default()
    }
}

fn role(choices: &mut Choices) -> Role {
    let rules = choices.below(5);
    Role {
        namespace: choices.one(NAMESPACES).to_owned(),
        name: choices.one(ROLE_NAMES).to_owned(),
        rules: (0..rules).map(|_| rule(choices)).collect(),
        ..Role::default()
    }
}

fn subject(choices: &mut Choices) -> Subject {
    let kind = choices.one(&["User", "Group", "ServiceAccount", "Robot"]);
    Subject {
        kind: kind.to_owned(),
        name: match kind {
            "User" => choices.one(USERS),
            "Group" => choices.one(USER_GROUPS),
            _ => "sa",
        }
        .to_owned(),
        namespace: choices.one(NAMESPACES).to_owned(),
        ..Subject::default()
    }
}

fn binding(choices: &mut Choices) -> Binding {
    let subjects = choices.below(4);
    Binding {
        namespace: choices.one(NAMESPACES).to_owned(),
        name: format!("b{}", choices.below(8)),
        role_ref: RoleRef {
            kind: choices
                .one(&["Role", "ClusterRole", "ClusterRole", "Pod"])
                .to_owned(),
            name: choices.one(ROLE_NAMES).to_owned(),
            ..RoleRef::default()
        },
        subjects: (0..subjects).map(|_| subject(choices)).collect(),
        ..Binding::default()
    }
}

/// Everything in two lists.
#[derive(Default)]
struct Naive {
    roles: Vec<Role>,
    bindings: Vec<Binding>,
}

impl Naive {
    fn remove_role(&mut self, namespace: &str, name: &str) {
        self.roles
            .retain(|role| (role.namespace.as_str(), role.name.as_str()) != (namespace, name));
    }

    fn remove_binding(&mut self, namespace: &str, name: &str) {
        self.bindings
            .retain(|own| (own.namespace.as_str(), own.name.as_str()) != (namespace, name));
    }

    fn allows(&self, request: &Attributes<'_>) -> bool {
        self.bindings
            .iter()
            .filter(|binding| Naive::concerns(binding, request))
            .filter_map(|binding| self.role_of(binding))
            .flat_map(|role| &role.rules)
            .any(|rule| Naive::rule_allows(rule, request))
    }

    fn concerns(binding: &Binding, request: &Attributes<'_>) -> bool {
        let here = binding.namespace.is_empty()
            || (request.is_resource_request && binding.namespace == request.namespace);
        here && binding
            .subjects
            .iter()
            .any(|subject| match subject.kind.as_str() {
                "User" => subject.name == request.user.user,
                "Group" => request.user.groups.contains(&subject.name),
                "ServiceAccount" => {
                    let namespace = if subject.namespace.is_empty() {
                        &binding.namespace
                    } else {
                        &subject.namespace
                    };
                    let user = format!("system:serviceaccount:{namespace}:{}", subject.name);
                    !namespace.is_empty() && request.user.user == user
                }
                _ => false,
            })
    }

    fn role_of(&self, binding: &Binding) -> Option<&Role> {
        let namespace = match binding.role_ref.kind.as_str() {
            "ClusterRole" => "",
            "Role" if !binding.namespace.is_empty() => &binding.namespace,
            _ => return None,
        };
        let named = |role: &&Role| role.namespace == namespace && role.name == binding.role_ref.name;
        self.roles.iter().find(named)
    }

    fn rule_allows(rule: &PolicyRule, request: &Attributes<'_>) -> bool {
        let lists = |list: &[String], wanted: &str| list.iter().any(|own| own == "*" || own == wanted);
        if !lists(&rule.verbs, request.verb) {
            return false;
        }
        if !request.is_resource_request {
            return rule.non_resource_urls.iter().any(|own| match own.find('*') {
                Some(star) if own[star..].bytes().all(|byte| byte == b'*') => {
                    request.path.starts_with(&own[..star])
                }
                _ => own == request.path,
            });
        }
        let full = if request.subresource.is_empty() {
            request.resource.to_owned()
        } else {
            format!("{}/{}", request.resource, request.subresource)
        };
        let every = format!("*/{}", request.subresource);
        let resource = lists(&rule.resources, &full)
            || (!request.subresource.is_empty() && rule.resources.contains(&every));
        let name =
            rule.resource_names.is_empty() || rule.resource_names.iter().any(|own| own == request.name);
        lists(&rule.api_groups, request.api_group) && resource && name
    }
}

/// A policy that came about by additions, replacements and removals, in both forms.
fn policies(choices: &mut Choices) -> (Policy, Naive) {
    let (mut indexed, mut naive) = (Policy::default(), Naive::default());
    for _ in 0..50 {
        match choices.below(12) {
            0..=4 => {
                let role = role(choices);
                naive.remove_role(&role.namespace, &role.name);
                naive.roles.push(role.clone());
                indexed.put_role(role);
            }
            5..=9 => {
                let binding = binding(choices);
                naive.remove_binding(&binding.namespace, &binding.name);
                naive.bindings.push(binding.clone());
                indexed.put_binding(binding);
            }
            10 => {
                let (namespace, name) = (choices.one(NAMESPACES), choices.one(ROLE_NAMES));
                naive.remove_role(namespace, name);
                indexed.remove_role(namespace, name);
            }
            _ => {
                let (namespace, name) = (choices.one(NAMESPACES), format!("b{}", choices.below(8)));
                naive.remove_binding(namespace, &name);
                indexed.remove_binding(namespace, &name);
            }
        }
    }
    (indexed, naive)
}

fn user(choices: &mut Choices) -> Identity {
    Identity {
        user: choices.one(USERS).to_owned(),
        groups: choices.some(USER_GROUPS, 0, 3),
        ..Identity::default()
    }
}

fn request<'a>(choices: &mut Choices, user: &'a Identity) -> Attributes<'a> {
    let verb = choices.one(&["get", "list", "create", "", "delete"]);
    let path = choices.one(&["/", "/healthz", "/healthz/ping", "/h", "/x", ""]);
    Attributes {
        is_resource_request: choices.below(5) != 0,
        namespace: choices.one(NAMESPACES),
        api_group: choices.one(&["", "apps", "batch"]),
        resource: choices.one(&["secrets", "pods", ""]),
        subresource: choices.one(&["", "", "log"]),
        name: choices.one(&["", "a", "b", "c"]),
        ..Attributes::for_path(user, verb, path)
    }
}

#[test]
fn the_index_decides_as_a_scan_of_everything_does() {
    let mut allowed = 0;
    for seed in 1..=POLICIES {
        let mut choices = Choices(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let (indexed, naive) = policies(&mut choices);
        for _ in 0..REQUESTS {
            let user = user(&mut choices);
            let request = request(&mut choices, &user);
            let expected = naive.allows(&request);
            let decision = indexed.authorize(&request);
            let got = matches!(decision, Decision::Allow { .. });
            assert_eq!(got, expected, "seed {seed}: {request:?}: {decision:?}");
            let explanation = indexed.explain(&request);
            assert_eq!(explanation.is_allowed(), expected, "seed {seed}: {explanation}");
            allowed += usize::from(expected);
        }
    }
    let cases = POLICIES as usize * REQUESTS;
    assert!(
        allowed > cases / 20 && allowed < cases / 2,
        "{allowed} of {cases} allowed: the cases are lopsided"
    );
}

#[test]
fn a_policy_that_is_emptied_allows_nothing() {
    let mut choices = Choices(42);
    let (mut indexed, naive) = policies(&mut choices);
    for role in &naive.roles {
        indexed.remove_role(&role.namespace, &role.name);
    }
    for binding in &naive.bindings {
        indexed.remove_binding(&binding.namespace, &binding.name);
    }
    assert_eq!((indexed.roles().count(), indexed.bindings().count()), (0, 0));
    for _ in 0..1_000 {
        let user = user(&mut choices);
        let decision = indexed.authorize(&request(&mut choices, &user));
        let nothing = Decision::NoOpinion {
            reason: String::new(),
        };
        assert_eq!(decision, nothing);
    }
}
