//! Events, in their core form (`v1`) and as `events.k8s.io/v1`. Both are stored as core events (encryption-at-rest §5.2).

use jiff::Timestamp;
use strongroom_objects::{ColumnDefinition, FieldError, Map, Object, Value};

use strongroom_objects::names::qualified_name;

use crate::names::NameRule;
use crate::printing;
use crate::resource::{ALL_VERBS, Resource, StoredAs, Strategy};

/// The row of core events.
pub static EVENTS: Resource = Resource {
    group: "",
    version: "v1",
    kind: "Event",
    plural: "events",
    singular: "event",
    short_names: &["ev"],
    categories: &[],
    namespaced: true,
    verbs: ALL_VERBS,
    subresources: &[],
    storage: STORED,
    name_rule: NameRule::Subdomain,
    returns_deleted_object: false,
    create_on_update: true,
    unconditional_update: true,
    selectable_fields: &[
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ],
    strategy: &Events { regarding: false },
};

/// The row of `events.k8s.io/v1` events.
pub static EVENTS_K8S_IO: Resource = Resource {
    group: "events.k8s.io",
    version: "v1",
    kind: "Event",
    plural: "events",
    singular: "event",
    short_names: &["ev"],
    categories: &[],
    namespaced: true,
    verbs: ALL_VERBS,
    subresources: &[],
    storage: STORED,
    name_rule: NameRule::Subdomain,
    returns_deleted_object: false,
    create_on_update: true,
    unconditional_update: true,
    selectable_fields: &[
        "regarding.kind",
        "regarding.namespace",
        "regarding.name",
        "regarding.uid",
        "regarding.apiVersion",
        "regarding.resourceVersion",
        "regarding.fieldPath",
        "reason",
        "reportingController",
        "type",
    ],
    strategy: &Events { regarding: true },
};

const STORED: StoredAs = StoredAs {
    path: "events",
    api_version: "v1",
    kind: "Event",
};

/// Names of the same field in `events.k8s.io/v1` and in core `v1`.
const RENAMED: [(&str, &str); 7] = [
    ("regarding", "involvedObject"),
    ("note", "message"),
    ("reportingController", "reportingComponent"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
];

struct Events {
    /// Whether this is the `events.k8s.io` form.
    regarding: bool,
}

impl Events {
    fn subject_field(&self) -> &'static str {
        if self.regarding {
            "regarding"
        } else {
            "involvedObject"
        }
    }
}

impl Strategy for Events {
    fn validate(&self, object: &Object, errors: &mut Vec<FieldError>) {
        validate_namespace(object, self.subject_field(), errors);
        // Only the newer form is strict; core events of older clients lack all of this.
        if self.regarding && object.metadata.resource_version.is_empty() {
            validate_strictly(object, errors);
        }
    }

    fn selectable_field(&self, object: &Object, path: &str) -> Option<String> {
        if path == "source" {
            let component = text(object, &["source", "component"]);
            return Some(
                if component.is_empty() {
                    text(object, &["reportingComponent"])
                } else {
                    component
                }
                .to_owned(),
            );
        }
        Some(text(object, &path.split('.').collect::<Vec<_>>()).to_owned())
    }

    fn selected_by(&self) -> &'static [&'static str] {
        // `source`, where an event names none.
        &["reportingComponent"]
    }

    fn to_stored(&self, object: Object) -> Object {
        if self.regarding {
            rename(object, "v1", |(new, old)| (*new, *old))
        } else {
            object
        }
    }

    fn to_served(&self, object: Object) -> Object {
        if self.regarding {
            rename(object, "events.k8s.io/v1", |(new, old)| (*old, *new))
        } else {
            object
        }
    }

    fn stored_as_served(&self) -> bool {
        !self.regarding
    }

    fn columns(&self) -> Vec<ColumnDefinition> {
        let column =
            |name, description, priority| ColumnDefinition::new(name, "string", "", description, priority);
        vec![
            column("Last Seen", "Time since it last happened.", 0),
            column("Type", "Normal or Warning.", 0),
            column("Reason", "Why, in one word for machines.", 0),
            column("Object", "What it happened to.", 0),
            column("Subobject", "Part of the object, such as one container.", 1),
            column("Source", "Who reported it.", 1),
            column("Message", "What happened, for people.", 0),
            column("First Seen", "Time since it first happened.", 1),
            column("Count", "How often it happened.", 1),
            ColumnDefinition::new("Name", "string", "name", "Name of the event itself.", 1),
        ]
    }

    fn cells(&self, object: &Object, now: Timestamp) -> Vec<Value> {
        let core = if self.regarding {
            rename(object.clone(), "v1", |(new, old)| (*new, *old))
        } else {
            object.clone()
        };
        core_cells(&core, now)
    }
}

