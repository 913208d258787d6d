//! A wire before the partners: reads whole requests and whole answers of HTTP/1.1, one at a time, and
//! knows which call they are, so that a call can be lost, done and lost, held or answered wrongly.

use super::{Counted, Stop};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// No request and no answer of these tests is longer.
const BYTES_MAX: usize = 8 << 20;

/// What happens to a call.
#[derive(Debug, Clone)]
pub enum Act {
    /// It stands still before the partner has it.
    HoldRequest(Arc<Stop>),
    /// The partner has done it, and its answer stands still.
    HoldAnswer(Arc<Stop>),
    /// The connection breaks before a byte was read.
    Refuse,
    /// Half of it reaches the partner; then the connection breaks on both sides.
    CutRequest,
    /// The partner never has it, and nobody answers.
    LoseRequest,
    /// The partner has done it, and nobody answers.
    LoseAnswer,
    /// Nobody answers; so much later the partner has it all the same.
    DoLater(Duration),
    /// The answer breaks off in its middle.
    CutAnswer,
    /// The answer is no JSON.
    SpoilAnswer,
    /// The answer comes a byte at a time, too slowly.
    TrickleAnswer,
    /// The answer is longer than anybody reads.
    SwellAnswer,
    /// The partner never has it; this is the answer.
    Answer(&'static str),
}

/// What happens to which call.
#[derive(Debug, Clone)]
pub struct Rule {
    /// A text in the first line of the request, such as `POST /v1/orders`; empty fits all.
    pub has: &'static str,
    /// What.
    pub act: Act,
    /// How often; after that the rule is over.
    pub times: u32,
}

impl Counted for Rule {
    fn times(&mut self) -> &mut u32 {
        &mut self.times
    }
}

/// The wire.
pub type Wire = super::Wire<Rule>;
type Shared = super::Shared<Rule>;

impl Wire {
    /// Before the partners at this address, `127.0.0.1:4010` for instance.
    pub async fn start(partner: String) -> Self {
        Self::listening(move |client, shared| {
            let partner = partner.clone();
            async move {
                // However it ends, both sides see it by the end of their connections.
                let _ = connection(client, &partner, &shared).await;
            }
        })
        .await
    }

    /// The partners' address through the wire.
    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Shared {
    /// What happens to a call.
    fn act(&self, request: &[u8]) -> Option<Act> {
        let first = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let first = String::from_utf8_lossy(first);
        self.take(|rule| first.contains(rule.has)).map(|rule| rule.act)
    }
}

async fn connection(mut client: TcpStream, address: &str, shared: &Shared) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    while let Some(request) = message(&mut client).await? {
        shared.line.flows().await;
        let mut act = shared.act(&request);
        if let Some(Act::HoldRequest(stop)) = &act {
            stop.stand().await;
            // What the test decides while it stands here happens to this call.
            act = shared.act(&request);
        }
        let answer = match &act {
            Some(Act::Refuse) => return Ok(()),
            Some(Act::Answer(answer)) => answer.as_bytes().to_vec(),
            Some(Act::LoseRequest) => return never(client).await,
            Some(Act::CutRequest) => {
                let mut partner = TcpStream::connect(address).await?;
                partner.write_all(&request[..request.len() - request.len() / 4]).await?;
                return Ok(());
            }
            Some(Act::DoLater(by)) => {
                let (by, partner) = (*by, address.to_owned());
                tokio::spawn(async move {
                    tokio::time::sleep(by).await;
                    let _ = exchange(&partner, &request).await;
                });
                return never(client).await;
            }
            _ => exchange(address, &request).await?,
        };
        if let Some(Act::HoldAnswer(stop)) = &act {
            stop.stand().await;
            act = shared.act(&request);
        }
        shared.line.flows().await;
        if !deliver(&mut client, &answer, act).await? {
            return Ok(());
        }
    }
    Ok(())
}

/// Delivers an answer, or what becomes of it; whether the connection goes on.
async fn deliver(client: &mut TcpStream, answer: &[u8], act: Option<Act>) -> std::io::Result<bool> {
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |at| at + 4);
    match act {
        Some(Act::LoseAnswer) => {
            let mut rest = [0; 1];
            let _ = client.read(&mut rest).await;
            return Ok(false);
        }
        Some(Act::CutAnswer) => {
            client.write_all(&answer[..head + (answer.len() - head) / 2]).await?;
            return Ok(false);
        }
        Some(Act::SpoilAnswer) => {
            let mut spoilt = answer.to_vec();
            spoilt[head..].iter_mut().step_by(3).for_each(|byte| *byte = b'#');
            client.write_all(&spoilt).await?;
        }
        Some(Act::TrickleAnswer) => {
            for byte in answer {
                client.write_all(std::slice::from_ref(byte)).await?;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Some(Act::SwellAnswer) => {
            client.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n").await?;
            let blanks = vec![b' '; 1 << 16];
            for _ in 0..200 {
                client.write_all(&blanks).await?;
            }
            return Ok(false);
        }
        _ => client.write_all(answer).await?,
    }
    Ok(true)
}

/// Nobody answers until the client has had enough.
async fn never(mut client: TcpStream) -> std::io::Result<()> {
    let mut rest = [0; 1];
    client.read(&mut rest).await.map(|_| ())
}

/// One call at the partner, on a connection of its own.
async fn exchange(partner: &str, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut partner = TcpStream::connect(partner).await?;
    partner.set_nodelay(true)?;
    partner.write_all(request).await?;
    Ok(message(&mut partner).await?.unwrap_or_default())
}

/// One whole request or answer: its head, and as much after it as the head says, or all there is when
/// it says nothing and the connection ends. Nothing when the connection ended before.
async fn message(from: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let mut wanted = None;
    let mut chunk = vec![0; 1 << 14];
    loop {
        if let Some(wanted) = wanted
            && bytes.len() >= wanted
        {
            return Ok(Some(bytes));
        }
        let count = from.read(&mut chunk).await?;
        if count == 0 || bytes.len() > BYTES_MAX {
            return Ok(Some(bytes).filter(|bytes| !bytes.is_empty()));
        }
        bytes.extend_from_slice(&chunk[..count]);
        if wanted.is_none()
            && let Some(head) = bytes.windows(4).position(|four| four == b"\r\n\r\n")
        {
            wanted = length(&bytes[..head]).map(|length| head + 4 + length);
        }
    }
}

/// How long the body is; nothing when the end of the connection says it.
fn length(head: &[u8]) -> Option<usize> {
    let head = String::from_utf8_lossy(head).to_lowercase();
    let said = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    match said {
        Some(length) => length.trim().parse().ok(),
        // A request without a length has no body; an answer without one ends with its connection.
        None if head.starts_with("http/") => None,
        None => Some(0),
    }
}
