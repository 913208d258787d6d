//! Reads and lists.

use super::answer::{self, Stage};
use super::book::{Book, Entry};
use super::create::{empty, forbidden, odd_error, server_error, too_many};
use super::event::Event;
use super::fault::Fault;
use crate::chance::Chance;
use crate::reply::{Delivery, Reply};
use std::sync::Arc;

/// What a list is asked for.
pub(super) struct Filter {
    limit: usize,
    skip: usize,
    starting_after_ms: i64,
    ending_before_ms: i64,
    retailer: Option<String>,
}

impl Filter {
    /// From a query; what cannot be read counts as not given.
    pub(super) fn parse(query: &str) -> Self {
        let mut filter = Self {
            limit: 10,
            skip: 0,
            starting_after_ms: i64::MIN,
            ending_before_ms: i64::MAX,
            retailer: None,
        };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "limit" => filter.limit = value.parse().unwrap_or(filter.limit),
                "skip" => filter.skip = value.parse().unwrap_or(filter.skip),
                "starting_after" => {
                    filter.starting_after_ms = value.parse().unwrap_or(filter.starting_after_ms);
                }
                "ending_before" => {
                    filter.ending_before_ms = value.parse().unwrap_or(filter.ending_before_ms);
                }
                "retailer" => filter.retailer = Some(value.into_owned()),
                _ => {}
            }
        }
        filter
    }
}

impl Book {
    /// Read a request.
    pub(super) fn read(&mut self, now_ms: i64, request_id: &str) -> Reply {
        self.settle(now_ms);
        let drawn = self.fault_of_read(now_ms, request_id);
        let fault = self.possible_of_read(now_ms, request_id, drawn);
        let nth = self.requests.get(request_id).map_or(0, |entry| entry.reads);
        self.record(now_ms, Event::Read { request_id: request_id.into(), fault });
        let mut how = Chance::of(self.faults.seed, "how read", request_id, nth.into());
        let other = (fault == Some(Fault::ReadWrong)).then(|| self.other_entry(request_id));
        let Some(entry) = other.flatten().or_else(|| self.requests.get(request_id)) else {
            return match fault {
                Some(_) => Reply::page(503),
                None => Reply::json(404, answer::error("invalid_request_id", &[]).to_string()),
            };
        };
        let stale = fault == Some(Fault::ReadStale);
        let text = self.show(entry, now_ms, stale);
        match fault {
            Some(Fault::Outage) if how.happens(0.5) => Reply::page(503).delivered(Delivery::Never),
            Some(Fault::Outage) => Reply::page(503),
            Some(Fault::ReadError) => server_error(&mut how),
            Some(Fault::ReadTooMany) => too_many(self.faults.retry_after_s),
            Some(Fault::ReadForbidden) => forbidden(&mut how),
            Some(Fault::ReadOdd) => odd(&mut how),
            Some(Fault::ReadCut) => Reply::json(200, text).delivered(Delivery::Cut),
            _ => Reply::json(200, text),
        }
    }

    /// List requests, the newest first.
    pub(super) fn list(&mut self, now_ms: i64, filter: &Filter) -> Reply {
        self.settle(now_ms);
        let fault = self.fault_of_list(now_ms);
        let mut how = Chance::of(self.faults.seed, "how list", "", self.lists.into());
        self.record(now_ms, Event::List { fault });
        match fault {
            Some(Fault::Outage) if how.happens(0.5) => {
                return Reply::page(503).delivered(Delivery::Never);
            }
            Some(Fault::Outage) => return Reply::page(503),
            Some(Fault::ReadError) => return server_error(&mut how),
            Some(Fault::ReadTooMany) => return too_many(self.faults.retry_after_s),
            Some(Fault::ReadForbidden) => return forbidden(&mut how),
            Some(Fault::ReadOdd) => return odd(&mut how),
            _ => {}
        }
        let hidden = usize::from(fault == Some(Fault::ListGap));
        let retailer_differs = filter.retailer.as_deref().is_some_and(|name| name != "amazon");
        let entries: Vec<String> = self
            .listed
            .iter()
            .rev()
            .filter(|(at_ms, _)| {
                (filter.starting_after_ms..filter.ending_before_ms).contains(at_ms)
            })
            .filter_map(|(_, id)| self.requests.get(id))
            .filter(|_| !retailer_differs)
            .filter(|entry| {
                self.settings.list_unfinished || Stage::of(&entry.purchase, now_ms) == Stage::Ended
            })
            .skip(filter.skip)
            .take(filter.limit)
            .enumerate()
            .filter(|(index, _)| hidden == 0 || index % 2 == 1)
            .map(|(_, entry)| {
                let text = self.show(entry, now_ms, false);
                let body = self.bodies.get(&entry.purchase.request_id);
                answer::entry(&entry.purchase, &text, body.map(AsRef::as_ref))
            })
            .collect();
        let array = format!("[{}]", entries.join(","));
        let text =
            if self.settings.list_as_object { format!("{{\"orders\":{array}}}") } else { array };
        let cut = fault == Some(Fault::ReadCut);
        Reply::json(200, text).delivered(if cut { Delivery::Cut } else { Delivery::Whole })
    }

    fn show(&self, entry: &Entry, now_ms: i64, unfinished: bool) -> String {
        let purchase = &entry.purchase;
        let stage = if unfinished { Stage::Processing } else { Stage::of(purchase, now_ms) };
        let body = self.bodies.get(&purchase.request_id).map(AsRef::as_ref);
        let split = self.settings.quirks.then_some(self.settings.split);
        answer::read(purchase, entry.cancelled, stage, now_ms, body, split)
    }

    /// The fault that can be done to this read.
    fn possible_of_read(&self, now_ms: i64, id: &str, fault: Option<Fault>) -> Option<Fault> {
        match fault {
            Some(Fault::ReadStale) => {
                let entry = self.requests.get(id)?;
                (Stage::of(&entry.purchase, now_ms) == Stage::Ended).then_some(Fault::ReadStale)
            }
            Some(Fault::ReadWrong) => self.other_entry(id).map(|_| Fault::ReadWrong),
            fault => fault,
        }
    }

    /// The newest request of another order.
    fn other_entry(&self, request_id: &str) -> Option<&Entry> {
        let own = self.requests.get(request_id)?.purchase.order_id.clone();
        let differs = |entry: &&Entry| entry.purchase.order_id != own;
        let entry_of = |(_, id): &(i64, Arc<str>)| self.requests.get(id);
        self.listed.iter().rev().take(64).filter_map(entry_of).find(differs)
    }
}

/// An answer of no known shape.
fn odd(how: &mut Chance) -> Reply {
    if how.happens(0.5) { odd_error(how) } else { empty(how) }
}
