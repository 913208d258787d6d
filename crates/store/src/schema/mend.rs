//! Putting back what is missing or changed, when a shop is installed over a shop.
//!
//! Promise: what stands afterwards is what this release makes on this very server, or the whole
//! installation is rolled back with the name of what cannot be put back. What this release makes is not
//! guessed: it makes a shop in a schema of its own, looks at it, and takes it back. // G21, G38

use super::objects::{Definition, Difference, How, Key, differences, standing};
use super::script;
use crate::Error;
use crate::sql::{MIGRATIONS, Names};
use crate::transact::Transaction;
use std::collections::{BTreeMap, BTreeSet};
use tokio_postgres::types::Type;

/// A table larger than this is not read under a lock that stops the shop meanwhile.
const BYTES_MAX: i64 = 256 << 20;

/// What this release makes, as it would stand in the schema of `names`.
pub(super) async fn released(
    tx: &Transaction,
    names: &Names,
) -> Result<BTreeMap<Key, Definition>, Error> {
    let model = Names { schema: format!("{}_orders_model", names.schema), ..names.clone() };
    tx.execute(&format!(
        "savepoint model; reset role; create schema \"{}\" authorization \"{}\"; set local role \"{}\"; \
         set local client_min_messages = warning",
        model.schema, model.owner, model.owner
    ))
    .await?;
    for (_, file) in MIGRATIONS {
        tx.execute(&model.render(file)).await?;
    }
    tx.execute(&script::functions_and_guards(&model)).await?;
    let made = standing(tx, &model).await?;
    tx.execute("rollback to savepoint model; release savepoint model").await?;
    let rows = tx.query("select quote_ident($1)", &[(&names.schema, Type::TEXT)]).await?;
    let quoted: String = rows.first().map_or_else(String::new, |row| row.get(0));
    let renamed = |text: &str| {
        text.replace(&format!("\"{}\"", model.schema), &format!("\"{}\"", names.schema))
            .replace(&format!("{}.", model.schema), &format!("{quoted}."))
    };
    let rename = |definition: &Definition| {
        definition.iter().map(|part| part.as_deref().map(renamed)).collect::<Definition>()
    };
    Ok(made.into_iter().map(|(key, definition)| (key, rename(&definition))).collect())
}

/// Gives back to the owner what the shop wrote down as its own and somebody gave to another role.
pub(super) async fn take_back(tx: &Transaction, names: &Names) -> Result<(), Error> {
    let lists = tx
        .query(
            "select count(*) from pg_class
              where relnamespace = to_regnamespace(quote_ident($1)) and pg_get_userbyid(relowner) = $2
                and relname = any ('{protected_functions, protected_objects}')",
            &[(&names.schema, Type::TEXT), (&names.owner, Type::TEXT)],
        )
        .await?;
    if lists.first().is_none_or(|row| row.get::<_, i64>(0) != 2) {
        return Ok(());
    }
    let schema = &names.schema;
    let written_down = tx
        .query(
            &format!(
                "select 'function', signature from \"{schema}\".protected_functions
                 union all select kind, name from \"{schema}\".protected_objects where kind in ('table', 'type')"
            ),
            &[],
        )
        .await?;
    let ours: BTreeSet<(String, String)> =
        written_down.iter().map(|row| (row.get(0), row.get(1))).collect();
    for (key, definition) in standing(tx, names).await? {
        if !ours.contains(&(key.kind.clone(), key.name.clone())) {
            continue;
        }
        let (owner, what) = match key.kind.as_str() {
            "table" => (definition.get(2), format!("table \"{schema}\".\"{}\"", key.name)),
            "type" => (definition.get(1), format!("type \"{schema}\".\"{}\"", key.name)),
            _ => {
                let signature = definition.first().cloned().flatten().unwrap_or_default();
                (definition.get(1), format!("function {signature}"))
            }
        };
        if owner.and_then(Option::as_deref) != Some(names.owner.as_str()) {
            let sql = format!("alter {what} owner to \"{}\"", names.owner);
            let gone = format!("{key} belongs to another role now");
            let as_installer = format!("reset role; {sql}; set local role \"{}\"", names.owner);
            tx.execute(&as_installer).await.map_err(|error| cannot(&gone, &sql, error))?;
        }
    }
    Ok(())
}

