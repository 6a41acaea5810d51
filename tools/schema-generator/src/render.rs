//! The two output formats. Their reader is `crates/objects/src/schema/`.

use std::fmt::Write;

use crate::resolve::{ResolvedField, ResolvedType};

const HEADER: &str = "\
# The descriptor table of Kubernetes' API types. Written by tools/schema-generator; do not edit. See NOTICE.
#
# type <OpenAPI model name> <Go name> [atomic]
# kind <group>/<version>/<kind>
#  <JSON name> <Go name> <protobuf field number, 0: none> <shape> <flags>, the flag enum= last
#
# Shapes: []x is a list, {}x a map with string keys, a name with dots a message.
";

/// `schema.txt`: one line per type, kind and field.
pub fn schema(types: &[ResolvedType]) -> String {
    let mut out = String::from(HEADER);
    for ty in types {
        let atomic = if ty.atomic { " atomic" } else { "" };
        writeln!(out, "type {} {}{atomic}", ty.model_name, ty.go_name).expect("a String");
        for (group, version, kind) in &ty.gvks {
            writeln!(out, "kind {group}/{version}/{kind}").expect("a String");
        }
        for field in &ty.fields {
            field_line(&mut out, field);
        }
    }
    out
}

fn field_line(out: &mut String, field: &ResolvedField) {
    let json_name = if field.json_name.is_empty() {
        "-"
    } else {
        &field.json_name
    };
    write!(
        out,
        " {json_name} {} {} {}",
        field.go_name, field.number, field.shape
    )
    .expect("a String");
    for flag in &field.flags {
        write!(out, " {flag}").expect("a String");
    }
    out.push('\n');
}

/// `descriptions`: model name, JSON name (empty for the type itself) and text, separated by tabs; newlines escaped.
pub fn descriptions(types: &[ResolvedType]) -> String {
    let mut out = String::new();
    let mut line = |model: &str, field: &str, text: &str| {
        if !text.is_empty() {
            let text = text.replace('\\', "\\\\").replace('\n', "\\n");
            writeln!(out, "{model}\t{field}\t{text}").expect("a String");
        }
    };
    for ty in types {
        line(&ty.model_name, "", &ty.description);
        for field in ty.fields.iter().filter(|field| !field.json_name.is_empty()) {
            line(&ty.model_name, &field.json_name, &field.description);
        }
    }
    out
}
