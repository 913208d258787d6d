//! A shop in which cells are run one after the other, with a clock of its own.

use crate::world::ground::Ground;
use crate::world::{Shop, hurried};
use orders_sandbox::Options;
use std::sync::atomic::{AtomicI64, Ordering};

/// A shop in which nothing is under way between two cells.
pub struct Lane {
    /// The shop.
    pub shop: Shop,
    /// How many hours its clock is ahead: a clock that was wrong is right again only later.
    hours: AtomicI64,
}

impl Lane {
    /// A new one, in the cluster that everybody shares.
    pub async fn fresh() -> Self {
        Self::on(Ground::Shared).await
    }

    /// A new one, whose database may be restarted.
    pub async fn restartable() -> Self {
        Self::on(Ground::own().await).await
    }

    async fn on(ground: Ground) -> Self {
        let database = ground.fresh_database().await;
        let shop = Shop::on(ground, &database, "public", partners()).await;
        shop.own_clock().await;
        Self { shop, hours: AtomicI64::new(0) }
    }

    /// Puts the shop's clock so many hours from where it stands.
    pub async fn shift(&self, by: i64) {
        let hours = self.hours.load(Ordering::SeqCst) + by;
        self.shop.shift(&format!("{hours} hours")).await;
    }

    /// The same, for good.
    pub async fn later(&self, by: i64) {
        self.shift(by).await;
        self.hours.fetch_add(by, Ordering::SeqCst);
    }
}

/// Copies a shop as it stands; what follows is an ordinary day, although the server was restarted for it.
pub(super) async fn back_up(shop: &Shop) {
    shop.ground.back_up(&shop.admin).await;
    watched(shop).await;
}

/// Somebody was at work in this shop a moment ago, whatever was done to clocks and servers between two
/// cells: only what a cell does itself makes its shop one that nobody watched.
pub(super) async fn watched(shop: &Shop) {
    shop.sql(
        "update {s}.shop set held_since = null, held_because = null, compare_since = null, forgotten_from = null,
                compared_at = null, beaten_at = {s}.clock_now(), server_started_at = pg_postmaster_start_time()",
    )
    .await;
}

/// Partners in a hurry, also with the messages that they repeat.
pub(super) fn partners() -> Options {
    let mut options = hurried();
    options.stripe.webhook_gap_ms = 150;
    options.stripe.webhook_timeout_ms = 8_000;
    options
}
