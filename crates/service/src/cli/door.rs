//! Calling a database function from a command, and saying what it answered.
//!
//! Promise: a refusal is shown with its hint and ends with exit code 3; nothing is shown as done
//! that was not.

use super::NOT_GOOD;
use super::output::{cell, plain, say, say_json, tell};
use anyhow::{Context, anyhow, bail};
use orders_store::{Store, door, read};
use serde_json::{Value, json};
use std::process::ExitCode;

/// Calls a function of the shop by its name.
pub async fn call(store: &Store, name: &str, args: Value) -> anyhow::Result<Value> {
    let doors = door::catalogue(store).await?;
    let door = doors.iter().find(|door| door.name == name).with_context(|| {
        format!("the database has no function {name}: run `atomic-orders migrate`")
    })?;
    let Value::Object(args) = args else { bail!("{name}: arguments are an object") };
    Ok(door::call(store, door, &args, &json!({})).await?.value)
}

/// The id of an order that was named by id or by number; an id goes before a number.
pub async fn id_of(store: &Store, id_or_number: &str) -> anyhow::Result<String> {
    let id = read::id_of(store, id_or_number).await?;
    id.map(|id| id.to_string()).ok_or_else(|| no_order(id_or_number))
}

/// What is said when nothing was found.
pub fn no_order(id_or_number: &str) -> anyhow::Error {
    anyhow!("there is no order with the id or number {:?}", plain(id_or_number))
}

/// Says what a function answered: `done` makes the sentence of a success.
pub fn conclude(
    answer: &Value,
    as_json: bool,
    done: impl FnOnce(&Value) -> String,
) -> anyhow::Result<ExitCode> {
    let good = answer["success"] == json!(true);
    if as_json {
        say_json(answer)?;
    } else if good && answer["duplicate"] == json!(true) {
        say(format!("{} It was so already; nothing changed.", done(answer)))?;
    } else if good {
        say(done(answer))?;
    } else {
        tell(format!("refused ({}): {}", cell(&answer["code"]), cell(&answer["message"])));
        if let Some(hint) = answer["hint"].as_str() {
            tell(hint);
        }
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(NOT_GOOD) })
}
