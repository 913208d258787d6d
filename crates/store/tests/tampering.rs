//! What a superuser changes by force is found: each column of each audited row, each deleted row, each
//! history written anew. What cannot be found from the history stands here with its reason. // G11, G12, D3
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may fail by panic, like the tests"
)]

mod shop;

use orders_store::verify::{self, Head};
use serde_json::json;
use shop::money::with;
use shop::{Setback, Shop, facts};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use tokio_postgres::Client;
use uuid::Uuid;

/// A change of one column: the table, the column, whose row, the new value, and the rule that names it.
type Edit = (&'static str, &'static str, Life, &'static str, &'static str);

/// The orders of the shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    /// Refused once, bought with a second attempt, completed, a part refunded.
    Whole,
    /// Waits for a person.
    Review,
    /// Cancelled; its refund was approved by a second person and is not sent yet.
    Cancelled,
    /// Captured after its purchase.
    Captured,
    /// Its first PaymentIntent was canceled, and a second one pays.
    Replaced,
    /// A call is under way.
    Sent,
}
use Life::{Cancelled, Review, Sent, Whole};

const AUDITED: [&str; 7] = [
    "money_moves",
    "order_attempts",
    "order_events",
    "order_items",
    "order_private",
    "orders",
    "payments",
];

/// Tables of which `verify` reads nothing.
const UNAUDITED_TABLES: [(&str, &str); 16] = [
    ("alerts", "what a person was shown; opened and closed without an event of the order"),
    ("api_keys", "no part of an order"),
    ("cursors", "how far a list was read; reading again does no harm"),
    (
        "differences",
        "evidence of what two books said, beside the history; reconciling finds it anew",
    ),
    ("findings", "evidence beside the history; kept by triggers, compared with nothing"),
    ("idempotency_keys", "stored answers; the orders and moves that they speak of are audited"),
    ("inbox", "messages of Stripe, each a hint only; Stripe keeps its own list"),
    (
        "order_edges",
        "the readable twin of a constraint; the constraint is what refuses, and its digest is compared",
    ),
    ("protected_functions", "the check for drift compares it with the release"),
    ("protected_objects", "the check for drift compares it with the release"),
    ("provider_accounts", "when an account is asked again; no part of an order"),
    ("schema_migrations", "compared with the release at every start"),
    ("settings", "the owner changes them; their bounds are checked at every start"),
    ("shop", "whether the whole shop is held; holding and releasing leave findings"),
    ("tallies", "counts of refused messages"),
    ("workers", "a heartbeat; a smaller number of beats than an engine remembers holds the shop"),
];

const ANOTHER: &str = "'00000000-0000-7000-8000-000000000005'";

