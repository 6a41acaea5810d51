//! The entries of `metadata.managedFields` as what they mean: managers and their field sets.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use jiff::Timestamp;
use serde_json::Value;
use strongroom_objects::go_text::quote;
use strongroom_objects::object::ManagedFieldsEntry;
use thiserror::Error;

use super::Writer;
use crate::set::Set;

/// Entries of operation Update that an object keeps.
const MAX_UPDATE_MANAGERS: usize = 10;
/// The manager that the oldest Update entries are merged into.
const ANCIENT_CHANGES: &str = "ancient-changes";

/// Entries that are no managed fields: non-apply writes that send them are treated as if they sent none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("managedFields cannot be decoded")]
pub struct InvalidEntries;

/// How a manager wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Server-side apply.
    Apply,
    /// Everything else.
    Update,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Operation::Apply => "Apply",
            Operation::Update => "Update",
        }
    }
}

/// What makes two entries one manager's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ManagerId {
    manager: String,
    operation: Operation,
    /// Empty for Apply: an applier is one manager in all versions.
    api_version: String,
    subresource: String,
}

impl ManagerId {
    /// The entry that a writer writes to.
    pub fn new(writer: &Writer<'_>, manager: &str, operation: Operation) -> Self {
        let manager = if manager.is_empty() { "unknown" } else { manager };
        let api_version = match operation {
            Operation::Apply => "",
            Operation::Update => writer.api_version,
        };
        ManagerId {
            manager: manager.into(),
            operation,
            api_version: api_version.into(),
            subresource: writer.subresource.into(),
        }
    }

    /// As conflicts show it.
    pub fn label(&self) -> String {
        let mut label = quote(&self.manager);
        if !self.subresource.is_empty() {
            label = format!("{label} with subresource {}", quote(&self.subresource));
        }
        match self.operation {
            Operation::Apply => label,
            Operation::Update => format!("{label} using {}", self.api_version),
        }
    }
}

/// What one manager owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Managed {
    /// The fields.
    pub fields: Set,
    /// The version they are named in.
    pub api_version: String,
    /// When the set last changed; RFC 3339.
    pub time: Option<String>,
}

/// All managers of an object, in the order in which conflicts list them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Managers {
    pub by_id: BTreeMap<ManagerId, Managed>,
}

impl Managers {
    /// Reads `metadata.managedFields`; absent and null have no managers.
    pub fn decode(entries: Option<&Value>) -> Result<Managers, InvalidEntries> {
        let mut managers = Managers::default();
        match entries {
            None | Some(Value::Null) => {}
            Some(Value::Array(entries)) => {
                for entry in entries {
                    let (id, managed) = decode_entry(entry)?;
                    managers.by_id.insert(id, managed);
                }
            }
            Some(_) => return Err(InvalidEntries),
        }
        Ok(managers)
    }

    /// The managers of an object; entries that cannot be read count as none.
    pub fn of(object: Option<&Value>) -> Managers {
        Managers::decode(object.and_then(entries_of)).unwrap_or_default()
    }

    /// Whether nobody owns anything.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Sets what one manager owns. The time moves only with the set.
    pub fn own(&mut self, id: ManagerId, fields: Set, writer: &Writer<'_>) {
        if fields.is_empty() {
            self.by_id.remove(&id);
            return;
        }
        match self.by_id.entry(id) {
            Entry::Occupied(mut entry) => {
                let managed = entry.get_mut();
                if managed.fields != fields || managed.api_version != writer.api_version {
                    managed.fields = fields;
                    managed.api_version = writer.api_version.into();
                    managed.time = Some(writer.now.into());
                }
            }
            Entry::Vacant(entry) => {
                let (api_version, time) = (writer.api_version.into(), Some(writer.now.into()));
                entry.insert(Managed {
                    fields,
                    api_version,
                    time,
                });
            }
        }
    }

    /// Takes fields away from everyone but one manager; who owns nothing any more goes.
    pub fn take_from_others(&mut self, id: &ManagerId, fields: &Set) {
        self.by_id.retain(|other, managed| {
            if other != id {
                managed.fields.subtract(fields);
            }
            !managed.fields.is_empty()
        });
    }

