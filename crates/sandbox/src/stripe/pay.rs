//! What POSTs under `/v1` ask for, and what becomes of it. A command is judged by itself first;
//! what the state of things says to it comes later, and is stored under the key.

use super::book::Book;
use super::event::Event;
use super::form::Form;
use super::intent::Intent;
use super::notice::Cause;
use super::refund::NewRefund;
use super::refused::Refused;
use crate::chance::Chance;
use serde_json::json;
use std::collections::BTreeMap;

/// A payment method that is declined.
const DECLINED: &str = "pm_card_chargeDeclined";
/// A payment method that needs the customer once more.
const NEEDS_CUSTOMER: &str = "pm_card_authenticationRequired";
/// A payment method that takes days.
const TAKES_DAYS: &str = "pm_usBankAccount";

const REASONS: [&str; 4] = ["duplicate", "fraudulent", "requested_by_customer", "abandoned"];
const CAPTURE_METHODS: [&str; 3] = ["automatic", "automatic_async", "manual"];
/// What an intent can be created with; most of it changes nothing here.
const OF_CREATE: [&str; 22] = [
    "amount",
    "automatic_payment_methods",
    "capture_method",
    "confirm",
    "confirmation_method",
    "currency",
    "customer",
    "description",
    "expand",
    "metadata",
    "off_session",
    "payment_method",
    "payment_method_data",
    "payment_method_options",
    "payment_method_types",
    "receipt_email",
    "return_url",
    "setup_future_usage",
    "shipping",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_group",
];

/// An intent to be made.
#[derive(Debug)]
pub(super) struct NewIntent {
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) capture_method: String,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) payment_method: Option<String>,
    pub(super) confirm: bool,
}

/// What a POST asks for.
#[derive(Debug)]
pub(super) enum Command {
    Create(NewIntent),
    Confirm { id: String, payment_method: Option<String> },
    Capture { id: String, amount: Option<i64> },
    Cancel { id: String, reason: Option<String> },
    Refund(NewRefund),
}

impl Command {
    /// The command of a path behind `/v1`, as far as it can be judged by itself.
    pub(super) fn parse(parts: &[&str], form: &Form) -> Result<Self, Refused> {
        match parts {
            ["payment_intents"] => NewIntent::parse(form).map(Self::Create),
            ["payment_intents", id, "confirm"] => {
                form.only(&["payment_method", "return_url", "expand"])?;
                let payment_method = form.get("payment_method").map(str::to_owned);
                Ok(Self::Confirm { id: (*id).to_owned(), payment_method })
            }
            ["payment_intents", id, "capture"] => {
                form.only(&["amount_to_capture", "expand"])?;
                let amount = form.integer("amount_to_capture")?;
                if amount.is_some_and(|amount| amount < 1) {
                    return Err(Refused::invalid("parameter_invalid_integer", "amount_to_capture"));
                }
                Ok(Self::Capture { id: (*id).to_owned(), amount })
            }
            ["payment_intents", id, "cancel"] => {
                form.only(&["cancellation_reason", "expand"])?;
                let reason = form.one_of("cancellation_reason", &REASONS)?.map(str::to_owned);
                Ok(Self::Cancel { id: (*id).to_owned(), reason })
            }
            ["refunds"] => NewRefund::parse(form).map(Self::Refund),
            _ => Err(Refused::no_page()),
        }
    }
}

impl NewIntent {
    fn parse(form: &Form) -> Result<Self, Refused> {
        form.only(&OF_CREATE)?;
        let amount = form
            .integer("amount")?
            .ok_or_else(|| Refused::invalid("parameter_missing", "amount"))?;
        if amount < 1 {
            return Err(Refused::invalid("amount_too_small", "amount"));
        }
        let currency = form.get("currency");
        let currency = currency.ok_or_else(|| Refused::invalid("parameter_missing", "currency"))?;
        if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return Err(Refused::invalid("invalid_currency", "currency"));
        }
        let capture_method = form.one_of("capture_method", &CAPTURE_METHODS)?;
        let confirm = form.get("confirm") == Some("true");
        let payment_method = form.get("payment_method").map(str::to_owned);
        if confirm && payment_method.is_none() {
            return Err(Refused::invalid("parameter_missing", "payment_method"));
        }
        Ok(Self {
            amount,
            currency: currency.to_ascii_lowercase(),
            capture_method: capture_method.unwrap_or("automatic").to_owned(),
            metadata: form.metadata(),
            payment_method,
            confirm,
        })
    }
}

impl Book {
    /// Carry a command out. Answers the id of the object that it is about.
    pub(super) fn perform(&mut self, cause: &Cause, command: Command) -> Result<String, Refused> {
        match command {
            Command::Create(new) => self.create(cause, new),
            Command::Confirm { id, payment_method } => self.confirm(cause, &id, payment_method),
            Command::Capture { id, amount } => self.capture(cause, &id, amount),
            Command::Cancel { id, reason } => self.cancel(cause, &id, reason.as_deref()),
            Command::Refund(new) => self.refund(cause, new),
        }
    }

