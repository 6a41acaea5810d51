//! Doing it: pods through the container runtime, secrets into their volumes and environment.
