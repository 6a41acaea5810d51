//! How does a part of Strongroom speak to the API server? Requests whose errors never hold content, and
//! collections as streams of changes that never end.
//!
//! Every caller is an ordinary Kubernetes client over a [`kube::Client`], which inside the server speaks to the API
//! server's own service without a socket and elsewhere HTTPS.

pub mod https;
pub mod list_watch;
pub mod object;
pub mod request;
