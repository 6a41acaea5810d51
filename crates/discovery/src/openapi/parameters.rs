//! Parameters of operations, in the words a user of the API needs.

use std::borrow::Cow;

/// A parameter in the query or, if `required`, in the path of a request.
#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    pub(crate) name: Cow<'static, str>,
    /// JSON type: `string`, `boolean` or `integer`.
    pub(crate) value: &'static str,
    pub(crate) description: Cow<'static, str>,
    pub(crate) in_path: bool,
}

impl Parameter {
    pub(crate) fn path(name: &'static str, description: impl Into<Cow<'static, str>>) -> Self {
        Self {
            name: name.into(),
            value: "string",
            description: description.into(),
            in_path: true,
        }
    }

    pub(crate) fn query(row: &(&'static str, &'static str, &'static str)) -> Self {
        let (name, value, description) = *row;
        Self {
            name: name.into(),
            value,
            description: description.into(),
            in_path: false,
        }
    }
}

type Row = (&'static str, &'static str, &'static str);

pub(crate) const PRETTY: Row = (
    "pretty",
    "string",
    "If 'true', the answer is indented for people to read.",
);

const DRY_RUN: Row = (
    "dryRun",
    "string",
    "With the value All every stage of the request runs, but nothing is stored.",
);

const FIELD_MANAGER: Row = (
    "fieldManager",
    "string",
    "Who makes the change, as recorded in managedFields; at most 128 printable characters. \
     Apply patches must have it, for other requests it defaults to the start of the User-Agent.",
);

const FIELD_VALIDATION: Row = (
    "fieldValidation",
    "string",
    "What happens to unknown and duplicate fields: Ignore drops them silently, Warn (the default) \
     drops them with a Warning header each, Strict refuses the request.",
);

const FORCE: Row = (
    "force",
    "boolean",
    "Take over fields that other managers own. Only for apply patches.",
);

/// Query of create and update.
pub(crate) const WRITE: &[Row] = &[DRY_RUN, FIELD_MANAGER, FIELD_VALIDATION];

/// Query of patch.
pub(crate) const PATCH: &[Row] = &[DRY_RUN, FIELD_MANAGER, FIELD_VALIDATION, FORCE];

/// Query of delete.
pub(crate) const DELETE: &[Row] = &[
    DRY_RUN,
    (
        "gracePeriodSeconds",
        "integer",
        "Seconds before the object is deleted; zero deletes at once. Defaults to what the kind \
         of object says.",
    ),
    (
        "orphanDependents",
        "boolean",
        "Deprecated, use propagationPolicy. Whether objects owned by this one stay.",
    ),
    (
        "propagationPolicy",
        "string",
        "What happens to objects owned by this one: Orphan leaves them, Background deletes them \
         afterwards, Foreground deletes them first.",
    ),
];

const LABEL_SELECTOR: Row = (
    "labelSelector",
    "string",
    "Only objects whose labels match this selector.",
);
const FIELD_SELECTOR: Row = (
    "fieldSelector",
    "string",
    "Only objects whose fields match this selector.",
);
const LIMIT: Row = (
    "limit",
    "integer",
    "At most this many objects in one answer. If there are more, metadata.continue of the answer \
     asks for the rest, which is read from the same snapshot. Ignored by watch.",
);
const CONTINUE: Row = (
    "continue",
    "string",
    "Ask for what follows an earlier answer: its metadata.continue, with all other parameters \
     unchanged. Once that snapshot is gone the answer is 410 with a token to go on inconsistently.",
);
const RESOURCE_VERSION: Row = (
    "resourceVersion",
    "string",
    "How fresh the answer has to be, see resourceVersionMatch. A watch starts after this version.",
);
const RESOURCE_VERSION_MATCH: Row = (
    "resourceVersionMatch",
    "string",
    "How resourceVersion is meant: Exact or NotOlderThan.",
);
const SEND_INITIAL_EVENTS: Row = (
    "sendInitialEvents",
    "boolean",
    "Start a watch with an event for every present object, followed by a bookmark annotated \
     k8s.io/initial-events-end if bookmarks are allowed. Needs resourceVersionMatch=NotOlderThan.",
);
const TIMEOUT_SECONDS: Row = (
    "timeoutSeconds",
    "integer",
    "Seconds after which the server ends the list or watch.",
);

/// Query of list.
pub(crate) const LIST: &[Row] = &[
    CONTINUE,
    FIELD_SELECTOR,
    LABEL_SELECTOR,
    LIMIT,
    RESOURCE_VERSION,
    RESOURCE_VERSION_MATCH,
    SEND_INITIAL_EVENTS,
    TIMEOUT_SECONDS,
];

/// What list understands on top, when it can watch.
pub(crate) const WATCH: &[Row] = &[
    (
        "allowWatchBookmarks",
        "boolean",
        "Let the server send BOOKMARK events, which carry nothing but a resourceVersion.",
    ),
    (
        "watch",
        "boolean",
        "Answer with a stream of changes after resourceVersion instead of a list.",
    ),
];

/// What deletecollection understands on top of [`DELETE`].
pub(crate) const DELETE_COLLECTION: &[Row] = &[
    CONTINUE,
    FIELD_SELECTOR,
    LABEL_SELECTOR,
    LIMIT,
    RESOURCE_VERSION,
    RESOURCE_VERSION_MATCH,
    TIMEOUT_SECONDS,
];
