//! Deliveries: what is owed to the endpoint, and the task that brings it there.
//!
//! Promise: a delivery is repeated with growing gaps until the endpoint says 2xx or the time is
//! over, each time with a new signature. Every try is a line, and what is owed is a fold of these.

use super::Stripe;
use super::book::Book;
use super::event::Event;
use super::notice::{Fate, Notice};
use super::settings::Settings;
use super::signature;
use crate::Error;
use crate::world::World;
use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The gaps grow by this; 3 lets a minute become two days in eight steps.
const GAP_FACTOR: i64 = 3;

/// Where events are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    url: String,
    addr: SocketAddr,
    path: String,
}

impl Target {
    /// Read `http://127.0.0.1:PORT/path`. Nothing of a test may leave the machine.
    pub(super) fn parse(url: &str) -> Result<Self, Error> {
        let wrong = || Error::Webhook(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        if uri.scheme_str() != Some("http") || uri.host() != Some("127.0.0.1") {
            return Err(wrong());
        }
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, uri.port_u16().unwrap_or(80)));
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { url: url.to_owned(), addr, path })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }
}

/// A delivery that is owed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Owed {
    /// Its number; a repeat has the number of the first try.
    pub delivery: u64,
    /// The event's id.
    pub event: String,
    /// The event's type.
    pub kind: String,
    /// The id of the object that it is about.
    pub object: String,
    /// How often it was tried.
    pub tries: u32,
    /// When it is tried next, unless deliveries are held.
    pub due_ms: i64,
}

struct Debt {
    notice: usize,
    first_ms: i64,
    due_ms: i64,
    tries: u32,
    overtaken: bool,
}

#[derive(Default, Clone, Copy)]
struct Standing {
    owed: u32,
    failed: bool,
}

/// What is owed, and what is on its way.
#[derive(Default)]
pub(super) struct Post {
    debts: BTreeMap<u64, Debt>,
    count: u64,
    /// One for each event, in their order.
    standings: Vec<Standing>,
    in_flight: HashSet<u64>,
    pub(super) held: bool,
}

impl Post {
    pub(super) fn owe(&mut self, notice: usize, at_ms: i64, fate: Fate) {
        self.standings.push(Standing { owed: fate.copies, failed: fate.lost });
        for _ in 0..fate.copies {
            let (due_ms, overtaken) = (fate.due_ms, fate.overtaken);
            let debt = Debt { notice, first_ms: at_ms, due_ms, tries: 0, overtaken };
            self.debts.insert(self.count, debt);
            self.count += 1;
        }
    }

    pub(super) fn tried(
        &mut self,
        settings: &Settings,
        at_ms: i64,
        delivery: u64,
        status: Option<u16>,
    ) {
        // One that is repeated by hand after it arrived is owed no longer.
        let Some(mut debt) = self.debts.remove(&delivery) else { return };
        let notice = debt.notice;
        debt.tries += 1;
        let gap_ms = i64::from(settings.webhook_gap_ms)
            .saturating_mul(GAP_FACTOR.saturating_pow(debt.tries - 1));
        debt.due_ms = at_ms.saturating_add(gap_ms);
        debt.overtaken = false;
        let arrived = status.is_some_and(|status| (200..300).contains(&status));
        let last_ms = debt.first_ms + i64::from(settings.webhook_repeat_ms);
        let is_over = settings.webhook_tries_max.is_some_and(|max| debt.tries >= max)
            || debt.due_ms > last_ms;
        if !arrived && !is_over {
            self.debts.insert(delivery, debt);
        } else if let Some(standing) = self.standings.get_mut(notice) {
            standing.owed -= 1;
            standing.failed |= !arrived;
        }
        for debt in self.debts.values_mut().filter(|debt| debt.overtaken && debt.notice < notice) {
            debt.due_ms = debt.due_ms.min(at_ms);
            debt.overtaken = false;
        }
    }

    pub(super) fn give_up_all(&mut self) {
        self.debts.clear();
        for standing in self.standings.iter_mut().filter(|standing| standing.owed > 0) {
            *standing = Standing { owed: 0, failed: true };
        }
    }

    /// How many endpoints still wait for an event.
    pub(super) fn pending_of(&self, notice: usize) -> usize {
        usize::from(self.standings.get(notice).is_some_and(|standing| standing.owed > 0))
    }

