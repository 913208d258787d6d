//! Refusing to work on a server, as a role or in a schema that is not safe. // G21

use super::{names, objects};
use crate::sql::MIGRATIONS;
use crate::{Error, Store};

/// Refuses ground that is not safe to stand on, with the sentence of its first fault: the server, the
/// roles, the version, and what was installed against what stands. // G21
pub async fn check_ground(store: &Store) -> Result<(), Error> {
    if let Some(fault) = ground_faults(store).await?.into_iter().next() {
        return Err(Error::BadGround(fault));
    }
    check_version(store).await?;
    objects::check(store).await
}

/// What is not safe about the server, this connection and the roles of callers: one sentence per fault,
/// each with its remedy.
pub async fn ground_faults(store: &Store) -> Result<Vec<String>, Error> {
    let names = names(store.schema())?;
    let sql = names.render(include_str!("../../queries/ground_faults.sql"));
    let rows = objects::ask(store, "schema.check_ground", sql).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Refuses a schema that holds no shop, or one of another version than this release works with.
pub async fn check_version(store: &Store) -> Result<(), Error> {
    let names = names(store.schema())?;
    let known = i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX) - 1;
    let sql = format!("select max(version) from \"{}\".schema_migrations", names.schema);
    let found = match objects::ask(store, "schema.version", sql).await {
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