/// Puts back columns, constraints and indexes, which the migrations make once.
pub(super) async fn mend(
    tx: &Transaction,
    names: &Names,
    wanted: &BTreeMap<Key, Definition>,
) -> Result<(), Error> {
    let found = standing(tx, names).await?;
    let all = differences(wanted, &found);
    let rows = ["table", "type", "column", "attribute"];
    let gone = |one: &&Difference| one.how == How::Missing && rows.contains(&one.key.kind.as_str());
    refuse(&all.iter().filter(gone).collect::<Vec<_>>())?;
    let mut repairs: Vec<Repair> = all
        .into_iter()
        .filter_map(|one| {
            let (wanted, found) = (wanted.get(&one.key)?, found.get(&one.key));
            repair(names, one, wanted, found)
        })
        .collect();
    repairs.sort_by_key(|repair| repair.rank);
    for repair in repairs {
        let bytes = tx
            .query(
                "select pg_table_size(c.oid) from pg_class as c
                  where c.relnamespace = to_regnamespace(quote_ident($1)) and c.relname = $2",
                &[(&names.schema, Type::TEXT), (&repair.difference.key.parent, Type::TEXT)],
            )
            .await?;
        if bytes.first().is_some_and(|row| row.get::<_, i64>(0) > BYTES_MAX) {
            return Err(too_large(&repair));
        }
        let done = tx.execute(&repair.sql).await;
        done.map_err(|error| cannot(&repair.difference.to_string(), &repair.sql, error))?;
    }
    Ok(())
}

/// Drops the functions of former releases, and refuses what is still not as this release makes it.
pub(super) async fn demand(
    tx: &Transaction,
    names: &Names,
    wanted: &BTreeMap<Key, Definition>,
) -> Result<(), Error> {
    let mut found = standing(tx, names).await?;
    let retired: Vec<Key> = found
        .keys()
        .filter(|key| key.kind == "function" && !wanted.contains_key(key))
        .cloned()
        .collect();
    let signatures: Vec<String> =
        retired.iter().filter_map(|key| found.remove(key)?.first().cloned().flatten()).collect();
    if !signatures.is_empty() {
        let sql = format!("drop function {}", signatures.join(", "));
        let what = format!("function {} was not released", signatures.join(", "));
        tx.execute(&sql).await.map_err(|error| cannot(&what, &sql, error))?;
    }
    let left = differences(wanted, &found);
    refuse(&left.iter().filter(|one| one.is_fault()).collect::<Vec<_>>())
}

/// Ends the installation with the names of what it cannot put back.
fn refuse(left: &[&Difference]) -> Result<(), Error> {
    if left.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = left.iter().map(ToString::to_string).collect();
    Err(Error::BadGround(format!(
        "an installation cannot put this back, and nothing was changed: {}. Drop what was added; restore \
         what is missing or changed, from a backup if rows went with it; then run `atomic-orders migrate` \
         again",
        list.join("; ")
    )))
}

/// How one object is put back.
struct Repair {
    difference: Difference,
    /// What others rest upon comes first.
    rank: u8,
    sql: String,
    /// What a person runs instead while the shop goes on, where there is a way.
    by_hand: Option<String>,
}

fn repair(
    names: &Names,
    difference: Difference,
    wanted: &Definition,
    found: Option<&Definition>,
) -> Option<Repair> {
    if difference.how == How::Added {
        return None;
    }
    let Names { schema, .. } = names;
    let Key { kind, parent, name } = &difference.key;
    let definition = wanted.first()?.clone()?;
    let on = if kind == "domain constraint" { "domain" } else { "table" };
    let begin = format!("alter {on} \"{schema}\".\"{parent}\"");
    let drop = found.map_or_else(String::new, |_| format!("{begin} drop constraint \"{name}\";\n"));
    let mut by_hand = None;
    let (rank, sql) = match kind.as_str() {
        "column" => (1, column(&format!("{begin} alter column \"{name}\""), wanted, found?)?),
        "type" => (0, domain(&format!("alter domain \"{schema}\".\"{name}\""), wanted, found?)?),
        "domain constraint" => {
            let add = format!("{drop}{begin} add constraint \"{name}\" {definition};\n");
            (2, add + &checked_again(schema, parent))
        }
        "constraint" => {
            let add = format!("{begin} add constraint \"{name}\" {definition}");
            let rank = match definition.split(' ').next() {
                Some("CHECK") => 4,
                Some("FOREIGN") => 5,
                _ => 3,
            };
            by_hand = (rank > 3)
                .then(|| format!("{drop}{add} not valid; {begin} validate constraint \"{name}\";"));
            (rank, format!("{drop}{add};"))
        }
        "index" => {
            let drop = found
                .map_or_else(String::new, |_| format!("drop index \"{schema}\".\"{name}\";\n"));
            let concurrently = definition.replacen("INDEX", "INDEX CONCURRENTLY", 1);
            by_hand =
                Some(format!("{}{concurrently};", drop.replacen("index", "index concurrently", 1)));
            (6, format!("{drop}{definition};"))
        }
        _ => return None,
    };
    Some(Repair { difference, rank, sql, by_hand })
}

/// The default and "not null" of a column; another type is another column.
fn column(begin: &str, wanted: &Definition, found: &Definition) -> Option<String> {
    let [kind, not_null, default, rest @ ..] = wanted.as_slice() else { return None };
    let same = found.first() == Some(kind) && found.get(3..) == Some(rest);
    same.then(|| {
        format!("{begin} {};\n{begin} {};", given(default.as_ref()), filled(not_null.as_ref()))
    })
}