#[rustfmt::skip]
const EDITS: [Edit; 79] = [
    ("orders", "id", Whole, ANOTHER, "order_missing"),
    ("orders", "order_number", Whole, "'x'", "fold"),
    ("orders", "status", Whole, "'failed'", "head"),
    ("orders", "status_before", Whole, "'submitting'", "fold"),
    ("orders", "version", Whole, "version + 1", "head"),
    ("orders", "head", Whole, "sha256('x')", "head"),
    ("orders", "generation", Whole, "3", "fold"),
    ("orders", "zinc_request_id", Whole, "'x'", "fold"),
    ("orders", "zinc_status", Whole, "'x'", "fold"),
    ("orders", "hold_reason", Review, "'operator'", "fold"),
    ("orders", "review_reason", Review, "'x'", "fold"),
    ("orders", "payment_status", Whole, "'refunded'", "fold"),
    ("orders", "retailer", Whole, "'amazon'", "fold"),
    ("orders", "currency", Whole, "'USD'", "fold"),
    ("orders", "goods_minor", Whole, "goods_minor - 1", "goods_total"),
    ("orders", "total_minor", Whole, "total_minor + 1", "fold"),
    ("orders", "price_cap_minor", Whole, "1", "fold"),
    ("orders", "cost_minor", Whole, "1", "fold"),
    ("orders", "capture_when", Whole, "'after_purchase'", "fold"),
    ("orders", "content_digest", Whole, "sha256('x')", "fold"),
    ("orders", "created_at", Whole, "created_at + interval '1 microsecond'", "fold"),
    ("order_items", "order_id", Whole, ANOTHER, "lines"),
    ("order_items", "line", Whole, "2", "lines"),
    ("order_items", "product_id", Whole, "'other'", "lines"),
    ("order_items", "title", Whole, "'other'", "lines"),
    ("order_items", "quantity", Whole, "quantity + 1", "goods_total"),
    ("order_items", "unit_price_minor", Whole, "unit_price_minor + 1", "goods_total"),
    ("order_private", "order_id", Whole, ANOTHER, "private"),
    ("order_private", "recipient", Whole, "recipient || '{\"city\": \"Leeds\"}'", "private"),
    ("order_private", "shipping_method", Whole, "'fastest'", "private"),
    ("order_private", "is_gift", Whole, "not is_gift", "private"),
    ("order_private", "gift_message", Whole, "'x'", "private"),
    ("order_events", "order_id", Whole, ANOTHER, "gap"),
    ("order_events", "seq", Whole, "400", "gap"),
    ("order_events", "at", Whole, "at + interval '1 microsecond'", "hash"),
    ("order_events", "kind", Whole, "'edited'", "hash"),
    ("order_events", "status_before", Whole, "'pending'", "status_sequence"),
    ("order_events", "status_after", Whole, "'failed'", "status_sequence"),
    ("order_events", "actor", Whole, "'somebody'", "hash"),
    ("order_events", "actor_source", Whole, "'jwt'", "hash"),
    ("order_events", "data", Whole, "data || '{\"code\": \"other\"}'", "hash"),
    ("order_events", "hash", Whole, "sha256('x')", "hash"),
    ("order_attempts", "order_id", Whole, ANOTHER, "attempts"),
    ("order_attempts", "generation", Whole, "3", "attempts"),
    ("order_attempts", "attempt_id", Whole, ANOTHER, "attempts"),
    ("order_attempts", "provider", Whole, "'other'", "attempts"),
    ("order_attempts", "provider_key", Whole, "'other'", "attempts"),
    ("order_attempts", "request_body", Whole, "'edited'", "digest"),
    ("order_attempts", "request_digest", Whole, "sha256('edited')", "attempts"),
    ("order_attempts", "price_cap_minor", Whole, "1", "attempts"),
    ("order_attempts", "calls", Whole, "2", "attempts"),
    ("order_attempts", "opened_at", Whole, "opened_at + interval '1 microsecond'", "attempts"),
    ("order_attempts", "first_sent_at", Whole, "first_sent_at + interval '1 microsecond'", "attempts"),
    ("order_attempts", "worker", Whole, "'x'", "attempts"),
    ("order_attempts", "outcome", Review, "'unknown'", "attempts"),
    ("order_attempts", "request_id", Whole, "'x'", "attempts"),
    ("order_attempts", "code", Whole, "'x'", "attempts"),
    ("order_attempts", "settled_at", Whole, "settled_at + interval '1 microsecond'", "attempts"),
    ("order_attempts", "settled_by", Whole, "'person'", "attempts"),
    ("payments", "payment_intent", Whole, "'pi_other'", "payment"),
    ("payments", "order_id", Whole, ANOTHER, "payment"),
    ("payments", "live", Whole, "false", "payment"),
    ("payments", "amount_received", Whole, "1531", "payment"),
    ("payments", "refunds_minor", Whole, "0", "payment"),
    ("money_moves", "id", Whole, ANOTHER, "money"),
    ("money_moves", "order_id", Whole, ANOTHER, "money"),
    ("money_moves", "payment_intent", Whole, "'pi_other'", "money"),
    ("money_moves", "kind", Whole, "'capture'", "money"),
    ("money_moves", "amount_minor", Whole, "501", "money"),
    ("money_moves", "currency", Whole, "'EUR'", "money"),
    ("money_moves", "cause", Whole, "'order_ended'", "money"),
    ("money_moves", "reason", Whole, "'x'", "money"),
    ("money_moves", "requested_by", Whole, "'x'", "money"),
    ("money_moves", "approved_by", Cancelled, "'x'", "money"),
    ("money_moves", "state", Whole, "'refused'", "money"),
    ("money_moves", "stripe_id", Whole, "'re_2'", "money"),
    ("money_moves", "code", Whole, "'x'", "money"),
    ("money_moves", "created_at", Whole, "created_at - interval '1 microsecond'", "money"),
    ("money_moves", "settled_at", Whole, "settled_at + interval '1 microsecond'", "money"),
];

const TIME: &str = "when the engine looks next; it moves without an event";
const LEASE: &str = "a lease in its moment; the fence of a call, and worth nothing after it";
const COPY: &str = "a copy of Stripe's books, read again and again; reconciling compares them";
const BYTES: &str = "what was sent is frozen by triggers; Stripe's books tell what came of it";

