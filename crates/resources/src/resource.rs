//! What a resource is: one row of facts and one [`Strategy`] over the one generic pipeline.

use std::fmt;

use jiff::Timestamp;
use strongroom_objects::{
    ColumnDefinition, FieldError, Object, ObjectMeta, TableRowCondition, Type, Value, schema,
};

use crate::names::NameRule;

/// Everything that the generic pipeline needs to know about one served resource.
pub struct Resource {
    /// API group; empty for core.
    pub group: &'static str,
    /// Served version.
    pub version: &'static str,
    /// Kind of one object.
    pub kind: &'static str,
    /// Name in URLs.
    pub plural: &'static str,
    /// Name of one, for `kubectl get secret`.
    pub singular: &'static str,
    /// Abbreviations kubectl accepts.
    pub short_names: &'static [&'static str],
    /// Groups of resources kubectl accepts, such as `all`.
    pub categories: &'static [&'static str],
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// Verbs of the resource itself.
    pub verbs: &'static [&'static str],
    /// Parts of an object with an endpoint of their own.
    pub subresources: &'static [Subresource],
    /// How objects are kept.
    pub storage: StoredAs,
    /// How objects may be named.
    pub name_rule: NameRule,
    /// DELETE answers with the object rather than with a Status (api-conventions §9).
    pub returns_deleted_object: bool,
    /// PUT of a missing object creates it (leases, events).
    pub create_on_update: bool,
    /// PUT without a resourceVersion is allowed (everything but leases).
    pub unconditional_update: bool,
    /// Field selectors accepted besides `metadata.name` and `metadata.namespace`.
    pub selectable_fields: &'static [&'static str],
    /// What makes this resource different from the others.
    pub strategy: &'static dyn Strategy,
}

/// The stored form: Kubernetes' own key and the kind that is encoded under it (encryption-at-rest §5).
pub struct StoredAs {
    /// Path below `/registry/`.
    pub path: &'static str,
    /// `apiVersion` of the stored object.
    pub api_version: &'static str,
    /// Kind of the stored object.
    pub kind: &'static str,
}

/// A part of an object with an endpoint of its own.
pub struct Subresource {
    /// Last path segment, such as `status`.
    pub name: &'static str,
    /// Verbs it answers.
    pub verbs: &'static [&'static str],
    /// What is sent to it, where that is not the object itself.
    pub payload: Option<&'static Resource>,
}

/// What the planners may know about the moment and the caller; given by the shell so that planning stays pure.
#[derive(Debug, Clone)]
pub struct Context {
    /// The moment of the request.
    pub now: Timestamp,
    /// Who writes, for managed fields: `fieldManager` or the start of the User-Agent.
    pub manager: String,
    /// A fresh version-4 UUID, used when an object is created.
    pub uid: String,
    /// Five random characters for `generateName`.
    pub name_suffix: String,
}

impl Context {
    /// `now` in seconds, as `metadata.creationTimestamp` is written.
    pub fn timestamp(&self) -> String {
        strongroom_objects::time::seconds(self.now)
    }
}

/// The verbs of an ordinary resource.
pub const ALL_VERBS: &[&str] = &[
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];

/// What one resource does differently. Every method has the answer of a resource without peculiarities.
pub trait Strategy: Sync + Send {
    /// Fills what an object of this kind always has, after every decoding.
    fn default_fields(&self, _object: &mut Object) {}

    /// Folds write-only fields into what is stored (`stringData` into `data`).
    fn fold(&self, _object: &mut Object) {}

    /// Sets what only the server may set on a new object.
    fn prepare_create(&self, _object: &mut Object) {}

    /// Takes back what this write may not change. `subresource` is empty for the object itself.
    fn prepare_update(&self, _new: &mut Object, _old: &Object, _subresource: &str) {}

    /// Sets the times that a write leaves to the server.
    fn set_times(&self, _new: &mut Object, _old: &Object, _subresource: &str, _now: Timestamp) {}

    /// Everything that is wrong with the object, whatever it was before.
    fn validate(&self, _object: &Object, _errors: &mut Vec<FieldError>) {}

    /// Everything that is wrong with the change from `old` to `new`. `subresource` is empty for the object itself.
    fn validate_update(
        &self,
        _new: &Object,
        _old: &Object,
        _subresource: &str,
        _errors: &mut Vec<FieldError>,
    ) {
    }

    /// Texts for `Warning` headers.
    fn warnings(&self, _object: &Object) -> Vec<String> {
        Vec::new()
    }

    /// Whether something beside `metadata.finalizers` still holds a deleted object (a namespace's `spec.finalizers`).
    fn is_held(&self, _object: &Object) -> bool {
        false
    }

