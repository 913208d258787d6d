//! The body of a create, read and validated as the contract says.
//!
//! A missing key is allowed, as it is by the provider. Unknown fields are ignored.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use std::sync::Arc;

/// What the sandbox needs of a create.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) key: Option<Arc<str>>,
    pub(super) order_id: Option<Arc<str>>,
    pub(super) attempt_id: Option<Arc<str>>,
    pub(super) max_price: i64,
    /// The retailer's currency.
    pub(super) currency: &'static str,
    /// What is wrong with it; empty when it is valid.
    pub(super) wrong: Vec<String>,
    /// The error code of what is wrong.
    pub(super) wrong_code: &'static str,
}

const INVALID: &str = "invalid_request";

#[derive(Deserialize)]
struct Body {
    idempotency_key: Option<Arc<str>>,
    retailer: Option<String>,
    products: Option<Vec<Product>>,
    shipping_address: Option<Address>,
    shipping_method: Option<String>,
    shipping: Option<IgnoredAny>,
    is_gift: Option<bool>,
    gift_message: Option<String>,
    max_price: Option<i64>,
    addax: Option<bool>,
    billing_address: Option<IgnoredAny>,
    payment_method: Option<IgnoredAny>,
    retailer_credentials: Option<IgnoredAny>,
    zma_discount: Option<f64>,
    client_notes: Option<Notes>,
}

#[derive(Deserialize)]
struct Product {
    product_id: Option<String>,
    quantity: Option<i64>,
}

#[derive(Deserialize)]
struct Address {
    first_name: Option<String>,
    last_name: Option<String>,
    #[serde(rename = "address_line1")]
    line1: Option<String>,
    zip_code: Option<String>,
    city: Option<String>,
    state: Option<String>,
    country: Option<String>,
    phone_number: Option<String>,
}

#[derive(Deserialize)]
struct Notes {
    order_id: Option<Arc<str>>,
    attempt_id: Option<Arc<str>>,
}

const RETAILERS: [&str; 9] = [
    "amazon",
    "amazon_uk",
    "amazon_ca",
    "amazon_de",
    "amazon_mx",
    "walmart",
    "costco",
    "homedepot",
    "aliexpress",
];
const SHIPPING_METHODS: [&str; 4] = ["cheapest", "fastest", "amazon_day", "free"];
const GIFT_MESSAGE_CHARS_MAX: usize = 240;
const GIFT_MESSAGE_LINES_MAX: usize = 9;

impl Request {
    /// Read a body.
    pub(super) fn parse(bytes: &[u8], managed_retailers: &[String]) -> Self {
        match serde_json::from_slice::<Body>(bytes) {
            Ok(body) => body.validated(managed_retailers),
            Err(error) => Self::misshapen(bytes, &error),
        }
    }

    /// No JSON, or JSON of the wrong shape. Its key counts all the same, if it has one: the error
    /// is stored under it.
    fn misshapen(bytes: &[u8], error: &serde_json::Error) -> Self {
        let (fields, wrong_code) = match serde_json::from_slice(bytes) {
            Ok(fields @ Value::Object(_)) => (fields, INVALID),
            _ => (Value::Null, "invalid_json"),
        };
        let text = |value: &Value| value.as_str().map(Arc::from);
        let notes = &fields["client_notes"];
        Self {
            key: text(&fields["idempotency_key"]),
            order_id: text(&notes["order_id"]),
            attempt_id: text(&notes["attempt_id"]),
            max_price: 0,
            currency: currency_of(None),
            wrong: vec![error.to_string()],
            wrong_code,
        }
    }
}

impl Body {
    fn validated(self, managed_retailers: &[String]) -> Request {
        let mut wrong = Vec::new();
        let mut demand = |holds: bool, message: &str| {
            if !holds {
                wrong.push(message.to_owned());
            }
        };
        demand(
            self.retailer.as_deref().is_some_and(|name| RETAILERS.contains(&name)),
            "retailer is missing or unknown",
        );
        demand(
            self.products.as_ref().is_some_and(|all| !all.is_empty()),
            "products is missing or empty",
        );
        for product in self.products.iter().flatten() {
            demand(filled(product.product_id.as_ref()), "product_id is missing");
            demand(product.quantity.is_some_and(|n| n > 0), "quantity is not a positive number");
        }
        self.check_shipping(&mut demand);
        demand(self.is_gift.is_some(), "is_gift is missing");
        demand(self.max_price.is_some_and(|cents| cents >= 0), "max_price is missing or negative");
        demand(
            self.gift_message.as_deref().is_none_or(|text| {
                text.chars().count() <= GIFT_MESSAGE_CHARS_MAX
                    && text.lines().count() <= GIFT_MESSAGE_LINES_MAX
            }),
            "gift_message is too long",
        );
        demand(
            self.zma_discount.is_none_or(|percent| (-50.0..=0.0).contains(&percent)),
            "zma_discount lies between -50 and 0",
        );
        self.check_account(managed_retailers, &mut demand);
        let notes = self.client_notes.unwrap_or(Notes { order_id: None, attempt_id: None });
        Request {
            key: self.idempotency_key,
            order_id: notes.order_id,
            attempt_id: notes.attempt_id,
            max_price: self.max_price.unwrap_or(0),
            currency: currency_of(self.retailer.as_deref()),
            wrong,
            wrong_code: INVALID,
        }
    }

    fn check_shipping(&self, demand: &mut impl FnMut(bool, &str)) {
        match &self.shipping_address {
            None => demand(false, "shipping_address is missing"),
            Some(address) => {
                for (name, value) in address.needed() {
                    demand(filled(value), &format!("shipping_address.{name} is missing"));
                }
            }
        }
        demand(
            self.shipping_method.is_some() != self.shipping.is_some(),
            "exactly one of shipping_method and shipping is needed",
        );
        demand(
            self.shipping_method.as_deref().is_none_or(|name| SHIPPING_METHODS.contains(&name)),
            "shipping_method is unknown",
        );
    }

    /// A managed account pays for itself; any other needs to be told how.
    fn check_account(&self, managed_retailers: &[String], demand: &mut impl FnMut(bool, &str)) {
        let own = [
            ("billing_address", self.billing_address.is_some()),
            ("payment_method", self.payment_method.is_some()),
            ("retailer_credentials", self.retailer_credentials.is_some()),
        ];
        let managed = self.addax == Some(true);
        for (name, given) in own {
            let problem = if managed { "must be absent with addax" } else { "is missing" };
            demand(given != managed, &format!("{name} {problem}"));
        }
        let served =
            self.retailer.as_ref().is_some_and(|retailer| managed_retailers.contains(retailer));
        demand(!managed || served, "addax does not serve this retailer");
    }
}

impl Address {
    fn needed(&self) -> [(&'static str, Option<&String>); 8] {
        [
            ("first_name", self.first_name.as_ref()),
            ("last_name", self.last_name.as_ref()),
            ("address_line1", self.line1.as_ref()),
            ("zip_code", self.zip_code.as_ref()),
            ("city", self.city.as_ref()),
            ("state", self.state.as_ref()),
            ("country", self.country.as_ref()),
            ("phone_number", self.phone_number.as_ref()),
        ]
    }
}

/// What a retailer's prices are in.
fn currency_of(retailer: Option<&str>) -> &'static str {
    match retailer {
        Some("amazon_uk") => "GBP",
        Some("amazon_ca") => "CAD",
        Some("amazon_de") => "EUR",
        Some("amazon_mx") => "MXN",
        _ => "USD",
    }
}

fn filled(text: Option<&String>) -> bool {
    text.is_some_and(|text| !text.trim().is_empty())
}
