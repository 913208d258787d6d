//! The end of a history: nothing goes wrong any more, time goes on, and the engines do what is due until
//! nothing is. // G9
//!
//! Promise: bounded. What is still due after days is a failure: somebody's order was forgotten.

use super::operation::{Mishap, Slot, Step, Whole};
use super::play::{Failure, Play};
use orders_sandbox::stripe::RefundStatus;

/// How long is waited between two rounds, in seconds: past the pauses of tries, the bound of the provider,
/// the life of a key and the time after which a person is told.
const PAUSES_S: [i64; 18] = [
    1, 61, 121, 301, 601, 901, 1_801, 3_700, 3_700, 7_200, 14_400, 28_800, 43_200, 86_400, 86_400,
    86_400, 86_400, 86_400,
];
/// The most turns of one step in a round.
const TURNS_MAX: usize = 80;
/// Longer than between two comparisons of the books.
const BOOKS_S: i64 = 3_700;

impl Play<'_> {
    /// Lets everything come to its end.
    pub(super) async fn settle(&mut self) -> Result<(), Failure> {
        self.ground.time.pass(10);
        self.look().await;
        self.story.note("    Then nothing goes wrong any more.");
        for worker in 0..2 {
            self.ground.hands[worker].go_on(&self.ground.shop).await;
        }
        self.refunds_arrive();
        self.step(Step::ReadMissed, None).await?;
        if self.kind.delivers_all {
            let stripe = self.ground.shop.stripe();
            let places: Vec<usize> = (0..stripe.owed().len()).collect();
            stripe.deliver(&places).await;
        }
        let mut due = String::new();
        for pause_s in PAUSES_S {
            self.pass(pause_s).await;
            self.round().await?;
            due = self.due().await;
            if due.is_empty() {
                return self.compare_books().await;
            }
        }
        Err(Failure::of("something never ended", due))
    }

    /// What is written down by comparing stands when it is seen twice.
    async fn compare_books(&mut self) -> Result<(), Failure> {
        for _ in 0..2 {
            self.pass(BOOKS_S).await;
            self.step(Step::ReadMissed, None).await?;
            self.step(Step::Reconcile, None).await?;
            self.round().await?;
        }
        self.pass(1).await;
        let due = self.due().await;
        if due.is_empty() { Ok(()) } else { Err(Failure::of("something began again", due)) }
    }

    async fn pass(&mut self, seconds: i64) {
        self.ground.time.pass(seconds * 1_000);
        self.look().await;
    }

    /// The banks do what they were about to do.
    fn refunds_arrive(&self) {
        let stripe = self.ground.shop.stripe();
        for payment in &self.payments {
            for refund in stripe.refunds_of(&payment.intent) {
                if refund.status == RefundStatus::Pending {
                    stripe.move_refund(&refund.id, RefundStatus::Succeeded);
                }
            }
        }
    }

    /// One round of everything that an engine does.
    async fn round(&mut self) -> Result<(), Failure> {
        self.step(Step::Recover, None).await?;
        if self.ground.shop.text("select held_since is not null from {s}.shop").await == "true" {
            self.step(Step::Reconcile, None).await?;
            // A person lets it go on as soon as he may.
            self.shop(Whole::Release).await?;
        }
        self.turns(Step::FollowUp).await?;
        self.turns(Step::ReadPayment).await?;
        for order in 0..self.orders.len() {
            if matches!(self.status(order).as_str(), "pending" | "submitting") {
                self.step(Step::Submit(Slot::of(0)), Some(order)).await?;
            }
        }
        self.step(Step::LookUp, None).await?;
        self.turns(Step::Watch).await?;
        self.step(Step::Intend, None).await?;
        self.turns(Step::Move).await?;
        self.refunds_arrive();
        Ok(())
    }

    async fn turns(&mut self, step: Step) -> Result<(), Failure> {
        for _ in 0..TURNS_MAX {
            if self.step(step, None).await? == "0 taken" {
                return Ok(());
            }
        }
        Err(Failure::of("a step is due again and again", step.kind()))
    }

    async fn step(&mut self, step: Step, order: Option<usize>) -> Result<String, Failure> {
        self.work(0, step, order, &Mishap::None).await
    }

    /// What is due, or will be.
    async fn due(&self) -> String {
        let due = self
            .ground
            .shop
            .texts(
                "select concat_ws(' ', 'order', o.order_number, o.status, o.hold_reason) from {s}.orders as o
                  where o.status in ('submitting', 'submitted_to_zinc', 'processing') or o.status = 'pending' and o.hold_reason is null
                 union all
                 select concat_ws(' ', m.kind, 'of', o.order_number, m.state, m.code) from {s}.money_moves as m
                   join {s}.orders as o on o.id = m.order_id where m.due_at is not null
                 union all
                 select concat_ws(' ', 'message', i.kind, i.tries) from {s}.inbox as i where i.due_at is not null
                 union all
                 select concat_ws(' ', 'payment of', o.order_number, 'stale') from {s}.payments as p
                   join {s}.orders as o on o.id = p.order_id where p.live and p.stale_since is not null
                 order by 1",
            )
            .await;
        due.join("; ")
    }
}
