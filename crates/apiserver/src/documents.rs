//! What is served, described: version, discovery, OpenAPI. Made on first use, then kept with their hashes
//! (api-conventions §2, §3).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, ETAG, EXPIRES, HeaderValue, IF_NONE_MATCH, LOCATION,
    USER_AGENT, VARY,
};
use http::{Response, StatusCode};
use serde_json::json;
use sha2::{Digest, Sha512};
use strongroom_discovery::{ServedResource, ServedSubresource, aggregated, legacy, openapi_v2, openapi_v3};
use strongroom_objects::{Status, Value};
use strongroom_resources::decode::Format;
use strongroom_resources::{RESOURCES, Resource, serves};

use crate::body::Body;
use crate::encode::{content_type, encode};
use crate::gzip::Gzip;
use crate::negotiation::{Accepted, Shape, Transform, negotiate, wants_pretty};
use crate::pipeline::Admitted;
use crate::respond;
use crate::version;

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const V2_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
const V3_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v3.v1.0+protobuf";

/// A document as bytes, with the hash that clients cache it by.
struct Document {
    bytes: Bytes,
    hash: String,
    compressed: OnceLock<Bytes>,
}

impl Document {
    fn new(bytes: Vec<u8>) -> Self {
        let hash = Sha512::digest(&bytes)
            .iter()
            .map(|byte| format!("{byte:02X}"))
            .collect();
        Self {
            bytes: bytes.into(),
            hash,
            compressed: OnceLock::new(),
        }
    }
}

/// The documents made so far.
pub(crate) struct Documents {
    advertise_address: String,
    served: Vec<ServedResource>,
    made: Mutex<BTreeMap<String, Arc<Document>>>,
}

impl Documents {
    /// None made yet.
    pub fn new(advertise_address: String) -> Self {
        let served = RESOURCES.iter().copied().map(served).collect();
        Self {
            advertise_address,
            served,
            made: Mutex::default(),
        }
    }

    /// The document called `name`, made by `make` unless it has been.
    fn get(&self, name: &str, make: impl FnOnce() -> Option<Vec<u8>>) -> Option<Arc<Document>> {
        if let Some(made) = self.made.lock().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Some(Arc::clone(made));
        }
        let document = Arc::new(Document::new(make()?));
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.insert(name.to_owned(), Arc::clone(&document));
        Some(document)
    }

    fn openapi_v3(&self, path: &str, protobuf: bool) -> Option<Arc<Document>> {
        let name = format!("openapi/v3/{path}{}", if protobuf { "#protobuf" } else { "" });
        self.get(&name, || {
            let document = openapi_v3::document(&self.served, path)?;
            Some(if protobuf {
                openapi_v3::to_protobuf(&document)
            } else {
                document.to_string().into_bytes()
            })
        })
    }
}

fn served(resource: &'static Resource) -> ServedResource {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let storage = &resource.storage;
    let (group, version) = storage
        .api_version
        .split_once('/')
        .unwrap_or(("", storage.api_version));
    ServedResource {
        group: resource.group.to_owned(),
        version: resource.version.to_owned(),
        kind: resource.kind.to_owned(),
        list_kind: resource.list_kind(),
        plural: resource.plural.to_owned(),
        singular: resource.singular.to_owned(),
        short_names: owned(resource.short_names),
        categories: owned(resource.categories),
        namespaced: resource.namespaced,
        verbs: owned(resource.verbs),
        subresources: resource
            .subresources
            .iter()
            .map(|subresource| {
                let payload = subresource.payload.unwrap_or(resource);
                ServedSubresource {
                    name: subresource.name.to_owned(),
                    group: payload.group.to_owned(),
                    version: payload.version.to_owned(),
                    kind: payload.kind.to_owned(),
                    verbs: owned(subresource.verbs),
                }
            })
            .collect(),
        storage_version_kind: (group.to_owned(), version.to_owned(), storage.kind.to_owned()),
    }
}

