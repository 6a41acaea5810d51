//! Why an applied configuration is refused.

use thiserror::Error;

/// Why an applied configuration is refused (api-conventions §8). Texts carry no value of an object.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ApplyError {
    /// Fields that others own: 409, reason `Conflict`, one cause for each conflict and path.
    #[error("{}", conflict_text(.0))]
    Conflicts(Vec<ApplyConflict>),
    /// The configuration does not fit its type: 500, reason empty. The whole text.
    #[error("{0}")]
    TypedPatch(String),
    /// The configuration has `metadata.managedFields`: 400.
    #[error("metadata.managedFields must be nil")]
    ManagedFieldsNotNil,
}

/// The fields of one owner that a configuration would take away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplyConflict {
    /// As it is shown: `"mgr"`, `"mgr" using v1`, `"mgr" with subresource "status" using v1`.
    pub owner: String,
    /// The fields: `.data.key`, `.spec.containers[name="c"].image`. Never empty.
    pub paths: Vec<String>,
}

impl ApplyConflict {
    /// The message of each cause (`FieldManagerConflict`); its field is the path.
    pub fn message(&self) -> String {
        format!("conflict with {}", self.owner)
    }
}

fn conflict_text(conflicts: &[ApplyConflict]) -> String {
    let count: usize = conflicts.iter().map(|conflict| conflict.paths.len()).sum();
    if let ([conflict], 1) = (conflicts, count) {
        return format!(
            "Apply failed with 1 conflict: conflict with {}: {}",
            conflict.owner, conflict.paths[0]
        );
    }
    let lines: Vec<String> = conflicts
        .iter()
        .map(|conflict| {
            format!(
                "conflicts with {}:\n- {}",
                conflict.owner,
                conflict.paths.join("\n- ")
            )
        })
        .collect();
    format!("Apply failed with {count} conflicts: {}", lines.join("\n"))
}
