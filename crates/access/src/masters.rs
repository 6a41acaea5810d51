//! The policy before there is a policy: masters may everything.

use crate::{Attributes, Authorizer, Decision, group};

/// What anybody may read, credentials or not: Kubernetes' `system:public-info-viewer`
/// (api-conventions.md §2.3).
const PUBLIC_PATHS: &[&str] = &["/healthz", "/livez", "/readyz", "/version", "/version/"];

/// Allows everything to the group `system:masters` and the public paths to everybody; has no
/// opinion on anything else.
#[derive(Debug, Clone, Copy, Default)]
pub struct MastersOnly;

impl Authorizer for MastersOnly {
    fn authorize(&self, attributes: &Attributes<'_>) -> Decision {
        if attributes.user.is_in(group::MASTERS) {
            return Decision::Allow {
                reason: String::new(),
            };
        }
        if is_public(attributes) {
            return Decision::Allow {
                reason: "the path may be read by anyone".to_owned(),
            };
        }
        Decision::NoOpinion {
            reason: String::new(),
        }
    }
}

fn is_public(attributes: &Attributes<'_>) -> bool {
    !attributes.is_resource_request && attributes.verb == "get" && PUBLIC_PATHS.contains(&attributes.path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Identity;

    fn check(attributes: Attributes<'_>, allowed: bool) {
        let decision = MastersOnly.authorize(&attributes);
        assert_eq!(
            matches!(decision, Decision::Allow { .. }),
            allowed,
            "{attributes:?}"
        );
        assert!(!matches!(decision, Decision::Deny { .. }));
    }

    #[test]
    fn masters_may_everything_and_others_read_public_paths() {
        let anonymous = &Identity::anonymous();
        let server = &Identity::api_server();
        let alice = &Identity {
            user: "system:masters".to_owned(),
            groups: vec![group::AUTHENTICATED.to_owned()],
            ..Identity::default()
        };
        for user in [anonymous, alice, server] {
            let master = std::ptr::eq(user, server);
            for path in ["/healthz", "/livez", "/readyz", "/version", "/version/"] {
                check(Attributes::for_path(user, "get", path), true);
                check(Attributes::for_path(user, "post", path), master);
            }
            for path in ["/", "/metrics", "/healthz/", "/readyz/ping", "/api", "/VERSION"] {
                check(Attributes::for_path(user, "get", path), master);
            }
            let secret = Attributes {
                is_resource_request: true,
                resource: "secrets",
                ..Attributes::for_path(user, "get", "/version")
            };
            check(secret, master);
        }
    }
}
