//! Installing a shop into a schema, and refusing to work on one that is not as this release left it.
//!
//! Promise: the whole installation is one transaction, made by a role that need not be a superuser;
//! doing it twice changes nothing; nothing that somebody else made is touched. // G21, G38

use crate::sql::{FUNCTIONS, GUARDS, MIGRATIONS, Names};
use crate::transact::Transaction;
use crate::{Error, Store};
use sha2::{Digest, Sha256};
use std::time::Duration;
use tokio_postgres::types::Type;

mod ground;
mod mend;
mod objects;
mod script;

pub use ground::{check_ground, check_version, ground_faults};
pub(crate) use objects::ask;
pub use objects::{additions, drift};
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
             underscores, beginning with a letter and not with pg_"
        ))
    })
}

/// How long an installation may take, waiting for another one included: on a machine that is busy it takes
/// longer than any transaction of the service may. Whatever else somebody has it awaits for a second.
const INSTALL_MAX: Duration = Duration::from_mins(2);

/// Installs or updates the shop. `store` must be connected as a role that may create roles and
/// objects; it becomes the owner for the length of this transaction only (ruling 27).
pub async fn install(store: &Store) -> Result<Installed, Error> {
    let names = names(store.schema())?;
    store
        .with_limit(INSTALL_MAX)
        .transact("schema.install", move |tx| {
            let names = names.clone();
            Box::pin(async move {
                // Whatever stands in the shop's schema is not run with the installer's rights.
                tx.execute(objects::PINNED).await?;
                // The one advisory lock of the system: two installers at once, within a transaction.
                tx.execute("select pg_advisory_xact_lock(7014091)").await?;
                tx.execute("set local lock_timeout = '1s'").await?;
                check_server(tx).await?;
                tx.execute(&script::roles(&names)).await?;
                tx.execute(&script::become_owner(&names)).await?;
                mend::take_back(tx, &names).await?;
                refuse_foreign_objects(tx, &names).await?;
                let migrations = migrate(tx, &names).await?;
                build(tx, &names, migrations.len() < MIGRATIONS.len()).await?;
                tx.execute(&objects::protect(&names)).await?;
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

/// Makes functions and guards. Where a shop stood before, what is missing or changed in it is put back
/// first, and the whole must be as this release makes it. // G21
async fn build(tx: &Transaction, names: &Names, stood_before: bool) -> Result<(), Error> {
    let functions_and_guards = script::functions_and_guards(names);
    if !stood_before {
        return tx.execute(&functions_and_guards).await;
    }
    let released = mend::released(tx, names).await?;
    tx.execute(&script::take_tables(names)).await?;
    mend::mend(tx, names, &released).await?;
    tx.execute(&functions_and_guards).await?;
    mend::demand(tx, names, &released).await
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

/// Tables, types and functions of ours that somebody else owns: a name that is taken is not ours to
/// touch (ruling 29).
async fn refuse_foreign_objects(tx: &Transaction, names: &Names) -> Result<(), Error> {
    let (tables, types) = (made("table"), [made("domain"), made("type")].concat());
    let mut functions: Vec<_> = FUNCTIONS.iter().map(|(name, _)| (*name).to_owned()).collect();
    functions.extend(made("or replace function"));
    let rows = tx
        .query(
            "select 'table ' || c.relname from pg_class as c
               join pg_namespace as n on n.oid = c.relnamespace
              where n.nspname = $1 and c.relname = any ($2) and pg_get_userbyid(c.relowner) <> $5
             union all
             select 'function ' || p.proname from pg_proc as p
               join pg_namespace as n on n.oid = p.pronamespace
              where n.nspname = $1 and p.proname = any ($3) and pg_get_userbyid(p.proowner) <> $5
             union all
             select 'type ' || t.typname from pg_type as t
               join pg_namespace as n on n.oid = t.typnamespace
               left join pg_class as c on c.oid = t.typrelid
              where n.nspname = $1 and t.typname = any ($2 || $4) and pg_get_userbyid(t.typowner) <> $5
                and coalesce(c.relkind = 'c', true)
              order by 1",
            &[
                (&names.schema, Type::TEXT),
                (&tables, Type::TEXT_ARRAY),
                (&functions, Type::TEXT_ARRAY),
                (&types, Type::TEXT_ARRAY),
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

/// The names that the migrations and guards give to what they make of a kind.
fn made(kind: &str) -> Vec<String> {
    let begin = format!("create {kind} ");
    let lines = MIGRATIONS.iter().chain(GUARDS).flat_map(|(_, file)| file.lines());
    lines
        .filter_map(|line| {
            let rest = line.strip_prefix(&begin)?;
            let name = rest.trim_start_matches("if not exists ").strip_prefix(":\"schema\".")?;
            let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            Some(name[..end.unwrap_or(name.len())].to_owned())
        })
        .collect()
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
            None if version > 0 => {
                tx.execute(&script::take_tables(names)).await?;
                tx.execute(&names.render(file)).await?;
            }
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

#[cfg(test)]
mod tests {
    use super::made;

    #[test]
    fn the_names_of_what_the_files_make_are_read_from_the_files() {
        let tables = made("table");
        for table in
            ["schema_migrations", "orders", "order_events", "settings", "protected_objects"]
        {
            assert!(tables.iter().any(|name| name == table), "{table}: {tables:?}");
        }
        assert!(made("domain").iter().any(|name| name == "orders_head"));
        assert!(made("or replace function").iter().any(|name| name == "refuse_write"));
    }
}
