//! The HTTP server of a shop, for the few tests of the engine that come in by it.

use super::Shop;
use super::worker::Worker;
use jiff::Timestamp;
use orders_service::api::{self, Api, JwtSecret};
use orders_store::{access, door};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

impl Shop {
    /// Posts JSON with a good key to a server that drives this worker's engine; gives what it said,
    /// with its head.
    pub async fn post(&self, worker: &Worker, path: &str, body: &str) -> String {
        let (key, digest, prefix) = api::new_api_key([7; 32]);
        access::add_key(&self.app, &prefix, &digest, "service_role", "test").await.expect("a key");
        let api = Api {
            store: self.app.clone(),
            engine: Some(Arc::clone(&worker.engine)),
            doors: door::catalogue(&self.app).await.expect("the doors"),
            jwt_secret: JwtSecret::parse(None).expect("no secret is needed"),
            clock: Arc::new(|| Timestamp::UNIX_EPOCH),
            stripe_hook: None,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let stop = CancellationToken::new();
        tokio::spawn(api::serve(listener, api::router(api), stop.clone()));
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\napikey: {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            key.expose(),
            body.len()
        );
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        stream.write_all(request.as_bytes()).await.expect("a request");
        let mut said = String::new();
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_string(&mut said));
        read.await.expect("an answer in time").expect("an answer");
        stop.cancel();
        said
    }
}
