//! Kubernetes' own round-trip fixtures: every kind, as JSON, YAML and the exact bytes that Go writes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use strongroom_objects::conform::conform;
use strongroom_objects::json::{self, Limits};
use strongroom_objects::{Type, Value, protobuf, schema, yaml};

/// A kind and where its fixtures are, without the extension.
struct Fixture {
    ty: &'static Type,
    path: PathBuf,
}

impl Fixture {
    fn read(&self, extension: &str) -> Vec<u8> {
        let path = self.path.with_added_extension(extension);
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// What Go reads; for older releases it can differ from what was written, and then has a file of its own.
    fn json(&self) -> Value {
        let after = self.path.with_added_extension("after_roundtrip.json").exists();
        let text = self.read(if after { "after_roundtrip.json" } else { "json" });
        json::parse(&text, &Limits::REQUEST)
            .unwrap_or_else(|error| panic!("{}: {error}", self.path.display()))
            .value
    }
}

fn testdata() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let tools =
        std::env::var_os("STRONGROOM_TOOLS").map_or_else(|| workspace.join("target/tools"), PathBuf::from);
    let directory = tools.join("kubernetes/usr/share/gocode/src/k8s.io/api/testdata");
    assert!(
        directory.is_dir(),
        "no fixtures in {}; run: cargo xtask tools",
        directory.display()
    );
    directory
}