/// Columns of audited rows that the history does not tell, each with its reason; here the rule is the
/// reason. Whoever makes one of them audited must take it from this list: the test fails until then.
#[rustfmt::skip]
const UNAUDITED: [Edit; 36] = [
    ("orders", "due_at", Review, "due_at + interval '1 second'", TIME),
    ("orders", "updated_at", Whole, "updated_at + interval '1 second'", "waiting orders are touched without an event"),
    ("order_attempts", "key_dead_at", Whole, "key_dead_at + interval '1 second'", "first_sent_at and the life of a key that the engine was started with"),
    ("order_attempts", "call_deadline_at", Whole, "call_deadline_at + interval '1 second'", LEASE),
    ("order_attempts", "lease_token", Sent, "gen_random_uuid()", LEASE),
    ("order_attempts", "lease_expires_at", Sent, "lease_expires_at + interval '1 second'", LEASE),
    ("payments", "stripe_status", Whole, "'processing'", COPY),
    ("payments", "amount_capturable", Whole, "1", COPY),
    ("payments", "amount_refunded", Whole, "1", COPY),
    ("payments", "currency", Whole, "'EUR'", COPY),
    ("payments", "livemode", Whole, "true", COPY),
    ("payments", "named_order", Whole, "'x'", COPY),
    ("payments", "capture_before", Whole, "read_at", COPY),
    ("payments", "authorised_at", Whole, "read_at", COPY),
    ("payments", "dispute", Whole, "'closed'", COPY),
    ("payments", "in_review", Whole, "true", COPY),
    ("payments", "warned", Whole, "true", COPY),
    ("payments", "warning_accepted", Whole, "true", "follows from the release of a hold; judged again with every reading"),
    ("payments", "deviation", Whole, "'x'", "judged again with every reading"),
    ("payments", "read_at", Whole, "read_at + interval '1 second'", COPY),
    ("payments", "stale_since", Whole, "read_at", TIME),
    ("payments", "next_read_at", Whole, "'infinity'::timestamptz - interval '0'", TIME),
    ("payments", "reads", Whole, "reads + 1", "a count of readings"),
    ("payments", "created_at", Whole, "created_at + interval '1 second'", "a payment is named without an event"),
    ("money_moves", "key_number", Whole, "2", BYTES),
    ("money_moves", "target", Whole, "'x'", BYTES),
    ("money_moves", "body", Whole, "'y'", BYTES),
    ("money_moves", "calls", Whole, "calls + 1", BYTES),
    ("money_moves", "first_sent_at", Whole, "first_sent_at + interval '1 second'", BYTES),
    ("money_moves", "key_dead_at", Whole, "key_dead_at + interval '1 second'", BYTES),
    ("money_moves", "call_deadline_at", Whole, "call_deadline_at + interval '1 second'", LEASE),
    ("money_moves", "lease_token", Cancelled, "gen_random_uuid()", LEASE),
    ("money_moves", "lease_expires_at", Cancelled, "lease_expires_at + interval '1 second'", LEASE),
    ("money_moves", "stripe_status", Whole, "'x'", COPY),
    ("money_moves", "due_at", Cancelled, "due_at + interval '1 second'", TIME),
    ("money_moves", "request_key", Whole, "'key:x'", "recognises a repeated request; no money follows from it"),
];

struct Lives {
    shop: Shop,
    orders: [(Life, Uuid); 6],
    force: Client,
}

impl Lives {
    async fn lived() -> Self {
        let shop = Shop::fresh().await;
        shop.sql("update settings set value = '1000' where name = 'two_persons_above_minor'").await;
        let cancelled = shop.paid("cancelled").await;
        shop.sql(&format!("select cancel_order('{cancelled}', 'not wanted')")).await;
        shop.sql(&format!(
            "select decide_move(m.id, 'approve', 1530, 'seen', '{{\"actor\": \"Zoë\"}}') from money_moves as m where order_id = '{cancelled}'"
        ))
        .await;
        let whole = Self::completed(&shop, "whole", true).await;
        shop.sql(&format!("select refund_order('{whole}', 500, 'one came broken')")).await;
        Self::moved(&shop, whole, "re_1").await;
        shop.told(&[with(whole, "refunded_minor", json!(500))]).await;
        let review = Self::in_review(&shop).await;
        let captured = shop.reserving("captured").await;
        let told = shop.reserved(captured, 7 * 86_400).await;
        shop.told(&[told]).await;
        let token = shop.claim(captured, 60_000).await;
        shop.accept(captured, token, "req-captured").await;
        assert_eq!(shop.text("select plan_captures('t', 10)").await, "1");
        Self::moved(&shop, captured, "ch_1").await;
        shop.told(&[facts(captured)]).await;
        let replaced = shop.unpaid("replaced").await;
        shop.told(&[with(replaced, "status", json!("canceled"))]).await;
        shop.sql(&format!("select attach_payment('{replaced}', 'pi_second')")).await;
        shop.told(&[with(replaced, "payment_intent", json!("pi_second"))]).await;
        let (sent, _) = shop.submitting("sent", 60_000).await;
        shop.verify().await;
        let force = shop.session("postgres").await;
        let orders = [
            (Whole, whole),
            (Review, review),
            (Cancelled, cancelled),
            (Life::Captured, captured),
            (Life::Replaced, replaced),
            (Sent, sent),
        ];
        Self { shop, orders, force }
    }

