//! Reads the declarations out of a Go `types.go`: structs, named types, constants and imports with their comments.
//!
//! Not a Go parser: it relies on the layout of gofmt, which Kubernetes enforces.

use std::collections::BTreeMap;

/// What one Go package declares.
#[derive(Default)]
pub struct Package {
    /// Import alias → import path.
    pub imports: BTreeMap<String, String>,
    pub structs: BTreeMap<String, Struct>,
    pub named: BTreeMap<String, Named>,
    pub constants: Vec<Constant>,
}

pub struct Struct {
    pub comment: Vec<String>,
    pub fields: Vec<GoField>,
}

pub struct GoField {
    pub name: String,
    /// The Go type expression, e.g. `*metav1.Time` or `map[string][]byte`.
    pub go_type: String,
    pub tags: BTreeMap<String, String>,
    pub comment: Vec<String>,
}

/// `type SecretType string`.
pub struct Named {
    pub comment: Vec<String>,
    pub underlying: String,
}

pub struct Constant {
    pub name: String,
    pub go_type: String,
    pub value: String,
    pub comment: Vec<String>,
}

impl Package {
    /// Adds the declarations of one source file.
    pub fn read(&mut self, source: &str) {
        let mut comment = Vec::new();
        let mut lines = source.lines();
        let mut block = Block::None;
        while let Some(line) = lines.next() {
            let trimmed = line.trim();
            if let Some(text) = trimmed.strip_prefix("//") {
                comment.push(text.strip_prefix(' ').unwrap_or(text).to_owned());
                continue;
            }
            if trimmed.is_empty() {
                comment.clear();
                continue;
            }
            if line.starts_with(')') {
                block = Block::None;
            } else if line.starts_with("import (") {
                block = Block::Import;
            } else if line.starts_with("const (") {
                block = Block::Constants;
            } else if let Some(declaration) = line.strip_prefix("type ") {
                self.read_type(declaration, std::mem::take(&mut comment), &mut lines);
            } else if let Some(declaration) = line.strip_prefix("const ") {
                self.read_constant(declaration, std::mem::take(&mut comment));
            } else {
                match block {
                    Block::Import => self.read_import(trimmed),
                    Block::Constants => self.read_constant(trimmed, std::mem::take(&mut comment)),
                    Block::None => {}
                }
            }
            comment.clear();
        }
    }

    fn read_import(&mut self, line: &str) {
        let Some((alias, path)) = line.trim_end_matches('"').split_once('"') else {
            return;
        };
        let alias = match alias.trim() {
            "" => path.rsplit('/').next().unwrap_or(path),
            alias => alias,
        };
        self.imports.insert(alias.to_owned(), path.to_owned());
    }

    /// `Name Type = "value"`.
    fn read_constant(&mut self, line: &str, comment: Vec<String>) {
        let Some((left, right)) = line.split_once('=') else {
            return;
        };
        let left: Vec<&str> = left.split_whitespace().collect();
        let Some(value) = right
            .trim()
            .strip_prefix('"')
            .and_then(|rest| rest.split_once('"'))
        else {
            return;
        };
        let (name, go_type) = match left.as_slice() {
            [name] => (*name, ""),
            [name, go_type] => (*name, *go_type),
            _ => return,
        };
        self.constants.push(Constant {
            name: name.to_owned(),
            go_type: go_type.to_owned(),
            value: value.0.to_owned(),
            comment,
        });
    }

    fn read_type<'a>(
        &mut self,
        declaration: &str,
        comment: Vec<String>,
        lines: &mut impl Iterator<Item = &'a str>,
    ) {
        let declaration = declaration.split("//").next().unwrap_or(declaration).trim();
        let Some((name, definition)) = declaration.split_once(' ') else {
            return;
        };
        let definition = definition.trim();
        match definition {
            "struct {" => {
                let fields = read_fields(lines);
                self.structs.insert(name.to_owned(), Struct { comment, fields });
            }
            "struct{}" => {
                self.structs.insert(
                    name.to_owned(),
                    Struct {
                        comment,
                        fields: Vec::new(),
                    },
                );
            }
            _ if definition.ends_with('{') => {}
            _ => {
                let underlying = definition.trim_start_matches("= ").to_owned();
                self.named.insert(name.to_owned(), Named { comment, underlying });
            }
        }
    }
}

enum Block {
    None,
    Import,
    Constants,
}

fn read_fields<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Vec<GoField> {
    let mut fields = Vec::new();
    let mut comment = Vec::new();
    for line in lines {
        if line.starts_with('}') {
            break;
        }
        let trimmed = line.trim();
        if let Some(text) = trimmed.strip_prefix("//") {
            comment.push(text.strip_prefix(' ').unwrap_or(text).to_owned());
            continue;
        }
        if let Some(field) = read_field(trimmed, std::mem::take(&mut comment)) {
            fields.push(field);
        }
    }
    fields
}

fn read_field(line: &str, comment: Vec<String>) -> Option<GoField> {
    let (declaration, rest) = line.split_once('`')?;
    let (tags, _) = rest.split_once('`')?;
    let (name, go_type) = match declaration.split_whitespace().collect::<Vec<_>>().as_slice() {
        [embedded] => (
            embedded.rsplit('.').next()?.trim_start_matches('*').to_owned(),
            (*embedded).to_owned(),
        ),
        [name, go_type] => ((*name).to_owned(), (*go_type).to_owned()),
        _ => return None,
    };
    Some(GoField {
        name,
        go_type,
        tags: read_tags(tags),
        comment,
    })
}

/// `json:"data,omitempty" protobuf:"bytes,2,rep,name=data"`.
fn read_tags(text: &str) -> BTreeMap<String, String> {
    let mut tags = BTreeMap::new();
    let mut rest = text.trim();
    while let Some((key, after)) = rest.split_once(":\"") {
        let Some((value, after)) = after.split_once('"') else {
            break;
        };
        tags.insert(key.trim().to_owned(), value.to_owned());
        rest = after;
    }
    tags
}

/// The values of a marker such as `+listMapKey=name`, in order.
pub fn markers<'a>(comment: &'a [String], name: &'a str) -> impl Iterator<Item = &'a str> {
    comment.iter().filter_map(move |line| {
        let rest = line.trim().strip_prefix('+')?.strip_prefix(name)?;
        if rest.is_empty() {
            Some("")
        } else {
            rest.strip_prefix('=').map(str::trim)
        }
    })
}
