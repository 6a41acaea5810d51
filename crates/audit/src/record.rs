//! A record as it is read back.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::chain::SEQUENCE_ANNOTATION;

/// A record as it was read from a file. `Display` is one line for people.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Record {
    /// How much was recorded.
    pub level: String,
    /// The request's id.
    #[serde(rename = "auditID")]
    pub audit_id: String,
    /// The moment.
    pub stage: String,
    /// Path and query.
    #[serde(rename = "requestURI")]
    pub request_uri: String,
    /// The verb.
    pub verb: String,
    /// Who called.
    pub user: RecordedUser,
    /// As whom.
    pub impersonated_user: Option<RecordedUser>,
    /// From where.
    #[serde(rename = "sourceIPs")]
    pub source_ips: Vec<String>,
    /// What the client calls itself.
    pub user_agent: String,
    /// What it was about.
    #[serde(rename = "objectRef")]
    pub object_reference: Option<RecordedReference>,
    /// How it ended.
    pub response_status: Option<RecordedStatus>,
    /// When the request came.
    pub request_received_timestamp: Option<Timestamp>,
    /// When the stage was reached.
    pub stage_timestamp: Option<Timestamp>,
    /// Further facts, the chain's among them.
    pub annotations: BTreeMap<String, String>,
}

/// A user in a [`Record`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RecordedUser {
    /// Name.
    pub username: String,
    /// Stable id.
    pub uid: String,
    /// Groups.
    pub groups: Vec<String>,
}

/// What a [`Record`] is about.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RecordedReference {
    /// Plural name of the resource.
    pub resource: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// API group.
    pub api_group: String,
    /// Part of the object.
    pub subresource: String,
}

/// How the request in a [`Record`] ended.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RecordedStatus {
    /// HTTP's status code.
    pub code: u16,
    /// What went wrong.
    pub message: String,
    /// Kubernetes' reason.
    pub reason: String,
}

impl Record {
    /// Reads a line.
    ///
    /// # Errors
    /// When the line is not the JSON of an event.
    pub fn parse(line: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(line)
    }

    /// The record's number in the chain.
    pub fn sequence(&self) -> Option<u64> {
        self.annotations.get(SEQUENCE_ANNOTATION)?.parse().ok()
    }

    /// When it happened.
    pub fn time(&self) -> Option<Timestamp> {
        self.stage_timestamp.or(self.request_received_timestamp)
    }
}

/// `2026-11-22T05:43:00.000000Z alice get secrets shop/db 200 allow`.
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.time() {
            Some(time) => write!(f, "{time:.6}")?,
            None => f.write_str("-")?,
        }
        write!(f, " {}", shown(&self.user.username))?;
        if let Some(user) = &self.impersonated_user {
            write!(f, " as {}", shown(&user.username))?;
        }
        write!(f, " {}", shown(&self.verb))?;
        match &self.object_reference {
            Some(reference) => write!(f, " {reference}")?,
            None => write!(f, " {}", shown(&self.request_uri))?,
        }
        match &self.response_status {
            Some(status) => write!(f, " {}", status.code)?,
            None => write!(f, " {}", shown(&self.stage))?,
        }
        if let Some(decision) = self.annotations.get("authorization.k8s.io/decision") {
            write!(f, " {}", shown(decision))?;
        }
        match self.annotations.get(crate::log::NOTE_ANNOTATION) {
            Some(note) => write!(f, " ({})", shown(note)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for RecordedReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.resource))?;
        if !self.api_group.is_empty() {
            write!(f, ".{}", shown(&self.api_group))?;
        }
        if !self.subresource.is_empty() {
            write!(f, "/{}", shown(&self.subresource))?;
        }
        match (self.namespace.is_empty(), self.name.is_empty()) {
            (true, true) => Ok(()),
            (true, false) => write!(f, " {}", shown(&self.name)),
            (false, true) => write!(f, " {}/", shown(&self.namespace)),
            (false, false) => write!(f, " {}/{}", shown(&self.namespace), shown(&self.name)),
        }
    }
}

/// Text from a client, without what would move a terminal's cursor or begin a second line.
fn shown(text: &str) -> String {
    if text.is_empty() {
        return "-".to_owned();
    }
    let visible = text
        .chars()
        .map(|letter| if letter.is_control() { '?' } else { letter });
    visible.collect()
}
