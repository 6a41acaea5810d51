//! Service accounts: `../shared/spec/secrets.md` §10.

use jiff::Timestamp;
use strongroom_objects::{ColumnDefinition, Object, Value};

use crate::names::NameRule;
use crate::printing;
use crate::resource::{ALL_VERBS, Resource, StoredAs, Strategy, Subresource};
use crate::reviews::TOKEN_REQUESTS;

/// The row of the table.
pub static SERVICE_ACCOUNTS: Resource = Resource {
    group: "",
    version: "v1",
    kind: "ServiceAccount",
    plural: "serviceaccounts",
    singular: "serviceaccount",
    short_names: &["sa"],
    categories: &[],
    namespaced: true,
    verbs: ALL_VERBS,
    subresources: &[Subresource {
        name: "token",
        verbs: &["create"],
        payload: Some(&TOKEN_REQUESTS),
    }],
    storage: StoredAs {
        path: "serviceaccounts",
        api_version: "v1",
        kind: "ServiceAccount",
    },
    name_rule: NameRule::Subdomain,
    returns_deleted_object: true,
    create_on_update: false,
    unconditional_update: true,
    selectable_fields: &[],
    strategy: &ServiceAccounts,
};

struct ServiceAccounts;

impl Strategy for ServiceAccounts {
    fn columns(&self) -> Vec<ColumnDefinition> {
        vec![printing::name_column(), printing::age_column()]
    }

    fn cells(&self, object: &Object, now: Timestamp) -> Vec<Value> {
        vec![object.metadata.name.clone().into(), printing::age(object, now)]
    }
}
