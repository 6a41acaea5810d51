//! Scenarios live in `tests/*.txt`: blocks headed by `== title`, one step or expectation a line, lines that
//! start with a blank go on with the line before.
//!
//! - `type K` the kind; Secret otherwise.
//! - `update M OBJECT` create, or update to exactly that object; `metadata.managedFields` as the client sends it.
//! - `apply M CONFIGURATION`, `force M CONFIGURATION` server-side apply; `M` may be `manager/subresource`.
//! - `fold` what resources does to a Secret: stringData goes into data.
//! - `object OBJECT` the object now, without apiVersion, kind, metadata.name and managed fields.
//! - `owner M OPERATION @STEP FIELDS` one entry; all entries, in order, are those named since the last step.
//! - `nobody` there are no entries. `fails TEXT` the last apply was refused.

use serde_json::{Value, json};
use strongroom_objects::schema::{Type, schema};

use super::*;

mod properties;

struct Scenario {
    title: String,
    ty: &'static Type,
    live: Option<Value>,
    step: usize,
    owners: Vec<String>,
    error: Option<String>,
}

fn run(scenarios: &str) {
    for scenario in scenarios.split("== ").skip(1) {
        let mut lines: Vec<String> = Vec::new();
        for line in scenario.lines() {
            match (line.starts_with(' '), lines.last_mut()) {
                (true, Some(last)) => last.push_str(line.trim_start()),
                _ => lines.push(line.to_owned()),
            }
        }
        let title = lines.remove(0);
        let mut scenario = Scenario {
            title,
            ty: kind("Secret"),
            live: None,
            step: 0,
            owners: Vec::new(),
            error: None,
        };
        for line in lines
            .iter()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            scenario.line(word, rest);
        }
        scenario.settle();
    }
}

fn kind(kind: &str) -> &'static Type {
    schema()
        .kind("", "v1", kind)
        .or_else(|| schema().kind("apps", "v1", kind))
        .unwrap()
}

impl Scenario {
    fn line(&mut self, word: &str, rest: &str) {
        match word {
            "type" => self.ty = kind(rest),
            "update" | "apply" | "force" => {
                self.settle();
                self.step += 1;
                let (manager, object) = rest.split_once(' ').unwrap();
                self.write(word, manager, self.json(object));
            }
            "fold" => fold(self.live.as_mut().unwrap()),
            "object" => assert_eq!(self.shown(), self.json(rest), "{}: object", self.title),
            "owner" => self.owners.push(rest.to_owned()),
            "nobody" => assert_eq!(self.entries(), Vec::<String>::new(), "{}", self.title),
            "fails" => assert_eq!(self.error.take().as_deref(), Some(rest), "{}", self.title),
            _ => panic!("{}: {word}", self.title),
        }
    }

    fn write(&mut self, word: &str, manager: &str, object: Value) {
        let mut object = object;
        object["apiVersion"] = self.ty.gvks[0].api_version().into();
        object["kind"] = self.ty.go_name.into();
        object["metadata"]["name"] = "n".into();
        let now = format!("2026-01-01T00:00:{:02}Z", self.step);
        let (manager, subresource) = manager.split_once('/').unwrap_or((manager, ""));
        let writer = Writer {
            manager: manager.trim_matches('-'),
            api_version: "v1",
            subresource,
            now: &now,
        };
        if word == "update" {
            let entries = track_update(self.ty, self.live.as_ref(), &object, &writer);
            super::apply::set_managed_fields(&mut object, entries);
            self.live = Some(object);
            return;
        }
        match apply(self.ty, self.live.as_ref(), object, &writer, word == "force") {
            Ok(object) => self.live = Some(object),
            Err(error) => self.error = Some(error.to_string().replace('\n', "\\n")),
        }
    }

    fn settle(&mut self) {
        assert_eq!(self.error.take(), None, "{}: an unexpected error", self.title);
        let owners = std::mem::take(&mut self.owners);
        if !owners.is_empty() {
            assert_eq!(
                self.entries(),
                owners,
                "{}: owners after step {}",
                self.title,
                self.step
            );
        }
    }

