//! TLS: what the service shows, and whose certificates it wants to see, out of PEM files. ring computes; what may be spoken is
//! rustls's choice.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use sha2::{Digest, Sha256};
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

use crate::config::ProfileService;
use crate::directory::{Error, Result};
use crate::limits::MAX_CERTIFICATES_BYTES;

/// Makes TLS of a connection.
#[derive(Clone)]
pub struct Tls {
    /// What does it.
    pub acceptor: TlsAcceptor,
    /// Of what was in the files.
    digest: [u8; 32],
}

/// They are the same when their files were.
impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

/// A setting that names a file, and what is in the file.
struct Pem<'a> {
    key: &'static str,
    path: &'a Path,
    bytes: Zeroizing<Vec<u8>>,
}

impl Tls {
    /// Reads the files that the settings name; none: plain http.
    pub fn read(settings: &ProfileService) -> Result<Option<Self>> {
        let Some(chain) = Pem::read("tls_cert", &settings.tls_cert)? else { return Ok(None) };
        let key = Pem::read("tls_key", &settings.tls_key)?
            .ok_or_else(|| Error::Failed("remote_user_profile.service.tls_key is missing".into()))?;
        let authorities = Pem::read("client_ca", &settings.client_ca)?;
        let digest = [Some(&chain), Some(&key), authorities.as_ref()]
            .into_iter()
            .flatten()
            .fold(Sha256::new(), |digest, pem| digest.chain_update(Sha256::digest(&*pem.bytes)))
            .finalize()
            .into();
        let certificates = chain.certificates()?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::Failed(error.to_string()))?
            .with_client_cert_verifier(clients(authorities.as_ref())?)
            .with_single_cert(certificates, key.key()?);
        let mut config =
            config.map_err(|error| key.wrong(&format!("it does not go with tls_cert: {error}")))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Some(Self { acceptor: Arc::new(config).into(), digest }))
    }
}

/// Whose certificates are good enough.
fn clients(authorities: Option<&Pem<'_>>) -> Result<Arc<dyn ClientCertVerifier>> {
    let Some(authorities) = authorities else { return Ok(WebPkiClientVerifier::no_client_auth()) };
    let mut roots = RootCertStore::empty();
    for certificate in authorities.certificates()? {
        roots.add(certificate).map_err(|error| authorities.wrong(&error.to_string()))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(ring::default_provider()))
        .build()
        .map_err(|error| authorities.wrong(&error.to_string()))
}

impl<'a> Pem<'a> {
    fn read(key: &'static str, path: &'a Option<PathBuf>) -> Result<Option<Self>> {
        let Some(path) = path.as_deref() else { return Ok(None) };
        let mut pem = Self { key, path, bytes: Zeroizing::default() };
        match pem.fill() {
            Ok(()) => Ok(Some(pem)),
            Err(error) => Err(pem.wrong(&format!("{error}; podyd's own user must be able to read it"))),
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        let read = File::open(self.path)?.take(MAX_CERTIFICATES_BYTES + 1).read_to_end(&mut self.bytes)?;
        if read as u64 > MAX_CERTIFICATES_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(())
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>> {
        let certificates: std::result::Result<Vec<_>, _> =
            CertificateDer::pem_slice_iter(&self.bytes).collect();
        match certificates {
            Ok(certificates) if !certificates.is_empty() => Ok(certificates),
            _ => {
                Err(self
                    .wrong("there is no certificate in it (-----BEGIN CERTIFICATE-----), or a broken one"))
            }
        }
    }

    /// What is wrong with a key is not quoted.
    fn key(&self) -> Result<PrivateKeyDer<'static>> {
        PrivateKeyDer::from_pem_slice(&self.bytes).map_err(|_| {
            self.wrong("there is no private key in it (-----BEGIN PRIVATE KEY-----), or a broken one")
        })
    }

    fn wrong(&self, what: &str) -> Error {
        Error::Failed(format!("remote_user_profile.service.{}: {}: {what}", self.key, self.path.display()))
    }
}
