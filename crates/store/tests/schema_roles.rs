//! Roles that could break the rules by force: those of callers stop a start, the others are named. And
//! what refuses everybody, the owner included. // G21, G38
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may fail by panic, like the tests"
)]

mod shop;

use orders_store::{Error, Store, schema, verify};
use shop::{Shop, fresh_database, store};

/// A shop whose roles no other test of this program has: roles belong to the whole server.
async fn apart(schema: &str) -> Shop {
    Shop::in_database(&fresh_database().await, schema).await
}

async fn refusal(store: &Store) -> String {
    match schema::check_ground(store).await {
        Err(Error::BadGround(sentence)) => sentence,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_caller_that_may_become_the_owner_stops_a_start_until_the_next_installation() {
    let shop = apart("kept_apart").await;
    for role in ["service_role", "anon", "kept_apart_orders_app"] {
        shop.sql(&format!("grant kept_apart_orders_owner to {role}")).await;
        let said = refusal(&shop.app).await;
        assert!(said.contains("may become the owner"), "{role}: {said}");
        schema::install(&shop.admin).await.unwrap();
        schema::check_ground(&shop.app).await.unwrap();
    }
    let between = format!("{}_between", shop.database);
    shop.sql(&format!("create role {between} in role kept_apart_orders_owner")).await;
    schema::check_ground(&shop.app).await.unwrap();
    shop.sql(&format!("grant {between} to authenticated")).await;
    let said = refusal(&shop.app).await;
    assert!(said.contains("the role authenticated may become the owner"), "{said}");
    shop.sql(&format!("drop role {between}")).await;
    schema::check_ground(&shop.app).await.unwrap();
}

#[tokio::test]
async fn a_session_without_triggers_and_a_closed_schema_are_refused() {
    let shop = apart("closed_now").await;
    let role = format!("alter role closed_now_orders_app in database {}", shop.database);
    shop.sql(&format!("{role} set session_replication_role = replica")).await;
    let again = store(&shop.database, "closed_now_orders_app", "closed_now");
    assert!(refusal(&again).await.contains("triggers and foreign keys are switched off"));
    shop.sql(&format!("{role} reset all")).await;
    schema::check_ground(&shop.app).await.unwrap();
    shop.sql("revoke usage on schema closed_now from service_role").await;
    let said = refusal(&shop.app).await;
    assert!(said.contains("service_role may not use the schema closed_now"), "{said}");
    schema::install(&shop.admin).await.unwrap();
    schema::check_ground(&shop.app).await.unwrap();
    shop.sql("grant create on schema closed_now to authenticated").await;
    assert!(refusal(&shop.app).await.contains("may create objects"));
    schema::install(&shop.admin).await.unwrap();
    schema::check_ground(&shop.app).await.unwrap();
}

#[tokio::test]
async fn whoever_owns_the_schema_or_may_create_in_it_is_named_with_a_sentence_of_its_own() {
    let shop = apart("looked_at").await;
    let role = |name: &str| format!("{}_{name}", shop.database);
    let (lord, heir, maker, member, group) =
        (role("lord"), role("heir"), role("maker"), role("member"), role("group"));
    shop.sql(&format!("create role {lord}")).await;
    shop.sql(&format!("create role {heir} in role {lord}")).await;
    shop.sql(&format!("create role {group}")).await;
    shop.sql(&format!("create role {maker} in role {group}")).await;
    shop.sql(&format!("create role {member} login in role looked_at_orders_owner")).await;
    shop.sql(&format!("alter schema looked_at owner to {lord}")).await;
    shop.sql(&format!("grant create on schema looked_at to {group}")).await;
    let said = |dangers: &[verify::Danger], role: &str| {
        let of: Vec<_> = dangers.iter().filter(|danger| danger.role == role).collect();
        assert_eq!(of.len(), 1, "{role}: {dangers:?}");
        of[0].sentence.clone()
    };
    let dangers = verify::dangerous_roles(&shop.app).await.unwrap();
    assert!(said(&dangers, "postgres").contains("is a superuser"));
    assert!(said(&dangers, &member).contains("may become the owner (looked_at_orders_owner)"));
    for owner in [&lord, &heir] {
        assert!(said(&dangers, owner).contains("owns the schema looked_at"));
    }
    for creator in [&group, &maker] {
        assert!(said(&dangers, creator).contains("may create objects in the schema looked_at"));
    }
    for quiet in ["looked_at_orders_owner", "looked_at_orders_app", "service_role", "anon"] {
        assert!(!dangers.iter().any(|danger| danger.role == quiet), "{quiet}: {dangers:?}");
    }
    // What everybody may is said once.
    shop.sql("grant create on schema looked_at to public").await;
    let dangers = verify::dangerous_roles(&shop.admin).await.unwrap();
    assert!(said(&dangers, "public").contains("every role may create"));
    assert!(!dangers.iter().any(|danger| danger.role == maker), "{dangers:?}");
}

#[tokio::test]
async fn payments_findings_and_private_data_are_kept_and_truncating_orders_is_refused_by_name() {
    let shop = Shop::fresh().await;
    let (id, token) = shop.submitting("1", 60_000).await;
    shop.accept(id, token, "req-1").await;
    shop.complete(id, "req-2", "submitted", "submitted_to_zinc").await;
    let counts = "select array[(select count(*) from orders), (select count(*) from findings), (select count(*) from payments),
        (select count(*) from order_private), (select count(*) from order_items)]";
    let before = shop.text(counts).await;
    assert_eq!(before, "{1,1,1,1,1}");
    shop.login("service_role").await;
    let payments = "payments are evidence and are kept";
    let findings = "findings are evidence and are kept";
    let private = "what belongs to a person stays as it was placed";
    for (role, session) in [
        ("postgres", shop.session("postgres").await),
        ("public_orders_owner", shop.session("postgres").await),
        ("public_orders_app", shop.session("public_orders_app").await),
        ("service_role", shop.session("service_role").await),
    ] {
        let by_force = ["postgres", "public_orders_owner"].contains(&role);
        if role == "public_orders_owner" {
            session.batch_execute("set role public_orders_owner").await.unwrap();
        }
        for (sql, message, needs_force) in [
            ("truncate orders cascade", "orders are never truncated", false),
            ("truncate order_items", "the lines of an order are fixed once placed", false),
            ("truncate findings", findings, false),
            ("truncate payments cascade", payments, false),
            ("truncate money_moves", "movements of money are kept for ever", false),
            ("delete from money_moves", "movements of money are kept for ever", true),
            ("truncate order_private", private, false),
            ("truncate alerts", "alerts are never truncated", false),
            ("delete from findings", findings, true),
            ("delete from payments", payments, true),
            ("delete from order_private", private, true),
            ("update order_private set is_gift = true", private, true),
        ] {
            let error = session.batch_execute(sql).await.expect_err(sql);
            let error = error.as_db_error().unwrap();
            assert_eq!(error.code().code(), "42501", "{role}: {sql}: {error}");
            if by_force || !needs_force {
                assert_eq!(error.message(), message, "{role}: {sql}");
                assert!(error.hint().is_some(), "{role}: {sql}");
            }
        }
        // The only one that PostgreSQL answers before any trigger: other tables refer to orders.
        let plain = session.batch_execute("truncate orders").await.unwrap_err();
        assert_eq!(plain.code().unwrap().code(), "0A000", "{role}");
    }
    assert_eq!(shop.text(counts).await, before);
    shop.verify().await;
}

#[tokio::test]
async fn what_was_installed_is_read_alike_with_every_search_path() {
    let shop = Shop::fresh().await;
    for path in [
        "\"$user\", public",
        "public, pg_catalog",
        "pg_catalog",
        "''",
        "pg_temp, pg_catalog, public",
    ] {
        shop.sql(&format!(
            "alter role public_orders_app in database {} set search_path = {path}",
            shop.database
        ))
        .await;
        let again = store(&shop.database, "public_orders_app", "public");
        assert_eq!(schema::drift(&again).await.unwrap(), Vec::<String>::new(), "{path}");
        schema::check_ground(&again).await.unwrap();
    }
}
