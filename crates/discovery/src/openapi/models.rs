//! JSON schemas of the types that travel, with the extensions Kubernetes' clients read: kinds for
//! `explain` and validation, merge keys for strategic merge patches, list and map types for
//! server-side apply (api-conventions §3).

use serde_json::{Map, Value, json};
use strongroom_objects::schema::{self, Field, ListType, Type};

use super::Kind;
use super::parameters::Parameter;
use crate::served;

/// How schemas are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Swagger 2.0: `$ref` beside other keys, no defaults.
    V2,
    /// OpenAPI 3.0: `$ref` alone or inside `allOf`, with defaults.
    V3,
}

/// Collects the models a document refers to, and whatever those refer to.
pub(crate) struct Models<'a> {
    dialect: Dialect,
    /// Served group-versions: `DeleteOptions` and `WatchEvent` are kinds of each of them.
    group_versions: Vec<(&'a str, &'a str)>,
    definitions: Map<String, Value>,
}

impl<'a> Models<'a> {
    pub(crate) fn new(dialect: Dialect, served: &'a [crate::ServedResource]) -> Self {
        let group_versions = served::group_versions(served);
        Self {
            dialect,
            group_versions,
            definitions: Map::new(),
        }
    }

    /// A reference to the model of `kind`. A kind the schema table does not know becomes an object
    /// of any content.
    pub(crate) fn reference(&mut self, kind: Kind<'_>) -> Value {
        match schema::schema().kind(kind.group, kind.version, kind.kind) {
            Some(ty) => self.type_reference(ty),
            None => self.special(
                &model_name(kind),
                || json!({ "type": "object", GROUP_VERSION_KIND: [kind.extension()] }),
            ),
        }
    }

    /// A reference to the model that stands for every patch.
    pub(crate) fn patch_reference(&mut self) -> Value {
        self.special("io.k8s.apimachinery.pkg.apis.meta.v1.Patch", || {
            json!({ "type": "object", "description": "A patch; its media type says which kind of patch." })
        })
    }

    /// A reference to the model of the document of `/version`.
    pub(crate) fn version_reference(&mut self) -> Value {
        self.special("io.k8s.apimachinery.pkg.version.Info", version_info)
    }

    /// All models, by name.
    pub(crate) fn into_definitions(self) -> Map<String, Value> {
        self.definitions
    }

    fn link(&self, name: &str) -> Value {
        match self.dialect {
            Dialect::V2 => json!({ "$ref": format!("#/definitions/{name}") }),
            Dialect::V3 => json!({ "$ref": format!("#/components/schemas/{name}") }),
        }
    }

    /// A reference to a model that the schema table has as a kind of value, not as a type.
    fn special(&mut self, name: &str, definition: impl FnOnce() -> Value) -> Value {
        if !self.definitions.contains_key(name) {
            self.definitions.insert(name.to_owned(), definition());
        }
        self.link(name)
    }

    fn type_reference(&mut self, ty: &'static Type) -> Value {
        if !self.definitions.contains_key(ty.model_name) {
            // The placeholder ends the recursion of types that contain themselves.
            self.definitions.insert(ty.model_name.to_owned(), Value::Null);
            let definition = self.definition(ty);
            self.definitions.insert(ty.model_name.to_owned(), definition);
        }
        self.link(ty.model_name)
    }

    fn definition(&mut self, ty: &'static Type) -> Value {
        let mut definition = json!({ "type": "object" });
        if let Some(text) = schema::description(ty.model_name, None) {
            definition["description"] = text.into();
        }
        let mut fields = Vec::new();
        flatten(ty, &mut fields);
        let mut properties = Map::new();
        for (owner, field) in &fields {
            properties.insert(field.json_name.to_owned(), self.property(owner, field));
        }
        if !properties.is_empty() {
            definition["properties"] = properties.into();
        }
        let required: Vec<_> = fields
            .iter()
            .filter(|(_, field)| !field.omit_empty && !field.omit_zero && !field.optional)
            .map(|(_, field)| field.json_name)
            .collect();
        if !required.is_empty() {
            definition["required"] = json!(required);
        }
        if ty.map_atomic {
            definition["x-kubernetes-map-type"] = "atomic".into();
        }
        let kinds = self.kinds(ty);
        if !kinds.is_empty() {
            definition[GROUP_VERSION_KIND] = kinds.into();
        }
        definition
    }

    /// The array of kinds that are written as `ty`. The types every group-version shares are kinds
    /// of the served ones.
    fn kinds(&self, ty: &Type) -> Vec<Value> {
        let shared = ty.model_name.starts_with(META_V1);
        let served = |group: &str, version: &str| self.group_versions.contains(&(group, version));
        let own = ty.gvks.iter().map(|own| Kind {
            group: &own.group,
            version: &own.version,
            kind: &own.kind,
        });
        let mut kinds: Vec<_> = own
            .filter(|own| !shared || own.group.is_empty() || served(own.group, own.version))
            .collect();
        if let Some(kind) = shared_by_all(ty) {
            let everywhere = self.group_versions.iter();
            kinds.extend(everywhere.map(|(group, version)| Kind { group, version, kind }));
        }
        kinds.sort_unstable();
        kinds.dedup();
        kinds.iter().map(Kind::extension).collect()
    }

