//! JSON patch, RFC 6902, with the habits of the library that Kubernetes' clients have come to rely on
//! (api-conventions §7) and with bounds on what a hostile patch can cost (RELIABILITY S11).

use std::borrow::Cow;

use serde_json::{Map, Value};
use strongroom_objects::json::{self, Limits};

use crate::PatchError;

/// Operations one JSON patch may have.
pub const MAX_OPERATIONS: usize = 10_000;
/// Bytes that all `copy` operations of one patch may add, estimated as JSON text.
const MAX_COPIED: usize = 3 * 1024 * 1024;
/// Bytes that all operations of one patch may measure, shift or compare before it counts as an attack.
const MAX_WORK: usize = 256 * 1024 * 1024;
/// Characters of a path that an error shows.
const MAX_SHOWN_PATH: usize = 200;
/// Levels a patched document may have; the parser allows no more either.
const MAX_DEPTH: usize = 64;

/// Applies a JSON patch given as text.
///
/// # Errors
/// `Malformed` for a body that is no list of operations, `TooManyOperations` beyond
/// [`MAX_OPERATIONS`], `Failed` for an operation that cannot be carried out or costs too much.
pub fn json_patch(document: &Value, patch: &[u8]) -> Result<Value, PatchError> {
    let operations = decode(patch)?;
    let mut run = Run {
        document: document.clone(),
        copied: 0,
        work: 0,
    };
    for operation in operations {
        run.operation(operation)?;
    }
    Ok(run.document)
}

fn decode(patch: &[u8]) -> Result<Vec<Map<String, Value>>, PatchError> {
    let parsed =
        json::parse(patch, &Limits::REQUEST).map_err(|error| PatchError::Malformed(error.to_string()))?;
    let Value::Array(operations) = parsed.value else {
        return Err(PatchError::Malformed(
            "a JSON patch is a list of operations".into(),
        ));
    };
    if operations.len() > MAX_OPERATIONS {
        return Err(PatchError::TooManyOperations(operations.len()));
    }
    operations
        .into_iter()
        .map(|operation| match operation {
            Value::Object(operation) => Ok(operation),
            Value::Null => Ok(Map::new()),
            _ => Err(PatchError::Malformed(
                "an operation of a JSON patch is an object".into(),
            )),
        })
        .collect()
}

struct Run {
    document: Value,
    copied: usize,
    work: usize,
}

impl Run {
    fn operation(&mut self, mut operation: Map<String, Value>) -> Result<(), PatchError> {
        let name = text(&operation, "op")?.to_owned();
        let path = text(&operation, "path")?.to_owned();
        // An operation without `value` means null.
        let value = operation.remove("value").unwrap_or(Value::Null);
        match name.as_str() {
            "add" => self.add(&path, value),
            "remove" => self.take(&path).map(drop),
            "replace" => self.replace(&path, value),
            "test" => self.test(&path, &value),
            "move" => {
                let from = text(&operation, "from")?;
                let value = self.take(from)?;
                self.add(&path, value)
            }
            "copy" => {
                let value = self.copy(text(&operation, "from")?)?;
                self.add(&path, value)
            }
            _ => Err(failed("unexpected kind of operation", &path)),
        }
    }

    fn add(&mut self, path: &str, value: Value) -> Result<(), PatchError> {
        self.measure(&value, path)?;
        let (container, key) =
            parent(&mut self.document, path).ok_or_else(|| failed("doc is missing path", path))?;
        match container {
            Value::Object(members) => {
                members.insert(key.into_owned(), value);
            }
            Value::Array(elements) => {
                let at = insert_index(&key, elements.len()).ok_or_else(|| failed("invalid index", path))?;
                self.work += (elements.len() - at) * size_of::<Value>();
                elements.insert(at, value);
            }
            _ => return Err(failed("doc is missing path", path)),
        }
        self.within_budget(path)
    }

    /// Replacing a key that a map does not have adds it; list elements have to exist.
    fn replace(&mut self, path: &str, value: Value) -> Result<(), PatchError> {
        if path.is_empty() {
            if !value.is_object() {
                return Err(failed("an object is replaced by an object only", path));
            }
            self.document = value;
            return Ok(());
        }
        self.measure(&value, path)?;
        let (container, key) =
            parent(&mut self.document, path).ok_or_else(|| failed("doc is missing path", path))?;
        match container {
            Value::Object(members) => {
                members.insert(key.into_owned(), value);
            }
            Value::Array(elements) => {
                let at =
                    element_index(&key, elements.len()).ok_or_else(|| failed("doc is missing key", path))?;
                elements[at] = value;
            }
            _ => return Err(failed("doc is missing path", path)),
        }
        Ok(())
    }

    /// A missing key of an existing map equals null.
    fn test(&mut self, path: &str, value: &Value) -> Result<(), PatchError> {
        let passed = if path.is_empty() {
            self.document == *value
        } else {
            *lookup(&mut self.document, path)? == *value
        };
        if passed {
            Ok(())
        } else {
            Err(failed("testing value failed", path))
        }
    }

