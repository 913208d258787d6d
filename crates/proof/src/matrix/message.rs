//! The points of a message's way in, C1 to C3: Stripe delivers it to a server, the fault meets that server,
//! and the order that only the message tells of is bought all the same: because Stripe repeats the
//! message, or because it is found in the list. // G25, G26

use super::cell::{PATIENCE, Wanted, ended, judge};
use super::fault::{drawn, hold_connections, in_the_database};
use super::lane::Lane;
use super::letter::Found;
use super::mail::{Mail, acknowledged, forget, stands_what_was_acknowledged};
use super::place::Place;
use super::restore::back_up_after_work;
use super::server::{CONNECTIONS, Server};
use super::table::{also, must};
use super::{Fault, Spot};
use crate::wire::{database, partner};
use crate::world::hook::Endpoint;
use crate::world::worker::{Setup, Worker};
use crate::world::{Shop, TOTAL};
use orders_sandbox::stripe::Event;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Longer than a signature is good for.
const HOUR_S: i64 = 3600;

/// What became of the first delivery.
struct First {
    /// The message.
    event: String,
    /// What Stripe was answered.
    said: Option<u16>,
    /// Whether the message stood in the inbox when that delivery was over.
    stored: bool,
    /// Whether it was delivered a second time meanwhile, and that was acknowledged.
    second: bool,
}

/// A run under way.
struct Run<'a> {
    lane: &'a Lane,
    spot: Spot,
    fault: Fault,
    seed: u64,
    server: Server,
    /// Another server, since the first one is gone or slow.
    other: Option<Endpoint>,
    mail: Option<Mail>,
    event: String,
    /// How many lines Stripe's ledger had before.
    before: usize,
}

/// Runs a cell of the first three rows.
pub(super) async fn run(lane: &Lane, spot: Spot, fault: Fault, seed: u64) {
    let shop = &lane.shop;
    let before = shop.stripe().ledger().len();
    let place = match fault.0 {
        // What is corrupt is so before it is read.
        15 => Place::Request("POST /webhooks/stripe"),
        _ => Place::of(spot).expect("a cell that can be run"),
    };
    let moment = match fault.0 {
        5 => database::Moment::Committed,
        _ => database::Moment::Committing,
    };
    let mail = if fault.0 == 16 { Some(Mail::expect(shop).await) } else { None };
    let server = Server::start(shop, place, moment).await;
    shop.stripe().hold_deliveries(true);
    let wanted = placed(shop).await;
    let event = succeeded(shop, &wanted);
    let mut run = Run { lane, spot, fault, seed, server, other: None, mail, event, before };
    if fault.0 == 19 {
        back_up_after_work(shop).await;
    }
    let delivery = deliver(shop, &run.event);
    let reached = run.server.stand.reached(PATIENCE).await;
    assert!(reached, "{spot} was never reached\n{}", shop.story_of_money().await);
    let first = run.meet(delivery).await;
    let worker = run.found_at_last().await;
    if let Some(mail) = &run.mail {
        ended(shop, &wanted).await;
        mail.days_late(lane, seed).await;
    }
    ended(shop, &wanted).await;
    let row = run.row().await;
    run.server.end().await;
    ended(shop, &wanted).await;
    // Whoever comes late with it changes nothing of it. // G24
    assert_eq!(run.row().await, row, "{spot}{fault}: the message was written again");
    worker.stop().await;
    let found = run.check(&first).await;
    forget(shop);
    judge(shop, &wanted).await;
    if let Err(why) = found {
        panic!("{spot}{fault}: {why}\n{}", run.deliveries());
    }
}

/// Orders whose payments nobody has named to us: Stripe's messages do.
async fn placed(shop: &Shop) -> Wanted {
    let mut bought = Vec::new();
    for _ in 0..2 {
        let id = shop.place().await;
        shop.stripe().pay(&id.to_string(), TOTAL, "usd");
        bought.push(id);
    }
    Wanted { bought, returned: Vec::new() }
}

