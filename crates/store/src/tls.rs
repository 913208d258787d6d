//! Encryption between us and the database.
//!
//! Promise: a server on this machine (a socket or the loopback address) is talked to in the clear
//! unless its address says `sslmode=require`; every other server gets TLS with a certificate that is
//! checked, unless its address says `sslmode=disable`. A certificate that does not check out is an
//! error, never a warning.

use crate::Error;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Turns the driver's default ("prefer") into a decision. Asked to prefer TLS it would also fall
/// back to the clear when somebody in between says that the server has none.
pub fn decide(config: &mut Config) {
    if config.get_ssl_mode() == SslMode::Prefer {
        let mode = if is_local(config) { SslMode::Disable } else { SslMode::Require };
        config.ssl_mode(mode);
    }
}

fn is_local(config: &Config) -> bool {
    let loopback = |name: &str| matches!(name, "localhost" | "127.0.0.1" | "::1");
    config.get_hosts().iter().all(|host| match host {
        Host::Tcp(name) => loopback(name),
        Host::Unix(_) => true,
    }) && config.get_hostaddrs().iter().all(std::net::IpAddr::is_loopback)
}

/// A connector that trusts the well-known certificate authorities and those of `ca` (PEM).
pub fn connector(ca: Option<&str>) -> Result<MakeRustlsConnect, Error> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(pem) = ca {
        let bad = || Error::BadGround("the database's CA file must hold PEM certificates".into());
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            roots.add(certificate.map_err(|_| bad())?).map_err(|_| bad())?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::BadGround(format!("setting up TLS: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_server_on_this_machine_is_talked_to_in_the_clear_without_being_asked() {
        for (address, mode) in [
            ("host=/run/postgresql user=a", SslMode::Disable),
            ("postgres://a@localhost/b", SslMode::Disable),
            ("postgres://a@127.0.0.1/b?sslmode=require", SslMode::Require),
            ("postgres://a@db.example.com/b", SslMode::Require),
            ("postgres://a@db.example.com/b?sslmode=disable", SslMode::Disable),
            ("postgres://a@localhost,db.example.com/b", SslMode::Require),
        ] {
            let mut config: Config = address.parse().unwrap();
            decide(&mut config);
            assert_eq!(config.get_ssl_mode(), mode, "{address}");
        }
    }

    #[test]
    fn a_ca_file_that_is_not_pem_is_refused() {
        assert!(connector(None).is_ok());
        let broken = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
        assert!(connector(Some(broken)).is_err());
    }
}
