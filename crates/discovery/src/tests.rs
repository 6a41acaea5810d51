mod discovery;
mod openapi_v2;
mod openapi_v3;
mod protobuf;
mod structure;
mod table;
