//! The document of `/openapi/v2`: Swagger 2.0 (api-conventions §3).

mod protobuf;

use serde_json::{Map, Value, json};

use crate::ServedResource;
use crate::openapi::models::{Dialect, Models};
use crate::openapi::operations::{self, Body, Model, Operation, Path};
use crate::openapi::parameters::Parameter;
use crate::openapi::{meta, patch_media_types};

/// The one document that describes everything served.
pub fn document(served: &[ServedResource]) -> Value {
    let mut models = Models::new(Dialect::V2, served);
    // No path refers to it, but generated clients expect the type.
    models.reference(meta("WatchEvent"));
    let paths: Map<_, _> = operations::all(served)
        .iter()
        .map(|path| (path.url.clone(), path_item(path, &mut models)))
        .collect();
    json!({
        "swagger": "2.0",
        "info": { "title": "Kubernetes", "version": "unversioned" },
        "paths": paths,
        "definitions": models.into_definitions(),
        "securityDefinitions": {
            "BearerToken": {
                "type": "apiKey",
                "in": "header",
                "name": "authorization",
                "description": "Bearer token authentication",
            },
        },
        "security": [{ "BearerToken": [] }],
    })
}

/// `document` in the protobuf form of gnostic's `openapi.v2.Document`, the only one `kubectl` reads.
/// Meant for the documents of [`document`]: keys they never contain are left out.
pub fn to_protobuf(document: &Value) -> Vec<u8> {
    crate::protobuf::encode(&protobuf::DOCUMENT, document)
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
    // Parameters are never shared by reference: old clients look for `dryRun` in place.
    let mut parameters: Vec<_> = operation.parameters.iter().map(parameter).collect();
    if let Some(body) = &operation.body {
        parameters.insert(0, body_parameter(body, models));
    }
    let consumes = match &operation.body {
        Some(Body::Patch(kind)) => patch_media_types(*kind),
        _ => vec!["*/*"],
    };
    let mut item = json!({
        "tags": [operation.tag],
        "description": operation.description,
        "operationId": operation.id,
        "schemes": ["https"],
        "consumes": consumes,
        "produces": operation.produces,
        "responses": responses(operation, models),
    });
    if !parameters.is_empty() {
        item["parameters"] = parameters.into();
    }
    if let Some((action, kind)) = &operation.action {
        item["x-kubernetes-action"] = (*action).into();
        item["x-kubernetes-group-version-kind"] = kind.extension();
    }
    item
}

fn body_parameter(body: &Body<'_>, models: &mut Models<'_>) -> Value {
    let (schema, required) = match body {
        Body::Object(kind) => (models.reference(*kind), true),
        Body::Patch(_) => (models.patch_reference(), true),
        Body::DeleteOptions => (models.reference(meta("DeleteOptions")), false),
    };
    let mut parameter = json!({ "name": "body", "in": "body", "schema": schema });
    if required {
        parameter["required"] = true.into();
    }
    parameter
}

fn parameter(parameter: &Parameter) -> Value {
    let mut item = json!({
        "name": parameter.name,
        "in": if parameter.in_path { "path" } else { "query" },
        "type": parameter.value,
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
        let description = operations::reason(*code);
        responses.insert(
            code.to_string(),
            json!({ "description": description, "schema": schema }),
        );
    }
    responses.insert("401".into(), json!({ "description": "Unauthorized" }));
    responses.into()
}
