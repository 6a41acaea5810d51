//! The authority that signs what CertificateSigningRequests ask for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use jiff::Timestamp;
use strongroom_certificates::Issuance;
use strongroom_controllers::CertificateAuthority;

use crate::data_dir::DataDir;
use crate::pki::{Authority, Pki};
use crate::random;
use crate::settings::Settings;

/// Where the authority is. Its key is read anew for each certificate, and is not in memory in between.
enum Place {
    /// The one that Strongroom has made.
    Own(Pki),
    /// One that somebody else has made.
    Given { certificate: PathBuf, key: PathBuf },
}

/// The authority for the controllers; nothing where certificates it issued would not be trusted, or its key is kept
/// elsewhere.
///
/// # Errors
/// When the files that the settings name cannot be used.
pub fn authority(settings: &Settings, data_dir: &DataDir) -> anyhow::Result<Option<CertificateAuthority>> {
    let place = match settings.signing_files()? {
        Some((certificate, key)) => Place::Given {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        },
        None if settings.client_ca_file.is_some() => {
            tracing::info!(
                "certificate signing requests stay unsigned: clients' certificates come from --client-ca-file, and \
                 there is no --cluster-signing-cert-file"
            );
            return Ok(None);
        }
        None => Place::Own(Pki::at(data_dir.pki())),
    };
    if let Err(error) = place.open() {
        if matches!(place, Place::Given { .. }) {
            return Err(error);
        }
        tracing::info!("certificate signing requests stay unsigned: {error:#}");
        return Ok(None);
    }
    let issue = move |issuance: &Issuance| {
        let certificate = place.issue(issuance);
        certificate.map_err(Into::into)
    };
    Ok(Some(CertificateAuthority {
        issue: Arc::new(issue),
        longest: settings.cluster_signing_duration,
    }))
}

impl Place {
    fn open(&self) -> anyhow::Result<Authority> {
        match self {
            Place::Own(pki) => pki.authority(),
            Place::Given { certificate, key } => Authority::from_pem(&read(certificate)?, &read(key)?)
                .with_context(|| format!("The CA {} cannot be used", certificate.display())),
        }
    }

    fn issue(&self, issuance: &Issuance) -> anyhow::Result<String> {
        self.open()?
            .issue(issuance, random::bytes()?, Timestamp::now().as_second())
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
}
