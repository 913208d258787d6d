//! What somebody changes behind the shop's back is named, stops a start, and is put back by the next
//! installation, or the installation says why it cannot. // G21, G38
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may fail by panic, like the tests"
)]

mod shop;

use orders_store::{Error, schema};
use shop::{Setback, Shop};

/// Runs a statement of a person who may do everything.
async fn by_hand(shop: &Shop, sql: &str) {
    let session = shop.session("postgres").await;
    session.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

/// A statement for a constraint wherever it stands, on a table or on a domain.
fn of_constraint(name: &str, table: &str, domain: &str) -> String {
    format!(
        "do $$ begin execute (select case when c.conrelid <> 0 then format('alter table %s {table}', c.conrelid::regclass)
                                else format('alter domain %s {domain}', c.contypid::regtype) end
           from pg_constraint as c where c.conname = '{name}'); end $$"
    )
}

async fn refusal(shop: &Shop) -> String {
    match schema::check_ground(&shop.app).await {
        Err(Error::BadGround(sentence)) => sentence,
        other => panic!("{other:?}"),
    }
}

/// What an installation says that cannot be made.
async fn refused(shop: &Shop) -> String {
    match schema::install(&shop.admin).await {
        Err(Error::BadGround(sentence)) => sentence,
        other => panic!("{other:?}"),
    }
}

/// Each change is named, stops a start, and is gone after an installation.
async fn named_refused_and_put_back(changes: &[(&str, &str)]) {
    let shop = Shop::fresh().await;
    shop.submitting("1", 60_000).await;
    for (change, sentence) in changes {
        by_hand(&shop, change).await;
        let drift = schema::drift(&shop.app).await.unwrap();
        assert!(drift.iter().any(|one| one == sentence), "{change}: {drift:?}");
        let refused = refusal(&shop).await;
        assert!(
            refused.starts_with(&drift[0]) && refused.contains("run `atomic-orders migrate`"),
            "{change}: {refused}"
        );
        schema::install(&shop.admin).await.unwrap_or_else(|error| panic!("{change}: {error}"));
        assert_eq!(schema::drift(&shop.app).await.unwrap(), Vec::<String>::new(), "{change}");
        schema::check_ground(&shop.app).await.unwrap();
    }
    shop.verify().await;
}

#[tokio::test]
async fn g21_guards_that_were_dropped_or_switched_off_are_named_refused_and_put_back() {
    named_refused_and_put_back(&[
        (
            "alter table orders disable trigger all",
            "trigger orders_never_deleted of orders is not as released",
        ),
        (
            "alter table order_events disable trigger order_events_append_only",
            "trigger order_events_append_only of order_events is not as released",
        ),
        (
            "alter table orders enable replica trigger orders_stay_as_placed",
            "trigger orders_stay_as_placed of orders is not as released",
        ),
        (
            "drop trigger orders_written_by_functions_only on orders",
            "trigger orders_written_by_functions_only of orders is missing",
        ),
        (
            "create or replace trigger orders_never_deleted before delete on orders for each statement
               when (current_user = 'somebody') execute function refuse_write('x', 'y')",
            "trigger orders_never_deleted of orders is not as released",
        ),
        ("alter table payments disable row level security", "table payments is not as released"),
        ("alter table payments force row level security", "table payments is not as released"),
        (
            "drop policy read_by_the_shop on findings",
            "policy read_by_the_shop of findings is missing",
        ),
        (
            "alter policy read_by_the_shop on findings using (false)",
            "policy read_by_the_shop of findings is not as released",
        ),
        (
            "create policy for_all on settings using (true)",
            "policy for_all of settings was not released",
        ),
    ])
    .await;
}

