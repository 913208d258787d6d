//! A wire before the database: reads the messages of PostgreSQL's protocol and knows which statement
//! they belong to, so that a fault can stand exactly before it, or between its commit and the answer.
//!
//! A statement here is what the client sends up to the next `Sync`, or one simple query; its answer ends
//! with `ReadyForQuery`. The store sends each in one flight (ruling 32).

use super::session::Sessions;
use super::{Counted, Stop};
use orders_embedded::testing::shared_cluster;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

/// The request to cancel a statement, instead of a protocol version.
const CANCEL: u32 = 80_877_102;
/// The request for TLS.
const TLS: u32 = 80_877_103;
/// No message of these tests is longer.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// Where in the life of a statement something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Before the statement reaches the server.
    Asked,
    /// Before the transaction that it stands in is committed; where it stands alone, before itself.
    Committing,
    /// When its transaction has taken effect and the answer is not delivered.
    Committed,
}

/// What happens.
#[derive(Debug, Clone)]
pub enum Act {
    /// It stands still until it is let go.
    Hold(Arc<Stop>),
    /// The connection breaks.
    Cut,
    /// It stands still, and then its connection breaks.
    HoldAndCut(Arc<Stop>),
    /// The server refuses it with this SQLSTATE.
    Refuse(&'static str),
    /// It takes so much longer.
    Delay(Duration),
}

/// What happens to which statement.
#[derive(Debug, Clone)]
pub struct Rule {
    /// A text in the statement, such as the name of a function; empty fits all.
    pub has: &'static str,
    /// When.
    pub moment: Moment,
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
    /// Before the test cluster.
    pub async fn start() -> Self {
        Self::before(&shared_cluster().connection_string("postgres", "postgres")).await
    }

    /// Before the server at this address.
    pub async fn before(address: &str) -> Self {
        Self::going_on(address, Sessions::default()).await
    }

    /// The same, in sessions that others have left at rest.
    pub async fn going_on(address: &str, sessions: Sessions) -> Self {
        let word = |name: &str| {
            let value = address.split(' ').find_map(|part| part.strip_prefix(&format!("{name}=")));
            value.expect("a word of the address").trim_matches('\'').to_owned()
        };
        let socket = PathBuf::from(word("host")).join(format!(".s.PGSQL.{}", word("port")));
        Self::listening(move |client, shared| {
            let (socket, sessions) = (socket.clone(), sessions.clone());
            async move {
                // However it ends, both sides see it by the end of their connections.
                let _ = connection(client, &socket, &sessions, &shared).await;
            }
        })
        .await
    }

    /// The address of a database through the wire.
    pub fn address(&self, database: &str, role: &str) -> String {
        format!("host=127.0.0.1 port={} user={role} dbname={database}", self.port)
    }
}

impl Shared {
    /// What happens to a statement at this moment.
    fn act(&self, moment: Moment, texts: &[String]) -> Option<Act> {
        let has = |rule: &Rule| texts.iter().any(|text| text.contains(rule.has));
        self.take(|rule| rule.moment == moment && has(rule)).map(|rule| rule.act)
    }
}

/// What is known of a connection's transaction. Nobody asks again before he was answered.
#[derive(Default)]
struct Standing {
    /// Whether a transaction is open.
    open: bool,
    /// The statements since it began.
    texts: Vec<String>,
}

/// The connection broke, by the wire's will or by another's.
pub(super) struct Broken;

impl From<std::io::Error> for Broken {
    fn from(_: std::io::Error) -> Self {
        Self
    }
}

async fn connection(
    mut client: TcpStream,
    socket: &Path,
    sessions: &Sessions,
    shared: &Shared,
) -> Result<(), Broken> {
    client.set_nodelay(true)?;
    let start = startup(&mut client).await?;
    if start.len() >= 8 && word(&start[4..8]) == CANCEL {
        return Ok(UnixStream::connect(socket).await?.write_all(&start).await?);
    }
    let mut session = sessions.begin(socket, start, &mut client, shared).await?;
    let (server, rests) = session.server();
    let standing: Mutex<Standing> = Mutex::default();
    let (mut client_reads, mut client_writes) = client.split();
    let (mut server_reads, mut server_writes) = server.split();
    let forth = async {
        loop {
            let (bytes, texts) = statement(&mut client_reads).await?;
            shared.line.flows().await;
            let bytes = ask(shared, &standing, bytes, &texts).await?;
            rests.store(false, Ordering::SeqCst);
            server_writes.write_all(&bytes).await?;
        }
    };
    let back = async {
        let (mut answer, mut failed) = (Vec::new(), false);
        loop {
            let (kind, message) = message(&mut server_reads).await?;
            answer.extend_from_slice(&message);
            failed |= kind == b'E';
            if kind != b'Z' {
                continue;
            }
            let is_open = message.last() != Some(&b'I');
            rests.store(!is_open, Ordering::SeqCst);
            answered(shared, &standing, is_open, failed).await?;
            failed = false;
            shared.line.flows().await;
            client_writes.write_all(&answer).await?;
            answer.clear();
        }
    };
    tokio::select! {
        ended = forth => ended,
        ended = back => ended,
    }
}

/// What happens to a statement before the server has it; gives what it is sent.
async fn ask(
    shared: &Shared,
    standing: &Mutex<Standing>,
    bytes: Vec<u8>,
    texts: &[String],
) -> Result<Vec<u8>, Broken> {
    let (is_open, of_transaction) = {
        let mut standing = standing.lock().expect("no holder panics");
        standing.texts.extend_from_slice(texts);
        (standing.open, standing.texts.clone())
    };
    let begins = texts.first().is_some_and(|text| text.starts_with("begin"));
    let commits = texts.iter().any(|text| text == "commit");
    let mut acts = VecDeque::new();
    if !commits {
        acts.extend(shared.act(Moment::Asked, texts));
    }
    if commits || !is_open && !begins {
        acts.extend(shared.act(Moment::Committing, &of_transaction));
    }
    let mut bytes = bytes;
    while let Some(act) = acts.pop_front() {
        // What the test decides while it stands here happens to this statement.
        let stood = matches!(act, Act::Hold(_));
        if let Some(code) = happen(act).await? {
            bytes = raising(code);
        }
        if stood {
            acts.extend(shared.act(Moment::Asked, texts));
        }
    }
    Ok(bytes)
}

/// What happens to a statement that the server has answered.
async fn answered(
    shared: &Shared,
    standing: &Mutex<Standing>,
    is_open: bool,
    failed: bool,
) -> Result<(), Broken> {
    let texts = {
        let mut standing = standing.lock().expect("no holder panics");
        standing.open = is_open;
        if is_open {
            return Ok(());
        }
        std::mem::take(&mut standing.texts)
    };
    if failed || texts.iter().any(|text| text == "rollback") {
        return Ok(());
    }
    if let Some(act) = shared.act(Moment::Committed, &texts) {
        happen(act).await?;
    }
    Ok(())
}

/// Lets it happen; gives the SQLSTATE with which the statement is to be refused.
async fn happen(act: Act) -> Result<Option<&'static str>, Broken> {
    match act {
        Act::Hold(stop) => stop.stand().await,
        Act::HoldAndCut(stop) => {
            stop.stand().await;
            return Err(Broken);
        }
        Act::Cut => return Err(Broken),
        Act::Refuse(code) => return Ok(Some(code)),
        Act::Delay(by) => tokio::time::sleep(by).await,
    }
    Ok(None)
}