/// Answers a GET of a bare path.
pub(crate) fn answer<B>(
    request: &Admitted<'_, B>,
    accept: Option<&str>,
) -> Result<Response<Body>, Box<Status>> {
    let path = request.info.path.trim_end_matches('/');
    let documents = &request.server.0.documents;
    let accept = accept.unwrap_or_default();
    match path {
        "" => plain(request, &json!({"paths": paths(documents)})),
        "/version" => plain(request, &version::document()),
        "/api" | "/apis" => Ok(discovery(request, path, accept)),
        "/openapi/v2" => openapi_v2_answer(request, accept),
        "/openapi/v3" => openapi_v3_index(request),
        _ if path.starts_with("/openapi/v3/") => Ok(openapi_v3_answer(request, &path[12..], accept)),
        _ => legacy_answer(request, path),
    }
}

/// An uncached document as JSON or YAML.
fn plain<B>(request: &Admitted<'_, B>, value: &Value) -> Result<Response<Body>, Box<Status>> {
    let accept = request.header(&http::header::ACCEPT).unwrap_or_default();
    let format = if accept.starts_with("application/yaml") {
        Format::Yaml
    } else {
        Format::Json
    };
    let pretty = wants_pretty(request.query.get("pretty"), request.header(&USER_AGENT));
    let body = encode(
        value,
        Accepted {
            format,
            transform: Transform::None,
            pretty,
        },
    )?;
    Ok(respond::answer(StatusCode::OK, content_type(format), body))
}

fn paths(documents: &Documents) -> Vec<String> {
    let mut paths: Vec<String> = [
        "/api",
        "/apis",
        "/healthz",
        "/livez",
        "/metrics",
        "/openapi/v2",
        "/openapi/v3",
    ]
    .into_iter()
    .chain(["/readyz", "/version"])
    .map(str::to_owned)
    .collect();
    for resource in &documents.served {
        if resource.group.is_empty() {
            paths.push(format!("/api/{}", resource.version));
        } else {
            paths.push(format!("/apis/{}", resource.group));
            paths.push(format!("/apis/{}/{}", resource.group, resource.version));
        }
    }
    paths.sort();
    paths.dedup();
    paths
}

fn discovery<B>(request: &Admitted<'_, B>, path: &str, accept: &str) -> Response<Body> {
    let documents = &request.server.0.documents;
    let wants_aggregated = accept.split(',').any(|clause| {
        let has = |part: &str| clause.split(';').any(|parameter| parameter.trim() == part);
        has("g=apidiscovery.k8s.io") && has("v=v2") && has("as=APIGroupDiscoveryList")
    });
    let only_unknown = !accept.is_empty()
        && !wants_aggregated
        && accept
            .split(',')
            .all(|clause| clause.contains(';') && clause.contains("as="));
    if only_unknown {
        let text = format!(
            "only the following media types are accepted: {}",
            crate::negotiation::MEDIA_TYPES
        );
        return respond::status(&Status::not_acceptable(&text, false), None, false);
    }
    let core = path == "/api";
    let name = format!("{path}{}", if wants_aggregated { "#aggregated" } else { "" });
    let document = documents.get(&name, || {
        let value = match (core, wants_aggregated) {
            (true, true) => aggregated::core(&documents.served),
            (false, true) => aggregated::groups(&documents.served),
            (true, false) => legacy::api_versions(&documents.advertise_address),
            (false, false) => legacy::group_list(&documents.served),
        };
        let mut bytes = value.to_string().into_bytes();
        bytes.push(b'\n');
        Some(bytes)
    });
    let Some(document) = document else {
        return respond::page_not_found();
    };
    if !wants_aggregated {
        return respond::answer(StatusCode::OK, "application/json", document.bytes.clone());
    }
    let mut response = cached(request, &document, AGGREGATED);
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("public"));
    response
}

fn legacy_answer<B>(request: &Admitted<'_, B>, path: &str) -> Result<Response<Body>, Box<Status>> {
    let served = &request.server.0.documents.served;
    let unknown_version = || Err(Box::new(Status::page_not_found()));
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let (group, document) = match segments[..] {
        ["api", version] => ("", legacy::resource_list(served, version)),
        ["apis", group] => (group, legacy::group(served, group)),
        ["apis", group, version] => (
            group,
            legacy::resource_list(served, &format!("{group}/{version}")),
        ),
        _ => return Ok(respond::page_not_found()),
    };
    match document {
        Some(document) => {
            negotiate(
                request.header(&http::header::ACCEPT),
                Shape::One,
                "metav1.APIResource",
            )?;
            plain(request, &document)
        }
        None if serves(group, None) => unknown_version(),
        None => Ok(respond::page_not_found()),
    }
}

