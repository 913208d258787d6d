//! The client over TLS: the right certificate, a wrong one, none, and a handshake without an end.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail by panic, like the tests")]

use orders_core::gate::Open;
use orders_core::outcome::Answer;
use orders_core::private::Private;
use orders_gateway::http::{Base, BootClock, Client as Http, SystemBootClock};
use orders_gateway::provider::CallLimits;
use orders_gateway::zinc_v1;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{RootCertStore, ServerConfig};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 21\r\n\r\n{\"request_id\":\"0a1b\"}";

/// A server whose certificate is for `localhost`; gives its address and the root to trust.
async fn server() -> (String, RootCertStore) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(ring)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut tls) = acceptor.accept(tcp).await else {
                    return;
                };
                let mut chunk = [0; 4096];
                if matches!(tls.read(&mut chunk).await, Ok(1..)) {
                    let _ = tls.write_all(ANSWER).await;
                    let _ = tls.shutdown().await;
                }
            });
        }
    });
    (format!("https://localhost:{port}"), roots)
}

async fn create(address: &str, http: Http, send_until: Duration) -> Answer {
    let base = Base::parse(address).unwrap();
    let config = zinc_v1::Config::new(base, Private::new("sk_token".into()));
    let client = zinc_v1::Client::new(http, config).unwrap();
    let limits = CallLimits { send_until, total: Duration::from_secs(2) };
    client.create(b"{}", limits, &Open).await
}

fn trusting(roots: RootCertStore) -> Http {
    Http::trusting(roots, Arc::new(SystemBootClock)).unwrap()
}

#[tokio::test]
async fn a_trusted_certificate_is_spoken_to_more_than_once() {
    let (address, roots) = server().await;
    let http = trusting(roots);
    for _ in 0..3 {
        let answer = create(&address, http.clone(), Duration::MAX).await;
        assert_eq!(answer, Answer::Accepted { request_id: "0a1b".into() });
    }
}

#[tokio::test]
async fn a_stranger_is_sent_nothing() {
    let (address, roots) = server().await;
    let failed = Answer::NotSent { why: "tls_failed" };
    let web = Http::new(Arc::new(SystemBootClock)).unwrap();
    assert_eq!(create(&address, web, Duration::MAX).await, failed);
    // The right certificate under the wrong name.
    let elsewhere = address.replace("localhost", "127.0.0.1");
    assert_eq!(create(&elsewhere, trusting(roots), Duration::MAX).await, failed);
}

#[tokio::test]
async fn a_handshake_without_an_end_is_cut_and_nothing_was_sent() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("https://localhost:{}", silent.local_addr().unwrap().port());
    let answer = create(&address, trusting(RootCertStore::empty()), Duration::MAX).await;
    assert_eq!(answer, Answer::NotSent { why: "connect_timed_out" });
}

/// A clock that moves by a second whenever it is looked at.
struct Ticking(AtomicU64);

impl BootClock for Ticking {
    fn now(&self) -> Duration {
        Duration::from_secs(self.0.fetch_add(1, Ordering::SeqCst))
    }
}

#[tokio::test]
async fn g16_the_send_deadline_is_checked_after_the_handshake() {
    let (address, roots) = server().await;
    let clock = Arc::new(Ticking(AtomicU64::new(5)));
    let http = Http::trusting(roots, clock.clone()).unwrap();
    let answer = create(&address, http, Duration::from_secs(5)).await;
    assert_eq!(answer, Answer::NotSent { why: "send_deadline_passed" });
    // Looked at once: the handshake's own bytes are not the request's.
    assert_eq!(clock.0.load(Ordering::SeqCst), 6);
}
