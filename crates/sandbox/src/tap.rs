//! A TCP stream that can misbehave below HTTP: reset instead of close, and say an answer twice.
//!
//! hyper speaks correct HTTP and nothing else. These two faults live where it cannot see them.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// What the handler of a request asks of its connection.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    /// Reset the connection when it ends.
    pub(crate) reset: AtomicBool,
    /// Send the next answer twice.
    pub(crate) twice: AtomicBool,
}

/// The stream.
pub(crate) struct Tap {
    stream: TcpStream,
    wire: Arc<Wire>,
    /// What was written of the answer that is to be said twice.
    echo: Vec<u8>,
}

impl Tap {
    /// A stream that obeys the wire's wishes.
    pub(crate) fn new(stream: TcpStream, wire: Arc<Wire>) -> Self {
        Self { stream, wire, echo: Vec::new() }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        if self.wire.reset.load(Ordering::Relaxed) {
            // With no time to linger the kernel sends a reset. If the socket is already gone, so
            // is the connection.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Tap {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Tap {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        if self.wire.twice.load(Ordering::Relaxed) {
            self.echo.extend_from_slice(&buf[..written]);
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let tap = &mut *self;
        while !tap.echo.is_empty() {
            // One answer is said twice, not every later one.
            tap.wire.twice.store(false, Ordering::Relaxed);
            let written = ready!(Pin::new(&mut tap.stream).poll_write(cx, &tap.echo))?;
            tap.echo.drain(..written);
        }
        Pin::new(&mut tap.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.wire.reset.load(Ordering::Relaxed) {
            // A polite end would send FIN first; the reset comes when the stream is dropped.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
