//! The ends of all histories in a file that is kept elsewhere, and a file held against the shop. // G12
//!
//! One line of JSON an order, in the order of their ids, and a last line with their number and digest: a
//! file that was cut, joined or edited is no file of ours. It is written whole or not at all, and read
//! and written piece by piece, however many orders there are.

use anyhow::{Context, bail, ensure};
use orders_core::id::hex;
use orders_store::{Store, verify};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// Orders of one statement.
pub(super) const PAGE: i64 = 5000;
/// Longer than any line of ours.
const LINE_BYTES_MAX: u64 = 500;

/// A line: an order, or the last one.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Line {
    Head { order_id: Uuid, version: i64, head: String },
    Last { orders: u64, heads_sha256: String },
}

/// One digest over the ends of all chains, in the order of the ids.
#[derive(Default)]
struct Sum {
    orders: u64,
    digest: Sha256,
}

impl Sum {
    fn add(&mut self, head: &verify::Head) {
        self.orders += 1;
        self.digest.update(head.order_id.as_bytes());
        self.digest.update(&head.hash);
    }

    fn end(self) -> Line {
        Line::Last { orders: self.orders, heads_sha256: hex(&self.digest.finalize()) }
    }
}

/// Reads the ends of all chains, writes them to a file if one is wanted, and gives their digest.
pub async fn export(store: &Store, path: Option<&Path>) -> anyhow::Result<String> {
    let mut draft = path.map(Draft::begin).transpose()?;
    let (mut sum, mut after) = (Sum::default(), None);
    loop {
        let page = verify::heads(store, after, PAGE).await?;
        for head in &page {
            sum.add(head);
            if let Some(draft) = &mut draft {
                draft.line(&Line::Head {
                    order_id: head.order_id,
                    version: head.version,
                    head: hex(&head.hash),
                })?;
            }
        }
        if (page.len() as u64) < PAGE.unsigned_abs() {
            break;
        }
        after = page.last().map(|head| head.order_id);
    }
    let last = sum.end();
    if let Some(mut draft) = draft {
        draft.line(&last)?;
        draft.keep()?;
    }
    let Line::Last { heads_sha256, .. } = last else { bail!("the last line is a last line") };
    Ok(heads_sha256)
}

/// A file that is not there until it is whole.
struct Draft {
    path: PathBuf,
    beside: PathBuf,
    out: BufWriter<File>,
}

impl Draft {
    fn begin(path: &Path) -> anyhow::Result<Self> {
        let name = path.file_name().with_context(|| format!("{} is no file", path.display()))?;
        let mut beside = OsString::from(".");
        beside.push(name);
        beside.push(format!(".{}", std::process::id()));
        let beside = path.with_file_name(beside);
        let out = File::create(&beside)
            .with_context(|| format!("cannot write beside {}", path.display()))?;
        Ok(Self { path: path.to_owned(), beside, out: BufWriter::new(out) })
    }

    fn line(&mut self, line: &Line) -> anyhow::Result<()> {
        serde_json::to_writer(&mut self.out, line)?;
        self.out.write_all(b"\n").with_context(|| format!("cannot write {}", self.path.display()))
    }

    fn keep(mut self) -> anyhow::Result<()> {
        let kept = self
            .out
            .flush()
            .and_then(|()| self.out.get_ref().sync_all())
            .and_then(|()| fs::rename(&self.beside, &self.path));
        kept.with_context(|| format!("cannot write {}", self.path.display()))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After keep() there is none; before, nobody needs half a file.
        let _ = fs::remove_file(&self.beside);
    }
}

/// What a file told of the shop.
#[derive(Debug, Default)]
pub struct Held {
    /// How many heads were held against it.
    pub heads: u64,
    /// Which do not stand.
    pub broken: Vec<verify::Broken>,
}

/// Holds the heads of a file against the histories.
pub async fn hold_against(store: &Store, path: &Path) -> anyhow::Result<Held> {
    let mut kept = Kept::open(path)?;
    let mut held = Held::default();
    loop {
        let page = kept.page()?;
        if page.is_empty() {
            return Ok(held);
        }
        held.heads += page.len() as u64;
        held.broken.extend(verify::rewritten(store, &page).await?);
    }
}

/// A file of heads, read once from its beginning to its last line.
struct Kept {
    name: String,
    from: BufReader<File>,
    line: u64,
    former: Option<Uuid>,
    sum: Sum,
    ended: bool,
}

impl Kept {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let from = File::open(path).with_context(|| format!("cannot read {name}"))?;
        let from = BufReader::new(from);
        Ok(Self { name, from, line: 0, former: None, sum: Sum::default(), ended: false })
    }

    /// The next heads; none after the last line.
    fn page(&mut self) -> anyhow::Result<Vec<verify::Head>> {
        let mut page = Vec::new();
        while !self.ended && (page.len() as u64) < PAGE.unsigned_abs() {
            self.line += 1;
            let at = format!("{}, line {}", self.name, self.line);
            page.extend(self.next().context(at)?);
        }
        Ok(page)
    }

    /// The head of the next line; nothing for the last one.
    fn next(&mut self) -> anyhow::Result<Option<verify::Head>> {
        let mut bytes = Vec::new();
        (&mut self.from).take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes)?;
        ensure!(!bytes.is_empty(), "the file was cut: its last line, with the digest, is missing");
        ensure!(bytes.ends_with(b"\n"), "the line was cut, or is longer than any of ours");
        let line = serde_json::from_slice(&bytes)
            .ok()
            .context("this is no line that `verify --export` writes")?;
        let Line::Head { order_id, version, head } = line else { return self.last(&line) };
        ensure!(self.former < Some(order_id), "the orders do not stand in the order of their ids");
        let hash = unhex(&head).context("the head is not 64 hex digits")?;
        ensure!(version >= 1, "the version is not 1 or more");
        self.former = Some(order_id);
        let head = verify::Head { order_id, version, hash };
        self.sum.add(&head);
        Ok(Some(head))
    }

    fn last(&mut self, line: &Line) -> anyhow::Result<Option<verify::Head>> {
        let wanted = serde_json::to_string(&std::mem::take(&mut self.sum).end())?;
        ensure!(
            serde_json::to_string(line)? == wanted,
            "the lines before do not have this number and digest: the file was changed"
        );
        let mut more = [0];
        ensure!(self.from.read(&mut more)? == 0, "something follows the last line");
        self.ended = true;
        Ok(None)
    }
}

/// The 32 bytes of a digest in lower-case hex digits.
pub(super) fn unhex(digits: &str) -> Option<Vec<u8>> {
    let good = digits.len() == 64
        && digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
    let bytes = good.then(|| {
        (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok())
    })?;
    bytes.collect()
}
