//! Installing: twice changes nothing, foreign objects are left alone, bad ground is refused.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may fail by panic, like the tests"
)]

mod shop;

use orders_store::{Error, Store, StoreOptions, schema};
use shop::{Shop, fresh_database, order, store};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

#[tokio::test]
async fn installing_twice_changes_nothing() {
    let shop = Shop::fresh().await;
    let before = catalogue(&shop).await;
    let again = schema::install(&shop.admin).await.unwrap();
    assert_eq!(again.migrations, Vec::<String>::new());
    assert_eq!(catalogue(&shop).await, before);
    assert_eq!(schema::drift(&shop.app).await.unwrap(), Vec::<String>::new());
    schema::check_ground(&shop.app).await.unwrap();
}

#[tokio::test]
async fn an_installation_waits_for_another_one_longer_than_a_transaction_of_the_service_may_take() {
    let shop = Shop::fresh().await;
    let hasty =
        StoreOptions { statement_timeout: Duration::from_millis(200), ..StoreOptions::default() };
    let hasty = Store::new(&shop::address(&shop.database, "postgres"), &hasty).unwrap();
    let (held, end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (admin, holding, ending) = (shop.admin.clone(), Arc::clone(&held), Arc::clone(&end));
    let other = tokio::spawn(async move {
        let done = admin.transact("test.installs", move |tx| {
            let (holding, ending) = (Arc::clone(&holding), Arc::clone(&ending));
            Box::pin(async move {
                tx.execute("select pg_advisory_xact_lock(7014091)").await?;
                holding.notify_one();
                ending.notified().await;
                Ok(())
            })
        });
        done.await
    });
    held.notified().await;
    let waiting = tokio::spawn(async move { schema::install(&hasty).await });
    let long = "select count(*) from pg_stat_activity where datname = current_database()
        and wait_event = 'advisory' and clock_timestamp() - query_start > interval '0.4 s'";
    let begun = Instant::now();
    while value(&shop.admin, long).await != "1" {
        assert!(begun.elapsed() < Duration::from_secs(8), "it does not wait");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    end.notify_one();
    other.await.unwrap().unwrap();
    assert_eq!(waiting.await.unwrap().unwrap().migrations, Vec::<String>::new());
}

/// More meetings in each order than a transaction is tried again.
const MEETINGS: usize = 10;

#[tokio::test]
async fn an_installation_comes_to_its_end_beside_others_who_take_tables_in_another_order() {
    let shop = Shop::fresh().await;
    let at_work = [shop.session("postgres").await, shop.session("postgres").await];
    for session in &at_work {
        // Whoever waits in a circle, it is not these who are told to go.
        session.batch_execute("set deadlock_timeout = '1min'").await.unwrap();
    }
    let begin = |who: usize| {
        let first = ["order_attempts", "orders"][who % 2];
        let begin = format!("begin; lock table {first} in row exclusive mode");
        let session = &at_work[who % 2];
        async move { session.batch_execute(&begin).await.unwrap() }
    };
    begin(0).await;
    let admin = shop.admin.clone();
    let installing = tokio::spawn(async move { schema::install(&admin).await });
    let meets = "select exists (select from pg_stat_activity where datname = current_database()
                  and wait_event_type = 'Lock' and wait_event = 'relation')";
    for who in 0..2 * MEETINGS {
        while value(&shop.admin, meets).await != "true" {
            assert!(!installing.is_finished(), "{:?} at {who}", installing.await);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // The next one is there before this one goes.
        begin(who + 1).await;
        let then = ["orders", "order_attempts"][who % 2];
        let end = format!("lock table {then} in row exclusive mode; commit");
        at_work[who % 2].batch_execute(&end).await.unwrap();
    }
    at_work[0].batch_execute("commit").await.unwrap();
    assert_eq!(installing.await.unwrap().unwrap().migrations, Vec::<String>::new());
}

/// Everything that an installation makes, as text.
async fn catalogue(shop: &Shop) -> String {
    shop.text(
        "select string_agg(line, E'\\n' order by line) from (
           select 'f ' || p.oid::regprocedure || md5(pg_get_functiondef(p.oid)) || coalesce(p.proacl::text, '') as line
             from pg_proc as p where p.pronamespace = 'public'::regnamespace
           union all
           select 't ' || c.relname || coalesce(c.relacl::text, '') || c.relrowsecurity from pg_class as c
            where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'i')
           union all
           select 'c ' || conrelid::regclass || conname || pg_get_constraintdef(oid) || convalidated from pg_constraint
            where connamespace = 'public'::regnamespace
           union all
           select 'g ' || tgrelid::regclass || pg_get_triggerdef(oid) from pg_trigger where not tgisinternal
           union all
           select 's ' || name || md5(value) from settings) as x",
    )
    .await
}

