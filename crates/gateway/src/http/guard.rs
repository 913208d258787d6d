//! The last check before a byte leaves: a stream that refuses to write after the send deadline.
//!
//! Promise: not one byte of a request is handed to the transport after the deadline, and
//! [`Progress::started`] is true from the moment that a first byte may have been. It stands on the
//! plaintext side, so that a TLS handshake, which takes time and buys nothing, does not count as a
//! byte of the request. // G16

use super::clock::BootClock;
use orders_core::gate::{Gate, Point};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How far a request got; it outlives the connection, whatever ends that.
#[derive(Debug, Default)]
pub(super) struct Progress {
    started: AtomicBool,
    too_late: AtomicBool,
}

impl Progress {
    #[cfg(test)]
    pub(super) fn at(started: bool, too_late: bool) -> Self {
        Self { started: started.into(), too_late: too_late.into() }
    }

    /// Whether a byte of the request may have been handed to the transport. False is certain.
    pub(super) fn started(&self) -> bool {
        self.started.load(Ordering::Relaxed)
    }

    /// Whether the send deadline stopped a write.
    pub(super) fn too_late(&self) -> bool {
        self.too_late.load(Ordering::Relaxed)
    }
}

/// What every write is checked against.
#[derive(Clone, Copy)]
pub(super) struct Watch<'a> {
    pub(super) clock: &'a dyn BootClock,
    /// No byte from here on; absent for calls that change nothing.
    pub(super) send_until: Option<Duration>,
    pub(super) gate: &'a dyn Gate,
    pub(super) progress: &'a Progress,
}

impl Watch<'_> {
    fn check(&self) -> io::Result<()> {
        match self.send_until {
            Some(until) if self.clock.now() >= until => {
                self.progress.too_late.store(true, Ordering::Relaxed);
                Err(io::ErrorKind::TimedOut.into())
            }
            _ => Ok(()),
        }
    }
}

/// A stream under watch.
///
/// It has no vectored write of its own on purpose: hyper then puts head and body into one buffer,
/// and there is exactly one way for bytes to leave.
pub(super) struct Guarded<'a, S> {
    stream: S,
    watch: Watch<'a>,
    gate_passed: bool,
    /// Bytes that were handed over may still wait in the TLS layer.
    unflushed: bool,
}

impl<'a, S> Guarded<'a, S> {
    pub(super) fn new(stream: S, watch: Watch<'a>) -> Self {
        Self { stream, watch, gate_passed: false, unflushed: false }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<'_, S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        // Every write, not the first only: a process that is paused between two halves of a
        // request must not complete it when it wakes.
        this.watch.check()?;
        // Before the write, because one that fails may have written.
        this.watch.progress.started.store(true, Ordering::Relaxed);
        this.unflushed = true;
        let written = ready!(Pin::new(&mut this.stream).poll_write(cx, buffer))?;
        if !this.gate_passed {
            this.gate_passed = true;
            this.watch.gate.pass(Point::RequestStarted);
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.unflushed {
            return Poll::Ready(Ok(()));
        }
        this.watch.check()?;
        ready!(Pin::new(&mut this.stream).poll_flush(cx))?;
        this.unflushed = false;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // A shutdown flushes, so it is held to the same rule.
        if this.unflushed {
            this.watch.check()?;
        }
        Pin::new(&mut this.stream).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<'_, S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use tokio::io::AsyncWriteExt;

    /// A clock that shows the next of its readings at each look, and the last one for ever.
    struct Script(Mutex<Vec<u64>>);

    impl BootClock for Script {
        fn now(&self) -> Duration {
            let mut readings = self.0.lock().unwrap();
            let now = readings[0];
            if readings.len() > 1 {
                readings.remove(0);
            }
            Duration::from_secs(now)
        }
    }

    #[derive(Default)]
    struct Counting(Mutex<u32>);

    impl Gate for Counting {
        fn pass(&self, point: Point) {
            assert_eq!(point, Point::RequestStarted);
            *self.0.lock().unwrap() += 1;
        }
    }

    async fn write_twice(readings: &[u64]) -> (Vec<u8>, bool, bool, u32) {
        let (clock, gate, progress) =
            (Script(Mutex::new(readings.to_vec())), Counting::default(), Progress::default());
        let mut sink = Vec::new();
        let watch = Watch {
            clock: &clock,
            send_until: Some(Duration::from_secs(10)),
            gate: &gate,
            progress: &progress,
        };
        let mut stream = Guarded::new(&mut sink, watch);
        if stream.write_all(b"first ").await.is_ok() {
            let _late = stream.write_all(b"second").await;
        }
        let passed = *gate.0.lock().unwrap();
        (sink, progress.started(), progress.too_late(), passed)
    }

    /// Writes once and flushes twice; gives the results of the flushes.
    async fn write_and_flush(readings: &[u64]) -> (bool, bool) {
        let (clock, progress) = (Script(Mutex::new(readings.to_vec())), Progress::default());
        let watch = Watch {
            clock: &clock,
            send_until: Some(Duration::from_secs(10)),
            gate: &Counting::default(),
            progress: &progress,
        };
        let mut stream = Guarded::new(Vec::new(), watch);
        stream.write_all(b"request").await.unwrap();
        (stream.flush().await.is_ok(), stream.flush().await.is_ok())
    }

    #[tokio::test]
    async fn bytes_that_wait_in_the_tls_layer_are_held_to_the_deadline_too() {
        assert_eq!(write_and_flush(&[1, 3600]).await, (false, false));
    }

    #[tokio::test]
    async fn waiting_for_a_late_answer_is_no_late_write() {
        assert_eq!(write_and_flush(&[1, 2, 3600]).await, (true, true));
    }

    #[tokio::test]
    async fn a_write_in_time_is_handed_over_and_passes_the_gate_once() {
        assert_eq!(write_twice(&[1]).await, (b"first second".to_vec(), true, false, 1));
    }

    #[tokio::test]
    async fn a_first_write_after_the_deadline_leaves_no_byte_and_counts_as_not_started() {
        assert_eq!(write_twice(&[10]).await, (vec![], false, true, 0));
    }

    #[tokio::test]
    async fn a_process_that_wakes_between_two_writes_does_not_complete_the_request() {
        assert_eq!(write_twice(&[9, 3600]).await, (b"first ".to_vec(), true, true, 1));
    }
}
