"""Commands and ports as the official Python client asks for them: websockets of version 4 or 5."""

import sys

from kubernetes import client, config
from kubernetes.stream import portforward, stream

config.load_kube_config(sys.argv[1])
api = client.CoreV1Api()
pod = ("talker", "default")

log = api.read_namespaced_pod_log(*pod, container="c", tail_lines=1)
assert log == "oops\n", log

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
