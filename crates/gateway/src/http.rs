//! One request on one connection of its own, with a deadline for sending and one for everything.
//!
//! Promise:
//! - The request is written at most once. There is no pool, no redirect, no proxy and no repeat, so
//!   nothing can re-send it but another `Client::call`.
//! - `Error::NotSent` means that not one byte of the request was handed to the transport; every
//!   other error means that we do not know. The difference is taken from the stream itself (see the
//!   module `guard`), never guessed from the text of an error.
//! - An `Exchange` holds a whole answer: a body shorter than its stated length is an error.
//! - A call with a send deadline that is cut takes along what the kernel has not delivered (see the
//!   module `cut`).
//!
//! Relies on the caller polling from a tokio runtime with net and time. The total limit runs on
//! tokio's clock, which stands still in suspend; the send deadline runs on the [`BootClock`], which
//! does not, and it alone keeps a late request from leaving.

mod base;
mod clock;
mod cut;
mod exchange;
mod guard;

pub use base::{BadBase, Base};
pub use clock::{BootClock, SystemBootClock};

use bytes::Bytes;
use cut::ResetUntilDone;
use guard::{Progress, Watch};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper::{HeaderMap, Method, Request};
use orders_core::gate::Gate;
use orders_core::outcome::Doubt;
use rustls::{ClientConfig, RootCertStore};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// How long finding the address and opening the connection may take, of the call's whole time.
pub const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// The largest status line and headers together.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// The most headers of an answer.
const HEADERS_MAX: usize = 100;
/// The largest body of an answer, unless the call says otherwise.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

/// What all calls share: the TLS set-up, made once, and the clock.
#[derive(Clone)]
pub struct Client {
    tls: TlsConnector,
    connection: http1::Builder,
    clock: Arc<dyn BootClock>,
}

/// The TLS library refused its own set-up; a build without its cryptography would do that.
#[derive(Debug, thiserror::Error)]
#[error("TLS cannot be set up")]
pub struct TlsSetUp(#[source] rustls::Error);

/// One request, complete.
pub(crate) struct Call<'a> {
    pub(crate) base: &'a Base,
    pub(crate) method: Method,
    /// What follows the base's path, with the query: `/orders?limit=1`.
    pub(crate) target: &'a str,
    /// Authorization and the like; length, host and connection are the client's own business.
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// From the first look at the address to the last byte of the answer.
    pub(crate) total: Duration,
    /// On the boot clock: no byte of the request from here on. Absent where a call changes nothing.
    pub(crate) send_until: Option<Duration>,
    /// Told of [`orders_core::gate::Point::RequestStarted`] right after the first write returned.
    pub(crate) gate: &'a dyn Gate,
    pub(crate) answer_bytes_max: usize,
}

/// A whole answer. Its `Debug` output shows no content.
pub(crate) struct Exchange {
    pub(crate) status: u16,
    /// All of them; an adapter looks for those of its provider.
    pub(crate) headers: HeaderMap,
    /// How long the server asked us to wait.
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Bytes,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Exchange {{ status: {}, {} bytes }}", self.status, self.body.len())
    }
}

/// Why there is no answer. It holds no text of anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// Not one byte of the request was handed to the transport, certainly.
    #[error("nothing was sent: {0}")]
    NotSent(Unsent),
    /// Time ran out when something may have been sent.
    #[error("the time for the call ran out")]
    TimedOut,
    /// The connection broke when something may have been sent.
    #[error("the connection broke")]
    Broke,
    /// What came back is not HTTP, or larger than we accept.
    #[error("the answer cannot be read")]
    Malformed,
}

/// What kept a request from being sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsent {
    /// The request is none: our own mistake.
    #[error("request_not_built")]
    NotBuilt,
    /// No address, or nobody listens there.
    #[error("no_connection")]
    NoConnection,
    /// Nobody answered, or the handshake took all the time there was.
    #[error("connect_timed_out")]
    ConnectTimedOut,
    /// The peer is not who it should be, or does not speak TLS.
    #[error("tls_failed")]
    TlsFailed,
    /// The send deadline had passed when the first byte was due.
    #[error("send_deadline_passed")]
    TooLate,
    /// The peer hung up before the first byte.
    #[error("closed_before_sending")]
    ClosedFirst,
}

impl Unsent {
    /// A fixed word for the log.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::NotBuilt => "request_not_built",
            Self::NoConnection => "no_connection",
            Self::ConnectTimedOut => "connect_timed_out",
            Self::TlsFailed => "tls_failed",
            Self::TooLate => "send_deadline_passed",
            Self::ClosedFirst => "closed_before_sending",
        }
    }
}

impl Error {
    /// What it means to a caller for whom "not sent" is no better than "no answer": a read.
    pub(crate) fn doubt(self) -> Doubt {
        match self {
            Self::NotSent(Unsent::ConnectTimedOut | Unsent::TooLate) | Self::TimedOut => {
                Doubt::TimedOut
            }
            Self::NotSent(_) | Self::Broke => Doubt::ConnectionBroke,
            Self::Malformed => Doubt::Unreadable,
        }
    }
}