/// The message that tells of the first order's payment.
fn succeeded(shop: &Shop, wanted: &Wanted) -> String {
    let order = wanted.bought[0].to_string();
    let events = shop.stripe().events();
    let tells = events.iter().find(|it| {
        it.kind == "payment_intent.succeeded"
            && it.object["metadata"]["order_id"].as_str() == Some(&order)
    });
    tells.expect("a message of the payment").id.clone()
}

/// Delivers a message once, wherever Stripe sends them now.
fn deliver(shop: &Shop, event: &str) -> JoinHandle<Vec<Option<u16>>> {
    let place = shop.stripe().owed().iter().position(|it| it.event == event);
    let places = vec![place.expect("an owed message")];
    let world = Arc::clone(&shop.partners.world);
    tokio::spawn(async move { world.stripe.deliver(&places).await })
}

async fn said(delivery: JoinHandle<Vec<Option<u16>>>) -> Option<u16> {
    let said = tokio::time::timeout(PATIENCE, delivery).await.expect("a delivery that ends");
    said.expect("no panic").into_iter().next().flatten()
}

impl Run<'_> {
    fn shop(&self) -> &Shop {
        &self.lane.shop
    }

    /// What stands of the message in the inbox.
    async fn row(&self) -> Vec<String> {
        let row = format!(
            "select to_jsonb(i)::text from {{s}}.inbox as i where i.event_id = '{}'",
            self.event
        );
        self.shop().texts(&row).await
    }

    async fn is_stored(&self) -> bool {
        self.row().await.len() == 1
    }

    /// Lets the fault happen to the server that stands at the point, and lets it go on.
    async fn meet(&mut self, delivery: JoinHandle<Vec<Option<u16>>>) -> First {
        let mut second = false;
        let mut around = None;
        match self.fault.0 {
            1 => {
                self.server.kill();
                self.other = Some(self.shop().take_messages(None).await);
            }
            2 => {
                self.server.freeze(true);
                self.server.clock_ahead(drawn(self.seed, &[13, HOUR_S]));
                self.other = Some(self.shop().take_messages(None).await);
            }
            3 if self.spot.0 == 1 && drawn(self.seed, &[true, false]) => self.server.panic(),
            // The sender hangs up, and with him goes what was under way for him.
            3 => self.server.front.cut(),
            4 => self.server.database.cut(),
            6 => self.shop().ground.restart_immediately(&self.shop().admin).await,
            19 => self.shop().ground.put_back(&self.shop().admin).await,
            7..=10 => self.trouble_of_database().await,
            15 => self.trouble_of_sender(),
            16 => {
                let mail = self.mail.as_ref().expect("messages that come twice");
                around = Some(mail.around(self.shop(), self.seed).await);
            }
            17 => {
                self.other = Some(self.shop().take_messages(None).await);
                second = said(deliver(self.shop(), &self.event)).await == Some(200);
            }
            18 if self.spot.0 == 1 => {
                self.server.clock_ahead(drawn(self.seed, &[HOUR_S, -HOUR_S]));
            }
            18 => self.lane.shift(drawn(self.seed, &[1, -1])).await,
            _ => {}
        }
        if self.fault.0 != 2 {
            self.server.stand.let_go();
        }
        let said = said(delivery).await;
        if let Some(around) = around {
            let more = around.await.expect("deliveries that end");
            second = more.contains(&Some(200));
        }
        let stored = self.is_stored().await;
        if self.fault.0 == 18 {
            self.clocks_are_right_again().await;
        }
        self.another_message_meets_it().await;
        First { event: self.event.clone(), said, stored, second }
    }

    async fn trouble_of_database(&self) {
        if self.fault.0 == 9 && drawn(self.seed, &[true, false]) {
            let server = &self.server;
            hold_connections(&server.store, CONNECTIONS, server.runtime()).await;
        } else if let Some(rule) = in_the_database(self.fault, self.seed) {
            self.server.database.add(rule);
        }
    }

    fn trouble_of_sender(&self) {
        use partner::Act;
        let acts = [Act::CutRequest, Act::SpoilRequest, Act::SwellRequest, Act::TrickleRequest];
        let act = drawn(self.seed, &acts);
        self.server.front.add(partner::Rule { has: "POST /webhooks/stripe", act, times: 1 });
    }

    /// A person is told when each signature is refused; then the clocks are right. // G23
    async fn clocks_are_right_again(&self) {
        if self.spot.0 == 1 {
            self.server.counts.flush(&self.shop().app).await;
            let alert = "select count(*) from {s}.alerts where rule = 'webhook_signatures_refused' and closed_at is null";
            assert_eq!(self.shop().count(alert).await, 1, "nobody was told of the signatures");
            self.server.clock_ahead(0);
        } else {
            // Right again; what was written in the wrong hour is due an hour later at the latest.
            self.lane.shift(0).await;
            self.lane.later(2).await;
        }
    }

    /// A message that is stored already meets no trouble of the database; the next one does.
    async fn another_message_meets_it(&self) {
        let before = self.server.database.happened();
        if self.spot.0 != 3 || !matches!(self.fault.0, 7 | 10) || before > 0 {
            return;
        }
        let next = self.shop().stripe().owed();
        let next = next.iter().find(|it| it.event != self.event).expect("another message");
        let said = said(deliver(self.shop(), &next.event)).await;
        assert_eq!(said, Some(503), "what could not be stored was not refused");
        assert!(self.server.database.happened() > before, "it never happened");
    }

    /// Somebody follows messages up. Stripe repeats what it owes; or it has given that up, and its list is
    /// read.
    async fn found_at_last(&mut self) -> Worker {
        let mut setup = Setup::behind_wires();
        // What a database has forgotten after it was acknowledged, Stripe does not repeat.
        let acknowledged = self.fault.0 == 19 && !acknowledged(self.shop(), self.before).is_empty();
        let repeats = self.mail.is_some() || !acknowledged && drawn(self.seed / 2, &[true, false]);
        if !repeats {
            setup.options.missed_every = Duration::from_millis(300);
        }
        let worker = self.shop().worker(setup).await;
        if self.mail.is_some() {
            // They come when the test says so.
        } else if repeats {
            self.shop().stripe().hold_deliveries(false);
        } else {
            forget(self.shop());
        }
        worker
    }

    /// Whether one of the cell's letters was seen.
    async fn check(&self, first: &First) -> Found {
        stands_what_was_acknowledged(self.shop(), self.before).await?;
        if !self.is_stored().await {
            return Err(format!("{} does not stand once in the end", first.event));
        }
        if let Some(mail) = &self.mail {
            mail.all_recognised(self.shop()).await?;
        }
        let word = must(self.spot, self.fault).unwrap_or_default();
        let mut reasons = Vec::new();
        for letter in word.chars().chain(also(self.spot, self.fault).chars()) {
            match self.seen(first, letter) {
                Ok(()) => return Ok(()),
                Err(why) => reasons.push(format!("not {letter}: {why}")),
            }
        }
        Err(reasons.join("; "))
    }

    fn seen(&self, first: &First, letter: char) -> Found {
        let acknowledged = first.said == Some(200);
        let seen = match letter {
            // What was acknowledged, a database that was put back has forgotten.
            'N' => !first.stored && (!acknowledged || self.fault.0 == 19),
            // It stands, and the repetition of it was or will be taken for what it is.
            'D' => first.stored && (!acknowledged || first.second) || self.fault.0 == 2,
            'T' | 'K' => first.stored && acknowledged,
            // Refused, and told to come again; or stored after a wait.
            'B' => first.stored == acknowledged && matches!(first.said, Some(200 | 503)),
            _ => false,
        };
        let what = format!("answered {:?}, stored: {}", first.said, first.stored);
        if seen { Ok(()) } else { Err(what) }
    }

    /// What Stripe's courier saw, for the message of a failure.
    fn deliveries(&self) -> String {
        let tried = |line: &orders_sandbox::Line<Event>| match &line.event {
            Event::Tried { notice, status, .. } => Some(format!("{notice} {status:?}")),
            _ => None,
        };
        let ledger = self.shop().stripe().ledger();
        let tried: Vec<String> = ledger[self.before..].iter().filter_map(tried).collect();
        format!("{}: {}", self.event, tried.join(", "))
    }
}
