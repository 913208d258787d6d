//! The shop's settings: one truth for the functions and for every engine.

use crate::{Error, Store};
use orders_core::id::ShopSecret;
use orders_core::plan::Limits;
use orders_core::plan::reading::CompleteOn;
use orders_core::private::Private;
use std::collections::HashMap;
use std::time::Duration;

/// The settings as an engine needs them.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What keys and attempt ids are derived from.
    pub shop_secret: ShopSecret,
    /// The provider's stated bound for processing one call. // ruling 4
    pub processing_bound: Duration,
    /// The pause between two polls of an accepted order.
    pub poll: Duration,
    /// The bounds of trying.
    pub limits: Limits,
    /// How far an order goes before it is complete.
    pub complete_on: CompleteOn,
    /// How old what Stripe said of a payment may be when its order is sent. // ruling 14
    pub gate_age: Duration,
    /// Whether an open review or an early warning of fraud holds an order.
    pub hold_on_fraud_signs: bool,
}

/// Reads the settings.
pub async fn read(store: &Store) -> Result<Settings, Error> {
    let rows = store
        .query("settings.read", &store.in_schema("select * from {schema}.shop_settings()"), &[])
        .await?;
    let found: HashMap<String, String> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let text = |name: &str| {
        found.get(name).ok_or_else(|| {
            Error::BadGround(format!("the setting {name} is missing: run `atomic-orders migrate`"))
        })
    };
    let number = |name: &str| {
        text(name)?
            .parse::<u32>()
            .map_err(|_| Error::BadGround(format!("the setting {name} is not a whole number")))
    };
    let ms = |name: &str| number(name).map(|ms| Duration::from_millis(ms.into()));
    let mut limits = Limits {
        calls_max: number("calls_max")?,
        generations_max: number("generations_max")?,
        ..Limits::default()
    };
    limits.repeat.first = ms("repeat_first_ms")?;
    limits.renew.first = ms("renew_first_ms")?;
    limits.account_pause = ms("account_pause_ms")?;
    Ok(Settings {
        shop_secret: secret(text("shop_secret")?)?,
        processing_bound: ms("processing_bound_ms")?,
        poll: ms("poll_ms")?,
        limits,
        complete_on: CompleteOn::parse(text("complete_on")?).ok_or_else(|| {
            Error::BadGround("the setting complete_on must be placed or delivered".into())
        })?,
        gate_age: Duration::from_millis(text("gate_age_ms")?.parse().map_err(|_| {
            Error::BadGround("the setting gate_age_ms is not a whole number".into())
        })?),
        hold_on_fraud_signs: text("hold_on_fraud_signs")? == "yes",
    })
}

fn secret(hex: &str) -> Result<ShopSecret, Error> {
    let bytes: Option<Vec<u8>> = (0..hex.len() / 2)
        .map(|at| hex.get(2 * at..2 * at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()))
        .collect();
    bytes.filter(|bytes| bytes.len() >= 32).map(Private::new).ok_or_else(|| {
        Error::BadGround("the setting shop_secret must be 64 hex digits or more".into())
    })
}
