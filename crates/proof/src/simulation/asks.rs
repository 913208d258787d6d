//! What people and programs of the shop ask of the database.
//!
//! They may ask for anything at any time. What they say of the outside is true, because nothing could tell a
//! lie from the truth there: whoever names the provider's request id has read it in its list, whoever says
//! that nothing was bought has looked, and whoever says that goods have arrived has them.

use super::operation::{Amount, Decision, Id, Report, Resolution, Whole, Wish, word};
use super::play::{Failure, Play};
use orders_sandbox::Clock as _;
use orders_sandbox::zinc::{Event, Purchase};
use uuid::Uuid;

/// Calls that make no sense, of one order where they name one.
pub const NONSENSE: [(&str, &str); 23] = [
    ("place_order", "'{}'::jsonb"),
    ("attach_payment", "'{id}', 'no intent'"),
    ("attach_payment", "'00000000-0000-0000-0000-0000000000ff', 'pi_nobody'"),
    ("cancel_order", "'{id}', E'two\\nlines'"),
    ("cancel_order", "'00000000-0000-0000-0000-0000000000ff'"),
    ("hold_order", "'{id}', 'nonsense'"),
    ("hold_order", "'00000000-0000-0000-0000-0000000000ff'"),
    ("release_hold", "'{id}', '{\"nonsense\": 1}'"),
    ("release_hold", "'00000000-0000-0000-0000-0000000000ff'"),
    ("refund_order", "'{id}', 0, 'nothing'"),
    ("refund_order", "'00000000-0000-0000-0000-0000000000ff', 1, 'of nobody'"),
    ("decide_move", "'{id}', 'nonsense', 1"),
    ("decide_move", "'00000000-0000-0000-0000-0000000000ff', 'approve', 1"),
    ("manually_complete_order", "'{id}', '', 'with no id'"),
    ("manually_complete_order", "'00000000-0000-0000-0000-0000000000ff', null, 'of nobody'"),
    ("complete_order_processing", "'{id}', ''"),
    ("complete_order_processing", "'00000000-0000-0000-0000-0000000000ff', 'request-of-nobody'"),
    ("resolve_review", "'{id}', 'nonsense', 'as nobody has seen'"),
    ("resolve_review", "'00000000-0000-0000-0000-0000000000ff', 'give_up', 'as nobody has seen'"),
    ("recover_stuck_orders", "-1"),
    ("hold_shop", "''"),
    ("release_shop", "' '"),
    ("place_order", "{order}, '{\"order_id\": \"{id}\"}'"),
];