    /// Merges the oldest Update entries of a version into one until few enough are left.
    pub fn cap(&mut self) {
        let mut updaters: Vec<(i64, ManagerId)> = self
            .by_id
            .iter()
            .filter(|(id, _)| id.operation == Operation::Update)
            .map(|(id, managed)| (seconds(managed.time.as_deref()), id.clone()))
            .collect();
        let mut surplus = updaters.len().saturating_sub(MAX_UPDATE_MANAGERS);
        updaters.sort();
        let mut oldest_of_version: BTreeMap<String, Option<ManagerId>> = BTreeMap::new();
        for (_, id) in updaters {
            if surplus == 0 {
                return;
            }
            let bucket = ManagerId {
                manager: ANCIENT_CHANGES.into(),
                subresource: String::new(),
                ..id.clone()
            };
            let Some(oldest) = oldest_of_version.get_mut(&id.api_version) else {
                oldest_of_version.insert(id.api_version.clone(), Some(id));
                continue;
            };
            let Some(newer) = self.by_id.remove(&id) else {
                continue;
            };
            let older = [oldest.take(), Some(bucket.clone())].into_iter().flatten();
            let older: Vec<Managed> = older.filter_map(|older| self.by_id.remove(&older)).collect();
            surplus = surplus.saturating_sub(older.len());
            let fields = older
                .into_iter()
                .fold(newer.fields, |all, older| all.union(older.fields));
            self.by_id.insert(bucket, Managed { fields, ..newer });
        }
    }

    /// Writes the entries: Apply before Update, then by time, manager, version and subresource.
    pub fn encode(&self) -> Vec<ManagedFieldsEntry> {
        let mut managers: Vec<_> = self.by_id.iter().collect();
        managers.sort_by_cached_key(|(id, managed)| {
            let seconds = seconds(managed.time.as_deref());
            (
                id.operation,
                seconds,
                id.manager.clone(),
                managed.api_version.clone(),
                id.subresource.clone(),
            )
        });
        managers
            .into_iter()
            .map(|(id, managed)| encode_entry(id, managed))
            .collect()
    }
}

/// `metadata.managedFields` of an object.
pub fn entries_of(object: &Value) -> Option<&Value> {
    object.get("metadata")?.get("managedFields")
}

fn decode_entry(entry: &Value) -> Result<(ManagerId, Managed), InvalidEntries> {
    let text = |member: &str| match entry.get(member) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(_) => Err(InvalidEntries),
    };
    let operation = match text("operation")?.as_str() {
        "Apply" => Operation::Apply,
        "Update" => Operation::Update,
        _ => return Err(InvalidEntries),
    };
    let api_version = text("apiVersion")?;
    if api_version.is_empty() || text("fieldsType")? != "FieldsV1" {
        return Err(InvalidEntries);
    }
    let fields = match entry.get("fieldsV1") {
        None | Some(Value::Null) => Set::default(),
        Some(fields) => Set::from_fields_v1(fields).map_err(|_| InvalidEntries)?,
    };
    let time = Some(text("time")?).filter(|time| !time.is_empty());
    if time
        .as_ref()
        .is_some_and(|time| time.parse::<Timestamp>().is_err())
    {
        return Err(InvalidEntries);
    }
    let id = ManagerId {
        manager: text("manager")?,
        operation,
        api_version: if operation == Operation::Update {
            api_version.clone()
        } else {
            String::new()
        },
        subresource: text("subresource")?,
    };
    Ok((
        id,
        Managed {
            fields,
            api_version,
            time,
        },
    ))
}

fn encode_entry(id: &ManagerId, managed: &Managed) -> ManagedFieldsEntry {
    ManagedFieldsEntry {
        manager: id.manager.clone(),
        operation: id.operation.name().into(),
        api_version: managed.api_version.clone(),
        time: managed.time.clone(),
        fields_type: "FieldsV1".into(),
        fields_v1: Some(managed.fields.to_fields_v1()),
        subresource: id.subresource.clone(),
    }
}

fn seconds(time: Option<&str>) -> i64 {
    time.and_then(|time| time.parse::<Timestamp>().ok())
        .map_or(0, Timestamp::as_second)
}