/// The sentence of a refusal of the ground.
fn sentence<T: std::fmt::Debug>(outcome: Result<T, Error>) -> String {
    match outcome {
        Err(Error::BadGround(sentence)) => sentence,
        other => panic!("{other:?}"),
    }
}

async fn value(admin: &Store, sql: &str) -> String {
    let rows = admin.query("test", &format!("select ({sql})::text"), &[]).await.unwrap();
    rows[0].get::<_, Option<String>>(0).unwrap_or_default()
}

#[tokio::test]
async fn a_foreign_table_or_function_of_our_name_is_refused_by_name_and_untouched() {
    for (make, name, look) in [
        (
            "create table orders (mine text)",
            "table orders",
            "select string_agg(attname, '') from pg_attribute where attrelid = 'orders'::regclass and attnum > 0",
        ),
        ("create view findings as select 1 as mine", "table findings", "select mine from findings"),
        (
            "create function refusal() returns text language sql as $$select 'mine'$$",
            "function refusal",
            "select refusal()",
        ),
        (
            "create function refuse_write() returns text language sql as $$select 'mine'$$",
            "function refuse_write",
            "select refuse_write()",
        ),
    ] {
        let database = fresh_database().await;
        let admin = store(&database, "postgres", "public");
        admin.query("test", make, &[]).await.unwrap();
        let before = value(&admin, look).await;
        let refused = sentence(schema::install(&admin).await);
        assert!(refused.contains(name) && refused.contains("--schema"), "{refused}");
        assert_eq!(value(&admin, look).await, before);
        let left =
            value(&admin, "select count(*) from pg_class where relname = 'order_events'").await;
        assert_eq!(left, "0", "nothing was made beside it");
        Shop::in_database(&database, "beside").await;
    }
}

fn major() -> u32 {
    orders_embedded::testing::shared_cluster().major()
}

/// A role that may create roles, but is no superuser.
async fn installer(database: &str, grant: &str) -> (String, Store) {
    let admin = store(database, "postgres", "public");
    let role = format!("{database}_installer");
    for sql in [format!("create role {role} login createrole"), format!("{grant} {role}")] {
        admin.query("test", &sql, &[]).await.unwrap();
    }
    (role, admin)
}

/// Installs twice as that role and demands a working shop and no way back into the owner.
async fn installs(database: &str, schema: &str, role: &str, admin: &Store) {
    let migrator = store(database, role, schema);
    let first = schema::install(&migrator).await.unwrap();
    assert!(!first.migrations.is_empty());
    assert_eq!(schema::install(&migrator).await.unwrap().migrations, Vec::<String>::new());
    schema::set(&migrator, "poll_ms", "1234").await.unwrap();
    assert!(
        sentence(schema::set(&migrator, "nonsense", "1").await).contains("no setting nonsense")
    );
    let set = format!("select value from {schema}.settings where name = 'poll_ms'");
    assert_eq!(value(admin, &set).await, "1234");
    let owner = format!("{schema}_orders_owner");
    // From PostgreSQL 16 on the maker of a role keeps the right to grant it. That gives him none of
    // its rights until he grants it to himself; verify reports him.
    let usable = if major() >= 16 { "(inherit_option or set_option)" } else { "true" };
    let members = format!(
        "select count(*) from pg_auth_members where roleid = '{owner}'::regrole and member = '{role}'::regrole and {usable}"
    );
    assert_eq!(
        value(admin, &members).await,
        "0",
        "the installer is no member of the owner any more"
    );
    for sql in [format!("set role {owner}"), format!("select * from {schema}.orders")] {
        let error = migrator.query("test", &sql, &[]).await.unwrap_err();
        assert_eq!(error.sqlstate(), Some("42501"), "{sql}");
    }
    let app = store(database, &first.app_role, schema);
    schema::check_ground(&app).await.unwrap();
    assert_eq!(schema::drift(&app).await.unwrap(), Vec::<String>::new());
    let content = order("1").to_string();
    shop::call(&app, "place_order", &[("order_param", &content, "jsonb")]).await.unwrap();
    let create =
        value(admin, &format!("select has_schema_privilege('{owner}', '{schema}', 'create')"))
            .await;
    assert_eq!(create, "false", "the owner may create nothing between two installations");
}

