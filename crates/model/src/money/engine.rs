//! What the engine and the database's functions do with a movement, decided by `orders_core`.

use super::state::{Code, KEYS, Phase, Refunded, Row, State, Ticket, Told, Worker};
use super::{Act, Movements};
use crate::guard::Guard;
use orders_core::money_move::{
    Answer, Due, Kind, Record, Seen, SeenRefund, State as Stage, Step, Why, after_answer,
    before_send,
};

impl Movements {
    /// What the engine can do now.
    pub(super) fn engine(&self, s: &State, add: &mut impl FnMut(Act, State)) {
        for worker in 0..3_u8 {
            match s.workers[usize::from(worker)] {
                Some(Worker::Idle) => {
                    for number in 0..3 {
                        self.look(s, worker, number, add);
                    }
                }
                Some(Worker::Looked(ticket, renew)) => self.commit(s, worker, ticket, renew, add),
                Some(Worker::Answered(ticket, told)) => self.record(s, worker, ticket, told, add),
                _ => {}
            }
        }
        self.plan(s, add);
    }

    /// `move_wanted`.
    fn wanted(&self, s: &State, kind: Kind) -> bool {
        match kind {
            Kind::Capture => !s.ended || !self.without.has(Guard::MoveWanted),
            Kind::Refund | Kind::Cancel => s.ended,
        }
    }

    fn due(&self, s: &State, number: u8, row: &Row) -> Due {
        let hasty = !self.without.has(Guard::TwoKeysApart);
        let over = if row.kind == Kind::Refund { Phase::Over } else { Phase::Ended };
        Due {
            id: number.to_string(),
            kind: row.kind,
            amount_minor: i64::from(row.amount),
            state: row.state,
            calls: u32::from(row.calls),
            keys: u32::from(row.keys),
            key_dead: row.key_dead && self.without.has(Guard::MoveKeyDeath)
                || hasty && row.calls > 0,
            call_over: row.calls == 0 || row.phase >= over || hasty,
            why: Why::Other,
            wanted: self.wanted(s, row.kind),
            stripe_id: row.known.then(|| format!("re_{number}_0")),
            code: (row.calls > 0).then(|| row.code.word()).flatten(),
        }
    }

    /// What Stripe shows; the twin that does not look believes that nothing has happened.
    fn seen(&self, s: &State) -> Seen {
        let mut seen = Seen {
            payment_intent: "pi".to_owned(),
            ours: true,
            status: match (s.book.canceled, s.book.reserved, s.book.received) {
                (true, ..) => "canceled",
                (_, 0, _) => "succeeded",
                _ => "requires_capture",
            }
            .to_owned(),
            received_minor: i64::from(s.book.received),
            capturable_minor: i64::from(s.book.reserved),
            refunds: Vec::new(),
        };
        if !self.without.has(Guard::LookedUp) {
            if self.kind == Kind::Capture {
                "requires_capture".clone_into(&mut seen.status);
                seen.capturable_minor = i64::from(self.money);
            }
            return seen;
        }
        for (number, refunds) in s.book.refunds.iter().enumerate() {
            for (n, refund) in refunds.iter().enumerate() {
                let status = match refund {
                    Refunded::None => continue,
                    Refunded::Pending => "pending",
                    Refunded::Done => "succeeded",
                    Refunded::Returned => "failed",
                };
                seen.refunds.push(SeenRefund {
                    id: format!("re_{number}_{n}"),
                    status: status.to_owned(),
                    amount_minor: i64::from(self.amounts[number]),
                    refund_id: Some(number.to_string()),
                });
            }
        }
        seen
    }

    /// `lease_moves`, and the look; what sends nothing is recorded at once (`record_move`).
    fn look(&self, s: &State, worker: u8, number: u8, add: &mut impl FnMut(Act, State)) {
        let Some(mut row) = s.rows[usize::from(number)] else { return };
        if row.state.is_end() || row.leased && self.without.has(Guard::MoveLease) {
            return;
        }
        let mut next = *s;
        next.unfence(number);
        let due = self.due(s, number, &row);
        match before_send(&due, &self.seen(s), 0) {
            Step::Send { renew } => {
                row.leased = true;
                next.rows[usize::from(number)] = Some(row);
                let ticket = Ticket { number, row, fenced: true };
                next.work(worker, Worker::Looked(ticket, renew));
                add(Act::Looks { worker, number, after: None, renew }, next);
            }
            step => {
                let Some(record) = step.record(&due, 0) else { return };
                row.leased = false;
                apply(&mut row, &record);
                next.rows[usize::from(number)] = Some(row);
                add(Act::Looks { worker, number, after: Some(record.state), renew: false }, next);
            }
        }
    }

