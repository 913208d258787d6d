//! Calling a door by name with named arguments, as PostgREST does for `rpc`. // ruling 19, 20
//!
//! Promise: only doors that `service_role` may execute can be called; every argument is of its
//! parameter's kind before the database is asked, and travels as text with a cast to its type.

mod argument;

pub use argument::{Misuse, check};

use crate::transact::Param;
use crate::{Error, Store, schema};
use serde_json::{Map, Value};
use std::sync::Arc;
use tokio_postgres::types::{ToSql, Type};

/// A function that callers may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// Its name.
    pub name: String,
    /// Its parameters in order.
    pub params: Vec<DoorParam>,
    /// Whether it answers rows instead of one value.
    pub returns_rows: bool,
    /// Whether it answers nothing at all (`void`).
    pub returns_nothing: bool,
    /// Whether it may write; one that may not can be called with GET.
    pub writes: bool,
}

/// A parameter of a door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoorParam {
    /// Its name.
    pub name: String,
    /// Its type as SQL spells it.
    pub kind: String,
    /// Whether it may be left out.
    pub optional: bool,
}

/// What a door answered.
#[derive(Debug, Clone)]
pub struct Called {
    /// The value, or an array of rows.
    pub value: Value,
    /// The HTTP status that the door asked for.
    pub status: Option<u16>,
}

/// The doors of the shop.
pub async fn catalogue(store: &Store) -> Result<Vec<Door>, Error> {
    let names = schema::names(store.schema())?;
    let rows = store
        .query(
            "doors.catalogue",
            include_str!("../queries/doors.sql"),
            &[(&names.schema, Type::TEXT), (&names.owner, Type::TEXT)],
        )
        .await?;
    Ok(rows.iter().map(door).collect())
}

fn door(row: &tokio_postgres::Row) -> Door {
    let names: Vec<String> = row.get(1);
    let kinds: Vec<String> = row.get(2);
    let needed = names.len() - usize::try_from(row.get::<_, i32>(3)).unwrap_or(0);
    let params = names.into_iter().zip(kinds).enumerate();
    Door {
        name: row.get(0),
        params: params
            .map(|(at, (name, kind))| DoorParam { name, kind, optional: at >= needed })
            .collect(),
        returns_rows: row.get(4),
        writes: row.get(5),
        returns_nothing: row.get(6),
    }
}

/// Calls a door. `claims` are the verified claims of the caller, for the history. Arguments that
/// [`check`] refuses are an error with its code and its sentence.
pub async fn call(
    store: &Store,
    door: &Door,
    args: &Map<String, Value>,
    claims: &Value,
) -> Result<Called, Error> {
    check(door, args)?;
    let sql: Arc<str> = statement(store.schema(), door, args).into();
    let values: Arc<[Option<String>]> = door
        .params
        .iter()
        .filter_map(|param| {
            args.get(&param.name).map(|value| argument::as_text(value, &param.kind))
        })
        .collect();
    let claims = Arc::new(claims.to_string());
    store
        .transact("doors.call", move |tx| {
            let (sql, values, claims) =
                (Arc::clone(&sql), Arc::clone(&values), Arc::clone(&claims));
            Box::pin(async move {
                tx.query(
                    "select set_config('request.jwt.claims', $1, true)",
                    &[(claims.as_ref(), Type::TEXT)],
                )
                .await?;
                let params: Vec<Param<'_>> =
                    values.iter().map(|value| (value as &(dyn ToSql + Sync), Type::TEXT)).collect();
                let rows = tx.query(&sql, &params).await?;
                let row = rows.first();
                Ok(Called {
                    value: row.and_then(|row| row.get(0)).unwrap_or(Value::Null),
                    status: row
                        .and_then(|row| row.get::<_, Option<String>>(1))
                        .and_then(|status| status.parse().ok()),
                })
            })
        })
        .await
}

/// The statement for the arguments that were given; the others keep their defaults.
fn statement(schema: &str, door: &Door, args: &Map<String, Value>) -> String {
    let given = door.params.iter().filter(|param| args.contains_key(&param.name));
    let list: Vec<String> = given
        .enumerate()
        .map(|(at, param)| format!("{} => ${}::text::{}", param.name, at + 1, param.kind))
        .collect();
    let call = format!("\"{schema}\".{}({})", door.name, list.join(", "));
    // The status is read after the call: the target list is evaluated from left to right.
    let status = "current_setting('response.status', true)";
    if door.returns_rows {
        format!("select coalesce(jsonb_agg(to_jsonb(r)), '[]'), {status} from {call} as r")
    } else {
        format!("select to_jsonb({call}), {status}")
    }
}
