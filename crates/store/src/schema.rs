//! Installing a shop into a schema, and refusing to work on one that is not as this release left it.
//!
//! Promise: the whole installation is one transaction, made by a role that need not be a superuser;
//! doing it twice changes nothing; nothing that somebody else made is touched. // G21, G38

use crate::sql::{FUNCTIONS, GUARDS, MIGRATIONS, Names};
use crate::{Error, Store};
use orders_core::state::EDGES;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use tokio_postgres::types::Type;

/// What an installation did.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Installed {
    /// The migrations that were applied now, by name; empty when all stood already.
    pub migrations: Vec<String>,
    /// How many functions this release protects.
    pub functions: usize,
    /// The login role for the service.
    pub app_role: String,
}

/// The release that protects its functions.
pub const RELEASE: &str = env!("CARGO_PKG_VERSION");

/// The names of the shop in `schema`, or what is wrong with that name.
pub fn names(schema: &str) -> Result<Names, Error> {
    Names::of(schema).ok_or_else(|| {
        Error::BadGround(format!(
            "the schema name {schema:?} is refused: use 1 to 40 lower-case letters, digits and \
             underscores, beginning with a letter"
        ))
    })
}

/// Everything that an installation runs, as one text that a person can read and run with `psql`.
pub fn script(schema: &str) -> Result<String, Error> {
    let names = names(schema)?;
    let mut text = roles(&names, true);
    for (name, file) in MIGRATIONS.iter().chain(FUNCTIONS).chain(GUARDS) {
        let _ = write!(text, "\n-- {name}.sql\n{}", names.render(file));
    }
    text.push_str(&edges(&names));
    Ok(text)
}

/// Installs or updates the shop. `store` must be connected as a role that may create roles and
/// objects; it becomes the owner for the length of this transaction only (ruling 27).
pub async fn install(store: &Store) -> Result<Installed, Error> {
    let names = names(store.schema())?;
    store
        .transact("schema.install", move |tx| {
            let names = names.clone();
            Box::pin(async move {
                // The one advisory lock of the system: two installers at once, within a transaction.
                tx.execute("select pg_catalog.pg_advisory_xact_lock(7014091)").await?;
                tx.execute("set local lock_timeout = '1s'").await?;
                let modern = server_version(tx).await? >= 160_000;
                refuse_foreign_objects(tx, &names).await?;
                tx.execute(&roles(&names, modern)).await?;
                let migrations = migrate(tx, &names).await?;
                for (name, file) in FUNCTIONS {
                    tx.execute(&names.render(file)).await?;
                    tx.execute(&closed(&names, name)).await?;
                }
                for (_, file) in GUARDS {
                    tx.execute(&names.render(file)).await?;
                }
                tx.execute(&closed(&names, "refuse_write")).await?;
                tx.execute(&edges(&names)).await?;
                protect(tx, &names).await?;
                tx.execute(&give_back(&names)).await?;
                Ok(Installed {
                    migrations,
                    functions: FUNCTIONS.len(),
                    app_role: names.app.clone(),
                })
            })
        })
        .await
}

use crate::transact::Transaction;

async fn server_version(tx: &Transaction) -> Result<i32, Error> {
    let rows = tx.query("select current_setting('server_version_num')::int4", &[]).await?;
    let version: i32 = rows.first().map_or(0, |row| row.get(0));
    if version < 150_000 {
        return Err(Error::BadGround(format!(
            "PostgreSQL {} is too old: use 15 or newer",
            version / 10_000
        )));
    }
    Ok(version)
}

