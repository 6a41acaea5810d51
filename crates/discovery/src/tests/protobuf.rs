//! Reads the bytes with a reader of its own, the way old `kubectl` looks things up.

use serde_json::{Value, json};

use super::table::served;
use crate::{openapi_v2, openapi_v3};

/// A message as the list of its fields; numbers are kept as their eight bytes.
struct Message<'a>(Vec<(u32, &'a [u8])>);

impl<'a> Message<'a> {
    fn read(mut bytes: &'a [u8]) -> Self {
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let tag = read_varint(&mut bytes);
            let length = match tag & 7 {
                0 => bytes.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1,
                1 => 8,
                2 => read_varint(&mut bytes) as usize,
                other => panic!("wire type {other}"),
            };
            let (content, rest) = bytes.split_at(length);
            fields.push(((tag >> 3) as u32, content));
            bytes = rest;
        }
        Self(fields)
    }

    fn all(&self, number: u32) -> impl Iterator<Item = &'a [u8]> {
        self.0
            .iter()
            .filter(move |(found, _)| *found == number)
            .map(|(_, content)| *content)
    }

    fn text(&self, number: u32) -> &'a str {
        std::str::from_utf8(self.all(number).next().unwrap_or_default()).unwrap()
    }

    fn messages(&self, number: u32) -> impl Iterator<Item = Message<'a>> {
        self.all(number).map(Message::read)
    }

    /// The message under nested field numbers; empty where there is none.
    fn at(&self, numbers: &[u32]) -> Message<'a> {
        match numbers {
            [] => Message(self.0.clone()),
            [number, inner @ ..] => {
                let content = self.all(*number).next().unwrap_or_default();
                Message::read(content).at(inner)
            }
        }
    }

    /// The value of a `{name = 1, value = 2}` among the fields of that number.
    fn named(&self, number: u32, name: &str) -> Message<'a> {
        let mut entries = self.messages(number);
        entries
            .find(|entry| entry.text(1) == name)
            .unwrap_or(Message(vec![]))
            .at(&[2])
    }

    /// An extension, whose YAML text happens to be JSON.
    fn extension(&self, number: u32, name: &str) -> Value {
        serde_json::from_str(self.named(number, name).text(2)).unwrap_or_default()
    }
}

fn read_varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let (byte, rest) = bytes.split_first().unwrap();
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}

fn gvk(group: &str, kind: &str) -> Value {
    json!({ "group": group, "version": "v1", "kind": kind })
}

const GVK: &str = "x-kubernetes-group-version-kind";

#[test]
fn a_small_document_byte_for_byte() {
    let document = json!({
        "swagger": "2.0",
        "definitions": { "T": { "type": "object", "x-k": ["v"] } },
    });
    let mut expect = b"\x0a\x032.0".to_vec();
    // definitions { additional_properties { name: "T" value { type { value } vendor_extension } } }
    expect.extend(b"\x4a\x21\x0a\x1f\x0a\x01T\x12\x1a");
    expect.extend(b"\xb2\x01\x08\x0a\x06object");
    expect.extend(b"\xfa\x01\x0c\x0a\x03x-k\x12\x05\x12\x03");
    // The text of the extension ends in a newline, as YAML does.
    let text = b"[\"v\"]\n";
    let grow = text.len() - 3;
    for at in [6, 8, 13, 27, 34, 36] {
        expect[at] += grow as u8;
    }
    expect.extend(text);
    assert_eq!(openapi_v2::to_protobuf(&document), expect);
}

#[test]
fn old_kubectl_finds_the_dry_run_parameter() {
    let bytes = openapi_v2::to_protobuf(&openapi_v2::document(&served()));
    let paths = Message::read(&bytes).at(&[8]);
    for (group, kind) in [
        ("", "Secret"),
        ("", "Namespace"),
        ("coordination.k8s.io", "Lease"),
    ] {
        let patch = paths
            .messages(2)
            .map(|path| path.at(&[2, 8]))
            .find(|patch| patch.extension(13, GVK) == gvk(group, kind))
            .unwrap_or_else(|| panic!("{kind}"));
        // ParametersItem.parameter.non_body_parameter.query_parameter_sub_schema.name
        let names: Vec<_> = patch
            .messages(8)
            .map(|item| item.at(&[1, 2, 3]).text(4).to_owned())
            .collect();
        assert_eq!(names, ["", "dryRun", "fieldManager", "fieldValidation", "force"]);
    }
}

#[test]
fn old_kubectl_finds_models_and_merge_keys() {
    let bytes = openapi_v2::to_protobuf(&openapi_v2::document(&served()));
    let definitions = Message::read(&bytes).at(&[9]);
    let secret = definitions.named(1, "io.k8s.api.core.v1.Secret");
    assert_eq!(secret.extension(31, GVK), json!([gvk("", "Secret")]));
    assert_eq!(secret.at(&[22]).text(1), "object");
    let data = secret.at(&[25]).named(1, "data");
    assert_eq!(data.at(&[21, 1]).text(2), "byte");
    assert!(!data.text(4).is_empty());

    let spec = definitions.named(1, "io.k8s.api.core.v1.ServiceSpec");
    let ports = spec.at(&[25]).named(1, "ports");
    assert_eq!(ports.extension(31, "x-kubernetes-patch-merge-key"), "port");
    assert_eq!(
        ports.at(&[23, 1]).text(1),
        "#/definitions/io.k8s.api.core.v1.ServicePort"
    );
    let port = definitions.named(1, "io.k8s.api.core.v1.ServicePort");
    assert_eq!(port.all(19).collect::<Vec<_>>(), [b"port"]);
}

#[test]
fn version_3_keeps_patches_defaults_and_references() {
    let document = openapi_v3::document(&served(), "api/v1").unwrap();
    let bytes = openapi_v3::to_protobuf(&document);
    let document = Message::read(&bytes);
    let patch = document
        .at(&[4])
        .messages(1)
        .map(|path| path.at(&[2, 10]))
        .find(|patch| patch.extension(13, GVK) == gvk("", "Secret"))
        .unwrap();
    let names: Vec<_> = patch
        .messages(6)
        .map(|item| item.at(&[1]).text(1).to_owned())
        .collect();
    assert_eq!(names, ["dryRun", "fieldManager", "fieldValidation", "force"]);
    let strategic = patch
        .at(&[7, 1, 2])
        .named(1, "application/strategic-merge-patch+json");
    assert!(strategic.at(&[1, 2]).text(1).ends_with(".Patch"));

    let models = document.at(&[5, 1]);
    let metadata = models
        .named(1, "io.k8s.api.core.v1.Secret")
        .at(&[1, 31])
        .named(1, "metadata");
    assert!(metadata.at(&[1, 26, 2]).text(1).ends_with(".ObjectMeta"));
    let protocol = models
        .named(1, "io.k8s.api.core.v1.ServicePort")
        .at(&[1, 31])
        .named(1, "protocol");
    assert_eq!(protocol.at(&[1, 33]).text(3), "TCP");
}
