-- Which PaymentIntent pays which order, and what Stripe said of it last.

create table :"schema".payments (
  payment_intent  text primary key
    constraint payments_payment_intent_form check (payment_intent ~ '^pi_[A-Za-z0-9_]{1,247}$'),
  order_id        uuid not null references :"schema".orders (id),
  live            boolean not null default true,
  stripe_status   text constraint payments_stripe_status_length check (char_length(stripe_status) <= 60),
  amount_received bigint constraint payments_amount_received_positive check (amount_received >= 0),
  amount_capturable bigint constraint payments_amount_capturable_positive check (amount_capturable >= 0),
  amount_refunded bigint constraint payments_amount_refunded_positive check (amount_refunded >= 0),
  currency        char(3),
  livemode        boolean,
  named_order     text constraint payments_named_order_length check (char_length(named_order) <= 100),
  capture_before  timestamptz,
  authorised_at   timestamptz,
  dispute         text constraint payments_dispute_known check (dispute in ('open', 'lost', 'closed')),
  in_review       boolean,
  warned          boolean,
  warning_accepted boolean not null default false,
  deviation       text constraint payments_deviation_length check (char_length(deviation) between 1 and 60),
  refunds_minor   bigint not null default 0,
  read_at         timestamptz,
  stale_since     timestamptz,
  next_read_at    timestamptz not null,
  reads           integer not null default 0,
  created_at      timestamptz not null,

  constraint payments_refunds_within_received
    check (refunds_minor between 0 and coalesce(amount_received, 0))
);
comment on table :"schema".payments is
  'One row per PaymentIntent. It pays exactly one order (primary key), and an order has one that counts.';
comment on column :"schema".payments.live is 'Whether this is the one that counts for its order.';
comment on column :"schema".payments.named_order is 'metadata.order_id, as Stripe holds it.';
comment on column :"schema".payments.capture_before is 'Until then an authorisation may be captured; Stripe''s own word.';
comment on column :"schema".payments.warned is 'Whether Stripe warned of fraud early; warning_accepted: a person took it upon himself.';
comment on column :"schema".payments.deviation is
  'The first condition of "paid" that the facts break; null when they hold. A claim wants it null, and read_at a minute old at most.';
comment on column :"schema".payments.refunds_minor is
  'The sum of our refunds of it that may take or have taken effect; kept by the trigger money_moves_within_received.';
comment on column :"schema".payments.stale_since is
  'Something happened at Stripe since the facts were read: nothing is bought until they are read again.';
create unique index payments_one_live_per_order on :"schema".payments (order_id) where live;
create index payments_by_order on :"schema".payments (order_id);
-- What is reserved and not captured.
create index payments_to_capture on :"schema".payments (capture_before) where live and stripe_status = 'requires_capture';
create index payments_to_read on :"schema".payments (next_read_at) where live;
