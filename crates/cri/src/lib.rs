//! What does the container runtime speak? The Container Runtime Interface, `runtime.v1`, as a client.