    /// An order that was refused once, if so, and then bought and delivered.
    async fn completed(shop: &Shop, number: &str, refused: bool) -> Uuid {
        let (id, mut token) = shop.submitting(number, 60_000).await;
        if refused {
            shop.setback(id, token, &Setback::REFUSED).await.unwrap();
            token = shop.claim(id, 60_000).await;
        }
        let request = format!("req-{number}");
        shop.accept(id, token, &request).await;
        shop.complete(id, &request, "delivered", "completed").await;
        id
    }

    async fn in_review(shop: &Shop) -> Uuid {
        let (id, token) = shop.submitting("review", 60_000).await;
        shop.setback(id, token, &Setback::REVIEW).await.unwrap();
        id
    }

    /// Makes the movement of an order's money as an engine would.
    async fn moved(shop: &Shop, order: Uuid, stripe_id: &str) {
        let token = Uuid::from_u128(order.as_u128() ^ 1);
        shop.sql(&format!("select * from lease_moves('t', '{token}', 60000, 50)")).await;
        let id = format!("(select id from money_moves where order_id = '{order}')");
        let sent = format!(
            "select count(*) from commit_move('{token}', {id}, '/x', 'x', false, 1000, 82800000)"
        );
        assert_eq!(shop.text(&sent).await, "1");
        let record = format!(
            "select record_move('t', '{token}', {id}, 'done', null, '{stripe_id}', 'succeeded', 0)"
        );
        assert_eq!(shop.text(&record).await, "recorded");
    }

    fn id(&self, life: Life) -> Uuid {
        self.orders.iter().find(|(lived, _)| *lived == life).unwrap().1
    }

