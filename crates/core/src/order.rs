//! What a caller may place: the content of an order and the rules it must keep.
//!
//! Promise: [`NewOrder::check`] names every field that breaks a rule and the rule, in one go, and
//! fills nothing in: a missing phone number is a refusal, never a placeholder. The database checks
//! the same rules again, for callers that come by SQL. // D4

mod place;
mod recipient;
pub mod rule;

pub use recipient::Recipient;

use crate::money::{AMOUNT_MINOR_MAX, Currency, Minor, line_total};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The most lines an order may have.
pub const ITEMS_MAX: usize = 1000;
/// The largest quantity of one line.
pub const QUANTITY_MAX: i64 = 100_000;
/// The longest gift message (Zinc v1 documents 240 characters or nine lines; both are kept).
pub const GIFT_MESSAGE_CHARS_MAX: usize = 240;
/// The most lines of a gift message.
pub const GIFT_MESSAGE_LINES_MAX: usize = 9;

/// A retailer that the provider buys from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retailer {
    /// amazon.com, in US dollars.
    Amazon,
    /// amazon.co.uk, in pounds.
    AmazonUk,
    /// amazon.ca, in Canadian dollars.
    AmazonCa,
    /// amazon.de, in euros.
    AmazonDe,
    /// amazon.com.mx, in Mexican pesos.
    AmazonMx,
    /// walmart.com, in US dollars.
    Walmart,
}

impl Retailer {
    /// Every retailer we know.
    pub const ALL: [Self; 6] = [
        Self::Amazon,
        Self::AmazonUk,
        Self::AmazonCa,
        Self::AmazonDe,
        Self::AmazonMx,
        Self::Walmart,
    ];

    /// The provider's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Amazon => "amazon",
            Self::AmazonUk => "amazon_uk",
            Self::AmazonCa => "amazon_ca",
            Self::AmazonDe => "amazon_de",
            Self::AmazonMx => "amazon_mx",
            Self::Walmart => "walmart",
        }
    }

    /// The one currency it sells in.
    pub fn currency(self) -> Currency {
        match self {
            Self::Amazon | Self::Walmart => Currency::Usd,
            Self::AmazonUk => Currency::Gbp,
            Self::AmazonCa => Currency::Cad,
            Self::AmazonDe => Currency::Eur,
            Self::AmazonMx => Currency::Mxn,
        }
    }

    /// Reads the provider's name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|retailer| retailer.name() == name)
    }
}

/// How the parcel is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShippingMethod {
    /// The cheapest way that the retailer offers.
    #[default]
    Cheapest,
    /// The fastest way.
    Fastest,
    /// Only if it costs nothing.
    Free,
}

/// When reserved money is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaptureWhen {
    /// Before the purchase: a purchase that fails is refunded.
    BeforePurchase,
    /// After the provider took the order: a purchase that fails costs nobody anything, and one whose
    /// money cannot be captured any more is the shop's loss.
    AfterPurchase,
}

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// The retailer's id of one exact variant.
    pub product_id: String,
    /// What people call it; never sent to the provider.
    #[serde(default)]
    pub title: String,
    /// How many, at least one.
    pub quantity: i64,
    /// Price of one piece in minor units, more than zero.
    pub unit_price_minor: Minor,
}

/// An order as a caller places it, before the database has given it an id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewOrder {
    /// The shop's own number; placing the same number with the same content again changes nothing.
    pub order_number: String,
    /// Who sells the goods.
    pub retailer: String,
    /// ISO code; must be the retailer's.
    pub currency: String,
    /// What is bought, at least one line.
    pub items: Vec<Item>,
    /// What the customer pays for goods, shipping and the rest; at least the sum of the lines.
    pub total_minor: Minor,
    /// The ceiling sent to the provider; when absent, the sum of the lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_cap_minor: Option<Minor>,
    /// How it is sent.
    #[serde(default)]
    pub shipping_method: ShippingMethod,
    /// Whether it is a gift.
    #[serde(default)]
    pub is_gift: bool,
    /// Words for the recipient; private.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gift_message: Option<String>,
    /// Where it goes.
    pub recipient: Recipient,
    /// The Stripe PaymentIntent that pays for it, when there is one already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_intent: Option<String>,
    /// When reserved money is taken; the shop's setting when it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture_when: Option<CaptureWhen>,
}

