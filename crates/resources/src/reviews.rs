//! What is asked and answered, and never kept: reviews of tokens and of access, and requests for tokens
//! (`../shared/spec/auth.md` §3.3, §3.4, §4). The API server answers them; here is only what they look like.

use crate::names::NameRule;
use crate::resource::{Resource, StoredAs, Strategy};

const AUTHENTICATION: &str = "authentication.k8s.io";
const AUTHENTICATION_V1: &str = "authentication.k8s.io/v1";
const AUTHORIZATION: &str = "authorization.k8s.io";
const AUTHORIZATION_V1: &str = "authorization.k8s.io/v1";

/// The row of token reviews: whose token is this?
pub static TOKEN_REVIEWS: Resource = question(
    AUTHENTICATION,
    AUTHENTICATION_V1,
    ["TokenReview", "tokenreviews", "tokenreview"],
);

/// The row of reviews of oneself: who am I?
pub static SELF_SUBJECT_REVIEWS: Resource = question(
    AUTHENTICATION,
    AUTHENTICATION_V1,
    ["SelfSubjectReview", "selfsubjectreviews", "selfsubjectreview"],
);

/// The row of access reviews: may somebody?
pub static SUBJECT_ACCESS_REVIEWS: Resource = question(
    AUTHORIZATION,
    AUTHORIZATION_V1,
    [
        "SubjectAccessReview",
        "subjectaccessreviews",
        "subjectaccessreview",
    ],
);

/// The row of access reviews within a namespace: may somebody, there?
pub static LOCAL_SUBJECT_ACCESS_REVIEWS: Resource = Resource {
    namespaced: true,
    ..question(
        AUTHORIZATION,
        AUTHORIZATION_V1,
        [
            "LocalSubjectAccessReview",
            "localsubjectaccessreviews",
            "localsubjectaccessreview",
        ],
    )
};

/// The row of access reviews of oneself: may I?
pub static SELF_SUBJECT_ACCESS_REVIEWS: Resource = question(
    AUTHORIZATION,
    AUTHORIZATION_V1,
    [
        "SelfSubjectAccessReview",
        "selfsubjectaccessreviews",
        "selfsubjectaccessreview",
    ],
);

/// The row of reviews of one's rules: what may I?
pub static SELF_SUBJECT_RULES_REVIEWS: Resource = question(
    AUTHORIZATION,
    AUTHORIZATION_V1,
    [
        "SelfSubjectRulesReview",
        "selfsubjectrulesreviews",
        "selfsubjectrulesreview",
    ],
);

/// What is posted to a service account's `token`. Not in the table: it has no URL of its own.
pub static TOKEN_REQUESTS: Resource = question(
    AUTHENTICATION,
    AUTHENTICATION_V1,
    ["TokenRequest", "serviceaccounts", "tokenrequest"],
);

const fn question(
    group: &'static str,
    api_version: &'static str,
    [kind, plural, singular]: [&'static str; 3],
) -> Resource {
    Resource {
        group,
        version: "v1",
        kind,
        plural,
        singular,
        short_names: &[],
        categories: &[],
        namespaced: false,
        verbs: &["create"],
        subresources: &[],
        storage: StoredAs {
            path: "",
            api_version,
            kind,
        },
        name_rule: NameRule::PathSegment,
        returns_deleted_object: false,
        create_on_update: false,
        unconditional_update: true,
        selectable_fields: &[],
        strategy: &Question,
    }
}

struct Question;

impl Strategy for Question {}
