//! What server-side apply needs to know of a place in an object: is it owned as a whole, and if not, how are
//! the things in it told apart (api-conventions §8)?

use serde_json::Value;
use strongroom_objects::schema::{Field, Kind, ListType, Type};
use thiserror::Error;

use crate::path::{PathElement, Scalar};

/// A place in an object.
#[derive(Clone, Copy)]
pub enum Shape<'a> {
    /// Fields of a struct, each owned for itself unless the struct is atomic.
    Struct {
        /// The struct.
        ty: &'a Type,
        /// Owned as a whole.
        atomic: bool,
    },
    /// Keys of a map, each owned for itself unless the map is atomic.
    Map {
        /// What the values are.
        values: &'a Kind,
        /// Owned as a whole.
        atomic: bool,
    },
    /// Elements of a list.
    List {
        /// What the elements are.
        elements: &'a Kind,
        /// How they are told apart.
        identity: Identity<'a>,
    },
    /// A value without parts.
    Scalar(ScalarKind),
    /// Any JSON, owned as a whole.
    Opaque,
}

/// How the elements of a list are told apart.
#[derive(Clone, Copy)]
pub enum Identity<'a> {
    /// Not at all: the list is owned as a whole.
    Atomic,
    /// By their value.
    Set,
    /// By the values of some of their fields.
    Keys(&'a [&'a str]),
}

/// Which JSON values a scalar may have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ScalarKind {
    /// `true` and `false`
    Bool,
    /// Numbers.
    Number,
    /// Strings.
    Text,
    /// Anything but lists and objects: quantities, times, ports by number or name.
    Any,
}

/// A list element that cannot be told apart from others.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IdentityError {
    /// `null` in a list whose elements have keys.
    #[error("associative list with keys may not have a null element")]
    NullElement,
    /// A scalar or list in a list whose elements have keys.
    #[error("associative list with keys may not have non-map elements")]
    NotAMap,
    /// A key is missing and has no default.
    #[error(
        "associative list with keys has an element that omits key field {0:?} (and doesn't have default value)"
    )]
    MissingKey(String),
    /// A key is a list or an object.
    #[error("associative list with keys has an element whose key field {0:?} is not a scalar")]
    StructuredKey(String),
    /// A list or object in a set.
    #[error("associative list without keys has an element that's not a scalar")]
    StructuredElement,
}

impl<'a> Shape<'a> {
    /// The place of a whole object.
    pub fn root(ty: &'a Type) -> Self {
        Shape::Struct {
            ty,
            atomic: ty.map_atomic,
        }
    }

    /// The place of the value of a field.
    pub fn of_field(field: &'a Field) -> Self {
        match Shape::of_kind(&field.kind) {
            Shape::Struct { ty, atomic } => Shape::Struct {
                ty,
                atomic: atomic || field.atomic,
            },
            Shape::Map { values, atomic } => Shape::Map {
                values,
                atomic: atomic || field.atomic,
            },
            Shape::List { elements, .. } => Shape::List {
                elements,
                identity: identity(field),
            },
            scalar => scalar,
        }
    }

    /// The place of a list's element or of a map's value.
    pub fn of_kind(kind: &'a Kind) -> Self {
        match kind {
            Kind::Bool => Shape::Scalar(ScalarKind::Bool),
            Kind::Int32 | Kind::Int64 | Kind::Float64 => Shape::Scalar(ScalarKind::Number),
            Kind::String | Kind::Bytes => Shape::Scalar(ScalarKind::Text),
            Kind::Time | Kind::MicroTime | Kind::Duration | Kind::Quantity | Kind::IntOrString => {
                Shape::Scalar(ScalarKind::Any)
            }
            Kind::FieldsV1 | Kind::RawExtension => Shape::Opaque,
            Kind::Message(ty) => Shape::root(ty.get()),
            Kind::Map(values) => Shape::Map {
                values,
                atomic: false,
            },
            Kind::List(elements) => Shape::List {
                elements,
                identity: Identity::Atomic,
            },
        }
    }

