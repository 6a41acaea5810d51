//! Which form of an answer a client accepts, and how a request's body is encoded (api-conventions §4).

use strongroom_objects::Status;
use strongroom_resources::decode::Format;

/// What all serialisers together are called in messages.
pub const MEDIA_TYPES: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
const STREAM_TYPES: &str = "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch";

/// What the objects of an answer are turned into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transform {
    /// Nothing: the object itself.
    None,
    /// `Table`: rows for people.
    Table,
    /// `PartialObjectMetadata`, or a list of them.
    Metadata,
}

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// How it is encoded.
    pub format: Format,
    /// What the objects are turned into.
    pub transform: Transform,
    /// Whether JSON is indented.
    pub pretty: bool,
}

/// The shape of what is answered; some transforms fit one shape only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One object.
    One,
    /// One object that is made for the answer and kept nowhere: no table has a row for it.
    Reply,
    /// A list.
    List,
    /// Watch events.
    Watch,
}

struct Clause<'a> {
    media_type: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
    quality: f32,
}

fn clauses(accept: &str) -> Vec<Clause<'_>> {
    let mut clauses: Vec<Clause<'_>> = accept
        .split(',')
        .map(|clause| {
            let mut parts = clause.split(';').map(str::trim);
            let media_type = parts.next().unwrap_or_default();
            let mut quality = 1.0;
            let mut parameters = Vec::new();
            for (name, value) in parts.filter_map(|parameter| parameter.split_once('=')) {
                if name == "q" {
                    quality = value.parse().unwrap_or(1.0);
                } else {
                    parameters.push((name, value));
                }
            }
            Clause {
                media_type,
                parameters,
                quality,
            }
        })
        .filter(|clause| !clause.media_type.is_empty())
        .collect();
    // Stable: equal qualities stay in the order sent.
    clauses.sort_by(|one, other| other.quality.total_cmp(&one.quality));
    clauses
}

fn format_of(media_type: &str) -> Option<Format> {
    match media_type {
        "application/json" | "*/*" => Some(Format::Json),
        "application/yaml" => Some(Format::Yaml),
        "application/vnd.kubernetes.protobuf" => Some(Format::Protobuf),
        _ => None,
    }
}

/// Chooses the form of an answer of `shape` about objects of Go type `go_kind` (such as `core.Secret`).
pub fn negotiate(accept: Option<&str>, shape: Shape, go_kind: &str) -> Result<Accepted, Box<Status>> {
    let plain = |format| Accepted {
        format,
        transform: Transform::None,
        pretty: false,
    };
    let accept = accept.unwrap_or("*/*");
    let clauses = clauses(accept);
    if clauses.is_empty() {
        return Ok(plain(Format::Json));
    }
    let mut knows_media_type = false;
    for clause in &clauses {
        let Some(format) = format_of(clause.media_type) else {
            continue;
        };
        knows_media_type = true;
        if let Some(transform) = transform_of(clause, format, shape, go_kind)? {
            if shape == Shape::Watch && format == Format::Yaml {
                continue;
            }
            return Ok(Accepted {
                format,
                transform,
                pretty: false,
            });
        }
    }
    Err(not_acceptable(knows_media_type, shape))
}

fn not_acceptable(knows_media_type: bool, shape: Shape) -> Box<Status> {
    Box::new(if knows_media_type {
        let offered = if shape == Shape::Watch {
            STREAM_TYPES
        } else {
            MEDIA_TYPES
        };
        Status::not_acceptable(
            &format!("only the following media types are accepted: {offered}"),
            false,
        )
    } else {
        let streams = if matches!(shape, Shape::One | Shape::Reply) {
            String::new()
        } else {
            format!(", {STREAM_TYPES}")
        };
        let text = format!("406: Not Acceptable\n\nAvailable representations: {MEDIA_TYPES}{streams}");
        Status::not_acceptable(&text, true)
    })
}

