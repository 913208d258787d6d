//! `orders`: looking at orders, and the decisions that a person may take about one.

mod history;
mod show;

use super::door;
use super::given;
use super::output::{actor, cell, money, say, say_json, tell, time};
use super::table::table;
use crate::app::DatabaseArgs;
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use orders_core::state::Status;
use orders_store::{Store, read};
use serde_json::{Value, json};
use std::process::ExitCode;
use uuid::Uuid;

/// Look at orders; cancel, refund, hold, release or resolve one.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  atomic-orders orders list --status needs_review
  atomic-orders orders list --held awaiting_payment --limit 20
  atomic-orders orders show 1001
  atomic-orders orders history 1001
  atomic-orders orders hold 1001 --reason 'the customer called'
  atomic-orders orders resolve 1001 --decision buy_again --reason 'ticket 4711: no such request'")]
pub struct Orders {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List orders, newest first.
    #[command(after_help = "Examples:
  atomic-orders orders list --status needs_review
  atomic-orders orders list --held awaiting_payment --limit 20
  atomic-orders orders list --search 4f6c…           by number, id or request id
  atomic-orders orders list --json | jq -r .id       one JSON document per line")]
    List(List),
    /// Show one order with its lines, attempts, payments and findings.
    #[command(after_help = "Examples:
  atomic-orders orders show 1001
  atomic-orders orders show 1001 --json | jq .attempts")]
    Show(One),
    /// Tell what happened to one order, first event first.
    #[command(after_help = "Examples:
  atomic-orders orders history 1001
  atomic-orders orders history 1001 --json | jq -r .kind       one event per line")]
    History(One),
    /// Cancel an order and send its money back. If it may be bought, nothing new is sent, and the
    /// money goes back when it is certain that nothing was bought.
    #[command(after_help = "Examples:
  atomic-orders orders cancel 1001 --reason 'the customer changed his mind'

Exit code 3: refused, with the reason; nothing was changed.")]
    Cancel(Decide),
    /// Return money of an order that has ended: all that is left, or a part.
    #[command(after_help = "Examples:
  atomic-orders orders refund 1001 --reason 'came back broken'
  atomic-orders orders refund 1001 --amount 12.50 --reason 'one of three is missing'

It is sent by an engine, once, however often this is said. Above the shop's limit
(two_persons_above_minor) another person must agree: atomic-orders payments approve.
Exit code 3: refused, with the reason; nothing was changed.")]
    Refund(Refund),
    /// Hold an order: nothing new is sent for it.
    #[command(after_help = "Examples:
  atomic-orders orders hold 1001 --reason 'the customer called'
  atomic-orders orders hold 1001 --as disputed --reason 'Stripe says so, case 4711'

Exit code 3: refused, with the reason; nothing was changed.")]
    Hold(Hold),
    /// Decide about an order that waits for a person.
    #[command(after_help = "Examples:
  atomic-orders orders resolve 1001 --decision nothing_was_bought --reason 'ticket 4711: no such request'
  atomic-orders orders resolve 1001 --decision buy_again --reason 'ticket 4711: no such request'

Exit code 3: refused, with the reason; nothing was changed.")]
    Resolve(Resolve),
    /// Release a hold that a person may end; payments are judged at Stripe, not here.
    #[command(after_help = "Examples:
  atomic-orders orders release 1001 --reason 'the customer agreed'
  atomic-orders orders list --held awaiting_funds     what waits until the account is funded

Exit code 3: refused, with the reason; nothing was changed.")]
    Release(Decide),
}

/// Which orders.
#[derive(Debug, Args)]
struct List {
    /// Only orders with this status.
    #[arg(long, value_parser = PossibleValuesParser::new(Status::ALL.map(Status::name)))]
    status: Option<String>,
    /// Only orders held for this reason.
    #[arg(long, value_name = "REASON", value_parser = PossibleValuesParser::new(given::HOLDS))]
    held: Option<String>,
    /// Only the order with exactly this number, id or request id.
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=1000))]
    limit: i64,
    /// Only orders older than this one: the last id of the page before.
    #[arg(long, value_name = "ID")]
    after: Option<Uuid>,
    /// JSON lines: one order per line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// One order.
