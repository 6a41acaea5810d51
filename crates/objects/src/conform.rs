//! Makes a tree fit its type, as decoding into the Go struct and encoding it again would: the result is what a read
//! of the stored object gives (secrets.md §1).

#[cfg(test)]
mod tests;
mod value;

use std::fmt;

use crate::json::{Path, Segment};
use crate::zero::{fill_zeros, is_left_out};
use crate::{Field, Kind, Map, Type, Value};

/// More unknown fields than these tell nobody anything.
const MAX_UNKNOWN: usize = 100;

/// A tree that fits its type.
#[derive(Clone, PartialEq)]
pub struct Conformed {
    /// Without nulls, unknown fields and what Go's JSON leaves out; with the zero values that it writes.
    pub value: Map,
    /// Paths of the unknown fields, such as `metadata.ownerReferences[0].x`; at most 100.
    pub unknown: Vec<String>,
}

/// Shape only: the value may be secret.
impl fmt::Debug for Conformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conformed")
            .field("unknown", &self.unknown.len())
            .finish_non_exhaustive()
    }
}

/// Why a tree does not fit, in Go's words but without values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConformError {
    /// A value of the wrong type in a field.
    #[error("json: cannot unmarshal {found} into Go struct field {owner}.{field} of type {wanted}")]
    Field {
        /// `number`, `string`, `object`, `array` or `bool`.
        found: &'static str,
        /// The struct that has the field.
        owner: &'static str,
        /// The way to the field from the root, without indices and map keys.
        field: String,
        /// The Go type.
        wanted: String,
    },
    /// The whole is no object.
    #[error("json: cannot unmarshal {found} into Go value of type {wanted}")]
    Root {
        /// As above.
        found: &'static str,
        /// As above.
        wanted: String,
    },
    /// Bytes that are not base64.
    #[error("illegal base64 data at input byte {0}")]
    Base64(usize),
    /// A time that is not RFC 3339.
    #[error("parsing time in {0}: it is not an RFC 3339 time")]
    Time(String),
    /// Not a quantity.
    #[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
    Quantity,
    /// Not a duration.
    #[error("time: invalid duration in {0}")]
    Duration(String),
}

/// Makes a JSON tree fit a type.
pub fn conform(ty: &'static Type, value: Value) -> Result<Conformed, ConformError> {
    let mut conformer = Conformer {
        unknown: Vec::new(),
        scratch: None,
    };
    let Value::Object(mut object) = value else {
        let wanted = value::go_type_name(ty);
        return Err(ConformError::Root {
            found: value::found(&value),
            wanted,
        });
    };
    conformer.object(ty, &mut object, &Path::ROOT)?;
    Ok(Conformed {
        value: object,
        unknown: conformer.unknown,
    })
}

struct Conformer {
    unknown: Vec<String>,
    /// The first error; closures that walk maps cannot return one.
    scratch: Option<ConformError>,
}

/// Where a value stands.
struct Place<'a> {
    owner: &'static str,
    path: &'a Path<'a>,
}

impl Place<'_> {
    fn mismatch(&self, value: &Value, wanted: &Kind) -> ConformError {
        self.mismatch_named(value, value::go_type(wanted))
    }

    fn mismatch_named(&self, value: &Value, wanted: String) -> ConformError {
        ConformError::Field {
            found: value::found(value),
            owner: self.owner,
            field: self.path.fields(),
            wanted,
        }
    }
}

impl Conformer {
    fn object(&mut self, ty: &'static Type, object: &mut Map, path: &Path) -> Result<(), ConformError> {
        object.retain(|name, value| {
            if self.scratch.is_some() {
                return true;
            }
            let path = path.child(Segment::Key(name));
            let Some(field) = ty.field(name) else {
                self.note_unknown(&path);
                return false;
            };
            let place = Place {
                owner: ty.go_name,
                path: &path,
            };
            match self.field(field, value, &place) {
                Ok(keep) => keep,
                Err(error) => {
                    self.scratch = Some(error);
                    true
                }
            }
        });
        if let Some(error) = self.scratch.take() {
            return Err(error);
        }
        fill_zeros(ty, object);
        Ok(())
    }

    fn note_unknown(&mut self, path: &Path) {
        if self.unknown.len() < MAX_UNKNOWN {
            self.unknown.push(path.text());
        }
    }

    /// Whether the field is kept.
    fn field(
        &mut self,
        field: &'static Field,
        value: &mut Value,
        place: &Place,
    ) -> Result<bool, ConformError> {
        if value.is_null() {
            return Ok(false);
        }
        self.value(&field.kind, value, place)?;
        Ok(!value.is_null() && !is_left_out(field, value))
    }

    fn value(&mut self, kind: &'static Kind, value: &mut Value, place: &Place) -> Result<(), ConformError> {
        match (kind, &mut *value) {
            (Kind::Message(ty), Value::Object(object)) => self.object(ty.get(), object, place.path),
            (Kind::List(kind), Value::Array(list)) => {
                for (index, element) in list.iter_mut().enumerate() {
                    let path = place.path.child(Segment::Index(index));
                    self.element(
                        kind,
                        element,
                        &Place {
                            path: &path,
                            ..*place
                        },
                    )?;
                }
                Ok(())
            }
            (Kind::Map(kind), Value::Object(map)) => {
                for (key, element) in map.iter_mut() {
                    let path = place.path.child(Segment::MapKey(key));
                    self.element(
                        kind,
                        element,
                        &Place {
                            path: &path,
                            ..*place
                        },
                    )?;
                }
                Ok(())
            }
            (Kind::Message(_) | Kind::List(_) | Kind::Map(_), _) => Err(place.mismatch(value, kind)),
            _ => value::scalar(kind, value, place),
        }
    }

    /// An element of a list or map, where Go reads `null` as the zero value.
    fn element(
        &mut self,
        kind: &'static Kind,
        element: &mut Value,
        place: &Place,
    ) -> Result<(), ConformError> {
        if element.is_null() {
            *element = value::zero_element(kind);
        }
        self.value(kind, element, place)
    }
}