    fn property(&mut self, owner: &Type, field: &'static Field) -> Value {
        let mut property = self.value(&field.kind);
        if let Some(text) = schema::description(owner.model_name, Some(field.json_name)) {
            property.insert("description".into(), text.into());
        }
        if let Some(default) = self.default(field) {
            property.insert("default".into(), default);
        }
        self.add_enum(field, &mut property);
        add_merge_extensions(field, &mut property);
        self.written(property)
    }

    fn default(&self, field: &Field) -> Option<Value> {
        match self.dialect {
            Dialect::V2 => None,
            Dialect::V3 => {
                let declared = field.default.and_then(|text| serde_json::from_str(text).ok());
                declared.or_else(|| {
                    let empty = empty_value(&field.kind)?;
                    let always_there = empty.is_object() || !field.omit_empty;
                    (always_there && !field.pointer).then_some(empty)
                })
            }
        }
    }

    fn add_enum(&self, field: &Field, property: &mut Map<String, Value>) {
        if self.dialect == Dialect::V2 || field.enum_values.is_empty() {
            return;
        }
        let schema = match property.get_mut("items") {
            Some(Value::Object(items)) => items,
            _ => property,
        };
        schema.insert("enum".into(), json!(field.enum_values));
    }

    /// The schema of a list's or map's element.
    fn element(&mut self, kind: &'static schema::Kind) -> Value {
        let mut element = self.value(kind);
        if let (Dialect::V3, Some(empty)) = (self.dialect, empty_value(kind)) {
            element.insert("default".into(), empty);
        }
        self.written(element)
    }

    fn value(&mut self, kind: &'static schema::Kind) -> Map<String, Value> {
        use schema::Kind::*;
        let value = match kind {
            Bool => json!({ "type": "boolean" }),
            Int32 => json!({ "type": "integer", "format": "int32" }),
            Int64 => json!({ "type": "integer", "format": "int64" }),
            Float64 => json!({ "type": "number", "format": "double" }),
            String => json!({ "type": "string" }),
            Bytes => json!({ "type": "string", "format": "byte" }),
            Time | MicroTime | Duration | Quantity | IntOrString | FieldsV1 | RawExtension => {
                let (name, definition) = special_value(kind, self.dialect);
                self.special(&format!("io.k8s.apimachinery.pkg.{name}"), || definition)
            }
            Message(ty) => self.type_reference(ty),
            List(inner) => json!({ "type": "array", "items": self.element(inner) }),
            Map(inner) => json!({ "type": "object", "additionalProperties": self.element(inner) }),
        };
        match value {
            Value::Object(value) => value,
            _ => serde_json::Map::new(),
        }
    }

    /// In version 3 everything beside a `$ref` is ignored, so that a reference with company is
    /// wrapped.
    fn written(&self, mut schema: Map<String, Value>) -> Value {
        if self.dialect == Dialect::V3
            && schema.len() > 1
            && let Some(link) = schema.remove("$ref")
        {
            schema.insert("allOf".into(), json!([{ "$ref": link }]));
        }
        schema.into()
    }
}

const GROUP_VERSION_KIND: &str = "x-kubernetes-group-version-kind";
const META_V1: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.";

/// The kind of a type that is a kind of each group-version.
fn shared_by_all(ty: &Type) -> Option<&'static str> {
    ["DeleteOptions", "WatchEvent"]
        .into_iter()
        .find(|kind| ty.model_name.strip_prefix(META_V1) == Some(kind))
}

/// Name (without its common start) and model of a value that has JSON of its own.
fn special_value(kind: &schema::Kind, dialect: Dialect) -> (&'static str, Value) {
    use schema::Kind::*;
    let (name, description) = match kind {
        Time => (
            "apis.meta.v1.Time",
            "A time in whole seconds, in the form of RFC 3339.",
        ),
        MicroTime => (
            "apis.meta.v1.MicroTime",
            "A time in microseconds, in the form of RFC 3339.",
        ),
        Duration => ("apis.meta.v1.Duration", "A length of time such as 1h30m0s."),
        Quantity => (
            "api.resource.Quantity",
            "A number with an optional suffix: m for thousandths, k, M, G, T, P, E for powers of \
             1000, Ki, Mi, Gi, Ti, Pi, Ei for powers of 1024; or with an exponent, 1e3.",
        ),
        IntOrString => ("util.intstr.IntOrString", "A 32-bit integer or a string."),
        FieldsV1 => (
            "apis.meta.v1.FieldsV1",
            "A set of fields as nested objects: f:<name> is a field, k:<keys> an element with these \
             keys, v:<value> an element with this value, i:<index> an element at this place, and \
             . the object or list itself.",
        ),
        _ => ("runtime.RawExtension", "An object of any kind."),
    };
    let mut definition = match (kind, dialect) {
        (Time | MicroTime, _) => json!({ "type": "string", "format": "date-time" }),
        (FieldsV1 | RawExtension, _) => json!({ "type": "object" }),
        (IntOrString, Dialect::V2) => json!({ "type": "string", "format": "int-or-string" }),
        (IntOrString, Dialect::V3) => {
            json!({ "format": "int-or-string", "oneOf": [{ "type": "integer" }, { "type": "string" }] })
        }
        (Quantity, Dialect::V3) => json!({ "oneOf": [{ "type": "string" }, { "type": "number" }] }),
        _ => json!({ "type": "string" }),
    };
    definition["description"] = description.into();
    (name, definition)
}

