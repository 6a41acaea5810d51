//! The operations of one group-version, resource by resource and verb by verb.

use super::{Body, Model, Operation, Path, camel_case, document, lower_camel_case, upper_first};
use crate::openapi::models;
use crate::openapi::parameters::{self, Parameter};
use crate::openapi::{Kind, OBJECT_MEDIA_TYPES, WATCH_MEDIA_TYPES, meta};
use crate::served::{self, ServedResource, ServedSubresource};

/// Everything under `/api/v1/` or `/apis/<group>/<version>/`.
pub(crate) fn group_version<'a>(served: &'a [ServedResource], group: &str, version: &str) -> Vec<Path<'a>> {
    let scope = Scope::new(group, version);
    let mut paths = vec![document(
        format!("{}/", scope.root),
        format!("get{}APIResources", scope.id),
        scope.tag.clone(),
        "the served resources",
        Model::Kind(meta("APIResourceList")),
    )];
    for resource in served::resources_of(served, group, version) {
        paths.push(scope.collection(resource));
        if resource.namespaced {
            paths.push(scope.all_namespaces(resource));
        }
        paths.push(scope.item(resource));
        for subresource in resource.sorted_subresources() {
            paths.extend(scope.subresource(resource, subresource));
        }
    }
    paths.retain(|path| !path.operations.is_empty());
    paths
}

/// What the operations of one group-version share.
struct Scope {
    root: String,
    /// `CoreV1`, the middle of operation ids.
    id: String,
    tag: String,
}

impl Scope {
    fn new(group: &str, version: &str) -> Self {
        let version_id = upper_first(version);
        match group {
            "" => Self {
                root: format!("/api/{version}"),
                id: format!("Core{version_id}"),
                tag: format!("core_{version}"),
            },
            _ => Self {
                root: format!("/apis/{group}/{version}"),
                id: format!("{}{version_id}", camel_case(group)),
                tag: format!("{}_{version}", lower_camel_case(group)),
            },
        }
    }

    fn collection_url(&self, resource: &ServedResource) -> String {
        let namespace = if resource.namespaced {
            "/namespaces/{namespace}"
        } else {
            ""
        };
        format!("{}{namespace}/{}", self.root, resource.plural)
    }

