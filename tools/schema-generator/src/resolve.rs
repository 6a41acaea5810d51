//! Turns Go declarations of several packages into the rows of the table.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};

use crate::description;
use crate::go_source::{GoField, Package, markers};

const META: &str = "k8s.io/apimachinery/pkg/apis/meta/v1";

/// Import path, files besides `register.go`, model-name prefix.
const PACKAGES: &[(&str, &[&str], &str)] = &[
    ("k8s.io/api/apps/v1", &["types.go"], "io.k8s.api.apps.v1"),
    (
        "k8s.io/api/authentication/v1",
        &["types.go"],
        "io.k8s.api.authentication.v1",
    ),
    (
        "k8s.io/api/authorization/v1",
        &["types.go"],
        "io.k8s.api.authorization.v1",
    ),
    (
        "k8s.io/api/autoscaling/v1",
        &["types.go"],
        "io.k8s.api.autoscaling.v1",
    ),
    (
        "k8s.io/api/certificates/v1",
        &["types.go"],
        "io.k8s.api.certificates.v1",
    ),
    (
        "k8s.io/api/coordination/v1",
        &["types.go"],
        "io.k8s.api.coordination.v1",
    ),
    ("k8s.io/api/core/v1", &["types.go"], "io.k8s.api.core.v1"),
    ("k8s.io/api/events/v1", &["types.go"], "io.k8s.api.events.v1"),
    ("k8s.io/api/policy/v1", &["types.go"], "io.k8s.api.policy.v1"),
    ("k8s.io/api/rbac/v1", &["types.go"], "io.k8s.api.rbac.v1"),
    (
        META,
        &["types.go", "watch.go"],
        "io.k8s.apimachinery.pkg.apis.meta.v1",
    ),
];

/// Registered into every group-version by `metav1.AddToGroupVersion`.
const IN_EVERY_GROUP: &[&str] = &[
    "CreateOptions",
    "DeleteOptions",
    "GetOptions",
    "ListOptions",
    "PatchOptions",
    "UpdateOptions",
    "WatchEvent",
];
/// Registered under `v1` whatever the group: `scheme.AddUnversionedTypes(Unversioned, …)`.
const UNVERSIONED: &[&str] = &[
    "APIGroup",
    "APIGroupList",
    "APIResourceList",
    "APIVersions",
    "Status",
];
/// `AddMetaToScheme`.
const META_KINDS: &[&str] = &[
    "PartialObjectMetadata",
    "PartialObjectMetadataList",
    "Table",
    "TableOptions",
];

/// Group, version and kind.
pub type GroupVersionKind = (String, String, String);

pub struct ResolvedType {
    pub model_name: String,
    pub go_name: String,
    pub atomic: bool,
    pub gvks: Vec<GroupVersionKind>,
    pub fields: Vec<ResolvedField>,
    pub description: String,
}

pub struct ResolvedField {
    pub json_name: String,
    pub go_name: String,
    pub number: u32,
    pub shape: String,
    pub flags: Vec<String>,
    pub description: String,
}