/// A field that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// The field, as a path: `items[2].quantity`.
    pub field: String,
    /// The rule, as a phrase that completes the field's name: `must be at least 1`.
    pub rule: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.field, self.rule)
    }
}

/// Why an order cannot be placed: every field that is wrong, not only the first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the order breaks {} rule(s): {}", .0.len(), list(.0))]
pub struct Invalid(pub Vec<Violation>);

fn list(violations: &[Violation]) -> String {
    violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl NewOrder {
    /// The sum of the lines, or nothing when a line leaves the accepted range.
    pub fn goods_minor(&self) -> Option<Minor> {
        self.items.iter().try_fold(0, |sum: Minor, item| {
            let line = line_total(item.quantity, item.unit_price_minor)?;
            sum.checked_add(line).filter(|sum| *sum <= AMOUNT_MINOR_MAX)
        })
    }

    /// The ceiling that the provider may see. // G8, C8
    pub fn price_cap(&self) -> Option<Minor> {
        self.price_cap_minor.or_else(|| self.goods_minor())
    }

    /// Checks every rule and reports every field that breaks one.
    pub fn check(&self) -> Result<(), Invalid> {
        let mut found = Findings::default();
        found.line("order_number", &self.order_number, 1, 100);
        if rule::has_form_of_id(&self.order_number) {
            found.add("order_number", "must not have the form of an order's id (a uuid)");
        }
        self.check_retailer(&mut found);
        self.check_items(&mut found);
        self.check_money(&mut found);
        self.check_message(&mut found);
        self.recipient.check(&mut found);
        if let Some(intent) = &self.payment_intent {
            found.0.extend(rule::payment_intent("payment_intent", intent).err());
        }
        if found.0.is_empty() { Ok(()) } else { Err(Invalid(found.0)) }
    }

    fn check_retailer(&self, found: &mut Findings) {
        let Some(retailer) = Retailer::parse(&self.retailer) else {
            let known = Retailer::ALL.map(Retailer::name).join(", ");
            found.add("retailer", format!("must be one of {known}"));
            return;
        };
        if self.currency != retailer.currency().code() {
            let right = retailer.currency();
            found.add("currency", format!("must be {right}, the currency of {}", self.retailer));
        }
    }

    fn check_items(&self, found: &mut Findings) {
        if self.items.is_empty() {
            found.add("items", "must have at least one line");
        }
        if self.items.len() > ITEMS_MAX {
            found.add("items", format!("must have at most {ITEMS_MAX} lines"));
        }
        for (at, item) in self.items.iter().enumerate().take(ITEMS_MAX) {
            found.line(&format!("items[{at}].product_id"), &item.product_id, 1, 100);
            found.line(&format!("items[{at}].title"), &item.title, 0, 300);
            if !(1..=QUANTITY_MAX).contains(&item.quantity) {
                let rule = format!("must be between 1 and {QUANTITY_MAX}");
                found.add(format!("items[{at}].quantity"), rule);
            }
            if !(1..=AMOUNT_MINOR_MAX).contains(&item.unit_price_minor) {
                let rule = format!("must be between 1 and {AMOUNT_MINOR_MAX} minor units");
                found.add(format!("items[{at}].unit_price_minor"), rule);
            }
        }
    }

    fn check_money(&self, found: &mut Findings) {
        let Some(goods) = self.goods_minor() else {
            found.add("items", format!("must sum to at most {AMOUNT_MINOR_MAX} minor units"));
            return;
        };
        if self.total_minor < goods || self.total_minor > AMOUNT_MINOR_MAX {
            let rule = format!(
                "must be at least the sum of the lines ({goods}) and at most {AMOUNT_MINOR_MAX}"
            );
            found.add("total_minor", rule);
        }
        if let Some(cap) = self.price_cap_minor
            && !(1..=self.total_minor).contains(&cap)
        {
            found.add("price_cap_minor", "must be between 1 and total_minor");
        }
    }

    fn check_message(&self, found: &mut Findings) {
        let Some(message) = &self.gift_message else { return };
        found.text("gift_message", message, 1, GIFT_MESSAGE_CHARS_MAX);
        if message.lines().count() > GIFT_MESSAGE_LINES_MAX {
            found.add("gift_message", format!("must have at most {GIFT_MESSAGE_LINES_MAX} lines"));
        }
        if !self.is_gift {
            found.add("gift_message", "needs is_gift to be true");
        }
    }
}

/// Collects violations while the checks walk over the fields.
#[derive(Default)]
struct Findings(Vec<Violation>);

impl Findings {
    fn add(&mut self, field: impl Into<String>, rule: impl Into<String>) {
        self.0.push(Violation { field: field.into(), rule: rule.into() });
    }

    /// A text of one line: what is printed on a label or compared as a name.
    fn line(&mut self, field: &str, value: &str, chars_min: usize, chars_max: usize) {
        self.lengths(field, value, chars_min, chars_max);
        if !rule::is_one_line(value) {
            self.add(field, "must not contain line breaks or other control characters");
        }
    }

    /// A text that may have several lines.
    fn text(&mut self, field: &str, value: &str, chars_min: usize, chars_max: usize) {
        self.lengths(field, value, chars_min, chars_max);
        if value.contains(|c: char| c.is_control() && c != '\n') {
            self.add(field, "must not contain control characters");
        }
    }

    /// A text between two lengths in characters, without blanks around it.
    fn lengths(&mut self, field: &str, value: &str, chars_min: usize, chars_max: usize) {
        let length = value.chars().count();
        if length < chars_min {
            self.add(field, format!("must have at least {chars_min} character(s)"));
        }
        if length > chars_max {
            self.add(field, format!("must have at most {chars_max} characters"));
        }
        if value.trim() != value {
            self.add(field, "must not begin or end with blanks");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> NewOrder {
        NewOrder {
            order_number: "536365".into(),
            retailer: "amazon_uk".into(),
            currency: "GBP".into(),
            items: vec![Item {
                product_id: "85123A".into(),
                title: "lantern".into(),
                quantity: 6,
                unit_price_minor: 255,
            }],
            total_minor: 1530,
            price_cap_minor: None,
            shipping_method: ShippingMethod::Cheapest,
            is_gift: false,
            gift_message: None,
            recipient: Recipient {
                first_name: "Ada".into(),
                last_name: "Miller".into(),
                address_line1: "12 Elm Street".into(),
                address_line2: String::new(),
                zip_code: "SW1A 1AA".into(),
                city: "London".into(),
                state: "Greater London".into(),
                country: "GB".into(),
                phone_number: "+44 20 7946 0000".into(),
                instructions: String::new(),
            },
            payment_intent: Some("pi_3Abc".into()),
            capture_when: None,
        }
    }

    /// The fields named when `change` is made to a good order.
    fn fields(change: impl FnOnce(&mut NewOrder)) -> Vec<String> {
        let mut order = order();
        change(&mut order);
        match order.check() {
            Ok(()) => vec![],
            Err(Invalid(all)) => all.into_iter().map(|v| v.field).collect(),
        }
    }

    #[test]
    fn a_whole_order_is_accepted_and_its_cap_is_the_sum_of_the_lines() {
        let order = order();
        assert_eq!(order.check(), Ok(()));
        assert_eq!((order.goods_minor(), order.price_cap()), (Some(1530), Some(1530)));
    }

    #[test]
    fn each_broken_field_is_named() {
        assert_eq!(fields(|o| o.order_number.clear()), ["order_number"]);
        assert_eq!(fields(|o| o.retailer = "tesco".into()), ["retailer"]);
        assert_eq!(fields(|o| o.currency = "USD".into()), ["currency"]);
        assert_eq!(fields(|o| o.items.clear()), ["items"]);
        assert_eq!(fields(|o| o.items[0].quantity = 0), ["items[0].quantity"]);
        assert_eq!(fields(|o| o.items[0].product_id.clear()), ["items[0].product_id"]);
        assert_eq!(fields(|o| o.total_minor = 1529), ["total_minor"]);
        assert_eq!(fields(|o| o.price_cap_minor = Some(1531)), ["price_cap_minor"]);
        assert_eq!(fields(|o| o.payment_intent = Some("ch_1".into())), ["payment_intent"]);
    }

    #[test]
    fn every_broken_field_is_reported_at_once() {
        let named = fields(|o| {
            o.order_number = " x".into();
            o.items[0].quantity = -1;
            o.recipient.country = "Gb".into();
        });
        assert_eq!(named, ["order_number", "items[0].quantity", "items", "recipient.country"]);
    }

    #[test]
    fn window_d4_missing_or_overlong_recipient_data_is_refused_and_never_filled_in() {
        let required = [
            ("first_name", 60),
            ("last_name", 60),
            ("address_line1", 100),
            ("zip_code", 20),
            ("city", 60),
            ("state", 60),
            ("country", 2),
            ("phone_number", 30),
        ];
        for (field, chars_max) in required {
            let mut missing = serde_json::to_value(order()).unwrap();
            missing["recipient"].as_object_mut().unwrap().remove(field).unwrap();
            let error = serde_json::from_value::<NewOrder>(missing).unwrap_err().to_string();
            assert_eq!(error, format!("missing field `{field}`"));
            for value in [String::new(), "1".repeat(chars_max + 1)] {
                let mut broken = serde_json::to_value(order()).unwrap();
                broken["recipient"][field] = value.as_str().into();
                let broken: NewOrder = serde_json::from_value(broken).unwrap();
                let mut named = fields(|o| *o = broken);
                named.dedup();
                assert_eq!(named, [format!("recipient.{field}")], "{value:?}");
            }
        }
        for (field, chars_max) in [("address_line2", 100), ("instructions", 240)] {
            let mut broken = serde_json::to_value(order()).unwrap();
            broken["recipient"][field] = "1".repeat(chars_max + 1).into();
            let broken: NewOrder = serde_json::from_value(broken).unwrap();
            assert_eq!(fields(|o| *o = broken), [format!("recipient.{field}")]);
        }
        assert_eq!(
            fields(|o| {
                o.is_gift = true;
                o.gift_message = Some("a\n".repeat(10) + "b");
            }),
            ["gift_message"]
        );
        assert_eq!(fields(|o| o.gift_message = Some("hello".into())), ["gift_message"]);
    }

    #[test]
    fn a_number_that_looks_like_an_id_is_refused() {
        let id = "0198c0de-0000-7000-8000-00000000000a";
        for number in [id.to_owned(), id.to_uppercase()] {
            assert_eq!(fields(|o| o.order_number = number), ["order_number"]);
        }
        assert!(fields(|o| o.order_number = id.replace('-', "")).is_empty());
    }

    #[test]
    fn a_text_of_one_line_has_one_line() {
        for nasty in ["a\nb", "a\rb", "a\0b", "a\tb", "a\u{2028}b", "a\u{85}b"] {
            assert_eq!(fields(|o| o.order_number = nasty.into()), ["order_number"], "{nasty:?}");
            assert_eq!(
                fields(|o| o.recipient.city = nasty.into()),
                ["recipient.city"],
                "{nasty:?}"
            );
        }
        let lines = "Leave it\nwith the porter";
        assert!(fields(|o| o.recipient.instructions = lines.into()).is_empty());
        assert_eq!(
            fields(|o| o.recipient.instructions = "a\0b".into()),
            ["recipient.instructions"]
        );
    }

    #[test]
    fn a_country_and_a_state_must_exist() {
        assert_eq!(fields(|o| o.recipient.country = "XX".into()), ["recipient.country"]);
        let american = |state: &str| {
            fields(|o| {
                o.recipient.country = "US".into();
                o.recipient.state = state.into();
            })
        };
        assert!(american("OR").is_empty());
        for state in ["99", "or", "Oregon", "XX"] {
            assert_eq!(american(state), ["recipient.state"], "{state}");
        }
    }

    #[test]
    fn a_payment_is_judged_by_the_one_rule_for_it() {
        for bad in ["pi_", "pi_a\0", "pi_a-b"] {
            assert_eq!(fields(|o| o.payment_intent = Some(bad.into())), ["payment_intent"]);
        }
    }

    #[test]
    fn an_unknown_field_is_refused_by_name() {
        let mut value = serde_json::to_value(order()).unwrap();
        value["colour"] = "red".into();
        let error = serde_json::from_value::<NewOrder>(value).unwrap_err().to_string();
        assert!(error.contains("unknown field `colour`"), "{error}");
    }

    #[test]
    fn the_debug_output_of_an_order_does_not_show_the_recipient() {
        let shown = format!("{:?}", order());
        assert!(!shown.contains("Elm") && !shown.contains("Ada"), "{shown}");
    }
}
