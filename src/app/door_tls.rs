//! TLS for those who call the proxy: its certificate, and the authority of theirs.

use std::path::Path;
use std::sync::Arc;

use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::StartError;
use crate::config::Listen;
use crate::private_file;

/// What `[listen]` asks for; nothing, where it names no certificate.
///
/// # Errors
/// If a file cannot be used, or certificate and key do not belong together.
pub(super) fn prepare(listen: &Listen) -> Result<Option<Arc<ServerConfig>>, StartError> {
    let Some((cert_file, key_file)) = listen.tls_cert_file.as_ref().zip(listen.tls_key_file.as_ref()) else {
        return Ok(None);
    };
    let key = private_file::read(key_file).map_err(StartError::DoorKey)?;
    let key = PrivateKeyDer::from_pem_slice(&key)
        .map_err(|error| failed(key_file, "holds no usable private key", &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| StartError::DoorTls(error.to_string()))?;
    let builder = match &listen.client_ca_file {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for cert in certificates(file)? {
                roots.add(cert).map_err(|error| failed(file, "holds a certificate that is no CA", &error))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|error| failed(file, "cannot be used", &error))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder
        .with_single_cert(certificates(cert_file)?, key)
        .map_err(|error| failed(cert_file, "cannot be used with its key", &error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Some(Arc::new(config)))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, StartError> {
    let certs = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| failed(file, "cannot be read as PEM certificates", &error))?;
    if certs.is_empty() {
        return Err(StartError::DoorTls(format!("{} holds no certificate", file.display())));
    }
    Ok(certs)
}

fn failed(file: &Path, what: &str, error: &dyn std::error::Error) -> StartError {
    StartError::DoorTls(format!("{} {what}: {error}", file.display()))
}
