//! The ends of histories that engines told their logs every hour, held against the shop. // G12
//!
//! A log is read as text, whatever writes it: each word of the form `order:version:hash` counts, and a line
//! that has none is somebody else's.

use super::heads::{Held, PAGE, unhex};
use anyhow::{Context, ensure};
use orders_store::{Store, verify};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// Longer than any line with heads that an engine writes.
const LINE_BYTES_MAX: u64 = 1024 * 1024;

/// Holds the heads in a log against the histories.
pub async fn hold_against(store: &Store, path: &Path) -> anyhow::Result<Held> {
    let name = path.display();
    let file = File::open(path).with_context(|| format!("cannot read {name}"))?;
    let mut from = BufReader::new(file);
    let (mut held, mut page) = (Held::default(), Vec::new());
    loop {
        let mut line = Vec::new();
        let read = (&mut from).take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
        let is_over = read.with_context(|| format!("cannot read {name}"))? == 0;
        page.extend(heads_of(&String::from_utf8_lossy(&line)));
        if page.len() as u64 >= PAGE.unsigned_abs() || is_over {
            held.heads += page.len() as u64;
            held.broken.extend(verify::rewritten(store, &page).await?);
            page.clear();
        }
        if is_over {
            break;
        }
    }
    ensure!(
        held.heads > 0,
        "{name} has no ends of histories: engines tell them every hour, at the level info"
    );
    // An order that was told of in several hours is broken once.
    held.broken.sort_by_key(|one| one.order_id);
    held.broken.dedup_by_key(|one| one.order_id);
    Ok(held)
}

/// The heads in a line, wherever they stand in it.
fn heads_of(line: &str) -> impl Iterator<Item = verify::Head> {
    let is_of_a_head = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | ':');
    line.split(move |it| !is_of_a_head(it)).filter_map(head)
}

fn head(word: &str) -> Option<verify::Head> {
    let mut parts = word.split(':');
    let (order, version, hash) = (parts.next()?, parts.next()?, parts.next()?);
    let head = verify::Head {
        order_id: order.parse().ok()?,
        version: version.parse().ok()?,
        hash: unhex(hash)?,
    };
    parts.next().is_none().then_some(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: &str = "0191d3a0-0000-7000-8000-000000000001";

    #[test]
    fn heads_are_found_in_logs_for_people_and_for_programs() {
        let hash = "ab".repeat(32);
        let one = format!("{ORDER}:7:{hash}");
        for line in [
            format!("INFO orders_service: the ends of histories heads=\"{one} {one}\""),
            format!("{{\"fields\":{{\"heads\":\"{one} {one}\"}}}}\n"),
        ] {
            let heads: Vec<_> = heads_of(&line).collect();
            assert_eq!(heads.len(), 2, "{line}");
            assert_eq!((heads[0].version, heads[0].hash.as_slice()), (7, &[0xab; 32][..]));
        }
    }

    #[test]
    fn what_only_looks_like_a_head_is_none() {
        let hash = "ab".repeat(32);
        for word in [
            format!("{ORDER}:7"),
            format!("{ORDER}:x:{hash}"),
            format!("{ORDER}:7:{}", &hash[2..]),
            format!("{ORDER}:7:{hash}:1"),
            format!("7:{ORDER}:{hash}"),
        ] {
            assert_eq!(heads_of(&word).count(), 0, "{word}");
        }
    }
}
