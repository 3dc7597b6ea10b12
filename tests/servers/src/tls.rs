//! Certificates: an authority that nobody but a test trusts, and what it vouches for; and TLS before a server that has none.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::serving::Serving;

/// Who vouches for servers.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// What a server shows, and proves to be its own.
pub struct Certified {
    /// The certificate, as PEM.
    pub certificate: String,
    /// Its private key, as PEM.
    pub key: String,
}

impl Authority {
    /// Makes a new one.
    pub fn new() -> Self {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = new_key();
        // Two of one name would be taken for one, whose signatures are wrong.
        let name = format!("An authority of a test, {:?}", key.public_key_raw().last_chunk::<8>());
        parameters.distinguished_name.push(DnType::CommonName, name);
        let pem = parameters.self_signed(&key).expect("a certificate of our own").pem();
        Self { issuer: Issuer::new(parameters, key), pem }
    }

    /// Its own certificate, as PEM: what a client has to trust.
    pub fn pem(&self) -> String {
        self.pem.clone()
    }

    /// Vouches for a host, by name or address.
    pub fn certify(&self, host: &str) -> Certified {
        self.certify_until(host, (4096, 1, 1))
    }

    /// Vouches for a host until a day: year, month and day, at 0:00 UTC.
    pub fn certify_until(&self, host: &str, (year, month, day): (i32, u8, u8)) -> Certified {
        let mut parameters = CertificateParams::new([host.to_owned()]).expect("a name or an address");
        parameters.not_after = rcgen::date_time_ymd(year, month, day);
        let key = new_key();
        let certificate = parameters.signed_by(&key, &self.issuer).expect("a certificate of our own");
        Certified { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

/// Takes TLS connections for a server that speaks without, as a proxy before it does; ends with this value.
pub struct Front {
    running: Option<Serving>,
}

impl Front {
    /// Listens on a port of 127.0.0.1 and hands what comes over TLS to the server.
    pub fn start(shown: &Certified, port: u16, server: SocketAddr) -> Self {
        let acceptor = acceptor(shown);
        let address = (Ipv4Addr::LOCALHOST, port).into();
        let running =
            Serving::start(address, async move |listener| pass_on(listener, acceptor, server).await);
        Self { running: Some(running) }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.running.take().into_iter().for_each(Serving::stop);
    }
}

fn acceptor(shown: &Certified) -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_slice(shown.certificate.as_bytes()).expect("it was made here");
    let key = PrivateKeyDer::from_pem_slice(shown.key.as_bytes()).expect("it was made here");
    let configuration = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![certificate], key))
        .expect("the key is the certificate's");
    TlsAcceptor::from(Arc::new(configuration))
}

async fn pass_on(listener: TcpListener, acceptor: TlsAcceptor, server: SocketAddr) {
    while let Ok((client, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let mut outside = acceptor.accept(client).await?;
            let mut inside = TcpStream::connect(server).await?;
            copy_bidirectional(&mut outside, &mut inside).await
        });
    }
}

fn new_key() -> KeyPair {
    KeyPair::generate().expect("the kernel has chance")
}