    /// Whether an event was delivered, or nobody was to get it.
    pub(super) fn is_done(&self, notice: usize) -> bool {
        self.standings.get(notice).is_none_or(|it| it.owed == 0 && !it.failed)
    }

    fn waiting(&self) -> impl Iterator<Item = (&u64, &Debt)> {
        self.debts.iter().filter(|(delivery, _)| !self.in_flight.contains(delivery))
    }

    fn first(&self) -> Option<(u64, usize, i64)> {
        let first = self.waiting().min_by_key(|(delivery, debt)| (debt.due_ms, **delivery));
        first.map(|(delivery, debt)| (*delivery, debt.notice, debt.due_ms))
    }
}

impl Book {
    fn delivers(&self) -> bool {
        self.webhook.is_some() && !self.post.held
    }

    /// When the courier must look again.
    fn next_ms(&self) -> Option<i64> {
        let first = if self.delivers() { self.post.first() } else { None };
        let first = first.map(|(_, _, due_ms)| due_ms);
        [first, self.next_job_ms()].into_iter().flatten().min()
    }

    fn is_quiet(&self, now_ms: i64) -> bool {
        let owes = self.delivers() && self.post.first().is_some_and(|(_, _, due)| due <= now_ms);
        self.post.in_flight.is_empty() && !owes
    }
}

/// A delivery on its way, until this is dropped.
struct Flight {
    book: Arc<Mutex<Book>>,
    delivery: u64,
    notice: Arc<Notice>,
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        book.post.in_flight.remove(&self.delivery);
        book.ring();
    }
}

impl Stripe {
    /// Send events to this address from now on, signed with these secrets; two while a secret is
    /// being changed. Without an address all that is owed is given up.
    pub fn set_webhook(&self, url: Option<&str>, secrets: Vec<String>) -> Result<(), Error> {
        let target = url.map(Target::parse).transpose()?;
        let mut book = self.book();
        if target.is_none() && book.webhook.is_some() {
            book.record(self.clock.now_ms(), Event::EndpointGone);
        }
        book.webhook = target;
        book.settings.webhook_secrets = secrets;
        book.ring();
        Ok(())
    }

    /// Where events are sent.
    pub fn webhook_url(&self) -> Option<String> {
        self.book().webhook.as_ref().map(|target| target.url().to_owned())
    }

    /// Deliver nothing any more but what [`Stripe::deliver`] says, or go on as usual.
    pub fn hold_deliveries(&self, on: bool) {
        let mut book = self.book();
        book.post.held = on;
        book.ring();
    }

    /// What is owed, in the order of the events.
    pub fn owed(&self) -> Vec<Owed> {
        let book = self.book();
        let owed = |(delivery, debt): (&u64, &Debt)| {
            let notice = book.notices.rows().get(debt.notice)?;
            Some(Owed {
                delivery: *delivery,
                event: notice.id.clone(),
                kind: notice.kind.clone(),
                object: notice.object_id().to_owned(),
                tries: debt.tries,
                due_ms: debt.due_ms,
            })
        };
        book.post.debts.iter().filter_map(owed).collect()
    }

    /// Deliver what is owed now, in this order of places in [`Stripe::owed`], one after the other
    /// and whenever it is due; a place named twice is delivered twice. Answers what the endpoint
    /// said to each. Meant for held deliveries.
    pub async fn deliver(&self, order: &[usize]) -> Vec<Option<u16>> {
        let owed = self.owed();
        let mut said = Vec::with_capacity(order.len());
        for owed in order.iter().filter_map(|place| owed.get(*place)) {
            let flight = self.take_off(&mut self.book(), owed.delivery, &owed.event);
            if let Some(flight) = flight {
                said.push(self.attempt(flight).await);
            }
        }
        said
    }

    /// Wait until every delivery that is due was tried and none is on its way. Those that are held
    /// or due later are not waited for. The world must be running.
    pub async fn deliveries_tried(&self) {
        let changed = self.book().ledger.changed();
        loop {
            // Registered before the look, so that no try falls in between.
            let mut next = pin!(changed.notified());
            next.as_mut().enable();
            if self.book().is_quiet(self.clock.now_ms()) {
                return;
            }
            next.await;
        }
    }

