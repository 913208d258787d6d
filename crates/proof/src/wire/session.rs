//! Sessions at the server that outlive their clients, as behind a pooler: what a client leaves at rest is
//! there for the next one. A session that begins costs more than most of what is asked in it. A client that
//! leaves anything open takes its session with it, so that nobody meets another one's transaction.

use super::Shared;
use super::database::{Broken, Rule, message};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// More of one kind are closed.
const KEPT_MAX: usize = 8;

/// Where, and with which first message: whoever says the same may go on in it.
type Kind = (PathBuf, Vec<u8>);

/// Sessions at rest. A copy is another way to the same ones.
#[derive(Debug, Clone, Default)]
pub struct Sessions(Arc<Mutex<HashMap<Kind, Vec<Rested>>>>);

#[derive(Debug)]
struct Rested {
    server: UnixStream,
    /// What the server said first.
    greeting: Vec<u8>,
}

/// A session in a client's hands.
pub(super) struct Session {
    /// Whether nothing is open in it, or asked and not answered.
    pub(super) rests: AtomicBool,
    server: Option<UnixStream>,
    greeting: Vec<u8>,
    kind: Kind,
    sessions: Sessions,
}

impl Sessions {
    /// How many there are.
    pub fn at_rest(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().map(Vec::len).sum()
    }

    /// One for this client, who has said this: one at rest, or a new one. Greets him.
    pub(super) async fn begin(
        &self,
        socket: &Path,
        start: Vec<u8>,
        client: &mut (impl AsyncWrite + Unpin),
        shared: &Shared<Rule>,
    ) -> Result<Session, Broken> {
        let kind = (socket.to_path_buf(), start);
        let (rested, said) = match self.take(&kind) {
            Some(rested) => (rested, Ok(())),
            None => greeted(&kind).await?,
        };
        shared.line.flows().await;
        client.write_all(&rested.greeting).await?;
        said?;
        let Rested { server, greeting } = rested;
        let sessions = self.clone();
        Ok(Session { rests: AtomicBool::new(true), server: Some(server), greeting, kind, sessions })
    }

    /// One that the server has not ended meanwhile.
    fn take(&self, kind: &Kind) -> Option<Rested> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_kind = all.get_mut(kind)?;
        std::iter::from_fn(|| of_kind.pop()).find(|rested| {
            let silent = rested.server.try_read(&mut [0]);
            silent.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
        })
    }
}

/// A new session, and whether the server let it in.
async fn greeted(kind: &Kind) -> Result<(Rested, Result<(), Broken>), Broken> {
    let mut server = UnixStream::connect(&kind.0).await?;
    server.write_all(&kind.1).await?;
    let mut greeting = Vec::new();
    let said = loop {
        match message(&mut server).await {
            Ok((end, message)) => {
                greeting.extend_from_slice(&message);
                if end == b'Z' {
                    break Ok(());
                }
            }
            Err(ended) => break Err(ended),
        }
    };
    Ok((Rested { server, greeting }, said))
}

impl Session {
    /// The way to the server.
    pub(super) fn server(&mut self) -> (&mut UnixStream, &AtomicBool) {
        (self.server.as_mut().expect("it is taken at its end"), &self.rests)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let (Some(server), true) = (self.server.take(), self.rests.load(Ordering::SeqCst)) else {
            return;
        };
        let greeting = std::mem::take(&mut self.greeting);
        let mut all = self.sessions.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_kind = all.entry(self.kind.clone()).or_default();
        if of_kind.len() < KEPT_MAX {
            of_kind.push(Rested { server, greeting });
        }
    }
}
