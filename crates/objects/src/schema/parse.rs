//! Reads `data/schema.txt`. The data is part of the program: a mistake in it is a bug, found by the first test.

use std::collections::BTreeMap;

use super::{
    Field, FieldRef, GroupVersionKind, Kind, ListType, MAX_FIELDS, PatchStrategy, Schema, Type, TypeRef,
};

pub(super) fn parse(text: &'static str) -> Schema {
    let by_name = index_types(text);
    let mut types: Vec<Type> = Vec::with_capacity(by_name.len());
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some(field) = line.strip_prefix(' ') {
            let field = parse_field(field, &by_name);
            types.last_mut().expect("a type comes first").fields.push(field);
        } else if let Some(kind) = line.strip_prefix("kind ") {
            types
                .last_mut()
                .expect("a type comes first")
                .gvks
                .push(parse_kind(kind));
        } else if let Some(ty) = line.strip_prefix("type ") {
            types.push(parse_type(ty));
        }
    }
    for index in 0..types.len() {
        let mut json_index = Vec::new();
        collect_json_fields(&types, index, &mut json_index);
        json_index.sort_unstable_by_key(|(name, _)| *name);
        types[index].json_index = json_index;
        index_numbers(&mut types[index]);
    }
    let by_kind = index_kinds(text, &by_name);
    Schema {
        types,
        by_name,
        by_kind,
    }
}