    fn operation<'a>(
        &self,
        method: &'static str,
        action: &'static str,
        id: String,
        description: String,
        kind: Kind<'a>,
    ) -> Operation<'a> {
        Operation {
            method,
            id,
            description,
            tag: self.tag.clone(),
            action: Some((action, kind)),
            parameters: vec![],
            body: None,
            produces: OBJECT_MEDIA_TYPES.to_vec(),
            responses: vec![(200, Model::Kind(kind))],
        }
    }

    fn collection<'a>(&self, resource: &'a ServedResource) -> Path<'a> {
        let Subject { kind, noun, .. } = Subject::of(resource);
        let mut operations = Vec::new();
        if resource.serves("list") {
            operations.push(self.list(resource, format!("list{}{noun}", self.id)));
        }
        if resource.serves("create") {
            let id = format!("create{}{noun}", self.id);
            let operation = self.operation("post", "post", id, format!("create a {}", kind.kind), kind);
            operations.push(Operation {
                parameters: queries(parameters::WRITE),
                body: Some(Body::Object(kind)),
                responses: [200, 201, 202].map(|code| (code, Model::Kind(kind))).to_vec(),
                ..operation
            });
        }
        if resource.serves("deletecollection") {
            let id = format!("delete{}Collection{noun}", self.id);
            let description = format!("delete all selected objects of kind {}", kind.kind);
            let operation = self.operation("delete", "deletecollection", id, description, kind);
            operations.push(Operation {
                parameters: [
                    queries(parameters::DELETE),
                    queries(parameters::DELETE_COLLECTION),
                ]
                .concat(),
                body: Some(Body::DeleteOptions),
                responses: vec![(200, Model::Kind(meta("Status")))],
                ..operation
            });
        }
        Path {
            url: self.collection_url(resource),
            parameters: path_parameters(resource, false),
            operations,
        }
    }

    fn all_namespaces<'a>(&self, resource: &'a ServedResource) -> Path<'a> {
        let mut operations = Vec::new();
        if resource.serves("list") {
            let id = format!("list{}{}ForAllNamespaces", self.id, resource.kind);
            operations.push(self.list(resource, id));
        }
        Path {
            url: format!("{}/{}", self.root, resource.plural),
            parameters: queries(&[parameters::PRETTY]),
            operations,
        }
    }

    fn list<'a>(&self, resource: &'a ServedResource, id: String) -> Operation<'a> {
        let Subject { kind, .. } = Subject::of(resource);
        let list = Kind {
            kind: &resource.list_kind,
            ..kind
        };
        let description = format!("list the objects of kind {}, or watch them", kind.kind);
        let mut operation = self.operation("get", "list", id, description, kind);
        operation.responses = vec![(200, Model::Kind(list))];
        operation.parameters = queries(parameters::LIST);
        if resource.serves("watch") {
            operation.parameters.extend(queries(parameters::WATCH));
            operation.produces.extend(WATCH_MEDIA_TYPES);
        }
        operation
    }

    fn item<'a>(&self, resource: &'a ServedResource) -> Path<'a> {
        let subject = Subject::of(resource);
        let mut operations = self.read_and_write(&subject, &resource.verbs);
        if resource.serves("delete") {
            operations.push(self.delete(&subject));
        }
        Path {
            url: format!("{}/{{name}}", self.collection_url(resource)),
            parameters: path_parameters(resource, true),
            operations,
        }
    }

    /// get, update and patch, which objects and their parts have in common.
    fn read_and_write<'a>(&self, subject: &Subject<'a>, verbs: &[String]) -> Vec<Operation<'a>> {
        let Subject { kind, noun, what } = subject;
        let serves = |verb: &str| verbs.iter().any(|served| served == verb);
        let operation = |method, action, verb: &str, id: &str| {
            let id = format!("{id}{}{noun}", self.id);
            self.operation(method, action, id, format!("{verb} the specified {what}"), *kind)
        };
        let created = || [200, 201].map(|code| (code, Model::Kind(*kind))).to_vec();
        let mut operations = Vec::new();
        if serves("get") {
            operations.push(operation("get", "get", "read", "read"));
        }
        if serves("update") {
            operations.push(Operation {
                parameters: queries(parameters::WRITE),
                body: Some(Body::Object(*kind)),
                responses: created(),
                ..operation("put", "put", "replace", "replace")
            });
        }
        if serves("patch") {
            operations.push(Operation {
                parameters: queries(parameters::PATCH),
                body: Some(Body::Patch(*kind)),
                responses: created(),
                ..operation("patch", "patch", "partially update", "patch")
            });
        }
        operations
    }

    fn delete<'a>(&self, subject: &Subject<'a>) -> Operation<'a> {
        let Subject { kind, noun, what } = subject;
        let id = format!("delete{}{noun}", self.id);
        Operation {
            parameters: queries(parameters::DELETE),
            body: Some(Body::DeleteOptions),
            responses: [200, 202]
                .map(|code| (code, Model::Kind(meta("Status"))))
                .to_vec(),
            ..self.operation("delete", "delete", id, format!("delete a {what}"), *kind)
        }
    }

    fn subresource<'a>(&self, resource: &'a ServedResource, sub: &'a ServedSubresource) -> Vec<Path<'a>> {
        let subject = Subject::of_subresource(resource, sub);
        let url = format!("{}/{{name}}/{}", self.collection_url(resource), sub.name);
        let mut parameters = path_parameters(resource, true);
        if subject.kind.kind.ends_with("Options") {
            return self.connect(url, parameters, &subject, sub);
        }
        let mut operations = self.read_and_write(&subject, &sub.verbs);
        if sub.name == "log" {
            parameters.extend(models::options(Kind {
                kind: "PodLogOptions",
                ..subject.kind
            }));
            for operation in &mut operations {
                operation.produces.push("text/plain");
                operation.responses = vec![(200, Model::Text)];
            }
        }
        if sub.serves("create") {
            let id = format!("create{}{}", self.id, subject.noun);
            let description = format!("create {}", subject.what);
            operations.push(Operation {
                parameters: queries(parameters::WRITE),
                body: Some(Body::Object(subject.kind)),
                responses: [200, 201, 202]
                    .map(|code| (code, Model::Kind(subject.kind)))
                    .to_vec(),
                ..self.operation("post", "post", id, description, subject.kind)
            });
        }
        if sub.serves("delete") {
            operations.push(self.delete(&subject));
        }
        vec![Path {
            url,
            parameters,
            operations,
        }]
    }

    /// Connections carry bytes, not objects; `proxy` also has a path of its own.
    fn connect<'a>(
        &self,
        url: String,
        mut parameters: Vec<Parameter>,
        subject: &Subject<'a>,
        sub: &ServedSubresource,
    ) -> Vec<Path<'a>> {
        const METHODS: &[(&str, &str)] = &[
            ("create", "post"),
            ("delete", "delete"),
            ("get", "get"),
            ("patch", "patch"),
            ("update", "put"),
        ];
        let operations = |suffix: &str| -> Vec<_> {
            let methods = METHODS.iter().filter(|(verb, _)| sub.serves(verb));
            methods
                .map(|(_, method)| {
                    let id = format!(
                        "connect{}{}{}{suffix}",
                        self.id,
                        upper_first(method),
                        subject.noun
                    );
                    let description = format!("connect {method} requests to {}", subject.what);
                    Operation {
                        produces: vec!["*/*"],
                        responses: vec![(200, Model::Text)],
                        ..self.operation(method, "connect", id, description, subject.kind)
                    }
                })
                .collect()
        };
        parameters.retain(|parameter| parameter.in_path);
        parameters.extend(models::options(subject.kind));
        let mut paths = vec![Path {
            url,
            parameters,
            operations: operations(""),
        }];
        if sub.name == "proxy" {
            let mut parameters = paths[0].parameters.clone();
            parameters.retain(|parameter| parameter.in_path);
            parameters.push(Parameter::path("path", "what to ask the proxied server for"));
            let url = format!("{}/{{path}}", paths[0].url);
            paths.push(Path {
                url,
                parameters,
                operations: operations("WithPath"),
            });
        }
        paths
    }
}

