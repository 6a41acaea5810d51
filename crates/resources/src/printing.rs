//! Columns and cells that several resources' Tables share (api-conventions §15).

use jiff::Timestamp;
use strongroom_objects::{ColumnDefinition, Object, Value, age as age_text, time};

pub(crate) const CREATION_TIMESTAMP: &str = "When the server created the object, in UTC.";

/// The first column of every Table.
pub(crate) fn name_column() -> ColumnDefinition {
    ColumnDefinition::new(
        "Name",
        "string",
        "name",
        "Unique within a namespace; it cannot be changed.",
        0,
    )
}

/// The column that says how old an object is.
pub(crate) fn age_column() -> ColumnDefinition {
    ColumnDefinition::new("Age", "string", "", CREATION_TIMESTAMP, 0)
}

/// The cell of [`age_column`].
pub(crate) fn age(object: &Object, now: Timestamp) -> Value {
    since(object.metadata.creation_timestamp.as_deref(), now)
}

/// Time between an RFC 3339 `moment` and `now`, as kubectl shows it.
pub(crate) fn since(moment: Option<&str>, now: Timestamp) -> Value {
    age_text::age(moment.and_then(time::parse), now).into()
}
