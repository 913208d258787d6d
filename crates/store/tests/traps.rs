//! Operators and functions that somebody plants in the shop's schema: they fit the shop's own types
//! better than PostgreSQL's do, and would write what only the functions may write. None is ever run
//! with the owner's or the installer's rights. // G21, G38
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may fail by panic, like the tests"
)]

mod shop;

use orders_store::{Error, schema};
use shop::{Shop, fresh_database, store};

/// The bait: counts beyond any rollback, tries to write, and fails the statement that ran it.
const SPRUNG: &str = "
    create sequence sprung_count;
    grant usage, select on sequence sprung_count to public;
    create function sprung() returns boolean language plpgsql as $$
    begin
      perform pg_catalog.nextval('public.sprung_count');
      begin
        update public.orders set status = 'completed', status_before = 'submitting';
      exception when insufficient_privilege or check_violation then null;
      end;
      raise exception 'a trap was sprung';
    end $$;";

/// Plants, for pairs of types, every operator that PostgreSQL does not have for exactly that pair, and
/// for each name of a function that the installation calls the forms with one and with two arguments.
const PLANT: &str = "do $plant$
declare
  own boolean := $own;
  step text;
  planted integer := 0;
begin
  create temp table kinds as
    select unnest('{text, uuid, bigint, integer, jsonb, bytea, boolean, timestamptz, interval, name, \"text[]\", \"uuid[]\"}'::text[]) as kind, null::text as base
     where not own
    union all
    select t.oid::regtype::text, t.typbasetype::regtype::text from pg_type as t
     where own and t.typnamespace = 'public'::regnamespace and t.typtype = 'd';
  create temp table pairs as
    select a.kind as l, b.kind as r from kinds as a cross join kinds as b where not own
    union select kind, kind from kinds
    union select kind, other from kinds cross join unnest(array[base, 'text', 'integer']) as other where own
    union select other, kind from kinds cross join unnest(array[base, 'text', 'integer']) as other where own;
  for step in
    select format('create function public.trap(%1$s, %2$s) returns boolean language sql as ''select public.sprung()''', l, r) from pairs
    union all
    select format('create operator public.%s (leftarg = %s, rightarg = %s, function = public.trap)', name, l, r)
      from unnest('{=, <>, <, <=, >, >=, ||, ->, ->>, ?, ~, +, -, *}'::text[]) as name cross join pairs
     where not exists (select from pg_catalog.pg_operator as o where o.oprname = name and o.oprleft = l::regtype and o.oprright = r::regtype)
    union all
    select format('create function public.%I(%s) returns boolean language sql as ''select public.sprung()''', name, form)
      from unnest($names::text[]) as name
     cross join (select kind from kinds union all select l || ', ' || r from pairs) as f (form)
     where name in (select proname from pg_catalog.pg_proc where pronamespace = 'pg_catalog'::regnamespace)
  loop
    begin
      execute step;
      planted := planted + 1;
    exception when duplicate_function or invalid_function_definition or wrong_object_type then null;
    end;
  end loop;
  drop table kinds, pairs;
  if planted < 500 then
    raise exception 'only % traps', planted;
  end if;
end $plant$";

