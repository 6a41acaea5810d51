//! The documents under `/openapi/v3`: OpenAPI 3.0, one for each group-version and root
//! (api-conventions §3). The index of these documents and their hashes are the server's.

mod protobuf;

use serde_json::{Map, Value, json};

use crate::ServedResource;
use crate::openapi::models::{Dialect, Models};
use crate::openapi::operations::{self, Body, Model, Operation, Path};
use crate::openapi::parameters::Parameter;
use crate::openapi::{meta, patch_media_types};
use crate::served;

/// The paths that have a document, as they stand in the index: `api`, `api/v1`, `apis`,
/// `apis/<group>`, `apis/<group>/<version>`, `version`.
pub fn paths(served: &[ServedResource]) -> Vec<String> {
    let group_versions = served::group_versions(served);
    let mut paths = vec!["apis".to_owned(), "version".to_owned()];
    for (group, version) in group_versions {
        match group {
            "" => paths.extend(["api".to_owned(), format!("api/{version}")]),
            _ => paths.extend([format!("apis/{group}"), format!("apis/{group}/{version}")]),
        }
    }
    paths.sort_unstable();
    paths.dedup();
    paths
}

/// The document of one of [`paths`]; `None` for any other path.
pub fn document(served: &[ServedResource], path: &str) -> Option<Value> {
    let described = described(served, path)?;
    let mut models = Models::new(Dialect::V3, served);
    if described.len() > 1 {
        // No path refers to it, but generated clients expect the type.
        models.reference(meta("WatchEvent"));
    }
    let paths: Map<_, _> = described
        .iter()
        .map(|path| (path.url.clone(), path_item(path, &mut models)))
        .collect();
    Some(json!({
        "openapi": "3.0.0",
        "info": { "title": "Kubernetes", "version": "unversioned" },
        "paths": paths,
        "components": {
            "schemas": models.into_definitions(),
            "securitySchemes": {
                "BearerToken": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "authorization",
                    "description": "Bearer token authentication",
                },
            },
        },
    }))
}

/// `document` in the protobuf form of gnostic's `openapi.v3.Document`. Meant for the documents of
/// [`document`]: keys they never contain are left out.
pub fn to_protobuf(document: &Value) -> Vec<u8> {
    crate::protobuf::encode(&protobuf::DOCUMENT, document)
}

fn described<'a>(served: &'a [ServedResource], path: &str) -> Option<Vec<Path<'a>>> {
    if !paths(served).iter().any(|known| known == path) {
        return None;
    }
    let segments: Vec<_> = path.split('/').collect();
    Some(match segments[..] {
        ["version"] => vec![operations::version()],
        ["api"] => vec![operations::core_versions()],
        ["apis"] => vec![operations::group_list()],
        ["apis", group] => vec![operations::group(group)],
        ["api", version] => operations::group_version(served, "", version),
        ["apis", group, version] => operations::group_version(served, group, version),
        _ => return None,
    })
}

fn path_item(path: &Path<'_>, models: &mut Models<'_>) -> Value {
    let mut item = Map::new();
    for operation in &path.operations {
        item.insert(operation.method.to_owned(), operation_item(operation, models));
    }
    if !path.parameters.is_empty() {
        item.insert(
            "parameters".into(),
            path.parameters.iter().map(parameter).collect(),
        );
    }
    item.into()
}

fn operation_item(operation: &Operation<'_>, models: &mut Models<'_>) -> Value {
    let mut item = json!({
        "tags": [operation.tag],
        "description": operation.description,
        "operationId": operation.id,
        "responses": responses(operation, models),
    });
    if !operation.parameters.is_empty() {
        item["parameters"] = operation.parameters.iter().map(parameter).collect();
    }
    if let Some(body) = &operation.body {
        item["requestBody"] = request_body(body, models);
    }
    if let Some((action, kind)) = &operation.action {
        item["x-kubernetes-action"] = (*action).into();
        item["x-kubernetes-group-version-kind"] = kind.extension();
    }
    item
}

fn request_body(body: &Body<'_>, models: &mut Models<'_>) -> Value {
    match body {
        Body::Object(kind) => {
            json!({ "content": content(&["*/*"], models.reference(*kind)), "required": true })
        }
        Body::Patch(kind) => {
            let schema = models.patch_reference();
            json!({ "content": content(&patch_media_types(*kind), schema), "required": true })
        }
        Body::DeleteOptions => {
            json!({ "content": content(&["*/*"], models.reference(meta("DeleteOptions"))) })
        }
    }
}

fn content(media_types: &[&str], schema: Value) -> Value {
    let entries = media_types
        .iter()
        .map(|media_type| ((*media_type).to_owned(), json!({ "schema": schema })));
    Value::Object(entries.collect())
}

fn parameter(parameter: &Parameter) -> Value {
    let mut item = json!({
        "name": parameter.name,
        "in": if parameter.in_path { "path" } else { "query" },
        "schema": { "type": parameter.value },
        "description": parameter.description,
    });
    if parameter.in_path {
        item["required"] = true.into();
    }
    item
}

fn responses(operation: &Operation<'_>, models: &mut Models<'_>) -> Value {
    let mut responses = Map::new();
    for (code, model) in &operation.responses {
        let schema = match model {
            Model::Kind(kind) => models.reference(*kind),
            Model::Version => models.version_reference(),
            Model::Text => json!({ "type": "string" }),
        };
        let body = content(&operation.produces, schema);
        let description = operations::reason(*code);
        responses.insert(
            code.to_string(),
            json!({ "description": description, "content": body }),
        );
    }
    responses.insert("401".into(), json!({ "description": "Unauthorized" }));
    responses.into()
}
