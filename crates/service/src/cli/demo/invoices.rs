//! The invoices of a real gift shop (UCI Online Retail, CC BY 4.0; see `examples/online-retail`),
//! placed as orders and paid at the sandbox's Stripe.

use crate::import::{Counts, Entry, Format, Options, ProductMap, read, recipient, torn, without};
use anyhow::Context;
use futures_util::{StreamExt, TryStreamExt, stream};
use orders_core::money::Currency;
use orders_core::order::{NewOrder, Retailer};
use orders_sandbox::World;
use orders_store::Store;
use orders_store::place::{Placed, attach_payment, place};
use uuid::Uuid;

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
    let orders: Vec<(Uuid, i64)> = stream::iter(orders)
        .map(|order| place_one(store, world, order))
        .buffer_unordered(8)
        .try_collect()
        .await?;
    Ok(Shop {
        read: counts.accepted + counts.rejected,
        rejected: counts.rejected,
        reasons: reasons.join(", "),
        orders,
    })
}

fn options() -> anyhow::Result<Options> {
    Ok(Options {
        recipient: Some(recipient(RECIPIENT, "recipient.json")?),
        retailer: Some(Retailer::AmazonUk),
        currency: Some(Currency::Gbp),
        product_map: Some(ProductMap::identity()),
    })
}

async fn place_one(store: &Store, world: &World, order: NewOrder) -> anyhow::Result<(Uuid, i64)> {
    let id = match place(store, &order, "demo/shop").await? {
        Placed::New(id) | Placed::Duplicate(id) => id,
        Placed::Conflict(why) => anyhow::bail!("order {}: {why}", order.order_number),
    };
    let intent = world.stripe.pay(&id.to_string(), order.total_minor, "gbp");
    attach_payment(store, id, &intent, "demo/shop")
        .await
        .with_context(|| format!("order {}", order.order_number))?;
    Ok((id, order.total_minor))
}