    fn entries(&self) -> Vec<String> {
        let entries = managers::entries_of(self.live.as_ref().unwrap()).and_then(Value::as_array);
        entries.into_iter().flatten().map(shown_entry).collect()
    }

    fn shown(&self) -> Value {
        let mut object = self.live.clone().unwrap();
        let members = object.as_object_mut().unwrap();
        members.remove("apiVersion");
        members.remove("kind");
        let metadata = members["metadata"].as_object_mut().unwrap();
        metadata.remove("name");
        metadata.remove("managedFields");
        if metadata.is_empty() {
            members.remove("metadata");
        }
        object
    }

    fn json(&self, text: &str) -> Value {
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{}: {error}: {text}", self.title))
    }
}

fn shown_entry(entry: &Value) -> String {
    let text = |member: &str| entry[member].as_str().unwrap_or_default().to_owned();
    let subresource = text("subresource");
    let slash = if subresource.is_empty() { "" } else { "/" };
    let step: usize = text("time")[17..19].parse().unwrap();
    assert_eq!(
        (text("apiVersion").as_str(), text("fieldsType").as_str()),
        ("v1", "FieldsV1")
    );
    format!(
        "{}{slash}{subresource} {} @{step} {}",
        text("manager"),
        text("operation"),
        entry["fieldsV1"]
    )
}

fn fold(object: &mut Value) {
    if let Some(Value::Object(strings)) = object.as_object_mut().unwrap().remove("stringData") {
        for (key, value) in strings {
            object["data"][key] = value;
        }
    }
}

#[test]
fn updates() {
    run(include_str!("tests/updates.txt"));
}

#[test]
fn clearing() {
    run(include_str!("tests/clearing.txt"));
}

#[test]
fn applies() {
    run(include_str!("tests/applies.txt"));
}

#[test]
fn conflicts() {
    run(include_str!("tests/conflicts.txt"));
}

#[test]
fn string_data() {
    run(include_str!("tests/string_data.txt"));
}

#[test]
fn pods() {
    run(include_str!("tests/pods.txt"));
}

#[test]
fn kubectl() {
    run(include_str!("tests/kubectl.txt"));
}

fn writer<'a>(manager: &'a str, now: &'a str) -> Writer<'a> {
    Writer {
        manager,
        api_version: "v1",
        subresource: "",
        now,
    }
}

const NOW: &str = "2026-01-01T00:00:00Z";
const LATER: &str = "2026-01-01T01:00:00Z";

fn secret(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "n"}, "data": data, "type": "Opaque"})
}

fn with_entries(mut object: Value, entries: Vec<strongroom_objects::object::ManagedFieldsEntry>) -> Value {
    super::apply::set_managed_fields(&mut object, entries);
    object
}

#[test]
fn the_example_of_the_specification() {
    let new = secret(json!({"a": "djI=", "b": "eA=="}));
    let entries = track_update(
        kind("Secret"),
        None,
        &new,
        &writer("kubectl-create", "2026-01-02T03:04:05Z"),
    );
    let created = with_entries(new, entries);
    let expect = json!([{"manager": "kubectl-create", "operation": "Update", "apiVersion": "v1",
        "time": "2026-01-02T03:04:05Z", "fieldsType": "FieldsV1",
        "fieldsV1": {"f:data": {".": {}, "f:a": {}, "f:b": {}}, "f:type": {}}}]);
    assert_eq!(created["metadata"]["managedFields"], expect);
}

#[test]
fn errors_are_whole_texts_without_values() {
    let applied = |foo: Value| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "n"}, "foo": foo});
    let refused =
        |applied: Value| apply(kind("Secret"), None, applied, &writer("m", NOW), false).unwrap_err();
    assert_eq!(
        refused(applied(json!("s3cret"))).to_string(),
        "failed to create typed patch object (n/s; /v1, Kind=Secret): .foo: field not declared in schema"
    );
    for entries in [json!([]), json!([{}]), json!("x")] {
        let applied = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"managedFields": entries}});
        assert_eq!(refused(applied), ApplyError::ManagedFieldsNotNil);
    }
    let conflict = ApplyConflict {
        owner: "\"a\"".into(),
        paths: vec![".data.k".into()],
    };
    assert_eq!(conflict.message(), "conflict with \"a\"");
}
