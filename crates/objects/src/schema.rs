//! The descriptor table: every type of the Kubernetes API groups that Strongroom speaks.
//!
//! Generated from Kubernetes' Go types by `tools/schema-generator`; the table lives in `data/schema.txt` and is
//! parsed once, in about a millisecond.

mod description;
mod parse;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::LazyLock;

pub use description::description;

/// No type has more fields than this; codecs keep per-field state on the stack.
pub(crate) const MAX_FIELDS: usize = 64;

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| parse::parse(include_str!("../data/schema.txt")));

/// The table.
pub fn schema() -> &'static Schema {
    &SCHEMA
}

/// All known types.
#[derive(Debug)]
pub struct Schema {
    types: Vec<Type>,
    by_name: BTreeMap<&'static str, usize>,
    /// By kind, group and version: the kind first, which differs most.
    by_kind: BTreeMap<(&'static str, &'static str, &'static str), usize>,
}

impl Schema {
    /// The top-level type of a group, version and kind: objects, their lists, `Status`, `DeleteOptions` and so on.
    pub fn kind(&self, group: &str, version: &str, kind: &str) -> Option<&'static Type> {
        // A key of 'static strings would be needed to look up by reference; the tree is borrowed covariantly instead.
        let by_kind: &BTreeMap<(&str, &str, &str), usize> = &self.by_kind;
        by_kind
            .get(&(kind, group, version))
            .map(|index| &schema().types[*index])
    }

    /// The type with an OpenAPI model name such as `io.k8s.api.core.v1.Secret`.
    pub fn type_named(&self, model_name: &str) -> Option<&'static Type> {
        self.by_name.get(model_name).map(|index| &schema().types[*index])
    }

    /// Every type, ordered by model name.
    pub fn types(&self) -> impl Iterator<Item = &'static Type> + use<> {
        schema().types.iter()
    }
}

/// A group, a version and a kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupVersionKind {
    /// Empty for the core group.
    pub group: String,
    /// `v1`.
    pub version: String,
    /// `Secret`.
    pub kind: String,
}

impl GroupVersionKind {
    /// The `apiVersion` of objects of this kind: `v1` or `group/version`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// Splits an `apiVersion` into group and version; `None` when it has more than one slash.
    pub fn from_api_version(api_version: &str, kind: &str) -> Option<GroupVersionKind> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let gvk = || GroupVersionKind {
            group: group.into(),
            version: version.into(),
            kind: kind.into(),
        };
        (!version.contains('/')).then(gvk)
    }
}

/// As Kubernetes prints it: `rbac.authorization.k8s.io/v1, Kind=Role`, `/v1, Kind=Secret`.
impl fmt::Display for GroupVersionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}, Kind={}", self.group, self.version, self.kind)
    }
}

/// A struct of the Kubernetes API.
#[derive(Debug)]
pub struct Type {
    /// `io.k8s.api.core.v1.Secret`.
    pub model_name: &'static str,
    /// `Secret`.
    pub go_name: &'static str,
    /// In Go's struct order, which is the order of JSON members. Embedded structs are kept, see [`Field::inline`].
    pub fields: Vec<Field>,
    /// The kinds this type is registered as; `DeleteOptions` has one for every group.
    pub gvks: Vec<GroupVersionKind>,
    /// Server-side apply owns values of this type as a whole (`+structType=atomic`).
    pub map_atomic: bool,
    /// Indices into `fields` by ascending protobuf field number, without those that have none.
    pub(crate) by_number: Vec<u8>,
    /// Field number → index into `fields` + 1; 0 where there is none.
    pub(crate) number_index: Vec<u8>,
    /// JSON name → field, looking through embedded structs; ordered by name.
    json_index: Vec<(&'static str, FieldRef)>,
}

/// The place of a field: index of its type and index in that.
#[derive(Clone, Copy, Debug)]
struct FieldRef(u16, u8);

impl FieldRef {
    fn get(self) -> &'static Field {
        &schema().types[usize::from(self.0)].fields[usize::from(self.1)]
    }
}

