//! The certificates that Strongroom issues itself, as files.
//!
//! Files have kubeadm's names: `ca.crt`, `apiserver.crt`, `admin.crt`, `sa.key` and so on. The current
//! time is an argument everywhere, in seconds since 1970.

mod authority;
mod inspect;
mod names;

use std::path::PathBuf;

use anyhow::Context as _;

use crate::data_dir::{private_directory, write_private};

pub use authority::{Authority, Issued, pem};
pub use names::Names;

const DAY: i64 = 24 * 60 * 60;
const YEAR: i64 = 365 * DAY;
/// How long the CA is valid, in seconds.
const CA_LIFETIME: i64 = 10 * YEAR;
/// How long certificates for servers and users are valid, in seconds.
pub const CERTIFICATE_LIFETIME: i64 = YEAR;

/// The administrator's user name.
pub const ADMIN: &str = "strongroom-admin";
/// The user as whom the API server speaks to nodes.
const NODE_CLIENT: &str = "kube-apiserver-kubelet-client";
/// The administrator's group, whose members may do everything.
const MASTERS: &str = "system:masters";

/// The directory with the certificates and keys.
#[derive(Debug, Clone)]
pub struct Pki {
    dir: PathBuf,
}

/// What [`Pki::ensure`] had to make.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Made {
    /// There was no CA; whoever trusted an earlier one needs a new kubeconfig.
    pub authority: bool,
    /// The serving certificate is new.
    pub serving: bool,
    /// The administrator's certificate is new.
    pub admin: bool,
    /// The certificate that nodes are shown is new.
    pub node_client: bool,
}

impl Pki {
    /// The certificates in `dir`.
    pub fn at(dir: PathBuf) -> Pki {
        Pki { dir }
    }

    /// The path of one of the files.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Makes what is missing, and renews certificates that have used two thirds of their lifetime, do
    /// not name the server as it is now, or come from another CA. The CA and the service-account key
    /// are made once and never replaced.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn ensure(&self, names: &Names, now: i64) -> anyhow::Result<Made> {
        private_directory(&self.dir).with_context(|| format!("{} cannot be made", self.dir.display()))?;
        let authority = self.ensure_authority(now)?;
        self.ensure_service_account_key()?;
        Ok(Made {
            authority,
            serving: self.ensure_serving("apiserver", names, now)?,
            admin: self.ensure_client("admin", ADMIN, now)?,
            node_client: self.ensure_client("apiserver-kubelet-client", NODE_CLIENT, now)?,
        })
    }

    /// Makes or renews the serving certificate of the node on this machine, `kubelet.crt` and `kubelet.key`; says
    /// whether it is new.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn ensure_node(&self, names: &Names, now: i64) -> anyhow::Result<bool> {
        self.ensure_serving("kubelet", names, now)
    }

    /// Opens the certificate authority.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn authority(&self) -> anyhow::Result<Authority> {
        Authority::from_pem(&self.read("ca.crt")?, &self.read("ca.key")?)
            .with_context(|| format!("The CA in {} cannot be used", self.dir.display()))
    }

    /// The certificate authority's certificate, PEM.
    ///
    /// # Errors
    /// When it cannot be read.
    fn authority_certificate(&self) -> anyhow::Result<String> {
        self.read("ca.crt")
    }

    /// The end of the authority's validity in seconds since 1970, if it can be read.
    pub fn end_of_authority(&self) -> Option<i64> {
        inspect::end_of_validity(&self.authority_certificate().ok()?)
    }

    /// The administrator's certificate and key.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn admin(&self) -> anyhow::Result<Issued> {
        Ok(Issued {
            certificate: self.read("admin.crt")?,
            key: self.read("admin.key")?,
        })
    }

    fn ensure_authority(&self, now: i64) -> anyhow::Result<bool> {
        if self.file("ca.crt").exists() {
            return Ok(false);
        }
        self.write("ca", &Authority::create(CA_LIFETIME, now)?)?;
        Ok(true)
    }

    fn ensure_service_account_key(&self) -> anyhow::Result<()> {
        if self.file("sa.key").exists() {
            return Ok(());
        }
        let key = rcgen::KeyPair::generate()?;
        self.write_file("sa.pub", &key.public_key_pem())?;
        self.write_file("sa.key", &key.serialize_pem())
    }

    fn ensure_serving(&self, file: &str, names: &Names, now: i64) -> anyhow::Result<bool> {
        if self.is_fresh(file, now) && names.are_in(&self.read(&format!("{file}.crt"))?) {
            return Ok(false);
        }
        self.write(
            file,
            &self
                .authority()?
                .issue_serving(names, CERTIFICATE_LIFETIME, now)?,
        )?;
        Ok(true)
    }

    /// A certificate of `user`, who may do everything.
    fn ensure_client(&self, file: &str, user: &str, now: i64) -> anyhow::Result<bool> {
        if self.is_fresh(file, now) {
            return Ok(false);
        }
        let groups = [MASTERS.to_owned()];
        self.write(
            file,
            &self
                .authority()?
                .issue_client(user, &groups, CERTIFICATE_LIFETIME, now)?,
        )?;
        Ok(true)
    }

    fn is_fresh(&self, name: &str, now: i64) -> bool {
        let read = |name: String| self.read(&name).ok();
        let Some(certificate) = read(format!("{name}.crt")) else {
            return false;
        };
        let Some(key) = read(format!("{name}.key")) else {
            return false;
        };
        let Some(authority) = read("ca.crt".to_owned()) else {
            return false;
        };
        inspect::belong_together(&certificate, &key)
            && inspect::is_issued_by(&certificate, &authority)
            && !inspect::renewal_is_due(&certificate, now)
    }

    fn read(&self, name: &str) -> anyhow::Result<String> {
        let path = self.file(name);
        std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))
    }

    /// The key goes first, so that a certificate is never without its key.
    fn write(&self, name: &str, issued: &Issued) -> anyhow::Result<()> {
        self.write_file(&format!("{name}.key"), &issued.key)?;
        self.write_file(&format!("{name}.crt"), &issued.certificate)
    }

    fn write_file(&self, name: &str, content: &str) -> anyhow::Result<()> {
        let path = self.file(name);
        write_private(&path, content.as_bytes())
            .with_context(|| format!("{} cannot be written", path.display()))
    }
}

/// Whether a certificate, PEM, can be served with at `now`: it belongs to the key, has all the names, and is not to be
/// renewed yet.
pub fn is_good(certificate: &str, key: &str, names: &Names, now: i64) -> bool {
    inspect::belong_together(certificate, key)
        && names.are_in(certificate)
        && !inspect::renewal_is_due(certificate, now)
}

/// Whether nobody but itself stands behind a certificate, PEM.
pub fn is_self_signed(certificate: &str) -> bool {
    inspect::is_self_signed(certificate)
}

#[cfg(test)]
mod tests;
