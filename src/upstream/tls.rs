//! TLS to the portal: rustls, the platform's trust or a given CA.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::CryptoProvider;
use rustls::server::ParsedCertificate;
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls_platform_verifier::Verifier;
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Base, ClientIdentity, Settings};

/// TLS as configured; shared by all workers.
#[derive(Clone)]
pub(super) struct Tls {
    /// Offers HTTP/2 first, where it is wanted.
    any: TlsConnector,
    /// Offers HTTP/1.1 alone, for upgrades.
    h1: TlsConnector,
    name: ServerName<'static>,
    pin: Option<[u8; 32]>,
}

impl Tls {
    pub(super) fn new(settings: &Settings, base: &Base) -> Result<Self, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|e| format!("TLS cannot be set up: {e}"))?;
        let builder = match &settings.ca_file {
            Some(file) => builder.with_webpki_verifier(given_cas(file, provider)?),
            None => {
                let verifier = Verifier::new(provider)
                    .map_err(|e| format!("the platform's trusted certificates cannot be read: {e}"))?;
                // Not dangerous at all: this is the only way rustls takes the platform's own verifier.
                builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
            }
        };
        let mut config = match &settings.client_identity {
            Some(identity) => {
                let (chain, key) = own_identity(identity)?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|e| format!("the client certificate cannot be used: {e}"))?
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let h1 = TlsConnector::from(Arc::new(config.clone()));
        if settings.http2 {
            config.alpn_protocols.insert(0, b"h2".to_vec());
        }
        let name = ServerName::try_from(base.host().to_owned())
            .map_err(|_| format!("{} cannot stand in a certificate", base.host()))?;
        Ok(Self { any: TlsConnector::from(Arc::new(config)), h1, name, pin: settings.spki_pin })
    }

    /// Shakes hands; whether HTTP/2 was agreed is in the stream.
    pub(super) async fn connect(
        &self,
        stream: TcpStream,
        h1_only: bool,
    ) -> Result<TlsStream<TcpStream>, (TlsFault, io::Error)> {
        let connector = if h1_only { &self.h1 } else { &self.any };
        let stream = connector.connect(self.name.clone(), stream).await.map_err(|e| (TlsFault::of(&e), e))?;
        match self.pin {
            // Nothing of ours has been sent yet.
            Some(pin) if spki_of(&stream) != Some(pin) => {
                Err((TlsFault::PinMismatch, io::Error::other("the certificate's key is not the pinned one")))
            }
            _ => Ok(stream),
        }
    }
}

/// What is wrong with the portal's TLS, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsFault {
    /// The certificate is past its end.
    Expired,
    /// The certificate is not valid yet, or our clock is behind.
    NotYetValid,
    /// The certificate is for other names.
    WrongName {
        /// The names it is for.
        presented: Vec<String>,
    },
    /// The certificate leads to no CA that is trusted here.
    UnknownIssuer,
    /// The certificate is revoked.
    Revoked,
    /// The certificate's key is not the pinned one.
    PinMismatch,
    /// The certificate is bad in another way.
    OtherCertificate,
    /// What answers does not speak TLS.
    NotTls,
    /// No TLS version or cipher in common.
    NoCommonProtocol,
    /// The portal asks for a certificate of ours, or refused the one shown.
    ClientCertificate,
    /// The portal ended the handshake with an alert.
    Alert,
    /// The connection ended within the handshake.
    Ended,
}

impl TlsFault {
    fn of(error: &io::Error) -> Self {
        let inner = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
        match inner {
            Some(rustls::Error::InvalidCertificate(e)) => Self::of_certificate(e),
            Some(rustls::Error::InvalidMessage(_) | rustls::Error::InappropriateMessage { .. }) => {
                Self::NotTls
            }
            Some(rustls::Error::PeerIncompatible(_)) => Self::NoCommonProtocol,
            Some(rustls::Error::AlertReceived(alert)) => Self::of_alert(*alert),
            _ => Self::Ended,
        }
    }