impl Type {
    /// The field with a JSON name; looks through embedded structs.
    pub fn field(&self, json_name: &str) -> Option<&'static Field> {
        let index = self
            .json_index
            .binary_search_by(|(name, _)| (*name).cmp(json_name))
            .ok()?;
        Some(self.json_index[index].1.get())
    }

    /// The fields as JSON has them: embedded structs are replaced by their fields.
    pub fn json_fields(&'static self) -> Box<dyn Iterator<Item = &'static Field>> {
        Box::new(self.fields.iter().flat_map(|field| match &field.kind {
            Kind::Message(embedded) if field.inline => embedded.get().json_fields(),
            _ => Box::new(std::iter::once(field)),
        }))
    }

    /// The field with a protobuf number. Numbers inside embedded structs belong to those.
    pub fn field_numbered(&self, number: u32) -> Option<&Field> {
        self.index_of_number(number).map(|index| &self.fields[index])
    }

    pub(crate) fn index_of_number(&self, number: u32) -> Option<usize> {
        let entry = *self.number_index.get(usize::try_from(number).ok()?)?;
        usize::from(entry).checked_sub(1)
    }
}

/// A field of a [`Type`].
#[derive(Debug)]
pub struct Field {
    /// The name of the JSON member; empty for an embedded struct.
    pub json_name: &'static str,
    /// The name in Go.
    pub go_name: &'static str,
    /// The protobuf field number; 0 when protobuf does not carry the field.
    pub number: u32,
    /// What the field holds.
    pub kind: Kind,
    /// A pointer in Go: "absent" differs from the zero value.
    pub pointer: bool,
    /// JSON leaves the zero value out (structs excepted, as in Go).
    pub omit_empty: bool,
    /// JSON leaves a zero struct out too.
    pub omit_zero: bool,
    /// An embedded struct: a nested message in protobuf, flattened in JSON.
    pub inline: bool,
    /// Marked `+optional`.
    pub optional: bool,
    /// A named Go list (`Verbs`, `ExtraValue`), which protobuf wraps in a message `{items=1}`. In a map of such
    /// lists the values are always wrapped.
    pub wrapped: bool,
    /// How server-side apply merges the list.
    pub list_type: Option<ListType>,
    /// The key fields of a [`ListType::Map`].
    pub map_keys: &'static [&'static str],
    /// Server-side apply owns the struct, map or list as a whole because the field says so. See also
    /// [`Type::map_atomic`].
    pub atomic: bool,
    /// The key of a strategic merge.
    pub patch_merge_key: Option<&'static str>,
    /// How a strategic merge patch treats the field.
    pub patch_strategy: PatchStrategy,
    /// The default in the API definition, as JSON text. Most defaults are not declared there.
    pub default: Option<&'static str>,
    /// The values of an enum type, sorted; empty for other types.
    pub enum_values: &'static [&'static str],
}

/// `+listType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListType {
    /// Owned as a whole.
    Atomic,
    /// Of distinct scalars.
    Set,
    /// Of structs that are told apart by key fields.
    Map,
}

/// `patchStrategy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PatchStrategy {
    /// Lists are merged by element.
    pub merge: bool,
    /// Only the keys named by `$retainKeys` stay.
    pub retain_keys: bool,
    /// The value is replaced as a whole.
    pub replace: bool,
}

/// What a field holds, and so how the codecs treat it.
#[derive(Debug, PartialEq, Eq)]
pub enum Kind {
    /// A boolean.
    Bool,
    /// A 32-bit integer.
    Int32,
    /// A 64-bit integer.
    Int64,
    /// A floating-point number.
    Float64,
    /// A string.
    String,
    /// Bytes; base64 in JSON.
    Bytes,
    /// A time in whole seconds, RFC 3339.
    Time,
    /// A time in microseconds, RFC 3339 with six digits.
    MicroTime,
    /// A Go duration, `1h0m0s`.
    Duration,
    /// A quantity such as `100m`; string or number in JSON.
    Quantity,
    /// An int32 or a string.
    IntOrString,
    /// The field set of a managedFields entry: any JSON.
    FieldsV1,
    /// Any JSON.
    RawExtension,
    /// A struct.
    Message(TypeRef),
    /// A list.
    List(Box<Kind>),
    /// A map with string keys.
    Map(Box<Kind>),
}

/// A reference to a type of the table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TypeRef(u16);

impl TypeRef {
    /// The type.
    pub fn get(self) -> &'static Type {
        &schema().types[usize::from(self.0)]
    }
}

impl Deref for TypeRef {
    type Target = Type;

    fn deref(&self) -> &Type {
        self.get()
    }
}

/// Types are recursive (`JSONSchemaProps` and the like), so only the name is printed.
impl fmt::Debug for TypeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TypeRef({})", self.0)
    }
}
