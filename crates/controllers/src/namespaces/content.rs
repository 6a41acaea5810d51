//! Everything in a namespace, whatever its resource, is deleted.

use std::collections::BTreeMap;

use serde_json::json;

use crate::discovery::{Resource, discover};
use crate::list_watch::escape;
use crate::object::Object;
use crate::request::{ApiClient, Form, Page, RequestError};

/// Objects deleted by one request: bounds the answer, which lists them.
const PAGE: usize = 500;

/// What is left of a namespace's content after an attempt to delete it.
#[derive(Debug, Default)]
pub(super) struct Remains {
    /// Group versions that could not be asked for their resources, with the reason.
    pub discovery_failures: BTreeMap<String, String>,
    /// Requests that failed.
    pub deletion_failures: Vec<String>,
    /// `plural.group` → objects.
    pub resources: BTreeMap<String, usize>,
    /// Finalizer → objects that have it.
    pub finalizers: BTreeMap<String, usize>,
}

impl Remains {
    /// Whether nothing is left, for certain.
    pub fn is_nothing(&self) -> bool {
        self.discovery_failures.is_empty() && self.deletion_failures.is_empty() && self.resources.is_empty()
    }

    fn count(&mut self, resource: &Resource, object: &Object) {
        *self
            .resources
            .entry(format!("{}.{}", resource.plural, resource.group))
            .or_default() += 1;
        for finalizer in &object.metadata.finalizers {
            *self.finalizers.entry(finalizer.clone()).or_default() += 1;
        }
    }
}

/// Deletes what is in `namespace` and says what remains. Fails only when the server does not say
/// which resources it has.
pub(super) async fn remove_content(api: &ApiClient, namespace: &str) -> Result<Remains, RequestError> {
    let discovered = discover(api).await?;
    let mut remains = Remains {
        discovery_failures: discovered.failures,
        ..Remains::default()
    };
    for resource in discovered
        .resources
        .iter()
        .filter(|resource| is_content(resource))
    {
        if let Err(error) = remove_resource(api, resource, namespace, &mut remains).await {
            remains.deletion_failures.push(error.to_string());
        }
    }
    Ok(remains)
}

/// Whether namespaces hold objects of the resource. What can only be created, such as a review, is
/// not kept.
fn is_content(resource: &Resource) -> bool {
    resource.namespaced && resource.preferred && resource.can(&["list", "delete"])
}

async fn remove_resource(
    api: &ApiClient,
    resource: &Resource,
    namespace: &str,
    remains: &mut Remains,
) -> Result<(), RequestError> {
    let collection = resource.collection_path(namespace);
    let first: Page<Object> = api.list(&format!("{collection}?limit=1"), Form::Metadata).await?;
    if first.items.is_empty() {
        return Ok(());
    }
    if resource.can(&["deletecollection"]) {
        delete_pages(api, &collection).await?;
    } else {
        delete_each(api, &collection).await?;
    }
    each_object(api, &collection, |object| remains.count(resource, object)).await
}

async fn delete_pages(api: &ApiClient, collection: &str) -> Result<(), RequestError> {
    let background = json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"});
    let mut path = format!("{collection}?limit={PAGE}");
    loop {
        let page: Page<Object> = match api.delete_collection(&path, &background).await {
            // Too slow for one revision: the next attempt begins with what is left.
            Err(error) if error.is_gone() => return Ok(()),
            page => page?,
        };
        if page.metadata.continue_token.is_empty() {
            return Ok(());
        }
        path = format!(
            "{collection}?limit={PAGE}&continue={}",
            escape(&page.metadata.continue_token)
        );
    }
}

async fn delete_each(api: &ApiClient, collection: &str) -> Result<(), RequestError> {
    let mut names = Vec::new();
    each_object(api, collection, |object| names.push(object.metadata.name.clone())).await?;
    let background = json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"});
    for name in names {
        match api.delete(&format!("{collection}/{name}"), &background).await {
            Err(error) if !error.is_not_found() => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

async fn each_object(
    api: &ApiClient,
    collection: &str,
    mut tell: impl FnMut(&Object),
) -> Result<(), RequestError> {
    let mut path = format!("{collection}?limit={PAGE}");
    loop {
        let page: Page<Object> = api.list(&path, Form::Metadata).await?;
        page.items.iter().for_each(&mut tell);
        if page.metadata.continue_token.is_empty() {
            return Ok(());
        }
        path = format!(
            "{collection}?limit={PAGE}&continue={}",
            escape(&page.metadata.continue_token)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::example;

    #[test]
    fn what_counts_as_content() {
        let all = ["create", "delete", "deletecollection", "get", "list", "watch"];
        assert!(is_content(&example("v1/secrets", &all)));
        assert!(is_content(&example("v1/secrets", &["delete", "list"])));
        let review = example("authorization.k8s.io/v1/localsubjectaccessreviews", &["create"]);
        assert!(!is_content(&review));
        let cluster_wide = Resource {
            namespaced: false,
            ..example("v1/namespaces", &all)
        };
        assert!(!is_content(&cluster_wide));
    }
}