fn index_types(text: &'static str) -> BTreeMap<&'static str, usize> {
    let types = text.lines().filter_map(|line| line.strip_prefix("type "));
    types
        .filter_map(|line| line.split(' ').next())
        .enumerate()
        .map(|(index, name)| (name, index))
        .collect()
}

fn index_kinds(
    text: &'static str,
    by_name: &BTreeMap<&'static str, usize>,
) -> BTreeMap<(&'static str, &'static str, &'static str), usize> {
    let mut kinds = BTreeMap::new();
    let mut current = 0;
    for line in text.lines() {
        if let Some(ty) = line.strip_prefix("type ") {
            current = by_name[ty.split(' ').next().expect("a name")];
        } else if let Some(kind) = line.strip_prefix("kind ") {
            let (group, version, kind) = split_kind(kind);
            kinds.insert((kind, group, version), current);
        }
    }
    kinds
}

fn split_kind(line: &'static str) -> (&'static str, &'static str, &'static str) {
    let mut parts = line.splitn(3, '/');
    let mut next = || parts.next().expect("group/version/kind");
    (next(), next(), next())
}

fn parse_kind(line: &'static str) -> GroupVersionKind {
    let (group, version, kind) = split_kind(line);
    GroupVersionKind {
        group: group.into(),
        version: version.into(),
        kind: kind.into(),
    }
}

fn parse_type(line: &'static str) -> Type {
    let mut words = line.split(' ');
    let mut next = || words.next().expect("a name");
    Type {
        model_name: next(),
        go_name: next(),
        fields: Vec::new(),
        gvks: Vec::new(),
        map_atomic: words.next() == Some("atomic"),
        by_number: Vec::new(),
        number_index: Vec::new(),
        json_index: Vec::new(),
    }
}

fn parse_field(line: &'static str, by_name: &BTreeMap<&'static str, usize>) -> Field {
    // Enum values may hold spaces, so they come last.
    let (line, enum_values) = line.split_once(" enum=").unwrap_or((line, ""));
    let mut words = line.split(' ');
    let mut next = || words.next().expect("name, Go name, number, shape");
    let json_name = next();
    let mut field = Field {
        json_name: if json_name == "-" { "" } else { json_name },
        go_name: next(),
        number: next().parse().expect("a field number"),
        kind: parse_shape(next(), by_name),
        pointer: false,
        omit_empty: false,
        omit_zero: false,
        inline: false,
        optional: false,
        wrapped: false,
        list_type: None,
        map_keys: &[],
        atomic: false,
        patch_merge_key: None,
        patch_strategy: PatchStrategy::default(),
        default: None,
        enum_values: &[],
    };
    if !enum_values.is_empty() {
        field.enum_values = enum_values.split('|').collect::<Vec<_>>().leak();
    }
    for flag in words {
        apply_flag(&mut field, flag);
    }
    field
}

fn parse_shape(shape: &str, by_name: &BTreeMap<&'static str, usize>) -> Kind {
    if let Some(element) = shape.strip_prefix("[]") {
        return Kind::List(Box::new(parse_shape(element, by_name)));
    }
    if let Some(value) = shape.strip_prefix("{}") {
        return Kind::Map(Box::new(parse_shape(value, by_name)));
    }
    match shape {
        "bool" => Kind::Bool,
        "int32" => Kind::Int32,
        "int64" => Kind::Int64,
        "float64" => Kind::Float64,
        "string" => Kind::String,
        "bytes" => Kind::Bytes,
        "Time" => Kind::Time,
        "MicroTime" => Kind::MicroTime,
        "Duration" => Kind::Duration,
        "Quantity" => Kind::Quantity,
        "IntOrString" => Kind::IntOrString,
        "FieldsV1" => Kind::FieldsV1,
        "RawExtension" => Kind::RawExtension,
        name => Kind::Message(TypeRef(
            u16::try_from(by_name[name]).expect("fewer than 65536 types"),
        )),
    }
}

fn apply_flag(field: &mut Field, flag: &'static str) {
    let (name, value) = flag.split_once('=').unwrap_or((flag, ""));
    match name {
        "pointer" => field.pointer = true,
        "omitempty" => field.omit_empty = true,
        "omitzero" => field.omit_zero = true,
        "inline" => field.inline = true,
        "optional" => field.optional = true,
        "required" => field.optional = false,
        "wrapped" => field.wrapped = true,
        "listType" => {
            field.list_type = match value {
                "set" => Some(ListType::Set),
                "map" => Some(ListType::Map),
                _ => Some(ListType::Atomic),
            };
            field.atomic |= value == "atomic";
        }
        "mapType" | "structType" => field.atomic |= value == "atomic",
        "keys" => field.map_keys = value.split(',').collect::<Vec<_>>().leak(),
        "strategy" => {
            let has = |name| value.split(',').any(|strategy| strategy == name);
            field.patch_strategy = PatchStrategy {
                merge: has("merge"),
                retain_keys: has("retainKeys"),
                replace: has("replace"),
            };
        }
        "mergeKey" => field.patch_merge_key = Some(value),
        "default" => field.default = Some(value),
        _ => panic!("unknown flag {flag} in schema.txt"),
    }
}

fn collect_json_fields(types: &[Type], index: usize, out: &mut Vec<(&'static str, FieldRef)>) {
    for (position, field) in types[index].fields.iter().enumerate() {
        match &field.kind {
            Kind::Message(embedded) if field.inline => {
                collect_json_fields(types, usize::from(embedded.0), out);
            }
            _ => out.push((field.json_name, FieldRef(index as u16, position as u8))),
        }
    }
}

fn index_numbers(ty: &mut Type) {
    assert!(
        ty.fields.len() <= MAX_FIELDS,
        "{} has too many fields",
        ty.model_name
    );
    let mut by_number: Vec<u8> = (0..ty.fields.len() as u8).collect();
    by_number.retain(|index| ty.fields[usize::from(*index)].number != 0);
    by_number.sort_unstable_by_key(|index| ty.fields[usize::from(*index)].number);
    let highest = by_number
        .last()
        .map_or(0, |index| ty.fields[usize::from(*index)].number);
    ty.number_index = vec![0; highest as usize + 1];
    for index in &by_number {
        ty.number_index[ty.fields[usize::from(*index)].number as usize] = index + 1;
    }
    ty.by_number = by_number;
}