/// What an operation is about.
struct Subject<'a> {
    kind: Kind<'a>,
    /// The end of operation ids, `NamespacedSecret`.
    noun: String,
    /// In a sentence, `status of Namespace`.
    what: String,
}

impl<'a> Subject<'a> {
    fn of(resource: &'a ServedResource) -> Self {
        let ServedResource {
            group, version, kind, ..
        } = resource;
        let scope = if resource.namespaced { "Namespaced" } else { "" };
        Self {
            kind: Kind { group, version, kind },
            noun: format!("{scope}{kind}"),
            what: kind.clone(),
        }
    }

    fn of_subresource(resource: &'a ServedResource, sub: &'a ServedSubresource) -> Self {
        let ServedSubresource {
            group, version, kind, ..
        } = sub;
        let parent = Self::of(resource);
        Self {
            kind: Kind { group, version, kind },
            noun: format!("{}{}", parent.noun, upper_first(&sub.name)),
            what: format!("{} of {}", sub.name, parent.what),
        }
    }
}

fn path_parameters(resource: &ServedResource, named: bool) -> Vec<Parameter> {
    let mut parameters = Vec::new();
    if named {
        parameters.push(Parameter::path("name", format!("name of the {}", resource.kind)));
    }
    if resource.namespaced {
        parameters.push(Parameter::path(
            "namespace",
            format!("namespace of the {}", resource.kind),
        ));
    }
    parameters.push(Parameter::query(&parameters::PRETTY));
    parameters
}

fn queries(rows: &[(&'static str, &'static str, &'static str)]) -> Vec<Parameter> {
    rows.iter().map(Parameter::query).collect()
}