/// Tables and functions of ours that somebody else owns: a name that is taken is not ours to touch
/// (ruling 29).
async fn refuse_foreign_objects(tx: &Transaction, names: &Names) -> Result<(), Error> {
    const TABLES: [&str; 16] = [
        "orders",
        "order_edges",
        "order_items",
        "order_events",
        "order_attempts",
        "order_private",
        "payments",
        "findings",
        "alerts",
        "idempotency_keys",
        "api_keys",
        "workers",
        "provider_accounts",
        "settings",
        "protected_functions",
        "schema_migrations",
    ];
    let tables = TABLES.map(str::to_owned).to_vec();
    let mut functions: Vec<_> = FUNCTIONS.iter().map(|(name, _)| (*name).to_owned()).collect();
    functions.push("refuse_write".to_owned());
    let rows = tx
        .query(
            "select 'table ' || c.relname from pg_class as c
               join pg_namespace as n on n.oid = c.relnamespace
              where n.nspname = $1 and c.relname = any ($2) and c.relowner::regrole::text <> $4
             union all
             select 'function ' || p.proname from pg_proc as p
               join pg_namespace as n on n.oid = p.pronamespace
              where n.nspname = $1 and p.proname = any ($3) and p.proowner::regrole::text <> $4
              order by 1",
            &[
                (&names.schema, Type::TEXT),
                (&tables, Type::TEXT_ARRAY),
                (&functions, Type::TEXT_ARRAY),
                (&names.owner, Type::TEXT),
            ],
        )
        .await?;
    if rows.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    Err(Error::BadGround(format!(
        "schema {} holds objects that this program did not make: {}. Nothing was changed. Install \
         into a schema of its own with --schema",
        names.schema,
        list.join(", ")
    )))
}

/// Roles, and the owner's right to create for the length of this transaction. Roles belong to the
/// whole server, so that another shop's installer may make the same one at the same time; a
/// superuser needs no membership.
fn roles(names: &Names, modern: bool) -> String {
    let Names { schema, owner, app } = names;
    let mut text = String::new();
    for (role, kind) in [
        (owner.as_str(), "nologin"),
        (app.as_str(), "login"),
        ("anon", "nologin"),
        ("authenticated", "nologin"),
        ("service_role", "nologin"),
    ] {
        let _ = writeln!(
            text,
            "do $$ begin if not exists (select from pg_roles where rolname = '{role}') then \
             create role \"{role}\" {kind}; end if; \
             exception when duplicate_object or unique_violation then null; end $$;"
        );
    }
    let with = if modern { " with inherit true, set true" } else { "" };
    let _ = write!(
        text,
        "create schema if not exists \"{schema}\";\n\
         do $$ begin if not (select rolsuper from pg_roles where rolname = current_user) then \
         grant \"{owner}\" to current_user{with}; end if; end $$;\n\
         revoke create on schema \"{schema}\" from public;\n\
         grant usage, create on schema \"{schema}\" to \"{owner}\";\n\
         set local role \"{owner}\";\n\
         set local search_path = \"{schema}\", pg_temp;\n"
    );
    text
}

/// Ends the installer's membership in the owner.
fn give_back(names: &Names) -> String {
    let Names { schema, owner, app } = names;
    format!(
        "reset role;\n\
         grant usage on schema \"{schema}\" to service_role, \"{app}\";\n\
         revoke create on schema \"{schema}\" from \"{owner}\";\n\
         do $$ begin if not (select rolsuper from pg_roles where rolname = current_user) then \
         revoke \"{owner}\" from current_user; end if; end $$;\n"
    )
}

/// Closes a function to everybody: PostgreSQL and Supabase both open new functions by default.
fn closed(names: &Names, function: &str) -> String {
    format!(
        "revoke all on function \"{}\".{function} from public, anon, authenticated, service_role, \
         \"{}\"",
        names.schema, names.app
    )
}