    /// What is broken after a tampering, which is taken back.
    async fn broken(&self, tampering: &str) -> BTreeSet<(Uuid, String)> {
        let begin = format!("begin; set local session_replication_role = replica; {tampering}");
        self.force.batch_execute(&begin).await.unwrap_or_else(|e| panic!("{tampering}: {e:?}"));
        let sql = "select order_id, rule from verify_orders(null, 100) where rule is not null";
        let rows = self.force.query(sql, &[]).await.unwrap();
        self.force.batch_execute("rollback").await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    /// A tampering as a statement; exactly one row must change.
    fn statement(&self, (table, column, life, value, _): &Edit) -> String {
        let key = if *table == "orders" { "id" } else { "order_id" };
        let row = match *table {
            "order_events" => " and seq = 4",
            "order_attempts" => " and generation = 1",
            _ => "",
        };
        let id = self.id(*life);
        format!(
            "do $$ declare n bigint; begin update {table} set {column} = {value} where {key} = '{id}'{row}
               and {column} is distinct from ({value}); get diagnostics n = row_count;
               if n <> 1 then raise exception 'changed % rows', n; end if; end $$"
        )
    }
}

#[tokio::test]
async fn window_d3_an_edit_of_any_column_of_any_audited_row_is_found() {
    let lives = Lives::lived().await;
    let mut missed = String::new();
    for edit in &EDITS {
        let id = lives.id(edit.2);
        let broken = lives.broken(&lives.statement(edit)).await;
        if !broken.contains(&(id, edit.4.to_owned())) {
            writeln!(missed, "{}.{}: {} is not among {broken:?}", edit.0, edit.1, edit.4).unwrap();
        }
        let strangers = broken
            .iter()
            .filter(|(order, _)| *order != id && !ANOTHER.contains(&order.to_string()));
        for (order, rule) in strangers {
            writeln!(missed, "{}.{}: {rule} also for {order}", edit.0, edit.1).unwrap();
        }
    }
    for edit in &UNAUDITED {
        let broken = lives.broken(&lives.statement(edit)).await;
        if !broken.is_empty() {
            writeln!(missed, "{}.{} is audited after all: {broken:?}", edit.0, edit.1).unwrap();
        }
    }
    assert!(missed.is_empty(), "{missed}");
    lives.shop.verify().await;
}

#[tokio::test]
async fn every_column_is_audited_or_stands_in_the_list_of_those_that_are_not() {
    let shop = Shop::fresh().await;
    let names = |rows: Vec<tokio_postgres::Row>| -> BTreeSet<String> {
        rows.iter().map(|row| row.get(0)).collect()
    };
    let tables = names(
        shop.sql("select relname::text from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'").await,
    );
    let listed = AUDITED.into_iter().chain(UNAUDITED_TABLES.map(|(table, _)| table));
    assert_eq!(tables, listed.map(str::to_owned).collect());
    let columns = names(
        shop.sql(&format!(
            "select c.relname || '.' || a.attname from pg_class as c join pg_attribute as a on a.attrelid = c.oid
              where c.relnamespace = 'public'::regnamespace and c.relname = any ('{{{}}}') and a.attnum > 0 and not a.attisdropped",
            AUDITED.join(",")
        ))
        .await,
    );
    let all =
        || EDITS.iter().chain(&UNAUDITED).map(|(table, column, ..)| format!("{table}.{column}"));
    assert_eq!(columns, all().collect(), "a new column is audited, or unaudited with a reason");
    assert_eq!(columns.len(), all().count(), "a column stands in one list only");
    assert!(UNAUDITED_TABLES.iter().all(|(_, reason)| reason.len() > 10));
}

#[tokio::test]
async fn window_d3_deleted_and_moved_rows_of_every_audited_table_are_found() {
    let lives = Lives::lived().await;
    for life in [Whole, Cancelled, Life::Captured, Life::Replaced] {
        let id = lives.id(life);
        for table in AUDITED {
            let key = if table == "orders" { "id" } else { "order_id" };
            let broken = lives.broken(&format!("delete from {table} where {key} = '{id}'")).await;
            let has_none = table == "money_moves" && life == Life::Replaced
                || table == "order_attempts" && matches!(life, Cancelled | Life::Replaced);
            assert_eq!(broken.is_empty(), has_none, "{life:?} without {table}: {broken:?}");
            assert!(broken.iter().all(|(order, _)| *order == id), "{table}: {broken:?}");
            // What belongs to no order is named by itself, also when nothing else of it is left.
            let others = AUDITED.into_iter().filter(|other| *other != table);
            let alone = others.fold(String::new(), |mut sql, other| {
                let key = if other == "orders" { "id" } else { "order_id" };
                write!(sql, "delete from {other} where {key} = '{id}'; ").unwrap();
                sql
            });
            if !has_none {
                let broken = lives.broken(&alone).await;
                let rule = if table == "orders" { "head" } else { "order_missing" };
                assert!(broken.contains(&(id, rule.to_owned())), "{table} alone: {broken:?}");
            }
        }
    }
}

#[tokio::test]
async fn money_that_contradicts_its_history_is_found() {
    let lives = Lives::lived().await;
    let id = |life| lives.id(life);
    let (whole, cancelled) = (id(Whole), id(Cancelled));
    for (life, rule, tampering) in [
        // As if the refund had never been made, and as if it had been made.
        (Whole, "money", format!("update money_moves set state = 'unknown', settled_at = null, due_at = created_at, stripe_id = null where order_id = '{whole}'")),
        (Cancelled, "money", format!("update money_moves set state = 'done', settled_at = created_at, due_at = null, stripe_id = 're_9' where order_id = '{cancelled}'")),
        // Back to waiting for approval, and past it.
        (Cancelled, "money", format!("update money_moves set state = 'awaiting_approval', approved_by = null where order_id = '{cancelled}'")),
        (Cancelled, "money", format!("update money_moves set state = 'awaiting_approval' where order_id = '{cancelled}'")),
        // Another refund that nobody asked for, with the sum put right.
        (Whole, "money", format!("insert into money_moves select (jsonb_populate_record(m, jsonb_build_object('id', gen_random_uuid(), 'request_key', null))).* from money_moves as m where order_id = '{whole}';
            update payments set refunds_minor = 1000 where order_id = '{whole}'")),
        // The money of one order told of as another's.
        (Whole, "money", format!("update money_moves set order_id = '{}' where order_id = '{whole}'", id(Life::Captured))),
        // A refund told of another payment, with both sums put right.
        (Whole, "money", format!("update money_moves set payment_intent = (select payment_intent from payments where order_id = '{1}') where order_id = '{0}';
            update payments set refunds_minor = case order_id when '{1}' then 500 else 0 end where order_id in ('{0}', '{1}')", whole, id(Life::Captured))),
        // No payment counts any more, where another one could be named without an event.
        (Cancelled, "payment", format!("update payments set live = false where order_id = '{cancelled}'")),
        // The canceled payment counts again.
        (Life::Replaced, "payment", format!("update payments set live = false where order_id = '{0}'; update payments set live = true where order_id = '{0}' and payment_intent <> 'pi_second'", id(Life::Replaced))),
        // A second attempt's purchase is taken for the first one's.
        (Whole, "attempts", format!("update order_attempts set request_id = null, outcome = 'refused' where order_id = '{whole}' and generation = 2;
            update order_attempts set request_id = 'req-whole', outcome = 'accepted' where order_id = '{whole}' and generation = 1")),
    ] {
        let broken = lives.broken(&tampering).await;
        assert!(broken.contains(&(id(life), rule.to_owned())), "{tampering}: {rule} is not among {broken:?}");
    }
}

/// All heads, a page of two at a time.
async fn heads(shop: &Shop) -> Vec<Head> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = verify::heads(&shop.app, after, 2).await.unwrap();
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { return all };
        after = Some(last.order_id);
        all.extend(page);
    }
}

#[tokio::test]
async fn what_leaves_a_right_chain_is_found_by_the_heads_that_were_kept() {
    let shop = Shop::fresh().await;
    let mut ids = Vec::new();
    ids.push(shop.paid("cut").await);
    for number in ["rewritten", "gone", "grown", "still"] {
        ids.push(Lives::completed(&shop, number, false).await);
    }
    let (cut, rewritten, gone) = (ids[0], ids[1], ids[2]);
    shop.sql(&format!("select hold_order('{cut}', 'operator')")).await;
    let kept = heads(&shop).await;
    assert_eq!(kept.len(), 5);
    assert_eq!(verify::rewritten(&shop.app, &kept).await.unwrap(), []);
    shop.sql(&format!("select refund_order('{}', 500, 'one came broken')", ids[3])).await;
    assert_eq!(verify::rewritten(&shop.app, &kept).await.unwrap(), [], "what grows stands still");
    // The end of a history taken away, and the row put back as it was before.
    shop.by_force(&format!(
        "delete from order_events as e using orders as o where o.id = '{cut}' and e.order_id = o.id and e.seq = o.version;
         update orders as o set version = e.seq, head = e.hash, hold_reason = null from order_events as e
          where o.id = '{cut}' and e.order_id = o.id and e.seq = o.version - 1"
    ))
    .await;
    // Somebody else bought this, with every hash made anew.
    shop.by_force(&format!(
        "do $$ declare e record; former bytea := '\\x'; begin
           for e in select * from order_events where order_id = '{rewritten}' order by seq loop
             e.actor := replace(e.actor, 'postgres', 'nobody');
             e.at := e.at - interval '1 day';
             former := event_hash(former, e.order_id, e.seq, e.at, e.kind, e.status_before, e.status_after, e.actor, e.actor_source, e.data);
             update order_events set actor = e.actor, at = e.at, hash = former where order_id = e.order_id and seq = e.seq;
             update orders set head = former where id = e.order_id;
           end loop;
           update orders set created_at = created_at - interval '1 day' where id = '{rewritten}';
           update order_attempts set opened_at = opened_at - interval '1 day', first_sent_at = first_sent_at - interval '1 day',
             settled_at = settled_at - interval '1 day' where order_id = '{rewritten}'; end $$"
    ))
    .await;
    let tables = AUDITED.map(|table| {
        let key = if table == "orders" { "id" } else { "order_id" };
        format!("delete from {table} where {key} = '{gone}'; ")
    });
    shop.by_force(&tables.concat()).await;
    shop.verify().await; // nothing in the database contradicts anything else
    let broken = verify::rewritten(&shop.app, &kept).await.unwrap();
    let broken: BTreeSet<(Uuid, &str)> =
        broken.iter().map(|one| (one.order_id, one.rule.as_str())).collect();
    let wanted =
        [(cut, "history_shorter"), (rewritten, "history_rewritten"), (gone, "order_missing")];
    assert_eq!(broken, wanted.into_iter().collect());
}
