//! A connection that is cut when its caller takes too long to say what he wants, or to take his
//! answer: ten thousand half-sent requests must not hold ten thousand connections. // G33
//!
//! The framework has no limit for headers, so it is kept here, at the bytes. While a request is
//! being worked on, the limits of [`super::super::body`] and [`super::super::frame`] count instead.

use super::super::READ_LIMIT;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::Next;
use axum::response::Response;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};

/// How long a connection may wait for its next request.
const IDLE_LIMIT: Duration = Duration::from_mins(1);

/// What a connection is doing.
#[derive(Debug, Clone, Copy)]
enum Phase {
    /// Between two requests, or taking an answer.
    Idle(Instant),
    /// Sending the head of a request, since then.
    Heading(Instant),
    /// A request is being worked on.
    Busy,
}

/// The phase of one connection, shared between its bytes and its requests.
#[derive(Debug, Clone)]
pub(crate) struct Patience(Arc<Mutex<Phase>>);

impl Patience {
    fn phase(&self) -> Phase {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, phase: Phase) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }

    /// When patience ends, if it does.
    fn end(&self) -> Option<Instant> {
        match self.phase() {
            Phase::Idle(since) => Some(since + IDLE_LIMIT),
            Phase::Heading(since) => Some(since + READ_LIMIT),
            Phase::Busy => None,
        }
    }
}

/// Works on a request with patience suspended.
pub(crate) async fn layer(
    ConnectInfo(patience): ConnectInfo<Patience>,
    request: Request,
    next: Next,
) -> Response {
    patience.set(Phase::Busy);
    let response = next.run(request).await;
    patience.set(Phase::Idle(Instant::now()));
    response
}

/// A stream with patience.
pub(crate) struct Patient {
    stream: TcpStream,
    patience: Patience,
    timer: Pin<Box<Sleep>>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Patient {
    pub(crate) fn new(stream: TcpStream, permit: Option<OwnedSemaphorePermit>) -> Self {
        let now = Instant::now();
        Self {
            stream,
            patience: Patience(Arc::new(Mutex::new(Phase::Heading(now)))),
            timer: Box::pin(tokio::time::sleep_until(now + READ_LIMIT)),
            _permit: permit,
        }
    }

    pub(crate) fn patience(&self) -> Patience {
        self.patience.clone()
    }

    /// Ready with an error when patience has ended; else the task is woken when it will have.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let Some(end) = self.patience.end() else { return Poll::Pending };
        if self.timer.deadline() != end {
            self.timer.as_mut().reset(end);
        }
        self.timer.as_mut().poll(cx).map(|()| io::ErrorKind::TimedOut.into())
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(error) = self.poll_end(cx) {
            return Poll::Ready(Err(error));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before
            && let Phase::Idle(_) = self.patience.phase()
        {
            // The first byte of a request starts the clock; later ones do not start it again.
            self.patience.set(Phase::Heading(Instant::now()));
        }
        read
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(error) = self.poll_end(cx) {
            return Poll::Ready(Err(error));
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if written.is_ready()
            && let Phase::Idle(_) = self.patience.phase()
        {
            self.patience.set(Phase::Idle(Instant::now()));
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