#[derive(Debug, Args)]
struct One {
    /// The order, by id or number.
    #[arg(value_name = "ID|NUMBER")]
    order: String,
    /// JSON: one document for `show`, one event per line for `history`.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// A decision about one order.
#[derive(Debug, Args)]
struct Decide {
    /// Why, in 1 to 300 characters; it stays in the history.
    #[arg(long, value_name = "TEXT", value_parser = given::reason)]
    reason: String,
    #[command(flatten)]
    one: One,
}

/// A hold of one order.
#[derive(Debug, Args)]
struct Hold {
    /// What sort of hold it is.
    #[arg(long = "as", default_value = "operator",
          value_parser = PossibleValuesParser::new(["operator", "disputed", "scheduled"]))]
    sort: String,
    #[command(flatten)]
    decide: Decide,
}

/// Money to return.
#[derive(Debug, Args)]
struct Refund {
    /// How much, in the order's currency; all that is left when it is not given.
    #[arg(long, value_name = "12.50", value_parser = given::amount)]
    amount: Option<i64>,
    /// What makes this refund one of its own. Without it the same amount with the same reason is the
    /// same refund, however often it is asked for.
    #[arg(long, value_name = "TEXT", value_parser = given::key)]
    key: Option<String>,
    #[command(flatten)]
    decide: Decide,
}

/// A decision about an order in review.
#[derive(Debug, Args)]
struct Resolve {
    /// `nothing_was_bought` settles the last attempt by what you found out; `buy_again` and
    /// `give_up` follow it; `watch_on` goes on with what the provider has accepted.
    #[arg(long, value_parser =
        PossibleValuesParser::new(["nothing_was_bought", "buy_again", "watch_on", "give_up"]))]
    decision: String,
    /// How you know it, in 10 to 300 characters; it stays in the history.
    #[arg(long, value_name = "TEXT", value_parser = given::evidence)]
    reason: String,
    #[command(flatten)]
    one: One,
}

impl Orders {
    /// Runs the action.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        match self.action {
            Action::List(list) => list.run().await,
            Action::Show(one) => one.run(Question::Show).await,
            Action::History(one) => one.run(Question::History).await,
            Action::Cancel(decide) => {
                let args = json!({ "reason_param": decide.reason });
                decide.one.decide("cancel_order", args, "is cancelled").await
            }
            Action::Refund(Refund { amount, key, decide }) => {
                let args = json!({
                    "amount_minor_param": amount,
                    "reason_param": decide.reason,
                    "options": { "actor": actor(), "idempotency_key": key },
                });
                decide.one.decide("refund_order", args, "is refunded").await
            }
            Action::Hold(hold) => {
                let args = json!({
                    "reason_param": hold.sort,
                    "options": { "actor": actor(), "note": hold.decide.reason },
                });
                hold.decide.one.decide("hold_order", args, "is held").await
            }
            Action::Resolve(Resolve { decision, reason, one }) => {
                let args = json!({ "decision_param": decision, "reason_param": reason });
                one.decide("resolve_review", args, "is decided").await
            }
            Action::Release(decide) => {
                let args = json!({ "options": { "actor": actor(), "note": decide.reason } });
                decide.one.decide("release_hold", args, "is held no more").await
            }
        }
    }
}

