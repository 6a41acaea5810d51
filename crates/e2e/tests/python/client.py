"""The official Python client against a server: create, read, update, patch, watch, delete."""
import base64
import sys
import threading
import time

from kubernetes import client, config, watch
from kubernetes.client.rest import ApiException

config.load_kube_config(sys.argv[1])
core = client.CoreV1Api()
coordination = client.CoordinationV1Api()


def encode(text):
    return base64.b64encode(text.encode()).decode()


def expect_error(status, reason, call):
    try:
        call()
    except ApiException as error:
        assert error.status == status, error
        assert reason in error.body, error.body
        return
    raise AssertionError(f"expected {status} {reason}")


def secrets():
    body = client.V1Secret(metadata=client.V1ObjectMeta(name="s", labels={"app": "web"}), string_data={"a": "x"})
    created = core.create_namespaced_secret("default", body)
    assert created.data == {"a": encode("x")}, created.data
    assert created.type == "Opaque"
    assert created.metadata.creation_timestamp is not None
    expect_error(409, "AlreadyExists", lambda: core.create_namespaced_secret("default", body))

    read = core.read_namespaced_secret("s", "default")
    assert read.metadata.uid == created.metadata.uid
    read.data["b"] = encode("y")
    replaced = core.replace_namespaced_secret("s", "default", read)
    assert replaced.data["b"] == encode("y")
    expect_error(409, "Conflict", lambda: core.replace_namespaced_secret("s", "default", read))
    patched = core.patch_namespaced_secret("s", "default", {"data": {"b": None}, "stringData": {"c": "z"}})
    assert patched.data == {"a": encode("x"), "c": encode("z")}, patched.data
    patched = core.patch_namespaced_secret("s", "default", [{"op": "remove", "path": "/data/c"}])
    assert patched.data == {"a": encode("x")}, patched.data
    dry = core.create_namespaced_secret("default", client.V1Secret(metadata=client.V1ObjectMeta(generate_name="g-")), dry_run="All")
    assert dry.metadata.name.startswith("g-")
    expect_error(422, "Invalid", lambda: core.create_namespaced_secret(
        "default", client.V1Secret(metadata=client.V1ObjectMeta(name="t"), type="kubernetes.io/tls")))
    expect_error(404, "NotFound", lambda: core.read_namespaced_secret("none", "default"))

    for number in range(5):
        core.create_namespaced_secret("default", client.V1Secret(metadata=client.V1ObjectMeta(name=f"p{number}")))
    names, token = [], None
    while True:
        page = core.list_namespaced_secret("default", limit=2, _continue=token)
        names += [item.metadata.name for item in page.items]
        token = page.metadata._continue
        if not token:
            break
    assert names == ["p0", "p1", "p2", "p3", "p4", "s"], names
    assert [item.metadata.name for item in core.list_secret_for_all_namespaces(label_selector="app=web").items] == ["s"]
    assert len(core.list_namespaced_secret("default", field_selector="type=Opaque,metadata.name!=s").items) == 5


def watching():
    start = core.list_namespaced_secret("default").metadata.resource_version
    seen = []
    ready = threading.Event()

    def run():
        ready.set()
        stream = watch.Watch()
        for event in stream.stream(core.list_namespaced_secret, "default", resource_version=start, timeout_seconds=20):
            seen.append((event["type"], event["object"].metadata.name))
            if len(seen) == 3:
                stream.stop()

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait()
    core.create_namespaced_secret("default", client.V1Secret(metadata=client.V1ObjectMeta(name="w")))
    core.patch_namespaced_secret("w", "default", {"metadata": {"labels": {"a": "b"}}})
    core.delete_namespaced_secret("w", "default")
    thread.join(30)
    assert seen == [("ADDED", "w"), ("MODIFIED", "w"), ("DELETED", "w")], seen


def deleting():
    result = core.delete_namespaced_secret("s", "default", body=client.V1DeleteOptions(propagation_policy="Foreground"))
    assert result is not None
    core.delete_collection_namespaced_secret("default")
    # Foreground deletion waits for the garbage collector to see that nothing depends on the object.
    deadline = time.monotonic() + 10
    while remaining := core.list_namespaced_secret("default").items:
        assert time.monotonic() < deadline, [item.metadata.name for item in remaining]
        time.sleep(0.05)


def other_kinds():
    core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name="team")))
    body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name="c"), data={"k": "v"}, binary_data={"b": "AAE="})
    assert core.create_namespaced_config_map("team", body).binary_data == {"b": "AAE="}
    core.patch_namespaced_config_map("c", "team", {"data": {"k": "w"}})
    assert core.read_namespaced_config_map("c", "team").data == {"k": "w"}
    core.create_namespaced_service_account("team", client.V1ServiceAccount(metadata=client.V1ObjectMeta(name="robot")))
    core.delete_namespaced_service_account("robot", "team")
    lease = client.V1Lease(metadata=client.V1ObjectMeta(name="l"), spec=client.V1LeaseSpec(holder_identity="me"))
    assert coordination.create_namespaced_lease("team", lease).spec.holder_identity == "me"
    core.delete_namespace("team")
    stream = watch.Watch()
    for event in stream.stream(core.list_namespace, field_selector="metadata.name=team", timeout_seconds=20):
        if event["type"] == "DELETED":
            stream.stop()
    expect_error(404, "NotFound", lambda: core.read_namespace("team"))
    assert client.VersionApi().get_code().git_version.startswith("v1.36")
    groups = [group.name for group in client.ApisApi().get_api_versions().groups]
    assert "coordination.k8s.io" in groups, groups
    dynamic()


def dynamic():
    from kubernetes import dynamic as dynamic_client
    resources = dynamic_client.DynamicClient(client.ApiClient())
    api = resources.resources.get(api_version="v1", kind="Secret")
    api.create(namespace="default", body={"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "d"}, "stringData": {"a": "b"}})
    applied = api.server_side_apply(
        namespace="default", name="d", field_manager="py",
        body={"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "d"}, "data": {"c": encode("d")}})
    assert applied.data["c"] == encode("d") and applied.data["a"] == encode("b"), applied.data
    api.delete(namespace="default", name="d")


for step in (secrets, watching, deleting, other_kinds):
    step()
    print(step.__name__, "ok")