/// The first message of a client; one that asks for TLS is told that there is none.
async fn startup(client: &mut TcpStream) -> Result<Vec<u8>, Broken> {
    loop {
        let mut head = [0; 4];
        client.read_exact(&mut head).await?;
        let rest =
            (word(&head) as usize).checked_sub(4).filter(|rest| *rest < 10_000).ok_or(Broken)?;
        let mut message = head.to_vec();
        message.resize(4 + rest, 0);
        client.read_exact(&mut message[4..]).await?;
        if rest == 4 && word(&message[4..]) == TLS {
            client.write_all(b"N").await?;
            continue;
        }
        return Ok(message);
    }
}

/// Everything up to the next `Sync` or one simple query, with the statements' texts in lower case.
async fn statement(
    client: &mut (impl AsyncRead + Unpin),
) -> Result<(Vec<u8>, Vec<String>), Broken> {
    let (mut bytes, mut texts) = (Vec::new(), Vec::new());
    loop {
        let (kind, message) = message(client).await?;
        bytes.extend_from_slice(&message);
        let text = |from: &[u8]| {
            let end = from.iter().position(|byte| *byte == 0).unwrap_or(from.len());
            String::from_utf8_lossy(&from[..end]).to_lowercase()
        };
        match kind {
            b'Q' => {
                texts.push(text(&message[5..]));
                return Ok((bytes, texts));
            }
            b'P' => {
                // After the name of the prepared statement, which is empty here.
                let name = message[5..].iter().position(|byte| *byte == 0).ok_or(Broken)?;
                texts.push(text(&message[5 + name + 1..]));
            }
            b'S' | b'p' => return Ok((bytes, texts)),
            // It leaves.
            b'X' => return Err(Broken),
            _ => {}
        }
    }
}

/// One message with its kind.
pub(super) async fn message(from: &mut (impl AsyncRead + Unpin)) -> Result<(u8, Vec<u8>), Broken> {
    let mut head = [0; 5];
    from.read_exact(&mut head).await?;
    let rest = (word(&head[1..]) as usize).checked_sub(4).ok_or(Broken)?;
    if rest > MESSAGE_BYTES_MAX {
        return Err(Broken);
    }
    let mut message = head.to_vec();
    message.resize(5 + rest, 0);
    from.read_exact(&mut message[5..]).await?;
    Ok((head[0], message))
}

fn word(bytes: &[u8]) -> u32 {
    bytes.iter().take(4).fold(0, |word, byte| word << 8 | u32::from(*byte))
}

/// A statement that the server refuses with this SQLSTATE, in whatever transaction stands.
fn raising(code: &str) -> Vec<u8> {
    let sql = format!("do $$begin raise exception 'on purpose' using errcode = '{code}'; end$$\0");
    let length = u32::try_from(4 + sql.len()).unwrap_or(u32::MAX);
    let mut bytes = vec![b'Q'];
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(sql.as_bytes());
    bytes
}
