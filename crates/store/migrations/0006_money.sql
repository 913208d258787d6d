-- Movements of money, messages of Stripe, and what both sides do not agree about.

create table :"schema".money_moves (
  id               uuid primary key,
  order_id         uuid not null references :"schema".orders (id),
  payment_intent   text not null references :"schema".payments (payment_intent),
  kind             text not null constraint money_moves_kind_known check (kind in ('capture', 'refund', 'cancel')),
  amount_minor     bigint not null constraint money_moves_amount_positive check (amount_minor between 0 and 1000000000),
  currency         char(3) not null,
  cause            text not null
    constraint money_moves_cause_known check (cause in ('order_ended', 'paid_after_end', 'payment_authorised', 'goods_bought', 'unpaid_too_long', 'person')),
  reason           text not null constraint money_moves_reason_length check (char_length(reason) between 1 and 300),
  requested_by     text not null constraint money_moves_requested_by_length check (char_length(requested_by) between 1 and 200),
  approved_by      text constraint money_moves_approved_by_length check (char_length(approved_by) between 1 and 200),
  state            text not null
    constraint money_moves_state_known check (state in ('awaiting_approval', 'waiting', 'open', 'unknown', 'accepted', 'done', 'refused', 'failed', 'withdrawn')),
  key_number       integer not null default 1 constraint money_moves_key_number_positive check (key_number between 1 and 100),
  target           text constraint money_moves_target_length check (char_length(target) <= 300),
  body             bytea constraint money_moves_body_length check (octet_length(body) <= 4096),
  calls            integer not null default 0 constraint money_moves_calls_positive check (calls >= 0),
  first_sent_at    timestamptz,
  key_dead_at      timestamptz,
  call_deadline_at timestamptz,
  lease_token      uuid,
  lease_expires_at timestamptz,
  stripe_id        text constraint money_moves_stripe_id_form check (stripe_id ~ '^[A-Za-z0-9_]{1,255}$'),
  stripe_status    text constraint money_moves_stripe_status_length check (char_length(stripe_status) <= 60),
  code             text constraint money_moves_code_length check (char_length(code) <= 100),
  due_at           timestamptz,
  created_at       timestamptz not null,
  settled_at       timestamptz,

  constraint money_moves_lease_whole
    check ((lease_token is null) = (lease_expires_at is null)),
  constraint money_moves_due_until_the_end
    check ((due_at is null) = (state in ('done', 'refused', 'failed', 'withdrawn'))),
  constraint money_moves_settled_at_the_end
    check ((settled_at is null) = (state not in ('done', 'refused', 'failed', 'withdrawn'))),
  constraint money_moves_sent_with_bytes
    check ((first_sent_at is null) = (key_dead_at is null) and (calls = 0 or target is not null and body is not null)),
  constraint money_moves_two_persons
    check (approved_by <> requested_by),
  constraint money_moves_unapproved_is_not_sent
    check (state not in ('awaiting_approval', 'waiting') or calls = 0),
  constraint money_moves_amount_of_its_kind
    check (kind = 'cancel' or amount_minor > 0)
);
comment on table :"schema".money_moves is
  'One row per capture, refund or cancellation of a PaymentIntent: intended and committed first, then sent under its own key.';
comment on column :"schema".money_moves.state is
  'awaiting_approval: a second person must agree. waiting: the order may be bought. unknown: Stripe may have done it. accepted: Stripe has it, the bank not yet.';
comment on column :"schema".money_moves.key_number is
  'The key is <kind>:<id>:<key_number>. It grows only when the former key is dead and Stripe shows no effect of it.';
create index money_moves_due on :"schema".money_moves (due_at) where due_at is not null;
create index money_moves_by_order on :"schema".money_moves (order_id);
create index money_moves_by_payment on :"schema".money_moves (payment_intent);
create index money_moves_by_stripe_id on :"schema".money_moves (stripe_id) where stripe_id is not null;
-- A PaymentIntent is captured once, and cancelled once.
create unique index money_moves_one_capture on :"schema".money_moves (payment_intent)
  where kind = 'capture' and state not in ('refused', 'failed', 'withdrawn');