    fn of_alert(alert: AlertDescription) -> Self {
        match alert {
            AlertDescription::ProtocolVersion
            | AlertDescription::HandshakeFailure
            | AlertDescription::InsufficientSecurity
            | AlertDescription::NoApplicationProtocol => Self::NoCommonProtocol,
            AlertDescription::CertificateRequired
            | AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied => Self::ClientCertificate,
            _ => Self::Alert,
        }
    }

    fn of_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotYetValid,
            CertificateError::NotValidForName => Self::WrongName { presented: Vec::new() },
            CertificateError::NotValidForNameContext { presented, .. } => {
                Self::WrongName { presented: presented.clone() }
            }
            // A bad signature is the trace of a CA that was made anew under its old name.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::UnknownIssuer,
            CertificateError::Revoked => Self::Revoked,
            _ => Self::OtherCertificate,
        }
    }

    /// Whether it is the certificate that is at fault.
    pub fn is_certificate(&self) -> bool {
        match self {
            Self::Expired
            | Self::NotYetValid
            | Self::WrongName { .. }
            | Self::UnknownIssuer
            | Self::Revoked
            | Self::PinMismatch
            | Self::OtherCertificate => true,
            Self::NotTls | Self::NoCommonProtocol | Self::ClientCertificate | Self::Alert | Self::Ended => {
                false
            }
        }
    }

    /// What a person can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Expired => {
                "the portal's operator has to renew it; if it is renewed, check this machine's clock"
            }
            Self::NotYetValid => "check this machine's clock",
            Self::WrongName { .. } => "check the host in upstream.url",
            Self::UnknownIssuer => {
                "if the portal uses a CA of its own, give its PEM file as upstream.ca_file"
            }
            Self::Revoked => "ask the portal's operator",
            Self::PinMismatch => {
                "if the portal's operator confirms the new key, update upstream.spki_pin; else somebody is in between"
            }
            Self::OtherCertificate => "ask the portal's operator",
            Self::NotTls => "check scheme and port in upstream.url; the port may speak plain http",
            Self::NoCommonProtocol => "the portal has to offer TLS 1.2 or 1.3",
            Self::ClientCertificate => {
                "give the certificate that the portal expects as upstream.client_cert_file"
            }
            Self::Alert | Self::Ended => "check host and port in upstream.url, and what stands in between",
        }
    }
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "its certificate has expired",
            Self::NotYetValid => "its certificate is not valid yet",
            Self::WrongName { presented } if presented.is_empty() => "its certificate is for another name",
            Self::WrongName { presented } => {
                return write!(f, "its certificate is for another name: {}", presented.join(", "));
            }
            Self::UnknownIssuer => "its certificate is from an issuer that is not trusted here",
            Self::Revoked => "its certificate is revoked",
            Self::PinMismatch => "its certificate's key is not the pinned one",
            Self::OtherCertificate => "its certificate cannot be used",
            Self::NotTls => "what answers there does not speak TLS",
            Self::NoCommonProtocol => "there is no TLS version or cipher in common",
            Self::ClientCertificate => "it asks for a client certificate, or refused the one shown",
            Self::Alert => "it ended the handshake with an alert",
            Self::Ended => "the connection ended within the handshake",
        })
    }
}

fn given_cas(file: &Path, provider: Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, String> {
    let mut roots = RootCertStore::empty();
    for cert in certificates(file)? {
        roots.add(cert).map_err(|e| format!("{} holds a certificate that is no CA: {e}", file.display()))?;
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|e| format!("the CAs of {} cannot be used: {e}", file.display()))
}

fn own_identity(
    identity: &ClientIdentity,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), String> {
    let key = PrivateKeyDer::from_pem_file(&identity.key_file)
        .map_err(|e| format!("{} holds no usable private key: {e}", identity.key_file.display()))?;
    Ok((certificates(&identity.cert_file)?, key))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let certs = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| format!("{} cannot be read as PEM certificates: {e}", file.display()))?;
    if certs.is_empty() { Err(format!("{} holds no certificate", file.display())) } else { Ok(certs) }
}

fn spki_of(stream: &TlsStream<TcpStream>) -> Option<[u8; 32]> {
    let cert = stream.get_ref().1.peer_certificates()?.first()?;
    let spki = ParsedCertificate::try_from(cert).ok()?.subject_public_key_info();
    Some(Sha256::digest(spki.as_ref()).into())
}