    /// Seconds that a deleted object is given to end by itself, where the client asks for `requested`; `None` for kinds
    /// that go at once (pods-and-kubelet §5.6).
    fn grace_period(&self, _object: &Object, _requested: Option<i64>) -> Option<i64> {
        None
    }

    /// Marks an object whose deletion has begun (a namespace's phase).
    fn mark_deleting(&self, _object: &mut Object) {}

    /// Value of a selectable field; `None` where the field is not set.
    ///
    /// Looks at no members of the object but those that paths begin with, and those in [`Strategy::selected_by`].
    fn selectable_field(&self, _object: &Object, _path: &str) -> Option<String> {
        None
    }

    /// Members that selectable fields come from, beside those that their paths begin with.
    fn selected_by(&self) -> &'static [&'static str] {
        &[]
    }

    /// From the served version to the stored one.
    fn to_stored(&self, object: Object) -> Object {
        object
    }

    /// From the stored version to the served one.
    fn to_served(&self, object: Object) -> Object {
        object
    }

    /// Whether the stored form is the served form, so that answers can be written without a tree.
    fn stored_as_served(&self) -> bool {
        true
    }

    /// Columns of a Table (api-conventions §15).
    fn columns(&self) -> Vec<ColumnDefinition> {
        vec![
            crate::printing::name_column(),
            ColumnDefinition::new("Created At", "date", "", crate::printing::CREATION_TIMESTAMP, 0),
        ]
    }

    /// Cells of an object's row, one for each column.
    fn cells(&self, object: &Object, _now: Timestamp) -> Vec<Value> {
        let created = object.metadata.creation_timestamp.clone();
        vec![
            object.metadata.name.clone().into(),
            created.map_or(Value::Null, Value::from),
        ]
    }

    /// States of an object's whole row (api-conventions §15).
    fn row_conditions(&self, _object: &Object) -> Vec<TableRowCondition> {
        Vec::new()
    }
}

impl Resource {
    /// `v1`, or `group/version`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// `secrets`, or `leases.coordination.k8s.io`: how messages name the resource.
    pub fn group_resource(&self) -> String {
        qualified(self.plural, self.group)
    }

    /// `Secret`, or `Lease.coordination.k8s.io`: how validation messages name the kind.
    pub fn group_kind(&self) -> String {
        qualified(self.kind, self.group)
    }

    /// An object of this kind that has a name and nothing else.
    pub fn new_object(&self, name: &str) -> Object {
        let metadata = ObjectMeta {
            name: name.to_owned(),
            ..ObjectMeta::default()
        };
        Object {
            api_version: self.api_version(),
            kind: self.kind.to_owned(),
            metadata,
            ..Object::default()
        }
    }

    /// Kind of a list.
    pub fn list_kind(&self) -> String {
        format!("{}List", self.kind)
    }

    /// Descriptor of the served kind.
    pub fn served_type(&self) -> &'static Type {
        known_type(self.group, self.version, self.kind)
    }

    /// Descriptor of the stored kind.
    pub fn stored_type(&self) -> &'static Type {
        let (group, version) = self
            .storage
            .api_version
            .split_once('/')
            .unwrap_or(("", self.storage.api_version));
        known_type(group, version, self.storage.kind)
    }

    /// Storage key of one object.
    pub fn key(&self, namespace: &str, name: &str) -> String {
        let mut key = self.prefix(namespace);
        key.push_str(name);
        key
    }

    /// Prefix of the storage keys of a namespace's objects, or of all when `namespace` is empty.
    pub fn prefix(&self, namespace: &str) -> String {
        let path = self.storage.path;
        if self.namespaced && !namespace.is_empty() {
            format!("/registry/{path}/{namespace}/")
        } else {
            format!("/registry/{path}/")
        }
    }

    /// Whether objects are kept, rather than answered and forgotten.
    pub fn is_kept(&self) -> bool {
        self.allows("get")
    }

    /// Whether the resource itself answers `verb`.
    pub fn allows(&self, verb: &str) -> bool {
        self.verbs.contains(&verb)
    }

    /// The subresource called `name`.
    pub fn subresource(&self, name: &str) -> Option<&Subresource> {
        self.subresources
            .iter()
            .find(|subresource| subresource.name == name)
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.group_resource())
    }
}

fn qualified(name: &str, group: &str) -> String {
    if group.is_empty() {
        name.to_owned()
    } else {
        format!("{name}.{group}")
    }
}

// A row that names a kind outside the schema is a mistake in the table, found by the test over the table.
fn known_type(group: &str, version: &str, kind: &str) -> &'static Type {
    schema()
        .kind(group, version, kind)
        .unwrap_or_else(|| panic!("no schema for {group}/{version} {kind}"))
}
