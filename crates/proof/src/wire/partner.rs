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
    /// It waits while somebody else stands still: the rest of it is not written yet.
    HoldWith(Arc<Stop>),
    /// The partner has done it, and its answer stands still.
    HoldAnswer(Arc<Stop>),
    /// The connection breaks before a byte was read.
    Refuse,
    /// Half of it reaches the partner; then the connection breaks on both sides.
    CutRequest,
    /// The partner gets it with its body spoilt.
    SpoilRequest,
    /// The partner gets it a byte at a time, until the client has had enough.
    TrickleRequest,
    /// The partner gets it with a body that is longer than anybody reads.
    SwellRequest,
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
    while let Some((request, _)) = message(&mut client).await? {
        shared.line.flows().await;
        let mut act = shared.act(&request);
        if let Some(Act::HoldRequest(stop) | Act::HoldWith(stop)) = &act {
            match act {
                Some(Act::HoldRequest(_)) => stop.stand().await,
                _ => stop.opened().await,
            }
            // What the test decides while it stands here happens to this call.
            act = shared.act(&request);
        }
        let (answer, ended) = match &act {
            Some(Act::Refuse) => return Ok(()),
            Some(Act::Answer(answer)) => (answer.as_bytes().to_vec(), false),
            Some(Act::LoseRequest) => return never(client).await,
            Some(Act::CutRequest) => {
                let mut partner = TcpStream::connect(address).await?;
                partner.write_all(&request[..request.len() - request.len() / 4]).await?;
                return Ok(());
            }
            Some(Act::TrickleRequest) => return trickled(client, address, &request).await,
            Some(Act::SpoilRequest) => exchange(address, &spoilt(&request)).await?,
            Some(Act::SwellRequest) => exchange(address, &swollen(&request)).await?,
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
        // Where the partner has broken off, the client must see that too, and not wait for the rest.
        if !deliver(&mut client, &answer, act).await? || ended {
            return Ok(());
        }
    }
    Ok(())
}

/// Delivers an answer, or what becomes of it; whether the connection goes on.
async fn deliver(client: &mut TcpStream, answer: &[u8], act: Option<Act>) -> std::io::Result<bool> {
    let head = head_length(answer);
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
            client.write_all(&spoilt(answer)).await?;
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

/// Where the body begins.
fn head_length(message: &[u8]) -> usize {
    message.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |at| at + 4)
}

/// The message with a body that says nothing any more.
fn spoilt(message: &[u8]) -> Vec<u8> {
    let mut spoilt = message.to_vec();
    spoilt[head_length(message)..].iter_mut().step_by(3).for_each(|byte| *byte = b'#');
    spoilt
}

/// The request with a mebibyte of blanks behind its body.
fn swollen(request: &[u8]) -> Vec<u8> {
    let (head, body) = request.split_at(head_length(request));
    let length = body.len() + (1 << 20);
    let lines = String::from_utf8_lossy(head).to_string();
    let is_length = |line: &&str| line.to_lowercase().starts_with("content-length:");
    let kept: Vec<&str> =
        lines.split("\r\n").filter(|line| !line.is_empty() && !is_length(line)).collect();
    let mut swollen = format!("{}\r\ncontent-length: {length}\r\n\r\n", kept.join("\r\n"));
    swollen.push_str(&String::from_utf8_lossy(body));
    let mut bytes = swollen.into_bytes();
    bytes.resize(bytes.len() + (1 << 20), b' ');
    bytes
}

/// Gives the partner a byte now and then, for as long as the client waits.
async fn trickled(mut client: TcpStream, address: &str, request: &[u8]) -> std::io::Result<()> {
    let mut partner = TcpStream::connect(address).await?;
    partner.set_nodelay(true)?;
    let drops = async {
        for byte in request {
            partner.write_all(std::slice::from_ref(byte)).await?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        std::io::Result::Ok(())
    };
    let mut rest = [0; 1];
    tokio::select! {
        dropped = drops => dropped?,
        _ = client.read(&mut rest) => return Ok(()),
    }
    let (answer, _) = message(&mut partner).await?.unwrap_or_default();
    client.write_all(&answer).await
}

/// Nobody answers until the client has had enough.
async fn never(mut client: TcpStream) -> std::io::Result<()> {
    let mut rest = [0; 1];
    client.read(&mut rest).await.map(|_| ())
}

/// One call at the partner, on a connection of its own: what he answered, and whether he ended it with that.
async fn exchange(partner: &str, request: &[u8]) -> std::io::Result<(Vec<u8>, bool)> {
    let mut partner = TcpStream::connect(partner).await?;
    partner.set_nodelay(true)?;
    partner.write_all(request).await?;
    Ok(message(&mut partner).await?.unwrap_or((Vec::new(), true)))
}

/// One whole request or answer: its head, and as much after it as the head says, or all there is when
/// it says nothing and the connection ends; with it, whether the connection has ended. Nothing when it ended
/// before.
async fn message(from: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Option<(Vec<u8>, bool)>> {
    let mut bytes = Vec::new();
    let mut wanted = None;
    let mut chunk = vec![0; 1 << 14];
    loop {
        if let Some(wanted) = wanted
            && bytes.len() >= wanted
        {
            return Ok(Some((bytes, false)));
        }
        let count = from.read(&mut chunk).await?;
        if count == 0 || bytes.len() > BYTES_MAX {
            return Ok(Some((bytes, true)).filter(|(bytes, _)| !bytes.is_empty()));
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
