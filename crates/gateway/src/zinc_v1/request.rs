//! The body of a create call.
//!
//! Promise: the same purchase gives the same bytes, in every release. A database restored from an
//! old backup makes a lost intent again from the order's snapshot, and the provider must see the
//! very request it has seen before. So nothing here depends on the configuration, on a clock or on
//! the order of a map; the field order is that of the structs. // G3, G4

use crate::provider::CannotBuild;
use orders_core::attempt::Purchase;
use orders_core::order::{
    GIFT_MESSAGE_CHARS_MAX, GIFT_MESSAGE_LINES_MAX, Recipient, ShippingMethod,
};
use serde::Serialize;
use uuid::Uuid;

/// How long the provider may keep an order in its queue, in seconds: its own default, sent along so
/// that a change of the default changes nothing here. Not configurable, see the module's promise.
const QUEUE_TIMEOUT_SECONDS: u32 = 14_400;

/// No field for billing, payment, credentials or a discount exists here, because the managed
/// account forbids the first three and the contract tells us to leave the last alone.
#[derive(Serialize)]
struct Body<'a> {
    idempotency_key: Uuid,
    retailer: &'static str,
    addax: bool,
    products: Vec<Product<'a>>,
    max_price: i64,
    shipping_address: ShippingAddress<'a>,
    is_gift: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    gift_message: Option<&'a str>,
    shipping_method: &'static str,
    strict_expired_product_id: bool,
    addax_queue_timeout: u32,
    client_notes: Notes,
}

#[derive(Serialize)]
struct Product<'a> {
    product_id: &'a str,
    quantity: i64,
}

#[derive(Serialize)]
struct ShippingAddress<'a> {
    first_name: &'a str,
    last_name: &'a str,
    address_line1: &'a str,
    address_line2: &'a str,
    zip_code: &'a str,
    city: &'a str,
    state: &'a str,
    country: &'a str,
    phone_number: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    instructions: &'a str,
}

#[derive(Serialize)]
struct Notes {
    order_id: Uuid,
    attempt_id: Uuid,
}

/// Writes the body. The caller has checked that the account serves the retailer.
///
/// The rules of [`orders_core::order`] are checked once more where breaking one would buy
/// something else than was ordered.
pub(super) fn bytes(purchase: &Purchase) -> Result<Vec<u8>, CannotBuild> {
    let body = Body {
        idempotency_key: purchase.provider_key,
        retailer: purchase.retailer.name(),
        addax: true,
        products: products(purchase)?,
        max_price: Some(purchase.price_cap_minor)
            .filter(|cap| *cap > 0)
            .ok_or(CannotBuild::PriceCap)?,
        shipping_address: address(&purchase.recipient)?,
        is_gift: purchase.is_gift,
        gift_message: gift_message(purchase)?,
        shipping_method: match purchase.shipping_method {
            ShippingMethod::Cheapest => "cheapest",
            ShippingMethod::Fastest => "fastest",
            ShippingMethod::Free => "free",
        },
        // Without it, a retired product id may be redirected and another product bought.
        strict_expired_product_id: true,
        addax_queue_timeout: QUEUE_TIMEOUT_SECONDS,
        client_notes: Notes { order_id: purchase.order_id, attempt_id: purchase.attempt_id },
    };
    serde_json::to_vec(&body).map_err(|_| CannotBuild::Encoding)
}

fn products(purchase: &Purchase) -> Result<Vec<Product<'_>>, CannotBuild> {
    if purchase.items.is_empty() {
        return Err(CannotBuild::NoItems);
    }
    let lines = purchase.items.iter().enumerate().map(|(at, item)| {
        if item.product_id.is_empty() || item.quantity < 1 {
            return Err(CannotBuild::Item(at));
        }
        Ok(Product { product_id: &item.product_id, quantity: item.quantity })
    });
    lines.collect()
}

fn gift_message(purchase: &Purchase) -> Result<Option<&str>, CannotBuild> {
    let Some(message) = &purchase.gift_message else {
        return Ok(None);
    };
    let message = message.expose().as_str();
    let fits = message.chars().count() <= GIFT_MESSAGE_CHARS_MAX
        && message.lines().count() <= GIFT_MESSAGE_LINES_MAX;
    if fits && purchase.is_gift { Ok(Some(message)) } else { Err(CannotBuild::GiftMessage) }
}