/// The default and "not null" of a domain.
fn domain(begin: &str, wanted: &Definition, found: &Definition) -> Option<String> {
    let [kind, owner, base, not_null, default, rest @ ..] = wanted.as_slice() else { return None };
    let same = found.get(..3) == Some(&[kind.clone(), owner.clone(), base.clone()])
        && found.get(5..) == Some(rest);
    (same && kind.as_deref() == Some("d")).then(|| {
        format!("{begin} {};\n{begin} {};", given(default.as_ref()), filled(not_null.as_ref()))
    })
}

fn given(default: Option<&String>) -> String {
    default.map_or_else(|| "drop default".to_owned(), |value| format!("set default {value}"))
}

fn filled(not_null: Option<&String>) -> &'static str {
    if not_null.is_some_and(|word| word == "true") { "set not null" } else { "drop not null" }
}

/// Reads again the rows that a domain keeps whole through a check of their table: PostgreSQL reads
/// those of its own columns by itself.
fn checked_again(schema: &str, domain: &str) -> String {
    format!(
        "do $again$ declare step text; begin
           for step in select distinct format('alter table %s drop constraint %I, add constraint %I %s',
                  c.conrelid::regclass, c.conname, c.conname, pg_get_constraintdef(c.oid))
             from pg_constraint as c join pg_depend as d on d.classid = 'pg_constraint'::regclass and d.objid = c.oid
            where c.contype = 'c' and c.conrelid <> 0 and d.refclassid = 'pg_type'::regclass
              and d.refobjid = '\"{schema}\".\"{domain}\"'::regtype
           loop
             execute step;
           end loop;
         end $again$;"
    )
}

/// What stands against a repair, in a sentence; what passes by itself stays as it is.
fn cannot(what: &str, sql: &str, error: Error) -> Error {
    match error {
        Error::Database { ref message, .. } if !error.is_transient() => Error::BadGround(format!(
            "{what}, and cannot be put back: {message}. Nothing was changed. Remove what stands against \
             it, then run `atomic-orders migrate` again; it runs: {}",
            sql.lines().next().unwrap_or_default()
        )),
        other => other,
    }
}

fn too_large(repair: &Repair) -> Error {
    let way = repair.by_hand.as_ref().map_or_else(
        || format!("In a quiet hour run as a superuser: {}", repair.sql),
        |sql| format!("Run as a superuser, while the shop goes on: {sql}"),
    );
    Error::BadGround(format!(
        "{}, and its table is too large to be read while the shop waits. Nothing was changed. {way} \
         Then run `atomic-orders migrate` again",
        repair.difference
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names::of("shop").unwrap()
    }

    fn missing(kind: &str, parent: &str, name: &str, definition: &str) -> Repair {
        let key = Key { kind: kind.into(), parent: parent.into(), name: name.into() };
        let wanted = vec![Some(definition.to_owned()), Some("true".into())];
        repair(&names(), Difference { key, how: How::Missing }, &wanted, None).unwrap()
    }

    #[test]
    fn a_table_too_large_to_be_read_under_a_lock_is_named_with_what_to_run_instead() {
        let index =
            missing("index", "orders", "one", "CREATE UNIQUE INDEX one ON shop.orders (id)");
        let said = too_large(&index).to_string();
        assert!(said.contains("index one of orders is missing"), "{said}");
        assert!(
            said.contains("CREATE UNIQUE INDEX CONCURRENTLY one ON shop.orders (id);"),
            "{said}"
        );
        let check = missing("constraint", "orders", "two", "CHECK ((id IS NOT NULL))");
        let said = too_large(&check).to_string();
        assert!(
            said.contains("add constraint \"two\" CHECK ((id IS NOT NULL)) not valid;"),
            "{said}"
        );
        assert!(said.contains("validate constraint \"two\";"), "{said}");
        let key = missing("constraint", "orders", "three", "PRIMARY KEY (id)");
        assert!(too_large(&key).to_string().contains("In a quiet hour"));
    }

    #[test]
    fn what_others_rest_upon_is_put_back_first() {
        let rank = |kind, definition| missing(kind, "orders", "x", definition).rank;
        let ranks = [
            rank("domain constraint", "CHECK ((VALUE > 0))"),
            rank("constraint", "UNIQUE (id)"),
            rank("constraint", "CHECK ((id IS NOT NULL))"),
            rank("constraint", "FOREIGN KEY (id) REFERENCES shop.orders(id)"),
            rank("index", "CREATE INDEX x ON shop.orders (id)"),
        ];
        assert!(ranks.is_sorted() && ranks[0] < ranks[1], "{ranks:?}");
    }

    #[test]
    fn a_column_of_another_type_is_not_put_back() {
        let part = |text: &str| Some(text.to_owned());
        let wanted = vec![part("text"), part("true"), part("'x'::text"), part(""), part(""), None];
        let mut found = wanted.clone();
        (found[1], found[2]) = (part("false"), None);
        let sql = column("alter", &wanted, &found).unwrap();
        assert_eq!(sql, "alter set default 'x'::text;\nalter set not null;");
        found[0] = part("integer");
        assert_eq!(column("alter", &wanted, &found), None);
    }
}