/// The fixtures of one release whose kinds are in the table.
fn fixtures(release: &str) -> Vec<Fixture> {
    let directory = testdata().join(release);
    let names =
        std::fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut fixtures = BTreeMap::new();
    for name in names.map(|entry| entry.unwrap().file_name().into_string().unwrap()) {
        let Some(stem) = name.strip_suffix(".pb") else {
            continue;
        };
        let mut parts = stem.rsplitn(3, '.');
        let (Some(kind), Some(version), Some(group)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let group = if group == "core" { "" } else { group };
        if let Some(ty) = schema().kind(group, version, kind) {
            fixtures.insert(
                stem.to_owned(),
                Fixture {
                    ty,
                    path: directory.join(stem),
                },
            );
        }
    }
    fixtures.into_values().collect()
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

/// A WatchEvent has none.
fn kind_of<'a>(envelope: &protobuf::Envelope<'a>) -> Option<(&'a str, &'a str)> {
    (!envelope.kind.is_empty()).then_some((envelope.api_version, envelope.kind))
}

#[test]
fn json_becomes_the_bytes_that_go_writes() {
    let fixtures = fixtures("HEAD");
    for fixture in &fixtures {
        let name = fixture.path.display();
        let value = fixture.json();
        let conformed = conform(fixture.ty, value.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(conformed.unknown, Vec::<String>::new(), "{name}");
        assert!(
            Value::Object(conformed.value.clone()) == value,
            "{name}: {}",
            Value::Object(conformed.value)
        );
        let mut bytes = Vec::new();
        let raw = protobuf::encode(fixture.ty, &conformed.value)
            .unwrap_or_else(|error| panic!("{}: {error}", fixture.path.display()));
        protobuf::write_envelope(text(&value, "apiVersion"), text(&value, "kind"), &raw, &mut bytes);
        assert!(bytes == fixture.read("pb"), "{}", fixture.path.display());
    }
    assert!(fixtures.len() >= 60, "only {} kinds", fixtures.len());
}

#[test]
fn yaml_is_the_same_tree() {
    let fixtures = fixtures("HEAD");
    for fixture in &fixtures {
        let name = fixture.path.display();
        let expect = fixture.json();
        let parsed = yaml::parse(&fixture.read("yaml"), &Limits::REQUEST)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(parsed.value == expect, "{name}: {}", parsed.value);
        let written = yaml::write(&expect);
        assert_eq!(
            written,
            String::from_utf8(fixture.read("yaml")).unwrap(),
            "{name}"
        );
    }
    assert!(fixtures.len() >= 60, "only {} kinds", fixtures.len());
}

fn check_protobuf_becomes_json(release: &str) -> usize {
    let fixtures = fixtures(release);
    for fixture in &fixtures {
        let name = fixture.path.display();
        let expect = fixture.json();
        let bytes = fixture.read("pb");
        let envelope = protobuf::open_envelope(&bytes).unwrap();
        assert_eq!(
            (envelope.api_version, envelope.kind),
            (text(&expect, "apiVersion"), text(&expect, "kind"))
        );

        let mut out = Vec::new();
        let kind = kind_of(&envelope);
        protobuf::transcode_json(fixture.ty, envelope.raw, kind, None, &mut out).unwrap();
        let transcoded = json::parse(&out, &Limits::REQUEST).unwrap();
        assert_eq!(transcoded.duplicates, Vec::<String>::new());
        assert!(
            transcoded.value == expect,
            "{name}: transcoded to {}",
            transcoded.value
        );

        let mut decoded = protobuf::decode(fixture.ty, envelope.raw, &Limits::REQUEST).unwrap();
        if let Some((api_version, kind)) = kind_of(&envelope) {
            decoded.insert("apiVersion".to_owned(), api_version.into());
            decoded.insert("kind".to_owned(), kind.into());
        }
        assert!(
            Value::Object(decoded.clone()) == expect,
            "{name}: decoded to {}",
            Value::Object(decoded)
        );
    }
    fixtures.len()
}

#[test]
fn protobuf_becomes_json() {
    assert!(check_protobuf_becomes_json("HEAD") >= 60);
}

#[test]
fn protobuf_of_older_releases_becomes_json() {
    for release in ["v1.33.0", "v1.34.0", "v1.35.0"] {
        assert!(check_protobuf_becomes_json(release) >= 60, "{release}");
    }
}

/// The text is that of Go, member for member in Go's order.
#[test]
fn json_text_is_that_of_go() {
    for fixture in fixtures("HEAD") {
        let bytes = fixture.read("pb");
        let envelope = protobuf::open_envelope(&bytes).unwrap();
        let mut out = Vec::new();
        let kind = kind_of(&envelope);
        protobuf::transcode_json(fixture.ty, envelope.raw, kind, None, &mut out).unwrap();
        let expect = without_spaces(&fixture.read("json"));
        assert!(
            out == expect,
            "{}: {}",
            fixture.path.display(),
            String::from_utf8_lossy(&out)
        );
    }
}

/// Fixtures are indented; their strings have no spaces in them that matter here.
fn without_spaces(text: &[u8]) -> Vec<u8> {
    text.iter()
        .copied()
        .filter(|byte| !matches!(byte, b' ' | b'\n'))
        .collect()
}

#[test]
fn reading_never_panics() {
    for fixture in fixtures("HEAD") {
        let bytes = fixture.read("pb");
        let raw = protobuf::open_envelope(&bytes).unwrap().raw.to_vec();
        for mutant in mutants(&raw, 80) {
            let mut out = Vec::new();
            let _ = protobuf::transcode_json(fixture.ty, &mutant, None, Some(1), &mut out);
            if !out.is_empty() {
                assert!(
                    json::parse(&out, &Limits::STORED).is_ok(),
                    "{}",
                    fixture.path.display()
                );
            }
            let _ = protobuf::decode(fixture.ty, &mutant, &Limits::REQUEST);
            let _ = protobuf::set_resource_version(&mutant, 1, &mut Vec::new());
            let _ = protobuf::open_envelope(&mutant);
        }
        for mutant in mutants(&fixture.read("json"), 25) {
            if let Ok(parsed) = json::parse(&mutant, &Limits::REQUEST)
                && let Ok(conformed) = conform(fixture.ty, parsed.value)
            {
                let raw = protobuf::encode(fixture.ty, &conformed.value).unwrap();
                protobuf::decode(fixture.ty, &raw, &Limits::REQUEST).unwrap();
            }
        }
        for mutant in mutants(&fixture.read("yaml"), 10) {
            let _ = yaml::parse(&mutant, &Limits::REQUEST);
        }
    }
}

/// Every truncation (thinned out for long texts) and as many single bytes changed.
fn mutants(text: &[u8], count: usize) -> impl Iterator<Item = Vec<u8>> {
    let step = text.len().div_ceil(count).max(1);
    let truncated = (0..text.len())
        .step_by(step)
        .map(|length| text[..length].to_vec());
    let mut state = text.len() as u64 | 1;
    let mut random = move |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let flipped = (0..count).map(move |_| {
        let mut mutant = text.to_vec();
        let position = random(mutant.len());
        mutant[position] = mutant[position].wrapping_add(1 + random(255) as u8);
        mutant
    });
    truncated.chain(flipped)
}
