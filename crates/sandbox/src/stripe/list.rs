//! GETs: one object or a page of them, with others inside when they are asked for.

use super::book::Book;
use super::form::Form;
use super::refused::Refused;
use super::table::{Object, Table};
use serde_json::{Value, json};

const LIMIT: i64 = 10;
const LIMIT_MAX: i64 = 100;
/// How long events can be read.
const EVENT_DAYS_MAX: i64 = 30;
/// Fields that hold an id and can be asked for as an object.
const EXPANDABLE: [&str; 4] = ["latest_charge", "payment_intent", "charge", "review"];
const OF_EVERY_LIST: [&str; 4] = ["limit", "starting_after", "created", "expand"];

/// What a list is asked for.
struct Page<'a> {
    url: &'static str,
    limit: usize,
    after: Option<&'a str>,
    /// The least and the greatest second.
    created: (i64, i64),
}

impl<'a> Page<'a> {
    fn parse(url: &'static str, form: &'a Form, filters: &[&str]) -> Result<Self, Refused> {
        form.only(&[&OF_EVERY_LIST, filters].concat())?;
        let limit = form.integer("limit")?.unwrap_or(LIMIT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(Refused::invalid("parameter_invalid_integer", "limit"));
        }
        let mut created = match form.integer("created")? {
            Some(second) => (second, second),
            None => (i64::MIN, i64::MAX),
        };
        for (word, second) in form.under("created") {
            let wrong = || Refused::invalid("parameter_invalid_integer", "created");
            let second: i64 = second.parse().map_err(|_| wrong())?;
            match word {
                "gte" => created.0 = created.0.max(second),
                "gt" => created.0 = created.0.max(second.saturating_add(1)),
                "lte" => created.1 = created.1.min(second),
                "lt" => created.1 = created.1.min(second.saturating_sub(1)),
                _ => return Err(Refused::invalid("parameter_unknown", "created")),
            }
        }
        let limit = usize::try_from(limit).unwrap_or(1);
        Ok(Self { url, limit, after: form.get("starting_after"), created })
    }

    /// The newest first; the cursor is the last one of the page before.
    fn of<T: Object>(
        &self,
        book: &Book,
        table: &Table<T>,
        wanted: impl Fn(&T) -> bool,
    ) -> Result<Value, Refused> {
        let end = match self.after {
            None => table.rows().len(),
            Some(id) => table.position(id).ok_or_else(|| Refused::missing("starting_after"))?,
        };
        let (from, to) = self.created;
        let rows = table.rows().get(..end).unwrap_or_default();
        let mut rows = rows
            .iter()
            .rev()
            .filter(|row| (from..=to).contains(&row.created()) && wanted(*row))
            .filter_map(|row| book.object(row.id()));
        let data: Vec<Value> = rows.by_ref().take(self.limit).collect();
        let has_more = rows.next().is_some();
        Ok(json!({ "object": "list", "data": data, "has_more": has_more, "url": self.url }))
    }
}

/// `payment_intent` and `charge` as filters; an id that does not exist is an error, not an empty
/// list.
struct Of<'a> {
    payment_intent: Option<&'a str>,
    charge: Option<&'a str>,
}

impl<'a> Of<'a> {
    const FILTERS: [&'static str; 2] = ["payment_intent", "charge"];

    fn parse(book: &Book, form: &'a Form) -> Result<Self, Refused> {
        for name in Self::FILTERS {
            if form.get(name).is_some_and(|id| book.object(id).is_none()) {
                return Err(Refused::missing(name));
            }
        }
        Ok(Self { payment_intent: form.get("payment_intent"), charge: form.get("charge") })
    }

    fn wants(&self, payment_intent: &str, charge: &str) -> bool {
        self.payment_intent.is_none_or(|id| id == payment_intent)
            && self.charge.is_none_or(|id| id == charge)
    }
}

impl Book {
    /// What is at a path behind `/v1`.
    pub(super) fn look(&self, now_ms: i64, parts: &[&str], form: &Form) -> Result<Value, Refused> {
        check_expand(form)?;
        let mut found = match parts {
            ["payment_intents"] => {
                let page = Page::parse("/v1/payment_intents", form, &[])?;
                page.of(self, &self.intents, |_| true)?
            }
            ["refunds"] => {
                let page = Page::parse("/v1/refunds", form, &Of::FILTERS)?;
                let of = Of::parse(self, form)?;
                page.of(self, &self.refunds, |it| of.wants(&it.payment_intent, &it.charge))?
            }
            ["disputes"] => {
                let page = Page::parse("/v1/disputes", form, &Of::FILTERS)?;
                let of = Of::parse(self, form)?;
                page.of(self, &self.disputes, |it| of.wants(&it.payment_intent, &it.charge))?
            }
            ["radar", "early_fraud_warnings"] => {
                let page = Page::parse("/v1/radar/early_fraud_warnings", form, &Of::FILTERS)?;
                let of = Of::parse(self, form)?;
                page.of(self, &self.warnings, |it| of.wants(&it.payment_intent, &it.charge))?
            }
            ["events"] => self.events(now_ms, form)?,
            _ => self.one(now_ms, parts, form)?,
        };
        self.expand(form, &mut found);
        Ok(found)
    }

