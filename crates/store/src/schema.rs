//! Installing a shop into a schema, and refusing to work on one that is not as this release left it.
//!
//! Promise: the whole installation is one transaction, made by a role that need not be a superuser;
//! doing it twice changes nothing; nothing that somebody else made is touched. // G21, G38

use crate::sql::{FUNCTIONS, MIGRATIONS, Names};
use crate::transact::Transaction;
use crate::{Error, Store};
use sha2::{Digest, Sha256};
use tokio_postgres::types::Type;

mod script;

pub use script::script;

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
                check_server(tx).await?;
                refuse_foreign_objects(tx, &names).await?;
                tx.execute(&script::roles(&names)).await?;
                tx.execute(&script::become_owner(&names)).await?;
                let migrations = migrate(tx, &names).await?;
                tx.execute(&script::functions_and_guards(&names)).await?;
                tx.execute(&script::give_back(&names)).await?;
                Ok(Installed {
                    migrations,
                    functions: FUNCTIONS.len(),
                    app_role: names.app.clone(),
                })
            })
        })
        .await
}

async fn check_server(tx: &Transaction) -> Result<(), Error> {
    let rows = tx.query("select current_setting('server_version_num')::int4", &[]).await?;
    let version: i32 = rows.first().map_or(0, |row| row.get(0));
    if version < 150_000 {
        return Err(Error::BadGround(format!(
            "PostgreSQL {} is too old: use 15 or newer",
            version / 10_000
        )));
    }
    Ok(())
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
                &format!(
                    "select digest from \"{}\".schema_migrations where version = $1",
                    names.schema
                ),
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
            &format!(
                "insert into \"{}\".schema_migrations (version, name, digest, applied_at)
                 values ($1, $2, $3, clock_timestamp())",
                names.schema
            ),
            &[(&version, Type::INT4), (name, Type::TEXT), (&digest, Type::BYTEA)],
        )
        .await?;
        applied.push((*name).to_owned());
    }
    Ok(applied)
}

/// Sets a setting of the shop, as the role that installs: it changes how every engine works.
pub async fn set(store: &Store, name: &str, value: &str) -> Result<(), Error> {
    let names = names(store.schema())?;
    let (name, value) = (name.to_owned(), value.to_owned());
    store
        .transact("schema.set", move |tx| {
            let (names, name, value) = (names.clone(), name.clone(), value.clone());
            Box::pin(async move {
                tx.execute(&script::become_owner(&names)).await?;
                let rows = tx
                    .query(
                        &format!(
                            "update \"{}\".settings set value = $2 where name = $1 returning 1",
                            names.schema
                        ),
                        &[(&name, Type::TEXT), (&value, Type::TEXT)],
                    )
                    .await?;
                if rows.is_empty() {
                    return Err(Error::BadGround(format!("there is no setting {name}")));
                }
                tx.execute(&script::give_back(&names)).await
            })
        })
        .await
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
                   full join ({}) as d on d.signature = f.signature
                  where f.digest is distinct from d.digest order by 1",
                names.schema,
                script::digests(&names)
            ),
            &[],
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