#[tokio::test]
async fn g21_constraints_and_indexes_that_were_dropped_or_changed_are_named_refused_and_put_back() {
    let edges = of_constraint(
        "orders_edge_known",
        "drop constraint orders_edge_known",
        "drop constraint orders_edge_known",
    );
    let edge_of = edge_sentence().await;
    named_refused_and_put_back(&[
        (&edges, &edge_of),
        (
            "drop index order_attempts_one_unsettled",
            "index order_attempts_one_unsettled of order_attempts is missing",
        ),
        (
            "drop index order_attempts_one_unsettled;
             create index order_attempts_one_unsettled on order_attempts (order_id) where settled_at is null",
            "index order_attempts_one_unsettled of order_attempts is not as released",
        ),
        (
            "update pg_index set indisvalid = false where indexrelid = 'orders_sendable'::regclass",
            "index orders_sendable of orders is not as released",
        ),
        (
            "alter domain orders_retailer drop constraint orders_retailer_known",
            "domain constraint orders_retailer_known of orders_retailer is missing",
        ),
        (
            "alter domain orders_currency drop constraint orders_currency_known;
             alter domain orders_currency add constraint orders_currency_known check (value in ('GBP', 'XXX'))",
            "domain constraint orders_currency_known of orders_currency is not as released",
        ),
        ("alter domain orders_hold_reason set default 'disputed'", "type orders_hold_reason is not as released"),
        (
            "alter table order_items drop constraint order_items_order_id_fkey",
            "constraint order_items_order_id_fkey of order_items is missing",
        ),
        // A foreign key is kept by triggers, too.
        (
            "alter table order_items disable trigger all",
            "constraint order_items_order_id_fkey of order_items is not as released",
        ),
        (
            "alter table payments drop constraint payments_payment_intent_form;
             alter table payments add constraint payments_payment_intent_form check (payment_intent ~ '^pi_[A-Za-z0-9_]{1,252}$') not valid",
            "constraint payments_payment_intent_form of payments is not as released",
        ),
        (
            "alter table idempotency_keys drop constraint idempotency_keys_pkey",
            "constraint idempotency_keys_pkey of idempotency_keys is missing",
        ),
        ("alter table orders alter column status set default 'completed'", "column status of orders is not as released"),
        ("alter table orders alter column total_minor drop not null", "column total_minor of orders is not as released"),
        ("alter table findings alter column order_id set not null", "column order_id of findings is not as released"),
    ])
    .await;
}

/// The constraint of the edges stands on a domain or on the table; its sentence says where.
async fn edge_sentence() -> String {
    let shop = Shop::fresh().await;
    shop.text(
        "select case when c.conrelid <> 0 then 'constraint orders_edge_known of ' || c.conrelid::regclass
                else 'domain constraint orders_edge_known of ' || c.contypid::regtype end || ' is missing'
           from pg_constraint as c where c.conname = 'orders_edge_known'",
    )
    .await
}

#[tokio::test]
async fn g21_rights_and_owners_that_were_changed_are_named_refused_and_put_back() {
    named_refused_and_put_back(&[
        ("grant update on orders to anon", "grant of UPDATE on orders to anon was not released"),
        ("grant select on settings to public", "grant of SELECT on settings to public was not released"),
        (
            "grant select (lease_token) on order_attempts to service_role",
            "grant of SELECT on order_attempts (lease_token) to service_role was not released",
        ),
        (
            "grant execute on function clock_now() to anon",
            "grant of EXECUTE on clock_now() to anon was not released",
        ),
        (
            "grant select on orders to service_role with grant option;
             set role service_role; grant select on orders to authenticated",
            "grant of SELECT on orders to authenticated was not released",
        ),
        (
            "revoke select on orders from public_orders_app",
            "grant of SELECT on orders to public_orders_app is missing",
        ),
        (
            "revoke execute on function find_api_key from public_orders_app",
            "grant of EXECUTE on find_api_key(bytea) to public_orders_app is missing",
        ),
        ("alter function refusal_by_word owner to postgres",
         "function refusal_by_word(text,timestamp with time zone,text) is not as released"),
        ("alter table order_events owner to postgres", "table order_events is not as released"),
        ("alter domain orders_head owner to postgres", "type orders_head is not as released"),
        (
            "create function clock_now(shift interval) returns timestamptz language sql as 'select now() + shift';
             alter function clock_now(interval) owner to public_orders_owner",
            "function clock_now(interval) was not released",
        ),
    ])
    .await;
}

#[tokio::test]
async fn what_an_installation_cannot_put_back_it_names_and_changes_nothing() {
    for (change, sentence) in [
        (
            "alter table workers alter column release type varchar(9)",
            "column release of workers is not as released",
        ),
        ("alter table workers drop column stopped_at", "column stopped_at of workers is missing"),
        ("drop table idempotency_keys", "table idempotency_keys is missing"),
        (
            "create trigger mine before insert on orders for each row execute function suppress_redundant_updates_trigger()",
            "trigger mine of orders was not released",
        ),
        (
            "create rule mine as on insert to payments do instead nothing",
            "rule mine of payments was not released",
        ),
    ] {
        let shop = Shop::fresh().await;
        by_hand(&shop, change).await;
        by_hand(&shop, "drop index orders_by_creation").await;
        let said = refused(&shop).await;
        assert!(
            said.contains(sentence) && said.contains("nothing was changed"),
            "{change}: {said}"
        );
        let drift = schema::drift(&shop.app).await.unwrap();
        let index = "index orders_by_creation of orders is missing";
        assert!(drift.iter().any(|one| one == sentence), "{change}: {drift:?}");
        assert!(drift.iter().any(|one| one == index), "{change}: {drift:?}");
        assert_eq!(drift.len(), 2, "{drift:?}");
    }
}

