-- Orders, their lines, their private part and the edges between statuses.
--
-- Amounts are integers in the smallest unit of the order's currency. Every text has a length.
-- Constraints are named: their names are part of the interface. On the tables that every purchase
-- writes they stand in domains: what a value must be by itself in the domain of its column, what the
-- columns must be together in the domain orders_whole. A session reads a domain's constraints once;
-- the constraints of a table it would read anew for every statement (docs/BENCH.md).

create table :"schema".order_edges (
  status_before text not null,
  status_after  text not null,
  meaning       text not null,
  primary key (status_before, status_after)
);
comment on table :"schema".order_edges is
  'The permitted changes of status, readable. What refuses the others is the constraint orders_edge_known.';

create domain :"schema".orders_order_number as text
  constraint orders_order_number_length check (char_length(value) between 1 and 100);
create domain :"schema".orders_version as bigint
  constraint orders_version_positive check (value >= 1);
create domain :"schema".orders_generation as integer
  constraint orders_generation_positive check (value between 0 and 1000);
create domain :"schema".orders_head as bytea
  constraint orders_head_is_a_digest check (octet_length(value) = 32);
create domain :"schema".orders_zinc_request_id as text
  constraint orders_request_id_form check (value ~ '^[!-~]+$' and octet_length(value) <= 200);
create domain :"schema".orders_zinc_status as text
  constraint orders_zinc_status_length check (char_length(value) between 1 and 100);
create domain :"schema".orders_hold_reason as text
  constraint orders_hold_reason_known check (value in (
    'awaiting_payment', 'awaiting_funds', 'disputed', 'scheduled', 'operator', 'restored', 'cancel_requested',
    'wrong_mode', 'wrong_order', 'wrong_currency', 'wrong_amount', 'payment_canceled', 'payment_undone', 'authorisation_ending',
    'payment_refunded', 'payment_disputed', 'payment_in_review', 'fraud_warning'));
create domain :"schema".orders_review_reason as text
  constraint orders_review_reason_length check (char_length(value) between 1 and 100);
create domain :"schema".orders_payment_status as text
  constraint orders_payment_status_known check (value in ('unpaid', 'authorized', 'paid', 'refund_pending', 'partially_refunded', 'refunded', 'disputed', 'failed'));
create domain :"schema".orders_retailer as text
  constraint orders_retailer_known check (value in ('amazon', 'amazon_uk', 'amazon_ca', 'amazon_de', 'amazon_mx', 'walmart'));
create domain :"schema".orders_currency as char(3)
  constraint orders_currency_known check (value in ('USD', 'GBP', 'CAD', 'EUR', 'MXN'));
create domain :"schema".orders_goods_minor as bigint
  constraint orders_goods_positive check (value between 1 and 1000000000);
create domain :"schema".orders_cost_minor as bigint
  constraint orders_cost_positive check (value >= 0);
create domain :"schema".orders_capture_when as text
  constraint orders_capture_when_known check (value in ('before_purchase', 'after_purchase'));
create domain :"schema".orders_content_digest as bytea
  constraint orders_content_digest_is_a_digest check (octet_length(value) = 32);

-- What the columns of an order must be together. The edges, generated from the program's list, are
-- one more constraint of this domain: orders_edge_known.
create type :"schema".orders_columns as (
  status_before   text,
  status          text,
  generation      :"schema".orders_generation,
  zinc_request_id :"schema".orders_zinc_request_id,
  review_reason   :"schema".orders_review_reason,
  due_at          timestamptz,
  goods_minor     :"schema".orders_goods_minor,
  total_minor     bigint,
  price_cap_minor bigint
);
create domain :"schema".orders_whole as :"schema".orders_columns
  constraint orders_total_covers_goods
    check ((value).total_minor between (value).goods_minor and 1000000000)
  constraint orders_cap_within_total
    check ((value).price_cap_minor between 1 and (value).total_minor)
  constraint orders_due_until_the_end
    check (((value).due_at is null) = ((value).status in ('completed', 'cancelled', 'failed')))
  constraint orders_due_is_a_time
    check (isfinite((value).due_at))
  constraint orders_submitting_has_an_intent
    check ((value).status <> 'submitting' or (value).generation >= 1)
  constraint orders_at_zinc_has_a_request
    check ((value).status not in ('submitted_to_zinc', 'processing') or (value).zinc_request_id is not null)
  constraint orders_review_has_a_reason
    check (((value).status = 'needs_review') = ((value).review_reason is not null));

