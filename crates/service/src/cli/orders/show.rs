//! One order on one screen.

use super::waits_for;
use crate::cli::output::{cell, money, time};
use crate::cli::table::table;
use serde_json::Value;
use std::fmt::Write as _;

/// The order as text.
pub fn text(order: &Value) -> String {
    let mut text = facts(order);
    let list = |name: &str| order[name].as_array().map(Vec::as_slice).unwrap_or_default();
    let currency = &order["currency"];
    section(&mut text, "Lines", list("items"), ["product", "title", "quantity", "price"], |item| {
        [
            cell(&item["product_id"]),
            cell(&item["title"]),
            cell(&item["quantity"]),
            money(&item["unit_price_minor"], currency),
        ]
    });
    let headline =
        ["no.", "outcome", "calls", "request id", "code", "opened", "settled", "by", "key"];
    section(&mut text, "Attempts", list("attempts"), headline, |attempt| {
        [
            cell(&attempt["generation"]),
            cell(&attempt["outcome"]),
            cell(&attempt["calls"]),
            cell(&attempt["request_id"]),
            cell(&attempt["code"]),
            time(&attempt["opened_at"]),
            time(&attempt["settled_at"]),
            cell(&attempt["settled_by"]),
            cell(&attempt["provider_key"]),
        ]
    });
    let headline = ["PaymentIntent", "Stripe says", "received", "read"];
    section(&mut text, "Payments", list("payments"), headline, |payment| {
        [
            cell(&payment["payment_intent"]),
            cell(&payment["stripe_status"]),
            money(&payment["amount_received"], &payment["currency"]),
            time(&payment["read_at"]),
        ]
    });
    let headline = ["what", "amount", "state", "why", "by", "since", "ended"];
    section(&mut text, "Money", list("moves"), headline, |one| {
        [
            cell(&one["kind"]),
            money(&one["amount_minor"], &one["currency"]),
            cell(&one["state"]),
            cell(&one["reason"]),
            cell(&one["requested_by"]),
            time(&one["created_at"]),
            time(&one["settled_at"]),
        ]
    });
    section(
        &mut text,
        "Findings",
        list("findings"),
        ["what", "about", "by", "opened", "closed"],
        |one| {
            [
                cell(&one["kind"]),
                cell(&one["subject"]),
                cell(&one["actor"]),
                time(&one["opened_at"]),
                time(&one["closed_at"]),
            ]
        },
    );
    text
}

fn facts(order: &Value) -> String {
    let currency = &order["currency"];
    let mut text = format!("Order {}\n", cell(&order["order_number"]));
    for (name, value) in [
        ("id", cell(&order["id"])),
        ("status", cell(&order["status"])),
        ("waits for", waits_for(order)),
        ("payment", cell(&order["payment_status"])),
        ("request id", cell(&order["zinc_request_id"])),
        ("Zinc says", cell(&order["zinc_status"])),
        ("retailer", cell(&order["retailer"])),
        ("total", money(&order["total_minor"], currency)),
        ("goods", money(&order["goods_minor"], currency)),
        ("price cap", money(&order["price_cap_minor"], currency)),
        ("really cost", money(&order["cost_minor"], currency)),
        ("placed", time(&order["created_at"])),
        ("looked after", time(&order["updated_at"])),
        ("next step", time(&order["due_at"])),
        ("events", cell(&order["version"])),
    ] {
        if !value.is_empty() {
            // Writing to a string cannot fail.
            let _ = write!(text, "\n  {name:<12}  {value}");
        }
    }
    text
}

fn section<const N: usize>(
    text: &mut String,
    title: &str,
    list: &[Value],
    headline: [&str; N],
    row: impl Fn(&Value) -> [String; N],
) {
    if list.is_empty() {
        return;
    }
    let mut rows = table(headline);
    for one in list {
        rows.add_row(row(one));
    }
    let _ = write!(text, "\n\n{title}\n{rows}");
}
