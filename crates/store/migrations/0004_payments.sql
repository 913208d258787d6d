-- Payments in their simple form: which PaymentIntent pays which order, and what Stripe said last.

create table :"schema".payments (
  payment_intent  text primary key
    constraint payments_payment_intent_form check (payment_intent ~ '^pi_[A-Za-z0-9_]{1,247}$'),
  order_id        uuid not null references :"schema".orders (id),
  live            boolean not null default true,
  stripe_status   text constraint payments_stripe_status_length check (char_length(stripe_status) <= 60),
  amount_received bigint constraint payments_amount_received_positive check (amount_received >= 0),
  currency        char(3),
  livemode        boolean,
  read_at         timestamptz,
  next_read_at    timestamptz not null,
  reads           integer not null default 0,
  created_at      timestamptz not null
);
comment on table :"schema".payments is
  'One row per PaymentIntent. It pays exactly one order (primary key), and an order has one that counts.';
comment on column :"schema".payments.live is 'Whether this is the one that counts for its order.';
create unique index payments_one_live_per_order on :"schema".payments (order_id) where live;
create index payments_to_read on :"schema".payments (next_read_at) where live;
