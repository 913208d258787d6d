//! The readers against the real file and against every way we know to break a row.

mod broken_json;
mod broken_table;
mod options;
mod real_file;
mod torn_orders;

use super::*;
use std::fs;
use std::path::PathBuf;

fn example(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/online-retail").join(name)
}

/// The options of the demonstration.
fn retail() -> Options {
    let text = fs::read(example("recipient.json")).unwrap();
    Options {
        recipient: Some(recipient(text.as_slice(), "recipient.json").unwrap()),
        retailer: Some(Retailer::AmazonUk),
        currency: Some(Currency::Gbp),
        product_map: Some(ProductMap::identity()),
    }
}

fn entries(format: Format, bytes: &[u8], options: Options) -> Vec<Entry> {
    match read(format, bytes, "orders", options) {
        Ok(entries) => entries.collect(),
        Err(error) => panic!("{error}"),
    }
}

fn refusal(format: Format, bytes: &[u8], options: Options) -> String {
    match read(format, bytes, "orders", options) {
        Ok(_) => panic!("the file is read"),
        Err(error) => error.to_string(),
    }
}

fn orders(entries: &[Entry]) -> Vec<&NewOrder> {
    entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Order { order, .. } => Some(&**order),
            Entry::Reject(_) => None,
        })
        .collect()
}

fn numbers(entries: &[Entry]) -> Vec<&str> {
    orders(entries).into_iter().map(|order| order.order_number.as_str()).collect()
}

fn rejects(entries: &[Entry]) -> Vec<&Reject> {
    entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Reject(reject) => Some(reject),
            Entry::Order { .. } => None,
        })
        .collect()
}

/// A reject in the words of a person, without the file.
fn said(entries: &[Entry]) -> Vec<String> {
    let say = |reject: &Reject| reject.to_string().trim_start_matches("orders, ").to_owned();
    rejects(entries).into_iter().map(say).collect()
}
