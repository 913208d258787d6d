//! A table with one row per line of an order; the columns of the order are repeated in each row.
//!
//! Promise: prices are decimals of major units and nothing else of the order is different from the
//! API. An absent `total` is the sum of the lines, an empty optional cell is an absent field.

use super::ImportError;
use super::cells::Cells;
use super::group::{self, Orders, Problems};
use super::table::{Columns, Known, Row, Table, optional, required};
use orders_core::order::{Item, NewOrder, Recipient, ShippingMethod};
use std::io::BufRead;

const OF_ORDER: [(&str, bool); 19] = [
    ("order_number", true),
    ("retailer", true),
    ("currency", true),
    ("total", false),
    ("price_cap", false),
    ("shipping_method", false),
    ("is_gift", false),
    ("gift_message", false),
    ("payment_intent", false),
    ("recipient_first_name", true),
    ("recipient_last_name", true),
    ("recipient_address_line1", true),
    ("recipient_address_line2", false),
    ("recipient_zip_code", true),
    ("recipient_city", true),
    ("recipient_state", true),
    ("recipient_country", true),
    ("recipient_phone_number", true),
    ("recipient_instructions", false),
];

const OF_LINE: [(&str, bool); 4] =
    [("product_id", true), ("title", false), ("quantity", true), ("unit_price", true)];

const SHIPPING: [(&str, ShippingMethod); 3] = [
    ("cheapest", ShippingMethod::Cheapest),
    ("fastest", ShippingMethod::Fastest),
    ("free", ShippingMethod::Free),
];

pub(super) struct Layout;

pub(super) fn open<R: BufRead>(reader: R, file: &str) -> Result<Orders<R, Layout>, ImportError> {
    let known: Vec<Known> = OF_ORDER
        .iter()
        .chain(&OF_LINE)
        .map(|(name, needed)| if *needed { required(name) } else { optional(name) })
        .collect();
    let table = Table::open(reader, file, &known, <Layout as group::Layout>::KEY)?;
    Ok(Orders::new(table, Layout, file))
}

impl group::Layout for Layout {
    const KEY: &'static str = "order_number";

    fn order(&self, columns: &Columns, rows: &[Row], problems: &mut Problems) -> Option<NewOrder> {
        let first = rows.first()?;
        let text = |name: &str| columns.cell(first, name).to_owned();
        let given = |name: &str| Some(text(name)).filter(|text| !text.is_empty());
        let mut cells = Cells::new(columns, problems);
        cells.agree(rows, &OF_ORDER.map(|(name, _)| name));
        let mut order = NewOrder {
            order_number: text("order_number"),
            retailer: text("retailer"),
            currency: text("currency"),
            items: rows.iter().map(|row| item(&mut cells, row)).collect(),
            total_minor: 0,
            price_cap_minor: cells.amount(first, "price_cap"),
            shipping_method: cells.word(first, "shipping_method", &SHIPPING),
            is_gift: cells.word(first, "is_gift", &[("false", false), ("true", true)]),
            gift_message: given("gift_message"),
            recipient: recipient(columns, first),
            payment_intent: given("payment_intent"),
            capture_when: None,
        };
        let total = cells.amount(first, "total");
        // Without a sum the items themselves are reported.
        order.total_minor = total.or_else(|| order.goods_minor()).unwrap_or_default();
        cells.check(rows, &order, column_of);
        Some(order)
    }
}

fn item(cells: &mut Cells<'_>, row: &Row) -> Item {
    Item {
        product_id: cells.columns.cell(row, "product_id").to_owned(),
        title: cells.columns.cell(row, "title").to_owned(),
        quantity: cells.quantity(row),
        unit_price_minor: cells.price(row, "unit_price"),
    }
}

fn recipient(columns: &Columns, row: &Row) -> Recipient {
    let text = |field: &str| columns.cell(row, &format!("recipient_{field}")).to_owned();
    Recipient {
        first_name: text("first_name"),
        last_name: text("last_name"),
        address_line1: text("address_line1"),
        address_line2: text("address_line2"),
        zip_code: text("zip_code"),
        city: text("city"),
        state: text("state"),
        country: text("country"),
        phone_number: text("phone_number"),
        instructions: text("instructions"),
    }
}

/// `recipient.city` stands in `recipient_city`, `total_minor` in `total`.
fn column_of(field: &str) -> String {
    match field {
        "items" => "product_id".to_owned(),
        _ => field.trim_end_matches("_minor").replace('.', "_"),
    }
}