async fn migrate(tx: &Transaction, names: &Names) -> Result<Vec<String>, Error> {
    let mut applied = Vec::new();
    for (version, (name, file)) in (0_i32..).zip(MIGRATIONS) {
        if version == 0 {
            tx.execute(&format!("set local client_min_messages = warning; {}", names.render(file)))
                .await?;
        }
        let digest = Sha256::digest(file).to_vec();
        let stored = tx
            .query(
                "select digest from schema_migrations where version = $1",
                &[(&version, Type::INT4)],
            )
            .await?;
        match stored.first().map(|row| row.get::<_, Vec<u8>>(0)) {
            Some(known) if known == digest => continue,
            Some(_) => {
                return Err(Error::BadGround(format!(
                    "migration {name} was applied in another form; this release cannot continue \
                     from it. Use the release that installed it, or restore its migration file"
                )));
            }
            None if version > 0 => tx.execute(&names.render(file)).await?,
            None => {}
        }
        tx.query(
            "insert into schema_migrations (version, name, digest, applied_at)
             values ($1, $2, $3, clock_timestamp())",
            &[(&version, Type::INT4), (name, Type::TEXT), (&digest, Type::BYTEA)],
        )
        .await?;
        applied.push((*name).to_owned());
    }
    Ok(applied)
}

/// The edges, generated from `orders_core::state`: the constraint that refuses, and the readable
/// twin. The constraint is one array, because every statement reads it anew: as a list of pairs it
/// cost a single call a fifth of its time. It is replaced only when it differs, first not valid, then validated, so that
/// no long lock is needed on a large table. // G10
fn edges(names: &Names) -> String {
    let schema = &names.schema;
    let mut pairs = String::new();
    let mut rows = String::new();
    for edge in &EDGES {
        let comma = if pairs.is_empty() { "" } else { "," };
        let (before, after) = (edge.before_name(), edge.after.name());
        let _ = write!(pairs, "{comma}{before}>{after}");
        let _ =
            write!(rows, "{comma}('{before}', '{after}', '{}')", edge.meaning.replace('\'', "''"));
    }
    let digest = Sha256::digest(&pairs).iter().take(8).fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    format!(
        "do $edges$ begin
           if not exists (select from pg_constraint where conname = 'orders_edge_known'
               and conrelid = '\"{schema}\".orders'::regclass
               and obj_description(oid, 'pg_constraint') = 'edges {digest}') then
             alter table \"{schema}\".orders drop constraint if exists orders_edge_known;
             alter table \"{schema}\".orders add constraint orders_edge_known
               check (status_before || '>' || status = any ('{{{pairs}}}')) not valid;
             alter table \"{schema}\".orders validate constraint orders_edge_known;
             comment on constraint orders_edge_known on \"{schema}\".orders is 'edges {digest}';
             delete from \"{schema}\".order_edges;
             insert into \"{schema}\".order_edges (status_before, status_after, meaning) values {rows};
           end if;
         end $edges$;\n"
    )
}

/// The digest of each function as the catalogue has it: source, arguments, settings, owner's rights.
/// Nothing in it depends on the reader's `search_path`, as `regprocedure` and
/// `pg_get_functiondef` would.
const DIGESTS: &str = "select p.proname || '(' || coalesce((
         select string_agg(case when t.typnamespace = p.pronamespace then t.typname else format_type(t.oid, null) end, ',' order by a.at)
           from unnest(p.proargtypes) with ordinality as a (type, at) join pg_type as t on t.oid = a.type), '') || ')' as signature,
       sha256(convert_to(concat_ws(E'\\x1f', p.proname, p.prosrc, pg_get_function_sqlbody(p.oid), p.provolatile, p.proretset,
         p.prosecdef, p.proconfig::text, p.proargnames::text, p.proargmodes::text, pg_get_expr(p.proargdefaults, 0), (
           select string_agg(t.typname, ',' order by a.at)
             from unnest(coalesce(p.proallargtypes, p.proargtypes) || p.prorettype) with ordinality as a (type, at)
             join pg_type as t on t.oid = a.type)), 'UTF8')) as digest
  from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
 where n.nspname = $1 and p.proowner::regrole::text = $2";

async fn protect(tx: &Transaction, names: &Names) -> Result<(), Error> {
    let schema = &names.schema;
    tx.execute(&format!("delete from \"{schema}\".protected_functions")).await?;
    tx.query(
        &format!(
            "insert into \"{schema}\".protected_functions (signature, digest, release)
             select d.signature, d.digest, $3 from ({DIGESTS}) as d"
        ),
        &[(&names.schema, Type::TEXT), (&names.owner, Type::TEXT), (&RELEASE, Type::TEXT)],
    )
    .await?;
    Ok(())
}