/// The query parameters of a connection: the fields of its options kind.
pub(crate) fn options(kind: Kind<'_>) -> Vec<Parameter> {
    let Some(ty) = schema::schema().kind(kind.group, kind.version, kind.kind) else {
        return vec![];
    };
    let mut fields = Vec::new();
    flatten(ty, &mut fields);
    fields.retain(|(_, field)| !matches!(field.json_name, "kind" | "apiVersion"));
    let parameter = |(owner, field): (&Type, &Field)| Parameter {
        name: field.json_name.into(),
        value: match field.kind {
            schema::Kind::Bool => "boolean",
            schema::Kind::Int32 | schema::Kind::Int64 => "integer",
            _ => "string",
        },
        description: schema::description(owner.model_name, Some(field.json_name))
            .unwrap_or_default()
            .into(),
        in_path: false,
    };
    fields.into_iter().map(parameter).collect()
}

/// Fields as JSON has them, each with the type that declares it: inline structs are looked through.
fn flatten(ty: &'static Type, fields: &mut Vec<(&'static Type, &'static Field)>) {
    for field in &ty.fields {
        match &field.kind {
            schema::Kind::Message(inner) if field.inline => flatten(inner, fields),
            _ => fields.push((ty, field)),
        }
    }
}

fn add_merge_extensions(field: &Field, property: &mut Map<String, Value>) {
    let mut add = |name: &str, value: Value| property.insert(name.to_owned(), value);
    match (&field.list_type, &field.kind) {
        (Some(list_type), _) => {
            let name = match list_type {
                ListType::Atomic => "atomic",
                ListType::Set => "set",
                ListType::Map => "map",
            };
            add("x-kubernetes-list-type", name.into());
        }
        (None, schema::Kind::List(_)) if field.atomic => {
            add("x-kubernetes-list-type", "atomic".into());
        }
        (None, _) if field.atomic => {
            add("x-kubernetes-map-type", "atomic".into());
        }
        _ => {}
    }
    if !field.map_keys.is_empty() {
        add("x-kubernetes-list-map-keys", json!(field.map_keys));
    }
    if let Some(key) = field.patch_merge_key {
        add("x-kubernetes-patch-merge-key", key.into());
    }
    let strategy = &field.patch_strategy;
    let words = [
        (strategy.merge, "merge"),
        (strategy.retain_keys, "retainKeys"),
        (strategy.replace, "replace"),
    ];
    let words: Vec<_> = words
        .iter()
        .filter(|(set, _)| *set)
        .map(|(_, word)| *word)
        .collect();
    if !words.is_empty() {
        add("x-kubernetes-patch-strategy", words.join(",").into());
    }
}

/// What Go has where nothing was sent, as far as OpenAPI calls it a default.
fn empty_value(kind: &schema::Kind) -> Option<Value> {
    use schema::Kind::*;
    match kind {
        Bool => Some(false.into()),
        Int32 | Int64 | Float64 => Some(0.into()),
        String => Some("".into()),
        Message(_) => Some(json!({})),
        _ => None,
    }
}

/// The model name of a kind that has no Go type: the reversed group, `dev.strongroom.v1.Kind`.
fn model_name(kind: Kind<'_>) -> String {
    let Kind { group, version, kind } = kind;
    let reversed: Vec<_> = group.rsplit('.').collect();
    format!("{}.{version}.{kind}", reversed.join("."))
}

fn version_info() -> Value {
    let always = [
        "major",
        "minor",
        "gitVersion",
        "gitCommit",
        "gitTreeState",
        "buildDate",
        "goVersion",
        "compiler",
        "platform",
    ];
    let sometimes = [
        "emulationMajor",
        "emulationMinor",
        "minCompatibilityMajor",
        "minCompatibilityMinor",
    ];
    let properties: Map<_, _> = always
        .iter()
        .chain(&sometimes)
        .map(|name| ((*name).to_owned(), json!({ "type": "string" })))
        .collect();
    json!({
        "type": "object",
        "description": "The version of the server.",
        "properties": properties,
        "required": always,
    })
}