fn core_cells(object: &Object, now: Timestamp) -> Vec<Value> {
    let event_time = some_text(object, &["eventTime"]);
    let first = some_text(object, &["firstTimestamp"]).or(event_time);
    let last = some_text(object, &["series", "lastObservedTime"])
        .or_else(|| some_text(object, &["lastTimestamp"]))
        .or(first);
    let count = at(object, &["series", "count"])
        .or_else(|| at(object, &["count"]))
        .and_then(Value::as_i64);
    let kind = text(object, &["involvedObject", "kind"]).to_lowercase();
    let subject = match text(object, &["involvedObject", "name"]) {
        "" => kind,
        name => format!("{kind}/{name}"),
    };
    vec![
        printing::since(last, now),
        text(object, &["type"]).into(),
        text(object, &["reason"]).into(),
        subject.into(),
        text(object, &["involvedObject", "fieldPath"]).into(),
        source(object).into(),
        text(object, &["message"]).trim().into(),
        printing::since(first, now),
        count.unwrap_or(1).max(1).into(),
        object.metadata.name.clone().into(),
    ]
}

fn source(object: &Object) -> String {
    let (component, host) = (
        text(object, &["source", "component"]),
        text(object, &["source", "host"]),
    );
    let (component, host) = if component.is_empty() {
        (
            text(object, &["reportingComponent"]),
            text(object, &["reportingInstance"]),
        )
    } else {
        (component, host)
    };
    [component, host]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(", ")
}

fn rename(
    mut object: Object,
    api_version: &str,
    direction: impl Fn(&(&'static str, &'static str)) -> (&'static str, &'static str),
) -> Object {
    object.api_version = api_version.to_owned();
    let renamed: Map = std::mem::take(&mut object.body)
        .into_iter()
        .map(|(field, value)| {
            let target = RENAMED.iter().map(&direction).find(|(from, _)| *from == field);
            (target.map_or(field, |(_, to)| to.to_owned()), value)
        })
        .collect();
    object.body = renamed;
    object
}

fn validate_namespace(object: &Object, subject: &str, errors: &mut Vec<FieldError>) {
    let involved = text(object, &[subject, "namespace"]);
    let own = object.metadata.namespace.as_str();
    // Events about cluster-scoped objects live in `default` or `kube-system`.
    let fits = if involved.is_empty() {
        matches!(own, "default" | "kube-system")
    } else {
        involved == own
    };
    if !fits {
        errors.push(FieldError::invalid(
            "involvedObject.namespace",
            involved,
            "does not match event.namespace",
        ));
    }
}

fn validate_strictly(object: &Object, errors: &mut Vec<FieldError>) {
    if text(object, &["eventTime"]).is_empty() {
        errors.push(FieldError::required("eventTime", ""));
    }
    let kind = text(object, &["type"]);
    if !matches!(kind, "Normal" | "Warning") {
        errors.push(FieldError::invalid(
            "type",
            "",
            &format!("has invalid value: {kind}"),
        ));
    }
    let controller = text(object, &["reportingController"]);
    if controller.is_empty() {
        errors.push(FieldError::required("reportingController", ""));
    } else {
        for problem in qualified_name(controller) {
            errors.push(FieldError::invalid("reportingController", controller, &problem));
        }
    }
    for field in ["reportingInstance", "action", "reason"] {
        let value = text(object, &[field]);
        if value.is_empty() {
            errors.push(FieldError::required(field, ""));
        } else if value.len() > 128 {
            errors.push(FieldError::invalid(field, "", "can have at most 128 characters"));
        }
    }
    if text(object, &["note"]).len() > 1024 {
        errors.push(FieldError::invalid(
            "note",
            "",
            "can have at most 1024 characters",
        ));
    }
}

fn at<'a>(object: &'a Object, path: &[&str]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    rest.iter()
        .try_fold(object.body.get(*first)?, |value, field| value.get(field))
}

fn some_text<'a>(object: &'a Object, path: &[&str]) -> Option<&'a str> {
    at(object, path).and_then(Value::as_str)
}

fn text<'a>(object: &'a Object, path: &[&str]) -> &'a str {
    some_text(object, path).unwrap_or_default()
}
