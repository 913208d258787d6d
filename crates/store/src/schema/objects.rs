//! What an installation made, read from the catalogue, and how it differs from what was written down.
//!
//! Promise: every question to the catalogue is asked with PostgreSQL's own search path, so that the
//! answer does not depend on who asks, and nothing that stands in the shop's schema is run. // G21, G38

use super::names;
use crate::sql::Names;
use crate::transact::Transaction;
use crate::{Error, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use tokio_postgres::Row;

/// PostgreSQL's own objects first and nothing else behind them but the session's temporary ones.
pub(super) const PINNED: &str = "set local search_path = pg_catalog, pg_temp";

/// Which object: its kind, what it belongs to (or nothing) and its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub kind: String,
    pub parent: String,
    pub name: String,
}

/// What an object is: the columns of `queries/objects.sql`, by kind.
pub(super) type Definition = Vec<Option<String>>;

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind.as_str(), self.parent.as_str()) {
            // The name of a grant says all of it.
            (kind @ "grant", _) => write!(f, "{kind} of {}", self.name),
            (kind, "") => write!(f, "{kind} {}", self.name),
            (kind, parent) => write!(f, "{kind} {} of {parent}", self.name),
        }
    }
}

/// How an object differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Missing,
    Changed,
    Added,
}

/// An object that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    pub key: Key,
    pub how: How,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self.how {
            How::Missing => "is missing",
            How::Changed => "is not as released",
            How::Added => "was not released",
        };
        write!(f, "{} {how}", self.key)
    }
}

impl Difference {
    /// An addition that can refuse a write or cost time, but change and reveal nothing, is the
    /// shopkeeper's own affair: an index, a constraint, a column. A trigger, a rule, a policy, a grant
    /// or a function is not.
    pub fn is_fault(&self) -> bool {
        const HARMLESS: [&str; 7] =
            ["table", "type", "column", "attribute", "constraint", "domain constraint", "index"];
        self.how != How::Added || !HARMLESS.contains(&self.key.kind.as_str())
    }

    /// The clock alone does not stop a start: a test shop replaces it (ruling 23). `doctor` and
    /// `verify` name it.
    fn stops_a_start(&self) -> bool {
        self.is_fault() && self.key.name != "clock_now()"
    }
}

/// The differences between what should be and what is, without those that follow from another: what
/// belongs to a missing table is missing with it.
pub(super) fn differences(
    wanted: &BTreeMap<Key, Definition>,
    found: &BTreeMap<Key, Definition>,
) -> Vec<Difference> {
    let missing = wanted.iter().filter_map(|(key, definition)| match found.get(key) {
        None => Some((key, How::Missing)),
        Some(is) if is != definition => Some((key, How::Changed)),
        Some(_) => None,
    });
    let added = found.keys().filter(|key| !wanted.contains_key(key)).map(|key| (key, How::Added));
    concise(missing.chain(added).map(|(key, how)| Difference { key: key.clone(), how }).collect())
}

fn concise(mut all: Vec<Difference>) -> Vec<Difference> {
    let whole: BTreeSet<String> = all
        .iter()
        .filter(|one| one.key.parent.is_empty() && one.how != How::Changed)
        .map(|one| one.key.name.clone())
        .collect();
    let constraints: BTreeSet<String> = all
        .iter()
        .filter(|one| one.key.kind == "constraint")
        .map(|one| one.key.name.clone())
        .collect();
    all.retain(|one| {
        let of_constraint = one.key.kind == "index" && constraints.contains(&one.key.name);
        !of_constraint && !whole.contains(&one.key.parent)
    });
    all.sort_by(|a, b| a.key.cmp(&b.key));
    all
}

/// The statement that lists the objects of a shop.
pub(super) fn listing(names: &Names) -> String {
    names.render(include_str!("../../queries/objects.sql"))
}

/// What stands, within a transaction whose search path is pinned.
pub(super) async fn standing(
    tx: &Transaction,
    names: &Names,
) -> Result<BTreeMap<Key, Definition>, Error> {
    let rows = tx.query(&listing(names), &[]).await.map_err(|error| without_list(names, error))?;
    Ok(rows.iter().map(|row| (key(row), row.get(3))).collect())
}

fn key(row: &Row) -> Key {
    Key { kind: row.get(0), parent: row.get(1), name: row.get(2) }
}

