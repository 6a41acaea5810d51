//! Which resources the server has, from its discovery documents.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{APIGroupList, APIResource, APIResourceList};

use crate::request::{ApiClient, Form, RequestError};

/// One resource in one version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Resource {
    /// Empty for the core group.
    pub group: String,
    /// `v1`
    pub version: String,
    /// `secrets`
    pub plural: String,
    /// `Secret`
    pub kind: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// What can be done with it.
    pub verbs: Vec<String>,
    /// Whether this is the version that the server prefers for its group.
    pub preferred: bool,
}

impl Resource {
    /// Whether all of `verbs` are offered.
    pub fn can(&self, verbs: &[&str]) -> bool {
        verbs
            .iter()
            .all(|verb| self.verbs.iter().any(|offered| offered == verb))
    }

    /// `v1` or `group/version`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// The path of the collection, in one namespace or (with an empty name) over all.
    pub fn collection_path(&self, namespace: &str) -> String {
        let root = if self.group.is_empty() { "/api" } else { "/apis" };
        let api_version = self.api_version();
        if namespace.is_empty() || !self.namespaced {
            format!("{root}/{api_version}/{}", self.plural)
        } else {
            format!("{root}/{api_version}/namespaces/{namespace}/{}", self.plural)
        }
    }

    /// The path of one object.
    pub fn object_path(&self, namespace: &str, name: &str) -> String {
        format!("{}/{name}", self.collection_path(namespace))
    }
}

/// What discovery found, and where it failed.
#[derive(Debug, Default)]
pub(crate) struct Discovered {
    /// Every resource in every version, without subresources.
    pub resources: Vec<Resource>,
    /// Group versions that are announced and do not answer, with the reason.
    pub failures: BTreeMap<String, String>,
}

/// Reads the discovery documents. Fails only when the server does not say which groups it has.
pub(crate) async fn discover(api: &ApiClient) -> Result<Discovered, RequestError> {
    let groups: APIGroupList = api.get("/apis", Form::Object).await?;
    let mut discovered = Discovered::default();
    discovered.read(api, "/api/v1", "", "v1", true).await;
    for group in groups.groups {
        let preferred = group.preferred_version.map(|version| version.version);
        for version in &group.versions {
            let path = format!("/apis/{}", version.group_version);
            let preferred = preferred.as_ref() == Some(&version.version);
            discovered
                .read(api, &path, &group.name, &version.version, preferred)
                .await;
        }
    }
    Ok(discovered)
}

impl Discovered {
    async fn read(&mut self, api: &ApiClient, path: &str, group: &str, version: &str, preferred: bool) {
        match api.get::<APIResourceList>(path, Form::Object).await {
            Ok(list) => {
                let whole = list
                    .resources
                    .into_iter()
                    .filter(|resource| !resource.name.contains('/'));
                self.resources
                    .extend(whole.map(|resource| describe(resource, group, version, preferred)));
            }
            Err(error) => {
                let group_version = if group.is_empty() {
                    version.to_owned()
                } else {
                    format!("{group}/{version}")
                };
                self.failures.insert(group_version, error.to_string());
            }
        }
    }
}

fn describe(resource: APIResource, group: &str, version: &str, preferred: bool) -> Resource {
    Resource {
        group: group.to_owned(),
        version: version.to_owned(),
        plural: resource.name,
        kind: resource.kind,
        namespaced: resource.namespaced,
        verbs: resource.verbs,
        preferred,
    }
}

/// A resource for tests: `v1/secrets` or `group/v1/things`, namespaced.
#[cfg(test)]
pub(crate) fn example(path: &str, verbs: &[&str]) -> Resource {
    let parts: Vec<_> = path.split('/').collect();
    let (group, version, plural) = match parts[..] {
        [group, version, plural] => (group, version, plural),
        [version, plural] => ("", version, plural),
        _ => panic!("{path} is no resource"),
    };
    Resource {
        group: group.to_owned(),
        version: version.to_owned(),
        plural: plural.to_owned(),
        kind: format!("Kind of {plural}"),
        namespaced: true,
        verbs: verbs.iter().map(|verb| (*verb).to_owned()).collect(),
        preferred: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let check = |group: &str, namespaced, namespace: &str, expect: &str| {
            let path = if group.is_empty() {
                "v1/things".to_owned()
            } else {
                format!("{group}/v1/things")
            };
            let resource = Resource {
                namespaced,
                ..example(&path, &[])
            };
            assert_eq!(resource.object_path(namespace, "x"), expect);
        };
        check("", true, "ns", "/api/v1/namespaces/ns/things/x");
        check("", false, "ns", "/api/v1/things/x");
        check("a.b", true, "ns", "/apis/a.b/v1/namespaces/ns/things/x");
        check("a.b", false, "", "/apis/a.b/v1/things/x");
    }

    #[tokio::test]
    async fn documents() {
        let service = tower::service_fn(|request: http::Request<kube::client::Body>| async move {
            let (code, body) = match request.uri().path() {
                "/apis" => (
                    200,
                    r#"{"groups": [
                    {"name": "a.b", "versions": [{"groupVersion": "a.b/v1", "version": "v1"}, {"groupVersion": "a.b/v2", "version": "v2"}],
                     "preferredVersion": {"groupVersion": "a.b/v2", "version": "v2"}},
                    {"name": "c", "versions": [{"groupVersion": "c/v1", "version": "v1"}]}
                ]}"#,
                ),
                "/api/v1" => (
                    200,
                    r#"{"groupVersion": "v1", "resources": [
                    {"name": "secrets", "kind": "Secret", "namespaced": true, "singularName": "", "verbs": ["get"]},
                    {"name": "serviceaccounts/token", "kind": "TokenRequest", "namespaced": true, "singularName": "", "verbs": ["create"]}
                ]}"#,
                ),
                "/apis/c/v1" => (503, "{}"),
                "/apis/a.b/v1" | "/apis/a.b/v2" => (
                    200,
                    r#"{"groupVersion": "", "resources": [
                    {"name": "things", "kind": "Thing", "namespaced": false, "singularName": "", "verbs": []}
                ]}"#,
                ),
                other => panic!("asked for {other}"),
            };
            let body = http_body_util::Full::new(bytes::Bytes::from_static(body.as_bytes()));
            Ok::<_, std::convert::Infallible>(
                http::Response::builder()
                    .status(code)
                    .body(body)
                    .expect("a response"),
            )
        });
        let api = ApiClient::new(kube::Client::new(service, "default"));
        let discovered = discover(&api).await.expect("groups");
        let found: Vec<_> = discovered
            .resources
            .iter()
            .map(|resource| (resource.collection_path("n"), resource.preferred))
            .collect();
        let found: Vec<_> = found
            .iter()
            .map(|(path, preferred)| (path.as_str(), *preferred))
            .collect();
        assert_eq!(
            found,
            [
                ("/api/v1/namespaces/n/secrets", true),
                ("/apis/a.b/v1/things", false),
                ("/apis/a.b/v2/things", true),
            ]
        );
        assert_eq!(discovered.failures.keys().collect::<Vec<_>>(), ["c/v1"]);
    }
}
