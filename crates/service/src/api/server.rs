//! The sockets: bounded connections, bounded patience, a bounded stop. // G33, G43
//!
//! Relies on a proxy in front for TLS; speaks HTTP/1.1 only.

mod patience;

use axum::Router;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use patience::{Patience, Patient};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// The most connections at once; further ones wait in the listener's queue.
const CONNECTIONS_MAX: usize = 1024;
/// How long requests under way may go on after a stop was asked for.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// Serves until `stop`; then takes no more, lets what is under way end, and returns after
/// `STOP_LIMIT` at the latest. Nothing is half done by that: claims, calls and transactions run on
/// tasks of their own.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let listener = Bounded { listener, permits: Arc::new(Semaphore::new(CONNECTIONS_MAX)) };
    let service = router
        .layer(axum::middleware::from_fn(patience::layer))
        .into_make_service_with_connect_info::<Patience>();
    let signal = stop.clone().cancelled_owned();
    let server = axum::serve(listener, service).with_graceful_shutdown(signal);
    let limit = async {
        stop.cancelled().await;
        tokio::time::sleep(STOP_LIMIT).await;
    };
    tokio::select! {
        ended = server => if let Err(error) = ended {
            tracing::error!(%error, "the server ended");
        },
        () = limit => tracing::warn!("some requests did not end in time and are cut off"),
    }
}

/// A listener with so many connections and no more.
struct Bounded {
    listener: TcpListener,
    permits: Arc<Semaphore>,
}

impl Listener for Bounded {
    type Io = Patient;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Patient, SocketAddr) {
        loop {
            // The semaphore is never closed.
            let permit = Arc::clone(&self.permits).acquire_owned().await.ok();
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    // Small answers must not wait for more.
                    let _ = stream.set_nodelay(true);
                    return (Patient::new(stream, permit), address);
                }
                Err(error) => {
                    // Mostly a lack of descriptors, which passes.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Connected<IncomingStream<'_, Bounded>> for Patience {
    fn connect_info(stream: IncomingStream<'_, Bounded>) -> Self {
        stream.io().patience()
    }
}