impl Client {
    /// A client that trusts the web's roots.
    pub fn new(clock: Arc<dyn BootClock>) -> Result<Self, TlsSetUp> {
        Self::trusting(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect(), clock)
    }

    /// A client that trusts exactly these roots: a test's, or those of a company's own proxy.
    pub fn trusting(roots: RootCertStore, clock: Arc<dyn BootClock>) -> Result<Self, TlsSetUp> {
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        // Early data stays off, as by default: it may be replayed, which is a second purchase.
        let mut tls = ClientConfig::builder_with_provider(ring)
            .with_safe_default_protocol_versions()
            .map_err(TlsSetUp)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let mut connection = http1::Builder::new();
        connection.max_header_size(HEAD_BYTES_MAX).max_headers(HEADERS_MAX);
        Ok(Self { tls: TlsConnector::from(Arc::new(tls)), connection, clock })
    }

    /// The clock that send deadlines are measured on.
    pub fn clock(&self) -> &Arc<dyn BootClock> {
        &self.clock
    }

    /// Sends the request once and waits for the whole answer.
    pub(crate) async fn call(&self, mut call: Call<'_>) -> Result<Exchange, Error> {
        let request = exchange::request(&mut call).ok_or(Error::NotSent(Unsent::NotBuilt))?;
        let progress = Progress::default();
        match timeout(call.total, self.connect_and_exchange(&call, request, &progress)).await {
            // An answer to a request that never started belongs to somebody else.
            Ok(Ok(_)) if !progress.started() => Err(Error::NotSent(Unsent::ClosedFirst)),
            Ok(Ok(exchange)) => Ok(exchange),
            Ok(Err(error)) => Err(judged(error, &progress)),
            Err(_elapsed) => Err(judged(Error::TimedOut, &progress)),
        }
    }

    async fn connect_and_exchange(
        &self,
        call: &Call<'_>,
        request: Request<Full<Bytes>>,
        progress: &Progress,
    ) -> Result<Exchange, Error> {
        let watch =
            Watch { clock: &*self.clock, send_until: call.send_until, gate: call.gate, progress };
        let tcp = connect(call.base).await.map_err(Error::NotSent)?;
        let limit = call.answer_bytes_max;
        let reset = match call.send_until {
            Some(_) => Some(
                ResetUntilDone::of(&tcp, call.total)
                    .map_err(|_| Error::NotSent(Unsent::NoConnection))?,
            ),
            None => None,
        };
        let exchange = match call.base.server_name() {
            None => exchange::run(&self.connection, tcp, watch, request, limit).await?,
            Some(name) => {
                let tls = self.tls.connect(name, tcp).await;
                let tls = tls.map_err(|_| Error::NotSent(Unsent::TlsFailed))?;
                exchange::run(&self.connection, tls, watch, request, limit).await?
            }
        };
        if let Some(reset) = reset {
            reset.done();
        }
        Ok(exchange)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("http::Client")
    }
}

async fn connect(base: &Base) -> Result<TcpStream, Unsent> {
    let opened = timeout(CONNECT_LIMIT, TcpStream::connect(base.target())).await;
    let tcp = opened.map_err(|_| Unsent::ConnectTimedOut)?.map_err(|_| Unsent::NoConnection)?;
    // The request is one write; waiting for more to send would only cost time.
    tcp.set_nodelay(true).map_err(|_| Unsent::NoConnection)?;
    Ok(tcp)
}

/// What an error means, given how far the request got.
fn judged(error: Error, progress: &Progress) -> Error {
    match (progress.started(), progress.too_late(), error) {
        (true, true, _) => Error::TimedOut,
        (true, false, error) => error,
        (false, true, _) => Error::NotSent(Unsent::TooLate),
        (false, false, Error::NotSent(why)) => Error::NotSent(why),
        (false, false, Error::TimedOut) => Error::NotSent(Unsent::ConnectTimedOut),
        (false, false, _) => Error::NotSent(Unsent::ClosedFirst),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_request_that_never_started_counts_as_not_sent() {
        let errors = [
            (Error::NotSent(Unsent::TlsFailed), Error::NotSent(Unsent::TlsFailed)),
            (Error::TimedOut, Error::NotSent(Unsent::ConnectTimedOut)),
            (Error::Broke, Error::NotSent(Unsent::ClosedFirst)),
            (Error::Malformed, Error::NotSent(Unsent::ClosedFirst)),
        ];
        for (error, unsent) in errors {
            assert_eq!(judged(error, &Progress::at(false, false)), unsent);
            let late = judged(error, &Progress::at(false, true));
            assert_eq!(late, Error::NotSent(Unsent::TooLate));
        }
        for error in [Error::TimedOut, Error::Broke, Error::Malformed] {
            assert_eq!(judged(error, &Progress::at(true, false)), error);
            assert_eq!(judged(error, &Progress::at(true, true)), Error::TimedOut);
        }
    }
}
