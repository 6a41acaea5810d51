//! The Table form of lists, which `kubectl get` prints (api-conventions.md §4.2).

use serde::{Deserialize, Serialize};

use crate::Value;

/// The `apiVersion` of tables and of the metadata objects in their rows.
pub const META_API_VERSION: &str = "meta.k8s.io/v1";

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnDefinition {
    /// The heading.
    pub name: String,
    /// `string`, `integer`, `date` and so on.
    #[serde(rename = "type")]
    pub column_type: String,
    /// `name` for the column that names the object, else empty.
    pub format: String,
    /// What the cells mean.
    pub description: String,
    /// 0: always shown; 1: only with `-o wide`.
    pub priority: i32,
}

impl ColumnDefinition {
    /// A column.
    pub fn new(
        name: &str,
        column_type: &str,
        format: &str,
        description: &str,
        priority: i32,
    ) -> ColumnDefinition {
        ColumnDefinition {
            name: name.to_owned(),
            column_type: column_type.to_owned(),
            format: format.to_owned(),
            description: description.to_owned(),
            priority,
        }
    }
}

/// A row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableRow {
    /// One value for each column, whatever its priority.
    pub cells: Vec<Value>,
    /// States of the whole row, such as `Completed` for finished pods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<TableRowCondition>,
    /// The object, its metadata or `null`, as the client asked.
    pub object: Value,
}

/// A state of a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableRowCondition {
    /// `Completed`.
    #[serde(rename = "type")]
    pub condition_type: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// A word.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// A sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Table {
    /// Always `Table`.
    pub kind: String,
    /// Always `meta.k8s.io/v1`.
    pub api_version: String,
    /// The metadata of the list.
    pub metadata: crate::ListMeta,
    /// `null` in watch events after the first.
    pub column_definitions: Option<Vec<ColumnDefinition>>,
    /// The rows.
    pub rows: Vec<TableRow>,
}

impl Table {
    /// A table with `kind` and `apiVersion` filled in.
    pub fn new(
        metadata: crate::ListMeta,
        column_definitions: Option<Vec<ColumnDefinition>>,
        rows: Vec<TableRow>,
    ) -> Table {
        let (kind, api_version) = ("Table".to_owned(), META_API_VERSION.to_owned());
        Table {
            kind,
            api_version,
            metadata,
            column_definitions,
            rows,
        }
    }
}