    fn commit(
        &self,
        s: &State,
        worker: u8,
        ticket: Ticket,
        renew: bool,
        add: &mut impl FnMut(Act, State),
    ) {
        let number = ticket.number;
        let Some(mut row) = s.rows[usize::from(number)] else { return };
        let has = |guard| self.without.has(guard);
        let mut next = *s;
        let fenced = ticket.fenced && row.leased || !has(Guard::MoveFence);
        let alive = !row.key_dead || !has(Guard::MoveKeyDeath);
        let apart = row.kind != Kind::Refund
            || row.key_dead && row.phase == Phase::Over
            || !has(Guard::TwoKeysApart);
        let key_fits = if renew { row.calls > 0 && apart } else { alive };
        if renew && usize::from(row.keys) >= KEYS {
            return;
        }
        if !fenced
            || !matches!(row.state, Stage::Open | Stage::Unknown)
            || row.phase == Phase::Running
            || !key_fits
            || !self.wanted(s, row.kind)
        {
            next.work(worker, Worker::Idle);
            if ticket.fenced {
                row.leased = false;
                next.unfence(number);
                next.rows[usize::from(number)] = Some(row);
            }
            return add(Act::Leaves { worker, number }, next);
        }
        row.state = Stage::Unknown;
        row.key_dead &= !(renew || row.calls == 0);
        row.calls = (row.calls + 1).min(2);
        row.keys += u8::from(renew);
        row.phase = Phase::Running;
        next.rows[usize::from(number)] = Some(row);
        next.work(worker, Worker::Unsent(ticket, row.keys - 1, false));
        add(Act::Commits { worker, number, key: row.keys }, next);
    }

    fn record(
        &self,
        s: &State,
        worker: u8,
        ticket: Ticket,
        told: Told,
        add: &mut impl FnMut(Act, State),
    ) {
        let number = ticket.number;
        let Some(mut row) = s.rows[usize::from(number)] else { return };
        let mut next = *s;
        next.work(worker, Worker::Idle);
        let fenced = ticket.fenced && row.leased || !self.without.has(Guard::MoveFence);
        if !fenced || row.state.is_end() {
            let after = row.state;
            return add(Act::Record { worker, number, told, after, stale: true }, next);
        }
        let record = after_answer(answer(told, &ticket), &self.due(s, number, &ticket.row), 0);
        row.leased = false;
        row.phase = row.phase.max(Phase::Ended);
        apply(&mut row, &record);
        next.unfence(number);
        next.rows[usize::from(number)] = Some(row);
        add(Act::Record { worker, number, told, after: row.state, stale: false }, next);
    }

    /// `refund_order`, `return_money`, `fail_refund`.
    fn plan(&self, s: &State, add: &mut impl FnMut(Act, State)) {
        let left = s.rows.iter().flatten().fold(s.book.received, |left, row| {
            let counts = !matches!(row.state, Stage::Refused | Stage::Failed | Stage::Withdrawn);
            if row.kind == Kind::Refund && counts { left.saturating_sub(row.amount) } else { left }
        });
        let free = s.rows.iter().position(Option::is_none);
        if let Some(free) = free
            && s.budget.asked > 0
            && (left >= self.amounts[free] || !self.without.has(Guard::SumOfRefunds))
        {
            let mut next = *s;
            next.budget.asked -= 1;
            next.rows[free] = Some(self.intended(Kind::Refund, free));
            add(Act::Asked { number: u8::try_from(free).unwrap_or(0) }, next);
        }
        let planned = |kind| s.rows.iter().flatten().any(|row| row.kind == kind);
        if let Some(free) = free
            && self.kind == Kind::Capture
            && s.ended
        {
            let kind = if s.book.received > 0 { Kind::Refund } else { Kind::Cancel };
            let owed =
                kind == Kind::Cancel && s.book.reserved > 0 || kind == Kind::Refund && left > 0;
            if owed && !planned(kind) {
                let mut next = *s;
                next.rows[free] = Some(self.intended(kind, free));
                add(Act::EndedRead { kind }, next);
            }
        }
        for number in 0..s.rows.len() {
            if let Some(mut row) = s.rows[number]
                && row.state == Stage::Done
                && s.book.refunds[number].contains(&Refunded::Returned)
                && !s.book.refunds[number].iter().any(|refund| refund.lives())
            {
                row.state = Stage::Failed;
                let mut next = *s;
                next.rows[number] = Some(row);
                add(Act::ReturnIsRead { number: u8::try_from(number).unwrap_or(0) }, next);
            }
        }
    }
}

/// `record_move`.
fn apply(row: &mut Row, record: &Record) {
    row.state = record.state;
    row.known |= record.stripe_id.is_some();
    row.code = Code::of(record.code.as_deref());
}

fn answer(told: Told, ticket: &Ticket) -> Answer {
    let row = &ticket.row;
    let done = |status: &str| Answer::Done {
        stripe_id: format!("re_{}_0", ticket.number),
        status: status.to_owned(),
        amount_minor: i64::from(row.amount),
    };
    match told {
        Told::Done if row.kind == Kind::Cancel => done("canceled"),
        Told::Done => done("succeeded"),
        Told::Pending => done("pending"),
        Told::Refused => Answer::Refused { code: "charge_already_refunded".to_owned() },
        Told::Lost | Told::ServerError => {
            Answer::Unknown { doubt: "timed_out", retry_after: None, replayed: false }
        }
        Told::StoredError => {
            Answer::Unknown { doubt: "server_error", retry_after: None, replayed: true }
        }
        Told::NotSent => Answer::NotSent("too_late"),
    }
}
