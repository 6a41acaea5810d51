//! TLS that lets every handshake end well, so that a client whose certificate does not verify is told 401 rather than
//! cut off (auth §15.1). Whether the certificate verifies is looked at right after the handshake.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme};
use strongroom_access::{FrontProxyHeaders, Identity};

/// What new connections use.
#[derive(Debug, Clone)]
pub struct Tls {
    /// The server's side of the handshake; its verifier is [`let_in`].
    pub config: Arc<ServerConfig>,
    /// Decides whose certificates are believed.
    pub clients: Arc<dyn ClientCertVerifier>,
    /// Proxies in front that say whom they have authenticated.
    pub front_proxies: Option<FrontProxies>,
}

/// Which proxies are believed, and what of their headers.
#[derive(Debug, Clone)]
pub struct FrontProxies {
    /// Decides whose certificates are believed.
    pub verifier: Arc<dyn ClientCertVerifier>,
    /// Common names of the certificates; empty for any.
    pub allowed_names: Vec<String>,
    /// The headers.
    pub headers: Arc<FrontProxyHeaders>,
}

/// What a connection says about its peer.
#[derive(Debug, Clone)]
pub enum Credential {
    /// No certificate was shown.
    None,
    /// A certificate that verified, and whom it names.
    Certificate(Arc<Identity>),
    /// A certificate that did not verify, or that names nobody.
    Refused,
}

/// A verifier for the handshake that takes every certificate whose key the client holds.
pub fn let_in(clients: Arc<dyn ClientCertVerifier>) -> Arc<dyn ClientCertVerifier> {
    Arc::new(LetIn(clients))
}

impl Tls {
    /// The headers that are believed of a client that showed these certificates.
    pub(crate) fn believed_headers(
        &self,
        shown: Option<&[CertificateDer<'_>]>,
    ) -> Option<Arc<FrontProxyHeaders>> {
        self.front_proxies.as_ref()?.believed(shown)
    }

    /// Whom the certificates that a client showed name.
    pub(crate) fn credential(&self, shown: Option<&[CertificateDer<'_>]>) -> Credential {
        let Some([certificate, intermediates @ ..]) = shown else {
            return Credential::None;
        };
        if let Err(error) = self
            .clients
            .verify_client_cert(certificate, intermediates, UnixTime::now())
        {
            tracing::debug!(%error, "a client certificate does not verify");
            return Credential::Refused;
        }
        match Identity::from_client_certificate(certificate) {
            Ok(identity) => Credential::Certificate(Arc::new(identity)),
            Err(error) => {
                tracing::debug!(%error, "a client certificate names nobody");
                Credential::Refused
            }
        }
    }
}

impl FrontProxies {
    /// The headers that are believed of a client that showed these certificates.
    fn believed(&self, shown: Option<&[CertificateDer<'_>]>) -> Option<Arc<FrontProxyHeaders>> {
        let [certificate, intermediates @ ..] = shown? else {
            return None;
        };
        self.verifier
            .verify_client_cert(certificate, intermediates, UnixTime::now())
            .ok()?;
        let proxy = Identity::from_client_certificate(certificate).ok()?;
        let allowed = self.allowed_names.is_empty() || self.allowed_names.contains(&proxy.user);
        if !allowed {
            tracing::warn!(
                name = proxy.user,
                "a certificate of the front proxies' CA is not among --requestheader-allowed-names"
            );
        }
        allowed.then(|| Arc::clone(&self.headers))
    }
}

#[derive(Debug)]
struct LetIn(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for LetIn {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