/// A document that the client may have already; compressed if it is large and the client likes.
fn cached<B>(request: &Admitted<'_, B>, document: &Document, content_type: &'static str) -> Response<Body> {
    let etag = format!("\"{}\"", document.hash);
    let known = request
        .header(&IF_NONE_MATCH)
        .is_some_and(|known| known.split(',').any(|tag| tag.trim() == etag));
    let gzip = document.bytes.len() > respond::COMPRESS_ABOVE
        && respond::accepts_gzip(request.header(&ACCEPT_ENCODING));
    let body = match (known, gzip) {
        (true, _) => Bytes::new(),
        (false, true) => document
            .compressed
            .get_or_init(|| Gzip::new().compress(&document.bytes, true).into())
            .clone(),
        (false, false) => document.bytes.clone(),
    };
    let code = if known {
        StatusCode::NOT_MODIFIED
    } else {
        StatusCode::OK
    };
    let mut response = respond::answer(code, content_type, body);
    let headers = response.headers_mut();
    if gzip && !known {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    headers.append(VARY, HeaderValue::from_static("Accept"));
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(ETAG, etag);
    }
    response
}

fn openapi_v2_answer<B>(request: &Admitted<'_, B>, accept: &str) -> Result<Response<Body>, Box<Status>> {
    let documents = &request.server.0.documents;
    let wanted = accept
        .split(',')
        .map(|clause| clause.split(';').next().unwrap_or_default().trim())
        .find_map(|media_type| match media_type {
            "" | "*/*" | "application/*" | "application/json" => Some(false),
            "application/com.github.proto-openapi.spec.v2@v1.0+protobuf" | V2_PROTOBUF => Some(true),
            _ => None,
        });
    let Some(protobuf) = wanted else {
        let text =
            "only application/json and application/com.github.proto-openapi.spec.v2@v1.0+protobuf are served";
        return Err(Box::new(Status::not_acceptable(text, false)));
    };
    let (name, content_type) = if protobuf {
        ("openapi/v2#protobuf", V2_PROTOBUF)
    } else {
        ("openapi/v2", "application/json")
    };
    let document = documents.get(name, || {
        let document = openapi_v2::document(&documents.served);
        Some(if protobuf {
            openapi_v2::to_protobuf(&document)
        } else {
            document.to_string().into_bytes()
        })
    });
    Ok(document.map_or_else(respond::page_not_found, |document| {
        cached(request, &document, content_type)
    }))
}

fn openapi_v3_index<B>(request: &Admitted<'_, B>) -> Result<Response<Body>, Box<Status>> {
    let documents = &request.server.0.documents;
    let mut paths = BTreeMap::new();
    for path in openapi_v3::paths(&documents.served) {
        if let Some(document) = documents.openapi_v3(&path, false) {
            let url = format!("/openapi/v3/{path}?hash={}", document.hash);
            paths.insert(path, json!({"serverRelativeURL": url}));
        }
    }
    let body = json!({"paths": paths}).to_string();
    Ok(respond::answer(
        StatusCode::OK,
        "text/plain; charset=utf-8",
        body.into_bytes(),
    ))
}

fn openapi_v3_answer<B>(request: &Admitted<'_, B>, path: &str, accept: &str) -> Response<Body> {
    let documents = &request.server.0.documents;
    let protobuf = accept.contains("proto-openapi.spec.v3");
    let (Some(document), Some(json)) = (
        documents.openapi_v3(path, protobuf),
        documents.openapi_v3(path, false),
    ) else {
        return respond::page_not_found();
    };
    let hash = request.query.get("hash").unwrap_or_default();
    if !hash.is_empty() && hash != json.hash {
        let mut response = respond::answer(
            StatusCode::MOVED_PERMANENTLY,
            "text/plain; charset=utf-8",
            Body::empty(),
        );
        if let Ok(url) = HeaderValue::from_str(&format!("/openapi/v3/{path}?hash={}", json.hash)) {
            response.headers_mut().insert(LOCATION, url);
        }
        return response;
    }
    let mut response = cached(
        request,
        &document,
        if protobuf { V3_PROTOBUF } else { "application/json" },
    );
    if !hash.is_empty() {
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, immutable"));
        let year = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(365 * 24);
        let expires = year.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        if let Ok(expires) = HeaderValue::from_str(&expires) {
            headers.insert(EXPIRES, expires);
        }
    }
    response
}
