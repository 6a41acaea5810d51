//! One step of a path into an object, as managed fields name it (api-conventions §8):
//! `f:name`, `k:{"name":"c"}`, `v:"x"`, `i:0`.

use std::cmp::Ordering;
use std::fmt::{self, Display, Write};

use serde_json::{Map, Number, Value};
use strongroom_objects::go_text::quote;

/// One step of a path. The order is the one in which conflicts and field sets are listed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathElement {
    /// A field of a struct or a key of a map.
    Field(Box<str>),
    /// An element of a list that is a map by some of its fields, which stand here sorted by name.
    Key(Vec<(Box<str>, Scalar)>),
    /// An element of a list that is a set.
    Element(Scalar),
    /// An element of any other list.
    Index(i64),
}

/// A JSON value that is neither list nor object. Whole numbers are one number however they are written.
#[derive(Debug, Clone)]
pub enum Scalar {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A string.
    Text(Box<str>),
}

impl PathElement {
    /// A field of a struct or a key of a map.
    pub fn field(name: &str) -> Self {
        PathElement::Field(name.into())
    }

    /// Reads one key of a FieldsV1 object; `None` for what is none.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        match kind {
            "f" => Some(PathElement::field(rest)),
            "v" => Scalar::of(&serde_json::from_str(rest).ok()?).map(PathElement::Element),
            "i" => rest.parse().ok().map(PathElement::Index),
            "k" => {
                // `serde_json::Map` is sorted by key.
                let fields: Map<String, Value> = serde_json::from_str(rest).ok()?;
                let keys = fields
                    .into_iter()
                    .map(|(name, value)| Some((name.into(), Scalar::of(&value)?)));
                keys.collect::<Option<Vec<_>>>().map(PathElement::Key)
            }
            _ => None,
        }
    }

    /// Writes the element as a key of a FieldsV1 object.
    pub fn to_key(&self) -> String {
        let mut key = String::with_capacity(16);
        match self {
            PathElement::Field(name) => {
                key.push_str("f:");
                key.push_str(name);
            }
            PathElement::Key(fields) => {
                key.push_str("k:{");
                for (position, (name, value)) in fields.iter().enumerate() {
                    key.push_str(if position > 0 { "," } else { "" });
                    push_json(&mut key, name);
                    key.push(':');
                    value.push_json(&mut key);
                }
                key.push('}');
            }
            PathElement::Element(value) => {
                key.push_str("v:");
                value.push_json(&mut key);
            }
            PathElement::Index(index) => {
                let _ = write!(key, "i:{index}");
            }
        }
        key
    }
}

/// The form in conflicts and errors: `.name`, `[name="c"]`, `[="x"]`, `[0]`.
impl Display for PathElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PathElement::Field(name) => write!(f, ".{name}"),
            PathElement::Key(fields) => {
                f.write_char('[')?;
                for (position, (name, value)) in fields.iter().enumerate() {
                    let comma = if position > 0 { "," } else { "" };
                    write!(f, "{comma}{name}={value}")?;
                }
                f.write_char(']')
            }
            PathElement::Element(value) => write!(f, "[={value}]"),
            PathElement::Index(index) => write!(f, "[{index}]"),
        }
    }
}

impl Scalar {
    /// `None` for lists and objects.
    pub fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Null => Some(Scalar::Null),
            Value::Bool(value) => Some(Scalar::Bool(*value)),
            Value::Number(number) => Some(Scalar::number(number)),
            Value::String(text) => Some(Scalar::Text(text.as_str().into())),
            Value::Array(_) | Value::Object(_) => None,
        }
    }

    fn number(number: &Number) -> Self {
        if let Some(whole) = number.as_i64() {
            return Scalar::Int(whole);
        }
        let float = number.as_f64().unwrap_or(0.0);
        // 2^53: every whole float below it is exactly one integer.
        if float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0 {
            Scalar::Int(float as i64)
        } else {
            Scalar::Float(float)
        }
    }

    fn push_json(&self, out: &mut String) {
        match self {
            Scalar::Text(text) => push_json(out, text),
            other => {
                let _ = write!(out, "{other}");
            }
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Scalar::Float(_) | Scalar::Int(_) => 0,
            Scalar::Text(_) => 1,
            Scalar::Bool(_) => 2,
            Scalar::Null => 3,
        }
    }
}