    /// A new intent, confirmed at once if that was asked for.
    pub(super) fn create(&mut self, cause: &Cause, new: NewIntent) -> Result<String, Refused> {
        let number = self.intents.count();
        let id = format!("pi_{}", Chance::of(self.settings.seed, "intent", "", number).hex(3));
        let has_method = new.payment_method.is_some();
        let status = if has_method { "requires_confirmation" } else { "requires_payment_method" };
        let intent = Intent {
            id: id.clone(),
            created: cause.at_s(),
            amount: new.amount,
            amount_received: 0,
            amount_capturable: 0,
            currency: new.currency,
            status: status.to_owned(),
            capture_method: new.capture_method,
            capture_before_ms: None,
            canceled_at: None,
            cancellation_reason: None,
            livemode: false,
            metadata: new.metadata,
            payment_method: new.payment_method,
            review: None,
            amount_refunded: 0,
            released_as_refund: 0,
            disputed: false,
            declined: false,
            charges: Vec::new(),
        };
        self.record(cause.at_ms, Event::Created { intent: Box::new(intent) });
        self.announce(cause, "payment_intent.created", &id, None);
        if new.confirm {
            return self.confirm(cause, &id, None);
        }
        Ok(id)
    }

    fn confirm(
        &mut self,
        cause: &Cause,
        id: &str,
        payment_method: Option<String>,
    ) -> Result<String, Refused> {
        let intent = self.intents.get(id).ok_or_else(|| Refused::missing("intent"))?;
        if !matches!(intent.status.as_str(), "requires_payment_method" | "requires_confirmation") {
            return Err(Refused::unexpected_state(intent.to_json()));
        }
        let payment_method = payment_method
            .or_else(|| intent.payment_method.clone())
            .ok_or_else(|| Refused::invalid("parameter_missing", "payment_method"))?;
        match payment_method.as_str() {
            DECLINED => {
                self.fail(cause, id);
                let mut refused = Refused::card("card_declined");
                refused.body["error"]["payment_intent"] = self.object(id).unwrap_or_default();
                return Err(refused);
            }
            NEEDS_CUSTOMER => self.wait(cause, id, payment_method, "requires_action"),
            TAKES_DAYS => self.wait(cause, id, payment_method, "processing"),
            _ => self.succeed(cause, id, payment_method),
        }
        Ok(id.to_owned())
    }

    fn wait(&mut self, cause: &Cause, id: &str, payment_method: String, status: &str) {
        let event = Event::Waiting { id: id.to_owned(), payment_method, status: status.to_owned() };
        self.record(cause.at_ms, event);
        self.announce(cause, &format!("payment_intent.{status}"), id, None);
    }

    /// The bank says yes: the money is there, or held until it is captured.
    pub(super) fn succeed(&mut self, cause: &Cause, id: &str, payment_method: String) {
        let is_manual = |intent: &Intent| intent.capture_method == "manual";
        let manual = self.intents.get(id).is_some_and(is_manual);
        let before_ms = cause.at_ms + i64::from(self.settings.capture_window_ms);
        let capture_before_ms = manual.then_some(before_ms);
        let event = Event::Confirmed { id: id.to_owned(), payment_method, capture_before_ms };
        self.record(cause.at_ms, event);
        let word = if manual { "amount_capturable_updated" } else { "succeeded" };
        self.announce(cause, &format!("payment_intent.{word}"), id, None);
    }

    /// The bank says no; the intent waits for another try.
    pub(super) fn fail(&mut self, cause: &Cause, id: &str) {
        self.record(cause.at_ms, Event::Declined { id: id.to_owned() });
        self.announce(cause, "payment_intent.payment_failed", id, None);
    }

    fn capture(&mut self, cause: &Cause, id: &str, amount: Option<i64>) -> Result<String, Refused> {
        let intent = self.intents.get(id).ok_or_else(|| Refused::missing("intent"))?;
        if intent.status != "requires_capture" {
            return Err(Refused::unexpected_state(intent.to_json()));
        }
        let capturable = intent.amount_capturable;
        let amount = amount.unwrap_or(capturable);
        if amount > capturable {
            let mut refused = Refused::by_state("amount_too_large");
            refused.body["error"]["param"] = "amount_to_capture".into();
            return Err(refused);
        }
        let release_shown = self.settings.release_shows_as_refund && amount < capturable;
        self.record(cause.at_ms, Event::Captured { id: id.to_owned(), amount, release_shown });
        self.announce(cause, "payment_intent.succeeded", id, None);
        self.announce_release(cause, id, release_shown);
        Ok(id.to_owned())
    }

    fn cancel(&mut self, cause: &Cause, id: &str, reason: Option<&str>) -> Result<String, Refused> {
        let intent = self.intents.get(id).ok_or_else(|| Refused::missing("intent"))?;
        let possible = match intent.status.as_str() {
            "requires_payment_method"
            | "requires_confirmation"
            | "requires_action"
            | "requires_capture" => true,
            "processing" => self.settings.cancel_processing,
            _ => false,
        };
        if !possible {
            return Err(Refused::unexpected_state(intent.to_json()));
        }
        self.end_unpaid(cause, id, reason);
        Ok(id.to_owned())
    }

    /// The intent ends, and what was authorised is released.
    pub(super) fn end_unpaid(&mut self, cause: &Cause, id: &str, reason: Option<&str>) {
        let held = self.intents.get(id).is_some_and(|intent| intent.amount_capturable > 0);
        let release_shown = self.settings.release_shows_as_refund && held;
        let reason = reason.map(str::to_owned);
        self.record(cause.at_ms, Event::Canceled { id: id.to_owned(), reason, release_shown });
        self.announce(cause, "payment_intent.canceled", id, None);
        self.announce_release(cause, id, release_shown);
    }

    fn announce_release(&mut self, cause: &Cause, id: &str, shown: bool) {
        let charge = self.intents.get(id).and_then(Intent::paid_charge).map(|it| it.id.clone());
        if let Some(charge) = charge.filter(|_| shown) {
            let previous = json!({ "amount_refunded": 0 });
            self.announce(cause, "charge.refunded", &charge, Some(previous));
        }
    }
}
