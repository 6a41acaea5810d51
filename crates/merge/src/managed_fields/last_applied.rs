//! kubectl's way from client-side to server-side apply: the annotation of the last client-side apply says
//! which fields kubectl may take without a conflict, and is kept up to date (api-conventions §8).

use serde_json::Value;
use strongroom_objects::json::{self, Limits};
use strongroom_objects::schema::Type;

use super::Writer;
use crate::compare::compare;
use crate::set::Set;
use crate::shape::Shape;
use crate::typed::{check, field_set};

const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// The only manager that this is for.
const MANAGER: &str = "kubectl";
/// All keys and values of an object's annotations together.
const MAX_ANNOTATIONS: usize = 262_144;

/// The text that the annotation gets after this apply; `None` when it is left alone.
pub fn text_for(applied: &Value, live: Option<&Value>, writer: &Writer<'_>) -> Option<String> {
    if writer.manager != MANAGER || (annotation(live?).is_none() && annotation(applied).is_none()) {
        return None;
    }
    let mut configuration = applied.clone();
    if let Some(annotations) = configuration
        .get_mut("metadata")
        .and_then(|metadata| metadata.get_mut("annotations"))
    {
        annotations.as_object_mut()?.remove(ANNOTATION);
    }
    // Go's JSON encoder ends a document with a newline.
    Some(format!("{configuration}\n"))
}

/// Writes the annotation if the object has it; drops it when the annotations would become too large.
pub fn refresh(object: &mut Value, text: String) {
    let annotations = object
        .get_mut("metadata")
        .and_then(|metadata| metadata.get_mut("annotations"));
    let Some(Value::Object(annotations)) = annotations else {
        return;
    };
    if annotations
        .remove(ANNOTATION)
        .is_none_or(|before| before.as_str().is_none_or(str::is_empty))
    {
        return;
    }
    let others: usize = annotations
        .iter()
        .map(|(key, value)| key.len() + value.as_str().map_or(0, str::len))
        .sum();
    if others + ANNOTATION.len() + text.len() <= MAX_ANNOTATIONS {
        annotations.insert(ANNOTATION.into(), text.into());
    }
}

/// Fields whose live value is the one kubectl applied client-side; `None` when that is not known.
pub fn allowed_conflicts(ty: &Type, live: Option<&Value>, writer: &Writer<'_>) -> Option<Set> {
    if writer.manager != MANAGER {
        return None;
    }
    let live = live?;
    let configuration = json::parse(annotation(live)?.as_bytes(), &Limits::REQUEST)
        .ok()?
        .value;
    if configuration.get("apiVersion")?.as_str()? != writer.api_version {
        return None;
    }
    let shape = Shape::root(ty);
    check(shape, &configuration).ok()?;
    let changes = compare(shape, Some(&configuration), live);
    let same = field_set(shape, &configuration);
    Some(
        same.difference(&changes.modified)
            .difference(&changes.added)
            .difference(&changes.removed),
    )
}

fn annotation(object: &Value) -> Option<&str> {
    object
        .get("metadata")?
        .get("annotations")?
        .get(ANNOTATION)?
        .as_str()
}
