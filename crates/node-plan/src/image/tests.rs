use super::*;

#[test]
fn names() {
    let digest = format!("sha256:{}", "0".repeat(64));
    let check = |image: &str, expect: &str| match normalize(image) {
        Ok(reference) => assert_eq!(reference.to_string(), expect, "{image}"),
        Err(error) => panic!("{image}: {error}"),
    };
    check("busybox", "docker.io/library/busybox:latest");
    check("busybox:1.37", "docker.io/library/busybox:1.37");
    check("me/app", "docker.io/me/app:latest");
    check("docker.io/busybox", "docker.io/library/busybox:latest");
    check("index.docker.io/me/app:1", "docker.io/me/app:1");
    check("localhost/app", "localhost/app:latest");
    check("localhost:5000/app", "localhost:5000/app:latest");
    check("127.0.0.1:5000/team/app:v1", "127.0.0.1:5000/team/app:v1");
    check("[::1]:5000/app", "[::1]:5000/app:latest");
    check("registry.k8s.io/pause:3.10.2", "registry.k8s.io/pause:3.10.2");
    check("Registry/app", "Registry/app:latest");
    check(
        &format!("busybox@{digest}"),
        &format!("docker.io/library/busybox@{digest}"),
    );
    check(
        &format!("busybox:1@{digest}"),
        &format!("docker.io/library/busybox:1@{digest}"),
    );
    check("a.b/c__d/e-f--g.h:x_y.Z-1", "a.b/c__d/e-f--g.h:x_y.Z-1");
}

#[test]
fn no_names() {
    let check = |image: &str, reason: &str| {
        let error = normalize(image).expect_err(image);
        let text = format!(
            "Failed to apply default image tag \"{image}\": couldn't parse image name \"{image}\": {reason}"
        );
        assert_eq!(error.to_string(), text);
        assert_eq!(error.waiting().reason, "InvalidImageName");
    };
    let format = "invalid reference format";
    for image in [
        "",
        ":",
        "a:",
        ":1",
        "a b",
        "a//b",
        "/a",
        "a/",
        "-a",
        "a-",
        "a..b",
        "a___b",
        "a@sha256:12",
        "a@",
        "a:b:c",
        "x.io:p/a",
        "a:/b",
    ] {
        check(image, format);
    }
    check(&format!("a:{}", "x".repeat(129)), format);
    check(
        "me/App",
        "invalid reference format: repository name must be lowercase",
    );
    check(
        "BusyBox",
        "invalid reference format: repository name must be lowercase",
    );
    check(
        &"a".repeat(256),
        "repository name must not be more than 255 characters",
    );
    let hexadecimal = "a".repeat(64);
    let reason =
        format!("invalid repository name ({hexadecimal}), cannot specify 64-byte hexadecimal strings");
    check(&hexadecimal, &reason);
}

#[test]
fn policies() {
    let digest = format!("busybox@sha256:{}", "0".repeat(64));
    for (written, image, expect) in [
        (None, "busybox", PullPolicy::Always),
        (None, "busybox:latest", PullPolicy::Always),
        (None, "busybox:1", PullPolicy::IfNotPresent),
        (None, digest.as_str(), PullPolicy::IfNotPresent),
        (Some(""), "busybox", PullPolicy::Always),
        (Some("Never"), "busybox", PullPolicy::Never),
        (Some("IfNotPresent"), "busybox", PullPolicy::IfNotPresent),
        (Some("Always"), "busybox:1", PullPolicy::Always),
    ] {
        assert_eq!(pull_policy(written, image), expect, "{written:?} {image}");
    }
    for (policy, present, expect) in [
        (PullPolicy::Always, true, Pull::Pull),
        (PullPolicy::Always, false, Pull::Pull),
        (PullPolicy::IfNotPresent, true, Pull::Use),
        (PullPolicy::IfNotPresent, false, Pull::Pull),
        (PullPolicy::Never, true, Pull::Use),
        (PullPolicy::Never, false, Pull::Refuse),
    ] {
        assert_eq!(pull(policy, present), expect, "{policy:?} {present}");
    }
}

#[test]
fn several_failures() {
    let check = |errors: &[&str], expect: &str| {
        let errors: Vec<String> = errors.iter().map(|error| (*error).to_owned()).collect();
        assert_eq!(aggregate(&errors), expect);
    };
    check(&["a"], "a");
    check(&["a", "b"], "[a, b]");
    check(&["a", "a"], "a");
    check(&["a", "b", "a"], "[a, b]");
}