impl Play<'_> {
    /// Asks for something of an order.
    pub(super) async fn ask(&mut self, order: usize, wish: Wish) -> Result<String, Failure> {
        let id = self.orders[order].id;
        match wish {
            Wish::Cancel => self.door("cancel_order", &format!("'{id}', 'no more'")).await,
            Wish::Hold => self.door("hold_order", &format!("'{id}'")).await,
            Wish::Release => self.door("release_hold", &format!("'{id}'")).await,
            Wish::Refund(amount, key) => self.refund(order, amount, key).await,
            Wish::Decide(decision) => self.decide(id, decision).await,
            Wish::Complete(given) => self.complete(order, given).await,
            Wish::Report(given, far) => self.report(order, given, far).await,
            Wish::Resolve(resolution) => self.resolve(order, resolution).await,
            Wish::Recover(age) => self.door("recover_stuck_orders", &age.to_string()).await,
            Wish::Nonsense(which) => {
                let (door, arguments) = NONSENSE[usize::from(which) % NONSENSE.len()];
                let order = super::outside::another();
                let arguments =
                    arguments.replace("{order}", &order).replace("{id}", &id.to_string());
                self.door(door, &arguments).await
            }
        }
    }

    /// A person holds the whole shop, or lets it go on.
    pub(super) async fn shop(&mut self, whole: Whole) -> Result<String, Failure> {
        match whole {
            Whole::Hold => self.door("hold_shop", "'to see what is going on'").await,
            Whole::Release => self.door("release_shop", "'all is well'").await,
            Whole::ReleaseUncompared => {
                self.door("release_shop", r#"'it must go on', '{"uncompared": "true"}'"#).await
            }
        }
    }

    async fn refund(
        &mut self,
        order: usize,
        amount: Amount,
        key: Option<u8>,
    ) -> Result<String, Failure> {
        let (id, total) = (self.orders[order].id, self.orders[order].total);
        let cents = match amount {
            Amount::All => None,
            Amount::Part(cents) => Some(i64::from(cents)),
            Amount::TooMuch => Some(total + 1),
        };
        let amount = cents.map_or("null".to_owned(), |cents| cents.to_string());
        let key = key.map_or(String::new(), |key| format!(", \"idempotency_key\": \"k{key}\""));
        let call = format!("'{id}', {amount}, 'goods came back', '{{\"actor\": \"ada\"{key}}}'");
        let said = self.door("refund_order", &call).await?;
        if said == "ok" {
            let (status, name) = (self.status(order), order + 1);
            if !["completed", "cancelled", "failed"].contains(&status.as_str()) {
                let said = format!("order {name} is {status}");
                return Err(Failure::of("money returned of an order that may be bought", said));
            }
            if cents.is_some_and(|cents| cents > self.received(order)) {
                let said = format!("order {name}: {amount}");
                return Err(Failure::of("more to be returned than was ever received", said));
            }
            self.known.refunded.insert(order);
        }
        Ok(said)
    }

    /// The most that Stripe has received for an order in one payment.
    fn received(&self, order: usize) -> i64 {
        let stripe = self.ground.shop.stripe();
        let of_order = self.payments.iter().filter(|payment| payment.order == order);
        let received = of_order.filter_map(|payment| stripe.intent(&payment.intent));
        received.map(|intent| intent.amount_received).max().unwrap_or_default()
    }

    async fn decide(&mut self, order: Uuid, decision: Decision) -> Result<String, Failure> {
        let last = self
            .ground
            .shop
            .texts(&format!(
                "select concat_ws(' ', id, amount_minor, requested_by) from {{s}}.money_moves
                  where order_id = '{order}' order by state <> 'awaiting_approval', created_at desc, kind limit 1"
            ))
            .await
            .pop();
        let Some(last) = last else { return Ok("no money moves".into()) };
        let mut words = last.splitn(3, ' ');
        let mut next = || words.next().unwrap_or_default().to_owned();
        let (id, amount, requested_by) = (next(), next(), next());
        let (word, actor, amount) = match decision {
            Decision::Approve => ("approve", "bob".to_owned(), amount),
            Decision::ApproveOneself => ("approve", requested_by, amount),
            Decision::ApproveOther => ("approve", "bob".to_owned(), format!("{amount}1")),
            Decision::Withdraw => ("withdraw", "bob".to_owned(), amount),
            Decision::Again => ("again", "bob".to_owned(), amount),
        };
        let call = format!("'{id}', '{word}', {amount}, null, '{{\"actor\": \"{actor}\"}}'");
        let said = self.door("decide_move", &call).await?;
        if said == "ok" && decision == Decision::ApproveOneself {
            return Err(Failure::of("one person moved money alone", actor));
        }
        Ok(said)
    }

    async fn complete(&mut self, order: usize, given: Id) -> Result<String, Failure> {
        let id = self.orders[order].id;
        let Some(given_id) = self.request_id(order, given).await else {
            return Ok("nobody has such an id".into());
        };
        let argument = given_id.as_ref().map_or("null".to_owned(), |given| format!("'{given}'"));
        let said = self
            .door("manually_complete_order", &format!("'{id}', {argument}, 'seen there'"))
            .await?;
        if said == "ok" {
            self.known.by_word.insert(order);
            if given == Id::Outside {
                self.known.outside.insert(order);
            }
        }
        Ok(said)
    }

    async fn report(&mut self, order: usize, given: Id, far: Report) -> Result<String, Failure> {
        let id = self.orders[order].id;
        let Some(Some(request_id)) = self.request_id(order, given).await else {
            return Ok("nobody has such an id".into());
        };
        let now = self.ground.time.now_ms();
        let bought = self.bought(order);
        let placed = bought.as_ref().is_some_and(|one| one.placed_ms <= now && one.error.is_none());
        let arrived = placed && bought.as_ref().is_some_and(|one| one.delivered_ms <= now);
        let (status, until) = match far {
            Report::Failed => ("max_price_exceeded", "submitted_to_zinc"),
            Report::Completed if arrived => ("delivered", "completed"),
            Report::Completed if placed => ("placed", "processing"),
            // The retailer may have taken it and give it back.
            Report::Processing => ("placed", "processing"),
            _ => ("submitted", "submitted_to_zinc"),
        };
        let call = format!("'{id}', '{request_id}', '{status}', '{until}'");
        self.door("complete_order_processing", &call).await
    }

    async fn resolve(&mut self, order: usize, resolution: Resolution) -> Result<String, Failure> {
        let id = self.orders[order].id;
        if resolution == Resolution::NothingWasBought
            && (self.bought(order).is_some() || self.is_coming(order))
        {
            return Ok("the provider has it".into());
        }
        let decision = word(&resolution).replace(' ', "_");
        self.door("resolve_review", &format!("'{id}', '{decision}', 'as was seen at the provider'"))
            .await
    }

    /// The request id that is given; the outer nothing where nobody could give such a one.
    async fn request_id(&self, order: usize, given: Id) -> Option<Option<String>> {
        let right = self.bought(order).map(|one| one.request_id.to_string());
        let stored = self.ground.shop.of(self.orders[order].id, "zinc_request_id").await;
        let stored = Some(stored).filter(|id| !id.is_empty());
        match given {
            // Whoever gives none says that the stored one is right.
            Id::None => (stored.is_none() || stored == right).then_some(None),
            Id::Right => right.map(Some),
            Id::Others => {
                let (id, shop) = (self.orders[order].id, &self.ground.shop);
                let others = shop
                    .texts(&format!(
                        "select zinc_request_id from {{s}}.orders where id <> '{id}' and zinc_request_id is not null order by id limit 1"
                    ))
                    .await;
                others.into_iter().next().map(Some)
            }
            Id::Second => stored.map(|_| Some(format!("second-{order}"))),
            Id::Outside => {
                let status = self.status(order);
                matches!(status.as_str(), "pending" | "cancelled" | "failed")
                    .then(|| Some(format!("outside-{order}")))
            }
            Id::Former => {
                let (id, shop) = (self.orders[order].id, &self.ground.shop);
                let former = shop
                    .texts(&format!(
                        "select request_id from {{s}}.order_attempts where order_id = '{id}' and settled_by = 'provider_final'
                            and request_id is not null order by generation limit 1"
                    ))
                    .await;
                former.into_iter().next().map(Some)
            }
        }
    }

    /// What the provider has bought for an order and not undone.
    pub(super) fn bought(&self, order: usize) -> Option<Purchase> {
        let id = self.orders[order].id.to_string();
        self.ground.shop.zinc().purchases_of(&id).into_iter().next()
    }

    /// Whether the provider will buy it though nobody asks again.
    fn is_coming(&self, order: usize) -> bool {
        let (id, now) = (self.orders[order].id.to_string(), self.ground.time.now_ms());
        self.ground.shop.zinc().ledger().iter().any(|line| match &line.event {
            Event::Create(create) => {
                create.order_id.as_deref() == Some(&id)
                    && create.later.as_ref().is_some_and(|later| later.due_ms > now)
            }
            _ => false,
        })
    }
}
