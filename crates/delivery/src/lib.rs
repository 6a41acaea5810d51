//! How do files get into place? Volumes in memory, published whole or not at all.
