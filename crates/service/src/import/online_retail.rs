//! UCI "Online Retail": the lines of a real shop's invoices, without addresses and payments.
//!
//! Promise: nothing is made up. Recipient, retailer, currency and product map come from the
//! operator; `country` is where a customer lives and no address, so it is not used. A credit note
//! is not bought, an invoice with a line that has no positive quantity and price is not bought at
//! all, an invoice without a customer is a guest's and fine.

use super::cells::Cells;
use super::group::{self, Orders, Problems};
use super::object::{self, NoObject};
use super::table::{Columns, Row, Table, optional, required};
use super::{ImportError, Kind, Options, ProductMap};
use orders_core::money::Currency;
use orders_core::order::{Item, NewOrder, Recipient, Retailer, ShippingMethod};
use std::io::Read;

/// The longest recipient file.
const RECIPIENT_BYTES_MAX: u64 = 64 << 10;

/// Reads the file of `--recipient`: a JSON object with the fields of the API's `recipient`.
pub fn recipient(reader: impl Read, file: &str) -> Result<Recipient, ImportError> {
    let mut text = String::new();
    reader
        .take(RECIPIENT_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(|source| ImportError::Read { file: file.to_owned(), source })?;
    let fields = |wrong| ImportError::Fields { file: file.to_owned(), wrong };
    let object = object::parse(&text).map_err(|error| match error {
        NoObject::Json { line, reason, .. } => {
            ImportError::Content { file: file.to_owned(), line: line as u64, reason }
        }
        NoObject::Other => fields("it must be one JSON object".to_owned()),
    })?;
    object.recipient().map_err(|broken| {
        let list: Vec<String> = broken.iter().map(ToString::to_string).collect();
        fields(list.join("; "))
    })
}

/// The options, all of them there and fitting together.
pub(super) struct Layout {
    recipient: Recipient,
    retailer: Retailer,
    currency: Currency,
    product_map: ProductMap,
    price: String,
}

pub(super) fn open<R: std::io::BufRead>(
    reader: R,
    file: &str,
    options: Options,
) -> Result<Orders<R, Layout>, ImportError> {
    let layout = Layout::new(options)?;
    let known = [
        required("invoice_no"),
        required("stock_code"),
        required("description"),
        required("quantity"),
        optional("invoice_date"),
        required(&layout.price),
        required("customer_id"),
        optional("country"),
    ];
    let table = Table::open(reader, file, &known, <Layout as group::Layout>::KEY)?;
    Ok(Orders::new(table, layout, file))
}

impl Layout {
    fn new(options: Options) -> Result<Self, ImportError> {
        let missing = |flag, what| ImportError::Flag {
            flag,
            advice: format!("is needed for --format online-retail: its rows do not say {what}"),
        };
        let recipient =
            options.recipient.ok_or_else(|| missing("--recipient", "where the goods go"))?;
        let retailer = options.retailer.ok_or_else(|| missing("--retailer", "who sells them"))?;
        let currency =
            options.currency.ok_or_else(|| missing("--currency", "what the prices mean"))?;
        let product_map = options.product_map.ok_or_else(|| {
            missing("--product-map", "which product a stock code is; give a file or `identity`")
        })?;
        if retailer.currency() != currency {
            let (name, right) = (retailer.name(), retailer.currency());
            let advice = format!("must be {right}, the only currency of {name}, not {currency}");
            return Err(ImportError::Flag { flag: "--currency", advice });
        }
        let price = format!("unit_price_{}", currency.code().to_lowercase());
        let layout = Self { recipient, retailer, currency, product_map, price };
        layout.check_recipient()?;
        Ok(layout)
    }

    /// Asks about the recipient once, instead of rejecting each order for it.
    fn check_recipient(&self) -> Result<(), ImportError> {
        let wrong: Vec<String> = super::cells::violations(&self.new_order("", Vec::new()))
            .iter()
            .filter(|violation| violation.field.starts_with("recipient."))
            .map(ToString::to_string)
            .collect();
        if wrong.is_empty() {
            return Ok(());
        }
        let advice = format!("names a recipient that no order may have: {}", wrong.join("; "));
        Err(ImportError::Flag { flag: "--recipient", advice })
    }

    fn new_order(&self, number: &str, items: Vec<Item>) -> NewOrder {
        let mut order = NewOrder {
            order_number: number.to_owned(),
            retailer: self.retailer.name().to_owned(),
            currency: self.currency.code().to_owned(),
            items,
            total_minor: 0,
            price_cap_minor: None,
            shipping_method: ShippingMethod::default(),
            is_gift: false,
            gift_message: None,
            recipient: self.recipient.clone(),
            payment_intent: None,
            capture_when: None,
        };
        // Without a sum the items themselves are reported.
        order.total_minor = order.goods_minor().unwrap_or_default();
        order
    }

    fn item(&self, cells: &mut Cells<'_>, row: &Row) -> Item {
        let code = cells.columns.cell(row, "stock_code");
        let product = self.product_map.find(code);
        if product.is_none() {
            let rule = format!("{code} is not in the product map");
            cells.wrong(row, "stock_code", Kind::UnknownProduct, &rule);
        }
        let quantity = cells.quantity(row);
        if quantity <= 0 {
            let rule = "must be positive; this line is no purchase, so its invoice is not placed";
            cells.wrong(row, "quantity", Kind::QuantityNotPositive, rule);
        }
        let price = cells.price(row, &self.price);
        if price <= 0 {
            let rule = "must be positive; this line is no sale, so its invoice is not placed";
            cells.wrong(row, &self.price, Kind::PriceNotPositive, rule);
        }
        Item {
            product_id: product.unwrap_or(code).to_owned(),
            title: cells.columns.cell(row, "description").trim().to_owned(),
            quantity,
            unit_price_minor: price,
        }
    }

    fn column_of(&self, field: &str) -> String {
        match field {
            "order_number" => "invoice_no",
            "product_id" | "items" => "stock_code",
            "title" => "description",
            "unit_price_minor" | "total_minor" => &self.price,
            other => other,
        }
        .to_owned()
    }
}

impl group::Layout for Layout {
    const KEY: &'static str = "invoice_no";

    fn order(&self, columns: &Columns, rows: &[Row], problems: &mut Problems) -> Option<NewOrder> {
        let first = rows.first()?;
        let number = columns.cell(first, "invoice_no");
        let mut cells = Cells::new(columns, problems);
        if number.starts_with('C') {
            // Its negative quantities are no mistakes, so this is the only thing to say about it.
            let rule = "is a credit note, which gives money back and buys nothing";
            cells.wrong(first, "invoice_no", Kind::CreditNote, rule);
            return None;
        }
        cells.agree(rows, &["customer_id"]);
        let items = rows.iter().map(|row| self.item(&mut cells, row)).collect();
        let order = self.new_order(number, items);
        cells.check(rows, &order, |field| self.column_of(field));
        Some(order)
    }
}