create unique index money_moves_one_cancel on :"schema".money_moves (payment_intent)
  where kind = 'cancel' and state not in ('refused', 'failed', 'withdrawn');

create table :"schema".inbox (
  event_id       text primary key
    constraint inbox_event_id_form check (event_id ~ '^[A-Za-z0-9_]{1,255}$'),
  source         text not null constraint inbox_source_known check (source in ('webhook', 'listed')),
  kind           text not null constraint inbox_kind_form check (kind ~ '^[a-z0-9_.]{1,100}$'),
  object         text not null constraint inbox_object_length check (char_length(object) between 1 and 60),
  object_id      text not null constraint inbox_object_id_form check (object_id ~ '^[A-Za-z0-9_]{1,255}$'),
  object_digest  bytea not null constraint inbox_digest_is_a_digest check (octet_length(object_digest) = 32),
  payment_intent text constraint inbox_payment_intent_form check (payment_intent ~ '^[A-Za-z0-9_]{1,255}$'),
  livemode       boolean not null,
  created_at     timestamptz not null,
  received_at    timestamptz not null,
  body           bytea constraint inbox_body_length check (octet_length(body) <= 524288),
  state          text not null
    constraint inbox_state_known check (state in ('new', 'handled', 'ignored', 'repeated', 'unmatched', 'wrong_mode', 'wrong_account', 'given_up')),
  tries          integer not null default 0,
  due_at         timestamptz,
  handled_at     timestamptz,

  constraint inbox_due_while_new check ((due_at is null) = (state <> 'new')),
  constraint inbox_handled_when_not_new check ((handled_at is null) = (state = 'new'))
);
comment on table :"schema".inbox is
  'Messages of Stripe, stored before they are acknowledged. Each is a hint only: the truth is read back.';
comment on column :"schema".inbox.body is
  'The raw bytes that the signature spoke of: evidence, never read again, closed to every role; a listed event has none.';
create index inbox_due on :"schema".inbox (due_at) where due_at is not null;
create index inbox_by_content on :"schema".inbox (object_id, kind, object_digest);
create index inbox_by_payment on :"schema".inbox (payment_intent, received_at) where payment_intent is not null;
create index inbox_by_time on :"schema".inbox (received_at);

create table :"schema".tallies (
  name  text primary key constraint tallies_name_length check (char_length(name) between 1 and 60),
  count bigint not null constraint tallies_count_positive check (count >= 0),
  at    timestamptz not null
);
comment on table :"schema".tallies is 'Counts of what is not kept row by row: messages refused, and why.';

create table :"schema".cursors (
  name text primary key constraint cursors_name_length check (char_length(name) between 1 and 60),
  at   timestamptz not null
);
comment on table :"schema".cursors is 'How far a list of a partner was read; reading begins an hour before it.';

create table :"schema".differences (
  id         uuid primary key,
  kind       text not null constraint differences_kind_length check (char_length(kind) between 1 and 60),
  subject    text not null constraint differences_subject_length check (char_length(subject) between 1 and 300),
  order_id   uuid references :"schema".orders (id),
  about_at   timestamptz not null,
  data       jsonb not null,
  first_at   timestamptz not null,
  last_at    timestamptz not null,
  gone_at    timestamptz
);
comment on table :"schema".differences is
  'Where Stripe, the provider and the shop do not agree, since when, and until when. Found by reconciling, corrected by nobody but a person.';
comment on column :"schema".differences.about_at is
  'When the compared thing came into being: only a comparison that reaches back to it can find that the difference is gone.';
create unique index differences_once_while_open on :"schema".differences (kind, subject) where gone_at is null;
