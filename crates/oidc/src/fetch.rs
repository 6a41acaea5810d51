use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::header::{ACCEPT, HOST};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use strongroom_objects::json::{self, Limits};
use strongroom_objects::{Map, Value};
use strongroom_tokens::jwks::{self, JwksError};
use strongroom_tokens::keys::VerifyingKeys;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Largest answer that is read, in bytes.
const MAX_BYTES: usize = 1 << 20;
/// How long one request may take, from the name's resolution to the last byte.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// Why an issuer's keys could not be fetched. Every text names the address it is about.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The configured certificates cannot be used.
    #[error("the issuer's certificate authority cannot be used: {0}")]
    CertificateAuthority(String),
    /// Not an `https` URL with a host.
    #[error("{0} is not an https URL")]
    Url(String),
    /// No connection, no TLS, or no answer.
    #[error("{url} cannot be reached: {problem}")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// The system's words.
        problem: String,
    },
    /// It took too long.
    #[error("{0} did not answer in time")]
    Timeout(String),
    /// Another status than 200; redirects are not followed.
    #[error("{url} answered {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// The answer is too long or broke off.
    #[error("the answer of {0} is longer than 1 MiB or incomplete")]
    Body(String),
    /// The discovery document is not one.
    #[error("{url} is no discovery document: {problem}")]
    Document {
        /// What was asked for.
        url: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The keys are none.
    #[error("{url}: {source}")]
    Keys {
        /// What was asked for.
        url: String,
        /// What is wrong with them.
        source: JwksError,
    },
}

/// Fetches documents, trusting one set of certificates.
pub(crate) struct Fetcher {
    connector: TlsConnector,
}

impl Fetcher {
    /// Trusts the PEM certificates in `authority`, or the system's.
    pub(crate) fn new(authority: Option<&str>) -> Result<Fetcher, FetchError> {
        let unusable = |problem: &dyn ToString| FetchError::CertificateAuthority(problem.to_string());
        let mut roots = RootCertStore::empty();
        match authority {
            Some(pem) => {
                for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                    let certificate = certificate.map_err(|error| unusable(&error))?;
                    roots.add(certificate).map_err(|error| unusable(&error))?;
                }
            }
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        if roots.is_empty() {
            return Err(unusable(&"there is no certificate in it"));
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Fetcher {
            connector: TlsConnector::from(Arc::new(config)),
        })
    }

    /// The keys of `issuer`, by way of its discovery document.
    pub(crate) async fn keys(&self, issuer: &str, discovery_url: &str) -> Result<VerifyingKeys, FetchError> {
        let document = self.get(discovery_url).await?;
        let jwks_uri = jwks_uri(&document, issuer).map_err(|problem| FetchError::Document {
            url: discovery_url.to_owned(),
            problem,
        })?;
        let keys = self.get(&jwks_uri).await?;
        jwks::parse(&keys).map_err(|source| FetchError::Keys {
            url: jwks_uri,
            source,
        })
    }

    async fn get(&self, url: &str) -> Result<Bytes, FetchError> {
        let answer = tokio::time::timeout(TIME_LIMIT, self.get_without_limit(url)).await;
        answer.unwrap_or_else(|_| Err(FetchError::Timeout(url.to_owned())))
    }

    async fn get_without_limit(&self, url: &str) -> Result<Bytes, FetchError> {
        let unreachable = |problem: &dyn ToString| FetchError::Unreachable {
            url: url.to_owned(),
            problem: problem.to_string(),
        };
        let not_a_url = || FetchError::Url(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| not_a_url())?;
        let authority = uri.authority().ok_or_else(not_a_url)?;
        if uri.scheme_str() != Some("https") || authority.as_str().contains('@') {
            return Err(not_a_url());
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned()).map_err(|_| not_a_url())?;
        let port = authority.port_u16().unwrap_or(443);
        let tcp = TcpStream::connect((host, port))
            .await
            .map_err(|error| unreachable(&error))?;
        let tls = self
            .connector
            .connect(name, tcp)
            .await
            .map_err(|error| unreachable(&error))?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(tls)).await;
        let (mut sender, connection) = handshake.map_err(|error| unreachable(&error))?;
        let connection = AbortOnDrop(tokio::spawn(async move {
            let _ = connection.await;
        }));
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let request = Request::get(path)
            .header(HOST, authority.as_str())
            .header(ACCEPT, "application/json")
            .body(Empty::<Bytes>::new())
            .map_err(|_| not_a_url())?;
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| unreachable(&error))?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status {
                url: url.to_owned(),
                status: response.status().as_u16(),
            });
        }
        let body = Limited::new(response.into_body(), MAX_BYTES).collect().await;
        drop(connection);
        Ok(body.map_err(|_| FetchError::Body(url.to_owned()))?.to_bytes())
    }
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// `jwks_uri` of a discovery document that is about `issuer` (OpenID Connect Discovery §4.3).
fn jwks_uri(document: &[u8], issuer: &str) -> Result<String, &'static str> {
    let document = match json::parse(document, &Limits::REQUEST) {
        Ok(parsed) => parsed.value,
        Err(_) => return Err("it is not JSON"),
    };
    let document: &Map = document.as_object().ok_or("it is not a JSON object")?;
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    if text("issuer") != Some(issuer) {
        return Err("it is about another issuer");
    }
    text("jwks_uri").map(str::to_owned).ok_or("it names no jwks_uri")
}
