//! How a connection ends when its call is cut.
//!
//! Promise: what a cut call had handed to our kernel, and the peer's has not taken yet, is thrown away
//! with the connection. An ordinary close would go on sending it for minutes, and the rest of a
//! purchase would arrive long after it was recorded as unknown, beside its repeat. // G16, ruling 4
//!
//! What remains: bytes that the peer's kernel has taken, or a proxy on the way, may be acted upon at any
//! time; that is what the provider's processing bound is for. And while this process is frozen nobody
//! closes anything: its kernel goes on with what it was given, until the limit set here.

use rustix::net::sockopt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;
use tokio::net::TcpStream;

/// A connection whose end is a reset until its call is done.
///
/// It holds the connection open beside the stream: whichever of both goes last closes it.
pub(super) struct ResetUntilDone(OwnedFd);

impl ResetUntilDone {
    /// From here on the end of this connection is a reset, and its kernel gives up by itself when the
    /// peer takes nothing for as long as the limit.
    pub(super) fn of(tcp: &TcpStream, limit: Duration) -> io::Result<Self> {
        tcp.set_zero_linger()?;
        // Nothing would mean the kernel's own limit, which is about a quarter of an hour.
        let ms = u32::try_from(limit.as_millis()).unwrap_or(u32::MAX).max(1);
        sockopt::set_tcp_user_timeout(tcp, ms)?;
        Ok(Self(tcp.as_fd().try_clone_to_owned()?))
    }

    /// The whole answer is here: the connection may end in order.
    pub(super) fn done(self) {
        // If not, it ends with a reset, which harms nobody any more.
        let _ = sockopt::set_socket_linger(&self.0, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{BODY_BYTES_MAX, Base, Call, Client, SystemBootClock};
    use bytes::Bytes;
    use hyper::{HeaderMap, Method};
    use orders_core::gate::{Gate, Open, Point};
    use std::sync::Arc;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpSocket};
    use tokio::sync::Notify;

    const BODY_BYTES: usize = 64 * 1024;

    /// A listener whose connections take a few kilobytes before somebody reads.
    fn narrow() -> (TcpListener, Base) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(8).unwrap();
        let base = Base::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        (listener, base)
    }

    fn call<'a>(base: &'a Base, gate: &'a dyn Gate, buys: bool) -> Call<'a> {
        Call {
            base,
            method: Method::POST,
            target: "/orders",
            headers: HeaderMap::new(),
            body: Bytes::from(vec![b'x'; BODY_BYTES]),
            total: Duration::from_secs(20),
            send_until: buys.then_some(Duration::MAX),
            gate,
            answer_bytes_max: BODY_BYTES_MAX,
        }
    }

    #[derive(Default)]
    struct Told(Notify);

    impl Gate for Told {
        fn pass(&self, _point: Point) {
            self.0.notify_one();
        }
    }

    /// What a peer who begins to read after the cut still gets, and how that ends.
    async fn left_after_the_cut(buys: bool) -> (usize, Option<io::ErrorKind>) {
        let (listener, base) = narrow();
        let client = Client::new(Arc::new(SystemBootClock)).unwrap();
        let told = Told::default();
        tokio::select! {
            biased;
            () = told.0.notified() => {}
            _ = client.call(call(&base, &told, buys)) => unreachable!("nobody answers"),
        }
        let (mut peer, _) = listener.accept().await.unwrap();
        let mut taken = Vec::new();
        let end = peer.read_to_end(&mut taken).await;
        (taken.len(), end.err().map(|error| error.kind()))
    }

    #[tokio::test]
    async fn a_purchase_that_is_cut_is_reset_and_its_rest_never_arrives() {
        let (taken, end) = left_after_the_cut(true).await;
        assert_eq!(end, Some(io::ErrorKind::ConnectionReset));
        assert!(taken < BODY_BYTES, "{taken} bytes");
        // What this keeps from happening: the kernel delivers what nobody wants any more.
        let (taken, end) = left_after_the_cut(false).await;
        assert!(taken > BODY_BYTES && end.is_none(), "{taken} bytes, {end:?}");
    }

    #[tokio::test]
    async fn a_call_that_was_answered_ends_in_order() {
        let (listener, base) = narrow();
        let client = Client::new(Arc::new(SystemBootClock)).unwrap();
        let server = async {
            let (mut peer, _) = listener.accept().await.unwrap();
            let mut request = vec![0; BODY_BYTES];
            peer.read_exact(&mut request).await.unwrap();
            peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
            peer.read_to_end(&mut request).await.map_err(|error| error.kind())
        };
        let (answer, end) = tokio::join!(client.call(call(&base, &Open, true)), server);
        assert_eq!(answer.unwrap().status, 200);
        assert!(end.is_ok(), "{end:?}");
    }

    #[tokio::test]
    async fn the_kernel_gives_up_by_itself_when_the_peer_takes_nothing_for_as_long_as_the_call() {
        let (listener, _) = narrow();
        let tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        for (limit, ms) in [(Duration::from_secs(30), 30_000), (Duration::ZERO, 1)] {
            let _end = ResetUntilDone::of(&tcp, limit).unwrap();
            assert_eq!(sockopt::tcp_user_timeout(&tcp).unwrap(), ms);
        }
    }
}
