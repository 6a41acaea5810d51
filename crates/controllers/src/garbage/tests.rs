//! Which resources take part.

use http_body_util::Full;

use super::*;
use crate::discovery::example;

const ALL: [&str; 6] = ["create", "delete", "get", "list", "update", "watch"];

#[test]
fn what_is_collected() {
    let check =
        |resource: Resource, expect: bool| assert_eq!(is_collected(&resource), expect, "{resource:?}");
    check(example("v1/secrets", &ALL), true);
    check(example("rbac.authorization.k8s.io/v1/roles", &ALL), true);
    check(example("v1/secrets", &["delete", "list"]), false);
    check(example("v1/secrets", &["list", "watch"]), false);
    for review in [
        "authentication.k8s.io/v1/tokenreviews",
        "authentication.k8s.io/v1/selfsubjectreviews",
        "authorization.k8s.io/v1/subjectaccessreviews",
        "authorization.k8s.io/v1/localsubjectaccessreviews",
        "authorization.k8s.io/v1/selfsubjectrulesreviews",
    ] {
        check(example(review, &["create"]), false);
    }
    check(example("v1/events", &ALL), false);
    check(example("events.k8s.io/v1/events", &ALL), false);
    let old = Resource {
        preferred: false,
        ..example("a.b/v1/things", &ALL)
    };
    check(old, false);
}

/// The collections that are watched, after the server said several times what it has.
fn watched(said: &[&[Resource]], failing: bool) -> Vec<String> {
    let service = tower::service_fn(|_: http::Request<kube::client::Body>| {
        std::future::pending::<Result<http::Response<Full<bytes::Bytes>>, std::convert::Infallible>>()
    });
    let mut collector = Collector::new(ApiClient::new(kube::Client::new(service, "default")));
    for resources in said {
        let mut discovered = Discovered {
            resources: resources.to_vec(),
            ..Discovered::default()
        };
        if failing {
            discovered
                .failures
                .insert("a.b/v1".to_owned(), "no answer".to_owned());
        }
        collector.take_resources(&discovered);
    }
    let open = collector.watched.iter().filter(|watched| watched.watch.is_some());
    open.map(|watched| watched.resource.collection_path("")).collect()
}

#[tokio::test]
async fn watches_follow_what_the_server_has() {
    let secrets = || example("v1/secrets", &ALL);
    let roles = || example("rbac.authorization.k8s.io/v1/roles", &ALL);
    let reviews = || example("authentication.k8s.io/v1/tokenreviews", &["create"]);
    let secrets_only = ["/api/v1/secrets"];
    let both = ["/api/v1/secrets", "/apis/rbac.authorization.k8s.io/v1/roles"];
    assert_eq!(watched(&[&[secrets(), reviews()]], false), secrets_only);
    assert_eq!(
        watched(&[&[secrets()], &[secrets(), roles(), reviews()]], false),
        both
    );
    assert_eq!(
        watched(&[&[secrets(), roles()], &[secrets()]], false),
        secrets_only
    );
    assert_eq!(
        watched(&[&[secrets(), roles()], &[secrets()]], true),
        both,
        "it may still be there"
    );
    assert_eq!(
        watched(
            &[&[secrets(), roles()], &[secrets()], &[secrets(), roles()]],
            false
        ),
        both
    );
}