impl List {
    async fn run(self) -> anyhow::Result<ExitCode> {
        let (database, store) = self.database.shop(2).await?;
        let filter = read::Filter {
            status: self.status,
            hold_reason: self.held,
            search: self.search,
            after: self.after,
            limit: self.limit,
        };
        let page = read::orders(&store, &filter).await?;
        if self.json {
            for order in &page {
                say(order.to_string())?;
            }
        } else if page.is_empty() {
            tell("No orders.");
        } else {
            say(listed(&page))?;
            if page.len() as u64 == self.limit.unsigned_abs() {
                let last = page.last().map(|order| cell(&order["id"])).unwrap_or_default();
                tell(format!("There may be more: --after {last}"));
            }
        }
        database.close().await?;
        Ok(ExitCode::SUCCESS)
    }
}

fn listed(page: &[Value]) -> String {
    let headline = ["number", "status", "waits for", "payment", "total", "placed", "id"];
    let mut rows = table(headline);
    for order in page {
        rows.add_row([
            cell(&order["order_number"]),
            cell(&order["status"]),
            waits_for(order),
            cell(&order["payment_status"]),
            money(&order["total_minor"], &order["currency"]),
            time(&order["created_at"]),
            cell(&order["id"]),
        ]);
    }
    rows.to_string()
}

/// What was done, and what is still to come of it.
fn done_to(order: &str, done: &str, answer: &Value) -> String {
    if answer["waiting"] == json!(true) {
        return format!(
            "Order {order} may be bought, so nothing new is sent for it; it is cancelled, and its \
             money goes back, when it is certain that nothing was bought."
        );
    }
    match answer["state"].as_str() {
        Some("awaiting_approval") => format!(
            "Order {order}: the refund waits for a second person: \
             atomic-orders payments approve {}",
            cell(&answer["move_id"])
        ),
        Some("done") => format!(
            "Order {order}: this refund was asked for before, and the money was returned ({}). \
             Another one needs another reason, or --key.",
            cell(&answer["move_id"])
        ),
        Some(_) => {
            format!("Order {order}: the refund is on its way ({}).", cell(&answer["move_id"]))
        }
        None => format!("Order {order} {done}."),
    }
}

/// The hold or the reason for a person, whichever there is. An order that has ended waits for
/// nothing, whatever held it once.
fn waits_for(order: &Value) -> String {
    if order["status"].as_str().and_then(Status::parse).is_some_and(Status::is_end) {
        return String::new();
    }
    let both = [cell(&order["hold_reason"]), cell(&order["review_reason"])];
    both.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", ")
}

enum Question {
    Show,
    History,
}

impl One {
    async fn run(self, question: Question) -> anyhow::Result<ExitCode> {
        let (database, store) = self.database.shop(2).await?;
        match question {
            Question::Show => self.show(&store).await?,
            Question::History => self.history(&store).await?,
        }
        database.close().await?;
        Ok(ExitCode::SUCCESS)
    }

    async fn show(&self, store: &Store) -> anyhow::Result<()> {
        let id = door::id_of(store, &self.order).await?;
        let Some(order) = read::order(store, &id).await? else { return self.missing() };
        if self.json { say_json(&order) } else { say(show::text(&order)) }
    }

    async fn history(&self, store: &Store) -> anyhow::Result<()> {
        let id = door::id_of(store, &self.order).await?;
        let events = read::history(store, &id).await?;
        if events.is_empty() {
            return self.missing();
        }
        if !self.json {
            return say(history::prose(&events));
        }
        events.iter().try_for_each(|event| say(event.to_string()))
    }

    fn missing(&self) -> anyhow::Result<()> {
        Err(door::no_order(&self.order))
    }

    /// Calls the function of a decision and says what it answered.
    async fn decide(self, door: &str, mut args: Value, done: &str) -> anyhow::Result<ExitCode> {
        let (database, store) = self.database.shop(2).await?;
        args["order_uuid"] = json!(door::id_of(&store, &self.order).await?);
        if args["options"].is_null() {
            args["options"] = json!({ "actor": actor() });
        }
        let answer = door::call(&store, door, args).await?;
        let sentence = |answer: &Value| done_to(&self.order, done, answer);
        let code = door::conclude(&answer, self.json, sentence)?;
        database.close().await?;
        Ok(code)
    }
}
