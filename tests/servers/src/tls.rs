//! Certificates: an authority that nobody but a test trusts, and what it vouches for.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

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

fn new_key() -> KeyPair {
    KeyPair::generate().expect("the kernel has chance")
}
