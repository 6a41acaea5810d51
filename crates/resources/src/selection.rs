//! Which objects a list or watch is about (api-conventions §12).

use strongroom_objects::{FieldSelector, LabelSelector, Object, Status};

use crate::resource::Resource;

/// Selectors whose fields the resource knows; built by [`Selection::new`] only.
#[derive(Debug, Clone)]
pub struct Selection {
    labels: LabelSelector,
    fields: FieldSelector,
}

impl Selection {
    /// Checks that `resource` can select by every field named.
    pub fn new(
        resource: &Resource,
        labels: LabelSelector,
        fields: FieldSelector,
    ) -> Result<Self, Box<Status>> {
        let known = |path: &str| match path {
            "metadata.name" => true,
            "metadata.namespace" => resource.namespaced,
            _ => resource.selectable_fields.contains(&path),
        };
        if let Some(term) = fields.terms().iter().find(|term| !known(&term.path)) {
            return Err(Box::new(Status::bad_request(&format!(
                "field label not supported: {}",
                term.path
            ))));
        }
        Ok(Self { labels, fields })
    }

    /// Whether everything is selected.
    pub fn is_everything(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// The one name that an object must have, if the selectors say so; lets a watch on one object look at one key.
    pub fn only_name(&self) -> Option<&str> {
        only_name(&self.fields)
    }

    /// What is left to ask of objects with this name.
    #[must_use]
    pub fn given_name(self, name: &str) -> Self {
        Self {
            fields: self.fields.given("metadata.name", name),
            ..self
        }
    }

    /// The members of an object that decide whether it is selected; the others need not be there.
    pub fn members(&self, resource: &Resource) -> Vec<&str> {
        let paths = self.fields.terms().iter().map(|term| term.path.as_str());
        let mut members: Vec<&str> = paths.map(|path| path.split('.').next().unwrap_or(path)).collect();
        members.extend(resource.strategy.selected_by());
        members.push("metadata");
        members
    }

    /// Whether `object` is selected.
    pub fn selects(&self, resource: &Resource, object: &Object) -> bool {
        let field = |path: &str| match path {
            "metadata.name" => Some(object.metadata.name.clone()),
            "metadata.namespace" => Some(object.metadata.namespace.clone()),
            _ => resource.strategy.selectable_field(object, path),
        };
        self.labels.matches(&object.metadata.labels) && self.fields.matches(field)
    }
}

/// The name that `metadata.name=<name>` asks for: what a list is authorised for (api-conventions §1).
///
/// Nothing when the selector speaks of more than one name.
pub fn only_name(fields: &FieldSelector) -> Option<&str> {
    let name = fields.requires("metadata.name")?;
    let mut terms = fields.terms().iter().filter(|term| term.path == "metadata.name");
    terms.all(|term| term.value == name).then_some(name)
}
