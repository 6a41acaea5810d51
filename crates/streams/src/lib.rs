//! How do bytes flow between a client and a process? WebSocket and SPDY streams of exec, attach and port-forward.
