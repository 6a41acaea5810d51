"""Commands and ports as the official Python client asks for them: websockets of version 4 or 5."""

import base64
import sys

import websocket
from kubernetes import client, config
from kubernetes.stream import portforward, stream

config.load_kube_config(sys.argv[1])
api = client.CoreV1Api()
pod = ("talker", "default")

log = api.read_namespaced_pod_log(*pod, container="c", tail_lines=1)
assert log == "oops\n", log

# A log over a websocket: an empty message, then a message for each piece.
for protocol, read in (("binary.k8s.io", bytes), ("base64.binary.k8s.io", base64.b64decode)):
    settings = api.api_client.configuration
    watched = websocket.create_connection(
        settings.host.replace("https", "wss") + "/api/v1/namespaces/default/pods/talker/log?container=c&tailLines=1",
        subprotocols=[protocol],
        sslopt={"ca_certs": settings.ssl_ca_cert, "certfile": settings.cert_file, "keyfile": settings.key_file},
    )
    assert watched.getsubprotocol() == protocol
    first, rest = watched.recv(), b""
    assert not first, first
    while message := watched.recv():
        rest += read(message)
    assert rest == b"oops\n", rest

out = stream(
    api.connect_get_namespaced_pod_exec, *pod, container="c", command=["echo", "there and back"],
    stdin=False, stdout=True, stderr=True, tty=False,
)
assert out == "there and back\n", out

running = stream(
    api.connect_get_namespaced_pod_exec, *pod, container="c", command=["sh"],
    stdin=True, stdout=True, stderr=True, tty=False, _preload_content=False,
)
running.write_stdin("echo out; echo err >&2; exit 4\n")
running.run_forever(timeout=20)
assert running.read_stdout(timeout=1) == "out\n"
assert running.read_stderr(timeout=1) == "err\n"
assert running.returncode == 4, running.returncode

terminal = stream(
    api.connect_get_namespaced_pod_exec, *pod, container="c", command=["sh"],
    stdin=True, stdout=True, stderr=False, tty=True, _preload_content=False,
)
terminal.write_channel(4, '{"Width": 91, "Height": 17}')
terminal.write_stdin("sleep 1; stty size; exit\n")
terminal.run_forever(timeout=20)
said = terminal.read_stdout(timeout=1)
assert "17 91" in said, said

forwarded = portforward(api.connect_get_namespaced_pod_portforward, *pod, ports="8080")
socket = forwarded.socket(8080)
socket.setblocking(True)
socket.sendall(b"GET / HTTP/1.0\r\n\r\n")
answer = b""
while piece := socket.recv(1024):
    answer += piece
assert answer.endswith(b"served\n"), answer
assert forwarded.error(8080) is None, forwarded.error(8080)