create table :"schema".orders (
  id              uuid primary key,
  order_number    :"schema".orders_order_number not null
    constraint orders_order_number_unique unique,
  status          text not null default 'pending',
  status_before   text not null default 'new',
  version         :"schema".orders_version not null default 1,
  head            :"schema".orders_head not null,
  generation      :"schema".orders_generation not null default 0,
  zinc_request_id :"schema".orders_zinc_request_id,
  zinc_status     :"schema".orders_zinc_status,
  hold_reason     :"schema".orders_hold_reason,
  review_reason   :"schema".orders_review_reason,
  payment_status  :"schema".orders_payment_status not null default 'unpaid',
  retailer        :"schema".orders_retailer not null,
  currency        :"schema".orders_currency not null,
  goods_minor     :"schema".orders_goods_minor not null,
  total_minor     bigint not null,
  price_cap_minor bigint not null,
  cost_minor      :"schema".orders_cost_minor,
  capture_when    :"schema".orders_capture_when not null default 'before_purchase',
  content_digest  :"schema".orders_content_digest not null,
  due_at          timestamptz,
  created_at      timestamptz not null,
  updated_at      timestamptz not null,

  -- Always true: what it refuses, the domain refuses while the row is put together.
  constraint orders_hold_together check (
    cast(cast(row(status_before, status, generation, zinc_request_id, review_reason, due_at, goods_minor,
                  total_minor, price_cap_minor) as :"schema".orders_columns) as :"schema".orders_whole)
    is distinct from null)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);

comment on table :"schema".orders is 'One row per order. Written by functions only; see ARCHITECTURE.md.';
comment on column :"schema".orders.status is 'What we know; the edges are in order_edges.';
comment on column :"schema".orders.status_before is 'The status before the present one; ''new'' after birth.';
comment on column :"schema".orders.version is 'Number of events in the history; the last one has this seq.';
comment on column :"schema".orders.head is 'Hash of the last event: the end of the chain.';
comment on column :"schema".orders.generation is 'Number of the current attempt; 0 before the first.';
comment on column :"schema".orders.hold_reason is 'While set, nothing new is sent for this order.';
comment on column :"schema".orders.price_cap_minor is 'Ceiling that the provider may spend.';
comment on column :"schema".orders.cost_minor is 'What the purchase really cost, as the provider said.';
comment on column :"schema".orders.capture_when is
  'Whether reserved money is taken before the purchase, or after the provider took the order.';
comment on column :"schema".orders.content_digest is 'SHA-256 of the content as placed; tells a repeat from another order.';
comment on column :"schema".orders.due_at is 'When somebody must look next: claim, lease end, retry, poll or reminder.';
comment on column :"schema".orders.updated_at is 'Moves with the status, with a lease and with each scheduled look, and on no other edit, so that "submitting and older than two minutes" means that nobody looks after it.';

-- What the claim reads: everything that may be sent, oldest due first.
create index orders_sendable on :"schema".orders (due_at)
  where status in ('pending', 'submitting') and hold_reason is null;
-- What the watch loop reads.
create index orders_watched on :"schema".orders (due_at)
  where status in ('submitted_to_zinc', 'processing');
-- What recovery and the specification's health query read, held orders included.
create index orders_submitting on :"schema".orders (due_at) where status = 'submitting';
-- What is bought and not captured yet.
create index orders_to_capture on :"schema".orders (id) where payment_status = 'authorized';
-- What nobody has paid yet, oldest first.
create index orders_unpaid on :"schema".orders (created_at) where status = 'pending' and payment_status = 'unpaid';
-- What waits for a person.
create index orders_in_review on :"schema".orders (due_at) where status = 'needs_review';
-- A request id belongs to one order for ever.
create unique index orders_request_id_unique on :"schema".orders (zinc_request_id)
  where zinc_request_id is not null;
create index orders_by_creation on :"schema".orders (created_at, id);

create table :"schema".order_items (
  order_id         uuid not null references :"schema".orders (id),
  line             integer not null constraint order_items_line_positive check (line between 1 and 1000),
  product_id       text not null
    constraint order_items_product_id_length check (char_length(product_id) between 1 and 100),
  title            text not null
    constraint order_items_title_length check (char_length(title) <= 300),
  quantity         bigint not null
    constraint order_items_quantity_positive check (quantity between 1 and 100000),
  unit_price_minor bigint not null
    constraint order_items_price_positive check (unit_price_minor between 1 and 1000000000),
  primary key (order_id, line)
);
comment on table :"schema".order_items is 'The lines of an order, fixed once placed; their sum is orders.goods_minor.';

create table :"schema".order_private (
  order_id        uuid primary key references :"schema".orders (id),
  recipient       jsonb not null,
  shipping_method text not null
    constraint order_private_shipping_method_known check (shipping_method in ('cheapest', 'fastest', 'free')),
  is_gift         boolean not null,
  gift_message    text
    constraint order_private_gift_message_length check (char_length(gift_message) between 1 and 240)
);
comment on table :"schema".order_private is
  'What belongs to a person: read only by the functions that build a request. History carries its digest only.';