/// The names that stand before a bracket in the whole text of the installation.
fn called() -> String {
    let script = schema::script("public").unwrap();
    let mut names: Vec<&str> = script
        .match_indices('(')
        .filter_map(|(at, _)| {
            let before = &script[..at];
            let begin = before.rfind(|c: char| !c.is_ascii_lowercase() && c != '_')? + 1;
            (begin < at).then(|| &before[begin..])
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    format!("'{{{}}}'", names.join(", "))
}

/// Plants traps as a role that may create objects in the schema and nothing else.
async fn plant(database: &str, role: &str, own_types: bool) {
    let sql = PLANT.replace("$own", &own_types.to_string()).replace("$names", &called());
    let session = session(database, role).await;
    // Whoever plants must not step on them.
    session.batch_execute(&format!("set search_path = pg_catalog; {sql}")).await.unwrap();
}

async fn session(database: &str, role: &str) -> tokio_postgres::Client {
    let address = shop::address(database, role);
    let (client, connection) =
        tokio_postgres::connect(&address, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A database in which somebody may create objects in the schema of the shop-to-be, and every session
/// looks there before it looks at PostgreSQL's own.
async fn open_database() -> (String, String) {
    let database = fresh_database().await;
    let planter = format!("{database}_planter");
    let admin = session(&database, "postgres").await;
    admin
        .batch_execute(&format!(
            "create role {planter} login; grant usage, create on schema public to {planter};
             alter database {database} set search_path = public, pg_catalog"
        ))
        .await
        .unwrap();
    session(&database, &planter).await.batch_execute(SPRUNG).await.unwrap();
    (database, planter)
}

#[tokio::test]
async fn g38_no_planted_operator_or_function_is_run_by_an_installation_or_in_the_life_of_an_order()
{
    let (database, planter) = open_database().await;
    plant(&database, &planter, false).await;
    let shop = Shop::in_database(&database, "public").await;
    plant(&database, &planter, true).await;
    let sprung = || shop.text("select is_called from sprung_count");
    schema::install(&shop.admin).await.unwrap();
    schema::set(&shop.admin, "poll_ms", "1234").await.unwrap();
    assert_eq!(sprung().await, "false", "by an installation");

    let (id, token) = shop.submitting("1", 60_000).await;
    assert_eq!(shop.accept(id, token, "req-1").await, "recorded");
    shop.complete(id, "req-1", "processing", "processing").await;
    shop.complete(id, "req-1", "delivered", "completed").await;
    assert_eq!(shop.status(id).await, "completed");
    let (lost, token) = shop.submitting("2", 1).await;
    shop.setback(lost, token, &shop::Setback::UNKNOWN).await.unwrap();
    shop.recover(0, 10).await;
    shop.by_word(lost, Some("req-2")).await;
    let cancelled = shop.place("3").await;
    let options = [("order_uuid", &*cancelled.to_string(), "uuid"), ("reason_param", "x", "text")];
    shop::call(&shop.app, "cancel_order", &options).await.unwrap();
    shop::call(&shop.app, "order_system_health", &[]).await.unwrap();
    assert_eq!(orders_store::watch::due(&shop.app, 10).await.unwrap().len(), 0);
    assert_eq!(shop.status(lost).await, "completed");
    shop.verify().await;
    assert_eq!(sprung().await, "false", "in the life of an order");

    assert_eq!(schema::drift(&shop.app).await.unwrap(), Vec::<String>::new());
    schema::check_ground(&shop.app).await.unwrap();
    let additions = schema::additions(&shop.app).await.unwrap();
    let operator = format!("operator =(public.orders_retailer, text) of {planter}");
    assert!(additions.contains(&operator), "{operator}");
    let dangers = orders_store::verify::dangerous_roles(&shop.app).await.unwrap();
    assert!(dangers.iter().any(|danger| danger.role == planter), "{dangers:?}");
    assert_eq!(sprung().await, "false", "by whoever looks");

    // The traps are real: whoever looks into the schema springs them.
    let caught = session(&database, "public_orders_app").await;
    for sql in [
        "select retailer = 'x'::text from orders",
        "select char_length(order_number) from orders",
        "select 5::bigint * interval '1 ms'",
        "select jsonb_build_object('x'::text, id) from orders",
    ] {
        let error = caught.batch_execute(sql).await.expect_err(sql);
        assert!(error.to_string().contains("db error"), "{sql}: {error}");
        let message = error.as_db_error().map(|db| db.message().to_owned());
        assert_eq!(message.as_deref(), Some("a trap was sprung"), "{sql}");
    }
}

#[tokio::test]
async fn a_function_of_a_doors_name_beside_it_stops_a_start_and_an_installation() {
    let (database, planter) = open_database().await;
    let shop = Shop::in_database(&database, "public").await;
    let beside = session(&database, &planter).await;
    beside
        .batch_execute(
            "create function place_order(order_param text) returns jsonb language sql as 'select null::jsonb'",
        )
        .await
        .unwrap();
    let word = "function place_order(text) was not released";
    assert_eq!(schema::drift(&shop.app).await.unwrap(), [word]);
    let again = store(&database, "public_orders_app", "public");
    let refused = schema::check_ground(&again).await;
    assert!(
        matches!(&refused, Err(Error::BadGround(said)) if said.starts_with(word)),
        "{refused:?}"
    );
    let refused = schema::install(&shop.admin).await;
    assert!(
        matches!(&refused, Err(Error::BadGround(said)) if said.contains("function place_order")),
        "{refused:?}"
    );
}