#[tokio::test]
async fn a_role_that_may_create_roles_installs_into_a_schema_of_its_own() {
    let database = fresh_database().await;
    let (role, admin) =
        installer(&database, &format!("grant create on database {database} to")).await;
    // Roles belong to the whole server; this schema's are made by this installer.
    installs(&database, "made_by_installer", &role, &admin).await;
}

#[tokio::test]
async fn the_databases_owner_installs_into_public_as_on_supabase() {
    Shop::fresh().await;
    let database = fresh_database().await;
    let (role, admin) = installer(&database, &format!("alter database {database} owner to")).await;
    if major() >= 16 {
        // Another test's superuser made the roles of the schema public: from 16 on only those who
        // have a role with the admin option may grant it, as its maker has.
        let grant = format!(
            "grant public_orders_owner to {role} with admin true, inherit false, set false"
        );
        admin.query("test", &grant, &[]).await.unwrap();
    }
    installs(&database, "public", &role, &admin).await;
}

#[tokio::test]
async fn two_shops_in_one_database_do_not_see_each_other() {
    let database = fresh_database().await;
    let (a, b) = (
        Shop::in_database(&database, "shop_a").await,
        Shop::in_database(&database, "shop_b").await,
    );
    let content = order("1").to_string();
    for shop in [&a, &b] {
        let placed = shop::call(&shop.app, "place_order", &[("order_param", &content, "jsonb")])
            .await
            .unwrap();
        assert_eq!(placed["duplicate"], serde_json::json!(false));
        assert_eq!(shop.text(&format!("select count(*) from {}.orders", shop.schema)).await, "1");
    }
    for (shop, other) in [(&a, "shop_b"), (&b, "shop_a")] {
        for sql in [
            format!("select * from {other}.orders"),
            format!("select {other}.order_system_health()"),
            format!("update {other}.orders set status = 'x'"),
        ] {
            let error = shop.app.query("test", &sql, &[]).await.unwrap_err();
            assert_eq!(error.sqlstate(), Some("42501"), "{sql}");
        }
        schema::check_ground(&shop.app).await.unwrap();
    }
    let secrets = "select count(distinct value) from (table shop_a.settings union all table shop_b.settings) as s where name = 'shop_secret'";
    assert_eq!(a.text(secrets).await, "2");
}

#[tokio::test]
async fn a_superuser_or_a_member_of_the_owner_is_refused_as_the_service() {
    let shop = Shop::fresh().await;
    assert!(sentence(schema::check_ground(&shop.admin).await).contains("superuser"));
    let member = format!("{}_member", shop.database);
    shop.sql(&format!("create role {member} login in role public_orders_owner")).await;
    let refused = sentence(schema::check_ground(&store(&shop.database, &member, "public")).await);
    assert!(refused.contains("may become the owner"), "{refused}");
    let dangerous = orders_store::verify::dangerous_roles(&shop.admin).await.unwrap();
    for role in [member.as_str(), "postgres"] {
        assert!(dangerous.iter().any(|danger| danger.role == role), "{role}: {dangerous:?}");
    }
}