    /// Whether the place is owned as a whole.
    pub fn is_leaf(self) -> bool {
        match self {
            Shape::Struct { atomic, .. } | Shape::Map { atomic, .. } => atomic,
            Shape::List { identity, .. } => matches!(identity, Identity::Atomic),
            Shape::Scalar(_) | Shape::Opaque => true,
        }
    }

    /// The place of a member of a struct or map; `None` for a field that the struct does not have.
    pub fn member(self, name: &str) -> Option<Shape<'a>> {
        match self {
            Shape::Struct { ty, .. } => ty.field(name).map(Shape::of_field),
            Shape::Map { values, .. } => Some(Shape::of_kind(values)),
            _ => None,
        }
    }

    /// [`Shape::member`], for objects that may hold what the schema does not know.
    pub fn member_or_opaque(self, name: &str) -> Shape<'a> {
        self.member(name).unwrap_or(Shape::Opaque)
    }

    /// The place of one element of a list.
    pub fn element(self) -> Shape<'a> {
        match self {
            Shape::List { elements, .. } => Shape::of_kind(elements),
            _ => Shape::Opaque,
        }
    }

    /// Whether managed fields of the object stand in this member; they own nothing and nobody owns them.
    pub fn is_managed_fields(self, name: &str) -> bool {
        name == "managedFields" && matches!(self, Shape::Struct { ty, .. } if ty.go_name == "ObjectMeta")
    }

    /// What one element of a list is called in paths.
    ///
    /// # Errors
    /// When the element lacks what tells it apart.
    pub fn path_element(self, index: usize, element: &Value) -> Result<PathElement, IdentityError> {
        let Shape::List { elements, identity } = self else {
            return Ok(by_index(index));
        };
        match identity {
            Identity::Atomic => Ok(by_index(index)),
            Identity::Set => Scalar::of(element)
                .map(PathElement::Element)
                .ok_or(IdentityError::StructuredElement),
            Identity::Keys(keys) => by_keys(keys, elements, element),
        }
    }
}

/// What an element is called that nothing else tells apart.
pub fn by_index(index: usize) -> PathElement {
    PathElement::Index(i64::try_from(index).unwrap_or(i64::MAX))
}

/// `listType` decides; without it, the strategic merge key does.
fn identity(field: &Field) -> Identity<'_> {
    match (field.list_type, field.patch_merge_key) {
        (Some(ListType::Set), _) => Identity::Set,
        (Some(ListType::Map), _) => Identity::Keys(field.map_keys),
        (Some(ListType::Atomic), _) => Identity::Atomic,
        (None, Some(_)) if field.patch_strategy.merge => Identity::Keys(field.patch_merge_key.as_slice()),
        (None, None) if field.patch_strategy.merge => Identity::Set,
        (None, _) => Identity::Atomic,
    }
}

fn by_keys(keys: &[&str], elements: &Kind, element: &Value) -> Result<PathElement, IdentityError> {
    let members = match element {
        Value::Object(members) => members,
        Value::Null => return Err(IdentityError::NullElement),
        _ => return Err(IdentityError::NotAMap),
    };
    let mut values = Vec::with_capacity(keys.len());
    for key in keys {
        let value = match members.get(*key) {
            Some(value) => Scalar::of(value).ok_or_else(|| IdentityError::StructuredKey((*key).into()))?,
            None => default_of(elements, key).ok_or_else(|| IdentityError::MissingKey((*key).into()))?,
        };
        values.push(((*key).into(), value));
    }
    values.sort();
    Ok(PathElement::Key(values))
}

fn default_of(elements: &Kind, key: &str) -> Option<Scalar> {
    let Kind::Message(ty) = elements else {
        return None;
    };
    let default = serde_json::from_str(ty.field(key)?.default?).ok()?;
    Scalar::of(&default)
}
