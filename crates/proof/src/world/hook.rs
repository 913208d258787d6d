//! The endpoint at which Stripe's messages arrive.

use super::Shop;
use jiff::Timestamp;
use orders_core::private::Private;
use orders_sandbox::{Clock as _, RealClock};
use orders_service::api::{self, Api, JwtSecret, StripeHook, WallClock};
use orders_service::engine::Engine;
use orders_store::{Store, door};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

/// What messages are signed with.
pub const SECRET: &str = "whsec_sandbox";

/// A server that takes messages until it is dropped.
pub struct Endpoint {
    /// Where it takes them.
    pub url: String,
    _stop: DropGuard,
}

/// The time of this machine.
pub fn now() -> Timestamp {
    Timestamp::from_millisecond(RealClock.now_ms()).expect("a time of our era")
}

impl Shop {
    /// What a server is made of that takes Stripe's messages and stores them by this store.
    pub async fn message_api(
        &self,
        store: Store,
        engine: Option<Arc<Engine>>,
        clock: WallClock,
    ) -> Api {
        let hook = StripeHook {
            secrets: vec![Private::new(SECRET.to_owned())],
            tolerance_s: 300,
            live_mode: false,
            account: None,
            counts: Arc::default(),
        };
        Api {
            store,
            engine,
            doors: door::catalogue(&self.app).await.expect("the doors"),
            jwt_secret: JwtSecret::parse(None).expect("no secret is needed"),
            clock,
            stripe_hook: Some(hook),
        }
    }

    /// Has Stripe send its messages here; this engine, if one is given, is told of them.
    pub async fn take_messages(&self, engine: Option<Arc<Engine>>) -> Endpoint {
        let endpoint = self.endpoint(engine, Arc::new(now)).await;
        let stripe = &self.partners.world.stripe;
        stripe.set_webhook(Some(&endpoint.url), vec![SECRET.to_owned()]).expect("an endpoint");
        endpoint
    }

    /// A server that takes messages and judges their age by this clock.
    pub async fn endpoint(&self, engine: Option<Arc<Engine>>, clock: WallClock) -> Endpoint {
        let api = self.message_api(self.app.clone(), engine, clock).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/webhooks/stripe", listener.local_addr().expect("an address"));
        let stop = CancellationToken::new();
        tokio::spawn(api::serve(listener, api::router(api), stop.clone()));
        Endpoint { url, _stop: stop.drop_guard() }
    }

    /// Delivers everything that Stripe owes, in the order of its events; each must be acknowledged.
    pub async fn deliver_all(&self) {
        let stripe = &self.partners.world.stripe;
        let places: Vec<usize> = (0..stripe.owed().len()).collect();
        let said = stripe.deliver(&places).await;
        assert!(said.iter().all(|status| *status == Some(200)), "{said:?}");
    }
}
