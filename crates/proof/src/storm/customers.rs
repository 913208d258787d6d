//! The customers of a storm: they order, pay at Stripe, change their minds, send goods back; and what the
//! shop acknowledged to them is kept outside of it, because the judge must not ask the shop for it.

use super::chance::Chance;
use crate::world::{Shop, TOTAL};
use orders_store::Error;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How many orders are placed in one statement.
const BATCH: usize = 25;
/// So many of a hundred customers change their minds.
const CANCEL: u64 = 4;
/// So many of a hundred send the goods back.
const RETURN: u64 = 1;
/// So many of a hundred pay by money that is only reserved until it is taken.
const RESERVED: u64 = 15;
/// So many of a hundred whose order the shop has forgotten place it again: the storefront sends what it
/// has no word of. The others never come back.
const AGAIN: u64 = 60;
/// Goods come back when they have arrived; nobody asks for longer than that.
const RETURN_WITHIN: Duration = Duration::from_mins(2);
/// The same when the shop has to be compared first, and their order is bought once more on paper.
const RETURN_WITHIN_AFTER_A_RESTORE: Duration = Duration::from_mins(8);

/// What somebody wants after he has ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Cancel,
    Return,
}

/// A wish, and when it is said.
struct Wanted {
    order: Uuid,
    wish: Wish,
    at: Instant,
    until: Instant,
}

/// All customers.
pub struct Customers {
    chance: Chance,
    wanted: Vec<Wanted>,
    /// Placed at Stripe and not yet acknowledged by the shop; sent again until it is.
    unacknowledged: Vec<(Uuid, Value)>,
    /// Every order that the shop acknowledged, with its PaymentIntent.
    pub placed: HashMap<Uuid, String>,
    /// Those whose goods went back, as the shop acknowledged.
    pub returned: HashSet<Uuid>,
    /// Orders that the shop acknowledged and forgot when its database was put back, and whose customers
    /// never came back, with their PaymentIntents.
    pub given_up: HashMap<Uuid, String>,
    /// Orders that it forgot, and that were placed again.
    pub again: HashSet<Uuid>,
}

impl Customers {
    /// Nobody has ordered yet.
    pub fn new(seed: u64) -> Self {
        Self {
            chance: Chance::of(seed, "customers"),
            wanted: Vec::new(),
            unacknowledged: Vec::new(),
            placed: HashMap::new(),
            returned: HashSet::new(),
            given_up: HashMap::new(),
            again: HashSet::new(),
        }
    }

    /// How many have been drawn, acknowledged or not.
    pub fn count(&self) -> usize {
        self.acknowledged() + self.unacknowledged.len()
    }

    /// How many the shop acknowledged, whatever it has forgotten since.
    pub fn acknowledged(&self) -> usize {
        self.placed.len() + self.given_up.len()
    }

    /// The shop was put back and knows these orders only: some customers place theirs again, as they had
    /// placed it, and nobody wants anything of an order that is not there. What went back to somebody is his; what did not is asked for once more.
    pub fn forgotten_but(&mut self, shop: &Shop, known: &HashSet<Uuid>) {
        let is_back = |order: &Uuid| {
            let intent = self.placed.get(order).or_else(|| self.given_up.get(order));
            let intent = intent.and_then(|intent| shop.stripe().intent(intent));
            intent.is_some_and(|intent| intent.amount_refunded > 0)
        };
        let mut unpaid: Vec<Uuid> = self.returned.extract_if(|order| !is_back(order)).collect();
        unpaid.sort_unstable();
        let mut gone: Vec<_> = self.placed.extract_if(|order, _| !known.contains(order)).collect();
        // So that a seed draws the same.
        gone.sort_unstable();
        for (order, intent) in gone {
            if self.chance.happens(AGAIN) {
                self.unacknowledged.push((order, content(order, &intent)));
                self.again.insert(order);
            } else {
                self.again.remove(&order);
                self.given_up.insert(order, intent);
            }
        }
        self.wanted.retain(|one| known.contains(&one.order));
        let at = Instant::now();
        let again = unpaid.into_iter().filter(|order| self.placed.contains_key(order));
        let until = at + RETURN_WITHIN_AFTER_A_RESTORE;
        self.wanted.extend(again.map(|order| Wanted { order, wish: Wish::Return, at, until }));
    }

