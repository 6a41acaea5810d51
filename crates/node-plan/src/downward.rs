//! The pod's own fields and its containers' resources as values (downward API, pods-and-kubelet §3.5, §4).

/// A field that cannot be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DownwardError {
    /// Not a field that the downward API knows.
    #[error("unsupported fieldPath: {0}")]
    Field(String),
    /// A field that has no keys.
    #[error("fieldPath \"{0}\" does not support subscript")]
    Subscript(String),
    /// Not a resource that the downward API knows.
    #[error("unsupported container resource : {0}")]
    Resource(String),
    /// The pod has no such container.
    #[error("container {0} not found")]
    Container(String),
    /// A quantity cannot be read.
    #[error("{field}: {source}")]
    Quantity {
        /// Where it stands.
        field: String,
        /// What is wrong with it.
        source: crate::quantity::QuantityError,
    },
}
