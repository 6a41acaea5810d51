//! POST over one connection that is kept.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;

use super::{WebhookError, WebhookTarget};

/// More of an answer is not read.
const ANSWER_LIMIT: usize = 64 * 1024;

type Connection = SendRequest<Full<Bytes>>;

pub(super) struct Transport {
    host: String,
    port: u16,
    /// Path and query.
    path: String,
    /// As the Host header has it.
    authority: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    authorization: Option<HeaderValue>,
    idle: Mutex<Option<Connection>>,
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transport")
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

fn tls_error(reason: impl std::fmt::Display) -> WebhookError {
    let reason = reason.to_string();
    WebhookError::Tls { reason }
}

fn unreachable(reason: impl std::fmt::Display) -> WebhookError {
    let reason = reason.to_string();
    WebhookError::Unreachable { reason }
}

impl Transport {
    pub(super) fn new(target: &WebhookTarget) -> Result<Self, WebhookError> {
        let url: hyper::Uri = target
            .url
            .parse()
            .map_err(|_| tls_error("the URL cannot be read"))?;
        let is_https = url.scheme_str() == Some("https");
        let authority = url.authority().ok_or_else(|| tls_error("the URL has no host"))?;
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let authorization = match &target.token {
            None => None,
            Some(token) => {
                let value = HeaderValue::from_str(&format!("Bearer {token}"));
                let mut value =
                    value.map_err(|_| tls_error("the token has letters that no header may have"))?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        Ok(Self {
            port: authority.port_u16().unwrap_or(if is_https { 443 } else { 80 }),
            path: url.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            authority: authority.as_str().to_owned(),
            tls: is_https.then(|| connector(target, &host)).transpose()?,
            host,
            authorization,
            idle: Mutex::new(None),
        })
    }

    pub(super) async fn post(&self, body: Bytes, limit: Duration) -> Result<(), WebhookError> {
        let posted = tokio::time::timeout(limit, self.post_unlimited(body)).await;
        posted.unwrap_or(Err(WebhookError::Timeout))
    }

    async fn post_unlimited(&self, body: Bytes) -> Result<(), WebhookError> {
        let kept = self.idle.lock().await.take();
        if let Some(mut connection) = kept
            && connection.ready().await.is_ok()
        {
            // The server may close a kept connection at any time, so this failure says nothing yet.
            match self.exchange(connection, body.clone()).await {
                Err(WebhookError::Unreachable { .. }) => {}
                answered => return answered,
            }
        }
        let connection = self.connect().await?;
        self.exchange(connection, body).await
    }

    async fn exchange(&self, mut connection: Connection, body: Bytes) -> Result<(), WebhookError> {
        let mut request = Request::post(&self.path)
            .header(HOST, &self.authority)
            .header(CONTENT_TYPE, "application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request.body(Full::new(body)).map_err(unreachable)?;
        let response = connection.send_request(request).await.map_err(unreachable)?;
        let status = response.status();
        let rest = Limited::new(response.into_body(), ANSWER_LIMIT).collect().await;
        if rest.is_ok() {
            *self.idle.lock().await = Some(connection);
        }
        match status.is_success() {
            true => Ok(()),
            false => Err(WebhookError::Refused {
                status: status.as_u16(),
            }),
        }
    }

    async fn connect(&self) -> Result<Connection, WebhookError> {
        let address = (self.host.as_str(), self.port);
        let stream = TcpStream::connect(address).await.map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        match &self.tls {
            None => handshake(TokioIo::new(stream)).await,
            Some((connector, name)) => {
                let stream = connector
                    .connect(name.clone(), stream)
                    .await
                    .map_err(unreachable)?;
                handshake(TokioIo::new(stream)).await
            }
        }
    }
}

async fn handshake<T>(stream: T) -> Result<Connection, WebhookError>
where
    T: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
{
    let (connection, driver) = http1::handshake(stream).await.map_err(unreachable)?;
    tokio::spawn(async move {
        // Whoever waits for an answer hears of the failure there.
        let _ = driver.await;
    });
    Ok(connection)
}

fn connector(
    target: &WebhookTarget,
    host: &str,
) -> Result<(TlsConnector, ServerName<'static>), WebhookError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&target.certificate_authority)? {
        roots.add(certificate).map_err(tls_error)?;
    }
    if roots.is_empty() {
        return Err(tls_error("there is no certificate in certificate-authority"));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(tls_error)?
        .with_root_certificates(roots);
    let config = match &target.client_certificate {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let key = PrivateKeyDer::from_pem_slice(key)
                .map_err(|_| tls_error("client-key is not a key in PEM"))?;
            let chain = certificates(certificate)?;
            builder.with_client_auth_cert(chain, key).map_err(tls_error)?
        }
    };
    let name = target.server_name.as_deref().unwrap_or(host);
    let name = match name.parse::<IpAddr>() {
        Ok(address) => ServerName::from(address),
        Err(_) => ServerName::try_from(name.to_owned()).map_err(tls_error)?,
    };
    Ok((TlsConnector::from(Arc::new(config)), name))
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, WebhookError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    read.map_err(|_| tls_error("a certificate is not PEM"))
}
