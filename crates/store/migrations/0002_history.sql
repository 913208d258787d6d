-- The history: what happened to each order, in order, for ever.
--
-- Append-only (guards/history.sql), gapless per order, hash-chained: each hash covers the hash
-- before it, so that an edit, a removal or a swap shows in every later row and in orders.head.

create table :"schema".order_events (
  order_id      uuid not null,
  seq           bigint not null constraint order_events_seq_positive check (seq >= 1),
  at            timestamptz not null,
  kind          text not null constraint order_events_kind_length check (char_length(kind) <@ '[1,60]'::int4range),
  status_before text not null,
  status_after  text not null,
  actor         text not null constraint order_events_actor_length check (char_length(actor) <@ '[1,200]'::int4range),
  actor_source  text not null constraint order_events_actor_source_known check (actor_source = any ('{options, jwt, login}')),
  data          jsonb not null
    constraint order_events_set_is_an_object check (jsonb_typeof(coalesce(data -> 'set', '{}')) = 'object'),
  hash          bytea not null constraint order_events_hash_is_a_digest check (octet_length(hash) = 32),
  primary key (order_id, seq)
);
comment on table :"schema".order_events is
  'One row per thing that happened to an order. Folding data->''set'' over seq gives the row in orders.';
comment on column :"schema".order_events.data is
  '"set" holds the columns of orders that this event changed; everything else is evidence.';
-- No foreign key to orders: orders are never deleted, the functions write both in one statement,
-- and the check would cost a lock and a look-up for every event. verify finds an event without order.