/// Without its list a shop cannot be compared with what was installed.
fn without_list(names: &Names, error: Error) -> Error {
    if error.sqlstate() != Some("42P01") {
        return error;
    }
    Error::BadGround(format!(
        "schema {} has lost its list of what was installed: make the tables protected_functions and \
         protected_objects again, empty and owned by {}, as `atomic-orders migrate --print` shows them; \
         then run `atomic-orders migrate`",
        names.schema, names.owner
    ))
}

/// Writes down what stands, so that a difference shows.
pub(super) fn protect(names: &Names) -> String {
    let (schema, listing, release) = (&names.schema, listing(names), super::RELEASE);
    format!(
        "delete from \"{schema}\".protected_functions;\n\
         delete from \"{schema}\".protected_objects;\n\
         with stands as materialized (\n{listing}), functions as (\n\
         \x20 insert into \"{schema}\".protected_functions (signature, digest, release)\n\
         \x20 select s.name, sha256(convert_to(s.definition::text, 'UTF8')), '{release}' from stands as s where s.kind = 'function'\n\
         )\n\
         insert into \"{schema}\".protected_objects (kind, parent, name, digest, release)\n\
         select s.kind, s.parent, s.name, sha256(convert_to(s.definition::text, 'UTF8')), '{release}'\n\
         \x20 from stands as s where s.kind <> 'function';\n"
    )
}

/// A question to the catalogue, asked with PostgreSQL's own search path.
pub(crate) async fn ask(store: &Store, what: &'static str, sql: String) -> Result<Vec<Row>, Error> {
    store
        .transact(what, move |tx| {
            let sql = sql.clone();
            Box::pin(async move {
                tx.execute(PINNED).await?;
                tx.query(&sql, &[]).await
            })
        })
        .await
}

/// What differs from what was written down at the last installation.
async fn compared(store: &Store) -> Result<Vec<Difference>, Error> {
    let names = names(store.schema())?;
    let schema = &names.schema;
    let sql = format!(
        "select kind, parent, name, w.digest is null, f.digest is null
           from (select 'function' as kind, '' as parent, signature as name, digest from \"{schema}\".protected_functions
                 union all select kind, parent, name, digest from \"{schema}\".protected_objects) as w
           full join (select kind, parent, name, sha256(convert_to(definition::text, 'UTF8')) as digest
                        from ({}) as o) as f using (kind, parent, name)
          where w.digest is distinct from f.digest",
        listing(&names)
    );
    let rows =
        ask(store, "schema.drift", sql).await.map_err(|error| without_list(&names, error))?;
    let how = |row: &Row| match (row.get(3), row.get(4)) {
        (true, _) => How::Added,
        (_, true) => How::Missing,
        _ => How::Changed,
    };
    Ok(concise(rows.iter().map(|row| Difference { key: key(row), how: how(row) }).collect()))
}

/// What is missing or changed since the installation, or was added to it and could change or reveal
/// something: one sentence each, without its full stop. // G21
pub async fn drift(store: &Store) -> Result<Vec<String>, Error> {
    let all = compared(store).await?;
    Ok(all.iter().filter(|one| one.is_fault()).map(ToString::to_string).collect())
}

/// Refuses to start on what is not as it was installed, with the first difference. // G21
pub(super) async fn check(store: &Store) -> Result<(), Error> {
    let all = compared(store).await?;
    let mut stops = all.iter().filter(|one| one.stops_a_start());
    let Some(first) = stops.next() else { return Ok(()) };
    let more = match stops.count() {
        0 => String::new(),
        more => format!(" (and {more} more: `atomic-orders doctor` names them)"),
    };
    Err(Error::BadGround(format!(
        "{first} in schema {}{more}: find out who changed it, then run `atomic-orders migrate`, which \
         puts it back or says why it cannot",
        store.schema()
    )))
}

/// What stands in the shop's schema and no release made, and does no harm there. In the schema
/// `public`, which others use too, foreign tables and types are left out.
pub async fn additions(store: &Store) -> Result<Vec<String>, Error> {
    let names = names(store.schema())?;
    let all = compared(store).await?;
    let mut found: Vec<String> =
        all.iter().filter(|one| !one.is_fault()).map(|one| one.key.to_string()).collect();
    let sql = names.render(include_str!("../../queries/foreign_objects.sql"));
    let rows = ask(store, "schema.additions", sql).await?;
    found.extend(rows.iter().map(|row| row.get::<_, String>(0)));
    Ok(found)
}
