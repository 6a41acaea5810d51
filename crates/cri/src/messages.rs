//! The messages of `runtime.v1` that are used here, with the fields that are used here: what a runtime says besides
//! is passed over, as protobuf has it. Field numbers are those of Kubernetes' `api.proto`.

pub mod container;
pub mod image;
pub mod runtime;
pub mod sandbox;
