//! The pgTAP suite of the folder `pgtap/`, run through psql as its users run it: by the role that
//! installed the shop, who is no superuser, in `public`, in another schema, and beside orders that stand
//! already. And each guard of the catalogue taken away in turn: the suite must notice. // G10, G12, G38
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may fail by panic, like the tests"
)]

mod shop;

use orders_embedded::Source;
use orders_embedded::testing::{shared_cluster, source};
use orders_store::schema;
use shop::{Setback, Shop, address, fresh_database, store};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The installer of all shops here: roles belong to the whole server.
const INSTALLER: &str = "pgtap_installer";
/// One test at a time: the roles that a file becomes belong to the whole server, and so does the
/// waiting for whoever becomes them, which an installation does not do for long.
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
/// No run may have fewer assertions than this.
const ASSERTIONS_MIN: usize = 4150;

/// Why the suite cannot run on this machine is said loudly. On CI that is a failure, but where the
/// carried server was asked for: it has no extensions.
fn untested(reason: &str) {
    let asked_for_carried = matches!(source(), Source::Carried);
    assert!(
        asked_for_carried || std::env::var("CI").as_deref() != Ok("true"),
        "CI must run the pgTAP suite: {reason}"
    );
    // Past the test harness, which keeps what a passing test prints to itself.
    let said = format!("\n*** NOT TESTED: the pgTAP suite did not run. {reason} ***\n\n");
    std::io::stderr().write_all(said.as_bytes()).unwrap();
}

/// The newest installed psql.
fn psql() -> Option<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
        .map(|(major, path)| (major, path.join("bin/psql")))
        .filter(|(_, program)| program.exists())
        .collect();
    found.sort();
    found.pop().map(|(_, program)| program)
}

/// psql, if it is there and the server offers pgTAP; else that is said.
async fn tools() -> Option<PathBuf> {
    let Some(psql) = psql() else {
        untested("There is no installed psql.");
        return None;
    };
    let offered = "select from pg_available_extensions where name = 'pgtap'";
    let rows = store("postgres", "postgres", "public").query("test", offered, &[]).await.unwrap();
    if rows.is_empty() {
        let major = shared_cluster().major();
        untested(&format!("PostgreSQL {major} offers no pgTAP; install postgresql-{major}-pgtap."));
        return None;
    }
    Some(psql)
}

/// A shop in a database of its own, installed by the installer, who owns the database.
async fn installed(schema: &str) -> Shop {
    let database = fresh_database().await;
    let admin = store(&database, "postgres", schema);
    let role = format!(
        "do $$ begin create role {INSTALLER} login createrole;
           exception when duplicate_object or unique_violation then null; end $$"
    );
    admin.query("test", &role, &[]).await.unwrap();
    let owner = format!("alter database {database} owner to {INSTALLER}");
    admin.query("test", &owner, &[]).await.unwrap();
    let done = schema::install(&store(&database, INSTALLER, schema)).await.unwrap();
    let app = store(&database, &done.app_role, schema);
    Shop { database, schema: schema.into(), admin, app }
}

/// pgTAP where Supabase has it: in a schema beside the shop's.
async fn with_extension(shop: &Shop) {
    shop.sql("create schema extensions").await;
    shop.sql("create extension pgtap with schema extensions").await;
    shop.sql("grant usage on schema extensions to public").await;
}

/// The files of the suite, in order.
fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pgtap");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .collect();
    files.sort();
    files
}

/// What a run of one file printed, and whether psql reached its end.
struct Ran {
    text: String,
    ended: bool,
}

fn run(psql: &Path, database: &str, schema: &str, file: &Path, broken: Option<&str>) -> Ran {
    let mut command = Command::new(psql);
    command.args(["-X", "-d", &address(database, INSTALLER), "-f"]).arg(file);
    // The default is tried as well.
    if schema != "public" {
        command.args(["-v", &format!("schema={schema}")]);
    }
    if let Some(broken) = broken {
        command.args(["-v", &format!("broken={broken}")]);
    }
    let output = command.output().expect("psql");
    let text = [output.stdout, output.stderr].concat();
    Ran { text: String::from_utf8_lossy(&text).into_owned(), ended: output.status.success() }
}