    fn take_off(&self, book: &mut Book, delivery: u64, event: &str) -> Option<Flight> {
        let notice = Arc::clone(book.notices.get(event)?);
        book.post.in_flight.insert(delivery);
        Some(Flight { book: Arc::clone(&self.book), delivery, notice })
    }

    /// One try. Without an endpoint it is none.
    async fn attempt(&self, flight: Flight) -> Option<u16> {
        let (target, request, timeout_ms) = {
            let book = self.book();
            let target = book.webhook.clone()?;
            // Printed over several lines, as Stripe does: whoever parses it and writes it again
            // before the check, has other bytes.
            let body = serde_json::to_vec_pretty(&flight.notice.to_json(1)).unwrap_or_default();
            let second = self.clock.now_ms().div_euclid(1000);
            let header = signature::header(second, &book.settings.webhook_secrets, &body);
            let request = request(&target, &header, body.into())?;
            (target, request, i64::from(book.settings.webhook_timeout_ms))
        };
        let late_ms = self.clock.now_ms() + timeout_ms;
        let status = tokio::select! {
            status = send(target.addr, request) => status,
            () = self.clock.sleep_until(late_ms) => None,
        };
        let (notice, delivery) = (flight.notice.id.clone(), flight.delivery);
        self.book().record(self.clock.now_ms(), Event::Tried { notice, delivery, status });
        status
    }
}

fn request(target: &Target, signature: &str, body: Bytes) -> Option<Request<Full<Bytes>>> {
    Request::post(&target.path)
        .header(HOST, target.addr.to_string())
        .header(ACCEPT, "*/*; q=0.5, application/xml")
        .header(CACHE_CONTROL, "no-cache")
        .header(CONTENT_TYPE, "application/json; charset=utf-8")
        .header(USER_AGENT, "Stripe/1.0 (+https://stripe.com/docs/webhooks)")
        .header("stripe-signature", signature)
        .body(Full::new(body))
        .ok()
}

/// The status of the answer. Redirects are not followed, and what else is said is not read.
async fn send(addr: SocketAddr, request: Request<Full<Bytes>>) -> Option<u16> {
    let stream = TcpStream::connect(addr).await.ok()?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    let mut answer = pin!(async { sender.send_request(request).await.ok() });
    let response = tokio::select! {
        response = &mut answer => response,
        // The endpoint may close in the same moment in which it answers.
        _ = connection => answer.await,
    };
    response.map(|response| response.status().as_u16())
}

/// Bring what is due, and settle what is due, until told to stop.
pub(crate) async fn run(world: Arc<World>, mut stopped: watch::Receiver<bool>) {
    let stripe = &world.stripe;
    let changed = stripe.book().ledger.changed();
    let mut flights = JoinSet::new();
    loop {
        // Registered before the look, so that nothing falls in between.
        let mut rung = pin!(changed.notified());
        rung.as_mut().enable();
        let next_ms = {
            let mut book = stripe.book();
            let flights_max = usize::try_from(book.settings.webhooks_at_once.max(1)).unwrap_or(1);
            let now_ms = world.clock.now_ms();
            while flights.len() < flights_max
                && book.delivers()
                && let Some((delivery, number, due_ms)) = book.post.first()
                && due_ms <= now_ms
            {
                let event = book.notices.rows().get(number).map(|notice| notice.id.clone());
                let event = event.unwrap_or_default();
                let Some(flight) = stripe.take_off(&mut book, delivery, &event) else { break };
                let world = Arc::clone(&world);
                flights.spawn(async move { world.stripe.attempt(flight).await });
            }
            // With all hands full the next one that comes home is waited for.
            let next_ms = if flights.len() < flights_max { book.next_ms() } else { None };
            next_ms.or(book.next_job_ms())
        };
        tokio::select! {
            _ = stopped.changed() => break,
            () = rung => {}
            Some(_) = flights.join_next() => {}
            () = world.clock.sleep_until(next_ms.unwrap_or(i64::MAX)), if next_ms.is_some() => {}
        }
    }
    flights.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_sent_off_the_machine() {
        assert!(Target::parse("http://127.0.0.1:8080/hooks?x=1").is_ok());
        for url in ["https://127.0.0.1/", "http://localhost/", "http://10.0.0.1/", "127.0.0.1"] {
            assert!(Target::parse(url).is_err(), "{url}");
        }
    }
}