#[tokio::test]
async fn rows_that_stand_against_an_index_or_a_constraint_stop_the_installation_by_its_name() {
    let shop = Shop::fresh().await;
    let (id, token) = shop.submitting("1", 60_000).await;
    shop.setback(id, token, &Setback::REFUSED).await.unwrap();
    shop.claim(id, 60_000).await;
    by_hand(&shop, "drop index order_attempts_one_unsettled").await;
    shop.by_force("update order_attempts set settled_at = null, settled_by = null").await;
    let said = refused(&shop).await;
    assert!(
        said.contains("index order_attempts_one_unsettled of order_attempts is missing, and cannot be put back"),
        "{said}"
    );
    assert!(!said.contains(&id.to_string()), "the rows are not repeated: {said}");

    let shop = Shop::fresh().await;
    shop.place("1").await;
    by_hand(&shop, "alter domain orders_retailer drop constraint orders_retailer_known").await;
    shop.by_force("update orders set retailer = 'corner_shop'").await;
    let said = refused(&shop).await;
    assert!(
        said.contains("domain constraint orders_retailer_known of orders_retailer is missing"),
        "{said}"
    );

    let shop = Shop::fresh().await;
    shop.place("1").await;
    by_hand(
        &shop,
        &of_constraint(
            "orders_edge_known",
            "drop constraint orders_edge_known",
            "drop constraint orders_edge_known",
        ),
    )
    .await;
    shop.by_force("update orders set status = 'failed', status_before = 'new', due_at = null")
        .await;
    let said = refused(&shop).await;
    assert!(said.contains("orders_edge_known"), "{said}");
}

#[tokio::test]
async fn additions_that_can_only_refuse_are_named_and_stop_nothing() {
    let shop = Shop::fresh().await;
    by_hand(
        &shop,
        "create index mine on orders (total_minor);
         alter table orders add constraint cheap check (total_minor < 100000000);
         alter table orders add column note text;
         create table scratch (x integer);
         create function mine() returns integer language sql as 'select 1';
         create function other_in_words() returns integer language sql as 'select 1';
         create operator %% (leftarg = integer, rightarg = integer, function = int4pl)",
    )
    .await;
    let additions = schema::additions(&shop.app).await.unwrap();
    for one in [
        "index mine of orders",
        "constraint cheap of orders",
        "column note of orders",
        "function mine() of postgres",
        "operator %%(integer, integer) of postgres",
    ] {
        assert!(additions.iter().any(|found| found == one), "{one}: {additions:?}");
    }
    assert!(!additions.iter().any(|one| one.contains("scratch")), "public is used by others, too");
    assert_eq!(schema::drift(&shop.app).await.unwrap(), Vec::<String>::new());
    schema::check_ground(&shop.app).await.unwrap();
    schema::install(&shop.admin).await.unwrap();
    schema::check_ground(&shop.app).await.unwrap();
    let own = Shop::in_database(&shop.database, "apart").await;
    by_hand(&own, "create table apart.scratch (x integer); create domain apart.tiny as text").await;
    let additions = schema::additions(&own.app).await.unwrap();
    assert_eq!(additions, ["table scratch of postgres", "type tiny of postgres"]);
}

#[tokio::test]
async fn a_shop_without_its_list_is_refused_until_the_list_is_there_again() {
    let shop = Shop::fresh().await;
    by_hand(&shop, "drop table protected_objects").await;
    for said in [refusal(&shop).await, refused(&shop).await] {
        assert!(said.contains("has lost its list of what was installed"), "{said}");
    }
    let begin = "create table \"public\".protected_objects";
    let script = schema::script("public").unwrap();
    let table = &script[script.find(begin).unwrap()..];
    by_hand(&shop, &table[..=table.find(';').unwrap()]).await;
    by_hand(&shop, "alter table protected_objects owner to public_orders_owner").await;
    schema::install(&shop.admin).await.unwrap();
    schema::check_ground(&shop.app).await.unwrap();
}
