//! A certificate authority and a certificate, made at start.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use time::{Duration, OffsetDateTime};
use tokio_rustls::TlsAcceptor;

use crate::chance;
use crate::settings::{Certificate, Tls};

/// TLS, ready to serve.
pub(crate) struct Served {
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) ca_pem: String,
    pub(crate) ca_file: PathBuf,
}

/// Why there is no TLS.
#[derive(Debug)]
pub(crate) enum TlsError {
    Certificate(rcgen::Error),
    Rustls(rustls::Error),
    CaFile(PathBuf, std::io::Error),
}

/// Makes CA and certificate, and writes the CA's PEM to its file.
pub(crate) fn make(tls: &Tls, http2: bool) -> Result<Served, TlsError> {
    let now = OffsetDateTime::now_utc();
    let day = Duration::days(1);

    let mut ca = CertificateParams::new(Vec::new()).map_err(TlsError::Certificate)?;
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.distinguished_name.push(DnType::CommonName, "portal-sim test CA");
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (ca.not_before, ca.not_after) = (now - day * 30, now + day * 30);
    let ca_key = KeyPair::generate().map_err(TlsError::Certificate)?;
    let ca_pem = ca.self_signed(&ca_key).map_err(TlsError::Certificate)?.pem();
    let issuer = Issuer::new(ca, ca_key);

    let names = match tls.certificate {
        Certificate::WrongHost => vec!["wrong.example".to_owned()],
        Certificate::Good | Certificate::Expired => vec!["localhost".to_owned()],
    };
    let mut leaf = CertificateParams::new(names).map_err(TlsError::Certificate)?;
    if tls.certificate != Certificate::WrongHost {
        leaf.subject_alt_names.push(SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        leaf.subject_alt_names.push(SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)));
    }
    leaf.distinguished_name.push(DnType::CommonName, "portal-sim");
    leaf.use_authority_key_identifier_extension = true;
    leaf.key_usages.push(KeyUsagePurpose::DigitalSignature);
    leaf.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
    (leaf.not_before, leaf.not_after) = match tls.certificate {
        Certificate::Expired => (now - day * 20, now - day),
        Certificate::Good | Certificate::WrongHost => (now - day, now + day * 20),
    };
    let leaf_key = KeyPair::generate().map_err(TlsError::Certificate)?;
    let leaf = leaf.signed_by(&leaf_key, &issuer).map_err(TlsError::Certificate)?;

    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Rustls)?
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .map_err(TlsError::Rustls)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    if http2 {
        config.alpn_protocols.insert(0, b"h2".to_vec());
    }

    let ca_file = tls
        .ca_file
        .clone()
        .unwrap_or_else(|| std::env::temp_dir().join(format!("{}.pem", chance::name("portal-sim-ca-"))));
    std::fs::write(&ca_file, &ca_pem).map_err(|error| TlsError::CaFile(ca_file.clone(), error))?;
    Ok(Served { acceptor: TlsAcceptor::from(Arc::new(config)), ca_pem, ca_file })
}

impl std::fmt::Debug for Served {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Served").field("ca_file", &self.ca_file).finish_non_exhaustive()
    }
}

impl std::fmt::Display for TlsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Certificate(_) => f.write_str("cannot make a certificate"),
            Self::Rustls(_) => f.write_str("cannot set up TLS"),
            Self::CaFile(path, _) => write!(f, "cannot write the CA to {}", path.display()),
        }
    }
}

impl std::error::Error for TlsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Certificate(error) => Some(error),
            Self::Rustls(error) => Some(error),
            Self::CaFile(_, error) => Some(error),
        }
    }
}