fn address(recipient: &Recipient) -> Result<ShippingAddress<'_>, CannotBuild> {
    let needed = [
        ("first_name", &recipient.first_name),
        ("last_name", &recipient.last_name),
        ("address_line1", &recipient.address_line1),
        ("zip_code", &recipient.zip_code),
        ("city", &recipient.city),
        ("state", &recipient.state),
        ("country", &recipient.country),
        ("phone_number", &recipient.phone_number),
    ];
    if let Some((name, _)) = needed.iter().find(|(_, value)| value.trim().is_empty()) {
        return Err(CannotBuild::Recipient(name));
    }
    Ok(ShippingAddress {
        first_name: &recipient.first_name,
        last_name: &recipient.last_name,
        address_line1: &recipient.address_line1,
        address_line2: &recipient.address_line2,
        zip_code: &recipient.zip_code,
        city: &recipient.city,
        state: &recipient.state,
        country: &recipient.country,
        phone_number: &recipient.phone_number,
        instructions: &recipient.instructions,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use orders_core::order::{Item, Retailer};
    use orders_core::private::Private;

    pub(in crate::zinc_v1) fn purchase() -> Purchase {
        Purchase {
            order_id: Uuid::from_u128(1),
            attempt_id: Uuid::from_u128(2),
            provider_key: Uuid::from_u128(3),
            retailer: Retailer::Amazon,
            items: vec![Item {
                product_id: "B000000001".into(),
                title: "A title that stays here".into(),
                quantity: 2,
                unit_price_minor: 2100,
            }],
            price_cap_minor: 4200,
            shipping_method: ShippingMethod::Cheapest,
            is_gift: true,
            gift_message: Some(Private::new("Happy \"birthday\"".into())),
            recipient: Recipient {
                first_name: "Ada".into(),
                last_name: "Müller".into(),
                address_line1: "12 Elm Street".into(),
                address_line2: String::new(),
                zip_code: "97209".into(),
                city: "Portland".into(),
                state: "OR".into(),
                country: "US".into(),
                phone_number: "5035550100".into(),
                instructions: String::new(),
            },
        }
    }

    // A release that changes these bytes breaks "same bytes after a restore": the provider would
    // see another body under a key that it knows. Change them only together with the key.
    const GOLDEN: &str = concat!(
        r#"{"idempotency_key":"00000000-0000-0000-0000-000000000003","retailer":"amazon","#,
        r#""addax":true,"products":[{"product_id":"B000000001","quantity":2}],"max_price":4200,"#,
        r#""shipping_address":{"first_name":"Ada","last_name":"Müller","#,
        r#""address_line1":"12 Elm Street","address_line2":"","zip_code":"97209","#,
        r#""city":"Portland","state":"OR","country":"US","phone_number":"5035550100"},"#,
        r#""is_gift":true,"gift_message":"Happy \"birthday\"","shipping_method":"cheapest","#,
        r#""strict_expired_product_id":true,"addax_queue_timeout":14400,"#,
        r#""client_notes":{"order_id":"00000000-0000-0000-0000-000000000001","#,
        r#""attempt_id":"00000000-0000-0000-0000-000000000002"}}"#,
    );

    #[test]
    fn g4_the_same_purchase_gives_the_same_bytes_in_every_release() {
        let written = String::from_utf8(bytes(&purchase()).unwrap()).unwrap();
        assert_eq!(written, GOLDEN);
        assert_eq!(bytes(&purchase()), bytes(&purchase().clone()));
    }

    #[test]
    fn every_way_of_shipping_has_the_providers_name_and_instructions_are_sent_if_there_are_any() {
        for (method, name) in [
            (ShippingMethod::Cheapest, "cheapest"),
            (ShippingMethod::Fastest, "fastest"),
            (ShippingMethod::Free, "free"),
        ] {
            let mut plain = purchase();
            plain.shipping_method = method;
            plain.is_gift = false;
            plain.gift_message = None;
            plain.recipient.instructions = "Ring twice".into();
            let body: serde_json::Value = serde_json::from_slice(&bytes(&plain).unwrap()).unwrap();
            assert_eq!(body["shipping_method"], name);
            assert_eq!(body["shipping_address"]["instructions"], "Ring twice");
            assert_eq!((&body["is_gift"], body.get("gift_message")), (&false.into(), None));
            assert_eq!(body.get("shipping"), None);
        }
    }

    #[test]
    fn a_purchase_that_says_too_little_is_not_built_and_nothing_is_filled_in() {
        let built = |change: fn(&mut Purchase)| {
            let mut purchase = purchase();
            change(&mut purchase);
            bytes(&purchase).map(|_| ())
        };
        assert_eq!(built(|p| p.items.clear()), Err(CannotBuild::NoItems));
        assert_eq!(built(|p| p.items[0].quantity = 0), Err(CannotBuild::Item(0)));
        assert_eq!(built(|p| p.items[0].product_id.clear()), Err(CannotBuild::Item(0)));
        assert_eq!(built(|p| p.price_cap_minor = 0), Err(CannotBuild::PriceCap));
        assert_eq!(
            built(|p| p.recipient.phone_number = " ".into()),
            Err(CannotBuild::Recipient("phone_number"))
        );
        assert_eq!(built(|p| p.is_gift = false), Err(CannotBuild::GiftMessage));
        let long = |p: &mut Purchase| p.gift_message = Some(Private::new("x".repeat(241)));
        assert_eq!(built(long), Err(CannotBuild::GiftMessage));
        let tall = |p: &mut Purchase| p.gift_message = Some(Private::new("x\n".repeat(10)));
        assert_eq!(built(tall), Err(CannotBuild::GiftMessage));
    }
}