pub struct Universe {
    packages: BTreeMap<&'static str, Package>,
    model_names: BTreeMap<(&'static str, String), String>,
    gvks: BTreeMap<(&'static str, String), Vec<GroupVersionKind>>,
}

/// A Go type expression, followed to its end.
struct Resolved {
    shape: String,
    /// A named list such as `ExtraValue`: protobuf wraps it in a message.
    wrapped: bool,
    enumeration: Option<(&'static str, String)>,
}

impl Universe {
    /// Reads the sources below a directory that holds `api` and `apimachinery`.
    pub fn read(root: &Path) -> Result<Universe> {
        let mut universe = Universe {
            packages: BTreeMap::new(),
            model_names: BTreeMap::new(),
            gvks: BTreeMap::new(),
        };
        for (path, files, prefix) in PACKAGES {
            let directory = root.join(path.trim_start_matches("k8s.io/"));
            let read = |name: &str| {
                let file = directory.join(name);
                std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))
            };
            let mut package = Package::default();
            for file in *files {
                package.read(&read(file)?);
            }
            for name in package.structs.keys().chain(package.named.keys()) {
                universe
                    .model_names
                    .insert((path, name.clone()), format!("{prefix}.{name}"));
            }
            for (name, model) in model_names(&read("zz_generated.model_name.go")?) {
                universe.model_names.insert((path, name), model);
            }
            if *path == META {
                universe.register_meta_kinds();
            } else {
                universe.register_kinds(path, &read("register.go")?)?;
            }
            universe.packages.insert(path, package);
        }
        for gvks in universe.gvks.values_mut() {
            gvks.sort();
            gvks.dedup();
        }
        Ok(universe)
    }

    fn register(&mut self, path: &'static str, name: &str, group: &str) {
        let gvk = (group.to_owned(), "v1".to_owned(), name.to_owned());
        self.gvks.entry((path, name.to_owned())).or_default().push(gvk);
    }

    fn register_meta_kinds(&mut self) {
        for name in UNVERSIONED {
            self.register(META, name, "");
        }
        for name in META_KINDS
            .iter()
            .chain(IN_EVERY_GROUP.iter().filter(|name| name.ends_with("Options")))
        {
            self.register(META, name, "meta.k8s.io");
        }
    }

    fn register_kinds(&mut self, path: &'static str, source: &str) -> Result<()> {
        let group = source
            .lines()
            .find_map(|line| line.strip_prefix("const GroupName = \""));
        let group = group.context("no GroupName")?.trim_end_matches('"').to_owned();
        let (_, calls) = source
            .split_once("scheme.AddKnownTypes(SchemeGroupVersion,\n")
            .context("no AddKnownTypes")?;
        let known = calls.split(')').next().unwrap_or(calls);
        for name in known
            .split(',')
            .filter_map(|item| item.trim().strip_prefix('&')?.strip_suffix("{}"))
        {
            self.register(path, name, &group);
        }
        for name in IN_EVERY_GROUP {
            self.register(META, name, &group);
        }
        Ok(())
    }

    /// Every struct type of the packages, by model name.
    pub fn types(&self) -> Result<Vec<ResolvedType>> {
        let mut types = Vec::new();
        for (path, package) in &self.packages {
            for name in package.structs.keys() {
                types.push(self.resolve_struct(path, name, path, name)?);
            }
            // `type List metav1.List` is a struct of its own with the same fields.
            for (name, named) in &package.named {
                if let Ok((origin, origin_name)) = self.locate(path, &named.underlying)
                    && self.packages[origin].structs.contains_key(&origin_name)
                {
                    types.push(self.resolve_struct(path, name, origin, &origin_name)?);
                }
            }
        }
        types.sort_by(|a, b| a.model_name.cmp(&b.model_name));
        types.retain(|ty| !ty.model_name.ends_with(".FieldsV1"));
        Ok(types)
    }

    fn resolve_struct(
        &self,
        path: &'static str,
        name: &str,
        origin: &'static str,
        origin_name: &str,
    ) -> Result<ResolvedType> {
        let definition = &self.packages[origin].structs[origin_name];
        let fields = definition
            .fields
            .iter()
            .filter(|field| field.tags.get("json").is_none_or(|tag| tag != "-"));
        let key = (path, name.to_owned());
        let comment = self.packages[path]
            .named
            .get(name)
            .map_or(&definition.comment, |named| &named.comment);
        Ok(ResolvedType {
            model_name: self.model_names[&key].clone(),
            go_name: name.to_owned(),
            atomic: markers(&definition.comment, "structType").any(|value| value == "atomic"),
            gvks: self.gvks.get(&key).cloned().unwrap_or_default(),
            fields: fields
                .map(|field| {
                    self.resolve_field(origin, field)
                        .with_context(|| format!("{origin_name}.{}", field.name))
                })
                .collect::<Result<_>>()?,
            description: description::from_comment(comment),
        })
    }

    fn resolve_field(&self, path: &'static str, field: &GoField) -> Result<ResolvedField> {
        let json = field.tags.get("json").context("no json tag")?;
        let (json_name, json_options) = json.split_once(',').unwrap_or((json, ""));
        let json_options: Vec<&str> = json_options.split(',').collect();
        let number = match field.tags.get("protobuf") {
            Some(tag) => tag.split(',').nth(1).context("no protobuf number")?.parse()?,
            None => 0,
        };
        let pointer = field.go_type.starts_with('*');
        let resolved = self.resolve(path, field.go_type.trim_start_matches('*'))?;

        let mut flags = Vec::new();
        let mut flag = |on: bool, name: &str| {
            if on {
                flags.push(name.to_owned());
            }
        };
        flag(pointer, "pointer");
        flag(json_options.contains(&"inline"), "inline");
        flag(json_options.contains(&"omitempty"), "omitempty");
        flag(json_options.contains(&"omitzero"), "omitzero");
        flag(markers(&field.comment, "optional").next().is_some(), "optional");
        flag(markers(&field.comment, "required").next().is_some(), "required");
        flag(resolved.wrapped, "wrapped");
        self.merge_flags(field, &mut flags);
        if let Some(default) = markers(&field.comment, "default").next() {
            flags.push(format!("default={}", self.default(path, default)?));
        }
        let mut description = description::from_comment(&field.comment);
        if let Some((origin, name)) = &resolved.enumeration {
            let constants = || {
                self.packages[origin]
                    .constants
                    .iter()
                    .filter(|c| c.go_type == *name)
            };
            let mut values: Vec<&str> = constants().map(|constant| constant.value.as_str()).collect();
            values.sort_unstable();
            values.dedup();
            flags.push(format!("enum={}", values.join("|")));
            let listed = values.iter().map(|value| {
                let constant = constants()
                    .find(|constant| constant.value == *value)
                    .expect("listed above");
                (*value, constant.comment.as_slice())
            });
            description = format!("{description}\n\n{}", description::of_enum(listed))
                .trim()
                .to_owned();
        }
        Ok(ResolvedField {
            json_name: json_name.to_owned(),
            go_name: field.name.clone(),
            number,
            shape: resolved.shape,
            flags,
            description,
        })
    }

    fn merge_flags(&self, field: &GoField, flags: &mut Vec<String>) {
        for marker in ["listType", "mapType", "structType"] {
            for value in markers(&field.comment, marker) {
                flags.push(format!("{marker}={value}"));
            }
        }
        let keys: Vec<&str> = markers(&field.comment, "listMapKey").collect();
        if !keys.is_empty() {
            flags.push(format!("keys={}", keys.join(",")));
        }
        if let Some(strategy) = field.tags.get("patchStrategy") {
            flags.push(format!("strategy={strategy}"));
        }
        if let Some(key) = field.tags.get("patchMergeKey") {
            flags.push(format!("mergeKey={key}"));
        }
    }

    /// `"TCP"`, `1` or `ref(ConstantName)`, as JSON text.
    fn default(&self, path: &'static str, text: &str) -> Result<String> {
        let Some(name) = text.strip_prefix("ref(").and_then(|rest| rest.strip_suffix(')')) else {
            return Ok(text.to_owned());
        };
        let constant = self.packages[path]
            .constants
            .iter()
            .find(|constant| constant.name == name);
        let constant = constant.with_context(|| format!("default {text}: no such constant"))?;
        Ok(format!("{:?}", constant.value))
    }

    fn resolve(&self, path: &'static str, expression: &str) -> Result<Resolved> {
        let plain = |shape: &str| Resolved {
            shape: shape.to_owned(),
            wrapped: false,
            enumeration: None,
        };
        if expression == "[]byte" {
            return Ok(plain("bytes"));
        }
        if let Some(element) = expression.strip_prefix("[]") {
            let element = self.resolve(path, element)?;
            return Ok(Resolved {
                shape: format!("[]{}", element.shape),
                ..element
            });
        }
        if let Some(rest) = expression.strip_prefix("map[") {
            let (key, value) = rest.split_once(']').context("a map without a key")?;
            if self.resolve(path, key)?.shape != "string" {
                bail!("a map with keys of type {key}");
            }
            let value = self.resolve(path, value)?;
            return Ok(Resolved {
                shape: format!("{{}}{}", value.shape),
                wrapped: false,
                ..value
            });
        }
        let scalar = match expression {
            "string" | "types.UID" => "string",
            "bool" => "bool",
            "int32" => "int32",
            "int64" => "int64",
            "float64" => "float64",
            "interface{}" | "runtime.RawExtension" => "RawExtension",
            "resource.Quantity" => "Quantity",
            "intstr.IntOrString" => "IntOrString",
            _ => "",
        };
        if !scalar.is_empty() {
            return Ok(plain(scalar));
        }
        let (origin, name) = self.locate(path, expression)?;
        if origin == META && matches!(name.as_str(), "Time" | "MicroTime" | "Duration" | "FieldsV1") {
            return Ok(plain(&name));
        }
        let package = &self.packages[origin];
        if package.structs.contains_key(&name) {
            return Ok(plain(&self.model_names[&(origin, name)]));
        }
        let named = package
            .named
            .get(&name)
            .ok_or_else(|| anyhow!("{name} is not declared in {origin}"))?;
        let underlying = self.resolve(origin, &named.underlying)?;
        let is_enum = markers(&named.comment, "enum").next().is_some();
        Ok(Resolved {
            wrapped: underlying.shape.starts_with("[]"),
            enumeration: if is_enum {
                Some((origin, name))
            } else {
                underlying.enumeration
            },
            shape: underlying.shape,
        })
    }

    /// The package and bare name behind `metav1.Time` or `Container`.
    fn locate(&self, path: &'static str, expression: &str) -> Result<(&'static str, String)> {
        let Some((alias, name)) = expression.split_once('.') else {
            return Ok((path, expression.to_owned()));
        };
        let import = self.packages[path]
            .imports
            .get(alias)
            .with_context(|| format!("import {alias}"))?;
        let (origin, ..) = PACKAGES
            .iter()
            .find(|(path, ..)| path == import)
            .with_context(|| import.clone())?;
        Ok((origin, name.to_owned()))
    }
}

/// `func (in X) OpenAPIModelName() string { return "…" }` → X, name.
fn model_names(source: &str) -> Vec<(String, String)> {
    let functions = source.split("func (in ").skip(1);
    let pairs = functions.filter_map(|function| {
        let (name, body) = function.split_once(')')?;
        let (_, model) = body.split_once("return \"")?;
        Some((name.to_owned(), model.split('"').next()?.to_owned()))
    });
    pairs.collect()
}