impl Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scalar::Null => f.write_str("null"),
            Scalar::Bool(value) => write!(f, "{value}"),
            Scalar::Int(number) => write!(f, "{number}"),
            Scalar::Float(number) => write!(f, "{number}"),
            Scalar::Text(text) => f.write_str(&quote(text)),
        }
    }
}

impl Ord for Scalar {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Scalar::Bool(a), Scalar::Bool(b)) => a.cmp(b),
            (Scalar::Int(a), Scalar::Int(b)) => a.cmp(b),
            (Scalar::Float(a), Scalar::Float(b)) => a.total_cmp(b),
            // Never equal: whole numbers up to 2^53 are `Int`, floats beyond are larger than any such.
            (Scalar::Int(a), Scalar::Float(b)) => (*a as f64).total_cmp(b).then(Ordering::Less),
            (Scalar::Float(a), Scalar::Int(b)) => a.total_cmp(&(*b as f64)).then(Ordering::Greater),
            (Scalar::Text(a), Scalar::Text(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Scalar {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Scalar {}

fn push_json(out: &mut String, text: &str) {
    // Writing a string into memory cannot fail.
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(key: &str, shown: &str) {
        let element = PathElement::parse(key).unwrap_or_else(|| panic!("{key} is a path element"));
        assert_eq!(element.to_key(), key);
        assert_eq!(element.to_string(), shown);
    }

    #[test]
    fn writes_what_it_reads() {
        check("f:data", ".data");
        check("f:", ".");
        check("f:a:b/c", ".a:b/c");
        check(r#"k:{"name":"c"}"#, r#"[name="c"]"#);
        check(
            r#"k:{"containerPort":80,"protocol":"TCP"}"#,
            r#"[containerPort=80,protocol="TCP"]"#,
        );
        check(r#"v:"a.b/c""#, r#"[="a.b/c"]"#);
        check("v:true", "[=true]");
        check("v:1.5", "[=1.5]");
        check("v:null", "[=null]");
        check("i:3", "[3]");
        check(r#"k:{}"#, "[]");
    }

    #[test]
    fn refuses_what_is_no_element() {
        for key in [
            "",
            "f",
            "x:a",
            "k:",
            "k:[]",
            "k:{\"a\":{}}",
            "v:",
            "v:[1]",
            "v:{}",
            "i:x",
            "i:",
        ] {
            assert_eq!(PathElement::parse(key), None, "{key}");
        }
    }

    #[test]
    fn numbers_are_equal_however_written() {
        assert_eq!(PathElement::parse("v:80"), PathElement::parse("v:80.0"));
        assert_ne!(PathElement::parse("v:80"), PathElement::parse("v:80.5"));
        assert_eq!(
            PathElement::parse(r#"k:{"b":1,"a":2}"#),
            PathElement::parse(r#"k:{"a":2,"b":1}"#)
        );
    }

    #[test]
    fn order_is_fields_keys_elements_indexes() {
        let mut keys = [
            "i:10",
            "i:9",
            "v:\"a\"",
            "v:3",
            "k:{\"a\":10}",
            "k:{\"a\":9}",
            "f:b",
            "f:a",
        ];
        keys.sort_by_key(|key| PathElement::parse(key));
        assert_eq!(
            keys,
            [
                "f:a",
                "f:b",
                "k:{\"a\":9}",
                "k:{\"a\":10}",
                "v:3",
                "v:\"a\"",
                "i:9",
                "i:10"
            ]
        );
    }
}