/// What differs between the installed functions and what this release protected, as sentences.
pub async fn drift(store: &Store) -> Result<Vec<String>, Error> {
    let names = names(store.schema())?;
    let rows = store
        .query(
            "schema.drift",
            &format!(
                "select coalesce(f.signature, d.signature),
                        case when d.signature is null then 'is missing'
                             when f.signature is null then 'was not released'
                             else 'is not as released' end
                   from \"{}\".protected_functions as f
                   full join ({DIGESTS}) as d on d.signature = f.signature
                  where f.digest is distinct from d.digest order by 1",
                names.schema
            ),
            &[(&names.schema, Type::TEXT), (&names.owner, Type::TEXT)],
        )
        .await?;
    Ok(rows
        .iter()
        .map(|row| format!("{} {}", row.get::<_, String>(0), row.get::<_, String>(1)))
        .collect())
}

/// Refuses ground that is not safe to stand on, with the sentence of its first fault. // G21
pub async fn check_ground(store: &Store) -> Result<(), Error> {
    match ground_faults(store).await?.into_iter().next() {
        Some(fault) => Err(Error::BadGround(fault)),
        None => check_version(store).await,
    }
}

/// What is not safe about the server and the role of this connection: one sentence per fault, each
/// with its remedy.
pub async fn ground_faults(store: &Store) -> Result<Vec<String>, Error> {
    let names = names(store.schema())?;
    let rows = store
        .query(
            "schema.check_ground",
            "select s.fault from (values
               (current_setting('fsync') <> 'on', 'the server runs with fsync off: a power cut would lose committed orders; set fsync = on'),
               (current_setting('full_page_writes') <> 'on', 'the server runs with full_page_writes off: set full_page_writes = on'),
               (current_setting('synchronous_commit') = 'off', 'synchronous_commit is off: acknowledged orders could be lost; set it to on'),
               (pg_is_in_recovery(), 'the server is a standby: connect to the primary'),
               ((select rolsuper from pg_roles where rolname = current_user), 'the service is connected as a superuser, who could write past the functions; connect as the application role'),
               (exists (select from pg_roles as r cross join pg_namespace as n where n.nspname = $2 and has_schema_privilege(r.oid, n.oid, 'create')
                         and r.rolname in (current_user, 'anon', 'authenticated', 'service_role')), 'roles of callers may create objects in the shop''s schema and so stand before its functions: revoke create on it'),
               (exists (select from pg_roles where rolname = $1) and pg_has_role(current_user, $1::name, 'member'), 'the service is connected as a role that may become the owner; connect as the application role')
             ) as s (wrong, fault) where s.wrong",
            &[(&names.owner, Type::TEXT), (&names.schema, Type::TEXT)],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Refuses a schema that holds no shop, or one of another version than this release works with.
pub async fn check_version(store: &Store) -> Result<(), Error> {
    let names = names(store.schema())?;
    let known = i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX) - 1;
    let sql = format!("select max(version) from \"{}\".schema_migrations", names.schema);
    let found = match store.query("schema.version", &sql, &[]).await {
        Ok(rows) => rows.first().and_then(|row| row.get::<_, Option<i32>>(0)),
        Err(error) if matches!(error.sqlstate(), Some("42P01" | "3F000")) => None,
        Err(error) => return Err(error),
    };
    match found {
        Some(version) if version == known => Ok(()),
        None => Err(Error::BadGround(format!(
            "schema {} holds no shop yet: run `atomic-orders migrate`",
            names.schema
        ))),
        Some(version) if version < known => Err(Error::BadGround(format!(
            "schema {} is at version {version}, this release needs {known}: run `atomic-orders migrate`",
            names.schema
        ))),
        Some(version) => Err(Error::BadGround(format!(
            "schema {} is at version {version}, which this release does not know (it knows {known}): \
             use a newer release",
            names.schema
        ))),
    }
}