/// The transform that a clause asks for; `None` where the clause asks for something that does not exist.
fn transform_of(
    clause: &Clause<'_>,
    format: Format,
    shape: Shape,
    go_kind: &str,
) -> Result<Option<Transform>, Box<Status>> {
    let parameter = |name: &str| {
        clause
            .parameters
            .iter()
            .find(|(key, _)| *key == name)
            .map_or("", |(_, value)| *value)
    };
    let kind = parameter("as");
    if kind.is_empty() {
        return Ok(Some(Transform::None));
    }
    if parameter("g") != "meta.k8s.io" || !matches!(parameter("v"), "v1" | "v1beta1") {
        return Ok(None);
    }
    let mismatch = |text: String| Err(Box::new(Status::not_acceptable(&text, false)));
    match (kind, shape) {
        ("Table", Shape::One | Shape::List | Shape::Watch) if format != Format::Protobuf => {
            Ok(Some(Transform::Table))
        }
        ("PartialObjectMetadata", Shape::One | Shape::Reply | Shape::Watch)
        | ("PartialObjectMetadataList", Shape::List | Shape::Watch) => Ok(Some(Transform::Metadata)),
        ("PartialObjectMetadataList", Shape::One | Shape::Reply) => mismatch(format!(
            "you requested PartialObjectMetadataList, but the requested object is not a list (*{go_kind})"
        )),
        ("PartialObjectMetadata", Shape::List) => mismatch(format!(
            "you requested PartialObjectMetadata, but the requested object is a list (*{go_kind}List)"
        )),
        _ => Ok(None),
    }
}

/// How a request's body is encoded; a missing Content-Type means JSON.
pub fn body_format(content_type: Option<&str>) -> Result<Format, Box<Status>> {
    let media_type = content_type
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    match media_type {
        "" | "application/json" => Ok(Format::Json),
        "application/yaml" => Ok(Format::Yaml),
        "application/vnd.kubernetes.protobuf" => Ok(Format::Protobuf),
        _ => Err(Box::new(Status::unsupported_media_type(&format!(
            "the body of the request was in an unknown format - accepted media types include: {MEDIA_TYPES}"
        )))),
    }
}

/// `?pretty` decides; where it is absent, browsers and command-line fetchers get indented JSON (§1).
pub fn wants_pretty(pretty: Option<&str>, user_agent: Option<&str>) -> bool {
    match pretty {
        Some(value) => matches!(value, "1" | "true"),
        None => {
            let agent = user_agent.unwrap_or_default();
            ["curl", "Wget", "Mozilla/5.0"]
                .iter()
                .any(|start| agent.starts_with(start))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(accept: &str, shape: Shape, expect: Result<(Format, Transform), &str>) {
        let accept = (!accept.is_empty()).then_some(accept);
        let got = negotiate(accept, shape, "core.Secret");
        match (got, expect) {
            (Ok(got), Ok(expect)) => assert_eq!((got.format, got.transform), expect, "{accept:?}"),
            (Err(status), Err(expect)) => assert!(status.message.starts_with(expect), "{}", status.message),
            (got, expect) => panic!("{accept:?}: got {got:?}, expected {expect:?}"),
        }
    }

    #[test]
    fn accept_headers() {
        use Format::{Json, Protobuf, Yaml};
        use Shape::{List, One, Reply, Watch};
        check("", One, Ok((Json, Transform::None)));
        check("*/*", One, Ok((Json, Transform::None)));
        check("application/yaml", One, Ok((Yaml, Transform::None)));
        check(
            "text/html,application/json;q=0.5,application/yaml;q=0.9",
            One,
            Ok((Yaml, Transform::None)),
        );
        check(
            "application/vnd.kubernetes.protobuf,application/json",
            List,
            Ok((Protobuf, Transform::None)),
        );
        check(
            "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
            List,
            Ok((Json, Transform::Table)),
        );
        check(
            "application/json;as=Table;v=v9;g=meta.k8s.io,application/json",
            One,
            Ok((Json, Transform::None)),
        );
        check(
            "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
            One,
            Ok((Json, Transform::Metadata)),
        );
        check(
            "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json",
            One,
            Err(
                "you requested PartialObjectMetadataList, but the requested object is not a list (*core.Secret)",
            ),
        );
        check(
            "text/html",
            One,
            Err("406: Not Acceptable\n\nAvailable representations: application/json, a"),
        );
        let table_only = "application/json;as=Table;v=v1;g=meta.k8s.io";
        check(table_only, Reply, Err("only the following media types"));
        check(
            &format!("{table_only},application/json"),
            Reply,
            Ok((Json, Transform::None)),
        );
        check(
            "application/json;as=X;v=v1;g=meta.k8s.io",
            One,
            Err("only the following media types"),
        );
        check(
            "application/yaml",
            Watch,
            Err("only the following media types are accepted: application/json;s"),
        );
    }

    #[test]
    fn pretty() {
        assert!(wants_pretty(Some("true"), None) && !wants_pretty(Some(""), Some("curl/8")));
        assert!(wants_pretty(None, Some("curl/8")) && !wants_pretty(None, Some("kubectl/v1.32")));
    }
}