#[tokio::test]
async fn unsafe_settings_and_open_schemas_are_refused() {
    let shop = Shop::fresh().await;
    let again = || store(&shop.database, "public_orders_app", "public");
    let role = format!("alter role public_orders_app in database {}", shop.database);
    shop.sql(&format!("{role} set synchronous_commit = off")).await;
    assert!(sentence(schema::check_ground(&again()).await).contains("synchronous_commit"));
    shop.sql(&format!("{role} reset all")).await;
    schema::check_ground(&again()).await.unwrap();
    shop.sql("grant create on schema public to public").await;
    assert!(sentence(schema::check_ground(&again()).await).contains("may create objects"));
    schema::install(&shop.admin).await.unwrap();
    schema::check_ground(&again()).await.unwrap();
}

#[tokio::test]
async fn an_absent_an_older_and_an_unknown_newer_version_are_refused() {
    let shop = Shop::fresh().await;
    let nothing = sentence(
        schema::check_ground(&store(&shop.database, "public_orders_app", "nowhere")).await,
    );
    assert!(nothing.contains("holds no shop yet"), "{nothing}");
    shop.sql("insert into schema_migrations select 99, 'from_the_future', sha256(''), now()").await;
    assert!(sentence(schema::check_ground(&shop.app).await).contains("use a newer release"));
    shop.sql("delete from schema_migrations where version in (8, 99)").await;
    assert!(
        sentence(schema::check_ground(&shop.app).await).contains("run `atomic-orders migrate`")
    );
    shop.sql("update schema_migrations set digest = sha256('edited') where version = 1").await;
    assert!(sentence(schema::install(&shop.admin).await).contains("0001_orders"));
}

#[tokio::test]
async fn a_function_that_is_not_as_released_is_drift_and_an_installation_repairs_it() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    shop.sql("drop function find_api_key(bytea)").await;
    shop.sql("alter function hold_order(uuid, text, jsonb) reset lock_timeout").await;
    let drift = schema::drift(&shop.app).await.unwrap();
    let wanted = [
        "function clock_now() is not as released",
        "function find_api_key(bytea) is missing",
        "function hold_order(uuid,text,jsonb) is not as released",
    ];
    assert_eq!(drift, wanted);
    schema::install(&shop.admin).await.unwrap();
    assert_eq!(schema::drift(&shop.app).await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn two_installers_at_once_both_succeed() {
    let database = fresh_database().await;
    let mut installers = tokio::task::JoinSet::new();
    for _ in 0..2 {
        let admin = store(&database, "postgres", "public");
        installers
            .spawn(async move { schema::install(&admin).await.map(|done| done.migrations.len()) });
    }
    let mut done: Vec<usize> =
        installers.join_all().await.into_iter().map(Result::unwrap).collect();
    done.sort_unstable();
    assert_eq!(done[0], 0);
    assert!(done[1] > 0);
}

#[tokio::test]
async fn the_printed_script_installs_the_same_shop_and_twice_from_the_program_changes_nothing() {
    let (printed, made) = (fresh_database().await, Shop::fresh().await);
    let admin = store(&printed, "postgres", "public");
    let script = schema::script("public").unwrap();
    let shop = Shop { database: printed, schema: "public".into(), app: admin.clone(), admin };
    shop.session("postgres").await.batch_execute(&script).await.unwrap();
    assert_eq!(catalogue_without_secret(&shop).await, catalogue_without_secret(&made).await);
    assert_eq!(schema::drift(&shop.admin).await.unwrap(), Vec::<String>::new());
    assert_eq!(schema::install(&shop.admin).await.unwrap().migrations, Vec::<String>::new());
}

/// The catalogue but for two settings: the shop's secret is another in each shop, and the gate of a
/// shop of the tests is patient.
async fn catalogue_without_secret(shop: &Shop) -> Vec<String> {
    let all = catalogue(shop).await;
    let own = |line: &&str| line.starts_with("s shop_secret") || line.starts_with("s gate_age_ms");
    all.lines().filter(|line| !own(line)).map(str::to_owned).collect()
}
