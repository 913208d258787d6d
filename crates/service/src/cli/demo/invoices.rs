//! The invoices of a real gift shop (UCI Online Retail, CC BY 4.0; see `examples/online-retail`),
//! placed as orders and paid at the sandbox's Stripe.

use crate::cli::door;
use crate::import::{Counts, Entry, Format, Options, ProductMap, read, recipient, torn, without};
use anyhow::Context;
use futures_util::{StreamExt, TryStreamExt, stream};
use orders_core::money::Currency;
use orders_core::order::{CaptureWhen, NewOrder, Retailer};
use orders_sandbox::World;
use orders_store::Store;
use orders_store::place::{Placed, attach_payment, place};
use serde_json::json;
use uuid::Uuid;

/// One customer in so many changes his mind.
const REGRET_EVERY: usize = 50;

const FILE: &str = "online-retail/orders.csv";
const INVOICES: &[u8] = include_bytes!("../../../../../examples/online-retail/orders.csv");
const RECIPIENT: &[u8] = include_bytes!("../../../../../examples/online-retail/recipient.json");

/// What the shop sold.
pub struct Shop {
    /// Orders in the file.
    pub read: u64,
    /// Of these, not accepted.
    pub rejected: u64,
    /// Why, for people.
    pub reasons: String,
    /// The orders that stand, with what their customers paid.
    pub orders: Vec<(Uuid, i64)>,
    /// Orders that were paid and then cancelled, before anything was bought.
    pub regretted: Vec<(Uuid, i64)>,
}

impl Shop {
    /// How many orders stand.
    pub fn accepted(&self) -> usize {
        self.orders.len()
    }
}

/// Reads the invoices, places each, and pays it at the sandbox's Stripe.
pub async fn place_and_pay(store: &Store, world: &World) -> anyhow::Result<Shop> {
    let mut counts = Counts::default();
    let mut orders = Vec::new();
    let split = torn(read(Format::OnlineRetail, INVOICES, FILE, options()?)?);
    for entry in without(read(Format::OnlineRetail, INVOICES, FILE, options()?)?, split, FILE) {
        counts.note(&entry);
        if let Entry::Order { order, .. } = entry {
            orders.push(*order);
        }
    }
    let reasons: Vec<String> = counts
        .kinds
        .iter()
        .map(|(kind, count)| format!("{} {}", kind.name(), count.orders))
        .collect();
    let regretted = regret(store, world, &orders).await?;
    let orders: Vec<(Uuid, i64)> = stream::iter(orders.into_iter().enumerate())
        .map(|(number, order)| place_one(store, world, order, Paying::of(number)))
        .buffer_unordered(8)
        .try_collect()
        .await?;
    Ok(Shop {
        read: counts.accepted + counts.rejected,
        rejected: counts.rejected,
        reasons: reasons.join(", "),
        orders,
        regretted,
    })
}

/// How a customer pays.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Paying {
    /// The money is taken by Stripe at once.
    AtOnce,
    /// It is reserved, and taken by us before the purchase.
    ReservedFirst,
    /// It is reserved, and taken by us when the provider has the order.
    ReservedLast,
}

impl Paying {
    /// Of ten customers eight pay at once, and one each of the other ways.
    fn of(number: usize) -> Self {
        match number % 10 {
            3 => Self::ReservedFirst,
            6 => Self::ReservedLast,
            _ => Self::AtOnce,
        }
    }
}

/// Customers who pay for what others bought, and cancel at once: their money must come back, once.
async fn regret(
    store: &Store,
    world: &World,
    orders: &[NewOrder],
) -> anyhow::Result<Vec<(Uuid, i64)>> {
    let mut regretted = Vec::new();
    for order in orders.iter().step_by(REGRET_EVERY) {
        let number = format!("{}-regretted", order.order_number);
        let order = NewOrder { order_number: number, ..order.clone() };
        let placed = place_one(store, world, order, Paying::AtOnce).await?;
        cancel(store, placed.0).await?;
        regretted.push(placed);
    }
    Ok(regretted)
}

async fn cancel(store: &Store, order: Uuid) -> anyhow::Result<()> {
    let args = json!({
        "order_uuid": order, "reason_param": "the customer changed his mind",
        "options": { "actor": "demo/shop" },
    });
    let answer = door::call(store, "cancel_order", args).await?;
    anyhow::ensure!(answer["success"] == json!(true), "order {order}: {answer}");
    Ok(())
}

fn options() -> anyhow::Result<Options> {
    Ok(Options {
        recipient: Some(recipient(RECIPIENT, "recipient.json")?),
        retailer: Some(Retailer::AmazonUk),
        currency: Some(Currency::Gbp),
        product_map: Some(ProductMap::identity()),
    })
}

async fn place_one(
    store: &Store,
    world: &World,
    mut order: NewOrder,
    paying: Paying,
) -> anyhow::Result<(Uuid, i64)> {
    if paying == Paying::ReservedLast {
        order.capture_when = Some(CaptureWhen::AfterPurchase);
    }
    let id = match place(store, &order, "demo/shop").await? {
        Placed::New(id) | Placed::Duplicate(id) => id,
        Placed::Conflict(why) => anyhow::bail!("order {}: {why}", order.order_number),
    };
    let intent = match paying {
        Paying::AtOnce => world.stripe.pay(&id.to_string(), order.total_minor, "gbp"),
        _ => world.stripe.authorise(&id.to_string(), order.total_minor, "gbp"),
    };
    attach_payment(store, id, &intent, "demo/shop")
        .await
        .with_context(|| format!("order {}", order.order_number))?;
    Ok((id, order.total_minor))
}
