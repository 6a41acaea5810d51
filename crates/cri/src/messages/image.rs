//! Images.

use std::collections::BTreeMap;
use std::fmt;

use super::sandbox::{Int64Value, PodSandboxConfig};

/// The name of an image.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ImageSpec {
    /// Name with tag or digest, or an image id.
    #[prost(string, tag = "1")]
    pub image: String,
    /// Annotations.
    #[prost(btree_map = "string, string", tag = "2")]
    pub annotations: BTreeMap<String, String>,
}

/// An image that the runtime has.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Image {
    /// Its id: the digest of its configuration.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Full names with tags.
    #[prost(string, repeated, tag = "2")]
    pub repo_tags: Vec<String>,
    /// Full names with digests.
    #[prost(string, repeated, tag = "3")]
    pub repo_digests: Vec<String>,
    /// Bytes.
    #[prost(uint64, tag = "4")]
    pub size: u64,
    /// The user it runs as, where that is a number.
    #[prost(message, optional, tag = "5")]
    pub uid: Option<Int64Value>,
    /// The user it runs as, where that is a name.
    #[prost(string, tag = "6")]
    pub username: String,
}

/// Asks for all images.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ListImagesRequest {}

/// Images.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ListImagesResponse {
    /// In no order.
    #[prost(message, repeated, tag = "1")]
    pub images: Vec<Image>,
}

/// Asks whether there is an image.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ImageStatusRequest {
    /// Its name.
    #[prost(message, optional, tag = "1")]
    pub image: Option<ImageSpec>,
    /// Whether the runtime's own information is wanted too.
    #[prost(bool, tag = "2")]
    pub verbose: bool,
}

/// Whether there is an image.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ImageStatusResponse {
    /// The image, if there is one.
    #[prost(message, optional, tag = "1")]
    pub image: Option<Image>,
}

/// Who pulls an image.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub struct AuthConfig {
    /// User name.
    #[prost(string, tag = "1")]
    pub username: String,
    /// Password; not in `Debug`.
    #[prost(string, tag = "2")]
    pub password: String,
    /// Base64 of `user:password`; not in `Debug`.
    #[prost(string, tag = "3")]
    pub auth: String,
    /// The registry.
    #[prost(string, tag = "4")]
    pub server_address: String,
    /// Token for the registry's authorization server; not in `Debug`.
    #[prost(string, tag = "5")]
    pub identity_token: String,
    /// Token for the registry; not in `Debug`.
    #[prost(string, tag = "6")]
    pub registry_token: String,
}

/// Fetches an image.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PullImageRequest {
    /// Its name.
    #[prost(message, optional, tag = "1")]
    pub image: Option<ImageSpec>,
    /// Who pulls it; nobody if absent.
    #[prost(message, optional, tag = "2")]
    pub auth: Option<AuthConfig>,
    /// For which sandbox.
    #[prost(message, optional, tag = "3")]
    pub sandbox_config: Option<PodSandboxConfig>,
}

/// An image that is there.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PullImageResponse {
    /// What it was resolved to.
    #[prost(string, tag = "1")]
    pub image_ref: String,
}

impl fmt::Debug for AuthConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AuthConfig")
            .field("server_address", &self.server_address)
            .finish_non_exhaustive()
    }
}