    fn one(&self, now_ms: i64, parts: &[&str], form: &Form) -> Result<Value, Refused> {
        let (prefix, id) = match parts {
            ["payment_intents", id] => ("pi_", id),
            ["charges", id] => ("ch_", id),
            ["refunds", id] => ("re_", id),
            ["disputes", id] => ("dp_", id),
            ["reviews", id] => ("prv_", id),
            ["radar", "early_fraud_warnings", id] => ("issfr_", id),
            ["checkout", "sessions", id] => ("cs_", id),
            ["events", id] => ("evt_", id),
            _ => return Err(Refused::no_page()),
        };
        form.only(&["expand"])?;
        let found = if id.starts_with(prefix) { self.object(id) } else { None };
        let found = found.ok_or_else(|| Refused::missing("id"))?;
        let is_old = found["created"].as_i64().is_some_and(|second| second < oldest_s(now_ms));
        if prefix == "evt_" && is_old {
            return Err(Refused::missing("id"));
        }
        Ok(found)
    }

    fn events(&self, now_ms: i64, form: &Form) -> Result<Value, Refused> {
        let mut page = Page::parse("/v1/events", form, &["type", "types", "delivery_success"])?;
        page.created.0 = page.created.0.max(oldest_s(now_ms));
        let delivered = form.one_of("delivery_success", &["true", "false"])?;
        let types: Vec<&str> = form.under("types").map(|(_, kind)| kind).collect();
        let kind = form.get("type");
        if kind.is_some() && !types.is_empty() {
            return Err(Refused::invalid("parameter_invalid", "types"));
        }
        page.of(self, &self.notices, |it| {
            let fits = |pattern: &str| match pattern.strip_suffix('*') {
                Some(start) => it.kind.starts_with(start),
                None => it.kind == pattern,
            };
            let number = self.notices.position(&it.id).unwrap_or(usize::MAX);
            kind.is_none_or(fits)
                && (types.is_empty() || types.iter().any(|kind| fits(kind)))
                && delivered.is_none_or(|word| (word == "true") == self.post.is_done(number))
        })
    }

    /// Put objects in the place of ids, as `expand[]` says.
    pub(super) fn expand(&self, form: &Form, found: &mut Value) {
        for (_, path) in form.under("expand") {
            self.expand_path(path, found);
        }
    }

    fn expand_path(&self, path: &str, found: &mut Value) {
        let (name, rest) = path.split_once('.').unwrap_or((path, ""));
        if name == "data" {
            for item in found["data"].as_array_mut().into_iter().flatten() {
                self.expand_path(rest, item);
            }
            return;
        }
        let Some(field) = found.get_mut(name) else { return };
        if let Some(object) = field.as_str().and_then(|id| self.object(id)) {
            *field = object;
        }
        if !rest.is_empty() {
            self.expand_path(rest, field);
        }
    }
}

/// Stripe refuses to expand what cannot be.
pub(super) fn check_expand(form: &Form) -> Result<(), Refused> {
    let known = |name: &str| name == "data" || EXPANDABLE.contains(&name);
    if form.under("expand").all(|(_, path)| path.split('.').all(known)) {
        return Ok(());
    }
    Err(Refused::invalid("parameter_invalid", "expand"))
}

fn oldest_s(now_ms: i64) -> i64 {
    now_ms.div_euclid(1000) - EVENT_DAYS_MAX * 24 * 60 * 60
}
