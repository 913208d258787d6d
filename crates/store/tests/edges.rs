//! Every pair of statuses is tried; exactly the edges pass, whoever tries. // G10
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may fail by panic, like the tests"
)]

mod shop;

use orders_core::state::{EDGES, Status};
use shop::Shop;
use std::collections::BTreeSet;

/// The columns that a status demands beside itself.
fn columns(status: Status) -> String {
    format!(
        "zinc_request_id = 'req-1', generation = 1, version = version + 1, head = sha256(head),
         due_at = {}, review_reason = {}",
        if status.is_end() { "null" } else { "now()" },
        if status == Status::NeedsReview { "'asked'" } else { "null" }
    )
}

#[tokio::test]
async fn of_all_pairs_exactly_the_edges_pass_as_the_owner() {
    let shop = Shop::fresh().await;
    shop.paid("1").await;
    let owner = shop.session("postgres").await;
    owner.batch_execute("set role public_orders_owner").await.unwrap();
    let mut passed = BTreeSet::new();
    for before in Status::ALL {
        let way = EDGES.iter().find(|edge| edge.after == before).unwrap().before_name();
        shop.by_force(&format!(
            "update orders set status = '{before}', status_before = '{way}', {}",
            columns(before)
        ))
        .await;
        for after in Status::ALL {
            let step = format!(
                "update orders set status = '{after}', status_before = '{before}', {}",
                columns(after)
            );
            owner.batch_execute("begin").await.unwrap();
            match owner.batch_execute(&step).await {
                Ok(()) => {
                    passed.insert((before.name(), after.name()));
                }
                Err(error) => {
                    let code = error.code().unwrap().code().to_owned();
                    let expected = if before == after { "42501" } else { "23514" };
                    assert_eq!(code, expected, "{before} to {after}: {error}");
                }
            }
            owner.batch_execute("rollback").await.unwrap();
        }
    }
    let edges: BTreeSet<_> = EDGES
        .iter()
        .filter(|e| e.before.is_some())
        .map(|e| (e.before_name(), e.after.name()))
        .collect();
    assert_eq!(passed, edges);
}

#[tokio::test]
async fn an_order_is_born_pending_and_in_no_other_status() {
    let shop = Shop::fresh().await;
    shop.place("1").await;
    for status in Status::ALL {
        let owner = shop.session("postgres").await;
        owner.batch_execute("set role public_orders_owner").await.unwrap();
        let birth = format!(
            "insert into orders select (jsonb_populate_record(o, jsonb_build_object('id', gen_random_uuid(),
               'order_number', '{status}', 'status', '{status}', 'due_at', {}, 'review_reason', {},
               'zinc_request_id', {}))).* from orders as o where order_number = '1'",
            if status.is_end() { "null" } else { "now()" },
            if status == Status::NeedsReview { "'asked'" } else { "null" },
            if matches!(status, Status::SubmittedToZinc | Status::Processing) { "'req-1'" } else { "null" },
        );
        let outcome = owner.batch_execute(&birth).await;
        assert_eq!(outcome.is_ok(), status == Status::Pending, "{status}: {outcome:?}");
    }
}

#[tokio::test]
async fn the_readable_table_the_constraint_and_the_program_have_the_same_edges() {
    let shop = Shop::fresh().await;
    let rows = shop.sql("select status_before, status_after, meaning from order_edges").await;
    let table: BTreeSet<(String, String, String)> =
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    let program: BTreeSet<_> = EDGES
        .iter()
        .map(|e| (e.before_name().to_owned(), e.after.name().to_owned(), e.meaning.to_owned()))
        .collect();
    assert_eq!(table, program);
    let text = shop
        .text("select pg_get_constraintdef(oid) from pg_constraint where conname = 'orders_edge_known' and convalidated")
        .await;
    // One array of words, `before>after`.
    let list = text.split(['{', '}']).nth(1).unwrap_or_default();
    let constraint: BTreeSet<_> = list
        .split(',')
        .filter_map(|pair| pair.split_once('>'))
        .map(|(before, after)| (before.to_owned(), after.to_owned()))
        .collect();
    let pairs: BTreeSet<_> =
        program.into_iter().map(|(before, after, _)| (before, after)).collect();
    assert_eq!(constraint, pairs, "{text}");
}

#[tokio::test]
async fn window_b4_a_status_is_never_empty_and_always_known() {
    let shop = Shop::fresh().await;
    let id = shop.paid("1").await;
    for status in ["null", "'done'", "''"] {
        let sql = format!(
            "update orders set status = {status}, status_before = 'pending', version = version + 1,
                    head = sha256(head) where id = '{id}'"
        );
        let owner = shop.session("postgres").await;
        owner.batch_execute("set role public_orders_owner").await.unwrap();
        let error = owner.batch_execute(&sql).await.expect_err(status);
        assert!(["23502", "23514"].contains(&error.code().unwrap().code()), "{error}");
    }
}

#[tokio::test]
async fn window_b7_a_waiting_status_has_a_due_time_and_an_end_has_none() {
    let shop = Shop::fresh().await;
    shop.paid("1").await;
    // With every trigger off, so that the constraint alone decides.
    let session = shop.session("postgres").await;
    session.batch_execute("set session_replication_role = replica").await.unwrap();
    let refused = async |change: &str| {
        let error = session.batch_execute(&format!("update orders set {change}")).await;
        let error = error.expect_err(change);
        error.as_db_error().unwrap().constraint().unwrap_or_default().to_owned()
    };
    for status in Status::ALL {
        let before = EDGES.iter().find(|edge| edge.after == status).unwrap().before_name();
        let right = format!("status = '{status}', status_before = '{before}', {}", columns(status));
        session.batch_execute(&format!("update orders set {right}")).await.unwrap();
        let wrong = if status.is_end() { "due_at = now()" } else { "due_at = null" };
        assert_eq!(refused(wrong).await, "orders_due_until_the_end", "{status}");
    }
    for (change, constraint) in [
        ("status = 'submitting', generation = 0", "orders_submitting_has_an_intent"),
        ("status = 'needs_review', review_reason = null", "orders_review_has_a_reason"),
        ("due_at = 'infinity'", "orders_due_is_a_time"),
    ] {
        let right = columns(Status::Pending);
        session
            .batch_execute(&format!(
                "update orders set status = 'pending', status_before = 'new', {right}"
            ))
            .await
            .unwrap();
        let change = format!(
            "{change}{}",
            if change.starts_with("due") { "" } else { ", status_before = 'pending'" }
        );
        assert_eq!(refused(&change).await, constraint, "{change}");
    }
}