    /// Places the next orders, at most so many; what was sent before without an answer goes first, and
    /// goes out the same.
    pub async fn order(&mut self, shop: &Shop, most: usize) {
        if self.unacknowledged.is_empty() {
            for _ in 0..most.min(BATCH) {
                let one = self.drawn(shop);
                self.unacknowledged.push(one);
            }
        }
        if self.unacknowledged.is_empty() {
            return;
        }
        let list = self.unacknowledged.iter().map(|(id, order)| json!({"id": id, "order": order}));
        let list = Value::Array(list.collect()).to_string().replace('\'', "''");
        let sql = shop.app.in_schema(&format!(
            "select p.answer ->> 'order_id', (p.answer ->> 'success')::text
               from jsonb_array_elements('{list}'::jsonb) as w (one)
              cross join lateral {{schema}}.place_order(w.one -> 'order', jsonb_build_object('order_id', w.one ->> 'id')) as p (answer)"
        ));
        // Without an answer it may be placed or not: the same number with the same content is told so.
        let Ok(rows) = shop.app.query("storm.place", &sql, &[]).await else { return };
        for row in rows {
            let id: Option<Uuid> = row.get::<_, Option<String>>(0).and_then(|id| id.parse().ok());
            let good = row.get::<_, Option<String>>(1).as_deref() == Some("true");
            let Some(id) = id.filter(|_| good) else { continue };
            let Some(at) = self.unacknowledged.iter().position(|(one, _)| *one == id) else {
                continue;
            };
            let (_, order) = self.unacknowledged.swap_remove(at);
            let intent = order["payment_intent"].as_str().unwrap_or_default().to_owned();
            self.placed.insert(id, intent);
            self.wish(id);
        }
    }

    /// An order that is paid at Stripe before the shop hears of it.
    fn drawn(&mut self, shop: &Shop) -> (Uuid, Value) {
        let id = self.chance.id();
        let name = id.to_string();
        let stripe = shop.stripe();
        let intent = if self.chance.happens(RESERVED) {
            stripe.authorise(&name, TOTAL, "usd")
        } else {
            stripe.pay(&name, TOTAL, "usd")
        };
        (id, content(id, &intent))
    }

    fn wish(&mut self, order: Uuid) {
        let wish = match self.chance.between(1, 100) {
            draw if draw <= CANCEL => Wish::Cancel,
            draw if draw <= CANCEL + RETURN => Wish::Return,
            _ => return,
        };
        // At any moment of its short life: before, while and after it is bought.
        let at = Instant::now() + Duration::from_millis(self.chance.between(0, 1500));
        self.wanted.push(Wanted { order, wish, at, until: at + RETURN_WITHIN });
    }

    /// Says the wishes whose time has come. What gets no answer is said again: saying it twice changes
    /// nothing.
    pub async fn say_wishes(&mut self, shop: &Shop) {
        let now = Instant::now();
        let mut due = Vec::new();
        self.wanted.retain_mut(|one| {
            let is_due = one.at <= now;
            if is_due {
                due.push((one.order, one.wish, one.until));
            }
            !is_due
        });
        for (order, wish, until) in due {
            let again = match (wish, said(shop, order, wish).await) {
                (_, Err(_)) => true,
                // While the database may have forgotten a purchase nothing is cancelled.
                (Wish::Cancel, Ok(code)) => code.as_deref() == Some("shop_held") && now < until,
                (Wish::Return, Ok(None)) => {
                    self.returned.insert(order);
                    false
                }
                // Not delivered yet, or something about its money is under way.
                (Wish::Return, Ok(Some(code))) => {
                    (code == "may_be_bought" || code == "refund_under_way") && now < until
                }
            };
            if again {
                let at = now + Duration::from_secs(1);
                self.wanted.push(Wanted { order, wish, at, until });
            }
        }
    }

    /// Nothing moves any more: whoever still waits says his wish once more, and takes the answer.
    pub fn lose_patience(&mut self) {
        let now = Instant::now();
        for one in &mut self.wanted {
            (one.at, one.until) = (one.at.min(now), one.until.min(now));
        }
    }

    /// Nobody wants anything more, but for those who were not answered.
    pub fn has_wishes(&self) -> bool {
        !self.wanted.is_empty()
    }
}

/// What the storefront sends of an order: the same each time.
fn content(id: Uuid, intent: &str) -> Value {
    let mut order = crate::world::order();
    order["order_number"] = json!(format!("storm-{id}"));
    order["payment_intent"] = json!(intent);
    order
}

/// Says a wish; gives the code of the refusal, if it was refused.
async fn said(shop: &Shop, order: Uuid, wish: Wish) -> Result<Option<String>, Error> {
    let sql = match wish {
        Wish::Cancel => {
            format!("select {{schema}}.cancel_order('{order}', 'changed my mind') ->> 'code'")
        }
        // Not of an order that ended otherwise: its money goes back by itself.
        Wish::Return => format!(
            "select {{schema}}.refund_order(o.id, null, 'goods came back') ->> 'code'
               from {{schema}}.orders as o where o.id = '{order}' and o.status = 'completed'"
        ),
    };
    let rows = shop.app.query("storm.wish", &shop.app.in_schema(&sql), &[]).await?;
    match rows.first() {
        Some(row) => Ok(row.get(0)),
        None => Ok(Some("may_be_bought".to_owned())),
    }
}
