//! A server that does what a test wants, on a bare socket.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Counts connections and keeps every byte that came; each connection is handed to `behave` once
/// the whole request is there.
pub(crate) struct Server {
    pub(crate) address: String,
    connections: Arc<AtomicU32>,
    received: Arc<Mutex<Vec<u8>>>,
}

impl Server {
    pub(crate) async fn start<F, R>(behave: F) -> Self
    where
        F: Fn(TcpStream) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: format!("http://{}/v1", listener.local_addr().unwrap()),
            connections: Arc::default(),
            received: Arc::default(),
        };
        let (connections, received) = (server.connections.clone(), server.received.clone());
        let behave = Arc::new(behave);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let (received, behave) = (received.clone(), behave.clone());
                tokio::spawn(async move {
                    let mut own = Vec::new();
                    let mut chunk = [0; 4096];
                    while !is_whole(&own) {
                        let Ok(n @ 1..) = stream.read(&mut chunk).await else {
                            return;
                        };
                        own.extend_from_slice(&chunk[..n]);
                        received.lock().unwrap().extend_from_slice(&chunk[..n]);
                    }
                    behave(stream).await;
                });
            }
        });
        server
    }

    /// A server that answers every request with these bytes and hangs up.
    pub(crate) async fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer = Arc::new(answer.into());
        Self::start(move |mut stream| {
            let answer = answer.clone();
            async move {
                let _ = stream.write_all(&answer).await;
                let _ = stream.shutdown().await;
            }
        })
        .await
    }

    /// A server that answers the first request with the first of these, and so on, and the ones after
    /// that with nothing.
    pub(crate) async fn answering_in_turn(answers: impl IntoIterator<Item = String>) -> Self {
        let answers: Arc<Mutex<VecDeque<_>>> = Arc::new(Mutex::new(answers.into_iter().collect()));
        Self::start(move |mut stream| {
            let answer = answers.lock().unwrap().pop_front().unwrap_or_default();
            async move {
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        })
        .await
    }

    pub(crate) fn connections(&self) -> u32 {
        self.connections.load(Ordering::SeqCst)
    }

    /// The request lines that came, in order.
    pub(crate) fn targets(&self) -> Vec<String> {
        let text = self.text();
        let lines = text.lines().filter(|line| line.ends_with(" HTTP/1.1"));
        lines.map(|line| line.trim_end_matches(" HTTP/1.1").to_owned()).collect()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.received.lock().unwrap().clone()).unwrap()
    }
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}

/// A whole answer.
pub(crate) fn http(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}