    fn take(&mut self, path: &str) -> Result<Value, PatchError> {
        let (container, key) =
            parent(&mut self.document, path).ok_or_else(|| failed("doc is missing path", path))?;
        let taken = match container {
            Value::Object(members) => members.remove(key.as_ref()),
            Value::Array(elements) => element_index(&key, elements.len()).map(|at| {
                self.work += (elements.len() - at) * size_of::<Value>();
                elements.remove(at)
            }),
            _ => None,
        };
        self.within_budget(path)?;
        taken.ok_or_else(|| failed("unable to remove nonexistent key", path))
    }

    fn copy(&mut self, from: &str) -> Result<Value, PatchError> {
        let source = lookup(&mut self.document, from)?;
        let mut size = 0;
        measure(source, MAX_DEPTH, &mut size);
        self.copied += size;
        if self.copied > MAX_COPIED {
            return Err(failed("copied values are too large", from));
        }
        Ok(source.clone())
    }

    /// Bounds the depth of what is put at `path` and charges for looking at it.
    fn measure(&mut self, value: &Value, path: &str) -> Result<(), PatchError> {
        let levels = MAX_DEPTH.saturating_sub(path.matches('/').count());
        let mut size = 0;
        if levels == 0 || !measure(value, levels, &mut size) {
            return Err(failed("document is nested too deeply", path));
        }
        self.work += size;
        self.within_budget(path)
    }

    fn within_budget(&self, path: &str) -> Result<(), PatchError> {
        if self.work > MAX_WORK {
            Err(failed("patch costs too much", path))
        } else {
            Ok(())
        }
    }
}

/// Adds the estimated length of `value` as JSON to `size`; false when it has more than `levels` levels.
fn measure(value: &Value, levels: usize, size: &mut usize) -> bool {
    if levels == 0 {
        return false;
    }
    *size += 8;
    match value {
        Value::String(text) => *size += text.len(),
        Value::Array(elements) => return elements.iter().all(|element| measure(element, levels - 1, size)),
        Value::Object(members) => {
            return members.iter().all(|(key, member)| {
                *size += key.len();
                measure(member, levels - 1, size)
            });
        }
        _ => {}
    }
    true
}

fn text<'a>(operation: &'a Map<String, Value>, member: &str) -> Result<&'a str, PatchError> {
    let found = operation.get(member).and_then(Value::as_str);
    found.ok_or_else(|| PatchError::Failed(format!("operation is missing the {member} field")))
}

fn failed(what: &str, path: &str) -> PatchError {
    let path: String = path.chars().take(MAX_SHOWN_PATH).collect();
    PatchError::Failed(format!("{what}: {path:?}"))
}

/// The container that holds the last segment of `path`, and that segment. What stands before the first
/// `/` is ignored, so that `x/data` means `/data`; a path without `/` points nowhere.
fn parent<'d, 'p>(document: &'d mut Value, path: &'p str) -> Option<(&'d mut Value, Cow<'p, str>)> {
    let (_, path) = path.split_once('/')?;
    let (parents, key) = match path.rsplit_once('/') {
        Some((parents, key)) => (Some(parents), key),
        None => (None, path),
    };
    let mut container = document;
    for segment in parents.into_iter().flat_map(|parents| parents.split('/')) {
        container = child(container, &unescape(segment))?;
    }
    Some((container, unescape(key)))
}

fn child<'d>(container: &'d mut Value, key: &str) -> Option<&'d mut Value> {
    match container {
        Value::Object(members) => members.get_mut(key),
        Value::Array(elements) => element_index(key, elements.len()).map(|at| &mut elements[at]),
        _ => None,
    }
}

fn lookup<'d>(document: &'d mut Value, path: &str) -> Result<&'d Value, PatchError> {
    const MISSING: &Value = &Value::Null;
    let (container, key) = parent(document, path).ok_or_else(|| failed("doc is missing path", path))?;
    match container {
        Value::Object(members) => Ok(members.get(key.as_ref()).unwrap_or(MISSING)),
        Value::Array(elements) => {
            let at = element_index(&key, elements.len()).ok_or_else(|| failed("invalid index", path))?;
            Ok(&elements[at])
        }
        _ => Err(failed("doc is missing path", path)),
    }
}

/// Index of an existing element; negative ones count from the end.
fn element_index(key: &str, length: usize) -> Option<usize> {
    let index = key.parse::<isize>().ok()?;
    let at = if index < 0 {
        length.checked_sub(index.unsigned_abs())?
    } else {
        index.unsigned_abs()
    };
    (at < length).then_some(at)
}

/// Index at which a new element goes: `-` and −1 are the end.
fn insert_index(key: &str, length: usize) -> Option<usize> {
    if key == "-" {
        Some(length)
    } else {
        element_index(key, length + 1)
    }
}

/// RFC 6901: `~1` is `/`, `~0` is `~`.
fn unescape(segment: &str) -> Cow<'_, str> {
    if segment.contains('~') {
        segment.replace("~1", "/").replace("~0", "~").into()
    } else {
        segment.into()
    }
}

#[cfg(test)]
#[path = "json_patch/tests.rs"]
mod tests;