impl Ran {
    /// How many assertions passed, if all that were planned did and nothing else was said.
    fn passed(&self) -> Result<usize, String> {
        let lines = |start: &str| self.text.lines().filter(|line| line.starts_with(start)).count();
        let plans: Vec<usize> = self
            .text
            .lines()
            .filter_map(|line| line.strip_prefix("1..")?.trim().parse().ok())
            .collect();
        let (good, bad) = (lines("ok "), lines("not ok "));
        if self.ended && bad == 0 && plans == [good] {
            Ok(good)
        } else {
            Err(format!("planned {plans:?}, {good} ok, {bad} not ok:\n{}", self.text))
        }
    }
}

/// Runs every file; demands that all pass, that there are enough of them, and that nothing is left.
async fn passes(psql: &Path, shop: &Shop) {
    let left = "select string_agg(line, ' ' order by line) from (
        select 'order ' || to_jsonb(o)::text as line from orders as o
        union all select 'event ' || encode(hash, 'hex') from order_events
        union all select 'setting ' || name || value from settings
        union all select 'member ' || roleid::regrole || ' ' || member::regrole from pg_auth_members
        union all select 'extension ' || extname from pg_extension
        union all select 'schema ' || nspname from pg_namespace where nspname !~ '^pg_(toast_)?temp_'
        union all select 'table ' || oid::regclass || relacl::text from pg_class where relnamespace = '$'::regnamespace
        union all select 'function ' || oid::regprocedure || coalesce(proacl::text, '') || md5(prosrc) from pg_proc where pronamespace = '$'::regnamespace
        union all select 'trigger ' || tgname || tgenabled::text from pg_trigger where not tgisinternal) as l"
        .replace('$', &shop.schema)
        .replace(" orders ", &format!(" {}.orders ", shop.schema))
        .replace("order_events", &format!("{}.order_events", shop.schema))
        .replace("from settings", &format!("from {}.settings", shop.schema));
    let before = shop.text(&left).await;
    let mut assertions = 0;
    for file in files() {
        let ran = run(psql, &shop.database, &shop.schema, &file, None);
        assertions += ran.passed().unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
    assert!(assertions >= ASSERTIONS_MIN, "only {assertions} assertions");
    assert_eq!(shop.text(&left).await, before, "a run leaves nothing");
    assert_eq!(schema::drift(&shop.app).await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn the_pgtap_suite_passes_for_an_installer_who_is_no_superuser() {
    let Some(psql) = tools().await else { return };
    let _alone = ONE_AT_A_TIME.lock().await;
    let shop = installed("public").await;
    with_extension(&shop).await;
    passes(&psql, &shop).await;
}

#[tokio::test]
async fn the_pgtap_suite_passes_in_another_schema_and_brings_the_extension_along() {
    let Some(psql) = tools().await else { return };
    let _alone = ONE_AT_A_TIME.lock().await;
    passes(&psql, &installed("shop_apart").await).await;
}

#[tokio::test]
async fn the_pgtap_suite_passes_beside_orders_that_stand_and_leaves_them_alone() {
    let Some(psql) = tools().await else { return };
    let _alone = ONE_AT_A_TIME.lock().await;
    let shop = installed("public").await;
    with_extension(&shop).await;
    for number in 0..20 {
        shop.paid(&format!("paid {number}")).await;
    }
    let (unknown, token) = shop.submitting("unknown", 60_000).await;
    shop.setback(unknown, token, &Setback::UNKNOWN).await.unwrap();
    let (review, token) = shop.submitting("review", 60_000).await;
    shop.setback(review, token, &Setback::REVIEW).await.unwrap();
    shop.submitting("left alone", 1).await;
    let (bought, token) = shop.submitting("bought", 60_000).await;
    shop.accept(bought, token, "req-1").await;
    shop.complete(bought, "req-1", "delivered", "completed").await;
    let cancelled = shop.paid("cancelled").await;
    shop.sql(&format!("select cancel_order('{cancelled}')")).await;
    shop.sql("update settings set value = '1' where name = 'two_persons_above_minor'").await;
    passes(&psql, &shop).await;
    shop.verify().await;
}

/// Every guard of a shop with the statement that takes it away, from the catalogue; and the files that
/// look at guards of its kind, the likeliest first. The lists of `19_tables.sql` are left out where
/// something must be seen to be refused.
const GUARDS: &str = "
  select 'trigger ' || t.tgname, format('drop trigger %I on %s', t.tgname, t.tgrelid::regclass), '02 03 04 05 01'
    from pg_trigger as t where not t.tgisinternal
  union all
  select 'constraint ' || c.conname, format('alter table %s drop constraint %I cascade', c.conrelid::regclass, c.conname), '17 18 04 05 01 16'
    from pg_constraint as c join pg_class as r on r.oid = c.conrelid where r.relnamespace = 'public'::regnamespace
  union all
  select 'constraint ' || c.conname, format('alter domain %s drop constraint %I', c.contypid::regtype, c.conname), '17 01 11'
    from pg_constraint as c join pg_type as t on t.oid = c.contypid where t.typnamespace = 'public'::regnamespace
  union all
  select 'unique index ' || i.relname, format('drop index %s', i.oid::regclass), '04 05 17 18'
    from pg_index as x join pg_class as i on i.oid = x.indexrelid
   where i.relnamespace = 'public'::regnamespace and x.indisunique and not exists (select from pg_constraint as c where c.conindid = i.oid)
  union all
  select format('not null %s.%s', a.attrelid::regclass, a.attname), format('alter table %s alter %I drop not null', a.attrelid::regclass, a.attname), '19'
    from pg_attribute as a join pg_class as r on r.oid = a.attrelid
   where r.relnamespace = 'public'::regnamespace and r.relkind = 'r' and a.attnum > 0 and a.attnotnull
     and not exists (select from pg_index as x where x.indrelid = r.oid and x.indisprimary and a.attnum = any (x.indkey))
  union all
  select 'row security ' || r.relname, format('alter table %s disable row level security', r.oid::regclass), '07'
    from pg_class as r where r.relnamespace = 'public'::regnamespace and r.relrowsecurity
  union all
  select 'policy of ' || p.polrelid::regclass, format('drop policy %I on %s', p.polname, p.polrelid::regclass), '07' from pg_policy as p
  union all
  select format('grant %s on %s to %s', a.privilege_type, r.relname, a.grantee::regrole), format('revoke %s on %s from %s', a.privilege_type, r.oid::regclass, a.grantee::regrole), '07'
    from pg_class as r cross join lateral aclexplode(r.relacl) as a where r.relnamespace = 'public'::regnamespace and a.grantee <> r.relowner
  union all
  select format('grant %s (%s) on %s to %s', a.privilege_type, t.attname, r.relname, a.grantee::regrole), format('revoke %s (%I) on %s from %s', a.privilege_type, t.attname, r.oid::regclass, a.grantee::regrole), '07'
    from pg_attribute as t join pg_class as r on r.oid = t.attrelid cross join lateral aclexplode(t.attacl) as a where r.relnamespace = 'public'::regnamespace
  union all
  select format('%s closed to %s', r.relname, who), format('grant select on %s to %s', r.oid::regclass, who), '07'
    from pg_class as r cross join unnest('{anon, service_role, public}'::text[]) as who
   where r.relnamespace = 'public'::regnamespace and r.relkind = 'r' and (who <> 'service_role' or not has_table_privilege(who, r.oid, 'select'))
  union all
  select format('grant of %s to %s', p.proname, a.grantee::regrole), format('revoke execute on function %s from %s', p.oid::regprocedure, a.grantee::regrole), '06'
    from pg_proc as p cross join lateral aclexplode(p.proacl) as a where p.pronamespace = 'public'::regnamespace and a.grantee <> p.proowner
  union all
  select format('%s closed to %s', p.proname, who), format('grant execute on function %s to %s', p.oid::regprocedure, who), '06'
    from pg_proc as p cross join unnest('{public, service_role}'::text[]) as who
   where p.pronamespace = 'public'::regnamespace and (who = 'public' or not has_function_privilege(who, p.oid, 'execute'))
  union all
  select format('%s of %s', split_part(s, '=', 1), p.proname), format('alter function %s reset %s', p.oid::regprocedure, split_part(s, '=', 1)), '06'
    from pg_proc as p cross join unnest(p.proconfig) as s
   where p.pronamespace = 'public'::regnamespace and split_part(s, '=', 1) in ('search_path', 'lock_timeout')
  union all
  select 'definer ' || p.proname, format('alter function %s security invoker', p.oid::regprocedure), '06'
    from pg_proc as p where p.pronamespace = 'public'::regnamespace and p.prosecdef
  union all
  select 'body of ' || p.proname, format('drop function %s cascade', p.oid::regprocedure), '06'
    from pg_proc as p where p.pronamespace = 'public'::regnamespace
  order by 1, 2";

/// Of the guards that only a list shows, one in so many is taken away, unless
/// `ATOMIC_ORDERS_TEST_GUARDS=all` asks for each: that takes minutes.
const OF_LISTED: usize = 8;

/// What the suite may miss, with the reason: nothing today.
const UNSEEN: [(&str, &str); 0] = [];

/// One guard, the statement that takes it away, and the files that look at it.
type Guard = (String, String, Vec<PathBuf>);

async fn guards(shop: &Shop) -> Vec<Guard> {
    let files = files();
    let of = |numbers: &str| -> Vec<PathBuf> {
        let named = |number: &str| {
            let found = |file: &&PathBuf| {
                file.file_name().unwrap().to_string_lossy().starts_with(&format!("{number}_"))
            };
            files.iter().find(found).unwrap().clone()
        };
        numbers.split(' ').map(named).collect()
    };
    let rows = shop.sql(GUARDS).await;
    assert!(rows.len() >= 1000, "the catalogue must be read: {}", rows.len());
    let all: Vec<Guard> =
        rows.iter().map(|row| (row.get(0), row.get(1), of(row.get::<_, &str>(2)))).collect();
    let (refusing, listed): (Vec<_>, Vec<_>) = all.into_iter().partition(|guard| guard.2.len() > 1);
    let each = std::env::var("ATOMIC_ORDERS_TEST_GUARDS").as_deref() == Ok("all");
    let listed = listed.into_iter().step_by(if each { 1 } else { OF_LISTED });
    refusing.into_iter().chain(listed).collect()
}

/// Whether one of the files fails without a guard. A guard that could not be taken away is an error.
fn noticed(psql: &Path, database: &str, (guard, statement, files): &Guard) -> bool {
    files.iter().any(|file| {
        let ran = run(psql, database, "public", file, Some(statement));
        assert!(ran.text.contains("# taken away"), "{guard} stayed: {}", ran.text);
        ran.passed().is_err()
    })
}

#[tokio::test]
async fn each_guard_of_the_catalogue_taken_away_is_noticed_by_the_pgtap_suite() {
    let Some(psql) = tools().await else { return };
    let _alone = ONE_AT_A_TIME.lock().await;
    // Each worker has a database of its own, because taking a guard away locks its table.
    let mut shops = Vec::new();
    for _ in 0..2 {
        let shop = installed("public").await;
        with_extension(&shop).await;
        shops.push(shop);
    }
    let guards = guards(&shops[0]).await;
    // So that no file waits until another ends its membership.
    let roles = "public_orders_owner, public_orders_app, service_role, anon, authenticated";
    shops[0].sql(&format!("grant {roles} to {INSTALLER}")).await;
    let mut running = tokio::task::JoinSet::new();
    for (worker, shop) in shops.iter().enumerate() {
        let (psql, database) = (psql.clone(), shop.database.clone());
        let mine: Vec<Guard> = guards.iter().skip(worker).step_by(shops.len()).cloned().collect();
        running.spawn_blocking(move || -> Vec<String> {
            let unseen = mine.into_iter().filter(|guard| !noticed(&psql, &database, guard));
            unseen.map(|(guard, ..)| guard).collect()
        });
    }
    let mut unseen = running.join_all().await.concat();
    shops[0].sql(&format!("revoke {roles} from {INSTALLER}")).await;
    unseen.sort();
    let listed: Vec<&str> = UNSEEN.iter().map(|(guard, _)| *guard).collect();
    assert_eq!(unseen, listed, "of {} guards", guards.len());
}
