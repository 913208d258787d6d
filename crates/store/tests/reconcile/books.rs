//! The books of the partners: at first what the shop itself believes of them.

use super::shop::Shop;
use orders_store::reconcile::{self, Ended, ListedIds};
use serde_json::{Value, json};

/// Every list was read to its end.
pub const WHOLE: [&str; 3] = ["payments", "refunds", "purchases"];

/// What the partners list.
#[derive(Clone)]
pub struct Books {
    pub payments: Vec<Value>,
    pub refunds: Vec<Value>,
    pub purchases: Vec<Value>,
}

/// A difference that stands.
#[derive(Debug)]
pub struct Open {
    pub kind: String,
    pub subject: String,
    pub age_s: i64,
    pub new: bool,
}

/// The differences that stand, by kind.
pub async fn open(shop: &Shop) -> Vec<Open> {
    let at = shop.text("select to_json(max(last_at)) #>> '{}' from differences").await;
    let Ok(at) = at.parse() else { return Vec::new() };
    let rows = reconcile::open(&shop.app, at, 1000).await.unwrap();
    let text = |one: &Value, name: &str| one[name].as_str().unwrap().to_owned();
    let mut open: Vec<_> = rows
        .iter()
        .map(|one| Open {
            kind: text(one, "kind"),
            subject: text(one, "subject"),
            age_s: one["age_s"].as_i64().unwrap(),
            new: one["new"] == json!(true),
        })
        .collect();
    open.sort_by(|one, other| (&one.kind, &one.subject).cmp(&(&other.kind, &other.subject)));
    open
}

async fn array(shop: &Shop, sql: &str) -> Vec<Value> {
    let rows = shop.sql(sql).await;
    rows.iter().map(|row| row.get(0)).collect()
}

impl Books {
    /// Both sides agree.
    pub async fn of(shop: &Shop) -> Self {
        let payments = "select jsonb_build_object('payment_intent', p.payment_intent, 'status', coalesce(p.stripe_status, 'requires_payment_method'),
             'received_minor', coalesce(p.amount_received, 0), 'capturable_minor', coalesce(p.amount_capturable, 0),
             'refunded_minor', coalesce(p.amount_refunded, 0), 'currency', coalesce(p.currency, 'GBP'), 'livemode', false,
             'named_order', p.order_id, 'disputed', p.dispute is not null, 'in_review', coalesce(p.in_review, false),
             'created_s', floor(extract(epoch from o.created_at))::bigint, 'changed_s', floor(extract(epoch from o.created_at))::bigint)
           from payments as p join orders as o on o.id = p.order_id";
        let refunds = "select jsonb_build_object('refund_id', m.stripe_id, 'payment_intent', m.payment_intent, 'amount_minor', m.amount_minor,
             'currency', m.currency, 'named_move', m.id, 'created_s', floor(extract(epoch from m.first_sent_at))::bigint,
             'status', case m.state when 'done' then 'succeeded' when 'failed' then 'failed' else 'pending' end)
           from money_moves as m where m.kind = 'refund' and m.stripe_id is not null";
        let purchases = "select jsonb_build_object('request_id', coalesce(a.request_id, o.zinc_request_id), 'order_id', o.id, 'attempt_id', a.attempt_id,
             'outcome', case when a.settled_by = 'provider_final' then 'failed' when o.status in ('processing', 'completed') then 'bought' else 'working' end)
           from order_attempts as a join orders as o on o.id = a.order_id
          where a.request_id is not null or a.settled_at is null and o.zinc_request_id is not null";
        Self {
            payments: array(shop, payments).await,
            refunds: array(shop, refunds).await,
            purchases: array(shop, purchases).await,
        }
    }

    /// Changes what is said of one thing, by its id.
    pub fn change(&mut self, id: &str, field: &str, value: Value) {
        let ids = ["refund_id", "request_id", "payment_intent"];
        let all = self.payments.iter_mut().chain(&mut self.refunds).chain(&mut self.purchases);
        let own =
            |one: &Value| ids.iter().map(|name| &one[*name]).find(|id| !id.is_null()).cloned();
        let mut of = all.filter(|one| own(one) == Some(json!(id)));
        of.next().unwrap_or_else(|| panic!("nothing is listed as {id}"))[field] = value;
    }

    /// Stripe has the money.
    pub fn succeed(&mut self, intent: &str) {
        self.change(intent, "status", json!("succeeded"));
        self.change(intent, "received_minor", json!(1530));
    }

    /// Leaves something out.
    pub fn remove(&mut self, id: &str) {
        let other = |one: &Value, name: &str| one[name] != json!(id);
        self.payments.retain(|one| other(one, "payment_intent"));
        self.refunds.retain(|one| other(one, "refund_id"));
        self.purchases.retain(|one| other(one, "request_id"));
    }

    /// Compares, as the service does; what is not listed counts as asked for in vain.
    pub async fn compare(&self, shop: &Shop, sides: &[&str]) -> Ended {
        self.compare_since(shop, sides, "2000-01-01 00:00:00+00").await
    }

    /// Compares at another time.
    pub async fn compare_at(&self, shop: &Shop, sides: &[&str], shift: &str) -> Ended {
        shop.shift(shift).await;
        self.compare(shop, sides).await
    }

    /// The statement that compares the payments.
    pub fn payments_as_sql(&self, run_at: &str) -> String {
        format!("select reconcile_payments('{run_at}', false, '{}')", json!(self.payments))
    }

    /// Compares what is not older than a time.
    pub async fn compare_since(&self, shop: &Shop, sides: &[&str], since: &str) -> Ended {
        let run_at = reconcile::begin(&shop.app, None).await.unwrap().unwrap();
        let since: jiff::Timestamp = since.parse().unwrap();
        let ids = |side: &str, listed: &[Value], name: &str| {
            let id_of = |one: &Value| one[name].as_str().unwrap().to_owned();
            sides.contains(&side).then(|| listed.iter().map(id_of).collect())
        };
        let listed = ListedIds {
            payments: ids("payments", &self.payments, "payment_intent"),
            refunds: ids("refunds", &self.refunds, "refund_id"),
            purchases: ids("purchases", &self.purchases, "request_id"),
        };
        let missing = reconcile::unlisted(&shop.app, run_at, since, &listed, 100).await.unwrap();
        for sql in [
            format!("select reconcile_refunds('{run_at}', '{}')", json!(self.refunds)),
            self.payments_as_sql(&run_at.to_string()),
            format!(
                "select reconcile_purchases('{run_at}', '{since}', '{}')",
                json!(self.purchases)
            ),
        ] {
            shop.app.query("test", &sql, &[]).await.unwrap();
        }
        let (mut after, mut orders) = (None, 0);
        loop {
            let (some, last) = reconcile::orders(&shop.app, run_at, after, 7).await.unwrap();
            orders += some;
            after = last;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(orders.to_string(), shop.text("select count(*) from orders").await);
        reconcile::finish(&shop.app, run_at, since, sides, &missing).await.unwrap()
    }
}
